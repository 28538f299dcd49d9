//! `cargo xtask ...` and `cargo demo`: what a developer and CI run.
//!
//! One file per command; each ends with one line that carries its figure and keeps its form.

use clap::{Parser, Subcommand};

mod chips;
mod licences;
mod test;
mod tools;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Surefoot's developer commands")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the chip table from stm32-metapac's metadata.
    Chips(chips::Args),
    /// Checks the licences of all dependencies against deny.toml
    Licences,
    /// Sets up what the tests need and runs every one of them.
    Test(test::Args),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Chips(args) => chips::run(&args),
        Command::Licences => licences::run(),
        Command::Test(args) => test::run(&args),
    }
}
