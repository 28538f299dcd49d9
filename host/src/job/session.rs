//! The jobs over a link that blocks: each runs to its end.

use super::plan::Plan;
use super::protection::{Change, Protection};
use super::worker::{Finish, Worker};
use super::{JobError, Progress, Target};
use crate::files::Segment;
use crate::protocol::{Carry, Connection, SectorInfo, carry_out};

/// A link and what is at its end; each method is the [`Worker`]'s of the same name.
pub struct Session<'l> {
    link: &'l mut dyn Carry,
    worker: Worker,
}

impl<'l> Session<'l> {
    /// As [`Worker::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(connection: impl Into<Connection<'l>>, fast: bool) -> Result<Self, JobError> {
        let Connection { link, programmer } = connection.into();
        let worker = carry_out(link, async |wire| Worker::open(programmer, fast, &wire).await)?;
        Ok(Self { link, worker })
    }

    /// What is at the end of the link.
    pub fn target(&self) -> &Target {
        self.worker.target()
    }

    /// As [`Worker::look`].
    ///
    /// # Errors
    /// As there.
    pub fn look(&mut self) -> Result<(), JobError> {
        carry_out(self.link, async |wire| self.worker.look(&wire).await)
    }

    /// As [`Worker::protect`].
    ///
    /// # Errors
    /// As there.
    pub fn protect(&mut self, change: Change) -> Result<Protection, JobError> {
        carry_out(self.link, async |wire| self.worker.protect(change, &wire).await)
    }

    /// As [`Worker::flash`].
    ///
    /// # Errors
    /// As there.
    pub fn flash(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<(), JobError> {
        carry_out(self.link, async |wire| self.worker.flash(plan, progress, &wire).await)
    }

    /// As [`Worker::erase`].
    ///
    /// # Errors
    /// As there.
    pub fn erase(&mut self, sectors: &[SectorInfo], progress: &mut dyn Progress) -> Result<(), JobError> {
        carry_out(self.link, async |wire| self.worker.erase(sectors, progress, &wire).await)
    }

    /// As [`Worker::verify`].
    ///
    /// # Errors
    /// As there.
    pub fn verify(&mut self, segments: &[Segment], progress: &mut dyn Progress) -> Result<(), JobError> {
        carry_out(self.link, async |wire| self.worker.verify(segments, progress, &wire).await)
    }

    /// As [`Worker::read`].
    ///
    /// # Errors
    /// As there.
    pub fn read(
        &mut self,
        address: u32,
        length: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<u8>, JobError> {
        carry_out(self.link, async |wire| self.worker.read(address, length, progress, &wire).await)
    }

    /// As [`Worker::readable`].
    ///
    /// # Errors
    /// As there.
    pub fn readable(&self, address: u32, length: usize) -> Result<(), JobError> {
        self.worker.readable(address, length)
    }

    /// As [`Worker::leave`].
    ///
    /// # Errors
    /// As there.
    pub fn leave(&mut self, start: u32) -> Result<Finish, JobError> {
        carry_out(self.link, async |wire| self.worker.leave(start, &wire).await)
    }
}
