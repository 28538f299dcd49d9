//! The real-time clock's calendar and wake-up timer (RM0090 chapter 26), in the backup domain.
//!
//! Covers: the write protection's keys (26.3.5), initialisation mode with INITF two RTC clocks later, the calendar in
//! BCD with its prescalers, RSF, INITS, the sub-seconds, the wake-up timer with its flags and EXTI line 22, the
//! alarms' write flags; on the clock that RCC_BDCR chooses, and not at all without one.
//!
//! Leaves out: alarms going off, tamper, timestamp, calibration, shift, summer time (their registers are stored),
//! the calendar while a backup domain alone is supplied. Offsets are those of the RTC, below the backup registers.

use crate::device::{Ctx, Width, lane, merged};
use crate::time::Nanos;
use crate::violation::Kind;

const TR: u32 = 0x00;
const DR: u32 = 0x04;
const CR: u32 = 0x08;
const ISR: u32 = 0x0C;
const PRER: u32 = 0x10;
const WUTR: u32 = 0x14;
const WPR: u32 = 0x24;
const SSR: u32 = 0x28;
const TAFCR: u32 = 0x40;

const INIT: u32 = 1 << 7;
const INITF: u32 = 1 << 6;
const RSF: u32 = 1 << 5;
const INITS: u32 = 1 << 4;
const WUTWF: u32 = 1 << 2;
const WUTF: u32 = 1 << 10;
const WUTE: u32 = 1 << 10;
const WUTIE: u32 = 1 << 14;
/// RTC clocks until INITF, RSF and WUTWF follow (sections 26.3.5, 26.3.6).
const SYNCHRONISED: u64 = 2;
/// EXTI line of the wake-up (section 26.4).
const EXTI_WAKEUP: u8 = 22;

/// The model.
#[derive(Clone, Debug)]
pub(crate) struct Rtc {
    registers: [u32; 20],
    /// Keys written so far: 2 is open.
    keys: u8,
    init: bool,
    hz: u32,
    /// RTC clocks counted up to `since`.
    clocks: u64,
    since: Nanos,
    /// The calendar in seconds since 2000, when it was at the given count of clocks; it stands in INIT mode.
    seconds: u64,
    from: u64,
    /// Counts of clocks at which something follows.
    init_at: u64,
    synchronised_at: u64,
    wake_at: u64,
    wakeup_writable_at: u64,
}

impl Rtc {
    pub(crate) fn new() -> Self {
        let mut registers = [0; 20];
        (registers[PRER as usize / 4], registers[WUTR as usize / 4]) = (0x007F_00FF, 0xFFFF);
        Self {
            registers,
            keys: 0,
            init: false,
            hz: 0,
            clocks: 0,
            since: Nanos(0),
            seconds: 0,
            from: 0,
            init_at: u64::MAX,
            synchronised_at: SYNCHRONISED,
            wake_at: u64::MAX,
            wakeup_writable_at: 0,
        }
    }

    fn stored(&self, register: u32) -> u32 {
        self.registers[register as usize / 4]
    }

    /// Counts up to now at the old rate, and takes over the present one.
    pub(crate) fn count_on(&mut self, ctx: &mut Ctx) {
        let span = u128::from(ctx.now.since(self.since).0) * u128::from(self.hz);
        let passed = (span / 1_000_000_000) as u64;
        self.clocks += passed;
        if self.hz == ctx.clocks.rtc && self.hz != 0 {
            self.since += Nanos::cycles(passed, u64::from(self.hz));
        } else {
            (self.since, self.hz) = (ctx.now, ctx.clocks.rtc);
        }
        if self.clocks >= self.wake_at {
            let period = self.wake_period();
            self.wake_at += (1 + (self.clocks - self.wake_at) / period) * period;
            self.registers[ISR as usize / 4] |= WUTF;
        }
        ctx.exti(EXTI_WAKEUP, self.stored(ISR) & WUTF != 0 && self.stored(CR) & WUTIE != 0);
    }

    /// RTC clocks of a second (section 26.3.1).
    fn second(&self) -> u64 {
        let prer = self.stored(PRER);
        u64::from((prer >> 16 & 0x7F) + 1) * u64::from((prer & 0x7FFF) + 1)
    }

    /// RTC clocks between two wake-ups (section 26.3.4).
    fn wake_period(&self) -> u64 {
        let reload = u64::from(self.stored(WUTR) & 0xFFFF) + 1;
        match self.stored(CR) & 7 {
            select @ 0..4 => reload * (16 >> select),
            4 | 5 => reload * self.second(),
            _ => (reload + 0x1_0000) * self.second(),
        }
    }

    fn now(&self) -> u64 {
        if self.init { self.seconds } else { self.seconds + (self.clocks - self.from) / self.second() }
    }

    /// Reads a register; the caller has counted on.
    fn value(&self, register: u32) -> u32 {
        let reached = |at: u64| self.clocks >= at;
        match register {
            TR => time(self.now()),
            DR => date(self.now()),
            SSR if self.init => self.stored(PRER) & 0x7FFF,
            SSR => {
                let (fast, slow) =
                    (u64::from((self.stored(PRER) >> 16 & 0x7F) + 1), self.stored(PRER) & 0x7FFF);
                slow - ((self.clocks - self.from) / fast % u64::from(slow + 1)) as u32
            }
            ISR => {
                let cr = self.stored(CR);
                let flag = |on: bool, bit: u32| if on { bit } else { 0 };
                // Sections 26.6.4: ALRAWF and ALRBWF follow ALRAE and ALRBE.
                (!cr >> 8 & 3)
                    | flag(cr & WUTE == 0 && reached(self.wakeup_writable_at), WUTWF)
                    | flag(date(self.now()) >> 16 != 0, INITS)
                    | flag(!self.init && reached(self.synchronised_at), RSF)
                    | flag(self.init && reached(self.init_at), INITF)
                    | flag(self.init, INIT)
                    | self.stored(ISR) & 0x3F00
            }
            _ => self.stored(register),
        }
    }

    pub(crate) fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        self.count_on(ctx);
        lane(self.value(offset & !3), offset, width)
    }

    /// A write while PWR_CR.DBP is set.
    pub(crate) fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        self.count_on(ctx);
        let at = offset & !3;
        if at == WPR {
            self.keys = match (self.keys, value & 0xFF) {
                (_, 0xCA) => 1,
                (1, 0x53) => 2,
                _ => 0,
            };
            return;
        }
        let value = merged(self.value(at), offset, width, value);
        if at == ISR {
            // Section 26.6.4: flags are cleared by writing 0, and need no key.
            self.registers[ISR as usize / 4] &= value & 0x3F00;
        }
        if self.keys != 2 && at != TAFCR {
            // The flags of ISR alone are not protected.
            let flags_only = at == ISR && (value ^ self.value(ISR)) & (INIT | RSF) == 0;
            if !flags_only {
                let what = format!("RTC register {at:#x} written without the keys 0xCA and 0x53 in RTC_WPR");
                ctx.violation(Kind::Locked, "RM0090 26.3.5", what);
            }
            return self.count_on(ctx);
        }
        match at {
            ISR => self.write_isr(value),
            TR | DR | PRER => self.write_calendar(at, value, ctx),
            CR => self.write_cr(value),
            WUTR if self.stored(CR) & WUTE != 0 => {
                ctx.violation(
                    Kind::Sequence,
                    "RM0090 26.3.6",
                    "RTC_WUTR written while the wake-up timer is on",
                );
            }
            SSR => ctx.read_only("RM0090 26.6.11", "RTC_SSR"),
            _ => self.registers[at as usize / 4] = value,
        }
        self.count_on(ctx);
    }

    fn write_isr(&mut self, value: u32) {
        if value & RSF == 0 {
            self.synchronised_at = self.clocks + SYNCHRONISED;
        }
        match (self.init, value & INIT != 0) {
            (false, true) => {
                self.seconds = self.now();
                (self.init, self.init_at) = (true, self.clocks + SYNCHRONISED);
            }
            (true, false) => {
                (self.init, self.from) = (false, self.clocks);
                self.synchronised_at = self.clocks + SYNCHRONISED;
            }
            _ => {}
        }
    }

    fn write_calendar(&mut self, at: u32, value: u32, ctx: &mut Ctx) {
        if !self.init || self.clocks < self.init_at {
            let what = format!("RTC register {at:#x} written outside of initialisation mode");
            return ctx.violation(Kind::Sequence, "RM0090 26.3.5", what);
        }
        match at {
            TR => self.seconds = self.seconds / 86_400 * 86_400 + from_time(value),
            DR => self.seconds = self.seconds % 86_400 + 86_400 * from_date(value),
            _ => self.registers[PRER as usize / 4] = value & 0x007F_7FFF,
        }
    }

    fn write_cr(&mut self, value: u32) {
        let before = std::mem::replace(&mut self.registers[CR as usize / 4], value & 0x00FF_FF7F);
        match (before & WUTE != 0, value & WUTE != 0) {
            (false, true) => self.wake_at = self.clocks + self.wake_period(),
            (true, false) => {
                (self.wake_at, self.wakeup_writable_at) = (u64::MAX, self.clocks + SYNCHRONISED);
            }
            _ => {}
        }
    }

    /// The wake-up, where it interrupts; all else is counted when it is looked at.
    pub(crate) fn next_event(&self) -> Option<Nanos> {
        let wanted = self.wake_at != u64::MAX && self.hz != 0 && self.stored(CR) & WUTIE != 0;
        wanted
            .then(|| self.since + Nanos::cycles(self.wake_at.saturating_sub(self.clocks), u64::from(self.hz)))
    }
}

const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Days of a month; the calendar's years are 2000 to 2099, each fourth is a leap year.
fn days(year: u64, month: usize) -> u64 {
    MONTHS[month] + u64::from(month == 1 && year.is_multiple_of(4))
}

fn bcd(value: u64) -> u32 {
    (value / 10 * 16 + value % 10) as u32
}

fn number(bcd: u32) -> u64 {
    u64::from((bcd >> 4 & 15) * 10 + (bcd & 15))
}

/// RTC_TR (section 26.6.1), in 24 hours.
fn time(seconds: u64) -> u32 {
    bcd(seconds / 3600 % 24) << 16 | bcd(seconds / 60 % 60) << 8 | bcd(seconds % 60)
}

fn from_time(tr: u32) -> u64 {
    number(tr >> 16 & 0x3F) * 3600 + number(tr >> 8 & 0x7F) * 60 + number(tr & 0x7F)
}

/// RTC_DR (section 26.6.2); 2000 began with a Saturday.
fn date(seconds: u64) -> u32 {
    let mut day = seconds / 86_400;
    let weekday = (day + 5) % 7 + 1;
    let (mut year, mut month) = (0, 0);
    while day >= days(year, month) {
        day -= days(year, month);
        (year, month) = if month == 11 { ((year + 1) % 100, 0) } else { (year, month + 1) };
    }
    bcd(year) << 16 | (weekday as u32) << 13 | bcd(month as u64 + 1) << 8 | bcd(day + 1)
}

/// Days since 2000.
fn from_date(dr: u32) -> u64 {
    let (year, month) = (number(dr >> 16 & 0xFF), number(dr >> 8 & 0x1F).clamp(1, 12) as usize - 1);
    let years: u64 = (0..year).map(|y| 365 + u64::from(y.is_multiple_of(4))).sum();
    years + (0..month).map(|m| days(year, m)).sum::<u64>() + number(dr & 0x3F).max(1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_go_there_and_back() {
        assert_eq!(date(0), 0x00_C101, "Saturday, 1 January 2000");
        for (dr, days) in [(0x00_C101, 0), (0x24_8229, 8825), (0x26_F129, 9829)] {
            assert_eq!(from_date(dr), days, "{dr:#x}");
            assert_eq!(date(days * 86_400) & 0xFF_1F3F, dr & 0xFF_1F3F, "{dr:#x}");
        }
        assert_eq!(time(from_time(0x23_59_58) + 1), 0x23_59_59);
        assert_eq!(date(86_400 * from_date(0x24_8229) + 86_400) & 0xFF_1F3F, 0x24_0301, "a leap year");
    }
}
