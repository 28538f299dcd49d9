//! Power control of the STM32F405/407 (RM0090 chapter 5, registers in 5.4).
//!
//! Covers: the write protection of the backup domain (DBP), voltage scaling (VOS) with its rule
//! that the PLL is off, the backup regulator's ready flag.
//!
//! Leaves out: the voltage detector (never trips), STOP and STANDBY (entering them is a violation
//! that the board records), wake-up flags.

use crate::device::{Ctx, Peripheral, Width, lane, merged};
use crate::time::Nanos;
use crate::violation::Kind;

const DBP: u32 = 1 << 8;
const VOS: u32 = 1 << 14;
const CR_KNOWN: u32 = VOS | 0x3FF;
/// CWUF and CSBF read as zero.
const CR_STORED: u32 = CR_KNOWN & !0xC;
const BRE: u32 = 1 << 9;
const BRR: u32 = 1 << 3;
const VOSRDY: u32 = 1 << 14;

/// The model.
#[derive(Clone, Debug)]
pub struct Pwr {
    cr: u32,
    csr: u32,
}

impl Pwr {
    pub(crate) fn new() -> Self {
        Self { cr: VOS, csr: 0 }
    }

    /// The supply is gone: what a system reset keeps goes too.
    pub(crate) fn power_lost(&mut self) {
        *self = Self::new();
    }

    /// DBP: the backup domain takes writes.
    pub(crate) fn backup_open(&self) -> bool {
        self.cr & DBP != 0
    }

    /// True in scale 1, which HCLK above 144 MHz needs.
    pub(crate) fn scale_1(&self) -> bool {
        self.cr & VOS != 0
    }
}

impl Peripheral for Pwr {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = match offset & !3 {
            0 => self.cr,
            4 => self.csr | VOSRDY | if self.csr & BRE != 0 { BRR } else { 0 },
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
                ctx.reserved(value, CR_KNOWN, "RM0090 5.4.1", "PWR_CR");
                if (value ^ self.cr) & VOS != 0 && ctx.clocks.pll48 != 0 {
                    ctx.violation(Kind::Sequence, "RM0090 5.1.3", "VOS changed while the PLL is on");
                }
                self.cr = value & CR_STORED;
            }
            4 => {
                let value = merged(self.csr, offset, width, value);
                ctx.reserved(value, 0x430F, "RM0090 5.4.2", "PWR_CSR");
                self.csr = value & 0x300;
            }
            _ => {
                ctx.nothing("PWR", offset, "RM0090 5.6");
            }
        }
    }

    fn reset(&mut self, _ctx: &mut Ctx) {
        // BRE and EWUP stay set across a system reset (section 5.4.2).
        self.cr = VOS;
    }
}
