//! The device end of DFU 1.1 with DfuSe: requests in, flash jobs out.
//!
//! [`crate::usb::Control`] brings the requests; the firmware carries the [`Job`]s out and reports
//! back. Every address is checked against the configuration before a job exists. Each pair of
//! state and request has its answer as in DFU 1.1 appendix A, but for what DfuSe and real clients
//! need: GETSTATUS is answered in dfuDNBUSY, ABORT and CLRSTATUS lead to dfuIDLE from everywhere,
//! DETACH leaves. Not here: the flash, and whether an area is erased (the read-back tells).

use super::{State, Status, command, request};
use crate::config::{Config, Region};
use crate::port::{FlashFault, Memory};
use crate::usb::Setup;

/// Bytes of buffer that a block needs beside the transfer size: one program unit of padding at
/// each end.
pub const PADDING: usize = 16;
/// Transfer size without a usable configuration.
const FALLBACK_TRANSFER_SIZE: u16 = 64;
/// What can be read without a usable configuration, as the fallback memory string says: the first
/// KiB of the flash, which begins at this address on all of ST's parts.
const FALLBACK_FLASH: (u32, u32) = (0x0800_0000, 0x400);

/// A sector to erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// Its number as the flash controller counts.
    pub number: u8,
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// Erase time in milliseconds.
    pub erase_ms: u32,
}

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
}

/// What a request calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Refuse it.
    Stall,
    /// No data stage: end it well.
    Acknowledge,
    /// Send this many bytes of `reply`.
    Reply(usize),
    /// Send memory.
    Upload {
        /// First address.
        address: u32,
        /// Bytes, at least one.
        length: u32,
    },
    /// Receive the data stage into the block buffer from this offset, then call [`Device::received`].
    Receive(usize),
}

/// What was asked for by the last DNLOAD.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Nothing, or it is over.
    None,
    /// Nothing is left to do but to report this.
    Report(Status),
    /// The writable sectors that begin in `next..end`.
    Erase { next: u32, end: u32 },
    /// The block in the buffer.
    Program { address: u32, length: u32 },
    /// Read unprotect.
    Unprotect,
    /// Leave.
    Leave,
}

/// The device engine.
#[derive(Debug)]
pub struct Device<'a> {
    config: Option<Config<'a>>,
    state: State,
    status: Status,
    work: Work,
    /// A job is with the firmware.
    running: bool,
    /// The address pointer.
    address: u32,
    /// wBlockNum of the DNLOAD whose data stage is under way.
    block: u16,
}

impl<'a> Device<'a> {
    /// In dfuIDLE. Without a configuration nothing can be written.
    pub fn new(config: Option<Config<'a>>) -> Self {
        let mut device = Self {
            config,
            state: State::Idle,
            status: Status::Ok,
            work: Work::None,
            running: false,
            address: 0,
            block: 0,
        };
        device.bus_reset();
        device
    }

    /// The state as GETSTATE tells it.
    pub fn state(&self) -> State {
        self.state
    }

    /// wTransferSize: most bytes of one DNLOAD or UPLOAD.
    pub fn transfer_size(&self) -> u16 {
        self.config.map_or(FALLBACK_TRANSFER_SIZE, |c| c.transfer_size())
    }

    /// Back to dfuIDLE, with the address pointer at the start of flash. What the firmware works on
    /// goes on; its result is of no interest any more.
    pub fn bus_reset(&mut self) {
        self.go_idle();
        self.address = self.flash().0;
    }

    /// Answers a class request to the interface. `reply` has room for six bytes.
    pub fn request(&mut self, setup: &Setup, reply: &mut [u8; crate::usb::PACKET]) -> Answer {
        match (setup.request_type, setup.request) {
            (request::OUT, request::DNLOAD) => self.download(setup),
            (request::IN, request::UPLOAD) => self.upload(setup, reply),
            (request::IN, request::GETSTATUS) => {
                let wait = self.advance().to_le_bytes();
                reply[..6].copy_from_slice(&[
                    self.status as u8,
                    wait[0],
                    wait[1],
                    wait[2],
                    self.state as u8,
                    0,
                ]);
                Answer::Reply(6)
            }
            (request::IN, request::GETSTATE) => {
                reply[0] = self.state as u8;
                Answer::Reply(1)
            }
            (request::OUT, request::CLRSTATUS | request::ABORT) if setup.length == 0 => {
                self.go_idle();
                Answer::Acknowledge
            }
            (request::OUT, request::DETACH) if setup.length == 0 && self.is_quiet() => {
                self.state = State::Manifest;
                self.work = Work::Leave;
                Answer::Acknowledge
            }
            _ => self.refuse(Status::StalledPacket),
        }
    }

    /// Takes the data stage of a DNLOAD, `length` bytes at the offset that [`Answer::Receive`]
    /// named, and pads them to whole program units with what the flash holds there (0xFF when
    /// erased). False: stall the status stage.
    pub fn received(&mut self, buffer: &mut [u8], length: usize, memory: &impl Memory) -> bool {
        self.work = if self.block == 0 {
            match self.command(buffer.get(..length).unwrap_or(&[])) {
                Some(work) => work,
                None => {
                    self.refuse(Status::StalledPacket);
                    return false;
                }
            }
        } else {
            self.program(buffer, length, memory).unwrap_or(Work::Report(Status::Address))
        };
        self.state = State::DownloadSync;
        true
    }

    /// Something went wrong on the way: dfuERROR with `status`, unless there is an older error or
    /// the board is leaving.
    pub(crate) fn refuse(&mut self, status: Status) -> Answer {
        if !matches!(self.state, State::Error | State::Manifest | State::ManifestWaitReset) {
            self.state = State::Error;
            self.status = status;
            self.work = Work::None;
        }
        Answer::Stall
    }

    /// The next thing to do, if there is one. Call it when endpoint 0 is idle.
    pub fn take_job(&mut self) -> Option<Job> {
        if self.running {
            return None;
        }
        let job = match (self.state, self.work) {
            (State::DownloadBusy, Work::Erase { next, end }) => Job::Erase(self.next_sector(next, end)?),
            (State::DownloadBusy, Work::Program { address, length }) => Job::Program { address, length },
            (State::DownloadBusy, Work::Unprotect) => Job::ReadUnprotect,
            (State::Manifest, Work::Leave) => {
                self.state = State::ManifestWaitReset;
                return Some(Job::Leave);
            }
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
                (_, Work::Program { .. }) => Status::Program,
                (_, Work::Unprotect) => Status::Vendor,
                _ => Status::Erase,
            });
            return;
        }
        if let Work::Erase { next, end } = self.work
            && let Some(sector) = self.next_sector(next, end)
        {
            let next = sector.base.saturating_add(sector.size);
            if self.next_sector(next, end).is_some() {
                self.work = Work::Erase { next, end };
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
            self.work = Work::None;
        }
    }

    /// Between transfers.
    fn is_quiet(&self) -> bool {
        matches!(self.state, State::Idle | State::DownloadIdle | State::UploadIdle)
    }

    /// The transition that GETSTATUS makes; the poll time-out in milliseconds.
    fn advance(&mut self) -> u32 {
        match (self.state, self.work) {
            (State::DownloadSync, Work::None) => self.state = State::DownloadIdle,
            (State::DownloadSync, _) => self.state = State::DownloadBusy,
            (State::DownloadBusy, Work::Report(status)) => {
                self.work = Work::None;
                self.state = State::DownloadIdle;
                if status != Status::Ok {
                    self.refuse(status);
                }
            }
            (State::ManifestSync, _) => {
                self.state = State::Manifest;
                self.work = Work::Leave;
            }
            _ => {}
        }
        if self.state == State::DownloadBusy { self.remaining_ms().min(0x00FF_FFFF) } else { 0 }
    }

    /// How long the work takes from here.
    fn remaining_ms(&self) -> u32 {
        match (self.work, self.config) {
            (Work::Erase { mut next, end }, _) => {
                let mut sum: u32 = 0;
                while let Some(sector) = self.next_sector(next, end) {
                    sum = sum.saturating_add(sector.erase_ms);
                    next = sector.base.saturating_add(sector.size);
                }
                // dfu-util takes exactly 100 for a lie and waits 35 s.
                if sum == 100 { 101 } else { sum }
            }
            (Work::Program { length, .. }, Some(config)) => {
                (length >> config.psize()).saturating_mul(config.program_ns()).div_ceil(1_000_000).max(1)
            }
            _ => 0,
        }
    }

    fn download(&mut self, setup: &Setup) -> Answer {
        let expected = matches!(self.state, State::Idle | State::DownloadIdle);
        if !expected || self.running || setup.length > self.transfer_size() {
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
            _ => Answer::Receive((self.address & (self.unit() - 1)) as usize),
        }
    }

    fn command(&mut self, bytes: &[u8]) -> Option<Work> {
        let status = match *bytes {
            [command::SET_ADDRESS, a, b, c, d] => {
                let address = u32::from_le_bytes([a, b, c, d]);
                let (base, length) = self.flash();
                if address.wrapping_sub(base) < length {
                    self.address = address;
                    Status::Ok
                } else {
                    Status::Address
                }
            }
            [command::ERASE, a, b, c, d] => {
                let address = u32::from_le_bytes([a, b, c, d]);
                match self.sectors(|region| address.wrapping_sub(region.base) / region.sector_size) {
                    Some(sector) => {
                        return Some(Work::Erase { next: sector.base, end: sector.base + 1 });
                    }
                    None => Status::Address,
                }
            }
            [command::ERASE] if self.next_sector(0, u32::MAX).is_some() => {
                return Some(Work::Erase { next: 0, end: u32::MAX });
            }
            [command::ERASE] => Status::Address,
            [command::READ_UNPROTECT] if self.config.is_some_and(|c| c.read_unprotect()) => {
                return Some(Work::Unprotect);
            }
            [command::READ_UNPROTECT] => Status::Vendor,
            _ => return None,
        };
        Some(Work::Report(status))
    }

    fn program(&self, buffer: &mut [u8], length: usize, memory: &impl Memory) -> Option<Work> {
        let first = self.block_address(self.block)?;
        let mask = self.unit() - 1;
        let front = (first & mask) as usize;
        let address = first - front as u32;
        let padded = (front + length + mask as usize) & !(mask as usize);
        if !self.is_writable(address, padded as u32) {
            return None;
        }
        for (i, byte) in buffer.get_mut(..padded)?.iter_mut().enumerate() {
            if i < front || i >= front + length {
                *byte = memory.bytes(address + i as u32, 1)?.first().copied()?;
            }
        }
        Some(Work::Program { address, length: padded as u32 })
    }

    fn upload(&mut self, setup: &Setup, reply: &mut [u8]) -> Answer {
        let expected = matches!(self.state, State::Idle | State::UploadIdle);
        if !expected || setup.value == 1 || setup.length == 0 || setup.length > self.transfer_size() {
            return self.refuse(Status::StalledPacket);
        }
        let (answer, length) = if setup.value == 0 {
            let list = [command::GET, command::SET_ADDRESS, command::ERASE, command::READ_UNPROTECT];
            reply[..4].copy_from_slice(&list);
            // The last one is listed only where it is allowed.
            let length = 3 + self.config.is_some_and(|c| c.read_unprotect()) as usize;
            (Answer::Reply(length), length as u32)
        } else {
            let (base, size) = self.flash();
            let address = self.block_address(setup.value).unwrap_or(u32::MAX);
            let offset = address.wrapping_sub(base);
            if offset >= size {
                return self.refuse(Status::Address);
            }
            let length = (size - offset).min(setup.length.into());
            (Answer::Upload { address, length }, length)
        };
        // A short answer ends the upload.
        self.state = if length < setup.length.into() { State::Idle } else { State::UploadIdle };
        answer
    }

    /// Address of a data block, block numbers counting from 2.
    fn block_address(&self, block: u16) -> Option<u32> {
        let offset = u32::from(block.checked_sub(2)?) * u32::from(self.transfer_size());
        self.address.checked_add(offset)
    }

    /// Bytes that are programmed at once.
    fn unit(&self) -> u32 {
        self.config.map_or(1, |c| 1 << c.psize())
    }

    /// Base and length of what can be read.
    fn flash(&self) -> (u32, u32) {
        let Some(config) = self.config else {
            return FALLBACK_FLASH;
        };
        let mut regions = config.regions();
        let base = regions.next().map_or(0, |r| r.base);
        let end = config.regions().last().map_or(0, |r| r.base.wrapping_add(region_length(&r)));
        (base, end.wrapping_sub(base))
    }

    /// All of `address .. address + length` is in one slot and in writable sectors.
    fn is_writable(&self, address: u32, length: u32) -> bool {
        let Some(config) = self.config else {
            return false;
        };
        let in_slot = config.slots().any(|s| s.contains(address, length));
        in_slot && !config.regions().any(|r| !r.writable && overlaps(&r, address, length))
    }

    /// The first writable sector that begins in `next..end`.
    fn next_sector(&self, next: u32, end: u32) -> Option<Sector> {
        self.sectors(|region| next.saturating_sub(region.base).div_ceil(region.sector_size))
            .filter(|sector| sector.base < end)
    }

    /// The sector by index in the first writable region that has it.
    fn sectors(&self, index: impl Fn(&Region) -> u32) -> Option<Sector> {
        let config = self.config?;
        config.regions().find_map(|region| {
            let index = index(&region);
            let sector = Sector {
                number: region.first.wrapping_add(index as u8),
                base: region.base.wrapping_add(index.wrapping_mul(region.sector_size)),
                size: region.sector_size,
                erase_ms: region.erase_ms,
            };
            let writable = region.writable && index < region.count.into();
            // A block that marks a sector outside the slots as writable does not make it so.
            (writable && config.slots().any(|s| s.contains(sector.base, sector.size))).then_some(sector)
        })
    }
}

fn region_length(region: &Region) -> u32 {
    region.sector_size.wrapping_mul(region.count.into())
}

fn overlaps(region: &Region, address: u32, length: u32) -> bool {
    address.wrapping_sub(region.base) < region_length(region) || region.base.wrapping_sub(address) < length
}
