//! What lies at an address: the slot's neighbours in flash, option bytes, RAM and the rest of the chip.
//!
//! [`super::flat`] names with it what a file holds beside its slot. The areas of a board's flash come from
//! its configuration block or its board file; the rest follows from the memory map that all STM32 share
//! (PM0214, 2.2) and, for a known family, from its manual. What may be written is not decided here.

use crate::files::Segments;
use surefoot_core::config::{Config, FAMILY_F4, OWNER_JOURNAL, Slot};

/// What lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Below the flash: where the memory that the chip boots from shows a second time.
    Alias,
    /// The bootloader's own flash.
    Bootloader,
    /// Flash that is kept for settings.
    Data,
    /// The bootloader's record of updates.
    Journal,
    /// Another slot.
    OtherSlot,
    /// Flash that belongs to no slot.
    Spare,
    /// Flash of which no more is known.
    Flash,
    /// Behind the chip's flash.
    PastFlash,
    /// RAM beside the core, at 0x10000000.
    CoreRam,
    /// ST's own bootloader, in ROM.
    SystemMemory,
    /// Bytes that can be programmed once.
    Otp,
    /// The option bytes.
    OptionBytes,
    /// One of the three above: which one, only the chip's manual tells.
    System,
    /// Main RAM.
    Ram,
    /// External memory.
    External,
    /// Registers.
    Registers,
}

const FLASH: u32 = 0x0800_0000;

impl Region {
    /// Its name, as in "it is option bytes".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alias => "the alias of the boot memory, below the flash",
            Self::Bootloader => "the bootloader's flash",
            Self::Data => "the data region",
            Self::Journal => "the bootloader's journal",
            Self::OtherSlot => "another slot",
            Self::Spare => "flash that belongs to no slot",
            Self::Flash => "flash",
            Self::PastFlash => "past the end of the chip's flash",
            Self::CoreRam => "core-coupled RAM (CCM)",
            Self::SystemMemory => "system memory: ST's ROM bootloader and factory data",
            Self::Otp => "OTP, which can be programmed once",
            Self::OptionBytes => "option bytes",
            Self::System => "system memory, OTP or option bytes",
            Self::Ram => "RAM",
            Self::External => "external memory",
            Self::Registers => "registers",
        }
    }

    /// What to do with bytes that are meant to go there, as one sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Alias => "Link the image for the flash from 0x08000000 on, not for the alias.",
            Self::Bootloader => {
                "Give the application alone: the bootloader is written once, by `surefoot bootloader` and a probe."
            }
            Self::Data => {
                "Take them out of the file; the application writes its settings itself at its first start."
            }
            Self::Journal => "Take them out of the file: the bootloader alone writes there.",
            Self::OtherSlot => "Give one file for each slot; an image is linked for the one that it goes to.",
            Self::Spare | Self::Flash => {
                "Link them into the slot, or give the slot that flash in the board file's [layout]."
            }
            Self::PastFlash => {
                "Check the chip in the board file and the linker script; the chip has no flash there."
            }
            Self::CoreRam | Self::Ram => {
                "Store their initial values in flash (`> RAM AT> FLASH` in the linker script) and copy them at the start."
            }
            Self::SystemMemory => "Take them out of the file: it is ROM.",
            Self::Otp => {
                "Take them out of the file, and program OTP once, in production, with a debug probe."
            }
            Self::OptionBytes => {
                "Take them out of the file (`objcopy --remove-section`); `surefoot protect` sets what guards a board."
            }
            Self::System => {
                "Take them out of the file (`objcopy --remove-section`); an image holds flash only."
            }
            Self::External => {
                "Take them out of the file (`objcopy --remove-section`) and program them with the tool for that memory."
            }
            Self::Registers => "Check the addresses in the linker script: no memory is there.",
        }
    }
}

/// What is known of a board's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    areas: Vec<(Slot, Region)>,
    family: Option<u16>,
}

impl Map {
    /// From areas of flash, all of it, and the family of the board's bootloader.
    pub fn new(areas: Vec<(Slot, Region)>, family: u16) -> Self {
        Self { areas, family: Some(family) }
    }

    /// As far as a configuration block tells.
    pub fn of_config(config: Config, family: u16) -> Self {
        let mut areas: Vec<_> = config.slots().map(|slot| (slot, Region::OtherSlot)).collect();
        areas.extend(config.regions().enumerate().map(|(number, r)| {
            let region = match r.owner {
                OWNER_JOURNAL => Region::Journal,
                // The first sector is the bootloader's in any case.
                0 if number == 0 && r.count == 1 => Region::Bootloader,
                _ => Region::Spare,
            };
            (Slot { base: r.base, length: r.sector_size.saturating_mul(r.count.into()) }, region)
        }));
        Self::new(areas, family)
    }

    /// What lies at `address`.
    pub fn region(&self, address: u32) -> Region {
        if let Some((_, region)) = self.areas.iter().find(|(area, _)| area.contains(address, 1)) {
            return *region;
        }
        match address {
            0..FLASH => Region::Alias,
            FLASH..0x1000_0000 if self.areas.is_empty() => Region::Flash,
            FLASH..0x1000_0000 => Region::PastFlash,
            0x1000_0000..0x1F00_0000 => Region::CoreRam,
            0x1F00_0000..0x2000_0000 => self.system(address),
            0x2000_0000..0x4000_0000 => Region::Ram,
            0x6000_0000..0xA000_0000 => Region::External,
            // 0xA0000000 on: registers of memory controllers, and devices behind them; 0xC0000000: SDRAM.
            0xC000_0000..0xE000_0000 => Region::External,
            _ => Region::Registers,
        }
    }

    fn system(&self, address: u32) -> Region {
        if self.family != Some(FAMILY_F4) {
            return Region::System;
        }
        // RM0090 Rev 21, 3.4, tables 5 and 6; the option bytes of a second bank are at 0x1FFEC000.
        match address {
            0x1FFF_7800..0x1FFF_7A10 => Region::Otp,
            0x1FFF_C000..0x1FFF_C010 | 0x1FFE_C000..0x1FFE_C010 => Region::OptionBytes,
            0x1FFF_0000..0x1FFF_8000 => Region::SystemMemory,
            _ => Region::System,
        }
    }

    /// The first bytes that lie outside `slot`, with what is there.
    pub(super) fn stray(&self, segments: &Segments, slot: Slot) -> Option<Stray> {
        let outside = |s: &&crate::files::Segment| s.address < slot.base || s.address >= slot.end();
        let mut all = segments.iter().filter(outside);
        let first = all.next()?;
        Some(Stray {
            address: first.address,
            length: first.bytes.len() as u32,
            region: self.region(first.address),
            more: all.count(),
        })
    }
}

/// Bytes of a file that go to no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The first of them.
    pub address: u32,
    /// As many in one piece.
    pub length: u32,
    /// What is there.
    pub region: Region,
    /// Pieces besides this one.
    pub more: usize,
}
