//! The flash layout: what a board asks for, checked against the chip's sectors.
//!
//! [`Request`] is what the board file says, [`Layout`] what is legal: every boundary on a sector's
//! edge, nothing overlaps, nothing outside the chip, room for an application. A refusal names the
//! two nearest legal addresses. What the regions become in a block or a script is not here.

use crate::units::show_size;
use std::fmt;
use surefoot_chips::{Banks, Chip, Flash, Sector};

/// What a part of the flash is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// The bootloader; the host can read it.
    Bootloader,
    /// The bootloader's own records; the host can read them.
    Data,
    /// The application: the host can erase and write it.
    Application,
    /// Where a new image waits under strategies that stage one.
    Staging,
    /// Nothing.
    Free,
}

impl Use {
    /// The word of board files and maps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bootloader => "bootloader",
            Self::Data => "data",
            Self::Application => "application",
            Self::Staging => "staging",
            Self::Free => "free",
        }
    }

    /// The words for messages, with "the" before them.
    const fn noun(self) -> &'static str {
        match self {
            Self::Staging => "staging area",
            other => other.name(),
        }
    }

    /// True when the host may erase and write it.
    pub const fn writable(self) -> bool {
        matches!(self, Self::Application)
    }
}

/// Where a region is wanted; without a size it goes up to the next region or the flash's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: Option<u32>,
}

/// What a board asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// One bank or two, on parts that can be both; the factory's setting otherwise.
    pub banks: Option<Banks>,
    /// Bytes of the bootloader, from the start of flash.
    pub bootloader: u32,
    /// The application.
    pub application: Span,
    /// The bootloader's records.
    pub data: Option<Span>,
    /// The staging area.
    pub staging: Option<Span>,
}

/// A run of sectors with one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// What it is for.
    pub what: Use,
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
}

impl Area {
    /// The first address behind the area.
    pub const fn end(&self) -> u32 {
        self.base + self.size
    }
}

/// A legal layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The arrangement of the flash.
    pub flash: Flash,
    /// Every byte of the flash once, ascending; what nobody asked for is [`Use::Free`].
    pub areas: Vec<Area>,
}

/// Which end of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Its first address.
    Start,
    /// The first address behind it.
    End,
}

/// The legal addresses nearest to the one that was asked for, ascending, two where there are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    addresses: Vec<u32>,
    /// Set when the region always begins here, so that its size is what a board file says.
    sizes_from: Option<u32>,
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
            Self::NoRoom { moves, .. } => *moves,
            Self::Banks { .. } => Use::Free,
        }
    }

    /// The legal addresses that the message names.
    pub fn nearest(&self) -> &[u32] {
        match self {
            Self::Boundary { nearest, .. }
            | Self::Outside { nearest, .. }
            | Self::Overlap { nearest, .. }
            | Self::NoRoom { nearest, .. } => &nearest.addresses,
            Self::Banks { .. } => &[],
        }
    }
}

/// What the manual calls a piece of this flash: small and all alike, they are pages.
pub(crate) fn sector_noun(flash: &Flash) -> &'static str {
    if flash.groups.iter().all(|g| g.sector_size <= 8192) { "page" } else { "sector" }
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

impl Layout {
    /// Checks what a board asks for against its chip.
    pub fn check(chip: &Chip, request: &Request) -> Result<Self, LayoutError> {
        let flash = match request.banks {
            None => chip.default_flash(),
            Some(banks) => chip
                .flash_with(banks)
                .ok_or(LayoutError::Banks { chip: chip.name, dual: banks == Banks::Dual })?,
        };
        let check = Check { flash, request };
        let mut areas = vec![check.bootloader()?];
        // Regions with a place of their own, so that the open end of one finds the next.
        let spans = [
            (Use::Application, Some(request.application)),
            (Use::Data, request.data),
            (Use::Staging, request.staging),
        ];
        let spans: Vec<(Use, Span)> =
            spans.into_iter().filter_map(|(what, span)| Some((what, span?))).collect();
        for &(what, span) in &spans {
            let area = check.span(what, span, &areas[0], &spans)?;
            if let Some(other) = areas.iter().find(|a| a.base < area.end() && area.base < a.end()) {
                return Err(check.overlap(&area, other));
            }
            areas.push(area);
        }
        areas.sort_by_key(|a| a.base);
        Ok(Self { flash: flash.clone(), areas: with_gaps(flash, &areas) })
    }

    /// The area with this use. Of [`Use::Free`] there can be several; this gives the first.
    pub fn area(&self, what: Use) -> Option<Area> {
        self.areas.iter().find(|a| a.what == what).copied()
    }

    /// The application's area.
    pub fn application(&self) -> Area {
        self.area(Use::Application).unwrap_or(Area { what: Use::Application, base: 0, size: 0 })
    }

    /// The bootloader's area.
    pub fn bootloader(&self) -> Area {
        self.area(Use::Bootloader).unwrap_or(Area { what: Use::Bootloader, base: 0, size: 0 })
    }

    /// The sectors of an area, ascending.
    pub fn sectors_of(&self, area: &Area) -> impl Iterator<Item = Sector> + '_ {
        let area = *area;
        self.flash.sectors().filter(move |s| s.base >= area.base && s.base < area.end())
    }
}

/// One check's inputs.
struct Check<'a> {
    flash: &'a Flash,
    request: &'a Request,
}

impl Check<'_> {
    fn bootloader(&self) -> Result<Area, LayoutError> {
        let (base, flash_end) = (self.flash.base(), self.flash.end());
        let (what, edge) = (Use::Bootloader, Edge::End);
        let size = self.request.bootloader;
        let end = u64::from(base) + u64::from(size);
        // Regions that stand well further up bound the bootloader too.
        let next = [Some(self.request.application), self.request.data, self.request.staging];
        let limit = next
            .iter()
            .flatten()
            .map(|s| s.base)
            .filter(|&b| b > base && b < flash_end && self.is_start(b))
            .min()
            .unwrap_or(flash_end - 1);
        let nearest =
            || Nearest { sizes_from: Some(base), ..self.nearest(end, |a| a > base && a <= limit, Edge::End) };
        if end > u64::from(flash_end) {
            let (base, size) = (base, self.flash.size());
            return Err(LayoutError::Outside { what, edge, address: end, base, size, nearest: nearest() });
        }
        let end = end as u32;
        if size == 0 {
            return Err(LayoutError::NoRoom { what, moves: what, nearest: nearest() });
        }
        if end == flash_end {
            return Err(LayoutError::NoRoom { what: Use::Application, moves: what, nearest: nearest() });
        }
        if let Some(sector) = self.around(end) {
            return Err(LayoutError::Boundary {
                what,
                edge,
                address: end,
                sector,
                noun: sector_noun(self.flash),
                nearest: nearest(),
            });
        }
        Ok(Area { what, base, size })
    }

    fn span(&self, what: Use, span: Span, boot: &Area, spans: &[(Use, Span)]) -> Result<Area, LayoutError> {
        let (base, size) = (self.flash.base(), self.flash.size());
        let start = span.base;
        let nearest_start = || self.nearest(u64::from(start), |a| a >= boot.end(), Edge::Start);
        if self.flash.sector_at(start).is_none() {
            let (edge, nearest) = (Edge::Start, nearest_start());
            return Err(if start == self.flash.end() {
                LayoutError::NoRoom { what, moves: what, nearest }
            } else {
                LayoutError::Outside { what, edge, address: start.into(), base, size, nearest }
            });
        }
        if let Some(sector) = self.around(start) {
            let (edge, nearest) = (Edge::Start, nearest_start());
            return Err(LayoutError::Boundary {
                what,
                edge,
                address: start,
                sector,
                noun: sector_noun(self.flash),
                nearest,
            });
        }
        // Up to the next region, a gap between banks, or the end.
        let open_end = spans
            .iter()
            .map(|(_, s)| s.base)
            .filter(|&b| b > start)
            .chain([self.run_end(start)])
            .min()
            .unwrap_or(start);
        let Some(bytes) = span.size else { return Ok(Area { what, base: start, size: open_end - start }) };
        let end = u64::from(start) + u64::from(bytes);
        let nearest = self.nearest(end, |a| a > start && a <= self.run_end(start), Edge::End);
        let nearest = Nearest { sizes_from: Some(start), ..nearest };
        let edge = Edge::End;
        if end > u64::from(self.run_end(start)) {
            return Err(LayoutError::Outside { what, edge, address: end, base, size, nearest });
        }
        if bytes == 0 {
            return Err(LayoutError::NoRoom { what, moves: what, nearest });
        }
        if let Some(sector) = self.around(end as u32) {
            return Err(LayoutError::Boundary {
                what,
                edge,
                address: end as u32,
                sector,
                noun: sector_noun(self.flash),
                nearest,
            });
        }
        Ok(Area { what, base: start, size: bytes })
    }

    /// `area` stands in `other`: where it could begin instead.
    fn overlap(&self, area: &Area, other: &Area) -> LayoutError {
        // The one that begins later is the one that has to move.
        let (moves, stays) = if area.base >= other.base { (area, other) } else { (other, area) };
        let nearest = self.nearest(moves.base.into(), |a| a >= stays.end(), Edge::Start);
        LayoutError::Overlap {
            what: moves.what,
            other: stays.what,
            address: moves.base,
            from: stays.base,
            to: stays.end(),
            nearest,
        }
    }

    /// The sector that has `address` inside, not on its edge.
    fn around(&self, address: u32) -> Option<Sector> {
        self.flash.sector_at(address).filter(|s| s.base != address)
    }

    fn is_start(&self, address: u32) -> bool {
        self.flash.sector_at(address).is_some_and(|s| s.base == address)
    }

    /// The end of the gapless run of sectors around `address`.
    fn run_end(&self, address: u32) -> u32 {
        let mut end = address;
        for sector in self.flash.sectors().filter(|s| s.end() > address) {
            if end > address && sector.base != end {
                break;
            }
            end = sector.end();
        }
        end
    }

    /// The two legal edges nearest to `wanted`: one on each side, or two on one side.
    fn nearest(&self, wanted: u64, legal: impl Fn(u32) -> bool, edge: Edge) -> Nearest {
        let edges: Vec<u32> = self
            .flash
            .sectors()
            .map(|s| if edge == Edge::Start { s.base } else { s.end() })
            .filter(|&a| legal(a))
            .collect();
        let split = edges.partition_point(|&a| u64::from(a) < wanted);
        let first = split.saturating_sub(1).min(edges.len().saturating_sub(2));
        Nearest { addresses: edges.into_iter().skip(first).take(2).collect(), sizes_from: None }
    }
}

/// The areas with what nobody asked for between them.
fn with_gaps(flash: &Flash, areas: &[Area]) -> Vec<Area> {
    let mut all: Vec<Area> = Vec::new();
    for sector in flash.sectors() {
        match areas.iter().find(|a| (a.base..a.end()).contains(&sector.base)) {
            Some(area) if all.last() == Some(area) => {}
            Some(area) => all.push(*area),
            None => match all.last_mut() {
                Some(last) if last.what == Use::Free && last.end() == sector.base => last.size += sector.size,
                _ => all.push(Area { what: Use::Free, base: sector.base, size: sector.size }),
            },
        }
    }
    all
}
