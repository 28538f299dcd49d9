//! TIM2 to TIM5 as up-counters with four compare events (RM0090 chapter 18), which is what a time
//! driver uses.
//!
//! Covers: CNT, PSC and ARR with preload, update events, UG, URS, UDIS, one-pulse, compare flags
//! and their interrupts; TIM2 and TIM5 are 32 bits wide.
//!
//! Leaves out: down and centre-aligned counting, capture, outputs, the slave controller, DMA;
//! setting their bits is recorded.

use crate::device::{Ctx, Peripheral, Width, lane, merged};
use crate::time::Nanos;

const CEN: u32 = 1 << 0;
const UDIS: u32 = 1 << 1;
const URS: u32 = 1 << 2;
const OPM: u32 = 1 << 3;
const CR1_KNOWN: u32 = 0x3FF;
const IRQ: [u16; 4] = [28, 29, 30, 50];

/// The model of one.
#[derive(Clone, Debug)]
pub struct Timer {
    index: usize,
    cr1: u32,
    dier: u32,
    sr: u32,
    ccmr: [u32; 2],
    ccer: u32,
    psc: u32,
    psc_used: u32,
    arr: u32,
    arr_used: u32,
    ccr: [u32; 4],
    /// The counter at `since`.
    count: u32,
    since: Nanos,
    /// The rate it counted at since then, before the prescaler.
    hz: u32,
}

impl Timer {
    pub(crate) fn new(index: usize) -> Self {
        let most = Self::most(index);
        Self {
            index,
            cr1: 0,
            dier: 0,
            sr: 0,
            ccmr: [0; 2],
            ccer: 0,
            psc: 0,
            psc_used: 0,
            arr: most,
            arr_used: most,
            ccr: [0; 4],
            count: 0,
            since: Nanos(0),
            hz: 0,
        }
    }

    const fn most(index: usize) -> u32 {
        if matches!(index, 0 | 3) { u32::MAX } else { 0xFFFF }
    }

    fn running(&self) -> bool {
        self.cr1 & CEN != 0 && self.hz != 0
    }

    /// Counter steps between `since` and `now`.
    fn steps(&self, now: Nanos) -> u64 {
        let span = u128::from(now.since(self.since).0) * u128::from(self.hz);
        (span / 1_000_000_000 / u128::from(self.psc_used + 1)) as u64
    }

    /// When the counter will have made so many steps from `since`.
    fn after(&self, steps: u64) -> Nanos {
        self.since + Nanos::cycles(steps * u64::from(self.psc_used + 1), u64::from(self.hz))
    }

    /// Steps until the counter shows `value` the next time.
    fn until(&self, value: u32) -> Option<u64> {
        let period = u64::from(self.arr_used) + 1;
        if value > self.arr_used {
            return None;
        }
        let (now, then) = (u64::from(self.count), u64::from(value));
        Some(if then > now { then - now } else { period - now.min(period) + then })
    }

    /// Steps until the next flag: update, or a compare.
    fn next_step(&self) -> u64 {
        let update = (u64::from(self.arr_used) + 1).saturating_sub(u64::from(self.count)).max(1);
        self.ccr.iter().filter_map(|&c| self.until(c)).fold(update, u64::min)
    }

    /// Brings the counter up to `now`, flag by flag.
    fn count_on(&mut self, ctx: &mut Ctx) {
        while self.running() {
            let (steps, next) = (self.steps(ctx.now), self.next_step());
            if steps < next {
                break;
            }
            self.since = self.after(next);
            let count = u64::from(self.count) + next;
            if count > u64::from(self.arr_used) {
                self.count = 0;
                self.update(false);
            } else {
                self.count = count as u32;
            }
            for (i, &compare) in self.ccr.iter().enumerate() {
                if compare == self.count {
                    self.sr |= 2 << i;
                }
            }
        }
        let hz = ctx.clocks.timers1;
        if self.running() {
            let steps = self.steps(ctx.now);
            self.since = self.after(steps);
            self.count += steps as u32;
        } else {
            self.since = ctx.now;
        }
        self.hz = hz;
        ctx.irq(IRQ[self.index], self.sr & self.dier & 0x5F != 0);
    }

    fn update(&mut self, by_software: bool) {
        if self.cr1 & UDIS == 0 {
            self.psc_used = self.psc;
            self.arr_used = self.arr;
            if !(by_software && self.cr1 & URS != 0) {
                self.sr |= 1;
            }
        }
        if self.cr1 & OPM != 0 && !by_software {
            self.cr1 &= !CEN;
        }
    }

    fn register(&self, offset: u32) -> Option<u32> {
        Some(match offset {
            0x00 => self.cr1,
            0x04 | 0x08 | 0x14 | 0x48 | 0x4C | 0x50 => 0,
            0x0C => self.dier,
            0x10 => self.sr,
            0x18 | 0x1C => self.ccmr[(offset as usize - 0x18) / 4],
            0x20 => self.ccer,
            0x24 => self.count,
            0x28 => self.psc,
            0x2C => self.arr,
            0x34..=0x40 => self.ccr[(offset as usize - 0x34) / 4],
            _ => return None,
        })
    }

    fn write_register(&mut self, at: u32, value: u32, ctx: &mut Ctx) {
        let most = Self::most(self.index);
        match at {
            0x00 => {
                ctx.reserved(value, CR1_KNOWN, "RM0090 18.4.1", "TIM_CR1");
                if value & 0x70 != 0 {
                    ctx.unmodelled("RM0090 18.3.2", "timer counting down or centre-aligned");
                }
                self.cr1 = value & CR1_KNOWN;
            }
            0x0C => {
                if value & 0x5F40 != 0 {
                    ctx.unmodelled("RM0090 18.4.4", "timer DMA requests and trigger interrupt");
                }
                self.dier = value & 0x5F;
            }
            0x10 => self.sr &= value,
            0x14 => {
                if value & 1 != 0 {
                    self.count = 0;
                    self.update(true);
                }
                self.sr |= value & 0x1E;
            }
            0x18 | 0x1C => {
                // Compare without output is frozen mode: only the preload bits change nothing.
                if value & !0x0C0C != 0 {
                    ctx.unmodelled("RM0090 18.4.7", "timer capture and output modes");
                }
                self.ccmr[(at as usize - 0x18) / 4] = value;
            }
            0x20 => {
                if value != 0 {
                    ctx.unmodelled("RM0090 18.4.9", "timer outputs and captures");
                }
                self.ccer = value;
            }
            0x24 => self.count = value & most,
            0x28 => self.psc = value & 0xFFFF,
            0x2C => {
                self.arr = value & most;
                // ARPE clear: no preload.
                if self.cr1 & 1 << 7 == 0 {
                    self.arr_used = self.arr;
                }
            }
            0x34..=0x40 => self.ccr[(at as usize - 0x34) / 4] = value & most,
            _ if value != 0 => ctx.unmodelled("RM0090 18.4", format!("timer register {at:#x}")),
            _ => {}
        }
    }
}

impl Peripheral for Timer {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        self.count_on(ctx);
        match self.register(offset & !3) {
            Some(value) => lane(value, offset, width),
            None => ctx.nothing("TIM2-TIM5", offset, "RM0090 18.4.21"),
        }
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        self.count_on(ctx);
        let at = offset & !3;
        let Some(old) = self.register(at) else {
            ctx.nothing("TIM2-TIM5", offset, "RM0090 18.4.21");
            return;
        };
        self.write_register(at, merged(old, offset, width, value), ctx);
        ctx.irq(IRQ[self.index], self.sr & self.dier & 0x5F != 0);
    }

    fn next_event(&self) -> Option<Nanos> {
        // Only what can interrupt needs to be on time; everything else is counted when looked at.
        (self.running() && self.dier != 0).then(|| self.after(self.next_step()))
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        self.count_on(ctx);
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        *self = Self::new(self.index);
        ctx.irq(IRQ[self.index], false);
    }
}

impl Timer {
    /// The clock tree changed: what ran so far is counted at the old rate.
    pub(crate) fn clock_changed(&mut self, ctx: &mut Ctx) {
        self.count_on(ctx);
    }
}
