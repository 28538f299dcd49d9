//! Broken rules: what the firmware did that the manual forbids or leaves undefined.
//!
//! The models are stricter than silicon: where the chip would ignore, stall or misbehave, they
//! also record. A test fails on any violation that it does not expect.

use std::fmt;

use crate::time::Nanos;

/// The kind of rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing answers at the address. The core gets a bus fault as well.
    Unmapped,
    /// The peripheral's clock is off or not the one it needs.
    Unclocked,
    /// A register or bit that the manual reserves.
    Reserved,
    /// A write to a read-only register, or a read of a write-only one.
    Access,
    /// An access of a width that the register does not take.
    Width,
    /// A lock, key or protection bit was not opened.
    Locked,
    /// A protected area: write protection, read-out protection, backup domain.
    Protected,
    /// Steps in an order the manual forbids.
    Sequence,
    /// Done while the peripheral was busy.
    Busy,
    /// A program operation that would have to set a bit.
    Unerased,
    /// A value outside the legal range: a clock too fast, too few wait states, a bad divider.
    Range,
    /// Data lost: an overrun, a FIFO popped when empty or pushed when full.
    Overrun,
    /// The model leaves this feature out and refuses to pretend.
    Unmodelled,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Nanos,
    /// The instruction that did it, if one did.
    pub pc: Option<u32>,
    /// What kind of rule.
    pub kind: Kind,
    /// Where the rule stands.
    pub section: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, pc, kind, section, what } = self;
        write!(f, "{at}: {kind:?}: {what} [{section}]")?;
        match pc {
            Some(pc) => write!(f, " at pc {pc:#010x}"),
            None => Ok(()),
        }
    }
}

/// The record of broken rules. It keeps the first thousand; the count goes on.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    list: Vec<Violation>,
    count: u64,
}

/// Most violations kept, so that a loop over a bad access does not eat the memory.
const MOST_KEPT: usize = 1000;

impl Violations {
    pub(crate) fn push(&mut self, violation: Violation) {
        self.count += 1;
        if self.list.len() < MOST_KEPT {
            self.list.push(violation);
        }
    }
    /// Those kept, oldest first.
    pub fn list(&self) -> &[Violation] {
        &self.list
    }
    /// How many there were in all.
    pub fn count(&self) -> u64 {
        self.count
    }
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.count = 0;
    }
}
