//! `surefoot run`, `sim`, `demo` and the link `sim:` in a build without the virtual board.

use crate::exit::Exit;
use crate::problem::Problem;
use clap::Args;
use std::ffi::OsString;

/// What is missing.
pub const WHAT: &str = "this build of surefoot has no virtual board";
/// How to get it.
pub const REMEDY: &str = "use a build with it: cargo install surefoot, without --no-default-features";

/// Whatever the verb would have taken.
#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<OsString>,
}

/// The problem.
pub fn problem() -> Problem {
    Problem::new(
        Exit::Usage,
        "sim.missing",
        WHAT,
        "It was built with --no-default-features, for those who flash boards and nothing else.",
        REMEDY,
    )
}
