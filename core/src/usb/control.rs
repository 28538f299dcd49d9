//! The engine of endpoint 0: packets in, steps out.
//!
//! It cuts answers into packets, gathers DNLOAD data in the caller's block buffer, answers the
//! standard and vendor requests and passes the class requests on to [`Device`].
//! The driver underneath accepts every SETUP, carries out the [`Step`], and reports back with
//! [`Control::in_done`] and [`Control::out_packet`].

use super::descriptor::{self, Identity, REPLY, Reply, kind, put};
use super::{PACKET, Setup};
use crate::config::Config;
use crate::dfu::device::{Answer, Device, Job};
use crate::dfu::request;
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

/// bRequest of the one standard request that is not in the table.
const GET_DESCRIPTOR: u8 = 6;

/// What a standard request does.
#[derive(Clone, Copy)]
enum Does {
    Nothing,
    SetAddress,
    SetConfiguration,
    TellZero,
    TellZeros,
    TellConfiguration,
}

/// bmRequestType, bRequest and greatest wValue of the standard requests (USB 2.0, table 9-3). The one
/// interface, its one setting and the one feature (ENDPOINT_HALT) have the number 0.
const STANDARD: [(u8, u8, u8, Does); 9] = [
    // GET_STATUS: powered by the bus, no remote wake-up; endpoint 0 is never found halted.
    (0x80, 0, 0, Does::TellZeros),
    (0x81, 0, 0, Does::TellZeros),
    (0x82, 0, 0, Does::TellZeros),
    // CLEAR_FEATURE, SET_ADDRESS.
    (0x02, 1, 0, Does::Nothing),
    (0x00, 5, 127, Does::SetAddress),
    // GET_CONFIGURATION, SET_CONFIGURATION.
    (0x80, 8, 0, Does::TellConfiguration),
    (0x00, 9, 1, Does::SetConfiguration),
    // GET_INTERFACE, SET_INTERFACE.
    (0x81, 10, 0, Does::TellZero),
    (0x01, 11, 0, Does::Nothing),
];

/// The engine.
///
/// The order of the fields is kept: what is small and used often is in reach of short instructions.
#[derive(Debug)]
#[repr(C)]
pub struct Control<'a> {
    stage: Stage,
    /// The address in force, and the one that comes into force with the status stage.
    address: u8,
    next_address: u8,
    configuration: u8,
    /// An empty packet has to end the data stage: it is shorter than asked for, and full packets only.
    empty_packet: bool,
    /// Bytes of the data stage so far.
    done: u16,
    /// Bytes of the data stage in all.
    total: u16,
    /// How many of them are the packet that is being sent.
    length: u16,
    /// Offset of the data stage in the block buffer.
    offset: u16,
    /// Where an answer from memory begins.
    memory: Option<u32>,
    dfu: Device<'a>,
    identity: Identity<'a>,
    info: info::Answer,
    /// The answer, or the current packet of it if it comes from memory.
    reply: Reply,
}

impl<'a> Control<'a> {
    /// For the sealed configuration, or for none. `unique_id` is the chip's 96 bits in the order of
    /// their bytes in memory.
    pub fn new(config: Option<Config<'a>>, unique_id: &'a [u8; 12]) -> Self {
        let identity = Identity::new(config, unique_id);
        Self {
            stage: Stage::Idle,
            address: 0,
            next_address: 0,
            configuration: 0,
            empty_packet: false,
            done: 0,
            total: 0,
            length: 0,
            offset: 0,
            memory: None,
            dfu: Device::new(config, identity.transfer_size()),
            identity,
            info: info::Answer::EMPTY,
            reply: [0; REPLY],
        }
    }

    /// What the info request answers from now on.
    pub fn info(&mut self) -> &mut info::Answer {
        &mut self.info
    }

    /// The bytes that [`Step::Send`] sends, from `memory` where the host reads it.
    pub fn packet<'m>(&'m self, memory: &'m impl Memory) -> &'m [u8] {
        let start = self.done - self.length;
        match self.memory {
            Some(address) => memory.bytes(address.wrapping_add(start.into()), self.length.into()),
            None => self.reply.get(start.into()..self.done.into()),
        }
        .unwrap_or(&[])
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
    #[inline(never)]
    pub fn setup(&mut self, bytes: &[u8; 8], memory: &impl Memory) -> Step {
        let setup = Setup::decode(bytes);
        let answer = match setup.request_type {
            0x00..=0x02 | 0x80..=0x82 => self.standard(&setup),
            request::OUT | request::IN if setup.index == 0 => {
                self.dfu.request(&setup, &mut self.reply, memory)
            }
            0xC0 => self.vendor(&setup),
            _ => Answer::Stall,
        };
        self.next_address = self.address;
        self.memory = None;
        self.done = 0;
        self.total = setup.length;
        let available = match answer {
            Answer::Stall => return self.stall(),
            Answer::Acknowledge => return self.status_in(),
            Answer::Receive(offset) => {
                self.stage = Stage::DataOut;
                self.offset = offset as u16;
                return Step::Receive;
            }
            Answer::Address(address) => {
                let address = address as u8;
                self.next_address = address;
                self.status_in();
                return Step::Address(address);
            }
            Answer::Reply(length) => length as u16,
            Answer::Memory(address) => {
                self.memory = Some(address);
                setup.length
            }
        };
        if setup.length == 0 {
            // Without a data stage the status stage is IN (USB 2.0, 8.5.3).
            return self.status_in();
        }
        self.empty_packet = available < setup.length && available.is_multiple_of(PACKET as u16);
        self.total = available.min(setup.length);
        self.stage = Stage::DataIn;
        self.next_in()
    }

    /// An OUT packet came. `block` is the block buffer: transfer size and
    /// [`crate::dfu::device::PADDING`] long, and left alone while a [`Job::Program`] is under way.
    #[inline(never)]
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
    pub fn in_done(&mut self) -> Step {
        match self.stage {
            Stage::DataIn => self.next_in(),
            Stage::StatusIn => {
                self.stage = Stage::Idle;
                self.address = self.next_address;
                Step::Done
            }
            _ => Step::Done,
        }
    }

    fn next_in(&mut self) -> Step {
        self.length = (self.total - self.done).min(PACKET as u16);
        if self.length == 0 && !core::mem::take(&mut self.empty_packet) {
            self.stage = Stage::StatusOut;
            return Step::Receive;
        }
        self.done += self.length;
        Step::Send(self.length as u8)
    }

    fn data_out(&mut self, data: &[u8], block: &mut [u8], memory: &impl Memory) -> Step {
        // Each packet but the last is full, and the last one ends where wLength said.
        let expected = (self.total - self.done).min(PACKET as u16);
        if data.len() != expected.into() {
            return self.stall();
        }
        put(block.get_mut((self.offset + self.done).into()..).unwrap_or_default(), data);
        self.done += expected;
        if self.done < self.total {
            return Step::Receive;
        }
        if self.dfu.received(block, self.total, memory) { self.status_in() } else { self.stall() }
    }

    fn status_in(&mut self) -> Step {
        self.stage = Stage::StatusIn;
        self.length = 0;
        Step::Send(0)
    }

    fn stall(&mut self) -> Step {
        self.stage = Stage::Idle;
        Step::Stall
    }

    fn vendor(&mut self, setup: &Setup) -> Answer {
        Answer::Reply(match (setup.request, setup.value, setup.index) {
            (descriptor::COMPATIBLE_ID_REQUEST, _, descriptor::COMPATIBLE_ID_INDEX) => {
                put(&mut self.reply, &descriptor::COMPATIBLE_ID)
            }
            (info::REQUEST, 0, 0) => put(&mut self.reply, self.info.bytes()),
            _ => return Answer::Stall,
        })
    }

    /// USB 2.0, section 9.4.
    #[inline(never)]
    fn standard(&mut self, setup: &Setup) -> Answer {
        if setup.request_type == 0x80 && setup.request == GET_DESCRIPTOR {
            return self.descriptor(setup.value);
        }
        // There is one interface, number 0, and endpoint 0 in either direction.
        let endpoint = setup.request_type & 3 == 2;
        if setup.index & !(0x80 * u16::from(endpoint)) != 0 || (!setup.is_in() && setup.length != 0) {
            return Answer::Stall;
        }
        let asked = |(request_type, request, most, _): &&(u8, u8, u8, Does)| {
            *request_type == setup.request_type && *request == setup.request && setup.value <= (*most).into()
        };
        let Some((.., does)) = STANDARD.iter().find(asked) else {
            return Answer::Stall;
        };
        [self.reply[0], self.reply[1]] = [0, 0];
        match does {
            Does::Nothing => Answer::Acknowledge,
            Does::SetAddress => Answer::Address(setup.value.into()),
            Does::SetConfiguration => {
                self.configuration = setup.value as u8;
                Answer::Acknowledge
            }
            Does::TellZero => Answer::Reply(1),
            Does::TellZeros => Answer::Reply(2),
            Does::TellConfiguration => {
                self.reply[0] = self.configuration;
                Answer::Reply(1)
            }
        }
    }

    fn descriptor(&mut self, value: u16) -> Answer {
        let [index, kind] = value.to_le_bytes();
        let reply = &mut self.reply;
        let length = match (kind, index) {
            (kind::DEVICE, 0) => Some(self.identity.device(reply)),
            (kind::CONFIGURATION, 0) => Some(self.identity.configuration(reply)),
            (kind::STRING, _) => self.identity.string(index, reply),
            // The device qualifier among them: full speed only.
            _ => None,
        };
        length.map_or(Answer::Stall, Answer::Reply)
    }
}
