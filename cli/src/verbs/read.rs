//! `surefoot read`: flash into a file.

use super::talk::{readable, with_session};
use crate::exit::Exit;
use crate::link::LinkOptions;
use crate::output::{Report, Table, Ui};
use crate::problem::Problem;
use crate::progress::Bars;
use crate::shown;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_host::files::{self, FileError, Format, Ids, Segments};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write: .bin, .hex or .dfu
    #[arg(value_name = "OUT", required_unless_present = "out")]
    file: Option<PathBuf>,
    /// The same, as with other verbs
    #[arg(long, short, conflicts_with = "file")]
    out: Option<PathBuf>,
    #[command(flatten)]
    link: LinkOptions,
    /// From here [default: the slot]
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
    /// How many bytes, as in 4096, 0x1000 or 16K [default: to the end of the slot or the flash]
    #[arg(long, value_parser = crate::number::address)]
    length: Option<u32>,
}

impl Arguments {
    /// One of the two is there: clap asked for it.
    fn file(&self) -> &Path {
        self.file.as_deref().or(self.out.as_deref()).unwrap_or(Path::new(""))
    }
}

/// Reads; changes nothing on the board.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    if arguments.length == Some(0) {
        return Err(nothing());
    }
    if Format::by_name(arguments.file()).is_none_or(|format| !format.is_written()) {
        return Err(FileError::UnknownFormat { path: arguments.file().to_owned() }.into());
    }
    files::not_over(arguments.file(), arguments.link.files())?;
    files::check_writable(arguments.file())?;
    with_session(&arguments.link, ui, |session, _| {
        let target = session.target();
        let slot = target.slot();
        let start =
            arguments.address.or(slot.map(|s| s.base)).or(target.device.sectors.first().map(|s| s.base));
        let start = start.ok_or_else(nothing)?;
        let end = slot.filter(|s| s.contains(start, 1)).map(|s| s.end());
        let end = end.or_else(|| target.device.sectors.iter().rev().map(|s| s.end()).find(|&e| e > start));
        let length = arguments.length.or(end.map(|e| e - start)).ok_or_else(nothing)?;
        let usb = target.device.usb.as_ref();
        let ids = usb.map_or(Ids::default(), |usb| Ids { vid: usb.vid, pid: usb.pid, device: 0xFFFF });
        readable(session, start, length as usize)?;
        if !start.is_multiple_of(4) {
            return Err(unaligned(start));
        }
        let bytes = session.read(start, length as usize, &mut Bars::new(*ui))?;
        let segments = Segments::one(start, bytes).map_err(FileError::from)?;
        let format = files::write(arguments.file(), &segments, ids)?;
        let mut table = Table::default();
        table
            .row("read", format!("{length} bytes from 0x{start:08X}"))
            .row("written", format!("{} ({format})", arguments.file().display()));
        let json = json!({ "start": start, "length": length, "out": shown::path(arguments.file()) });
        Ok(Report::new(json, table.text()))
    })
}

fn unaligned(start: u32) -> Problem {
    Problem::new(
        Exit::Input,
        "read.unaligned",
        format!("0x{start:08X} is not a multiple of four"),
        "A file's bytes begin on a word, as the flash is programmed.",
        &format!("Begin at --address 0x{:08X}.", start & !3),
    )
}

fn nothing() -> Problem {
    Problem::new(
        Exit::Input,
        "read.nothing",
        "there is nothing to read there",
        "The device's memory string has no such place.",
        "Give --address and --length; `surefoot info` shows what there is.",
    )
}
