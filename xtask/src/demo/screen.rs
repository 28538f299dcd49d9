//! What the demo shows: colours and bars on a terminal, plain lines elsewhere.

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use surefoot_host::job::{Phase, Progress};
use surefoot_sim::{Edge, Nanos};

/// One character of the timeline.
const CELL: Nanos = Nanos::millis(50);

/// Standard output.
pub struct Screen {
    colour: bool,
    animated: bool,
}

impl Screen {
    pub fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        Self { colour, animated: terminal }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A step of the story begins.
    pub fn chapter(&self, title: &str) {
        println!("\n{}", self.styled(Style::new().bold(), title));
    }

    /// A command that runs now.
    pub fn command(&self, arguments: &[&str]) {
        println!("  {}", self.styled(Style::new().dimmed(), &format!("$ surefoot {}", arguments.join(" "))));
    }

    pub fn note(&self, text: &str) {
        println!("  {}", self.styled(Style::new().dimmed(), text));
    }

    pub fn good(&self, text: &str) {
        println!("  {} {text}", self.styled(AnsiColor::Green.on_default().bold(), "ok"));
    }

    pub fn bad(&self, text: &str) {
        println!("  {} {text}", self.styled(AnsiColor::Red.on_default().bold(), "--"));
    }

    /// Somebody refused something, for a reason.
    pub fn refused(&self, what: &str, who: &str, why: &str) {
        let mark = self.styled(AnsiColor::Yellow.on_default().bold(), "no");
        println!("  {mark} {what:<24} {who:>6}: {why}");
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
        println!("  LED {drawn} {caption}");
    }

    /// The last line, whose form stays.
    pub fn end(&self, text: &str) {
        println!("\n{text}");
    }
}

/// Progress of a job.
pub struct Bars {
    animated: bool,
    bar: Option<ProgressBar>,
    phase: &'static str,
    done: u64,
}

impl Bars {
    pub fn new(screen: &Screen) -> Self {
        Self { animated: screen.animated, bar: None, phase: "", done: 0 }
    }
}

impl Progress for Bars {
    fn begin(&mut self, phase: Phase, total: u64) {
        self.done = 0;
        self.phase = match phase {
            Phase::Erase => "erase",
            Phase::Program => "program",
            Phase::Verify => "verify",
            Phase::Read => "read",
        };
        if self.animated {
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
            None => println!("     {:8} {} bytes", self.phase, self.done),
        }
    }
}
