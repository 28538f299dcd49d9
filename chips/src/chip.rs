//! One chip: the table's entry and the overlay joined and corrected.
//!
//! Corrections made here: one-time programmable flash is no flash; windows of external memories
//! are no RAM; RAM regions that touch are one; a second bank that the metadata put inside the first
//! (U3) stands behind it.

use crate::overlay::{self, Clock, Supply, Timing};
use crate::table::{Group, Kind, R};

/// External memories (FMC, OCTOSPI, SDRAM) begin here on every part.
const EXTERNAL: u32 = 0x6000_0000;
/// Where RAM begins unless the overlay says otherwise.
const RAM: u32 = 0x2000_0000;

/// What is known of one chip.
#[derive(Clone, Debug)]
pub struct Chip {
    /// "STM32F407VG".
    pub name: &'static str,
    /// "STM32F4".
    pub family: &'static str,
    /// `BinaryHeader::family` of its bootloader; `None` when there is none for this chip yet.
    pub binary_family: Option<u16>,
    /// The processor, where an overlay says so.
    pub core: Option<&'static str>,
    /// DEV_ID of DBGMCU_IDCODE.
    pub device_id: Option<u16>,
    /// Address of DBGMCU_IDCODE.
    pub debug_id_address: Option<u32>,
    /// Address of the ROM bootloader's vector table.
    pub rom: Option<u32>,
    /// Address of the 16-bit flash size in KiB.
    pub flash_size_address: Option<u32>,
    /// Address of the 96-bit unique id.
    pub uid_address: Option<u32>,
    /// The arrangements of the flash: one, or single bank and dual bank.
    pub flash: Vec<Flash>,
    /// The RAM that a program gets by default: contiguous, not external, not battery backed.
    pub ram: Ram,
    /// All internal RAM as the metadata name it.
    pub memories: Vec<Ram>,
    /// Widths in bytes with which the flash can be programmed.
    pub program_units: Vec<u8>,
    /// USB device blocks.
    pub usb: Vec<UsbBlock>,
    /// Supply voltage ranges, ascending; empty when no overlay gives them.
    pub supplies: &'static [Supply],
    /// Flash times by program unit; empty when no overlay gives them.
    pub timings: &'static [Timing],
    /// Clock limits.
    pub clock: Option<&'static Clock>,
    pins: &'static str,
}

/// How many banks the flash is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Banks {
    /// One.
    Single,
    /// Two.
    Dual,
}

/// One arrangement of the flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// One bank or two.
    pub banks: Banks,
    /// Runs of equal sectors, ascending, without gaps but for parts whose banks lie apart.
    pub groups: Vec<SectorGroup>,
    /// What an erased byte reads as.
    pub erased: u8,
}

/// A run of equal sectors (pages) in one bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorGroup {
    /// First address.
    pub base: u32,
    /// Bytes of each sector.
    pub sector_size: u32,
    /// Number of sectors.
    pub count: u16,
    /// 1 or 2.
    pub bank: u8,
    /// The first sector's number as the flash controller counts (F4: SNB).
    pub first_number: u16,
    /// The first sector's number in the manual's flash map.
    pub first_sector: u16,
}

impl SectorGroup {
    /// Bytes of the whole run.
    pub const fn size(&self) -> u32 {
        self.sector_size * self.count as u32
    }
    /// The first address behind the run.
    pub const fn end(&self) -> u32 {
        self.base + self.size()
    }
}

/// One sector (page).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// 1 or 2.
    pub bank: u8,
    /// As the flash controller counts.
    pub number: u16,
    /// As the manual counts.
    pub sector: u16,
}

impl Sector {
    /// The first address behind the sector.
    pub const fn end(&self) -> u32 {
        self.base + self.size
    }
}

/// A piece of RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ram {
    /// The manual's name.
    pub name: &'static str,
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
}

/// Kind of a USB device block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsbKind {
    /// Synopsys OTG, full or high speed.
    Otg,
    /// ST's full-speed device with packet memory.
    PacketMemory,
}

/// A USB device block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsbBlock {
    /// "USB_OTG_FS".
    pub name: &'static str,
    /// First register.
    pub base: u32,
    /// What it is.
    pub kind: UsbKind,
}

impl Flash {
    /// First address.
    pub fn base(&self) -> u32 {
        self.groups.first().map_or(0, |g| g.base)
    }
    /// The first address behind the last sector.
    pub fn end(&self) -> u32 {
        self.groups.last().map_or(0, SectorGroup::end)
    }
    /// Bytes of all sectors.
    pub fn size(&self) -> u32 {
        self.groups.iter().map(SectorGroup::size).sum()
    }
    /// Every sector, ascending.
    pub fn sectors(&self) -> impl Iterator<Item = Sector> + '_ {
        self.groups.iter().flat_map(|g| {
            (0..g.count).map(move |i| Sector {
                base: g.base + u32::from(i) * g.sector_size,
                size: g.sector_size,
                bank: g.bank,
                number: g.first_number + i,
                sector: g.first_sector + i,
            })
        })
    }
    /// The sector that holds `address`.
    pub fn sector_at(&self, address: u32) -> Option<Sector> {
        self.sectors().find(|s| (s.base..s.end()).contains(&address))
    }
}

impl Chip {
    pub(crate) fn new(group: &'static Group, name: &'static str, pins: &'static str) -> Self {
        let (family, part) = overlay::of(group.family, name);
        let flash: Vec<Flash> = group.memory.iter().map(|regions| flash(regions, family)).collect();
        let memories: Vec<Ram> = group.memory[0].iter().filter_map(internal_ram).collect();
        let ram_base = family.and_then(|f| f.ram_base).unwrap_or(RAM);
        let stated = group.memory[0].iter().find(|r| r.1 == Kind::Flash).map_or(0, |r| r.5 as u8);
        Self {
            name,
            family: group.family,
            // A bootloader needs its part's clocks and a USB block.
            binary_family: family
                .filter(|_| part.is_some_and(|p| p.clock.is_some()) && !group.usb.is_empty())
                .and_then(|f| f.binary_family),
            core: family.map(|f| f.core.as_str()),
            device_id: part.map(|p| p.device_id),
            debug_id_address: family.and_then(|f| f.debug_id_address),
            rom: part.and_then(|p| p.rom).or_else(|| family?.rom),
            flash_size_address: part
                .and_then(|p| p.flash_size_address)
                .or_else(|| family?.flash_size_address),
            uid_address: (group.uid != 0).then_some(group.uid),
            flash,
            ram: contiguous(&memories, ram_base),
            memories,
            program_units: part
                .and_then(|p| p.program_units.clone())
                .or_else(|| Some(family?.program_units.clone()))
                .unwrap_or(vec![stated]),
            usb: group.usb.iter().map(usb).collect(),
            supplies: family.map_or(&[], |f| &f.supply),
            timings: family.map_or(&[], |f| &f.timing),
            clock: part.and_then(|p| p.clock.as_ref()),
            pins,
        }
    }

    /// The flash as a chip fresh from the factory arranges it (the metadata's first arrangement).
    pub fn default_flash(&self) -> &Flash {
        &self.flash[0]
    }

    /// The flash in an arrangement, when the chip has it.
    pub fn flash_with(&self, banks: Banks) -> Option<&Flash> {
        self.flash.iter().find(|f| f.banks == banks)
    }

    /// Every sector of the default arrangement, ascending.
    pub fn sectors(&self) -> impl Iterator<Item = Sector> + '_ {
        self.default_flash().sectors()
    }

    /// True when the package brings pin `pin` of port `port` ('A' ...) out.
    pub fn has_pin(&self, port: char, pin: u8) -> bool {
        self.port(port).is_some_and(|mask| pin < 16 && mask & 1 << pin != 0)
    }

    /// The pins of a port that the package brings out, one bit each.
    pub fn port(&self, port: char) -> Option<u16> {
        let word = self.pins.split(' ').find(|word| word.starts_with(port))?;
        u16::from_str_radix(&word[1..], 16).ok()
    }

    /// The letters of the ports that the package brings out.
    pub fn ports(&self) -> impl Iterator<Item = char> {
        self.pins.split(' ').filter_map(|word| word.chars().next())
    }

    /// Flash times for a program unit of `unit` bytes.
    pub fn timing(&self, unit: u8) -> Option<&'static Timing> {
        self.timings.iter().find(|t| t.unit == unit)
    }
}

fn flash(regions: &[R], family: Option<&overlay::Family>) -> Flash {
    let mut groups: Vec<SectorGroup> = Vec::new();
    let mut erased = 0xFF;
    for R(name, kind, base, size, erase, _, value) in regions {
        if *kind != Kind::Flash || *erase == 0 {
            continue;
        }
        erased = *value;
        let bank = if name.starts_with("BANK_2") { 2 } else { 1 };
        let behind = groups.last().map_or((0, 0), |g| (g.first_number + g.count, g.first_sector + g.count));
        let (first_number, first_sector) = match groups.last() {
            Some(last) if last.bank != bank => (
                family.and_then(|f| f.second_bank_number).map_or(behind.0, u16::from),
                family.and_then(|f| f.second_bank_sector).unwrap_or(behind.1),
            ),
            _ => behind,
        };
        let count = (size / erase) as u16;
        let base = groups.last().filter(|g| g.bank != bank).map_or(*base, |g| g.end().max(*base));
        groups.push(SectorGroup { base, sector_size: *erase, count, bank, first_number, first_sector });
    }
    let banks = if groups.iter().any(|g| g.bank == 2) { Banks::Dual } else { Banks::Single };
    Flash { banks, groups, erased }
}

fn internal_ram(region: &R) -> Option<Ram> {
    let R(name, kind, base, size, ..) = region;
    (*kind == Kind::Ram && *base < EXTERNAL).then_some(Ram { name, base: *base, size: *size })
}

/// The first run of RAM from `base` on.
fn contiguous(memories: &[Ram], base: u32) -> Ram {
    let mut sorted: Vec<&Ram> = memories.iter().filter(|m| m.base >= base).collect();
    sorted.sort_by_key(|m| m.base);
    // WB0 keeps the first words for its ROM, so the run may begin a little later.
    let mut run = Ram { name: "RAM", base: sorted.first().map_or(base, |m| m.base), size: 0 };
    for memory in sorted {
        if memory.base > run.base + run.size {
            break;
        }
        run.size = run.size.max(memory.base + memory.size - run.base);
    }
    run
}

fn usb((name, base, version): &(&'static str, u32, &'static str)) -> UsbBlock {
    let kind = if version.starts_with("otg") { UsbKind::Otg } else { UsbKind::PacketMemory };
    UsbBlock { name, base: *base, kind }
}
