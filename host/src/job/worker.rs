//! The jobs themselves: flash, verify, read, erase, boot, protect.
//!
//! Each is a sequence of a protocol's operations, and suspends itself at each step of theirs ([`Wire`]):
//! `session` carries them out over a link that blocks, and whoever cannot block has [`crate::protocol::Steps`].
//!
//! The first block, which holds the vector table, is written last: a transfer that breaks off
//! leaves nothing that looks like a program, whatever the board's policy.

use super::plan::Plan;
use super::protection::{Change, Protection};
use super::state::{Role, State};
use super::target::{HEAD, Target, sealed_in};
use super::{JobError, Phase, Progress, Refusal};
use crate::files::Segment;
use crate::link::{Departure, LinkError};
use crate::protocol::{Fault, Programmer, SectorInfo, Wire};
use crate::texts;
use surefoot_core::decide::Reason;
use surefoot_core::image::ImageFault;

/// Bytes that are read back before they are compared.
const PIECE: usize = 0x4000;

/// What became of the board at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It stays in update mode, as was asked.
    Stayed,
    /// The application runs: seen on a virtual board.
    Application,
    /// It left and did not come back in update mode, as an application does.
    Left,
    /// It is in update mode again for a reason of its own, such as a held button.
    Back(Option<Reason>),
}

/// A device and the protocol that it speaks.
pub struct Worker {
    programmer: Box<dyn Programmer>,
    fast: bool,
    target: Target,
}

impl Worker {
    /// Asks the device. With `fast` the quickest way of the protocol is taken even for a device that is not
    /// known to offer it.
    ///
    /// # Errors
    /// [`JobError::Link`], [`JobError::Protocol`].
    pub async fn open(
        mut programmer: Box<dyn Programmer>,
        fast: bool,
        wire: &Wire,
    ) -> Result<Self, JobError> {
        let target = Target::new(programmer.identify(wire, fast).await?);
        let mut worker = Self { programmer, fast, target };
        worker.read_sealed(wire).await?;
        Ok(worker)
    }

    /// Asks the device again.
    async fn ask(&mut self, wire: &Wire) -> Result<(), JobError> {
        self.target = Target::new(self.programmer.identify(wire, self.fast).await?);
        self.read_sealed(wire).await
    }

    /// Reads the block out of our own bootloader, which is at the start of the flash.
    async fn read_sealed(&mut self, wire: &Wire) -> Result<(), JobError> {
        let Some(address) = self.target.head() else { return Ok(()) };
        let mut head = vec![0; HEAD];
        match self.programmer.read(wire, address, &mut head, &mut |_| ()).await {
            Ok(()) => self.target.sealed = sealed_in(&head).map(|(_, block)| block),
            Err(Fault::Link(error @ (LinkError::Gone | LinkError::Timeout))) => return Err(error.into()),
            Err(_) => {}
        }
        Ok(())
    }

    /// What the device is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Reads what is in the slots and the journal, as far as the device lets itself be read; the plan
    /// goes by it then.
    ///
    /// # Errors
    /// [`JobError::Link`].
    pub async fn look(&mut self, wire: &Wire) -> Result<(), JobError> {
        if !self.target.device.can_read {
            return Ok(());
        }
        // What was read so far; the state says what it lacks, until it lacks nothing.
        let mut known: Vec<(u32, Vec<u8>)> = Vec::new();
        loop {
            let read = State::read(&self.target, &mut |address, length| {
                let held = known.iter().find(|(at, bytes)| (*at, bytes.len()) == (address, length));
                held.map(|(_, bytes)| bytes.clone()).ok_or((address, length))
            });
            let (address, length) = match read {
                Ok(state) => {
                    self.target.state = state;
                    return Ok(());
                }
                Err(lacking) => lacking,
            };
            let mut bytes = vec![0; length];
            match self.programmer.read(wire, address, &mut bytes, &mut |_| ()).await {
                Ok(()) => known.push((address, bytes)),
                Err(Fault::Link(error)) => return Err(error.into()),
                // What cannot be read is left to the board.
                Err(_) => {
                    self.target.state = None;
                    return Ok(());
                }
            }
        }
    }

    /// Programs the option bytes and reads them back. Power must not fail while it works: the chip
    /// erases all of them first (RM0090, 3.7.2).
    ///
    /// # Errors
    /// [`Refusal`] before anything is sent; [`JobError::Protocol`] when the board refuses;
    /// [`JobError::Options`] when it says other bytes afterwards.
    pub async fn protect(&mut self, change: Change, wire: &Wire) -> Result<Protection, JobError> {
        let told = |target: &Target| target.info().and_then(Protection::told_by);
        let now = told(&self.target).ok_or(Refusal::NoOptions)?;
        let wanted = now.with(change)?;
        if wanted != now {
            self.target.allows_options()?;
            self.programmer.options(wire, wanted.0).await?;
            let state = self.target.state.take();
            self.ask(wire).await?;
            self.target.state = state;
        }
        match told(&self.target) {
            Some(found) if found == wanted => Ok(found),
            found => Err(JobError::Options { wanted: wanted.0, found: found.map_or(0, |f| f.0) }),
        }
    }

    /// Erases and programs what `plan` says. Does not verify and does not leave.
    ///
    /// # Errors
    /// [`JobError`]; the board stays in update mode.
    pub async fn flash(
        &mut self,
        plan: &Plan,
        progress: &mut dyn Progress,
        wire: &Wire,
    ) -> Result<(), JobError> {
        self.erase(&plan.erase, progress, wire).await?;
        progress.begin(Phase::Program, plan.bytes());
        let done = self.program(plan, progress, wire).await;
        progress.end();
        done
    }

    async fn program(
        &mut self,
        plan: &Plan,
        progress: &mut dyn Progress,
        wire: &Wire,
    ) -> Result<(), JobError> {
        let block = self.target.device.block;
        let mut first = None;
        for segment in &plan.write {
            let (mut address, mut data) = (segment.address, segment.bytes.as_slice());
            if address == plan.start {
                let (head, rest) = data.split_at(data.len().min(block));
                first = Some((address, head));
                (address, data) = (address + head.len() as u32, rest);
            }
            if !data.is_empty() {
                self.programmer.write(wire, address, data, &mut |bytes| progress.advance(bytes)).await?;
            }
        }
        if let Some((address, head)) = first {
            self.programmer.write(wire, address, head, &mut |bytes| progress.advance(bytes)).await?;
        }
        Ok(())
    }

    /// Erases `sectors`, ascending.
    ///
    /// # Errors
    /// [`JobError`].
    pub async fn erase(
        &mut self,
        sectors: &[SectorInfo],
        progress: &mut dyn Progress,
        wire: &Wire,
    ) -> Result<(), JobError> {
        progress.begin(Phase::Erase, sectors.iter().map(|s| u64::from(s.size)).sum());
        let mut done = Ok(());
        for run in sectors.chunk_by(|a, b| a.end() == b.base) {
            done = self.programmer.erase(wire, run, &mut |bytes| progress.advance(bytes)).await;
            if done.is_err() {
                break;
            }
        }
        progress.end();
        Ok(done?)
    }

    /// Reads the flash back and compares it with `segments`.
    ///
    /// # Errors
    /// [`JobError::Mismatch`] with the first byte that differs.
    pub async fn verify(
        &mut self,
        segments: &[Segment],
        progress: &mut dyn Progress,
        wire: &Wire,
    ) -> Result<(), JobError> {
        progress.begin(Phase::Verify, segments.iter().map(|s| s.bytes.len() as u64).sum());
        let compared = self.compared(segments, progress, wire).await;
        progress.end();
        compared
    }

    /// In pieces, so that a mismatch at the start is told at once.
    async fn compared(
        &mut self,
        segments: &[Segment],
        progress: &mut dyn Progress,
        wire: &Wire,
    ) -> Result<(), JobError> {
        for segment in segments {
            for (index, wanted) in segment.bytes.chunks(PIECE).enumerate() {
                let address = segment.address + (index * PIECE) as u32;
                let found = self.upload(address, wanted.len(), progress, wire).await?;
                compare(address, wanted, &found)?;
            }
        }
        Ok(())
    }

    /// Reads `length` bytes at `address`.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`] before anything is sent.
    pub async fn read(
        &mut self,
        address: u32,
        length: usize,
        progress: &mut dyn Progress,
        wire: &Wire,
    ) -> Result<Vec<u8>, JobError> {
        self.readable(address, length)?;
        progress.begin(Phase::Read, length as u64);
        let bytes = self.upload(address, length, progress, wire).await;
        progress.end();
        bytes
    }

    /// Every byte of `length` at `address` is there and may be read.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`], [`Refusal::NoMemory`].
    pub fn readable(&self, address: u32, length: usize) -> Result<(), JobError> {
        let end = u64::from(address) + length as u64;
        let mut at = address;
        while u64::from(at) < end {
            match self.target.sector(at) {
                Some(sector) if sector.readable => at = sector.end(),
                Some(_) => return Err(Refusal::Unreadable { address: at }.into()),
                None => return Err(Refusal::NoMemory { address: at }.into()),
            }
            if at == u32::MAX {
                break;
            }
        }
        Ok(())
    }

    async fn upload(
        &mut self,
        address: u32,
        length: usize,
        progress: &mut dyn Progress,
        wire: &Wire,
    ) -> Result<Vec<u8>, JobError> {
        let mut bytes = vec![0; length];
        self.programmer.read(wire, address, &mut bytes, &mut |done| progress.advance(done)).await?;
        Ok(bytes)
    }

    /// Leaves update mode and sees what becomes of the board. `start` is where a ROM bootloader jumps to.
    ///
    /// # Errors
    /// [`JobError::NotBooted`] when the board proved the image and refused it.
    pub async fn leave(&mut self, start: u32, wire: &Wire) -> Result<Finish, JobError> {
        match self.programmer.leave(wire, start).await? {
            Departure::Application => Ok(Finish::Application),
            Departure::Gone => Ok(Finish::Left),
            Departure::Stayed => Err(JobError::StillThere),
            Departure::Back => {
                self.ask(wire).await?;
                let Some(info) = self.target.info() else {
                    return Err(JobError::StillThere);
                };
                let reason = texts::reason_by_number(info.reason);
                let fault: Option<ImageFault> = texts::image_fault_by_number(info.image_fault);
                match reason {
                    Some(Reason::Refused | Reason::NoValidImage) => {
                        if fault == Some(ImageFault::Downgrade)
                            && let Some((counter, floor)) = self.too_low(wire).await
                        {
                            return Err(JobError::Downgrade { counter, floor });
                        }
                        let rejected = fault.is_none() && self.was_rejected(wire).await;
                        Err(JobError::NotBooted(fault.or(rejected.then_some(ImageFault::Rejected))))
                    }
                    _ => Ok(Finish::Back(reason)),
                }
            }
        }
    }

    /// Counter and floor of an image that is too old.
    async fn too_low(&mut self, wire: &Wire) -> Option<(u32, u32)> {
        self.look(wire).await.ok()?;
        let state = self.target.state.as_ref()?;
        let floor = state.journal.as_ref()?.state.floor();
        let counters = state.slots.iter().filter(|slot| slot.open).filter_map(|slot| slot.manifest());
        counters.map(|m| m.security_counter).find(|counter| *counter < floor).map(|counter| (counter, floor))
    }

    /// A sound image that the board does not start was given up before.
    async fn was_rejected(&mut self, wire: &Wire) -> bool {
        let looked = self.look(wire).await.is_ok();
        let state = self.target.state.as_ref().filter(|_| looked);
        state.is_some_and(|state| state.slots.iter().any(|slot| slot.role == Role::Rejected))
    }
}

fn compare(address: u32, wanted: &[u8], found: &[u8]) -> Result<(), JobError> {
    match wanted.iter().zip(found).position(|(w, f)| w != f) {
        None => Ok(()),
        Some(at) => {
            Err(JobError::Mismatch { address: address + at as u32, wanted: wanted[at], found: found[at] })
        }
    }
}
