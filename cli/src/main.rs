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
mod link;
mod number;
mod output;
mod problem;
mod progress;
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
        Verb::List(arguments) => verbs::list::run(&arguments, &ui),
        Verb::Info(arguments) => verbs::info::run(&arguments, &ui),
        Verb::Flash(arguments) => verbs::flash::run(&arguments, &ui),
        Verb::Verify(arguments) => verbs::verify::run(&arguments, &ui),
        Verb::Read(arguments) => verbs::read::run(&arguments, &ui),
        Verb::Erase(arguments) => verbs::erase::run(&arguments, &ui),
        Verb::Boot(arguments) => verbs::boot::run(&arguments, &ui),
        Verb::Sim(command) => verbs::sim::run(&command, &ui),
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
