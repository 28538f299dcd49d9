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
use problem::Problem;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli { verb, common } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
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

/// Help and version are no errors; a mistake is told as the user wants all errors told.
fn not_understood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        error.exit();
    }
    let text = error.render().to_string();
    let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let (why, remedy) =
        ("The command line has no meaning.", "See `surefoot --help` and `surefoot VERB --help`.");
    let problem = Problem::new(exit::Exit::Usage, "usage", what, why, remedy);
    Ui { json, quiet: false, yes: false }.problem(&problem);
    ExitCode::from(problem.exit as u8)
}
