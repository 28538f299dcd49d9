//! What the bootloader told the application before it jumped: the handoff record.
//!
//! Read-only; nothing here changes the handoff words.

use surefoot_core::decide::Reason;
use surefoot_core::handoff::{self, Record};

use crate::board::Board;
use crate::registers::read;

/// The bootloader's word on this start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Bootloader version: major, minor, patch.
    pub version: [u8; 3],
    /// Why the chip was reset before this start.
    pub reset_cause: ResetCause,
    /// Why the board last stayed in update mode since power came on; `None` if it did not. A stay
    /// that a reset ended does not count.
    pub reason: Option<Reason>,
    /// First address of the running slot.
    pub slot: u32,
}

/// Reset flags as the chip keeps them: several can be set, since they add up until they are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetCause(
    /// The flags.
    pub u8,
);

impl ResetCause {
    /// Brown-out or power-on.
    pub const BROWN_OUT: Self = Self(1 << 0);
    /// The reset pin; set with every internal reset too, since those pull the pin.
    pub const PIN: Self = Self(1 << 1);
    /// Power-on.
    pub const POWER_ON: Self = Self(1 << 2);
    /// SYSRESETREQ.
    pub const SOFTWARE: Self = Self(1 << 3);
    /// Independent watchdog.
    pub const INDEPENDENT_WATCHDOG: Self = Self(1 << 4);
    /// Window watchdog.
    pub const WINDOW_WATCHDOG: Self = Self(1 << 5);
    /// Illegal entry to a low-power mode.
    pub const LOW_POWER: Self = Self(1 << 6);

    /// True when every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The record the bootloader left, or `None` when there is none: the application was started
/// without Surefoot, or was linked over the handoff words.
pub fn status(board: &Board) -> Option<Status> {
    record(board).map(Status::from)
}

/// The handoff record, if there is one.
pub(crate) fn record(board: &Board) -> Option<Record> {
    let base = board.handoff + handoff::RECORD;
    Record::decode(&core::array::from_fn(|word| read(base + 4 * word as u32)))
}

impl From<Record> for Status {
    fn from(record: Record) -> Self {
        Self {
            version: record.version,
            reset_cause: ResetCause(record.reset_cause),
            reason: Reason::from_number(record.reason),
            slot: record.slot,
        }
    }
}
