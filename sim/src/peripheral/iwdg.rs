//! The independent watchdog (RM0090 chapter 21).
//!
//! Covers: key register, prescaler and reload with their write protection and update flags, the
//! reset when the counter runs out, the hardware watchdog option, all on the LSI's own rate. It
//! keeps running while the core sleeps or stalls on flash.
//!
//! Leaves out: the debug freeze (there is no debugger).

use crate::device::{Ctx, Peripheral, ResetCause, Width};
use crate::time::Nanos;
use crate::violation::Kind;

/// Section 21.4.4: an update takes up to five LSI cycles.
const UPDATE_CYCLES: u64 = 5;

/// A register that is copied into the LSI's domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crossing {
    written: u32,
    /// What the watchdog uses.
    used: u32,
    /// When the write has arrived; `NEVER` while the LSI does not run.
    arrives: Option<Nanos>,
}

impl Crossing {
    const fn new(value: u32) -> Self {
        Self { written: value, used: value, arrives: None }
    }
    fn advance(&mut self, now: Nanos) {
        if self.arrives.is_some_and(|at| at <= now) {
            self.used = self.written;
            self.arrives = None;
        }
    }
}

/// The model.
#[derive(Clone, Debug)]
pub struct Iwdg {
    lsi_hz: u32,
    running: bool,
    open: bool,
    prescaler: Crossing,
    reload: Crossing,
    /// When the counter reaches zero.
    expires: Nanos,
}

impl Iwdg {
    pub(crate) fn new(lsi_hz: u32) -> Self {
        Self {
            lsi_hz,
            running: false,
            open: false,
            prescaler: Crossing::new(0),
            reload: Crossing::new(0xFFF),
            expires: Nanos::NEVER,
        }
    }

    /// True once started; only a reset stops it.
    pub fn running(&self) -> bool {
        self.running
    }

    /// Starts it, as key 0xCCCC or the hardware option does.
    pub(crate) fn start(&mut self, now: Nanos) {
        if self.running {
            return;
        }
        self.running = true;
        for register in [&mut self.prescaler, &mut self.reload] {
            if register.arrives.is_some() {
                register.arrives = Some(now + Nanos::cycles(UPDATE_CYCLES, u64::from(self.lsi_hz)));
            }
        }
        // The counter starts from its reset value (section 21.3).
        self.count_from(now, 0xFFF);
    }

    fn count_from(&mut self, now: Nanos, value: u32) {
        // A reload of 0 still takes one step.
        let cycles = (u64::from(value) + 1) * self.divider();
        self.expires = now + Nanos::cycles(cycles, u64::from(self.lsi_hz));
    }

    /// LSI cycles for one step of the counter (table 107).
    fn divider(&self) -> u64 {
        4 << self.prescaler.used.min(6)
    }

    /// A new prescaler arrives. It feeds the counter's clock (section 21.4.2, figure 213), so the steps that are
    /// left take their time from the new one; the counter keeps its value.
    fn advance_prescaler(&mut self, now: Nanos) {
        let Some(at) = self.prescaler.arrives.filter(|&at| at <= now) else { return };
        let before = self.divider();
        self.prescaler.advance(now);
        if self.running && self.expires > at && self.expires != Nanos::NEVER {
            let cycles = u128::from(self.expires.since(at).0) * u128::from(self.lsi_hz) / 1_000_000_000;
            let steps = (cycles as u64).div_ceil(before);
            self.expires = at + Nanos::cycles(steps * self.divider(), u64::from(self.lsi_hz));
        }
    }

    fn write_update(&mut self, reload: bool, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 21.4";
        if !self.open {
            let what = "IWDG_PR or IWDG_RLR written without key 0x5555";
            return ctx.violation(Kind::Locked, SECTION, what);
        }
        let (register, mask) = match reload {
            true => (&mut self.reload, 0xFFF),
            false => (&mut self.prescaler, 7),
        };
        ctx.reserved(value, mask, SECTION, "IWDG_PR/RLR");
        if register.arrives.is_some() {
            let what = "IWDG_PR or IWDG_RLR written while its update is under way";
            ctx.violation(Kind::Busy, "RM0090 21.4.4", what);
        }
        register.written = value & mask;
        let lasts = Nanos::cycles(UPDATE_CYCLES, u64::from(self.lsi_hz));
        let runs = self.running || ctx.clocks.lsi != 0;
        register.arrives = Some(if runs { ctx.now + lasts } else { Nanos::NEVER });
    }
}

impl Peripheral for Iwdg {
    fn read(&mut self, offset: u32, _width: Width, ctx: &mut Ctx) -> u32 {
        match offset {
            0x0 => 0,
            0x4 => self.prescaler.written,
            0x8 => self.reload.written,
            0xC => {
                u32::from(self.prescaler.arrives.is_some()) | u32::from(self.reload.arrives.is_some()) << 1
            }
            _ => ctx.nothing("IWDG", offset, "RM0090 21.4.5"),
        }
    }

    fn steady_until(&self, _offset: u32) -> Option<Nanos> {
        Some(Nanos::NEVER)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        if width == Width::Byte {
            ctx.violation(Kind::Width, "RM0090 21.4", "IWDG takes half-words and words");
        }
        match (offset, value & 0xFFFF) {
            (0x0, 0x5555) => self.open = true,
            (0x0, 0xAAAA) => {
                self.open = false;
                if self.running {
                    self.count_from(ctx.now, self.reload.used);
                }
            }
            (0x0, 0xCCCC) => {
                self.open = false;
                self.start(ctx.now);
            }
            (0x0, _) => self.open = false,
            (0x4, _) => self.write_update(false, value, ctx),
            (0x8, _) => self.write_update(true, value, ctx),
            (0xC, _) => ctx.read_only("RM0090 21.4.4", "IWDG_SR"),
            _ => {
                ctx.nothing("IWDG", offset, "RM0090 21.4.5");
            }
        }
    }

    fn next_event(&self) -> Option<Nanos> {
        let events = [self.prescaler.arrives, self.reload.arrives, Some(self.expires)];
        events.into_iter().flatten().min().filter(|&at| at != Nanos::NEVER)
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        self.advance_prescaler(ctx.now);
        self.reload.advance(ctx.now);
        if self.expires <= ctx.now {
            self.expires = Nanos::NEVER;
            ctx.reset(ResetCause::IndependentWatchdog);
        }
    }

    fn reset(&mut self, _ctx: &mut Ctx) {
        *self = Self::new(self.lsi_hz);
    }
}
