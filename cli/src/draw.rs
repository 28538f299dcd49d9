//! The memory map in colour: the drawing is `surefoot-board`'s, the colours are ours.

use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use surefoot_board::layout::Use;
use surefoot_board::{MapRow, draw};

/// The drawing of `rows`, each area in its colour.
pub fn map(rows: &[MapRow]) -> String {
    let plain = draw(rows);
    let mut text = String::new();
    let mut style = Style::new();
    for line in plain.lines() {
        if let Some(row) = rows.iter().find(|r| label_of(line) == Some(r.label.as_str())) {
            style = colour(row.what);
        }
        // Writing to a string does not fail.
        let _ = match line.strip_prefix('|').and_then(|rest| rest.split_once('|')) {
            Some((label, rest)) => writeln!(text, "|{style}{label}{style:#}|{rest}"),
            None => writeln!(text, "{line}"),
        };
    }
    text
}

fn label_of(line: &str) -> Option<&str> {
    line.strip_prefix('|')?.split('|').next().map(str::trim).filter(|label| !label.is_empty())
}

const LOADER: Style = AnsiColor::Blue.on_default().bold();
const KEPT: Style = AnsiColor::Cyan.on_default();
const SLOT: Style = AnsiColor::Green.on_default().bold();
const COPY: Style = AnsiColor::Yellow.on_default();
const FREE: Style = Style::new().dimmed();
const RAM: Style = AnsiColor::Magenta.on_default();
/// All of them.
pub const STYLES: [Style; 6] = [LOADER, KEPT, SLOT, COPY, FREE, RAM];

fn colour(what: Option<Use>) -> Style {
    match what {
        Some(Use::Bootloader) => LOADER,
        Some(Use::Data | Use::Journal) => KEPT,
        Some(Use::Application | Use::Second) => SLOT,
        Some(Use::Staging | Use::Backup) => COPY,
        Some(Use::Free) => FREE,
        None => RAM,
    }
}
