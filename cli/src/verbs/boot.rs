//! `surefoot boot`: out of update mode, into the application.

use super::talk::{finish, left, started, with_session};
use crate::link::LinkOptions;
use crate::output::{Report, Table, Ui};
use crate::problem::Problem;
use clap::Args;
use serde_json::json;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    link: LinkOptions,
    /// Where ST's ROM bootloader jumps to [default: the board file's slot]
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
}

/// Leaves update mode.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    with_session(&arguments.link, ui, |session, board| {
        session.look()?;
        let next = session.target().state.clone();
        let slot = board.map(|b| b.board.slot().base);
        let first = session.target().device.sectors.first().map_or(0x0800_0000, |s| s.base);
        let end = session.leave(arguments.address.or(slot).unwrap_or(first))?;
        let (name, text) = finish(end);
        let mut table = Table::default();
        table.row("board", text);
        let started = next.as_ref().filter(|_| left(end)).and_then(started);
        if let Some((text, _)) = &started {
            table.row("image", text);
        }
        let image = started.map(|(_, json)| json);
        Ok(Report::new(json!({ "board": name, "image": image }), table.text()))
    })
}
