//! The command line.

use crate::exit;
use crate::verbs;
use clap::{Args, Parser, Subcommand};

/// Fail-safe firmware updates for STM32: design, seal, sign, flash, and try it all on a virtual board.
#[derive(Debug, Parser)]
#[command(name = "surefoot", version, after_long_help = exit::HELP, after_help = "Exit codes: surefoot --help")]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// For every verb.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Common {
    /// Print one JSON object on standard output and nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// Print errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Show each transfer on the link, on standard error
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Never colour (NO_COLOR does the same)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Answer every question with yes
    #[arg(long, short, global = true)]
    pub yes: bool,
}

/// One verb per job.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a board: board file and keys from an example
    New(verbs::new::Arguments),
    /// Check a board's flash layout, draw it, write linker scripts
    Layout(verbs::layout::Arguments),
    /// Seal the bootloader for a board
    Bootloader(verbs::bootloader::Arguments),
    /// Join bootloader and signed application into one factory file
    Merge(verbs::merge::Arguments),
    /// Build, sign and look at images; make keys
    #[command(subcommand)]
    Image(verbs::image::Command),
    /// List the boards in update mode
    List(verbs::list::Arguments),
    /// Show a board in update mode: bootloader, memory, slots, boot log, protection
    Info(verbs::info::Arguments),
    /// Check, erase, program, verify, boot
    Flash(verbs::flash::Arguments),
    /// Sign a program with the development key, flash it, boot it and show its output (a cargo runner)
    #[cfg(feature = "sim")]
    Run(verbs::run::Arguments),
    /// (this build has no virtual board)
    #[cfg(not(feature = "sim"))]
    #[command(hide = true)]
    Run(verbs::missing::Arguments),
    /// Compare a file with the flash
    Verify(verbs::verify::Arguments),
    /// Read flash into a file
    Read(verbs::read::Arguments),
    /// Erase the application
    Erase(verbs::erase::Arguments),
    /// Leave update mode and boot the application
    Boot(verbs::boot::Arguments),
    /// Show and change what guards a board: write and read protection, brown-out reset
    Protect(verbs::protect::Arguments),
    /// Run programs on the virtual board, or plug it into QEMU
    #[cfg(feature = "sim")]
    #[command(subcommand)]
    Sim(verbs::sim::Command),
    /// Show the main job on a virtual board, told as a story
    #[cfg(feature = "sim")]
    Demo(verbs::demo::Arguments),
    /// (this build has no virtual board)
    #[cfg(not(feature = "sim"))]
    #[command(hide = true)]
    Sim(verbs::missing::Arguments),
    /// (this build has no virtual board)
    #[cfg(not(feature = "sim"))]
    #[command(hide = true)]
    Demo(verbs::missing::Arguments),
    /// Print a completion script for a shell
    Completions(verbs::completions::Arguments),
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man(verbs::man::Arguments),
}
