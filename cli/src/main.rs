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
mod shown;
#[cfg(feature = "sim")]
mod signal;
mod verbs;
#[cfg(feature = "sim")]
mod virtual_board;
mod words;

use args::{Cli, Verb};
use clap::error::{ContextKind, ContextValue, ErrorKind as Mistake};
use clap::{CommandFactory as _, Parser};
use exit::Exit;
use output::{Report, Ui};
use problem::Problem;
use std::io::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli { verb, common } = match Cli::try_parse_from(words::translated(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    if common.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    // The verbs of a board that this build lacks take whatever stands behind them.
    #[cfg(not(feature = "sim"))]
    let common = args::Common { json: common.json || json_asked(), ..common };
    let ui = Ui { json: common.json, quiet: common.quiet, verbose: common.verbose, yes: common.yes };
    ended(&ui, &guarded(|| carry_out(verb, &ui)))
}

fn carry_out(verb: Verb, ui: &Ui) -> Result<Report, Problem> {
    match verb {
        Verb::New(arguments) => verbs::new::run(arguments),
        Verb::Layout(arguments) => verbs::layout::run(arguments),
        Verb::Bootloader(arguments) => verbs::bootloader::run(arguments),
        Verb::Merge(arguments) => verbs::merge::run(&arguments),
        Verb::Image(command) => verbs::image::run(command, ui),
        Verb::List(arguments) => verbs::list::run(&arguments, ui),
        Verb::Info(arguments) => verbs::info::run(&arguments, ui),
        #[cfg(feature = "sim")]
        Verb::Run(arguments) => verbs::run::run(&arguments, ui),
        Verb::Flash(arguments) => verbs::flash::run(&arguments, ui),
        Verb::Verify(arguments) => verbs::verify::run(&arguments, ui),
        Verb::Read(arguments) => verbs::read::run(&arguments, ui),
        Verb::Erase(arguments) => verbs::erase::run(&arguments, ui),
        Verb::Boot(arguments) => verbs::boot::run(&arguments, ui),
        Verb::Protect(arguments) => verbs::protect::run(&arguments, ui),
        #[cfg(feature = "sim")]
        Verb::Sim(command) => verbs::sim::run(&command, ui),
        #[cfg(feature = "sim")]
        Verb::Demo(arguments) => verbs::demo::run(&arguments, ui),
        #[cfg(not(feature = "sim"))]
        Verb::Run(_) | Verb::Sim(_) | Verb::Demo(_) => Err(verbs::missing::problem()),
        Verb::Man(arguments) => verbs::man::run(&arguments),
        Verb::Completions(arguments) => verbs::completions::run(arguments),
    }
}

/// A mistake of ours ends as every other problem does: told, and with its own exit code.
fn guarded(job: impl FnOnce() -> Result<Report, Problem>) -> Result<Report, Problem> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    caught.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(Problem::new(
            Exit::Internal,
            "internal.panic",
            format!("surefoot itself failed: {text}"),
            "This is a mistake in surefoot, whatever it was given.",
            "Please report it, with the command line and the files.",
        ))
    })
}

/// Shows what came of it. A result that nobody could read is not "done".
fn ended(ui: &Ui, done: &Result<Report, Problem>) -> ExitCode {
    let (shown, exit) = match done {
        Ok(report) => (ui.report(report), report.exit),
        Err(problem) => (ui.problem(problem), problem.exit),
    };
    match shown {
        Ok(()) => ExitCode::from(exit as u8),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => closed(),
        Err(error) => {
            output::tell(&format!("error: the result cannot be written to standard output: {error}"));
            ExitCode::from(Exit::Internal as u8)
        }
    }
}

/// Whoever read the output has gone (`| head`): the end of other commands there, without a word.
fn closed() -> ExitCode {
    #[cfg(unix)]
    let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    ExitCode::from(Exit::Internal as u8)
}

/// Help and version are no errors; a mistake is told as the user wants all errors told.
fn not_understood(error: &clap::Error) -> ExitCode {
    let json = json_asked();
    let ui = Ui { json, quiet: false, verbose: false, yes: false };
    if let Some(problem) = unknown_verb(error) {
        return ended(&ui, &Err(problem));
    }
    let is_help = error.kind() == Mistake::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() || is_help && !json {
        error.exit();
    }
    let why = match error.kind() {
        Mistake::MissingRequiredArgument => {
            "The verb needs it, and nothing safe could be taken in its place."
        }
        Mistake::UnknownArgument => "An unknown option is most likely a mistyped one, or another verb's.",
        _ => "The command line could not be understood.",
    };
    let problem = Problem::new(Exit::Usage, "usage", usage(error), why, &usage_remedy(error));
    ended(&ui, &Err(problem))
}

/// What to write instead: a hint of ours or clap's, and how the verb is used.
fn usage_remedy(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) if error.kind() == Mistake::UnknownArgument => {
            Some(option.as_str())
        }
        _ => None,
    };
    let before = std::env::args_os().skip(1).find(|word| {
        let word = word.to_string_lossy();
        !word.starts_with('-') || unknown.is_some_and(|option| word.split('=').next() == Some(option))
    });
    let early = before.is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let early = early && unknown.is_some_and(|option| is_of_a_verb(&Cli::command(), option));
    let ours = unknown.and_then(words::option_hint).map(str::to_owned);
    let early =
        early.then(|| "The options of a verb stand behind it, as in `surefoot info --link usb`.".to_owned());
    let tip = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("tip: "))
        .map(|tip| format!("{}.", capital(tip)));
    let hint = ours.or(early).or(tip);
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let usage = usage.map(|usage| format!("Usage: {usage}"));
    let help = "See `surefoot --help` and `surefoot VERB --help`.".to_owned();
    hint.into_iter().chain(usage.or(Some(help))).collect::<Vec<_>>().join(" ")
}

/// True for an option of a verb, however deep.
fn is_of_a_verb(command: &clap::Command, option: &str) -> bool {
    let name = option.trim_start_matches("--");
    let has = |verb: &clap::Command| verb.get_arguments().any(|argument| argument.get_long() == Some(name));
    command.get_subcommands().any(|verb| has(verb) || is_of_a_verb(verb, option))
}

/// As a sentence begins.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A word that is no verb; with what is similar by clap's measure.
fn unknown_verb(error: &clap::Error) -> Option<Problem> {
    let context = |kind| error.get(kind).filter(|_| error.kind() == Mistake::InvalidSubcommand);
    let Some(ContextValue::String(word)) = context(ContextKind::InvalidSubcommand) else { return None };
    // Below a verb of ours clap knows better.
    let below = std::env::args_os().skip(1).find(|word| !word.to_string_lossy().starts_with('-'));
    if below.is_none_or(|first| first != word.as_str()) {
        return None;
    }
    let similar = match context(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(all)) => all.clone(),
        Some(ContextValue::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    };
    Some(words::unknown(word, &similar))
}

/// True when it stands anywhere in the command line.
fn json_asked() -> bool {
    std::env::args_os().any(|argument| argument == "--json")
}

/// What clap says up to its usage lines, the names of arguments too, as one line.
fn usage(error: &clap::Error) -> String {
    if error.kind() == Mistake::DisplayHelpOnMissingArgumentOrSubcommand {
        return "the command line ends too early: a verb is missing".into();
    }
    let text = error.render().to_string();
    let lines = text.lines().take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more"));
    let lines = lines.filter(|l| !l.trim_start().starts_with("tip:"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_problem_with_exit_code_1() {
        for text in ["index out of bounds", "formatted"] {
            let done = guarded(|| match text {
                "formatted" => panic!("{text}"),
                _ => panic!("index out of bounds"),
            });
            let problem = done.expect_err("it panicked");
            assert_eq!((problem.exit, problem.code.as_str()), (Exit::Internal, "internal.panic"));
            assert!(problem.what.contains(text), "{}", problem.what);
        }
    }
}
