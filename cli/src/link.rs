//! Which device, over which link: the options, and how it is opened.

use crate::board::{Loaded, MaybeBoardFile, not_sealed};
use crate::exit::Exit;
use crate::output::Ui;
use crate::problem::Problem;
use crate::verbs::bootloader::built_in;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use surefoot_board::Board;
use surefoot_host::link::sim::{Fitting, PowerOn, SimLink, StateLock, VirtualBoard};
use surefoot_host::link::usb::UsbLink;
use surefoot_host::link::{Filter, LinkError, Usb};

/// How long a command waits for another one that has the same virtual board.
const PATIENCE: Duration = Duration::from_secs(20);

/// The options of every verb that talks to a board.
#[derive(Clone, Debug, Args)]
pub struct LinkOptions {
    /// usb, or sim:FILE for a virtual board (made from the board file when FILE is not there);
    /// sim:FILE,button holds its button at power-on, sim:FILE,magic lets its application ask for update mode
    #[arg(long, default_value = "usb", value_parser = parse, verbatim_doc_comment)]
    pub link: Link,
    #[command(flatten)]
    pub board: MaybeBoardFile,
    /// USB vendor id, hexadecimal [default: the board file's, or 0483]
    #[arg(long, value_parser = crate::number::id)]
    pub vid: Option<u16>,
    /// USB product id, hexadecimal [default: the board file's, or df11]
    #[arg(long, value_parser = crate::number::id)]
    pub pid: Option<u16>,
    /// USB serial number
    #[arg(long)]
    pub serial: Option<String>,
    /// Wait so long for the board to appear
    #[arg(long, default_value = "0s", value_parser = crate::number::time)]
    pub wait: Duration,
}

/// A link by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Real USB.
    Usb,
    /// A virtual board in a state file.
    Sim(PathBuf, PowerOn),
}

pub fn parse(text: &str) -> Result<Link, String> {
    if text == "usb" {
        return Ok(Link::Usb);
    }
    let rest = text.strip_prefix("sim:").ok_or("usb or sim:FILE is expected")?;
    let mut parts = rest.split(',');
    let file = parts.next().filter(|file| !file.is_empty()).ok_or("sim: needs the name of a state file")?;
    let mut how = PowerOn::default();
    for part in parts {
        match part {
            "button" => how.button = true,
            "magic" => how.magic = true,
            other => return Err(format!("{other:?} is not known; button and magic are")),
        }
    }
    Ok(Link::Sim(PathBuf::from(file), how))
}

impl LinkOptions {
    /// Opens the link.
    pub fn open(&self, board: Option<&Loaded>, ui: &Ui) -> Result<Box<dyn Usb>, Problem> {
        match &self.link {
            Link::Usb => match UsbLink::open(self.filter(board), self.wait) {
                Ok(link) => Ok(Box::new(link)),
                Err(error) => Err(not_opened(error, board.map(|loaded| &loaded.board))),
            },
            Link::Sim(path, how) => {
                let virtual_board = virtual_board(path, board, ui)?;
                Ok(Box::new(SimLink::open(virtual_board, path.clone(), *how)?))
            }
        }
    }

    /// The command line's ids, or the board file's.
    pub fn filter(&self, board: Option<&Loaded>) -> Filter {
        let usb = board.map(|b| &b.board.usb);
        Filter {
            vid: self.vid.or(usb.map(|u| u.vid)),
            pid: self.pid.or(usb.map(|u| u.pid)),
            serial: self.serial.clone(),
        }
    }
}

/// The board in `path`, or a new one from the board file.
pub fn virtual_board(path: &Path, board: Option<&Loaded>, ui: &Ui) -> Result<VirtualBoard, Problem> {
    if path.exists() {
        // Read once before the lock: nothing is written beside a file that is no board's state.
        VirtualBoard::load(path)?;
        return locked(path, ui, || Ok(VirtualBoard::load(path)?));
    }
    let Some(loaded) = board else {
        return Err(Problem::new(
            Exit::Input,
            "sim.no-board",
            format!(
                "there is no virtual board in {} yet, and no board file to make one from",
                path.display()
            ),
            "A virtual board is made from a board file, with the sealed bootloader in its flash.",
            "Add --board BOARD.toml.",
        ));
    };
    // Made before the lock: a board that there is no model of leaves no file behind.
    let new = new_virtual_board(&loaded.board)?;
    let mut made = false;
    let board = locked(path, ui, || match path.exists() {
        // Another command made it meanwhile.
        true => Ok(VirtualBoard::load(path)?),
        false => {
            new.save(path)?;
            made = true;
            Ok(new)
        }
    })?;
    if made {
        ui.note(&format!("a new virtual {} with its bootloader in {}", loaded.board.name, path.display()));
    }
    Ok(board)
}

/// The board that `get` makes, with the state file in `path` locked for as long as the board lives.
fn locked(
    path: &Path,
    ui: &Ui,
    get: impl FnOnce() -> Result<VirtualBoard, Problem>,
) -> Result<VirtualBoard, Problem> {
    let lock = match StateLock::take(path, Duration::ZERO) {
        Err(LinkError::Locked(_)) => {
            ui.note(&format!("another command has the virtual board in {}: waiting for it", path.display()));
            StateLock::take(path, PATIENCE)?
        }
        taken => taken?,
    };
    let mut board = get()?;
    board.keep(lock);
    Ok(board)
}

/// Where no board is found, the ways into update mode that this one has.
fn not_opened(error: LinkError, board: Option<&Board>) -> Problem {
    let none_found = matches!(error, LinkError::NoDevice(_));
    let mut problem = Problem::from(error);
    if let Some(board) = board.filter(|_| none_found) {
        let button = board.button.map(|_| "hold its button at reset");
        let tap = (board.boot.double_tap_ms > 0).then_some("press reset twice");
        let ways: Vec<&str> =
            [button, tap, Some("let the application ask for it")].into_iter().flatten().collect();
        problem.remedy = format!(
            "Check the cable (some only charge), then bring the board into update mode: {}.",
            ways.join(", or ")
        );
    }
    problem
}

/// A new virtual board with the built-in bootloader, sealed.
pub fn new_virtual_board(board: &Board) -> Result<VirtualBoard, Problem> {
    let sealed = built_in(board).map_err(|e| not_sealed(&e))?;
    Ok(VirtualBoard::new(fitting(board), sealed.base, &sealed.image)?)
}

fn fitting(board: &Board) -> Fitting {
    let slot = board.slot();
    Fitting {
        board: board.name.clone(),
        chip: board.chip.name.to_owned(),
        hse_hz: board.clocks.hse.map_or(0, |pll| pll.input_hz),
        hse_bypass: board.clocks.bypass,
        button: board.button.map(|pin| pin.0),
        led: board.led.map(|pin| pin.0),
        slot_base: slot.base,
        slot_length: slot.length,
        second: board.running_slots().get(1).map(|slot| (slot.base, slot.length)),
        magic: board.boot.magic,
        backup_register: board.boot.backup_register,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_named_with_what_somebody_does_at_power_on() {
        assert_eq!(parse("usb"), Ok(Link::Usb));
        let sim = |button, magic| Ok(Link::Sim("a.state".into(), PowerOn { button, magic }));
        assert_eq!(parse("sim:a.state"), sim(false, false));
        assert_eq!(parse("sim:a.state,button"), sim(true, false));
        assert_eq!(parse("sim:a.state,magic"), sim(false, true));
        assert!(parse("sim:").is_err() && parse("uart").is_err() && parse("sim:a,b").is_err());
    }
}
