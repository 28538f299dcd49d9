//! What is left of a run of the virtual board: its end, pins, lines and broken rules, for people and machines.

use super::session::Past;
use crate::output::{BAD, BOLD, GOOD, Report, Table};
use serde_json::{Value, json};
use surefoot_host::link::sim::VirtualBoard;
use surefoot_sim::usart::{COUNT, NAMES};
use surefoot_sim::{Edge, Grade, Kind, Nanos, Pin, Violation};

/// The report. `pins` are those to show.
pub fn look(pins: &[Pin], board: &mut VirtualBoard, start: Nanos, past: &Past) -> Report {
    let end = board.board.now();
    let mut table = Table::default();
    let state = match past.locked_up {
        Some(_) => format!("{BAD}locked up{BAD:#}"),
        None if board.runs_application() && board.fitting.slot_base != 0x0800_0000 => {
            "in the application".into()
        }
        None => "running".to_owned(),
    };
    let by_signal = if past.ended { ", ended by a signal" } else { "" };
    let seconds = end.since(start).as_secs_f64();
    table
        .row("time", format!("{seconds:.6} s of {}{by_signal}", board.fitting.board))
        .row("core", format!("{state}, pc 0x{:08X}", board.board.pc()))
        .row("instructions", board.board.instructions().to_string())
        .row("resets", board.board.resets().to_string());
    let mut pins_json = Vec::new();
    for &pin in pins {
        let edges = board.board.pin_trace(pin);
        table.row(&pin.to_string(), timeline(&edges, start, end));
        pins_json.push(pin_json(pin, board.board.pin(pin), &edges, start));
    }
    let mut uarts = Vec::new();
    for number in (0..COUNT).filter(|&n| !past.lines[n].is_empty()) {
        let bytes = &past.lines[number];
        table.row(NAMES[number], format!("{} bytes", bytes.len()));
        let text = String::from_utf8_lossy(bytes).into_owned();
        uarts.push(json!({ "usart": number + 1, "bytes": bytes, "text": text }));
    }
    table.warnings(&past.astray);
    let violations = board.board.violations().to_vec();
    let mut text = table.text();
    text.push_str(&rules(&violations));
    let count = |grade| violations.iter().filter(|v| v.grade() == grade).count();
    let json = json!({
        "board": board.fitting.board,
        "nanoseconds": end.since(start).0,
        "locked_up": past.locked_up.is_some(),
        "ended_by_signal": past.ended,
        "in_application": board.runs_application(),
        "pc": board.board.pc(),
        "instructions": board.board.instructions(),
        "resets": board.board.resets(),
        "starts": past.starts_json(),
        "pins": pins_json,
        "uarts": uarts,
        "usb": past.devices,
        "astray": past.astray,
        "violations": violations.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "grades": {
            "forbidden": count(Grade::Forbidden),
            "reserved": count(Grade::Reserved),
            "hints": count(Grade::Hint),
        },
    });
    Report::new(json, text)
}

/// Broken rules: what does harm line by line, what every library does in one line, what the model lacks in one.
fn rules(violations: &[Violation]) -> String {
    let mut table = Table::default();
    let of = |grade: Grade| violations.iter().filter(move |v| v.grade() == grade);
    let mut lines = String::new();
    match of(Grade::Forbidden).count() {
        0 => table.row("rules", format!("{GOOD}none broken{GOOD:#}")),
        1 => table.row("rules", format!("{BAD}1 broken{BAD:#}")),
        n => table.row("rules", format!("{BAD}{n} broken{BAD:#}")),
    };
    of(Grade::Forbidden).for_each(|v| lines.push_str(&format!("  {v}\n")));
    let reserved: Vec<&Violation> = of(Grade::Reserved).collect();
    if let Some(first) = reserved.first() {
        let more = if reserved.len() > 1 { format!(" at {} places", reserved.len()) } else { String::new() };
        let text = format!(
            "reserved bits or registers written{more}, which silicon ignores (first: {})",
            first.what
        );
        table.row("", text);
    }
    let missing = of(Grade::Hint).filter(|v| v.kind == Kind::Unmodelled);
    let missing: Vec<&str> = missing.map(|v| v.what.trim_end_matches(" is not modelled")).collect();
    if !missing.is_empty() {
        table.row("not modelled", missing.join("; "));
    }
    for hint in of(Grade::Hint).filter(|v| v.kind == Kind::Hint) {
        table.row("hint", hint.to_string());
    }
    format!("{}{lines}", table.text())
}

fn pin_json(pin: Pin, level: bool, edges: &[Edge], start: Nanos) -> Value {
    let edges: Vec<Value> =
        edges.iter().map(|e| json!({ "at": e.at.since(start).0, "high": e.high })).collect();
    json!({ "pin": pin.to_string(), "high": level, "edges": edges })
}

/// A line of 60 cells between `start` and `end`: high, low, or both within one cell; and the mean
/// time between edges.
fn timeline(edges: &[Edge], start: Nanos, end: Nanos) -> String {
    const CELLS: u64 = 60;
    let span = end.since(start).0.max(1);
    let inside: Vec<&Edge> = edges.iter().filter(|e| e.at >= start && e.at <= end).collect();
    let mut high = edges.iter().take_while(|e| e.at < start).last().is_some_and(|e| e.high);
    let mut drawn = String::new();
    for cell in 0..CELLS {
        let until = Nanos(start.0 + span * (cell + 1) / CELLS);
        let from = Nanos(start.0 + span * cell / CELLS);
        let here: Vec<&&Edge> = inside.iter().filter(|e| e.at >= from && e.at < until).collect();
        let both = here.len() > 1;
        high = here.last().map_or(high, |e| e.high);
        drawn.push(match (both, high) {
            (true, _) => '▒',
            (false, true) => '▇',
            (false, false) => '▁',
        });
    }
    let every = match (inside.first(), inside.last(), inside.len()) {
        (Some(first), Some(last), n) if n > 1 => {
            format!("{BOLD}every {:.3} ms{BOLD:#}", last.at.since(first.at).0 as f64 / (n - 1) as f64 / 1e6)
        }
        _ => String::new(),
    };
    format!("{drawn} {} edges {every}", inside.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_shows_levels_and_the_time_between_edges() {
        let edge = |ms, high| Edge { at: Nanos::millis(ms), pin: Pin::new('D', 12), high };
        let edges: Vec<Edge> = (0..6).map(|i| edge(100 * i, i % 2 == 0)).collect();
        let line = timeline(&edges, Nanos(0), Nanos::millis(600));
        assert!(line.starts_with("▇▇▇▇▇▇▇▇▇▇▁▁▁▁▁▁▁▁▁▁▇"), "{line}");
        assert!(line.contains("6 edges") && line.contains("every 100.000 ms"), "{line}");
    }
}
