//! The surefoot command: one verb per job, one file per verb.
//!
//! `args` reads the command line, a verb in `verbs` does the job with `surefoot-host`,
//! `surefoot-board` and `surefoot-sim`, and `output` shows its report or its problem. No verb
//! prints or exits by itself.
#![forbid(unsafe_code)]

mod args;
mod board;
mod draw;
mod exit;
mod number;
mod output;
mod problem;
mod verbs;

use args::{Cli, Verb};
use clap::Parser;
use output::Ui;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli { verb, common } = Cli::parse();
    if common.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    let ui = Ui { json: common.json, quiet: common.quiet, yes: common.yes };
    let done = match verb {
        Verb::New(arguments) => verbs::new::run(arguments),
        Verb::Layout(arguments) => verbs::layout::run(arguments),
        Verb::Bootloader(arguments) => verbs::bootloader::run(arguments),
        Verb::Image(command) => verbs::image::run(command),
        Verb::Completions(arguments) => verbs::completions::run(arguments),
    };
    match done {
        Ok(report) => {
            ui.report(&report);
            ExitCode::from(exit::Exit::Ok as u8)
        }
        Err(problem) => {
            ui.problem(&problem);
            ExitCode::from(problem.exit as u8)
        }
    }
}
