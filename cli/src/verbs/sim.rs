//! `surefoot sim`: the virtual board by itself: run a program on it, look at its pins and lines,
//! or plug it into QEMU.

mod given;
mod look;
mod serve;
mod session;

use crate::board::MaybeBoardFile;
use crate::exit::Exit;
use crate::output::{Report, Ui};
use crate::problem::Problem;
use crate::signal::Signal;
use crate::virtual_board::{new_virtual_board, virtual_board};
use clap::{Args, Subcommand, ValueEnum};
pub use given::crystal;
use given::{Feed, Press, feed, held, instant, pin, press};
use look::look;
use serve::Serve;
use session::{Past, Session};
use std::path::PathBuf;
use std::time::Duration;
use surefoot_core::config::{Slot, Strategy};
use surefoot_host::files::{self, Segments};
use surefoot_host::image::SealedBootloader;
use surefoot_host::link::LinkError;
use surefoot_host::link::sim::{Fitting, VirtualBoard};
use surefoot_sim::{Grade, Hse, Nanos, Pin};

/// How long `--button` holds it.
const BUTTON: Nanos = Nanos::secs(2);

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
    /// The crystal: 25MHz, none, or dead (it never starts) [default: the board's; 8MHz on a bare chip]
    #[arg(long, value_name = "HZ", value_parser = crystal)]
    hse: Option<Hse>,
    /// How long the crystal takes to start [default: 2ms]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    hse_start: Option<Nanos>,
    /// Show this pin's edges, as in PD12; more than once for more pins [default: the board's LED]
    #[arg(long, value_parser = pin)]
    pin: Vec<Pin>,
    /// Hold a pin from outside, as in PA0=1; more than once for more pins
    #[arg(long, value_parser = held)]
    hold: Vec<(Pin, bool)>,
    /// Press a pin's button for 100 ms, as in PA0@1.5s, or PA0=0@1.5s+2s for a level and a length
    #[arg(long, value_name = "PIN@TIME", value_parser = press)]
    press: Vec<Press>,
    /// Hold the board's button while the supply goes on
    #[arg(long)]
    button: bool,
    /// Send a file to a USART or UART (1 to 6) once the program receives there, as in 2=commands.txt
    #[arg(long, value_name = "N=FILE", value_parser = feed)]
    uart: Vec<Feed>,
    /// Let the supply fail at this time, for a second; more than once for more cuts
    #[arg(long, value_name = "TIME", value_parser = instant)]
    cut: Vec<Nanos>,
    /// Plug it into a USB host that lists the descriptors
    #[arg(long)]
    usb: bool,
    /// Fail (exit code 6) when the program does what the manual forbids; =all: also for reserved bits and hints
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "harm")]
    strict: Option<Strict>,
}

/// What `--strict` fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Strict {
    /// What the manual forbids and silicon may punish
    Harm,
    /// Reserved bits, hints and what is not modelled, too
    All,
}

/// Does it.
pub fn run(command: &Command, ui: &Ui) -> Result<Report, Problem> {
    match command {
        Command::Run(arguments) => run_program(arguments, ui),
        Command::Serve(arguments) => serve::run(arguments, ui),
    }
}

/// A bare chip for programs that have nothing to do with us. A sealed bootloader, alone or with its application,
/// knows where applications run.
fn bare(chip: &str, program: Option<&Segments>) -> Result<VirtualBoard, LinkError> {
    let sealed = program.and_then(SealedBootloader::find);
    let config = sealed.as_ref().and_then(|sealed| sealed.config().ok());
    let mut slots = config.into_iter().flat_map(|config| config.slots());
    let first = slots.next().unwrap_or(Slot { base: 0x0800_0000, length: 1 << 20 });
    let second = slots.next().filter(|_| config.is_some_and(|config| config.strategy() == Strategy::Ab));
    let fitting = Fitting {
        board: "bare chip".into(),
        chip: chip.to_owned(),
        hse_hz: 8_000_000,
        hse_bypass: false,
        button: None,
        led: None,
        slot_base: first.base,
        slot_length: first.length,
        second: second.map(|slot| (slot.base, slot.length)),
        magic: 0,
        backup_register: 0,
    };
    VirtualBoard::new(fitting, 0x0800_0000, &[])
}

fn run_program(arguments: &Run, ui: &Ui) -> Result<Report, Problem> {
    let mut board = prepared(arguments, ui)?;
    let signal = Signal::caught().map_err(|e| LinkError::Virtual(e.to_string()))?;
    let start = board.board.now();
    let past = session(arguments, &mut board, ui)?.run(given::nanos(arguments.span), &signal);
    let mut pins = arguments.pin.clone();
    if pins.is_empty() {
        pins.extend(board.led().map(|(pin, _)| pin));
    }
    let report = look(&pins, &mut board, start, &past);
    if let Some(state) = &arguments.state {
        board.power_off();
        board.save(state)?;
    }
    judged(arguments, &board, &past, report, ui)
}

/// The board with the program in its flash and everything around it, without supply.
fn prepared(arguments: &Run, ui: &Ui) -> Result<VirtualBoard, Problem> {
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
        (None, _, Some(_)) => bare(&arguments.chip, program.as_ref().map(|(_, loaded)| &loaded.segments))?,
    };
    if let Some((path, loaded)) = &program {
        for s in &loaded.segments {
            board.board.load(s.address, &s.bytes).map_err(|e| outside(&e.to_string()).about(path))?;
        }
        if arguments.state.is_none() && board.board.flash()[..8].iter().all(|b| *b == 0xFF) {
            let first = loaded.segments.iter().map(|s| s.address).min().unwrap_or(0);
            return Err(not_at_the_start(first).about(path));
        }
    }
    if let Some(hse) = arguments.hse {
        board.board.fit_hse(hse);
    }
    if let Some(time) = arguments.hse_start {
        board.board.set_hse_start(time);
    }
    Ok(board)
}

/// What is to happen to it.
fn session<'a>(arguments: &Run, board: &'a mut VirtualBoard, ui: &'a Ui) -> Result<Session<'a>, Problem> {
    board.hold_button(false);
    for &(pin, level) in &arguments.hold {
        board.hold_pin(pin, level);
    }
    board.hold_button(arguments.button);
    let button = board.button().filter(|_| arguments.button);
    let rest = |pin: Pin| arguments.hold.iter().find(|held| held.0 == pin).map(|held| held.1);
    let mut session = Session::new(board, ui);
    if let Some((pin, level)) = button.filter(|(pin, _)| rest(*pin).is_none()) {
        session.press(Press { pin, level: Some(level), at: Nanos(0), lasts: BUTTON }, None);
    }
    for press in &arguments.press {
        session.press(*press, rest(press.pin));
    }
    arguments.cut.iter().for_each(|at| session.cut(*at));
    for feed in &arguments.uart {
        session.feed(feed)?;
    }
    if arguments.usb {
        session.plug();
    }
    Ok(session)
}

/// The report, or what was wrong with the run.
fn judged(
    arguments: &Run,
    board: &VirtualBoard,
    past: &Past,
    report: Report,
    ui: &Ui,
) -> Result<Report, Problem> {
    let counted = |grade: Grade| match arguments.strict {
        None => false,
        Some(Strict::Harm) => grade == Grade::Forbidden,
        Some(Strict::All) => true,
    };
    let broken = board.board.violations().iter().filter(|v| counted(v.grade())).count();
    let problem = if broken > 0 {
        let also = past.locked_up.as_ref().map_or(String::new(), |text| format!(", and {text}"));
        Problem::new(
            Exit::Device,
            "sim.violations",
            format!("the program broke {broken} rules of the manual{also}"),
            "Each is listed above, or with --json without --strict, with the manual's section.",
            "Correct the program; silicon may behave differently there.",
        )
    } else if let Some(text) = &past.locked_up {
        Problem::new(
            Exit::Device,
            "sim.locked-up",
            text,
            "A fault came up in a fault handler, and no watchdog was running that would have reset the chip in time.",
            "The fault registers tell what went wrong; `arm-none-eabi-addr2line` names the line of the address.",
        )
    } else {
        return Ok(report);
    };
    // The report is what the remedy speaks of.
    if !ui.json {
        // When nobody takes it, the problem still ends the command.
        let _ = ui.report(&report);
    }
    Err(problem)
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

fn not_at_the_start(first: u32) -> Problem {
    Problem::new(
        Exit::Input,
        "sim.no-start",
        format!("the program begins at 0x{first:08X}, and nothing is at 0x08000000, where the chip starts"),
        "It is linked for a slot behind a bootloader.",
        "Flash it onto a board with a bootloader (surefoot flash ... --link sim:FILE) and run that with --state FILE, or link it for 0x08000000.",
    )
}
