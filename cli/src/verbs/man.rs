//! `surefoot man`: the manual pages, one for the command and one for each verb. For packagers, so hidden.

use crate::args::Cli;
use crate::exit::Exit;
use crate::output::Report;
use crate::problem::Problem;
use crate::shown;
use clap::{Args, CommandFactory};
use serde_json::json;
use std::path::PathBuf;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder for the pages, which is there
    folder: PathBuf,
}

/// Writes the pages.
pub fn run(arguments: &Arguments) -> Result<Report, Problem> {
    let written = clap_mangen::generate_to(Cli::command(), &arguments.folder);
    written.map_err(|error| {
        Problem::new(
            Exit::Input,
            "file.write",
            format!("{}: the manual pages cannot be written: {error}", arguments.folder.display()),
            "Each verb has a page of its own.",
            "Name a folder that is there and that you may write to.",
        )
    })?;
    let text = format!("manual pages in {}\n", arguments.folder.display());
    Ok(Report::new(json!({ "folder": shown::path(&arguments.folder) }), text))
}
