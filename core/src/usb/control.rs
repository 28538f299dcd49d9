//! The engine of endpoint 0: packets in, steps out.
//!
//! It cuts answers into packets, gathers DNLOAD data in the caller's block buffer, answers the
//! standard and vendor requests and passes the class requests on to [`Device`].
//! The driver underneath accepts every SETUP, carries out the [`Step`], and reports back with
//! [`Control::in_done`] and [`Control::out_packet`].

use super::descriptor::{self, Characters, Identity, kind};
use super::{PACKET, Setup};
use crate::config::{Config, ConfigFault};
use crate::dfu::device::{Answer, Device, Job};
use crate::dfu::{Status, request};
use crate::info;
use crate::port::{FlashFault, Memory};

/// What the hardware has to do with endpoint 0 now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send [`Control::packet`] (this many bytes, 0 is an empty packet), then call
    /// [`Control::in_done`] when the host has taken it.
    Send(u8),
    /// SET_ADDRESS came. A controller that wants its address before the status stage (OTG: DAD in
    /// OTG_FS_DCFG) takes it from here; one that wants it after (USB FS: USB_DADDR) takes
    /// [`Control::address`] at the next [`Step::Done`]. Either sends an empty packet now.
    Address(u8),
    /// Be ready for an OUT packet and pass it to [`Control::out_packet`].
    Receive,
    /// STALL IN and OUT until the next SETUP.
    Stall,
    /// The transfer is over. Now is the time for [`Control::take_job`].
    Done,
}

/// Where the transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    DataIn,
    StatusOut,
    DataOut,
    StatusIn,
}

/// Where the bytes of an answer come from.
#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// They are in the packet buffer already, which holds any answer but these two:
    Packet,
    String(Characters<'a>),
    Memory(u32),
}

/// The engine.
#[derive(Debug)]
pub struct Control<'a> {
    identity: Identity<'a>,
    dfu: Device<'a>,
    info: [u8; info::LEN],
    packet: [u8; PACKET],
    stage: Stage,
    source: Source<'a>,
    /// Bytes of the data stage so far.
    done: u16,
    /// Bytes of the data stage in all.
    total: u16,
    /// An empty packet has to end the data stage: it is shorter than asked for, and full packets only.
    empty_packet: bool,
    /// Offset of the data stage in the block buffer.
    offset: u16,
    /// The address in force, and the one that comes into force with the status stage.
    address: u8,
    next_address: u8,
    configuration: u8,
}

impl<'a> Control<'a> {
    /// For the sealed configuration, or for none. `unique_id` is the chip's 96 bits in the order of
    /// their bytes in memory.
    pub fn new(config: Result<Config<'a>, ConfigFault>, unique_id: &[u8; 12]) -> Self {
        Self {
            identity: Identity::new(config, unique_id),
            dfu: Device::new(config.ok()),
            info: [0; info::LEN],
            packet: [0; PACKET],
            stage: Stage::Idle,
            source: Source::Packet,
            done: 0,
            total: 0,
            empty_packet: false,
            offset: 0,
            address: 0,
            next_address: 0,
            configuration: 0,
        }
    }

    /// What the info request answers from now on ([`info::Info::encode`]).
    pub fn set_info(&mut self, info: [u8; info::LEN]) {
        self.info = info;
    }

    /// The buffer whose first bytes [`Step::Send`] sends.
    pub fn packet(&self) -> &[u8; PACKET] {
        &self.packet
    }

    /// The device address in force.
    pub fn address(&self) -> u8 {
        self.address
    }

    /// True once the host has chosen the configuration.
    pub fn is_configured(&self) -> bool {
        self.configuration != 0
    }

    /// The DFU engine, to look at.
    pub fn dfu(&self) -> &Device<'a> {
        &self.dfu
    }

    /// The bus was reset: address 0, not configured, dfuIDLE.
    pub fn bus_reset(&mut self) {
        self.stage = Stage::Idle;
        self.address = 0;
        self.configuration = 0;
        self.dfu.bus_reset();
    }

    /// The next flash job, when no transfer is under way. So a job starts only after the status
    /// stage of the GETSTATUS that announced it.
    pub fn take_job(&mut self) -> Option<Job> {
        if self.stage == Stage::Idle { self.dfu.take_job() } else { None }
    }

    /// The result of the job taken last.
    pub fn job_done(&mut self, result: Result<(), FlashFault>) {
        self.dfu.job_done(result);
    }

    /// A SETUP packet came; it ends whatever was under way.
    pub fn setup(&mut self, bytes: &[u8; 8], memory: &impl Memory) -> Step {
        self.stage = Stage::Idle;
        let setup = Setup::decode(bytes);
        let answer = match setup.request_type & 0x60 {
            0x00 => self.standard(&setup),
            0x20 if setup.index == 0 => self.class(&setup),
            0x40 => self.vendor(&setup),
            _ => None,
        };
        match answer {
            Some(Begin::In(source, length)) => self.begin_in(source, length, setup.length, memory),
            Some(Begin::Out(offset)) => {
                self.stage = Stage::DataOut;
                self.offset = offset;
                self.done = 0;
                self.total = setup.length;
                Step::Receive
            }
            Some(Begin::Status) => {
                self.next_address = self.address;
                self.status_in()
            }
            Some(Begin::Address(address)) => {
                self.next_address = address;
                self.status_in();
                Step::Address(address)
            }
            None => Step::Stall,
        }
    }

    /// An OUT packet came. `block` is the block buffer: transfer size and
    /// [`crate::dfu::device::PADDING`] long, and left alone while a [`Job::Program`] is under way.
    pub fn out_packet(&mut self, data: &[u8], block: &mut [u8], memory: &impl Memory) -> Step {
        match self.stage {
            // The host may end the data stage early.
            Stage::StatusOut | Stage::DataIn if data.is_empty() => {
                self.stage = Stage::Idle;
                Step::Done
            }
            Stage::DataOut => self.data_out(data, block, memory),
            _ => self.stall(),
        }
    }

    /// The host took the packet of the last [`Step::Send`].
    pub fn in_done(&mut self, memory: &impl Memory) -> Step {
        match self.stage {
            Stage::DataIn => self.next_in(memory),
            Stage::StatusIn => {
                self.stage = Stage::Idle;
                self.address = self.next_address;
                Step::Done
            }
            _ => Step::Done,
        }
    }

    fn begin_in(&mut self, source: Source<'a>, length: u16, asked: u16, memory: &impl Memory) -> Step {
        if asked == 0 {
            // Without a data stage the status stage is IN (USB 2.0, 8.5.3).
            self.next_address = self.address;
            return self.status_in();
        }
        self.stage = Stage::DataIn;
        self.source = source;
        self.done = 0;
        self.total = length.min(asked);
        self.empty_packet = length < asked && length.is_multiple_of(PACKET as u16);
        self.next_in(memory)
    }

    fn next_in(&mut self, memory: &impl Memory) -> Step {
        let length = (self.total - self.done).min(PACKET as u16);
        if length == 0 && !core::mem::take(&mut self.empty_packet) {
            self.stage = Stage::StatusOut;
            return Step::Receive;
        }
        let room = self.packet.iter_mut().take(length.into());
        match self.source {
            Source::Packet => {}
            Source::String(text) => {
                for (at, byte) in (self.done..).zip(room) {
                    *byte = self.identity.string_byte(text, at);
                }
            }
            Source::Memory(address) => {
                let Some(bytes) = memory.bytes(address.wrapping_add(self.done.into()), length.into()) else {
                    self.dfu.refuse(Status::Vendor);
                    return self.stall();
                };
                room.zip(bytes).for_each(|(to, from)| *to = *from);
            }
        }
        self.done += length;
        Step::Send(length as u8)
    }

    fn data_out(&mut self, data: &[u8], block: &mut [u8], memory: &impl Memory) -> Step {
        // Each packet but the last is full, and the last one ends where wLength said.
        let expected = usize::from(self.total - self.done).min(PACKET);
        let at = usize::from(self.offset + self.done);
        let Some(room) = block.get_mut(at..at + expected) else {
            return self.stall();
        };
        if data.len() != expected {
            return self.stall();
        }
        room.copy_from_slice(data);
        self.done += expected as u16;
        if self.done < self.total {
            return Step::Receive;
        }
        if !self.dfu.received(block, self.total.into(), memory) {
            return self.stall();
        }
        self.status_in()
    }

    fn status_in(&mut self) -> Step {
        self.stage = Stage::StatusIn;
        Step::Send(0)
    }

    fn stall(&mut self) -> Step {
        self.stage = Stage::Idle;
        Step::Stall
    }

    fn class(&mut self, setup: &Setup) -> Option<Begin<'a>> {
        if !matches!(setup.request_type, request::OUT | request::IN) {
            return None;
        }
        match self.dfu.request(setup, &mut self.packet) {
            Answer::Stall => None,
            Answer::Acknowledge => Some(Begin::Status),
            Answer::Reply(length) => Some(Begin::In(Source::Packet, length as u16)),
            Answer::Upload { address, length } => Some(Begin::In(Source::Memory(address), length as u16)),
            Answer::Receive(offset) => Some(Begin::Out(offset as u16)),
        }
    }

    fn vendor(&mut self, setup: &Setup) -> Option<Begin<'a>> {
        let length = match (setup.request_type, setup.request, setup.index) {
            (0xC0, descriptor::COMPATIBLE_ID_REQUEST, descriptor::COMPATIBLE_ID_INDEX) => {
                descriptor::compatible_id(&mut self.packet)
            }
            (0xC0, info::REQUEST, 0) if setup.value == 0 => {
                self.packet = self.info;
                info::LEN
            }
            _ => return None,
        };
        Some(Begin::In(Source::Packet, length as u16))
    }

    /// USB 2.0, section 9.4.
    fn standard(&mut self, setup: &Setup) -> Option<Begin<'a>> {
        const GET_STATUS: u8 = 0;
        const CLEAR_FEATURE: u8 = 1;
        const SET_ADDRESS: u8 = 5;
        const GET_DESCRIPTOR: u8 = 6;
        const GET_CONFIGURATION: u8 = 8;
        const SET_CONFIGURATION: u8 = 9;
        const GET_INTERFACE: u8 = 10;
        const SET_INTERFACE: u8 = 11;

        if !setup.is_in() && setup.length != 0 {
            return None;
        }
        // The one interface, and endpoint 0 in either direction.
        let endpoint = setup.index & !0x80;
        let zero = setup.value == 0 && setup.index == 0;
        self.packet[..2].fill(0);
        let length = match (setup.request_type, setup.request) {
            (0x80, GET_DESCRIPTOR) => return self.descriptor(setup.value),
            // Powered by the bus, no remote wake-up; endpoint 0 is not halted.
            (0x80 | 0x81, GET_STATUS) if zero => 2,
            (0x82, GET_STATUS) if endpoint == 0 && setup.value == 0 => 2,
            (0x81, GET_INTERFACE) if zero => 1,
            (0x80, GET_CONFIGURATION) if zero => {
                self.packet[0] = self.configuration;
                1
            }
            (0x00, SET_ADDRESS) if setup.value < 128 => return Some(Begin::Address(setup.value as u8)),
            (0x00, SET_CONFIGURATION) if setup.value < 2 => {
                self.configuration = setup.value as u8;
                return Some(Begin::Status);
            }
            (0x01, SET_INTERFACE) if zero => return Some(Begin::Status),
            // ENDPOINT_HALT of endpoint 0: each SETUP clears it.
            (0x02, CLEAR_FEATURE) if endpoint == 0 && setup.value == 0 => return Some(Begin::Status),
            _ => return None,
        };
        Some(Begin::In(Source::Packet, length))
    }

    fn descriptor(&mut self, value: u16) -> Option<Begin<'a>> {
        let [index, kind] = value.to_le_bytes();
        let length = match (kind, index) {
            (kind::DEVICE, 0) => self.identity.device(&mut self.packet),
            (kind::CONFIGURATION, 0) => {
                self.identity.configuration(self.dfu.transfer_size(), &mut self.packet)
            }
            (kind::STRING, 0) => descriptor::languages(&mut self.packet),
            (kind::STRING, _) => {
                let text = self.identity.characters(index)?;
                return Some(Begin::In(Source::String(text), self.identity.string_length(text)));
            }
            // The device qualifier among them: full speed only.
            _ => return None,
        };
        Some(Begin::In(Source::Packet, length as u16))
    }
}

/// How an accepted request goes on.
enum Begin<'a> {
    In(Source<'a>, u16),
    Out(u16),
    Status,
    Address(u8),
}
