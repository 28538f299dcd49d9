//! The memory map: rows for a table or a drawing, and a plain drawing of them.
//!
//! Colour is the command line's business.

use crate::board::Board;
use crate::layout::{Area, Layout, Use, sector_noun};
use crate::units::show_size;

/// One row: an area of the flash, or the RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRow {
    /// What it is for; `None` for RAM.
    pub what: Option<Use>,
    /// What to call it.
    pub label: String,
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// The sectors as the manual counts them: "sector 0", "sectors 4-11", "pages 16-127".
    pub sectors: String,
    /// Access for a host over DfuSe: "read", "read, erase, write" or nothing.
    pub access: &'static str,
}

const ACCESS_ALL: &str = "read, erase, write";
const ACCESS_IN_TURN: &str = "read; write in turn";

impl Layout {
    /// The flash as rows, ascending.
    pub fn map(&self) -> Vec<MapRow> {
        self.areas.iter().map(|area| self.row(area)).collect()
    }

    fn row(&self, area: &Area) -> MapRow {
        MapRow {
            what: Some(area.what),
            label: self.label(area.what).to_string(),
            base: area.base,
            size: area.size,
            sectors: self.sector_names(area),
            access: self.access(area.what),
        }
    }

    /// What a host may do there: of two slots that run, one at a time is open.
    fn access(&self, what: Use) -> &'static str {
        match what {
            Use::Application | Use::Second if self.area(Use::Second).is_some() => ACCESS_IN_TURN,
            _ if what.writable() => ACCESS_ALL,
            _ => "read",
        }
    }

    /// What a drawing calls an area: of two slots that run, neither is the application.
    fn label(&self, what: Use) -> &'static str {
        match what {
            Use::Application if self.area(Use::Second).is_some() => "slot A",
            Use::Second => "slot B",
            other => other.name(),
        }
    }

    pub(crate) fn sector_names(&self, area: &Area) -> String {
        let noun = sector_noun(&self.flash);
        let mut numbers = self.sectors_of(area).map(|s| s.sector);
        match (numbers.next(), numbers.last()) {
            (Some(first), Some(last)) => format!("{noun}s {first}-{last}"),
            (Some(only), None) => format!("{noun} {only}"),
            _ => String::new(),
        }
    }
}

impl Board {
    /// Flash and RAM as rows, ascending.
    pub fn map(&self) -> Vec<MapRow> {
        let mut rows = self.layout.map();
        let ram = self.chip.ram;
        let handoff = surefoot_core::handoff::LEN;
        let row = |label: &str, base, size| MapRow {
            what: None,
            label: label.to_string(),
            base,
            size,
            sectors: String::new(),
            access: "",
        };
        rows.push(row("handoff", ram.base, handoff));
        rows.push(row("RAM", ram.base + handoff, ram.size - handoff));
        rows
    }
}

/// Draws rows as boxes, the highest address on top.
pub fn draw(rows: &[MapRow]) -> String {
    let line = "+--------------+---------+----------------+---------------------+\n";
    let mut text = String::new();
    let mut behind = None;
    for row in rows.iter().rev() {
        // A gap in the addresses is a gap in the drawing.
        let end = row.base + (row.size - 1);
        if behind.is_some_and(|above: u32| above != end + 1) {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(line);
        text.push_str(&format!(
            "| {:<12} | {:>7} | {:<14} | {:<19} | 0x{end:08X}\n",
            row.label,
            short(row.size),
            row.sectors,
            row.access
        ));
        text.push_str(&format!("| {:<12} | {:>7} | {:<14} | {:<19} | 0x{:08X}\n", "", "", "", "", row.base));
        behind = Some(row.base);
    }
    text.push_str(line);
    text
}

fn short(size: u32) -> String {
    show_size(size).replace(" bytes", "")
}
