//! Time on the virtual board: whole nanoseconds since the board was made.
//!
//! Every model and every actor outside the chip (USB host, serial peer) uses this one clock. The
//! core counts cycles instead; the board maps the two at each clock change.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// An instant (since the board was made) or a span, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Later than every event.
    pub const NEVER: Self = Self(u64::MAX);

    /// `us` microseconds.
    pub const fn micros(us: u64) -> Self {
        Self(us * 1_000)
    }
    /// `ms` milliseconds.
    pub const fn millis(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }
    /// `s` seconds.
    pub const fn secs(s: u64) -> Self {
        Self(s * 1_000_000_000)
    }
    /// `cycles` of a clock of `hz`, rounded up. A clock that stands still never gets there.
    pub const fn cycles(cycles: u64, hz: u64) -> Self {
        if hz == 0 {
            return Self::NEVER;
        }
        // Most spans fit 64 bits, where a division is much cheaper.
        match cycles.checked_mul(1_000_000_000) {
            Some(scaled) => Self(scaled.div_ceil(hz)),
            None => Self((cycles as u128 * 1_000_000_000).div_ceil(hz as u128) as u64),
        }
    }
    /// Seconds, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
    /// The span from `earlier` to this, or zero.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} ns", self.0),
            1_000..1_000_000 => write!(f, "{:.3} us", self.0 as f64 / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.3} ms", self.0 as f64 / 1e6),
            _ => write!(f, "{:.3} s", self.0 as f64 / 1e9),
        }
    }
}
