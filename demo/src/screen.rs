//! What the demo shows: colours and bars on a terminal, plain lines elsewhere.

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::{self, ErrorKind, IsTerminal, Write};
use surefoot_host::job::{Phase, Progress};
use surefoot_sim::{Edge, Nanos};

/// One character of the timeline.
const CELL: Nanos = Nanos::millis(50);

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub updates: Cell<u32>,
    pub refused: Cell<u32>,
    pub cuts: Cell<u32>,
    pub rolled_back: Cell<u32>,
}

/// One more.
pub(crate) fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

/// Standard output.
#[derive(Debug, Default)]
pub struct Screen {
    pub(crate) tally: Tally,
    shown: bool,
    colour: bool,
    animated: bool,
    /// Who read standard output has gone.
    closed: Cell<bool>,
}

impl Screen {
    /// With the terminal's colours, if there is one and `colour` says so.
    pub fn new(colour: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { shown: true, colour: colour && terminal, animated: terminal, ..Self::default() }
    }

    /// Shows nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// A line. When it is not taken, the chapter goes on; after a closed pipe no other one begins. Any other
    /// fault is seen by whoever prints the end of the story.
    fn line(&self, text: &str) {
        if self.shown {
            let written = writeln!(io::stdout(), "{text}");
            let is_closed = written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
            self.closed.set(self.closed.get() || is_closed);
        }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A step of the story begins.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenPipe`] when the pipe that takes the story was closed.
    pub fn chapter(&self, title: &str) -> io::Result<()> {
        self.line(&format!("\n{}", self.styled(Style::new().bold(), title)));
        if self.closed.get() { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// A command that runs now.
    pub fn command(&self, arguments: &[&str]) {
        self.line(&format!(
            "  {}",
            self.styled(Style::new().dimmed(), &format!("$ surefoot {}", arguments.join(" ")))
        ));
    }

    /// Something on the side.
    pub fn note(&self, text: &str) {
        self.line(&format!("  {}", self.styled(Style::new().dimmed(), text)));
    }

    /// What went as it has to.
    pub fn good(&self, text: &str) {
        self.line(&format!("  {} {text}", self.styled(AnsiColor::Green.on_default().bold(), "ok")));
    }

    /// What went wrong, as it was meant to.
    pub fn bad(&self, text: &str) {
        self.line(&format!("  {} {text}", self.styled(AnsiColor::Red.on_default().bold(), "--")));
    }

    /// Somebody refused something, for a reason.
    pub fn refused(&self, what: &str, who: &str, why: &str) {
        let mark = self.styled(AnsiColor::Yellow.on_default().bold(), "no");
        self.line(&format!("  {mark} {what:<24} {who:>6}: {why}"));
    }

    /// The LED over `span`, one character for 50 ms.
    pub fn timeline(&self, trace: &[Edge], from: Nanos, span: Nanos, caption: &str) {
        let level = |at: Nanos| trace.iter().take_while(|e| e.at <= at).last().is_some_and(|e| e.high);
        let cells = span.0 / CELL.0;
        let drawn: String = (0..cells)
            .map(|i| if level(from + Nanos(i * CELL.0 + CELL.0 / 2)) { '#' } else { '_' })
            .collect();
        let drawn = if self.colour { drawn.replace('#', "▔").replace('_', "▁") } else { drawn };
        let drawn = self.styled(AnsiColor::Green.on_default(), &drawn);
        self.line(&format!("  LED {drawn} {caption}"));
    }
}

/// Progress of a job.
pub struct Bars<'s> {
    screen: &'s Screen,
    bar: Option<ProgressBar>,
    phase: &'static str,
    done: u64,
}

impl<'s> Bars<'s> {
    pub fn new(screen: &'s Screen) -> Self {
        Self { screen, bar: None, phase: "", done: 0 }
    }
}

impl Progress for Bars<'_> {
    fn begin(&mut self, phase: Phase, total: u64) {
        self.done = 0;
        self.phase = phase.name();
        if self.screen.animated {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("     {prefix:8} {bar:40.green} {bytes:>11}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(self.phase);
            self.bar = Some(bar);
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        }
    }

    fn end(&mut self) {
        match self.bar.take() {
            Some(bar) => bar.abandon(),
            None => self.screen.line(&format!("     {:8} {} bytes", self.phase, self.done)),
        }
    }
}
