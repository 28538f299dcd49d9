//! `surefoot list`: the boards in update mode.

#[cfg(feature = "sim")]
use crate::link::Link;
use crate::link::LinkOptions;
use crate::output::{BOLD, Report, Ui};
use crate::problem::Problem;
use clap::Args;
use serde_json::json;
#[cfg(feature = "sim")]
use surefoot_host::link::sim::VirtualBoard;
use surefoot_host::link::usb;

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
        let board = VirtualBoard::load(path)?;
        let fitting = &board.fitting;
        let json = json!({ "link": "sim", "state": path, "board": fitting.board, "chip": fitting.chip });
        let text = format!(
            "{BOLD}sim:{}{BOLD:#}  virtual {}, {}, {:.3} s old\n",
            path.display(),
            fitting.board,
            fitting.chip,
            board.now().as_secs_f64()
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
