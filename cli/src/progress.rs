//! Progress on standard error: bars on a terminal, one line per phase elsewhere.

use crate::output::Ui;
use indicatif::{ProgressBar, ProgressStyle};
use surefoot_host::job::{Phase, Progress};

/// Draws the progress of a job.
pub struct Bars {
    ui: Ui,
    bar: Option<ProgressBar>,
    phase: &'static str,
    total: u64,
    done: u64,
}

impl Bars {
    /// For this user.
    pub fn new(ui: Ui) -> Self {
        Self { ui, bar: None, phase: "", total: 0, done: 0 }
    }
}

impl Progress for Bars {
    fn begin(&mut self, phase: Phase, total: u64) {
        (self.phase, self.total, self.done) = (phase.name(), total, 0);
        if self.ui.animated() {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("  {prefix:8} {bar:40.green} {bytes:>11}/{total_bytes}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(self.phase);
            self.bar = Some(bar);
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.min(self.total));
        }
    }

    fn end(&mut self) {
        match self.bar.take() {
            Some(bar) => bar.abandon(),
            None => self.ui.note(&format!("  {:8} {} of {} bytes", self.phase, self.done, self.total)),
        }
    }
}
