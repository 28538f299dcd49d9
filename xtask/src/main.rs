//! `cargo xtask ...`: what a developer and CI run.
//!
//! One file per command; each ends with one line that carries its figure and keeps its form.

use clap::{Parser, Subcommand};

mod budgets;
mod chips;
mod clients;
mod dist;
mod glitch;
mod images;
mod kept;
mod licences;
mod mutants;
mod recording;
mod sweep;
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
    /// Prints flash, RAM, stack, times and speeds beside their limits
    Budgets(budgets::Args),
    /// Writes the chip table from stm32-metapac's metadata.
    Chips(chips::Args),
    /// Runs dfu-util and our own tool over a Linux USB stack against the bootloader
    Clients(clients::Args),
    /// Makes what a release consists of, in target/dist
    Dist(dist::Args),
    /// Skips single instructions of the bootloader while it refuses an image
    Glitch(glitch::Args),
    /// Builds the firmware and compares it with the committed binaries, or rewrites them
    Images(images::Args),
    /// Checks the licences of all dependencies against deny.toml
    Licences,
    /// Puts bugs into core and bootloader one by one: the fail-safe tests have to see each
    Mutants(mutants::Args),
    /// Records the demo as an animated picture (docs/demo.svg)
    Recording(recording::Args),
    /// Cuts the supply at every flash operation of an update
    Sweep(sweep::Args),
    /// Sets up what the tests need and runs every one of them.
    Test(test::Args),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Budgets(args) => budgets::run(&args),
        Command::Chips(args) => chips::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Glitch(args) => glitch::run(&args),
        Command::Images(args) => images::run(&args),
        Command::Licences => licences::run(),
        Command::Mutants(args) => mutants::run(&args),
        Command::Recording(args) => recording::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Test(args) => test::run(&args),
    }
}
