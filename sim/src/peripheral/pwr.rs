//! Power control (RM0090 chapter 5, registers in 5.4; RM0383 and RM0390 chapter 5).
//!
//! Covers: the write protection of the backup domain (DBP), voltage scaling (VOS) with its rules that the PLL is off
//! and that there is such a scale, the over-drive mode of the F446, the backup regulator's ready flag.
//!
//! Leaves out: the voltage detector (never trips), STOP and STANDBY (entering them is a violation
//! that the board records), wake-up flags; the scale that counts while the PLL is off; the time that over-drive
//! takes to come, and that it stalls the system meanwhile (RM0390 section 5.1.4): its flags show at once.

use crate::chip::{ChipModel, Scale, Speeds};
use crate::device::{Ctx, Peripheral, Width, lane, merged};
use crate::time::Nanos;
use crate::violation::Kind;

const DBP: u32 = 1 << 8;
/// CWUF and CSBF read as zero.
const CLEARED: u32 = 0xC;
const BRE: u32 = 1 << 9;
const BRR: u32 = 1 << 3;
const VOSRDY: u32 = 1 << 14;
/// With the flag of each in PWR_CSR at the same place.
const ODEN: u32 = 1 << 16;
const ODSWEN: u32 = 1 << 17;
const OVER_DRIVE: u32 = ODEN | ODSWEN;

/// A version of the block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Where its registers are described.
    manual: &'static str,
    /// Bits that there are in PWR_CR.
    cr: u32,
    cr_reset: u32,
    /// The field VOS.
    vos: u32,
    /// Bits that there are in PWR_CSR.
    csr: u32,
    /// ... and those of them that are kept: BRE, EWUP.
    kept: u32,
}

/// STM32F405/407 (RM0090 section 5.4).
pub(crate) static F405: Version = Version {
    manual: "RM0090 5.4",
    cr: 1 << 14 | 0x3FF,
    cr_reset: 1 << 14,
    vos: 1 << 14,
    csr: 0x430F,
    kept: 0x300,
};

/// STM32F411 (RM0383 section 5.4): LPLVDS, MRLVDS, ADCDC1, FMSSR and FISSR beside the F405's.
pub(crate) static F411: Version = Version {
    manual: "RM0383 5.4",
    cr: 0x0030_EFFF,
    cr_reset: 2 << 14,
    vos: 3 << 14,
    csr: 0x430F,
    kept: 0x300,
};

/// STM32F446 (RM0390 section 5.4): over-drive and under-drive (UDEN, bits 18-19) too, and a second wake-up pin.
pub(crate) static F446: Version = Version {
    manual: "RM0390 5.4",
    cr: 0x003F_EFFF,
    cr_reset: 3 << 14,
    vos: 3 << 14,
    csr: 0x000F_438F,
    kept: 0x380,
};

/// The model.
#[derive(Clone, Debug)]
pub struct Pwr {
    version: &'static Version,
    scales: &'static [Scale],
    cr: u32,
    csr: u32,
}

impl Pwr {
    pub(crate) fn new(chip: &ChipModel) -> Self {
        let version = chip.blocks.pwr;
        Self { version, scales: chip.scales, cr: version.cr_reset, csr: 0 }
    }

    /// The supply is gone: what a system reset keeps goes too.
    pub(crate) fn power_lost(&mut self) {
        (self.cr, self.csr) = (self.version.cr_reset, 0);
    }

    /// DBP: the backup domain takes writes.
    pub(crate) fn backup_open(&self) -> bool {
        self.cr & DBP != 0
    }

    /// What the voltage is enough for.
    pub(crate) fn speeds(&self) -> Speeds {
        let scale = self.scale(self.cr).unwrap_or(&self.scales[0]);
        match scale.over_drive {
            Some(speeds) if self.cr & OVER_DRIVE == OVER_DRIVE => speeds,
            _ => scale.speeds,
        }
    }

    fn scale(&self, cr: u32) -> Option<&'static Scale> {
        self.scales.iter().find(|s| s.vos == cr & self.version.vos)
    }

    fn write_cr(&mut self, value: u32, ctx: &mut Ctx) {
        let Version { manual, cr, vos, .. } = *self.version;
        ctx.reserved(value, cr, manual, "PWR_CR");
        let changed = (value ^ self.cr) & cr;
        if changed & vos != 0 && ctx.clocks.pll48 != 0 {
            ctx.violation(Kind::Sequence, "RM0090 5.1.3", "VOS changed while the PLL is on");
        }
        if changed & vos != 0 && self.scale(value).is_none() {
            ctx.violation(Kind::Range, manual, "VOS is no voltage scale");
        }
        // RM0390, PWR_CR: to set or reset ODEN or ODSWEN, HSI or HSE must be the system clock; ODSWEN waits for ODRDY.
        if changed & OVER_DRIVE != 0 && ctx.clocks.from_pll {
            let what = "over-drive changed while the PLL is the system clock";
            ctx.violation(Kind::Sequence, manual, what);
        }
        if changed & value & ODSWEN != 0 && self.cr & ODEN == 0 {
            ctx.violation(Kind::Sequence, manual, "ODSWEN set before ODRDY");
        }
        self.cr = value & cr & !CLEARED;
    }
}

impl Peripheral for Pwr {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = match offset & !3 {
            0 => self.cr,
            4 => {
                let regulator = if self.csr & BRE != 0 { BRR } else { 0 };
                self.csr | VOSRDY | regulator | self.cr & OVER_DRIVE
            }
            _ => return ctx.nothing("PWR", offset, "RM0090 5.6"),
        };
        lane(value, offset, width)
    }

    fn steady_until(&self, _offset: u32) -> Option<Nanos> {
        Some(Nanos::NEVER)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        match offset & !3 {
            0 => {
                let value = merged(self.cr, offset, width, value);
                self.write_cr(value, ctx);
            }
            4 => {
                let value = merged(self.csr, offset, width, value);
                ctx.reserved(value, self.version.csr, self.version.manual, "PWR_CSR");
                self.csr = value & self.version.kept;
            }
            _ => {
                ctx.nothing("PWR", offset, "RM0090 5.6");
            }
        }
    }

    fn reset(&mut self, _ctx: &mut Ctx) {
        // BRE and EWUP stay set across a system reset (section 5.4.2).
        self.cr = self.version.cr_reset;
    }
}
