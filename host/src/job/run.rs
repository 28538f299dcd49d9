//! The jobs themselves: flash, verify, read, erase, boot, protect.
//!
//! The first block, which holds the vector table, is written last: a transfer that breaks off
//! leaves nothing that looks like a program, whatever the board's policy.

use super::driver;
use super::plan::Plan;
use super::protection::{Change, Protection};
use super::state::{Role, State};
use super::target::{Kind, SectorInfo, Target};
use super::{JobError, Phase, Progress, Refusal, Silent};
use crate::files::Segment;
use crate::link::{Departure, Usb};
use crate::texts;
use std::time::Duration;
use surefoot_core::decide::Reason;
use surefoot_core::dfu::host::{Style, Task};
use surefoot_core::dfu::memory;
use surefoot_core::image::ImageFault;

/// How long a board may take to come back after it left: verification, start-up, attach.
const COME_BACK: Duration = Duration::from_secs(2);
/// Bytes that are read back before they are compared.
const PIECE: usize = 0x4000;

/// What became of the board at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It stays in update mode, as was asked.
    Stayed,
    /// The application runs: seen on a virtual board.
    Application,
    /// It left and did not come back as a DFU device, as an application does.
    Left,
    /// It is in update mode again for a reason of its own, such as a held button.
    Back(Option<Reason>),
}

/// A link and what is at its end.
pub struct Session<'l> {
    link: &'l mut dyn Usb,
    target: Target,
    style: Style,
}

impl<'l> Session<'l> {
    /// Asks the device. With `counting` the address is set once and blocks are counted, which
    /// saves two round trips a block; without it that is done for our own bootloader, and others
    /// get the address anew for each block, as dfu-util does it.
    ///
    /// # Errors
    /// [`JobError::Link`], [`JobError::Memory`].
    pub fn open(link: &'l mut dyn Usb, counting: bool) -> Result<Self, JobError> {
        let target = Target::read(link)?;
        let counting = counting || target.info().is_some();
        let style = if counting { Style::Counting } else { Style::AddressPerBlock };
        Ok(Self { link, target, style })
    }

    /// Sets how blocks find their place, whoever the device is.
    pub fn set_style(&mut self, style: Style) {
        self.style = style;
    }

    /// What is at the end of the link.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Reads what is in the slots and the journal, as far as the device lets itself be read; the plan
    /// goes by it then.
    ///
    /// # Errors
    /// [`JobError::Link`].
    pub fn look(&mut self) -> Result<(), JobError> {
        let target = self.target.clone();
        if !target.can_upload() {
            return Ok(());
        }
        let read = State::read(&target, &mut |address, length| self.upload(address, length, &mut Silent));
        match read {
            Ok(state) => self.target.state = state,
            Err(error @ JobError::Link(_)) => return Err(error),
            // What cannot be read is left to the board.
            Err(_) => self.target.state = None,
        }
        Ok(())
    }

    /// Programs the option bytes and reads them back. Power must not fail while it works: the chip
    /// erases all of them first (RM0090, 3.7.2).
    ///
    /// # Errors
    /// [`Refusal`] before anything is sent; [`JobError::Device`] when the board refuses;
    /// [`JobError::Options`] when it says other bytes afterwards.
    pub fn protect(&mut self, change: Change) -> Result<Protection, JobError> {
        let told = |target: &Target| target.info().and_then(Protection::told_by);
        let now = told(&self.target).ok_or(Refusal::NoOptions)?;
        let wanted = now.with(change)?;
        if wanted != now {
            self.target.allows_options()?;
            self.run(Task::Options { value: wanted.0 }, &mut Silent)?;
            let state = self.target.state.take();
            self.target = Target::read(self.link)?;
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
    pub fn flash(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<(), JobError> {
        self.erase(&plan.erase, progress)?;
        progress.begin(Phase::Program, plan.bytes());
        let done = self.program(plan, progress);
        progress.end();
        done
    }

    fn program(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<(), JobError> {
        let block = usize::from(self.target.descriptors.transfer_size);
        let mut first = None;
        for segment in &plan.write {
            let (mut address, mut data) = (segment.address, segment.bytes.as_slice());
            if address == plan.start {
                let (head, rest) = data.split_at(data.len().min(block));
                first = Some(head);
                (address, data) = (address + head.len() as u32, rest);
            }
            if !data.is_empty() {
                self.download(address, data, progress)?;
            }
        }
        match first {
            Some(head) => self.download(plan.start, head, progress),
            None => Ok(()),
        }
    }

    fn download(&mut self, address: u32, data: &[u8], progress: &mut dyn Progress) -> Result<(), JobError> {
        let style = self.style;
        self.run(Task::Download { address, data, style }, progress)
    }

    /// Erases `sectors`, ascending.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn erase(&mut self, sectors: &[SectorInfo], progress: &mut dyn Progress) -> Result<(), JobError> {
        progress.begin(Phase::Erase, sectors.iter().map(|s| u64::from(s.size)).sum());
        let mut done = Ok(());
        for run in sectors.chunk_by(|a, b| a.end() == b.base) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let text = self.target.descriptors.memory().to_owned();
            let (layout, _) = memory::parse_front(&text).map_err(|_| JobError::Memory(text.clone()))?;
            let (address, length) = (first.base, last.end() - first.base);
            done = self.run(Task::Erase { layout, address, length }, progress);
            if done.is_err() {
                break;
            }
        }
        progress.end();
        done
    }

    /// Reads the flash back and compares it with `segments`.
    ///
    /// # Errors
    /// [`JobError::Mismatch`] with the first byte that differs.
    pub fn verify(&mut self, segments: &[Segment], progress: &mut dyn Progress) -> Result<(), JobError> {
        progress.begin(Phase::Verify, segments.iter().map(|s| s.bytes.len() as u64).sum());
        let compared = segments.iter().try_for_each(|segment| {
            // In pieces, so that a mismatch at the start is told at once.
            segment.bytes.chunks(PIECE).enumerate().try_for_each(|(index, wanted)| {
                let address = segment.address + (index * PIECE) as u32;
                let found = self.upload(address, wanted.len(), progress)?;
                compare(address, wanted, &found)
            })
        });
        progress.end();
        compared
    }

    /// Reads `length` bytes at `address`.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`] before anything is sent.
    pub fn read(
        &mut self,
        address: u32,
        length: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<u8>, JobError> {
        self.readable(address, length)?;
        progress.begin(Phase::Read, length as u64);
        let bytes = self.upload(address, length, progress);
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

    fn upload(
        &mut self,
        address: u32,
        length: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<u8>, JobError> {
        let mut bytes = vec![0; length];
        self.run(Task::Upload { address, buffer: &mut bytes }, progress)?;
        Ok(bytes)
    }

    /// Leaves update mode and sees what becomes of the board. A device that is gone before it
    /// answered has left. `start` is where a ROM bootloader jumps to.
    ///
    /// # Errors
    /// [`JobError::NotBooted`] when the board proved the image and refused it.
    pub fn leave(&mut self, start: u32) -> Result<Finish, JobError> {
        let address = (self.target.kind == Kind::Rom).then_some(start);
        self.run(Task::Leave { address }, &mut Silent)?;
        match self.link.departure(COME_BACK)? {
            Departure::Application => Ok(Finish::Application),
            Departure::Gone => Ok(Finish::Left),
            Departure::Stayed => Err(JobError::StillThere),
            Departure::Back => {
                self.target = Target::read(self.link)?;
                let Some(info) = self.target.info() else {
                    return Err(JobError::StillThere);
                };
                let reason = texts::reason_by_number(info.reason);
                let fault: Option<ImageFault> = texts::image_fault_by_number(info.image_fault);
                match reason {
                    Some(Reason::Refused | Reason::NoValidImage) => {
                        if fault == Some(ImageFault::Downgrade)
                            && let Some((counter, floor)) = self.too_low()
                        {
                            return Err(JobError::Downgrade { counter, floor });
                        }
                        let fault = fault.or_else(|| self.was_rejected().then_some(ImageFault::Rejected));
                        Err(JobError::NotBooted(fault))
                    }
                    _ => Ok(Finish::Back(reason)),
                }
            }
        }
    }

    /// Counter and floor of an image that is too old.
    fn too_low(&mut self) -> Option<(u32, u32)> {
        self.look().ok()?;
        let state = self.target.state.as_ref()?;
        let floor = state.journal.as_ref()?.state.floor();
        let counters = state.slots.iter().filter(|slot| slot.open).filter_map(|slot| slot.manifest());
        counters.map(|m| m.security_counter).find(|counter| *counter < floor).map(|counter| (counter, floor))
    }

    /// A sound image that the board does not start was given up before.
    fn was_rejected(&mut self) -> bool {
        let looked = self.look().is_ok();
        let state = self.target.state.as_ref().filter(|_| looked);
        state.is_some_and(|state| state.slots.iter().any(|slot| slot.role == Role::Rejected))
    }

    fn run(&mut self, task: Task, progress: &mut dyn Progress) -> Result<(), JobError> {
        let descriptors = &self.target.descriptors;
        let (interface, size) = (descriptors.interface, descriptors.transfer_size);
        driver::run(self.link, interface, size, task, &mut |bytes| progress.advance(bytes))
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
