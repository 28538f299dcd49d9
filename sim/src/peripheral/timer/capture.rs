//! Input capture of clocks inside the chip: how a program measures the LSI, the LSE or the crystal.
//!
//! RM0090 section 7.2.11: TIM5 channel 4 takes the LSI, the LSE or the RTC's wake-up (TIM5_OR.TI4_RMP), TIM11
//! channel 1 the HSE divided by RTCPRE (TIM11_OR.TI1_RMP). Edges are counted from the board's beginning, so
//! that none is stored: which edge was the last one before an instant follows from the rate.
//!
//! Leaves out: captures from pins (said when one is switched on), the digital filter's delay.

use crate::device::Clocks;
use crate::time::Nanos;

/// What is at a timer's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Pin,
    Lsi,
    Lse,
    HseRtc,
    Wakeup,
}

impl Input {
    /// The input `channel` (from 0) of the timer of this name, by its option register.
    pub(super) fn of(name: &str, channel: usize, or: u32) -> Self {
        match (name, channel) {
            ("TIM5", 3) => [Self::Pin, Self::Lsi, Self::Lse, Self::Wakeup][(or >> 6 & 3) as usize],
            ("TIM11", 0) if or & 3 == 2 => Self::HseRtc,
            _ => Self::Pin,
        }
    }

    /// Edges of one direction a second.
    pub(super) fn hz(self, clocks: &Clocks) -> u32 {
        match self {
            Self::Lsi => clocks.lsi,
            Self::Lse => clocks.lse,
            Self::HseRtc => clocks.hse_rtc,
            Self::Pin | Self::Wakeup => 0,
        }
    }
}

/// One channel's capture: off while `hz` is 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capture {
    /// Edges that count, a second.
    hz: u32,
    /// Of how many one is taken (ICxPSC).
    every: u64,
    /// Edges before this one were before the capture was switched on.
    first: u64,
    taken: u64,
}

impl Capture {
    /// Set up so from `now` on; nothing changes when it was already.
    pub(super) fn set(&mut self, hz: u32, every: u64, now: Nanos) {
        if (self.hz, self.every) != (hz, every) {
            *self = Self { hz, every, first: 0, taken: 0 };
            self.first = self.edges(now);
        }
    }

    fn edges(&self, now: Nanos) -> u64 {
        (u128::from(now.0) * u128::from(self.hz) / 1_000_000_000) as u64
    }

    fn at(&self, number: u64) -> Nanos {
        Nanos::cycles(self.first + number * self.every, u64::from(self.hz))
    }

    /// The last capture due by `now` that was not taken, and how many are due.
    pub(super) fn due(&self, now: Nanos) -> Option<(Nanos, u64)> {
        if self.hz == 0 {
            return None;
        }
        let due = (self.edges(now) - self.first) / self.every;
        (due > self.taken).then(|| (self.at(due), due - self.taken))
    }

    /// Those up to now are taken.
    pub(super) fn take(&mut self, count: u64) {
        self.taken += count;
    }

    /// When the next one comes.
    pub(super) fn next(&self) -> Option<Nanos> {
        (self.hz != 0).then(|| self.at(self.taken + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_eighth_edge_of_32_khz_is_taken_on_time() {
        let mut capture = Capture::default();
        capture.set(32_000, 8, Nanos::micros(100));
        assert_eq!(capture.next(), Some(Nanos::micros(250 + 93) + Nanos(750)));
        assert_eq!(capture.due(Nanos::micros(340)), None);
        let (at, count) = capture.due(Nanos::micros(900)).unwrap();
        assert_eq!((at, count), (Nanos(843_750), 3));
        capture.take(count);
        assert_eq!(capture.next(), Some(Nanos(1_093_750)));
    }
}
