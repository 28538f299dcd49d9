//! What a chip is to the virtual board: memories, identity, limits.
//!
//! Only the STM32F405/407 register models exist so far; the limits and sizes that differ between
//! parts are here, so that a part with the same registers is one more name in [`ChipModel::find`].
//! The numbers are the simulator's own reading of the manuals; a test holds them against
//! `surefoot-chips`, so that one mistake does not pass on both sides.

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
    /// SRAM first; adjacent blocks are one. Then core-coupled memory.
    pub rams: Vec<RamModel>,
    /// The 96-bit unique id (RM0090 section 39.1).
    pub unique_id: [u32; 3],
    /// Interrupt lines (RM0090 table 61).
    pub interrupts: u32,
    /// Fastest HCLK in hertz (DS8626 table 14).
    pub hclk_max: u32,
    /// Fastest HCLK at voltage scale 2 (RM0090 section 5.1.3).
    pub hclk_max_scale_2: u32,
    /// Fastest APB1 clock.
    pub pclk1_max: u32,
    /// Fastest APB2 clock.
    pub pclk2_max: u32,
    /// Hertz of HCLK that each flash wait state buys at 2.7-3.6 V (RM0090 table 10).
    pub wait_state_hz: u32,
    /// First word of the ROM stub's vector table.
    pub rom_stack: u32,
}

impl ChipModel {
    /// The model of a part by its name: F405, F407, F415 and F417 with 512 KB (E) or 1 MB (G) of
    /// flash (DS8626 table 96 has the order codes). The crypto units of the F415 and F417 are
    /// left out, as is what a package does not bond out.
    pub fn find(name: &str) -> Option<Self> {
        let rest = name.to_ascii_uppercase();
        let code = ["STM32F405", "STM32F407", "STM32F415", "STM32F417"]
            .iter()
            .find_map(|line| rest.strip_prefix(line))?;
        let mut code = code.chars();
        let package = code.next()?;
        let large = match code.next()? {
            'E' => 3,
            'G' => 7,
            _ => return None,
        };
        if !"ORVZI".contains(package) {
            return None;
        }
        let mut chip = Self::stm32f407vg();
        chip.name = rest[..11].to_owned();
        chip.sectors[2].count = large;
        Some(chip)
    }

    /// STM32F407 with 1 MB of flash (RM0090 section 3.4, table 5).
    pub fn stm32f407vg() -> Self {
        Self {
            name: "STM32F407VG".to_owned(),
            device_id: 0x413,
            revision: 0x100F,
            sectors: vec![
                Sectors { size: 16 << 10, count: 4 },
                Sectors { size: 64 << 10, count: 1 },
                Sectors { size: 128 << 10, count: 7 },
            ],
            rams: vec![
                RamModel { base: 0x2000_0000, length: 128 << 10 },
                RamModel { base: 0x1000_0000, length: 64 << 10 },
            ],
            unique_id: [0x0038_0025, 0x3135_470E, 0x3037_3439],
            interrupts: 82,
            hclk_max: 168_000_000,
            hclk_max_scale_2: 144_000_000,
            pclk1_max: 42_000_000,
            pclk2_max: 84_000_000,
            wait_state_hz: 30_000_000,
            rom_stack: 0x2000_2D40,
        }
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
