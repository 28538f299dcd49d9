//! The random number generator (RM0090 chapter 24).
//!
//! Covers: RNGEN, DRDY 40 periods of the PLL's 48 MHz output after the last word was read, the clock error, the
//! interrupt. The words are the same for every board, so that a run can be repeated.
//!
//! Leaves out: seed errors, which never come.

use crate::device::{Ctx, Peripheral, Width, lane, merged};
use crate::random::Random;
use crate::time::Nanos;

/// Interrupt line (RM0090 table 61).
const IRQ: u16 = 80;
const RNGEN: u32 = 1 << 2;
const IE: u32 = 1 << 3;
const DRDY: u32 = 1 << 0;
const CECS: u32 = 1 << 1;
const CEIS: u32 = 1 << 5;
/// Section 24.3.1: periods of the clock for a word.
const PERIODS: u64 = 40;

/// The model.
#[derive(Clone, Debug)]
pub struct Rng {
    cr: u32,
    clock_error: bool,
    random: Random,
    /// When the next word is there; `NEVER` without a clock.
    ready: Nanos,
    is_ready: bool,
}

impl Rng {
    pub(crate) fn new() -> Self {
        Self { cr: 0, clock_error: false, random: Random::new(0x5EED), ready: Nanos::NEVER, is_ready: false }
    }

    fn start(&mut self, ctx: &Ctx) {
        self.is_ready = false;
        let on = self.cr & RNGEN != 0;
        self.ready =
            if on { ctx.now + Nanos::cycles(PERIODS, u64::from(ctx.clocks.pll48)) } else { Nanos::NEVER };
    }

    fn settle(&mut self, ctx: &mut Ctx) {
        self.is_ready |= self.ready <= ctx.now;
        // Section 24.3.2: a clock below HCLK / 16 is an error.
        self.clock_error |= self.cr & RNGEN != 0 && ctx.clocks.pll48 < ctx.clocks.hclk / 16;
        ctx.irq(IRQ, self.cr & IE != 0 && (self.is_ready || self.clock_error));
    }
}

impl Peripheral for Rng {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        self.settle(ctx);
        let value = match offset & !3 {
            0 => self.cr,
            4 => {
                let slow = self.cr & RNGEN != 0 && ctx.clocks.pll48 < ctx.clocks.hclk / 16;
                let flag = |on: bool, bit: u32| if on { bit } else { 0 };
                flag(self.is_ready, DRDY) | flag(slow, CECS) | flag(self.clock_error, CEIS)
            }
            8 if self.is_ready => {
                self.start(ctx);
                self.settle(ctx);
                self.random.bits() as u32
            }
            8 => {
                ctx.hint("RM0090 24.4.3", "RNG_DR read while DRDY is clear: it reads as zero");
                0
            }
            _ => return ctx.nothing("RNG", offset, "RM0090 24.4.4"),
        };
        lane(value, offset, width)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        match offset & !3 {
            0 => {
                let value = merged(self.cr, offset, width, value);
                ctx.reserved(value, RNGEN | IE, "RM0090 24.4.1", "RNG_CR");
                let was = std::mem::replace(&mut self.cr, value & (RNGEN | IE));
                if (was ^ value) & RNGEN != 0 {
                    self.start(ctx);
                }
            }
            4 => self.clock_error &= value & CEIS != 0,
            _ => ctx.read_only("RM0090 24.4.3", "RNG_DR"),
        }
        self.settle(ctx);
    }

    fn next_event(&self) -> Option<Nanos> {
        (self.cr & IE != 0 && !self.is_ready && self.ready != Nanos::NEVER).then_some(self.ready)
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        self.settle(ctx);
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        *self = Self::new();
        ctx.irq(IRQ, false);
    }
}
