//! What a chip is to the virtual board: memories, identity, limits, and which versions of the blocks it has.
//!
//! One file for each line of chips, which is a table: a chip with blocks that have a model is one more of them.
//! Which peripherals there are follows from the clock enables in its version of the RCC
//! ([`crate::decode`]). The numbers are the simulator's own reading of the manuals; a test holds them against
//! `surefoot-chips`, so that one mistake does not pass on both sides.

mod f405;
mod f411;
mod f446;

use crate::peripheral::{flash, otg, pwr, rcc};

/// A run of equal sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sectors {
    /// Bytes of each.
    pub size: u32,
    /// How many.
    pub count: u8,
}

/// A RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamModel {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub length: u32,
}

/// Fastest clocks in hertz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speeds {
    /// HCLK.
    pub hclk: u32,
    /// APB1.
    pub pclk1: u32,
    /// APB2.
    pub pclk2: u32,
}

/// The same in megahertz.
const fn mhz(hclk: u32, pclk1: u32, pclk2: u32) -> Speeds {
    Speeds { hclk: hclk * 1_000_000, pclk1: pclk1 * 1_000_000, pclk2: pclk2 * 1_000_000 }
}

/// A voltage scale of the regulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// PWR_CR's field VOS, in its place.
    pub vos: u32,
    /// What it is enough for.
    pub speeds: Speeds,
    /// The same in over-drive mode, where the chip has one.
    pub over_drive: Option<Speeds>,
}

/// A version of each block that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) rcc: &'static rcc::Version,
    pub(crate) pwr: &'static pwr::Version,
    pub(crate) flash: &'static flash::Version,
    pub(crate) otg: &'static otg::Version,
}

/// A chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipModel {
    /// The part's name.
    pub name: String,
    /// DEV_ID of DBGMCU_IDCODE (RM0090 section 38.6.1).
    pub device_id: u16,
    /// REV_ID of DBGMCU_IDCODE.
    pub revision: u16,
    /// The flash map in ascending order.
    pub sectors: Vec<Sectors>,
    /// SRAM first; adjacent blocks are one. Then core-coupled memory, if there is any.
    pub rams: Vec<RamModel>,
    /// The 96-bit unique id (RM0090 section 39.1).
    pub unique_id: [u32; 3],
    /// Interrupt lines.
    pub interrupts: u32,
    /// The voltage scales and what each allows, the slowest first.
    pub scales: &'static [Scale],
    /// Hertz of HCLK that each flash wait state buys at 2.7-3.6 V.
    pub wait_state_hz: u32,
    /// First word of the ROM stub's vector table.
    pub rom_stack: u32,
    pub(crate) blocks: Blocks,
}

/// A line of chips with one reference manual.
struct Line {
    /// What its names begin with.
    names: &'static [&'static str],
    /// The letters of its packages.
    packages: &'static str,
    /// The letters of its sizes, and how many sectors of 128 KB each has.
    sizes: &'static [(char, u8)],
    /// Its largest chip.
    chip: fn() -> ChipModel,
}

const LINES: [Line; 3] = [f405::LINE, f411::LINE, f446::LINE];

/// Four sectors of 16 KB, one of 64 KB, then so many of 128 KB: every F4 with one bank (RM0090 table 5, RM0383
/// table 4, RM0390 table 4).
fn sectors(large: u8) -> Vec<Sectors> {
    vec![
        Sectors { size: 16 << 10, count: 4 },
        Sectors { size: 64 << 10, count: 1 },
        Sectors { size: 128 << 10, count: large },
    ]
}

/// The unique id of every virtual chip.
const UNIQUE_ID: [u32; 3] = [0x0038_0025, 0x3135_470E, 0x3037_3439];

impl ChipModel {
    /// The model of a part by its name: F405, F407, F415 and F417 with 512 KB (E) or 1 MB (G) of flash (DS8626
    /// table 96 has the order codes), F411 and F446 with 256 KB (C) or 512 KB (E). The crypto units of the F415
    /// and F417 are left out, as is what a package does not bond out.
    pub fn find(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        LINES.iter().find_map(|line| {
            let code = line.names.iter().find_map(|n| name.strip_prefix(n))?;
            let mut code = code.chars();
            let package = code.next()?;
            let size = code.next()?;
            let &(_, large) = line.sizes.iter().find(|s| s.0 == size)?;
            line.packages.contains(package).then(|| {
                let name = name[..name.len() - code.as_str().len()].to_owned();
                Self { name, sectors: sectors(large), ..(line.chip)() }
            })
        })
    }

    /// STM32F407 with 1 MB of flash.
    pub fn stm32f407vg() -> Self {
        f405::chip()
    }

    /// A word of the factory's information block, which begins at 0x1FFF7A10 with the unique id (RM0090 sections
    /// 39.1, 39.2; DS8626 tables of the internal reference voltage and of the temperature sensor).
    pub fn information(&self, offset: u32) -> u32 {
        match offset {
            0 | 4 | 8 => self.unique_id[(offset / 4) as usize],
            // The upper half-word at 0x1FFF7A20 is the flash size in KiB.
            0x10 => (self.flash_length() >> 10) << 16 | 0xFFFF,
            // VREFINT_CAL at 0x1FFF7A2A: 1.21 V; TS_CAL1 and TS_CAL2: 30 and 110 degrees; all of 3.3 V in 12 bits.
            0x18 => 1_501 << 16 | 0xFFFF,
            0x1C => 1_207 << 16 | 958,
            _ => u32::MAX,
        }
    }

    /// Bytes of main flash.
    pub fn flash_length(&self) -> u32 {
        self.sectors.iter().map(|s| s.size * u32::from(s.count)).sum()
    }

    /// Number of sectors.
    pub fn sector_count(&self) -> u8 {
        self.sectors.iter().map(|s| s.count).sum()
    }

    /// Offset and length of a sector.
    pub fn sector(&self, number: u8) -> Option<(u32, u32)> {
        let (mut offset, mut first) = (0, 0);
        for s in &self.sectors {
            if number < first + s.count {
                return Some((offset + u32::from(number - first) * s.size, s.size));
            }
            offset += u32::from(s.count) * s.size;
            first += s.count;
        }
        None
    }

    /// The sector that holds an offset.
    pub fn sector_at(&self, offset: u32) -> Option<u8> {
        (0..self.sector_count()).find(|&n| {
            let (start, length) = self.sector(n).expect("below the count");
            offset >= start && offset - start < length
        })
    }
}
