//! `surefoot verify`: a file against the flash.

use super::talk::{readable, with_session};
use crate::link::LinkOptions;
use crate::output::{GOOD, Report, Table, Ui};
use crate::problem::Problem;
use crate::progress::Bars;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use surefoot_core::config::Slot;
use surefoot_host::files::{self, Segment, Segments};
use surefoot_host::image;
use surefoot_host::job::{JobError, Target};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image: DFU, HEX, BIN, ELF, S-record or UF2 file
    file: PathBuf,
    #[command(flatten)]
    link: LinkOptions,
    /// Where a BIN goes [default: the board's slot]
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
}

/// Reads back and compares; changes nothing.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    with_session(&arguments.link, ui, |session, board| {
        let open = session.target().slot().map(|s| s.base).or(board.map(|b| b.board.slot().base));
        let is_raw = files::Format::by_name(&arguments.file) == Some(files::Format::Bin);
        let read = |address: Option<u32>| {
            files::read(&arguments.file, address).map_err(|e| Problem::from(e).about(&arguments.file))
        };
        let mut loaded = read(arguments.address.or(open.filter(|_| is_raw)))?;
        // Of two slots that run, a BIN's own is the one that it starts in.
        if is_raw
            && arguments.address.is_none()
            && let Some(slot) = linked_slot(session.target(), &loaded.segments)
        {
            loaded = read(Some(slot.base))?;
        }
        for text in &loaded.notes {
            ui.note(text);
        }
        let segments: Vec<Segment> = loaded.segments.iter().cloned().collect();
        for segment in &segments {
            readable(session, segment.address, segment.bytes.len())?;
        }
        session.verify(&segments, &mut Bars::new(*ui)).map_err(differs)?;
        let mut table = Table::default();
        let bytes = loaded.segments.total();
        table.row(
            "verify",
            format!("{GOOD}same{GOOD:#}, {bytes} bytes from 0x{:08X}", loaded.segments.start()),
        );
        Ok(Report::new(
            json!({ "same": true, "bytes": bytes, "start": loaded.segments.start() }),
            table.text(),
        ))
    })
}

/// The slot that holds the reset vector of an image.
fn linked_slot(target: &Target, segments: &Segments) -> Option<Slot> {
    let reset = image::inspect(segments).reset_vector?;
    target.config()?.slots().find(|slot| slot.contains(reset & !1, 2))
}

/// Nothing was written here, so a difference is one of files and no fault of the flash.
fn differs(error: JobError) -> Problem {
    let JobError::Mismatch { address, wanted, found } = error else { return error.into() };
    Problem {
        what: format!("at 0x{address:08X} the file has 0x{wanted:02X} and the flash 0x{found:02X}"),
        why: "The board holds another image than this file, or was changed since.".into(),
        remedy:
            "Compare with the signed file that was flashed; `surefoot info` tells the version on the board."
                .into(),
        ..Problem::from(error)
    }
}
