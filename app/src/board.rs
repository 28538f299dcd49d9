//! What an application must know of its board: the family's registers and the board's choices.
//!
//! Read by every function of this crate; nothing here touches the hardware.

use surefoot_core::handoff;

/// Addresses and bits through which a family's backup registers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Clock enable register of the power controller.
    pub clock_enable: u32,
    /// The power controller's bit in it.
    pub clock_bit: u32,
    /// Power control register that holds DBP.
    pub power_control: u32,
    /// DBP: access to the backup domain.
    pub access_bit: u32,
    /// First backup register; the others follow word by word.
    pub registers: u32,
    /// How many there are.
    pub count: u8,
}

/// A chip family for which Surefoot has a bootloader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[non_exhaustive]
pub enum Family {
    /// STM32F4; the number is the bootloader's family code.
    F4 = surefoot_core::config::FAMILY_F4,
}

impl Family {
    /// The family with this code, as in [`surefoot_core::info::Info::family`].
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            surefoot_core::config::FAMILY_F4 => Some(Self::F4),
            _ => None,
        }
    }

    /// The way to the family's backup registers.
    pub const fn backup(self) -> Backup {
        match self {
            // RM0090 Rev 21: table 1 (addresses), 7.3.13 RCC_APB1ENR PWREN, 5.4.1 PWR_CR DBP,
            // 26.6.20 RTC_BKPxR.
            Self::F4 => Backup {
                clock_enable: 0x4002_3840,
                clock_bit: 1 << 28,
                power_control: 0x4000_7000,
                access_bit: 1 << 8,
                registers: 0x4000_2850,
                count: 20,
            },
        }
    }
}

/// The board as the application sees it. The values are those of the board file; [`Board::F4`]
/// has the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// The chip's family.
    pub family: Family,
    /// `boot.magic`: asks for update mode.
    pub magic_word: u32,
    /// Address of the handoff words: the start of RAM.
    pub handoff: u32,
    /// `boot.backup-register`: which RTC backup register takes the magic word. `None` leaves the
    /// backup domain alone; the request then travels in RAM only.
    pub backup_register: Option<u8>,
}

impl Board {
    /// An STM32F4 board with the board file's defaults.
    pub const F4: Self = Self {
        family: Family::F4,
        magic_word: handoff::DEFAULT_MAGIC_WORD,
        handoff: 0x2000_0000,
        backup_register: Some(0),
    };

    /// Address of the backup register in use, if one is in use and the family has it.
    pub const fn backup_register_address(&self) -> Option<u32> {
        let backup = self.family.backup();
        match self.backup_register {
            Some(number) if number < backup.count => Some(backup.registers + 4 * number as u32),
            _ => None,
        }
    }
}
