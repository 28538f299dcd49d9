//! Where core cycles and board time meet: a straight line from each HCLK change to the next.

use crate::time::Nanos;

/// The core counts instructions; `skipped` are the cycles that passed while it slept, stood still or
/// waited for a bus, and those of instructions that it was spared (`jumped`). Both together are cycles since
/// the core's last start, which SysTick counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CycleClock {
    at: Nanos,
    cycles: u64,
    hz: u64,
    skipped: u64,
    jumped: u64,
}

impl CycleClock {
    /// A core that starts at `now` with no cycle counted.
    pub(crate) fn start(now: Nanos, hclk: u32) -> Self {
        Self { at: now, cycles: 0, hz: u64::from(hclk.max(1)), skipped: 0, jumped: 0 }
    }

    /// Cycles after `retired` instructions.
    pub(crate) fn cycles(&self, retired: u64) -> u64 {
        retired + self.skipped
    }

    /// The instant of a cycle count at or after the last clock change.
    pub(crate) fn nanos(&self, cycles: u64) -> Nanos {
        let cycles = cycles.saturating_sub(self.cycles);
        // Most spans fit 64 bits, where a division is much cheaper.
        let span = match cycles.checked_mul(1_000_000_000) {
            Some(scaled) => scaled / self.hz,
            None => (u128::from(cycles) * 1_000_000_000 / u128::from(self.hz)) as u64,
        };
        self.at + Nanos(span)
    }

    /// The first cycle count that is not before `instant`.
    pub(crate) fn cycles_at(&self, instant: Nanos) -> u64 {
        if instant == Nanos::NEVER {
            return u64::MAX;
        }
        let span = instant.since(self.at).0;
        let cycles = match span.checked_mul(self.hz) {
            Some(scaled) => scaled.div_ceil(1_000_000_000),
            None => (u128::from(span) * u128::from(self.hz)).div_ceil(1_000_000_000) as u64,
        };
        self.cycles.saturating_add(cycles)
    }

    /// Passes over cycles in which the core does nothing.
    pub(crate) fn skip(&mut self, cycles: u64) {
        self.skipped += cycles;
    }

    /// Passes over whole turns of a loop.
    pub(crate) fn jump(&mut self, cycles: u64, instructions: u64) {
        self.skipped += cycles;
        self.jumped += instructions;
    }

    /// Instructions passed over.
    pub(crate) fn jumped(&self) -> u64 {
        self.jumped
    }

    /// HCLK changes at this cycle count.
    pub(crate) fn change(&mut self, cycles: u64, hclk: u32) {
        self.at = self.nanos(cycles);
        self.cycles = cycles;
        self.hz = u64::from(hclk.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_and_nanoseconds_agree_across_a_clock_change() {
        let mut clock = CycleClock::start(Nanos(500), 16_000_000);
        assert_eq!(clock.nanos(16), Nanos(1500));
        clock.change(16, 168_000_000);
        assert_eq!(clock.nanos(16 + 168), Nanos(2500));
        assert_eq!(clock.cycles_at(Nanos(2500)), 16 + 168);
        for cycles in [17, 100, 1_000_003, 40_000_000_000] {
            assert_eq!(clock.cycles_at(clock.nanos(cycles)), cycles);
        }
    }
}
