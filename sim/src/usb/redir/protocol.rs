//! Messages of the usbredir protocol 0.7 as bytes: what a usb host end sends and takes.
//!
//! Numbers and layouts follow usbredir-protocol.txt of the usbredir project. Checks lengths once, here; knows nothing
//! of devices. Leaves out isochronous streams, bulk streams, buffered bulk and device filters.

use std::fmt;

/// Capabilities by bit number.
pub mod cap {
    pub const DEVICE_VERSION: u32 = 1 << 1;
    pub const DISCONNECT_ACK: u32 = 1 << 3;
    pub const MAX_PACKET_SIZE: u32 = 1 << 4;
    pub const IDS_64: u32 = 1 << 5;
    pub const BULK_LENGTH_32: u32 = 1 << 6;
    /// All that this end speaks. QEMU's xHCI wants bit 6.
    pub const OURS: u32 = DEVICE_VERSION | DISCONNECT_ACK | MAX_PACKET_SIZE | IDS_64 | BULK_LENGTH_32;
}

/// Message types.
mod kind {
    pub const HELLO: u32 = 0;
    pub const DEVICE_CONNECT: u32 = 1;
    pub const DEVICE_DISCONNECT: u32 = 2;
    pub const RESET: u32 = 3;
    pub const INTERFACE_INFO: u32 = 4;
    pub const EP_INFO: u32 = 5;
    pub const SET_CONFIGURATION: u32 = 6;
    pub const GET_CONFIGURATION: u32 = 7;
    pub const CONFIGURATION_STATUS: u32 = 8;
    pub const SET_ALT_SETTING: u32 = 9;
    pub const GET_ALT_SETTING: u32 = 10;
    pub const ALT_SETTING_STATUS: u32 = 11;
    pub const START_INTERRUPT: u32 = 15;
    pub const STOP_INTERRUPT: u32 = 16;
    pub const INTERRUPT_STATUS: u32 = 17;
    pub const CANCEL: u32 = 21;
    pub const FILTER_REJECT: u32 = 22;
    pub const FILTER: u32 = 23;
    pub const DISCONNECT_ACK: u32 = 24;
    pub const CONTROL: u32 = 100;
    pub const BULK: u32 = 101;
    pub const INTERRUPT: u32 = 103;
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Success = 0,
    Cancelled = 1,
    IoError = 3,
    Stall = 4,
    Timeout = 5,
    Babble = 6,
}

/// What the guest's end asks for. `id` is echoed in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Hello {
        capabilities: u32,
    },
    Reset,
    SetConfiguration {
        id: u64,
        value: u8,
    },
    GetConfiguration {
        id: u64,
    },
    SetInterface {
        id: u64,
        interface: u8,
        setting: u8,
    },
    GetInterface {
        id: u64,
        interface: u8,
    },
    StartInterrupt {
        id: u64,
        endpoint: u8,
    },
    StopInterrupt {
        id: u64,
        endpoint: u8,
    },
    Cancel {
        id: u64,
    },
    DisconnectAck,
    Control {
        id: u64,
        endpoint: u8,
        setup: [u8; 8],
        data: Vec<u8>,
    },
    Bulk {
        id: u64,
        endpoint: u8,
        length: usize,
        stream: u32,
        data: Vec<u8>,
    },
    Interrupt {
        id: u64,
        endpoint: u8,
        data: Vec<u8>,
    },
    /// Filters and messages that need no answer from this end.
    Ignored,
}

/// The other end broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "usbredir: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// One interface of the device's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    pub number: u8,
    pub class: [u8; 3],
}

/// One endpoint of the device's configuration; `kind` is control 0, iso 1, bulk 2, interrupt 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointInfo {
    pub address: u8,
    pub kind: u8,
    pub interval: u8,
    pub interface: u8,
    pub packet: u16,
}

/// Longest message accepted: no guest sends more in one transfer.
const LONGEST: usize = 16 << 20;

/// The codec of one connection: collects bytes, gives requests, writes answers with the agreed capabilities.
#[derive(Debug, Default)]
pub struct Codec {
    input: Vec<u8>,
    /// Bytes to be sent.
    pub output: Vec<u8>,
    peer: Option<u32>,
}

impl Codec {
    fn agreed(&self, capability: u32) -> bool {
        self.peer.is_some_and(|peer| peer & capability != 0)
    }

    /// The other end acknowledges a disconnect.
    pub fn acknowledges_disconnect(&self) -> bool {
        self.agreed(cap::DISCONNECT_ACK)
    }

    /// Bytes that came in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next complete request.
    pub fn next(&mut self) -> Result<Option<Request>, Malformed> {
        let header = if self.agreed(cap::IDS_64) { 16 } else { 12 };
        if self.input.len() < header {
            return Ok(None);
        }
        let kind = word(&self.input, 0);
        let length = word(&self.input, 4) as usize;
        let id = match header {
            16 => u64::from(word(&self.input, 8)) | u64::from(word(&self.input, 12)) << 32,
            _ => u64::from(word(&self.input, 8)),
        };
        if length > LONGEST {
            return Err(Malformed(format!("a message of {length} bytes")));
        }
        if self.input.len() < header + length {
            return Ok(None);
        }
        let body: Vec<u8> = self.input.drain(..header + length).skip(header).collect();
        self.decode(kind, id, &body).map(Some)
    }

    fn decode(&mut self, kind: u32, id: u64, body: &[u8]) -> Result<Request, Malformed> {
        let need = |length: usize| {
            let short = || Malformed(format!("message {kind} has {} bytes, {length} needed", body.len()));
            body.get(..length).ok_or_else(short)
        };
        Ok(match kind {
            kind::HELLO => {
                need(64)?;
                let capabilities = if body.len() >= 68 { word(body, 64) } else { 0 };
                self.peer = Some(capabilities & cap::OURS);
                Request::Hello { capabilities }
            }
            kind::RESET => Request::Reset,
            kind::SET_CONFIGURATION => Request::SetConfiguration { id, value: need(1)?[0] },
            kind::GET_CONFIGURATION => Request::GetConfiguration { id },
            kind::SET_ALT_SETTING => {
                let body = need(2)?;
                Request::SetInterface { id, interface: body[0], setting: body[1] }
            }
            kind::GET_ALT_SETTING => Request::GetInterface { id, interface: need(1)?[0] },
            kind::START_INTERRUPT => Request::StartInterrupt { id, endpoint: need(1)?[0] },
            kind::STOP_INTERRUPT => Request::StopInterrupt { id, endpoint: need(1)?[0] },
            kind::CANCEL => Request::Cancel { id },
            kind::DISCONNECT_ACK => Request::DisconnectAck,
            kind::FILTER_REJECT => return Err(Malformed("the device was refused by the guest's end".into())),
            kind::FILTER => Request::Ignored,
            kind::CONTROL => {
                need(10)?;
                // endpoint, bRequest, bmRequestType, status, wValue, wIndex, wLength
                let setup = [body[2], body[1], body[4], body[5], body[6], body[7], body[8], body[9]];
                Request::Control { id, endpoint: body[0], setup, data: body[10..].to_vec() }
            }
            kind::BULK => {
                let header = if self.agreed(cap::BULK_LENGTH_32) { 10 } else { 8 };
                need(header)?;
                let high = if header == 10 { half(body, 8) } else { 0 };
                let length = usize::from(half(body, 2)) | usize::from(high) << 16;
                let stream = word(body, 4);
                Request::Bulk { id, endpoint: body[0], length, stream, data: body[header..].to_vec() }
            }
            kind::INTERRUPT => {
                need(4)?;
                Request::Interrupt { id, endpoint: body[0], data: body[4..].to_vec() }
            }
            other => return Err(Malformed(format!("message type {other} is not spoken here"))),
        })
    }

    fn write(&mut self, kind: u32, id: u64, body: &[u8]) {
        self.output.extend_from_slice(&kind.to_le_bytes());
        self.output.extend_from_slice(&(body.len() as u32).to_le_bytes());
        // The hello still has a 32-bit id: nothing is agreed yet when it is written.
        match self.agreed(cap::IDS_64) {
            true => self.output.extend_from_slice(&id.to_le_bytes()),
            false => self.output.extend_from_slice(&(id as u32).to_le_bytes()),
        }
        self.output.extend_from_slice(body);
    }

    pub fn hello(&mut self) {
        let mut body = [0; 68];
        let name = b"surefoot virtual board";
        body[..name.len()].copy_from_slice(name);
        body[64..].copy_from_slice(&cap::OURS.to_le_bytes());
        self.write(kind::HELLO, 0, &body);
    }

    /// A full-speed device by its descriptor: interfaces and endpoints first, as the protocol asks.
    pub fn connect(&mut self, device: &[u8], interfaces: &[Interface], endpoints: &[EndpointInfo]) {
        self.write(kind::INTERFACE_INFO, 0, &interface_info(interfaces));
        let body = ep_info(endpoints, self.agreed(cap::MAX_PACKET_SIZE));
        self.write(kind::EP_INFO, 0, &body);
        const FULL_SPEED: u8 = 1;
        let mut body = vec![FULL_SPEED, device[4], device[5], device[6]];
        body.extend_from_slice(&device[8..12]);
        if self.agreed(cap::DEVICE_VERSION) {
            body.extend_from_slice(&device[12..14]);
        }
        self.write(kind::DEVICE_CONNECT, 0, &body);
    }

    pub fn disconnect(&mut self) {
        self.write(kind::DEVICE_DISCONNECT, 0, &[]);
    }

    pub fn configuration_status(&mut self, id: u64, status: Status, value: u8) {
        self.write(kind::CONFIGURATION_STATUS, id, &[status as u8, value]);
    }

    pub fn interface_status(&mut self, id: u64, status: Status, interface: u8, setting: u8) {
        self.write(kind::ALT_SETTING_STATUS, id, &[status as u8, interface, setting]);
    }

    pub fn interrupt_status(&mut self, id: u64, status: Status, endpoint: u8) {
        self.write(kind::INTERRUPT_STATUS, id, &[status as u8, endpoint]);
    }

    /// The end of a control transfer: `length` bytes moved, `data` only towards the guest.
    pub fn control(
        &mut self,
        id: u64,
        endpoint: u8,
        setup: &[u8; 8],
        status: Status,
        length: u16,
        data: &[u8],
    ) {
        let mut body = vec![endpoint, setup[1], setup[0], status as u8];
        body.extend_from_slice(&setup[2..6]);
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(data);
        self.write(kind::CONTROL, id, &body);
    }

    pub fn bulk(&mut self, id: u64, endpoint: u8, stream: u32, status: Status, length: usize, data: &[u8]) {
        let mut body = vec![endpoint, status as u8];
        body.extend_from_slice(&(length as u16).to_le_bytes());
        body.extend_from_slice(&stream.to_le_bytes());
        if self.agreed(cap::BULK_LENGTH_32) {
            body.extend_from_slice(&((length >> 16) as u16).to_le_bytes());
        }
        body.extend_from_slice(data);
        self.write(kind::BULK, id, &body);
    }

    pub fn interrupt(&mut self, id: u64, endpoint: u8, status: Status, length: usize, data: &[u8]) {
        let mut body = vec![endpoint, status as u8];
        body.extend_from_slice(&(length as u16).to_le_bytes());
        body.extend_from_slice(data);
        self.write(kind::INTERRUPT, id, &body);
    }
}

fn interface_info(interfaces: &[Interface]) -> Vec<u8> {
    let mut body = (interfaces.len() as u32).to_le_bytes().to_vec();
    let mut tables = [[0; 32]; 4];
    for (i, interface) in interfaces.iter().take(32).enumerate() {
        tables[0][i] = interface.number;
        for (table, class) in tables[1..].iter_mut().zip(interface.class) {
            table[i] = class;
        }
    }
    body.extend(tables.iter().flatten());
    body
}

fn ep_info(endpoints: &[EndpointInfo], with_sizes: bool) -> Vec<u8> {
    const UNUSED: u8 = 255;
    let (mut kinds, mut intervals, mut interfaces, mut sizes) = ([UNUSED; 32], [0; 32], [0; 32], [0_u16; 32]);
    for info in endpoints {
        let slot = usize::from(info.address & 0xF) + if info.address & 0x80 != 0 { 16 } else { 0 };
        kinds[slot] = info.kind;
        intervals[slot] = info.interval;
        interfaces[slot] = info.interface;
        sizes[slot] = info.packet;
    }
    let mut body = [kinds, intervals, interfaces].concat();
    if with_sizes {
        body.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
    }
    body
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
