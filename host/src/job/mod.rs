//! Jobs: flash, verify, read, erase, boot, protect.
//!
//! [`Target`] is what is known of the device and [`State`] what its slots and its journal hold, [`choose()`]
//! picks the image for the slot that is open, [`plan()`] decides and checks everything before the first
//! erase, and [`Worker`] carries the plan out over a [`crate::protocol::Programmer`], step by step; [`Session`]
//! does so over a link that blocks. Progress is reported through [`Progress`]; printing it is the command
//! line's. Not here: which link and which protocol it is.

mod choose;
mod error;
mod plan;
mod protection;
mod session;
mod state;
mod target;
mod worker;

pub use crate::protocol::{Kind, SectorInfo};
pub use choose::choose;
pub use error::{JobError, Refusal};
pub use plan::{Erase, Options, Plan, plan};
pub use protection::{BrownOut, Change, Level, Protection};
pub use session::Session;
pub use state::{Content, History, Role, SlotState, State, is_signed, slot_name};
pub use target::Target;
pub(crate) use target::{HEAD, sealed_in};
pub use worker::{Finish, Worker};

/// A part of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sectors are erased; counted in bytes.
    Erase,
    /// Bytes are programmed.
    Program,
    /// Bytes are read back and compared.
    Verify,
    /// Bytes are read.
    Read,
}

impl Phase {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Program => "program",
            Self::Verify => "verify",
            Self::Read => "read",
        }
    }
}

/// Who wants to know how far a job is.
pub trait Progress {
    /// `phase` begins and has `total` bytes.
    fn begin(&mut self, phase: Phase, total: u64);
    /// `bytes` more are done.
    fn advance(&mut self, bytes: u64);
    /// The phase is over, well or not.
    fn end(&mut self);
}

/// Nobody does.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _phase: Phase, _total: u64) {}
    fn advance(&mut self, _bytes: u64) {}
    fn end(&mut self) {}
}
