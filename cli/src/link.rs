//! Which device, over which link: the options, and how it is opened.

use crate::board::{Loaded, MaybeBoardFile};
use crate::output::Ui;
use crate::problem::Problem;
#[cfg(feature = "sim")]
use crate::signal::Signal;
#[cfg(feature = "sim")]
use crate::virtual_board::virtual_board;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use surefoot_board::Board;
#[cfg(feature = "sim")]
use surefoot_host::link::sim::{PowerOn, SimLink};
use surefoot_host::link::usb::UsbLink;
use surefoot_host::link::{Filter, LinkError, Usb};

/// The options of every verb that talks to a board.
#[derive(Clone, Debug, Args)]
pub struct LinkOptions {
    /// usb, or sim:FILE for a virtual board (made from the board file when FILE is not there);
    /// sim:FILE,button holds its button at power-on, sim:FILE,magic lets its application ask for update mode,
    /// sim:FILE,hse=25MHz has another crystal than the board file's
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
    #[cfg(feature = "sim")]
    Sim(PathBuf, PowerOn),
}

pub fn parse(text: &str) -> Result<Link, String> {
    if text == "usb" {
        return Ok(Link::Usb);
    }
    let rest = text.strip_prefix("sim:").ok_or("usb or sim:FILE is expected")?;
    board_in(rest)
}

/// This build has no virtual board.
#[cfg(not(feature = "sim"))]
fn board_in(_rest: &str) -> Result<Link, String> {
    Err(format!("{}; {}", crate::verbs::missing::WHAT, crate::verbs::missing::REMEDY))
}

#[cfg(feature = "sim")]
fn board_in(rest: &str) -> Result<Link, String> {
    let mut parts = rest.split(',');
    let file = parts.next().filter(|file| !file.is_empty()).ok_or("sim: needs the name of a state file")?;
    let mut how = PowerOn::default();
    for part in parts {
        match part {
            "button" => how.button = true,
            "magic" => how.magic = true,
            other => match other.strip_prefix("hse=") {
                Some(hse) => how.hse = Some(crate::verbs::sim::crystal(hse)?),
                None => return Err(format!("{other:?} is not known; button, magic and hse=25MHz are")),
            },
        }
    }
    Ok(Link::Sim(PathBuf::from(file), how))
}

impl LinkOptions {
    /// The files that it reads.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let state = match &self.link {
            Link::Usb => None,
            #[cfg(feature = "sim")]
            Link::Sim(path, _) => Some(path),
        };
        state.into_iter().chain(&self.board.board).map(PathBuf::as_path)
    }

    /// Opens the link.
    pub fn open(&self, board: Option<&Loaded>, ui: &Ui) -> Result<Box<dyn Usb>, Problem> {
        #[cfg(not(feature = "sim"))]
        let _ = ui;
        match &self.link {
            Link::Usb => match UsbLink::open(self.filter(board), self.wait) {
                Ok(link) => Ok(Box::new(link)),
                Err(error) => Err(not_opened(error, board.map(|loaded| &loaded.board))),
            },
            #[cfg(feature = "sim")]
            Link::Sim(path, how) => {
                let virtual_board = virtual_board(path, board, ui)?;
                let signal = Signal::caught().map_err(|e| LinkError::Virtual(e.to_string()))?;
                let mut link = SimLink::open(virtual_board, path.clone(), *how)?;
                link.ends_with(signal.flag());
                Ok(Box::new(link))
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

#[cfg(all(test, feature = "sim"))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_named_with_what_somebody_does_at_power_on() {
        assert_eq!(parse("usb"), Ok(Link::Usb));
        let sim = |button, magic| Ok(Link::Sim("a.state".into(), PowerOn { button, magic, hse: None }));
        assert_eq!(parse("sim:a.state"), sim(false, false));
        assert_eq!(parse("sim:a.state,button"), sim(true, false));
        assert_eq!(parse("sim:a.state,magic"), sim(false, true));
        let hse = PowerOn { hse: Some(surefoot_sim::Hse::Crystal(25_000_000)), ..PowerOn::default() };
        assert_eq!(parse("sim:a.state,hse=25MHz"), Ok(Link::Sim("a.state".into(), hse)));
        assert!(parse("sim:").is_err() && parse("uart").is_err() && parse("sim:a,b").is_err());
    }
}
