//! `surefoot sim`: the virtual board by itself: run a program on it, look at its pins and lines,
//! or plug it into QEMU.

mod serve;

use crate::board::MaybeBoardFile;
use crate::exit::Exit;
use crate::output::{BAD, BOLD, GOOD, Report, Table, Ui};
use crate::problem::Problem;
use crate::virtual_board::{new_virtual_board, virtual_board};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use serve::Serve;
use std::path::PathBuf;
use std::time::Duration;
use surefoot_host::files;
use surefoot_host::link::LinkError;
use surefoot_host::link::sim::{Fitting, PowerOn, VirtualBoard};
use surefoot_sim::{Edge, Nanos, Pin, Stop};

/// What to do with the virtual board.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program, or the board in a state file, for some of its time
    Run(Run),
    /// Offer the board in a state file over usbredir, for QEMU or a guest
    Serve(Serve),
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Any program for the chip: ELF, HEX or BIN; without --state nothing else is in the flash
    file: Option<PathBuf>,
    /// Where a BIN goes
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
    /// The bare chip for a program without --state
    #[arg(long, default_value = "STM32F407VG")]
    chip: String,
    /// The board's state, which is kept; made from the board file when it is not there
    #[arg(long)]
    state: Option<PathBuf>,
    #[command(flatten)]
    board: MaybeBoardFile,
    /// How long, in the board's time
    #[arg(long = "for", id = "span", default_value = "1s", value_parser = crate::number::time)]
    span: Duration,
    /// Show this pin's edges, as in PD12; more than once for more pins [default: the board's LED]
    #[arg(long, value_parser = pin)]
    pin: Vec<Pin>,
    /// Hold a pin from outside, as in PA0=1; more than once for more pins
    #[arg(long, value_parser = held)]
    hold: Vec<(Pin, bool)>,
    /// Hold the board's button while the supply goes on
    #[arg(long)]
    button: bool,
    /// Fail (exit code 6) when the program breaks a rule of the manual
    #[arg(long)]
    strict: bool,
}

/// Does it.
pub fn run(command: &Command, ui: &Ui) -> Result<Report, Problem> {
    match command {
        Command::Run(arguments) => run_program(arguments, ui),
        Command::Serve(arguments) => serve::run(arguments, ui),
    }
}

fn pin(text: &str) -> Result<Pin, String> {
    let expected = || "a pin such as PD12 is expected".to_owned();
    let mut chars = text.strip_prefix(['P', 'p']).ok_or_else(expected)?.chars();
    let port = chars.next().map(|c| c.to_ascii_uppercase()).filter(|c| ('A'..='I').contains(c));
    let number = chars.as_str().parse::<u8>().ok().filter(|n| *n < 16);
    port.zip(number).map(|(port, number)| Pin::new(port, number)).ok_or_else(expected)
}

fn held(text: &str) -> Result<(Pin, bool), String> {
    match text.split_once('=') {
        Some((name, "1" | "high")) => Ok((pin(name)?, true)),
        Some((name, "0" | "low")) => Ok((pin(name)?, false)),
        _ => Err("a pin and a level such as PA0=1 are expected".into()),
    }
}

/// A bare chip for programs that have nothing to do with us.
fn bare(chip: &str) -> Result<VirtualBoard, LinkError> {
    let fitting = Fitting {
        board: "bare chip".into(),
        chip: chip.to_owned(),
        hse_hz: 8_000_000,
        hse_bypass: false,
        button: None,
        led: None,
        slot_base: 0x0800_0000,
        slot_length: 1 << 20,
        second: None,
        magic: 0,
        backup_register: 0,
    };
    VirtualBoard::new(fitting, 0x0800_0000, &[])
}

fn run_program(arguments: &Run, ui: &Ui) -> Result<Report, Problem> {
    let board_file = arguments.board.load()?;
    // Read before a board is made for it.
    let program = arguments.file.as_ref().map(|path| {
        files::read(path, arguments.address)
            .map(|loaded| (path, loaded))
            .map_err(|e| Problem::from(e).about(path))
    });
    let program = program.transpose()?;
    let mut board = match (&arguments.state, &board_file, &arguments.file) {
        (Some(state), board_file, _) => virtual_board(state, board_file.as_ref(), ui)?,
        (None, Some(loaded), None) => new_virtual_board(&loaded.board)?,
        (None, None, None) => {
            return Err(Problem::new(
                Exit::Usage,
                "sim.nothing",
                "there is nothing to run",
                "Neither a program, nor a state file, nor a board file was given.",
                "Give an ELF or HEX file, --state FILE or --board FILE.",
            ));
        }
        (None, _, Some(_)) => bare(&arguments.chip)?,
    };
    if let Some((path, loaded)) = &program {
        for s in &loaded.segments {
            board.board.load(s.address, &s.bytes).map_err(|e| outside(&e.to_string()).about(path))?;
        }
    }
    for &(pin, level) in &arguments.hold {
        board.board.set_pin(pin, Some(level));
    }
    board.power_on(PowerOn { button: arguments.button, magic: false });
    let start = board.board.now();
    let span = Nanos(u64::try_from(arguments.span.as_nanos()).unwrap_or(u64::MAX / 4));
    let stop = board.board.run_for(span);
    let report = look(arguments, &mut board, start, stop);
    if let Some(state) = &arguments.state {
        board.power_off();
        board.save(state)?;
    }
    let broken = board.board.violations().len();
    if arguments.strict && (broken > 0 || stop == Stop::Lockup) {
        return Err(Problem::new(
            Exit::Device,
            "sim.violations",
            format!("the program broke {broken} rules of the manual{}", locked_up(stop)),
            "Each is listed without --strict, with the manual's section.",
            "Correct the program; silicon may behave differently there.",
        ));
    }
    Ok(report)
}

fn outside(what: &str) -> Problem {
    Problem::new(
        Exit::Input,
        "sim.outside",
        what,
        "A program goes into the chip's flash as a debug probe writes it.",
        "Check the chip, and the address of a BIN.",
    )
}

fn locked_up(stop: Stop) -> &'static str {
    if stop == Stop::Lockup { " and the core locked up" } else { "" }
}

fn look(arguments: &Run, board: &mut VirtualBoard, start: Nanos, stop: Stop) -> Report {
    let mut pins = arguments.pin.clone();
    if pins.is_empty() {
        pins.extend(board.led().map(|(pin, _)| pin));
    }
    let end = board.board.now();
    let mut table = Table::default();
    let mut text = String::new();
    let state = match stop {
        Stop::Lockup => format!("{BAD}locked up{BAD:#}"),
        _ if board.runs_application() && board.fitting.slot_base != 0x0800_0000 => {
            "in the application".into()
        }
        _ => "running".to_owned(),
    };
    table
        .row("time", format!("{:.6} s of {}", end.since(start).as_secs_f64(), board.fitting.board))
        .row("core", format!("{state}, pc 0x{:08X}", board.board.pc()))
        .row("instructions", board.board.instructions().to_string())
        .row("resets", board.board.resets().to_string());
    let mut pins_json = Vec::new();
    for pin in pins {
        let edges = board.board.pin_trace(pin);
        table.row(&pin.to_string(), timeline(&edges, start, end));
        pins_json.push(pin_json(pin, board.board.pin(pin), &edges, start));
    }
    let mut uarts = Vec::new();
    for number in 1..=3 {
        let bytes: Vec<u8> = board.board.uart_tx(number).iter().map(|sent| sent.byte).collect();
        if !bytes.is_empty() {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            table.row(&format!("USART{number}"), format!("{shown:?}"));
            uarts.push(json!({ "usart": number, "bytes": bytes, "text": shown }));
        }
    }
    let violations: Vec<String> = board.board.violations().iter().map(ToString::to_string).collect();
    match board.board.violations().len() {
        0 => table.row("rules", format!("{GOOD}none broken{GOOD:#}")),
        n => table.row("rules", format!("{BAD}{n} broken{BAD:#}")),
    };
    text.push_str(&table.text());
    for violation in &violations {
        text.push_str(&format!("  {violation}\n"));
    }
    let json = json!({
        "board": board.fitting.board,
        "nanoseconds": end.since(start).0,
        "locked_up": stop == Stop::Lockup,
        "in_application": board.runs_application(),
        "pc": board.board.pc(),
        "instructions": board.board.instructions(),
        "resets": board.board.resets(),
        "pins": pins_json,
        "uarts": uarts,
        "violations": violations,
    });
    Report::new(json, text)
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
    fn pins_are_named_as_on_the_schematic() {
        assert_eq!(pin("PD12"), Ok(Pin::new('D', 12)));
        assert_eq!(held("pa0=high"), Ok((Pin::new('A', 0), true)));
        assert!(pin("D12").is_err() && pin("PJ1").is_err() && pin("PA16").is_err() && held("PA0").is_err());
    }

    #[test]
    fn a_timeline_shows_levels_and_the_time_between_edges() {
        let edge = |ms, high| Edge { at: Nanos::millis(ms), pin: Pin::new('D', 12), high };
        let edges: Vec<Edge> = (0..6).map(|i| edge(100 * i, i % 2 == 0)).collect();
        let line = timeline(&edges, Nanos(0), Nanos::millis(600));
        assert!(line.starts_with("▇▇▇▇▇▇▇▇▇▇▁▁▁▁▁▁▁▁▁▁▇"), "{line}");
        assert!(line.contains("6 edges") && line.contains("every 100.000 ms"), "{line}");
    }
}
