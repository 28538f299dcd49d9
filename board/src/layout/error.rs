//! Why a layout is refused, and the legal addresses next to what was asked for.
//!
//! Only the words are here; [`super::check`] finds the faults.

use super::{Edge, Use};
use crate::units::show_size;
use std::fmt;
use surefoot_chips::Sector;

/// The legal addresses nearest to the one that was asked for, ascending, two where there are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    pub(super) addresses: Vec<u32>,
    /// Set when the region always begins here, so that its size is what a board file says.
    pub(super) sizes_from: Option<u32>,
}

/// Why a layout is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A boundary is not on a sector's edge.
    #[error("the {} {} 0x{address:08X}, inside {noun} {} (0x{:08X}-0x{:08X}, {}); {nearest}",
        .what.noun(), verb(.edge), .sector.sector, .sector.base, .sector.end() - 1, show_size(.sector.size))]
    Boundary {
        /// The region.
        what: Use,
        /// Its start or its end.
        edge: Edge,
        /// Where that would be.
        address: u32,
        /// The sector around it.
        sector: Sector,
        /// What the manual calls it.
        noun: &'static str,
        /// Where it could be.
        nearest: Nearest,
    },
    /// A boundary is not in the chip's flash.
    #[error("the {} {} 0x{address:X}, outside the flash (0x{base:08X}-0x{:08X}, {}); {nearest}",
        .what.noun(), verb(.edge), .base + (.size - 1), show_size(*.size))]
    Outside {
        /// The region.
        what: Use,
        /// Its start or its end.
        edge: Edge,
        /// Where that would be.
        address: u64,
        /// Start of the flash.
        base: u32,
        /// Bytes of the flash.
        size: u32,
        /// Where it could be.
        nearest: Nearest,
    },
    /// Two regions share an address.
    #[error("the {} begins at 0x{address:08X}, but the {} reaches from 0x{from:08X} to 0x{:08X}; {nearest}",
        .what.noun(), .other.noun(), .to - 1)]
    Overlap {
        /// The region that would have to move.
        what: Use,
        /// The one that is there.
        other: Use,
        /// Start of the first.
        address: u32,
        /// Start of the other.
        from: u32,
        /// End of the other.
        to: u32,
        /// Where it could begin.
        nearest: Nearest,
    },
    /// Nothing is left for a region.
    #[error("there is no room for the {}; for the {} of the {} {nearest}",
        .what.noun(), if .nearest.sizes_from.is_some() { "end" } else { "start" }, .moves.noun())]
    NoRoom {
        /// The region without room.
        what: Use,
        /// The region that would have to give way.
        moves: Use,
        /// Where its boundary could be.
        nearest: Nearest,
    },
    /// The journal is not two sectors.
    #[error("the journal has {} {noun}{}, but takes exactly two, which are erased in turn; for {} {nearest}",
        .count, if *.count == 1 { "" } else { "s" }, if .nearest.sizes_from.is_some() { "its end" } else { "its start" })]
    Journal {
        /// Sectors from its start to its end.
        count: usize,
        /// What the manual calls them.
        noun: &'static str,
        /// Where it could end, or begin.
        nearest: Nearest,
    },
    /// The journal's sectors hold too few records.
    #[error(
        "the journal's {noun}s have {}, but {needed} are the least; leave `journal` out, with strategy \"single\"",
        show_size(*.size)
    )]
    SmallSectors {
        /// Bytes of one.
        size: u32,
        /// Bytes that are needed.
        needed: u32,
        /// What the manual calls them.
        noun: &'static str,
    },
    /// The backup slot cannot hold what it is a backup of.
    #[error("the backup slot has {}, but takes a copy of the application, which has {}; for the end of the {} {nearest}",
        show_size(*.backup), show_size(*.application), .moves.noun())]
    SmallBackup {
        /// Bytes of the backup slot.
        backup: u32,
        /// Bytes of the application's slot.
        application: u32,
        /// The region that can be changed.
        moves: Use,
        /// Where it could end.
        nearest: Nearest,
    },
    /// The chip's flash cannot be arranged so.
    #[error("{chip} has no {} arrangement of its flash; leave `dual-bank` out", if *.dual { "dual-bank" } else { "single-bank" })]
    Banks {
        /// The chip.
        chip: &'static str,
        /// Two banks were asked for.
        dual: bool,
    },
}

impl LayoutError {
    /// The region whose line in the board file has to change.
    pub fn what(&self) -> Use {
        match self {
            Self::Boundary { what, .. } | Self::Outside { what, .. } | Self::Overlap { what, .. } => *what,
            Self::NoRoom { moves, .. } | Self::SmallBackup { moves, .. } => *moves,
            Self::Journal { .. } | Self::SmallSectors { .. } => Use::Journal,
            Self::Banks { .. } => Use::Free,
        }
    }

    /// The legal addresses that the message names.
    pub fn nearest(&self) -> &[u32] {
        match self {
            Self::Boundary { nearest, .. }
            | Self::Outside { nearest, .. }
            | Self::Overlap { nearest, .. }
            | Self::Journal { nearest, .. }
            | Self::SmallBackup { nearest, .. }
            | Self::NoRoom { nearest, .. } => &nearest.addresses,
            Self::Banks { .. } | Self::SmallSectors { .. } => &[],
        }
    }
}

fn verb(edge: &Edge) -> &'static str {
    match edge {
        Edge::Start => "begins at",
        Edge::End => "ends at",
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let one = |address: &u32| match self.sizes_from {
            Some(base) => format!("0x{address:08X} (size {})", show_size(address - base)),
            None => format!("0x{address:08X}"),
        };
        match self.addresses.as_slice() {
            [] => f.write_str("no address is legal here"),
            [only] => write!(f, "the only legal address is {}", one(only)),
            [below, above, ..] => {
                write!(f, "the nearest legal addresses are {} and {}", one(below), one(above))
            }
        }
    }
}
