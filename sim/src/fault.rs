//! Faults of the supply and of the flash: what goes wrong, when, and what it leaves.
//!
//! A [`Cut`] is the supply failing before, inside or after a numbered operation. A [`Defect`] is a
//! part of the flash that does not do what it is told, once or for good. Neither breaks a rule of
//! the manual, so neither is recorded as a violation.

use crate::bus::PowerFailure;
use crate::random::Random;
use crate::time::Nanos;

/// Where in the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum When {
    /// Nothing of it happened.
    Before,
    /// A torn word, a half erase.
    Inside,
    /// All of it happened, and no instruction after it.
    After,
}

/// What the bits are that an operation which did not end was about to change. RM0090 section 3.6:
/// their contents are not guaranteed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bits {
    /// Changed or not, at random, and that for good.
    #[default]
    Solid,
    /// Some are unstable: they read as 0 or as 1 from one reset to the next.
    Drifting,
    /// Some are unstable: they read as 0 or as 1 from one read to the next.
    Restless,
}

/// A power cut. Erases, program operations and option byte writes all count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Number of the operation, counted as `Board::operations` counts: the first of a board is 1.
    pub operation: u64,
    /// Where in it.
    pub when: When,
    /// What a cut inside leaves.
    pub left: Bits,
    /// Decides what a torn word or a half erase leaves, and what the RAM holds afterwards.
    pub seed: u64,
}

impl Cut {
    /// A cut that leaves solid bits.
    pub const fn new(operation: u64, when: When, seed: u64) -> Self {
        Self { operation, when, left: Bits::Solid, seed }
    }

    /// The failure of an operation that lasts from `start` to `end`.
    pub(crate) fn failure(self, start: Nanos, end: Nanos) -> PowerFailure {
        let span = end.since(start).0;
        let at = match self.when {
            When::Before => start,
            When::After => end,
            // Never at the very start or end: those are the other two cases.
            When::Inside => start + Nanos(1 + Random::new(self.seed).below(span.saturating_sub(2).max(1))),
        };
        PowerFailure { at, left: self.left, seed: self.seed }
    }
}

/// A part of the flash that does not do what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Defect {
    /// What fails.
    pub what: Failing,
    /// What the flash interface says of it.
    pub told: Told,
    /// So many operations fail, then the part is whole again; `None`: all do.
    pub times: Option<u32>,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failing {
    /// An erase of this sector.
    Erase {
        /// The sector's number.
        sector: u8,
        /// What it holds afterwards.
        leaves: Leaves,
    },
    /// Program operations in this sector: they change nothing.
    Program {
        /// The sector's number.
        sector: u8,
    },
    /// Program operations in this word, and erases of it that are to set a bit that stays 0.
    Word {
        /// Its address, a multiple of four.
        address: u32,
        /// Bits that are 1 afterwards.
        ones: u32,
        /// Bits that are 0 afterwards, where `ones` does not say otherwise.
        zeros: u32,
    },
    /// Program operations in this word and erases of it: they leave cells that hold no clear level.
    Weak {
        /// Its address, a multiple of four.
        address: u32,
        /// Bits that read as 0 or as 1 from one read to the next afterwards.
        bits: u32,
    },
}

/// What a failed erase leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaves {
    /// What was there.
    Old,
    /// What a cut inside it leaves, by this seed.
    Torn(Bits, u64),
}

/// What FLASH_SR shows after a failed operation. The F405/407's interface has no flag for a cell
/// that does not change (RM0090 section 3.9.5), so silence is what to expect of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// WRPERR.
    WriteProtected,
    /// OPERR, where ERRIE is set.
    Operation,
}
