//! `surefoot completions`: a script for the user's shell.

use crate::args::Cli;
use crate::output::Report;
use crate::problem::Problem;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

/// The arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Bash: surefoot completions bash > ~/.local/share/bash-completion/completions/surefoot"
)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Writes the script.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "surefoot", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(Report::new(json!({ "shell": arguments.shell.to_string(), "script": script }), script))
}
