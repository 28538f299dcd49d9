//! Broken rules: what the firmware did that the manual forbids or leaves undefined.
//!
//! The models are stricter than silicon: where the chip would ignore, stall or misbehave, they
//! also record. A test fails on any violation that it does not expect; [`Grade`] tells those that do harm
//! on silicon from those that a manufacturer's library breaks every day.

use std::fmt;

use rustc_hash::FxHashMap;

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
    /// No rule is broken, but the manual advises against it, or it often goes wrong.
    Hint,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grade {
    /// The manual forbids it, and silicon may do anything else than what was meant.
    Forbidden,
    /// Reserved bits or registers, or a write to what only reads: silicon ignores it today.
    Reserved,
    /// Advice, or a feature that the virtual board does not have.
    Hint,
}

impl Kind {
    /// How bad a rule of this kind is.
    pub const fn grade(self) -> Grade {
        match self {
            Self::Reserved | Self::Access => Grade::Reserved,
            Self::Unmodelled | Self::Hint => Grade::Hint,
            _ => Grade::Forbidden,
        }
    }
}

/// One broken rule, at one place of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When it was broken first.
    pub at: Nanos,
    /// When it was broken last.
    pub last: Nanos,
    /// How often.
    pub count: u64,
    /// The instruction that did it, if one did.
    pub pc: Option<u32>,
    /// What kind of rule.
    pub kind: Kind,
    /// Where the rule stands.
    pub section: &'static str,
    /// What happened.
    pub what: String,
}

impl Violation {
    /// Broken for the first time.
    pub(crate) fn new(
        at: Nanos,
        pc: Option<u32>,
        kind: Kind,
        section: &'static str,
        what: impl Into<String>,
    ) -> Self {
        // What the model lacks is said once, not for each place that wants it.
        let pc = if kind == Kind::Unmodelled { None } else { pc };
        Self { at, last: at, count: 1, pc, kind, section, what: what.into() }
    }

    /// How bad it is.
    pub fn grade(&self) -> Grade {
        self.kind.grade()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, last, count, pc, kind, section, what } = self;
        write!(f, "{at}: {kind:?}: {what} [{section}]")?;
        if let Some(pc) = pc {
            write!(f, " at pc {pc:#010x}")?;
        }
        match count {
            1 => Ok(()),
            _ => write!(f, " ({count} times, last at {last})"),
        }
    }
}

/// The record of broken rules: each (kind, text, place) once, with how often and when.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    list: Vec<Violation>,
    places: FxHashMap<(Kind, Option<u32>, String), usize>,
    /// How many there were, with those at known places.
    all: u64,
}

/// Most kept, so that a program that breaks rules at ever new places does not eat the memory.
const MOST_KEPT: usize = 10_000;

impl Violations {
    pub(crate) fn push(&mut self, violation: Violation) {
        self.all += 1;
        let place = (violation.kind, violation.pc, violation.what.clone());
        if let Some(&index) = self.places.get(&place) {
            let known = &mut self.list[index];
            known.count += 1;
            known.last = violation.at;
        } else if self.list.len() < MOST_KEPT {
            self.places.insert(place, self.list.len());
            self.list.push(violation);
        }
    }
    /// How many there were since the board was made.
    pub(crate) fn all(&self) -> u64 {
        self.all
    }
    /// Those kept, oldest first.
    pub fn list(&self) -> &[Violation] {
        &self.list
    }
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.places.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_broken_in_a_loop_hides_no_other() {
        let mut all = Violations::default();
        for i in 0..5_000 {
            all.push(Violation::new(Nanos(i), Some(8), Kind::Busy, "a", "the same"));
        }
        all.push(Violation::new(Nanos(9_000), Some(8), Kind::Busy, "a", "another"));
        all.push(Violation::new(Nanos(9_001), Some(12), Kind::Busy, "a", "the same"));
        let [first, other, place] = all.list() else { panic!("{all:?}") };
        assert_eq!((first.at, first.last, first.count), (Nanos(0), Nanos(4_999), 5_000));
        assert_eq!((other.what.as_str(), place.pc), ("another", Some(12)));
        assert!(first.to_string().ends_with("(5000 times, last at 4.999 us)"), "{first}");
    }

    #[test]
    fn what_the_model_lacks_is_said_in_one_line() {
        let mut all = Violations::default();
        for pc in [4, 8, 12] {
            all.push(Violation::new(Nanos(0), Some(pc), Kind::Unmodelled, "a", "ADC is not modelled"));
        }
        assert_eq!((all.list().len(), all.list()[0].count), (1, 3));
    }
}
