//! `surefoot image`: keys, signing, looking, verifying.

mod inspect;
pub mod keygen;
mod keys;
mod orders;
mod password;
mod sealed;
pub mod sign;
pub mod signer;
mod slots;
mod verify;

use crate::output::{Report, Ui};
use crate::problem::Problem;
use clap::Subcommand;

/// What to do with an image.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an Ed25519 key pair
    Keygen(keygen::Arguments),
    /// List a board's keys with their numbers and ids
    Keys(keys::Arguments),
    /// Add manifest and signature, or a CRC-32; checks the result against the board
    Sign(Box<sign::Arguments>),
    /// Show what is in an image
    Inspect(inspect::Arguments),
    /// Hold an image against public keys, without a board
    Verify(verify::Arguments),
}

/// Does it.
pub fn run(command: Command, ui: &Ui) -> Result<Report, Problem> {
    match command {
        Command::Keygen(arguments) => keygen::run(arguments, ui),
        Command::Keys(arguments) => keys::run(arguments),
        Command::Sign(arguments) => sign::run(*arguments, ui),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
    }
}
