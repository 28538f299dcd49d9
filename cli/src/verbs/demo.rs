//! `surefoot demo`: the main job on a virtual board, told as a story by surefoot-demo.

use crate::exit::Exit;
use crate::output::{Report, Ui};
use crate::problem::Problem;
use clap::Args;
use serde_json::json;
use std::io::ErrorKind;
use std::path::PathBuf;
use surefoot_demo::Screen;

/// The arguments: none.
#[derive(Debug, Args)]
pub struct Arguments {}

/// This command's file. Where there is no /proc to tell, the path that it was started with.
fn own() -> std::io::Result<PathBuf> {
    let named = std::env::args_os().next().map(PathBuf::from).filter(|path| path.is_absolute());
    std::env::current_exe().or_else(|error| named.ok_or(error))
}

/// Tells it.
pub fn run(_: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let screen = if ui.json || ui.quiet { Screen::none() } else { Screen::new(colour) };
    // Files are this same command's work, which is shown as it would be typed.
    let told = own().map_err(Into::into).and_then(|own| surefoot_demo::run(&own, &screen));
    let is_closed = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
    if told.as_ref().is_err_and(|error| error.downcast_ref().is_some_and(is_closed)) {
        // Printed into the same closed pipe, which ends the command.
        return Ok(Report::new(json!({}), "\n"));
    }
    let told = told.map_err(|error| {
        Problem::new(
            Exit::Internal,
            "demo",
            format!("the story does not hold: {error:#}"),
            "Every line of the demo is checked while it is told.",
            "Please report it, with the output.",
        )
    })?;
    let json = json!({
        "updates": told.updates,
        "refused": told.refused,
        "cuts_survived": told.cuts,
        "rolled_back": told.rolled_back,
        "seconds": told.seconds,
        "board_seconds": told.board_seconds,
    });
    Ok(Report::new(json, format!("\n{told}\n")))
}
