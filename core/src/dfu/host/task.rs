//! Tasks, and how they are cut into actions.

use super::{Activity, Error};
use crate::dfu::memory::{MemoryString, Sector};

/// How blocks find their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// The address is set once, block numbers count up from 2.
    Counting,
    /// The address is set anew for each block, which is always number 2; as dfu-util does.
    AddressPerBlock,
}

/// Something to do with a device. Each begins by bringing it to dfuIDLE.
#[derive(Debug)]
pub enum Task<'a> {
    /// Bring it to dfuIDLE, no more.
    Recover,
    /// Erase every sector that `address .. address + length` touches.
    Erase {
        /// The device's memory string; all of the range must be erasable by it.
        layout: MemoryString<'a>,
        /// First address.
        address: u32,
        /// Bytes, at least 1.
        length: u32,
    },
    /// Erase all that the device lets be erased.
    EraseAll,
    /// Write to erased flash.
    Download {
        /// First address.
        address: u32,
        /// At least one byte.
        data: &'a [u8],
        /// How blocks find their place.
        style: Style,
    },
    /// Read until the buffer is full.
    Upload {
        /// First address.
        address: u32,
        /// Where to, at least one byte.
        buffer: &'a mut [u8],
    },
    /// Program the option bytes (our own bootloader only).
    Options {
        /// As FLASH_OPTCR holds them.
        value: u32,
    },
    /// End DFU mode; a device that is gone before it answered has left.
    Leave {
        /// Set the address pointer first; a ROM bootloader starts the application at it.
        address: Option<u32>,
    },
}

/// One exchange with the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing is left.
    None,
    SetAddress(u32),
    Erase(Sector),
    EraseAll,
    Options(u32),
    Write {
        address: u32,
        block: u16,
    },
    Read {
        address: u32,
        block: u16,
        length: u16,
    },
    /// To dfuIDLE: between DNLOAD and UPLOAD.
    Abort,
    Leave,
}

impl Action {
    pub fn activity(self) -> Activity {
        match self {
            Self::None | Self::Abort => Activity::Recovery,
            Self::SetAddress(address) => Activity::SetAddress(address),
            Self::Erase(sector) => Activity::Erase(sector.base),
            Self::EraseAll => Activity::EraseAll,
            Self::Options(_) => Activity::Options,
            Self::Write { address, .. } => Activity::Write(address),
            Self::Read { address, .. } => Activity::Read(address),
            Self::Leave => Activity::Leave,
        }
    }
}

/// How far a task is.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    transfer_size: u16,
    task: Task<'a>,
    /// Bytes done; for the tasks without bytes, 1 when it is done.
    done: u32,
    /// What the address pointer was set for: bytes done at that time.
    pointer: Option<u32>,
    /// What the device is ready for.
    mode: Mode,
}

/// The three idle states of DFU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// dfuIDLE: anything.
    Idle,
    /// dfuDNLOAD-IDLE: DNLOAD.
    Download,
    /// dfuUPLOAD-IDLE: UPLOAD.
    Upload,
}

impl<'a> Cursor<'a> {
    pub fn new(transfer_size: u16, task: Task<'a>) -> Self {
        Self { transfer_size, task, done: 0, pointer: None, mode: Mode::Idle }
    }

    /// What can be known to fail before anything is sent.
    pub fn check(&self) -> Result<(), Error> {
        let (address, length) = match &self.task {
            Task::Recover | Task::EraseAll | Task::Options { .. } | Task::Leave { .. } => return Ok(()),
            Task::Erase { address, length, .. } => (*address, *length as usize),
            Task::Download { address, data, .. } => (*address, data.len()),
            Task::Upload { address, buffer } => (*address, buffer.len()),
        };
        let Some(length) = u32::try_from(length).ok().filter(|&n| n != 0) else {
            return Err(Error::Range);
        };
        address.checked_add(length).ok_or(Error::Range)?;
        if let Task::Erase { layout, .. } = &self.task
            && let Some(address) = layout.first_outside(address, length, |a| a.is_erasable())
        {
            return Err(Error::NotOffered { address });
        }
        Ok(())
    }

    /// The next action; the same again until [`Self::advance`] says it is done.
    pub fn next(&mut self) -> Action {
        match &self.task {
            Task::Recover => Action::None,
            Task::EraseAll if self.done == 0 => Action::EraseAll,
            Task::Options { value } if self.done == 0 => Action::Options(*value),
            Task::EraseAll | Task::Options { .. } => Action::None,
            Task::Leave { address: Some(address) } if self.pointer.is_none() => Action::SetAddress(*address),
            Task::Leave { .. } if self.done == 0 => Action::Leave,
            Task::Leave { .. } => Action::None,
            Task::Erase { layout, address, length } if self.done < *length => {
                layout.sector(address.wrapping_add(self.done)).map_or(Action::None, Action::Erase)
            }
            Task::Erase { .. } => Action::None,
            Task::Download { address, data, style } => {
                let (address, left) = (address.wrapping_add(self.done), self.left(data.len()));
                match self.block(*style) {
                    _ if left == 0 => Action::None,
                    Some(block) => Action::Write { address, block },
                    None => Action::SetAddress(address),
                }
            }
            Task::Upload { address, buffer } => {
                let (address, left) = (address.wrapping_add(self.done), self.left(buffer.len()));
                match (self.block(Style::Counting), self.mode) {
                    _ if left == 0 && self.mode == Mode::Idle => Action::None,
                    _ if left == 0 => Action::Abort,
                    (Some(_), Mode::Download) | (None, Mode::Upload) => Action::Abort,
                    (Some(block), _) => Action::Read { address, block, length: left },
                    (None, _) => Action::SetAddress(address),
                }
            }
        }
    }

    /// The device was brought to dfuIDLE.
    pub fn recovered(&mut self) {
        self.mode = Mode::Idle;
    }

    /// The action is done; true when that is progress worth telling.
    pub fn advance(&mut self, action: Action) -> bool {
        match action {
            Action::SetAddress(_) => {
                self.pointer = Some(self.done);
                self.mode = Mode::Download;
                return false;
            }
            Action::None | Action::Abort => return false,
            Action::EraseAll | Action::Options(_) | Action::Leave => self.done = 1,
            Action::Erase(sector) => {
                if let Task::Erase { address, length, .. } = &self.task {
                    let end = sector.end() - u64::from(*address);
                    self.done = end.min((*length).into()) as u32;
                }
            }
            Action::Write { .. } => {
                self.done += self.chunk().len() as u32;
            }
            Action::Read { length, .. } => {
                self.mode = Mode::Upload;
                self.done += u32::from(length);
            }
        }
        true
    }

    /// The bytes of the next block of a download.
    pub fn chunk(&self) -> &[u8] {
        match &self.task {
            Task::Download { data, .. } => {
                let rest = data.get(self.done as usize..).unwrap_or(&[]);
                rest.get(..self.transfer_size.into()).unwrap_or(rest)
            }
            _ => &[],
        }
    }

    /// Keeps what was read.
    pub fn store(&mut self, bytes: &[u8]) {
        if let Task::Upload { buffer, .. } = &mut self.task {
            buffer.iter_mut().skip(self.done as usize).zip(bytes).for_each(|(to, from)| *to = *from);
        }
    }

    /// Bytes done and in all.
    pub fn progress(&self) -> (u32, u32) {
        let total = match &self.task {
            Task::Recover | Task::EraseAll | Task::Options { .. } | Task::Leave { .. } => 1,
            Task::Erase { length, .. } => *length,
            Task::Download { data, .. } => data.len() as u32,
            Task::Upload { buffer, .. } => buffer.len() as u32,
        };
        (self.done, total)
    }

    /// Bytes of the next block.
    fn left(&self, length: usize) -> u16 {
        let left = length as u32 - self.done;
        left.min(self.transfer_size.into()) as u16
    }

    /// The number of the next block, or `None` when the address has to be set before it.
    fn block(&self, style: Style) -> Option<u16> {
        let blocks = (self.done - self.pointer?) / u32::from(self.transfer_size);
        match style {
            Style::AddressPerBlock => (blocks == 0).then_some(2),
            Style::Counting => u16::try_from(blocks + 2).ok(),
        }
    }
}
