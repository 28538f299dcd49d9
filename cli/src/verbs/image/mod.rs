//! `surefoot image`: keys, signing, looking.

mod inspect;
mod keygen;

use crate::output::Report;
use crate::problem::Problem;
use clap::Subcommand;

/// What to do with an image.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an Ed25519 key pair
    Keygen(keygen::Arguments),
    /// Show what is in an image
    Inspect(inspect::Arguments),
}

/// Does it.
pub fn run(command: Command) -> Result<Report, Problem> {
    match command {
        Command::Keygen(arguments) => keygen::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
    }
}
