//! The backup domain: RTC backup registers (RM0090 section 26.6.20), backup SRAM (5.1.2) and the RTC ([`crate::rtc`]).
//!
//! Covers: the twenty backup registers and the 4 KB of backup SRAM with their write protection
//! (PWR_CR.DBP), the backup domain reset; they survive a system reset, and a loss of the supply
//! when the board has a battery.
//!
//! Leaves out: what the RTC leaves out.

use std::hash::{Hash, Hasher};

use crate::cpu::Access;
use crate::device::{Ctx, Peripheral, Width, lane, merged};
use crate::memory::little;
use crate::rtc::Rtc;
use crate::time::Nanos;
use crate::violation::Kind;

/// Number of backup registers.
pub const BACKUP_REGISTERS: usize = 20;
const SRAM_LENGTH: usize = 4096;

/// The model.
#[derive(Clone, Debug)]
pub struct Backup {
    rtc: Rtc,
    registers: [u32; BACKUP_REGISTERS],
    sram: Vec<u8>,
    /// PWR_CR.DBP, kept up to date by the bus.
    pub(crate) open: bool,
}

impl Backup {
    pub(crate) fn new() -> Self {
        Self { rtc: Rtc::new(), registers: [0; BACKUP_REGISTERS], sram: vec![0; SRAM_LENGTH], open: false }
    }

    /// RTC_BKPxR, as a debugger reads it.
    pub fn register(&self, number: usize) -> u32 {
        self.registers[number]
    }

    pub(crate) fn set_register(&mut self, number: usize, value: u32) {
        self.registers[number] = value;
    }

    /// Backup domain reset, or the supply and the battery are both gone. The backup SRAM is not
    /// reset by BDRST (RM0090 section 7.1.3).
    pub(crate) fn clear(&mut self, with_sram: bool) {
        (self.registers, self.rtc) = ([0; BACKUP_REGISTERS], Rtc::new());
        if with_sram {
            self.sram.fill(0);
        }
    }

    pub(crate) fn sram(&mut self, offset: u32, access: Access, ctx: &mut Ctx) -> u32 {
        let (at, width) = (offset as usize, access.width.bytes() as usize);
        let bytes = &mut self.sram[at..at + width];
        if let Some(value) = access.write {
            if self.open {
                bytes.copy_from_slice(&value.to_le_bytes()[..width]);
            } else {
                let what = "backup SRAM written while PWR_CR.DBP is clear";
                ctx.violation(Kind::Protected, "RM0090 5.1.2", what);
            }
        }
        little(bytes)
    }

    /// The clock tree changed.
    pub(crate) fn clock_changed(&mut self, ctx: &mut Ctx) {
        self.rtc.count_on(ctx);
    }
}

impl Peripheral for Backup {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let at = offset & !3;
        let value = match at {
            0x50..0xA0 => Some(self.registers[(at as usize - 0x50) / 4]),
            0x00..0x50 => return self.rtc.read(offset, width, ctx),
            _ => None,
        };
        match value {
            Some(value) => lane(value, offset, width),
            None => ctx.nothing("RTC", offset, "RM0090 26.6.21"),
        }
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        let at = offset & !3;
        if !self.open {
            let what = format!("RTC register {at:#x} written while PWR_CR.DBP is clear");
            return ctx.violation(Kind::Protected, "RM0090 5.1.2, 26.3.5", what);
        }
        match at {
            0x50..0xA0 => {
                let register = &mut self.registers[(at as usize - 0x50) / 4];
                *register = merged(*register, offset, width, value);
                ctx.attention();
            }
            0x00..0x50 => self.rtc.write(offset, width, value, ctx),
            _ => {
                ctx.nothing("RTC", offset, "RM0090 26.6.21");
            }
        }
    }

    fn next_event(&self) -> Option<Nanos> {
        self.rtc.next_event()
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        self.rtc.count_on(ctx);
    }

    fn reset(&mut self, _ctx: &mut Ctx) {}
}

/// What a board goes by after a loss of the supply; the time of the RTC is none of it.
impl Hash for Backup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.registers, &self.sram, self.open).hash(state);
    }
}
