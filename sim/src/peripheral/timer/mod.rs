//! The timers TIM1 to TIM14 as up-counters (RM0090 chapters 17 to 20): time bases, compare events, and the
//! capture of clocks inside the chip.
//!
//! Covers: CNT, PSC and ARR with preload, update events, UG, URS, UDIS, one-pulse, the repetition counter of
//! TIM1 and TIM8, compare flags and their interrupts, input capture as `capture` says; TIM2 and TIM5
//! are 32 bits wide.
//!
//! Leaves out: down and centre-aligned counting, outputs (a pin does not follow), the slave controller, DMA;
//! switching them on is recorded.

mod capture;
mod kinds;

use capture::{Capture, Input};
pub(crate) use kinds::{COUNT, KINDS, Kind};

use crate::device::{Ctx, Peripheral, Width, lane, merged};
use crate::time::Nanos;

/// The status register.
const SR: u32 = 0x10;
const CEN: u32 = 1 << 0;
const UDIS: u32 = 1 << 1;
const URS: u32 = 1 << 2;
const OPM: u32 = 1 << 3;
const ARPE: u32 = 1 << 7;
const UIF: u32 = 1 << 0;
/// CC1IF to CC4IF; their overcapture flags are eight bits above.
const CCIF: u32 = 0x1E;

/// All of them; a register's offset counts on in steps of 0x400 from TIM1.
#[derive(Clone, Debug)]
pub struct Timers {
    all: [Timer; COUNT],
    /// The earliest of their events, so that thirteen idle timers cost nothing.
    next: Option<Nanos>,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { all: std::array::from_fn(Timer::new), next: None }
    }

    fn schedule(&mut self) {
        self.next = self.all.iter().filter_map(Timer::next_event).min();
    }

    /// An access to one timer, after which the others' events are what they were.
    fn with<T>(&mut self, index: usize, access: impl FnOnce(&mut Timer) -> T) -> T {
        let timer = &mut self.all[index];
        let before = timer.next_event();
        let answer = access(timer);
        if timer.next_event() != before {
            self.schedule();
        }
        answer
    }

    /// The clock tree changed: what ran so far is counted at the old rate.
    pub(crate) fn clock_changed(&mut self, ctx: &mut Ctx) {
        self.all.iter_mut().for_each(|timer| timer.count_on(ctx));
        self.schedule();
    }

    /// One timer's bit in an RCC reset register.
    pub(crate) fn reset_one(&mut self, index: usize, ctx: &mut Ctx) {
        self.all[index].reset(ctx);
        self.schedule();
    }
}

impl Peripheral for Timers {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        self.with(offset as usize >> 10, |timer| timer.read(offset & 0x3FF, width, ctx))
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        self.with(offset as usize >> 10, |timer| timer.write(offset & 0x3FF, width, value, ctx));
    }

    fn steady_until(&self, offset: u32) -> Option<Nanos> {
        self.all[offset as usize >> 10].steady_until(offset & 0x3FC)
    }

    fn next_event(&self) -> Option<Nanos> {
        self.next
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        for timer in &mut self.all {
            if timer.next_event().is_some_and(|at| at <= ctx.now) {
                timer.count_on(ctx);
            }
        }
        self.schedule();
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        self.all.iter_mut().for_each(|timer| timer.reset(ctx));
        self.next = None;
    }
}

/// The model of one.
#[derive(Clone, Debug)]
struct Timer {
    index: usize,
    cr1: u32,
    cr2: u32,
    dier: u32,
    sr: u32,
    ccmr: [u32; 2],
    ccer: u32,
    psc: u32,
    psc_used: u32,
    arr: u32,
    arr_used: u32,
    /// RCR, and the overflows left before the next update event.
    repeat: u32,
    repeats_left: u32,
    ccr: [u32; 4],
    /// The compare values in force: those of `ccr` from the next update event on where OCxPE is set.
    ccr_used: [u32; 4],
    bdtr: u32,
    or: u32,
    count: u32,
    /// The counter's steps are counted from this instant, so that no rounding adds up.
    since: Nanos,
    /// Steps from `since` that `count` has made.
    done: u64,
    /// The rate since then, before the prescaler.
    hz: u32,
    captures: [Capture; 4],
    /// Before this no flag is set, unless a register changes or a clock.
    quiet_until: Nanos,
}

impl Timer {
    fn new(index: usize) -> Self {
        let most = KINDS[index].most();
        Self {
            index,
            cr1: 0,
            cr2: 0,
            dier: 0,
            sr: 0,
            ccmr: [0; 2],
            ccer: 0,
            psc: 0,
            psc_used: 0,
            arr: most,
            arr_used: most,
            repeat: 0,
            repeats_left: 0,
            ccr: [0; 4],
            ccr_used: [0; 4],
            bdtr: 0,
            or: 0,
            count: 0,
            since: Nanos(0),
            done: 0,
            hz: 0,
            captures: [Capture::default(); 4],
            quiet_until: Nanos(0),
        }
    }

    fn kind(&self) -> &'static Kind {
        &KINDS[self.index]
    }

    /// RM0090 section 18.4.12: the counter is blocked while the reload value is null.
    fn running(&self) -> bool {
        self.cr1 & CEN != 0 && self.hz != 0 && self.arr_used != 0
    }

    /// Counter steps between `since` and `now`.
    fn steps(&self, now: Nanos) -> u64 {
        let (span, hz, prescaler) =
            (now.since(self.since).0, u64::from(self.hz), u64::from(self.psc_used) + 1);
        // Most spans fit 64 bits, where a division is much cheaper.
        match span.checked_mul(hz) {
            Some(scaled) => scaled / 1_000_000_000 / prescaler,
            None => (u128::from(span) * u128::from(hz) / 1_000_000_000 / u128::from(prescaler)) as u64,
        }
    }

    /// When the counter will have made that many steps from `since`.
    fn after(&self, steps: u64) -> Nanos {
        self.since + Nanos::cycles(steps * u64::from(self.psc_used + 1), u64::from(self.hz))
    }

    /// Steps are counted from `now` on.
    fn start_at(&mut self, now: Nanos) {
        (self.since, self.done) = (now, 0);
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

    fn to_update(&self) -> u64 {
        (u64::from(self.arr_used) + 1).saturating_sub(u64::from(self.count)).max(1)
    }

    /// Channels that compare, not capture.
    fn comparing(&self) -> impl Iterator<Item = (usize, u32)> {
        let channels = (0..self.kind().channels).filter(|&c| self.selection(c) == 0);
        channels.map(|channel| (channel, self.ccr_used[channel]))
    }

    /// Sets the flags of the compare values that were met.
    fn compare(&mut self, met: impl Fn(u32) -> bool) {
        let flags = self.comparing().filter(|&(_, value)| met(value)).map(|(channel, _)| 2 << channel);
        self.sr |= flags.fold(0, |all, flag: u32| all | flag);
    }

    /// Steps until the next flag: update, or a compare.
    fn next_step(&self) -> u64 {
        self.comparing().filter_map(|(_, value)| self.until(value)).fold(self.to_update(), u64::min)
    }

    /// CCxS of a channel.
    fn selection(&self, channel: usize) -> u32 {
        self.mode(channel) & 3
    }

    /// The eight bits of a channel in CCMR1 or CCMR2.
    fn mode(&self, channel: usize) -> u32 {
        self.ccmr[channel / 2] >> (8 * (channel % 2)) & 0xFF
    }

    /// Brings counter, flags and captures up to `ctx.now`, and takes over the clocks' present rates.
    fn count_on(&mut self, ctx: &mut Ctx) {
        let kind = self.kind();
        self.quiet_until = Nanos(0);
        let mut due: Vec<(Nanos, usize, u64)> = Vec::new();
        for channel in 0..kind.channels {
            due.extend(self.captures[channel].due(ctx.now).map(|(at, count)| (at, channel, count)));
        }
        due.sort_unstable();
        for (at, channel, count) in due {
            self.count_to(at);
            self.captures[channel].take(count);
            self.captured(channel, count);
        }
        self.count_to(ctx.now);
        let hz = if kind.on_apb2() { ctx.clocks.timers2 } else { ctx.clocks.timers1 };
        if hz != self.hz || !self.running() {
            self.start_at(ctx.now);
            self.hz = hz;
        }
        self.set_captures(ctx);
        self.interrupt(ctx);
    }

    /// Brings the counter up to `now`, flag by flag.
    fn count_to(&mut self, now: Nanos) {
        while self.running() {
            let (left, next) = (self.steps(now).saturating_sub(self.done), self.next_step());
            if left < next {
                self.count += left as u32;
                self.done += left;
                return;
            }
            let updates = next == self.to_update();
            self.done += next;
            let count = u64::from(self.count) + next;
            self.count = if count > u64::from(self.arr_used) { 0 } else { count as u32 };
            let count = self.count;
            self.compare(|value| value == count);
            if updates {
                self.overflow(now);
            }
        }
    }

    /// The counter went past its end.
    fn overflow(&mut self, now: Nanos) {
        if self.repeats_left > 0 {
            self.repeats_left -= 1;
            return;
        }
        let before = self.after(self.done);
        let (psc, arr, ccr) = (self.psc_used, self.arr_used, self.ccr_used);
        self.update(false);
        if psc != self.psc_used {
            self.start_at(before);
        }
        // Nothing new comes of further whole periods: they are passed over.
        if self.running()
            && (psc, arr, ccr) == (self.psc_used, self.arr_used, self.ccr_used)
            && self.repeat == 0
        {
            let period = u64::from(arr) + 1;
            let periods = self.steps(now).saturating_sub(self.done) / period;
            if periods > 0 {
                self.compare(|value| value <= arr);
                self.done += periods * period;
            }
        }
    }

    fn update(&mut self, by_software: bool) {
        if self.cr1 & UDIS == 0 {
            (self.psc_used, self.arr_used, self.ccr_used) = (self.psc, self.arr, self.ccr);
            self.repeats_left = self.repeat;
            if !(by_software && self.cr1 & URS != 0) {
                self.sr |= UIF;
            }
        }
        if self.cr1 & OPM != 0 && !by_software {
            self.cr1 &= !CEN;
        }
    }

    /// Section 18.3.5: a capture sets the flag, and the overcapture flag where the last was not read.
    fn captured(&mut self, channel: usize, count: u64) {
        let flag = 2 << channel;
        if self.sr & flag != 0 || count > 1 {
            self.sr |= flag << 8;
        }
        self.sr |= flag;
        self.ccr[channel] = self.count;
    }

    /// What each channel captures, after a change of its registers or of the clocks.
    fn set_captures(&mut self, ctx: &Ctx) {
        let kind = self.kind();
        for channel in 0..kind.channels {
            let input = match self.selection(channel) {
                1 => Input::of(kind.name, channel, self.or),
                2 => Input::of(kind.name, channel ^ 1, self.or),
                _ => Input::Pin,
            };
            let polarity = self.ccer >> (4 * channel);
            let on = polarity & 1 != 0 && self.selection(channel) != 0;
            // CCxNP and CCxP both set: rising and falling edges.
            let edges = if polarity & 0xA == 0xA { 2 } else { 1 };
            let hz = if on { input.hz(ctx.clocks) * edges } else { 0 };
            self.captures[channel].set(hz, 1 << (self.mode(channel) >> 2 & 3), ctx.now);
        }
    }

    /// A channel switched on that the model does nothing for.
    fn check_channels(&self, ctx: &mut Ctx) {
        let kind = self.kind();
        for channel in (0..kind.channels).filter(|c| self.ccer >> (4 * c) & 5 != 0) {
            let input = match self.selection(channel) {
                0 => {
                    let what = format!("{} drives no pin: channel {} is an output", kind.name, channel + 1);
                    ctx.unmodelled("RM0090 18.3.8", what);
                    continue;
                }
                1 => Input::of(kind.name, channel, self.or),
                2 => Input::of(kind.name, channel ^ 1, self.or),
                _ => Input::Pin,
            };
            if matches!(input, Input::Pin | Input::Wakeup) {
                let what = format!("{} captures nothing from a pin on channel {}", kind.name, channel + 1);
                ctx.unmodelled("RM0090 18.3.5", what);
            }
        }
    }

    fn interrupt(&self, ctx: &mut Ctx) {
        let kind = self.kind();
        let pending = self.sr & self.dier & 0x5F;
        if kind.update_line == kind.channel_line {
            return ctx.irq_shared(kind.update_line, kind.source, pending != 0);
        }
        ctx.irq_shared(kind.update_line, kind.source, pending & UIF != 0);
        ctx.irq_shared(kind.channel_line, kind.source, pending & CCIF != 0);
    }

    fn register(&self, offset: u32) -> u32 {
        match offset {
            0x00 => self.cr1,
            0x04 => self.cr2,
            0x0C => self.dier,
            0x10 => self.sr,
            0x18 | 0x1C => self.ccmr[(offset as usize - 0x18) / 4],
            0x20 => self.ccer,
            0x24 => self.count,
            0x28 => self.psc,
            0x2C => self.arr,
            0x30 => self.repeat,
            0x34..=0x40 => self.ccr[(offset as usize - 0x34) / 4],
            0x44 => self.bdtr,
            0x50 => self.or,
            _ => 0,
        }
    }

    fn write_register(&mut self, at: u32, value: u32, ctx: &mut Ctx) {
        let kind = self.kind();
        match at {
            0x00 => self.write_cr1(value, ctx),
            0x04 => {
                if value & 0x70 != 0 {
                    ctx.unmodelled("RM0090 18.4.2", format!("{} triggers nothing (MMS)", kind.name));
                }
                self.cr2 = value & 0xFFFF;
            }
            0x0C => {
                if value & 0x5F40 != 0 {
                    let what = format!("{}: DMA requests and the trigger interrupt", kind.name);
                    ctx.unmodelled("RM0090 18.4.4", what);
                }
                self.dier = value & 0x7FFF;
            }
            0x10 => self.sr &= value,
            0x14 => self.generate(value, ctx),
            0x18 | 0x1C => {
                self.ccmr[(at as usize - 0x18) / 4] = value & 0xFFFF;
                self.check_channels(ctx);
            }
            0x20 => {
                self.ccer = value & 0xFFFF;
                self.check_channels(ctx);
            }
            0x24 => {
                self.count = value & kind.most();
                // Section 18.3.2: the prescaler goes on; only whole steps are told from here on.
                self.start_at(self.after(self.done).min(ctx.now));
            }
            0x28 => self.psc = value & 0xFFFF,
            0x2C => {
                self.arr = value & kind.most();
                if self.cr1 & ARPE == 0 {
                    self.arr_used = self.arr;
                }
            }
            0x30 => self.repeat = value & 0xFF,
            0x34..=0x40 => {
                let channel = (at as usize - 0x34) / 4;
                // Section 18.4.13: read-only where the channel is an input.
                if self.selection(channel) == 0 {
                    self.ccr[channel] = value & kind.most();
                    // OCxPE clear: no preload.
                    if self.mode(channel) & 8 == 0 {
                        self.ccr_used[channel] = self.ccr[channel];
                    }
                }
            }
            0x44 => self.bdtr = value & 0xFFFF,
            0x50 => {
                self.or = value & 0xFFFF;
                self.check_channels(ctx);
            }
            _ if value != 0 => {
                let what = format!("{}: slave controller and DMA burst (register {at:#x})", kind.name);
                ctx.unmodelled("RM0090 18.4.3", what);
            }
            _ => {}
        }
        self.set_captures(ctx);
    }

    fn write_cr1(&mut self, value: u32, ctx: &mut Ctx) {
        let kind = self.kind();
        ctx.reserved(value, kind.cr1_known(), "RM0090 18.4.1", kind.name);
        if value & kind.cr1_known() & 0x70 != 0 {
            let what = format!("{} counting down or centre-aligned", kind.name);
            ctx.unmodelled("RM0090 18.3.2", what);
        }
        if value & !self.cr1 & CEN != 0 {
            self.start_at(ctx.now);
        }
        self.cr1 = value & kind.cr1_known();
    }

    /// EGR: an update or a channel's event by software.
    fn generate(&mut self, value: u32, ctx: &Ctx) {
        if value & 1 != 0 {
            self.count = 0;
            self.update(true);
            // Section 18.4.6: the prescaler's counter is cleared too.
            self.start_at(ctx.now);
        }
        for channel in (0..self.kind().channels).filter(|c| value & 2 << c != 0) {
            match self.selection(channel) {
                0 => self.sr |= 2 << channel,
                _ => self.captured(channel, 1),
            }
        }
    }

    /// The status register, until the counter sets a flag or may, or until a capture.
    fn steady_until(&self, register: u32) -> Option<Nanos> {
        let flag = self.running().then(|| self.after(self.done + self.next_step()));
        let captures = self.captures.iter().filter_map(Capture::next);
        (register == SR).then(|| flag.into_iter().chain(captures).min().unwrap_or(Nanos::NEVER))
    }

    fn next_event(&self) -> Option<Nanos> {
        // Only what can interrupt needs to be on time; everything else is counted when looked at.
        if self.dier & 0x5F == 0 {
            return None;
        }
        let flag = self.running().then(|| self.after(self.done + self.next_step()));
        let wanted = |c: &usize| self.dier & 2 << c != 0;
        let capture = (0..self.kind().channels).filter(wanted).filter_map(|c| self.captures[c].next()).min();
        flag.into_iter().chain(capture).min()
    }

    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let at = offset & !3;
        // Programs wait for a flag: it is worked out once when the next one comes.
        if at == SR && ctx.now < self.quiet_until {
            return lane(self.sr, offset, width);
        }
        self.count_on(ctx);
        if at == SR && self.running() {
            self.quiet_until = self.steady_until(SR).unwrap_or(Nanos(0));
        }
        if !self.kind().has(at) {
            return ctx.nothing(self.kind().name, offset, "RM0090 18.4.21");
        }
        let value = self.register(at);
        if let 0x34..=0x40 = at {
            let channel = (at as usize - 0x34) / 4;
            if self.selection(channel) != 0 {
                // Section 18.4.5: reading what was captured clears the flag.
                self.sr &= !(2 << channel);
                self.interrupt(ctx);
            }
        }
        lane(value, offset, width)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        self.count_on(ctx);
        let at = offset & !3;
        if !self.kind().has(at) {
            ctx.nothing(self.kind().name, offset, "RM0090 18.4.21");
            return;
        }
        self.write_register(at, merged(self.register(at), offset, width, value), ctx);
        self.interrupt(ctx);
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        *self = Self::new(self.index);
        self.interrupt(ctx);
    }
}
