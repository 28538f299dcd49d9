//! The device end of DFU 1.1 with DfuSe: requests in, flash jobs out.
//!
//! [`crate::usb::Control`] brings the requests; the firmware carries the [`Job`]s out and reports
//! back. Every address is checked against the configuration before a job exists. Each pair of
//! state and request has its answer as in DFU 1.1 appendix A, but for what DfuSe and real clients
//! need: GETSTATUS is answered in dfuDNBUSY, ABORT and CLRSTATUS lead to dfuIDLE from everywhere,
//! DETACH leaves. Not here: the flash, and whether an area is erased (the read-back tells).

use super::{State, Status, command, request};
use crate::config::Config;
pub use crate::config::Sector;
use crate::port::{FlashFault, Memory};
use crate::usb::{Reply, Setup};

/// Bytes of buffer that a block needs beside the transfer size: one program unit of padding at
/// each end.
pub const PADDING: usize = 16;
/// The address pointer at first, as in ST's ROM: the flash of all parts begins here.
const FLASH_BASE: u32 = 0x0800_0000;

/// Something that the firmware has to do, and to answer with [`Device::job_done`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Erase this sector.
    Erase(Sector),
    /// Program the first `length` bytes of the block buffer at `address`, read back and compare.
    /// Both are multiples of the program unit.
    Program {
        /// First address.
        address: u32,
        /// Bytes, padding included.
        length: u32,
    },
    /// After a short delay detach from the bus, then verify and boot. Has no answer.
    Leave,
    /// Take the read protection off. The chip resets on success.
    ReadUnprotect,
    /// Program the option bytes with this value, if that takes no protection from the bootloader.
    #[cfg(feature = "options")]
    Options(u32),
}

/// What a request calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Refuse it.
    Stall,
    /// No data stage: end it well.
    Acknowledge,
    /// Send this many bytes of `reply`.
    Reply(u32),
    /// Send memory from this address, wLength bytes, which are all readable.
    Memory(u32),
    /// Take this device address (a standard request's answer, never DFU's).
    Address(u32),
    /// Receive the data stage into the block buffer from this offset, then call [`Device::received`].
    Receive(u32),
}

/// What the last DNLOAD asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Nothing, or it is over.
    None,
    /// Nothing is left to do but to report `Device::outcome`.
    Report,
    /// The sector at `Device::target`.
    EraseOne,
    /// The writable sectors from `Device::target` on.
    EraseAll,
    /// `Device::length` bytes of the buffer at `Device::target`.
    Program,
    /// Read unprotect.
    Unprotect,
    /// Option bytes: `Device::target`.
    #[cfg(feature = "options")]
    Options,
}

/// The device engine. The order of the fields is kept, as in [`crate::usb::Control`].
#[derive(Debug)]
#[repr(C)]
pub struct Device<'a> {
    state: State,
    status: Status,
    work: Work,
    outcome: Status,
    /// A job is with the firmware.
    running: bool,
    /// wBlockNum of the DNLOAD whose data stage is under way.
    block: u16,
    transfer_size: u16,
    /// Bytes that are programmed at once, less one.
    mask: u32,
    /// The address pointer.
    address: u32,
    target: u32,
    length: u32,
    /// The end of the sector that is being erased.
    next: u32,
    config: Option<Config<'a>>,
}

impl<'a> Device<'a> {
    /// In dfuIDLE. Without a configuration nothing can be written. `transfer_size` is wTransferSize,
    /// most bytes of one DNLOAD or UPLOAD.
    pub fn new(config: Option<Config<'a>>, transfer_size: u16) -> Self {
        Self {
            config,
            transfer_size,
            mask: config.map_or(0, |c| (1 << c.psize()) - 1),
            state: State::Idle,
            status: Status::Ok,
            work: Work::None,
            outcome: Status::Ok,
            running: false,
            block: 0,
            address: FLASH_BASE,
            target: 0,
            length: 0,
            next: 0,
        }
    }

    /// The state as GETSTATE tells it.
    pub fn state(&self) -> State {
        self.state
    }

    /// Back to dfuIDLE, with the address pointer at the start of flash. What the firmware works on
    /// goes on; its result is of no interest any more.
    pub fn bus_reset(&mut self) {
        self.go_idle();
        self.address = FLASH_BASE;
    }

    /// Answers a class request to the interface. `reply` has room for six bytes; `memory` holds
    /// what may be read, the flash and nothing else.
    #[inline(never)]
    pub fn request(&mut self, setup: &Setup, reply: &mut Reply, memory: &impl Memory) -> Answer {
        match (setup.is_in(), setup.request) {
            (false, request::DNLOAD) => self.download(setup),
            (true, request::UPLOAD) => self.upload(setup, reply, memory),
            (true, request::GETSTATUS) => {
                let wait = self.advance();
                // bStatus, bwPollTimeout in three bytes, bState, iString.
                let answer = u64::from(wait) << 8 | self.status as u64 | (self.state as u64) << 32;
                [reply[0], reply[1], reply[2], reply[3], reply[4], reply[5], _, _] = answer.to_le_bytes();
                Answer::Reply(6)
            }
            (true, request::GETSTATE) => {
                reply[0] = self.state as u8;
                Answer::Reply(1)
            }
            (false, request::CLRSTATUS | request::ABORT) if setup.length == 0 => {
                self.go_idle();
                Answer::Acknowledge
            }
            (false, request::DETACH) if setup.length == 0 && self.is_quiet() => {
                self.state = State::Manifest;
                Answer::Acknowledge
            }
            _ => self.refuse(Status::StalledPacket),
        }
    }

    /// Takes the data stage of a DNLOAD, `length` bytes at the offset that [`Answer::Receive`]
    /// named, and pads them to whole program units with what the flash holds there: 0xFF when it
    /// is erased. False: stall the status stage.
    pub fn received(&mut self, buffer: &mut [u8], length: u16, memory: &impl Memory) -> bool {
        self.outcome = Status::Ok;
        self.work = if self.block == 0 {
            let Some(work) = self.command(buffer.get(..length.into()).unwrap_or(&[]), memory) else {
                self.refuse(Status::StalledPacket);
                return false;
            };
            work
        } else {
            self.program(buffer, length, memory)
        };
        self.state = State::DownloadSync;
        true
    }

    /// Something went wrong on the way: dfuERROR with `status`, unless there is an older error or
    /// the board is leaving.
    #[inline(never)]
    pub fn refuse(&mut self, status: Status) -> Answer {
        if !matches!(self.state, State::Error | State::Manifest | State::ManifestWaitReset) {
            self.state = State::Error;
            self.status = status;
        }
        Answer::Stall
    }

    /// The next thing to do, if there is one. Call it when endpoint 0 is idle.
    pub fn take_job(&mut self) -> Option<Job> {
        if self.running {
            return None;
        }
        let job = match self.state {
            State::Manifest => {
                self.state = State::ManifestWaitReset;
                return Some(Job::Leave);
            }
            State::DownloadBusy => match self.work {
                Work::EraseOne | Work::EraseAll => {
                    let sector = self.sector_from(self.target)?;
                    self.next = sector.end();
                    Job::Erase(sector)
                }
                Work::Program => Job::Program { address: self.target, length: self.length },
                Work::Unprotect => Job::ReadUnprotect,
                #[cfg(feature = "options")]
                Work::Options => Job::Options(self.target),
                Work::None | Work::Report => return None,
            },
            _ => return None,
        };
        self.running = true;
        Some(job)
    }

    /// The firmware is done with the job it took.
    pub fn job_done(&mut self, result: Result<(), FlashFault>) {
        self.running = false;
        if self.state != State::DownloadBusy {
            return;
        }
        if let Err(fault) = result {
            self.refuse(match (fault, self.work) {
                (FlashFault::NotErased, _) => Status::CheckErased,
                (FlashFault::ReadBack, _) => Status::Verify,
                (_, Work::Program) => Status::Program,
                (_, Work::Unprotect) => Status::Vendor,
                #[cfg(feature = "options")]
                (_, Work::Options) => Status::Vendor,
                _ => Status::Erase,
            });
            return;
        }
        if self.work == Work::EraseAll {
            self.target = self.next;
            if self.sector_from(self.target).is_some() {
                return;
            }
        }
        self.work = Work::None;
        self.state = State::DownloadSync;
    }

    fn go_idle(&mut self) {
        // A leave that the firmware has begun cannot be called back.
        if self.state != State::ManifestWaitReset {
            self.state = State::Idle;
            self.status = Status::Ok;
        }
    }

    /// Between transfers.
    fn is_quiet(&self) -> bool {
        matches!(self.state, State::Idle | State::DownloadIdle | State::UploadIdle)
    }

    /// The transition that GETSTATUS makes; the poll time-out in milliseconds.
    #[inline(never)]
    fn advance(&mut self) -> u32 {
        match (self.state, self.work) {
            (State::DownloadSync, Work::None) => self.state = State::DownloadIdle,
            (State::DownloadSync, _) => self.state = State::DownloadBusy,
            (State::DownloadBusy, Work::Report) => {
                self.status = self.outcome;
                self.state = if self.status == Status::Ok { State::DownloadIdle } else { State::Error };
            }
            (State::ManifestSync, _) => self.state = State::Manifest,
            _ => {}
        }
        if self.state == State::DownloadBusy { self.remaining_ms() } else { 0 }
    }

    /// How long the work takes from here.
    fn remaining_ms(&self) -> u32 {
        let mut sum: u32 = 0;
        match (self.work, self.config) {
            (Work::EraseOne | Work::EraseAll, _) => {
                let mut next = self.target;
                while let Some(sector) = self.sector_from(next) {
                    sum = sum.wrapping_add(sector.erase_ms);
                    next = sector.end();
                    if self.work == Work::EraseOne {
                        break;
                    }
                }
                // dfu-util takes exactly 100 for a lie and waits 35 s.
                if sum == 100 { 101 } else { sum }
            }
            (Work::Program, Some(config)) => {
                let operations = self.length >> config.psize();
                operations.wrapping_mul(config.program_ns()) / 1_000_000 + 1
            }
            _ => 0,
        }
    }

    fn download(&mut self, setup: &Setup) -> Answer {
        let expected = matches!(self.state, State::Idle | State::DownloadIdle);
        if !expected || self.running || setup.length > self.transfer_size {
            return self.refuse(Status::StalledPacket);
        }
        if setup.length == 0 {
            self.state = State::ManifestSync;
            return Answer::Acknowledge;
        }
        self.block = setup.value;
        match setup.value {
            0 => Answer::Receive(0),
            1 => self.refuse(Status::StalledPacket),
            _ => Answer::Receive(self.address & self.mask),
        }
    }

    /// The work of a command, or `None` when there is no such command.
    fn command(&mut self, bytes: &[u8], memory: &impl Memory) -> Option<Work> {
        let (code, address) = match *bytes {
            [code] => (code, None),
            [code, a, b, c, d] => (code, Some(u32::from_le_bytes([a, b, c, d]))),
            _ => return None,
        };
        match (code, address) {
            (command::SET_ADDRESS, Some(address)) => match memory.bytes(address, 1) {
                Some(_) => self.address = address,
                None => self.outcome = Status::Address,
            },
            (command::ERASE, _) => {
                self.target = address.unwrap_or(0);
                let sector = self.sector_from(self.target);
                match (sector, address) {
                    (Some(_), None) => return Some(Work::EraseAll),
                    (Some(sector), Some(address)) if sector.base <= address => {
                        return Some(Work::EraseOne);
                    }
                    _ => self.outcome = Status::Address,
                }
            }
            (command::READ_UNPROTECT, None) => {
                if self.can_unprotect() {
                    return Some(Work::Unprotect);
                }
                self.outcome = Status::Vendor;
            }
            #[cfg(feature = "options")]
            (command::OPTIONS, Some(value)) => {
                self.target = value;
                return Some(Work::Options);
            }
            _ => return None,
        }
        Some(Work::Report)
    }

    fn program(&mut self, buffer: &mut [u8], length: u16, memory: &impl Memory) -> Work {
        let mask = self.mask;
        let first = self.block_address(self.block);
        let front = first & mask;
        let padded = (front + u32::from(length) + mask) & !mask;
        self.target = first - front;
        self.length = padded;
        self.outcome = Status::Address;
        if !self.config.is_some_and(|c| c.is_writable(self.target, padded)) {
            return Work::Report;
        }
        let Some(old) = memory.bytes(self.target, padded) else {
            return Work::Report;
        };
        for at in 0..padded {
            if at.wrapping_sub(front) >= length.into()
                && let (Some(byte), Some(old)) = (buffer.get_mut(at as usize), old.get(at as usize))
            {
                *byte = *old;
            }
        }
        Work::Program
    }

    fn upload(&mut self, setup: &Setup, reply: &mut Reply, memory: &impl Memory) -> Answer {
        let expected = matches!(self.state, State::Idle | State::UploadIdle);
        if !expected || setup.value == 1 || setup.length == 0 || setup.length > self.transfer_size {
            return self.refuse(Status::StalledPacket);
        }
        if setup.value == 0 {
            [reply[0], reply[1], reply[2], reply[3]] =
                [command::GET, command::SET_ADDRESS, command::ERASE, command::READ_UNPROTECT];
            // The last one is listed only where it is allowed. A short answer ends the upload.
            let length = 3 + u32::from(self.can_unprotect());
            self.state = if length < setup.length.into() { State::Idle } else { State::UploadIdle };
            return Answer::Reply(length);
        }
        let address = self.block_address(setup.value);
        if memory.bytes(address, setup.length.into()).is_none() {
            return self.refuse(Status::Address);
        }
        self.state = State::UploadIdle;
        Answer::Memory(address)
    }

    /// Address of a data block, block numbers counting from 2. The pointer is in the flash, and the
    /// last block 256 MiB behind it at most, so that nothing wraps in practice; if it does, the
    /// checks are made with what comes out.
    fn block_address(&self, block: u16) -> u32 {
        let index = u32::from(block.wrapping_sub(2));
        self.address.wrapping_add(index * u32::from(self.transfer_size))
    }

    fn can_unprotect(&self) -> bool {
        self.config.is_some_and(|c| c.read_unprotect())
    }

    fn sector_from(&self, from: u32) -> Option<Sector> {
        self.config?.sector_from(from)
    }
}
