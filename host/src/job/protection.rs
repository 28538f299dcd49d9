//! What the option bytes protect, and what a change would make of them.
//!
//! The bootloader tells them as FLASH_OPTCR holds them (RM0090 Rev 21, 3.9.9). It refuses a change that
//! takes protection away; here the same is refused before anything is sent.

use super::Refusal;
use surefoot_core::config::FEATURE_FAILSAFE;
use surefoot_core::info::Info;

/// OPTCR: nWRP of sector 0; the sectors follow.
const NWRP_AT: u32 = 16;
/// Sectors that OPTCR speaks of.
const SECTORS: u32 = 12;
/// OPTCR: RDP, with the values of its levels 0 and 2; every other value is level 1.
const RDP: u32 = 0xFF << RDP_AT;
const RDP_AT: u32 = 8;
const LEVEL_0: u32 = 0xAA;
const LEVEL_1: u32 = 0x55;
const LEVEL_2: u32 = 0xCC;
/// OPTCR: BOR_LEV.
const BOR: u32 = 0b11 << BOR_AT;
const BOR_AT: u32 = 2;

/// Read protection (RM0090, 3.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// None: a probe reads and writes everything.
    Open = 0,
    /// No access to the flash with a probe, from RAM or from ST's bootloader; back to 0 only by a mass erase.
    Protected = 1,
    /// No probe and no ST's bootloader any more, for ever.
    Locked = 2,
}

/// Brown-out reset (RM0090, 5.2.2 and 3.9.9): under this supply the chip is held in reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BrownOut {
    /// Off: the power-on reset alone, at 1.8 V or below.
    Off,
    /// Level 1, about 2.2 V.
    Low,
    /// Level 2, about 2.5 V.
    Medium,
    /// Level 3, about 2.8 V.
    High,
}

impl BrownOut {
    /// 0 for off, else the level.
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// BOR_LEV counts down: 0 is level 3, 3 is off.
    const fn bits(self) -> u32 {
        3 - self as u32
    }
}

/// The option bytes of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection(pub u32);

/// What is to become of them; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Protect the bootloader's sector from being written.
    pub bootloader: bool,
    /// Another level of read protection.
    pub level: Option<Level>,
    /// Another brown-out level.
    pub brown_out: Option<BrownOut>,
}

impl Protection {
    /// What the bootloader tells; `None` for a build that does not.
    pub fn told_by(info: &Info) -> Option<Self> {
        (info.features & FEATURE_FAILSAFE != 0).then_some(Self(info.options))
    }

    /// Read protection.
    pub const fn level(self) -> Level {
        match (self.0 & RDP) >> RDP_AT {
            LEVEL_0 => Level::Open,
            LEVEL_2 => Level::Locked,
            _ => Level::Protected,
        }
    }

    /// Brown-out reset.
    pub const fn brown_out(self) -> BrownOut {
        match (self.0 & BOR) >> BOR_AT {
            0 => BrownOut::High,
            1 => BrownOut::Medium,
            2 => BrownOut::Low,
            _ => BrownOut::Off,
        }
    }

    /// The write-protected ones of the first twelve sectors: nWRP is low.
    pub fn sectors(self) -> Vec<u8> {
        (0..SECTORS).filter(|n| self.0 >> (NWRP_AT + n) & 1 == 0).map(|n| n as u8).collect()
    }

    /// The bootloader's own sector, the first, is write-protected.
    pub const fn guards_bootloader(self) -> bool {
        self.0 >> NWRP_AT & 1 == 0
    }

    /// With `change`.
    ///
    /// # Errors
    /// [`Refusal::Lowers`]: it would take protection away. [`Refusal::Locked`]: nothing can be changed.
    pub fn with(self, change: Change) -> Result<Self, Refusal> {
        let mut value = self.0;
        if change.bootloader {
            value &= !(1 << NWRP_AT);
        }
        if let Some(level) = change.level.filter(|level| *level != self.level()) {
            if level < self.level() {
                return Err(Refusal::Lowers { from: self.level(), to: level });
            }
            let byte = if level == Level::Locked { LEVEL_2 } else { LEVEL_1 };
            value = value & !RDP | byte << RDP_AT;
        }
        if let Some(brown_out) = change.brown_out {
            value = value & !BOR | brown_out.bits() << BOR_AT;
        }
        match self.level() {
            Level::Locked if value != self.0 => Err(Refusal::Locked),
            _ => Ok(Self(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the chip is delivered (RM0090, 3.9.9).
    const NEW: Protection = Protection(0x0FFF_AAEC);

    #[test]
    fn a_new_chip_has_no_protection() {
        assert_eq!((NEW.level(), NEW.brown_out()), (Level::Open, BrownOut::Off));
        assert_eq!((NEW.sectors(), NEW.guards_bootloader()), (vec![], false));
    }

    #[test]
    fn a_change_touches_only_what_it_is_about() {
        let bootloader = Change { bootloader: true, ..Change::default() };
        assert_eq!(NEW.with(bootloader), Ok(Protection(0x0FFE_AAEC)));
        assert_eq!(NEW.with(bootloader).unwrap().sectors(), [0]);
        let level = |level| Change { level: Some(level), ..Change::default() };
        assert_eq!(NEW.with(level(Level::Protected)), Ok(Protection(0x0FFF_55EC)));
        assert_eq!(NEW.with(level(Level::Locked)), Ok(Protection(0x0FFF_CCEC)));
        let table =
            [(BrownOut::Off, 0xEC), (BrownOut::Low, 0xE8), (BrownOut::Medium, 0xE4), (BrownOut::High, 0xE0)];
        for (brown_out, byte) in table {
            let to = NEW.with(Change { brown_out: Some(brown_out), ..Change::default() }).unwrap();
            assert_eq!((to.0, to.brown_out()), (0x0FFF_AA00 | byte, brown_out));
        }
        assert_eq!(NEW.with(Change::default()), Ok(NEW));
    }

    #[test]
    fn a_level_is_never_lowered_and_level_2_changes_nothing_any_more() {
        // Whatever the byte is, as long as it is none of the two that mean something.
        let one = Protection(0x0FFF_12EC);
        assert_eq!(one.level(), Level::Protected);
        let level = |level| Change { level: Some(level), ..Change::default() };
        assert_eq!(one.with(level(Level::Protected)), Ok(one), "the same level keeps its byte");
        let lowers = Refusal::Lowers { from: Level::Protected, to: Level::Open };
        assert_eq!(one.with(level(Level::Open)), Err(lowers));
        let two = Protection(0x0FFF_CCEC);
        assert_eq!(two.with(level(Level::Locked)), Ok(two));
        assert_eq!(two.with(Change { bootloader: true, ..Change::default() }), Err(Refusal::Locked));
        assert!(two.with(level(Level::Protected)).is_err());
    }
}
