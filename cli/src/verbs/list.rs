//! `surefoot list`: the boards in update mode.

#[cfg(feature = "sim")]
use crate::exit::Exit;
#[cfg(feature = "sim")]
use crate::link::Link;
use crate::link::LinkOptions;
use crate::output::{BOLD, Report, Ui};
use crate::problem::Problem;
use clap::Args;
use serde_json::json;
#[cfg(feature = "sim")]
use std::path::Path;
#[cfg(feature = "sim")]
use surefoot_host::link::sim::{VirtualBoard, is_in_use};
use surefoot_host::link::usb;

/// Another verb would make one.
#[cfg(feature = "sim")]
fn none_in(path: &Path) -> Problem {
    Problem::new(
        Exit::Input,
        "sim.no-board",
        format!("there is no virtual board in {}", path.display()),
        "This command only looks; a virtual board is made by the first command that works with it.",
        &format!(
            "Check the name, or make one: surefoot info --link sim:{} --board BOARD.toml.",
            path.display()
        ),
    )
}

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    link: LinkOptions,
}

/// Looks, without opening anything.
pub fn run(arguments: &Arguments, _ui: &Ui) -> Result<Report, Problem> {
    #[cfg(feature = "sim")]
    if let Link::Sim(path, _) = &arguments.link.link {
        if !path.exists() {
            return Err(none_in(path));
        }
        let board = VirtualBoard::load(path)?;
        let in_use = is_in_use(path);
        let fitting = &board.fitting;
        let json = json!({
            "link": "sim",
            "state": crate::shown::path(path),
            "board": fitting.board,
            "chip": fitting.chip,
            "in_use": in_use,
        });
        let text = format!(
            "{BOLD}sim:{}{BOLD:#}  virtual {}, {}, {:.3} s old{}\n",
            path.display(),
            fitting.board,
            fitting.chip,
            board.now().as_secs_f64(),
            if in_use { ", in use by another command" } else { "" }
        );
        return Ok(Report::new(json!({ "devices": [json] }), text));
    }
    let board = arguments.link.board.load()?;
    let found = usb::list(&arguments.link.filter(board.as_ref()))?;
    let mut text = String::new();
    let mut devices = Vec::new();
    for device in &found {
        let serial = device.serial.as_deref().unwrap_or("-");
        let product = device.product.as_deref().unwrap_or("-");
        text.push_str(&format!(
            "{BOLD}{:04x}:{:04x}{BOLD:#}  serial {serial}  {product}  at {}\n",
            device.vid, device.pid, device.place
        ));
        devices.push(json!({
            "link": "usb",
            "vid": device.vid,
            "pid": device.pid,
            "serial": device.serial,
            "product": device.product,
            "place": device.place,
        }));
    }
    if found.is_empty() {
        text.push_str("no board in update mode on USB\n");
    }
    Ok(Report::new(json!({ "devices": devices }), text))
}
