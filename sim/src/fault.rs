//! When the supply is to fail: before, inside or after a numbered flash operation.

use crate::bus::PowerFailure;
use crate::random::Random;
use crate::time::Nanos;

/// Where in the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// Nothing of it happened.
    Before,
    /// A torn word, a half erase.
    Inside,
    /// All of it happened, and no instruction after it.
    After,
}

/// A power cut. Erases, program operations and option byte writes all count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Number of the operation, counted as `Board::operations` counts: the first of a board is 1.
    pub operation: u64,
    /// Where in it.
    pub when: When,
    /// Decides what a torn word or a half erase leaves, and what the RAM holds afterwards.
    pub seed: u64,
}

impl Cut {
    /// The failure of an operation that lasts from `start` to `end`.
    pub(crate) fn failure(self, start: Nanos, end: Nanos) -> PowerFailure {
        let span = end.since(start).0;
        let at = match self.when {
            When::Before => start,
            When::After => end,
            // Never at the very start or end: those are the other two cases.
            When::Inside => start + Nanos(1 + Random::new(self.seed).below(span.saturating_sub(2).max(1))),
        };
        PowerFailure { at, seed: self.seed }
    }
}
