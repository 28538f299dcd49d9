//! The flash layout: what a board asks for, checked against the chip's sectors.
//!
//! [`Request`] is what the board file says, [`Layout`] what is legal: every boundary on a sector's
//! edge, nothing overlaps, nothing outside the chip, room for an application. A refusal names the
//! two nearest legal addresses. What the regions become in a block or a script is not here.

mod check;
mod error;

pub use error::{LayoutError, Nearest};

use check::Check;
use surefoot_chips::{Banks, Chip, Flash, Sector};
use surefoot_core::config::{OWNER_JOURNAL, OWNER_SLOT0, OWNER_SLOT1};

/// What a part of the flash is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// The bootloader; the host can read it.
    Bootloader,
    /// Kept for somebody's data, settings or a serial number; the bootloader never touches it.
    Data,
    /// Two sectors for the bootloader's record of updates and boots; the host can read them.
    Journal,
    /// The application, slot 0: the host can erase and write it.
    Application,
    /// Slot 1 of the strategy `ab`: the host can erase and write it while slot 0 is the one in use.
    Second,
    /// Slot 1 of the strategy `backup`: a copy of the application, which the bootloader makes.
    Backup,
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
            Self::Journal => "journal",
            Self::Application => "application",
            Self::Second => "application-b",
            Self::Backup => "backup",
            Self::Staging => "staging",
            Self::Free => "free",
        }
    }

    /// The words for messages, with "the" before them.
    const fn noun(self) -> &'static str {
        match self {
            Self::Staging => "staging area",
            Self::Second => "second slot",
            Self::Backup => "backup slot",
            other => other.name(),
        }
    }

    /// True when a host may erase and write it, now or after an update.
    pub const fn writable(self) -> bool {
        matches!(self, Self::Application | Self::Second)
    }

    /// Whose it is in the configuration block: an OWNER_ constant, 0 for nobody's.
    pub const fn owner(self) -> u8 {
        match self {
            Self::Application => OWNER_SLOT0,
            Self::Second | Self::Backup => OWNER_SLOT1,
            Self::Journal => OWNER_JOURNAL,
            Self::Bootloader | Self::Data | Self::Staging | Self::Free => 0,
        }
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
    /// The application, slot 0.
    pub application: Span,
    /// The second slot of the strategy `ab`.
    pub second: Option<Span>,
    /// The second slot of the strategy `backup`.
    pub backup: Option<Span>,
    /// The journal; without a size it takes the two sectors from there on.
    pub journal: Option<Span>,
    /// Somebody's data.
    pub data: Option<Span>,
    /// The staging area.
    pub staging: Option<Span>,
}

impl Request {
    /// A bootloader of so many bytes and one slot.
    pub const fn new(bootloader: u32, application: Span) -> Self {
        Self {
            banks: None,
            bootloader,
            application,
            second: None,
            backup: None,
            journal: None,
            data: None,
            staging: None,
        }
    }

    /// The regions with a place of their own: all but the bootloader.
    fn spans(&self) -> impl Iterator<Item = (Use, Span)> {
        [
            (Use::Application, Some(self.application)),
            (Use::Second, self.second),
            (Use::Backup, self.backup),
            (Use::Journal, self.journal),
            (Use::Data, self.data),
            (Use::Staging, self.staging),
        ]
        .into_iter()
        .filter_map(|(what, span)| Some((what, span?)))
    }
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

/// What the manual calls a piece of this flash: small and all alike, they are pages.
pub(crate) fn sector_noun(flash: &Flash) -> &'static str {
    if flash.groups.iter().all(|g| g.sector_size <= 8192) { "page" } else { "sector" }
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
        for (what, span) in request.spans() {
            let area = check.span(what, span, &areas[0])?;
            if let Some(other) = areas.iter().find(|a| a.base < area.end() && area.base < a.end()) {
                return Err(check.overlap(&area, other));
            }
            areas.push(area);
        }
        check.journal(&areas)?;
        check.backup(&areas)?;
        areas.sort_by_key(|a| a.base);
        Ok(Self { flash: flash.clone(), areas: with_gaps(flash, &areas) })
    }

    /// The area with this use. Of [`Use::Free`] there can be several; this gives the first.
    pub fn area(&self, what: Use) -> Option<Area> {
        self.areas.iter().find(|a| a.what == what).copied()
    }

    /// The slots, in the order of their numbers.
    pub fn slots(&self) -> impl Iterator<Item = Area> + '_ {
        [Use::Application, Use::Second, Use::Backup].into_iter().filter_map(|what| self.area(what))
    }

    /// The application's area, slot 0.
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
