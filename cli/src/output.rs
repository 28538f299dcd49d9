//! What the user sees: a report, an error in three parts, a line of progress.
//!
//! Everything goes through here, and here control characters that came from a device or a file are made
//! visible ([`crate::shown`]). Reports go to standard output, everything else to standard error. Colours are taken off by
//! `anstream` when the stream is no terminal, or with NO_COLOR or --no-color.

use crate::exit::Exit;
use crate::problem::Problem;
use crate::shown::{in_json, in_lines, in_value};
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Labels.
pub const DIM: Style = Style::new().dimmed();
/// Headings.
pub const BOLD: Style = Style::new().bold();

/// What a verb found or did: the same for people and for machines.
#[derive(Clone, Debug)]
pub struct Report {
    /// One object.
    pub json: Value,
    /// Lines, the last one ended.
    pub text: String,
    /// How the command ends after it.
    pub exit: Exit,
}

impl Report {
    /// From both forms.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), exit: Exit::Ok }
    }

    /// The same for a command that found what it was asked to find out, and the answer is no.
    pub fn ending(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }
}

/// Lines of "label value", the labels in one column.
#[derive(Default)]
pub struct Table(Vec<(String, String)>);

impl Table {
    /// One line more.
    pub fn row(&mut self, label: &str, value: impl Into<String>) -> &mut Self {
        self.0.push((in_value(label), in_value(&value.into())));
        self
    }

    /// A line for each warning.
    pub fn warnings<S: AsRef<str>>(&mut self, warnings: impl IntoIterator<Item = S>) -> &mut Self {
        for text in warnings {
            self.row("warning", format!("{BAD}{}{BAD:#}", text.as_ref()));
        }
        self
    }

    /// All lines.
    pub fn text(&self) -> String {
        let width = self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        self.0.iter().fold(String::new(), |mut text, (label, value)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{DIM}{label:width$}{DIM:#}  {value}");
            text
        })
    }
}

/// How to talk.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// One object on standard output and nothing else.
    pub json: bool,
    /// Errors only.
    pub quiet: bool,
    /// Tell each transfer on the link.
    pub verbose: bool,
    /// Never ask.
    pub yes: bool,
}

impl Ui {
    /// Prints a report.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn report(&self, report: &Report) -> io::Result<()> {
        if self.json {
            print(&in_json(&format!("{:#}\n", report.json)))
        } else if !self.quiet {
            print(&in_lines(&report.text))
        } else {
            Ok(())
        }
    }

    /// Prints a problem.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn problem(&self, problem: &Problem) -> io::Result<()> {
        if self.json {
            return print(&in_json(&format!("{:#}\n", problem.json())));
        }
        tell(&format!("{BAD}error{BAD:#}: {}", in_lines(&problem.what)));
        for (label, text) in [("why", &problem.why), ("do", &problem.remedy)] {
            if !text.is_empty() {
                tell(&format!("  {DIM}{label:>4}:{DIM:#} {}", in_lines(text)));
            }
        }
        Ok(())
    }

    /// A line on the way, for people.
    pub fn note(&self, text: &str) {
        if !self.json && !self.quiet {
            tell(text);
        }
    }

    /// What a program on the virtual board says, as it says it; what would move the terminal's cursor is shown,
    /// not obeyed.
    #[cfg(feature = "sim")]
    pub fn live(&self, text: &str) {
        if !self.json && !self.quiet {
            let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
            let shown: String = text
                .chars()
                .map(|c| if plain(c) { c.to_string() } else { c.escape_default().to_string() })
                .collect();
            let _ = print(&shown);
        }
    }

    /// A line about the link's traffic, with --json too: it goes to standard error.
    pub fn traffic(&self, text: &str) {
        if self.verbose {
            tell(&format!("{DIM}{text}{DIM:#}"));
        }
    }

    /// True when a moving progress bar may be drawn.
    pub fn animated(&self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// Asks for a line; nothing without a terminal, whatever --yes says.
    pub fn ask(&self, question: &str) -> Option<String> {
        if self.json || !std::io::stdin().is_terminal() {
            return None;
        }
        tell(question);
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok().map(|_| answer.trim().to_owned())
    }

    /// Asks; true for yes, and without asking with --yes. Without a terminal the answer is no.
    pub fn confirm(&self, question: &str) -> bool {
        if self.yes {
            return true;
        }
        if self.json || !std::io::stdin().is_terminal() {
            return false;
        }
        tell(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}

/// A pipe that took what is printed was closed at its other end.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// True once a pipe was closed that took what is printed. What shows a board's life ends then; a job on a board
/// is done first.
#[cfg(feature = "sim")]
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Passes it on.
fn noted(written: io::Result<()>) -> io::Result<()> {
    if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        CLOSED.store(true, Ordering::Relaxed);
    }
    written
}

/// What a program on a virtual board sends, as it comes.
#[cfg(feature = "sim")]
pub fn say(bytes: &[u8]) {
    let mut out = io::stdout();
    let _ = noted(out.write_all(bytes).and_then(|()| out.flush()));
}

/// To standard output.
fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout();
    noted(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// A line to standard error. Where that is not taken, nothing is left to tell it to.
pub fn tell(text: &str) {
    let _ = noted(writeln!(anstream::stderr(), "{}", in_lines(text)));
}
