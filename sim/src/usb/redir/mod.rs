//! A usbredir server in front of a board: the board as a device of QEMU's xHCI, or of anything that speaks usbredir.
//!
//! Plays the usb host role of the protocol on a connected socket: it enumerates the board with [`UsbHost`], announces
//! it, carries out the guest's transfers, and unplugs and announces it anew when the board goes away and comes back.
//! Simulated time follows the wall clock while the guest is quiet and runs ahead of it inside a transfer.
//! Leaves out isochronous and stream transfers (refused as malformed).

mod protocol;
#[cfg(test)]
mod tests;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::host::{Enumerated, Error, Port, UsbHost, configuration_parts};
use crate::time::Nanos;
use protocol::{Codec, EndpointInfo, Interface, Request, Status};

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The guest's end has not said hello.
    Greeting,
    /// No device is announced.
    Empty,
    /// A device is announced.
    Present,
    /// The disconnect waits for its acknowledgement.
    Leaving,
}

/// A bulk or interrupt transfer that the device has not finished.
#[derive(Debug)]
struct Pending {
    id: u64,
    endpoint: u8,
    interrupt: bool,
    stream: u32,
    length: usize,
    data: Vec<u8>,
    sent: usize,
}

/// A control transfer as the guest asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its SETUP packet.
    pub setup: [u8; 8],
    /// The first bytes of what it sends to the device, at most [`Control::HEAD`].
    pub head: Vec<u8>,
}

impl Control {
    /// Bytes kept of the data: enough for a DfuSe command.
    pub const HEAD: usize = 8;
}

/// Most control transfers remembered, so that nobody who never asks pays for it.
const REMEMBERED: usize = 100_000;

/// The server's end of one connection.
#[derive(Debug)]
pub struct Redirector {
    socket: UnixStream,
    codec: Codec,
    host: UsbHost,
    state: State,
    configuration: u8,
    /// Chosen alternate setting by interface.
    settings: [u8; 32],
    pending: Vec<Pending>,
    /// Endpoints from which interrupt packets are wanted.
    receiving: Vec<u8>,
    /// The wall clock's instant that stands for a simulated one.
    anchor: Option<(Instant, Nanos)>,
    /// Simulated nanoseconds for each of the wall clock's.
    speed: f64,
    /// No attempt to enumerate before.
    retry_at: Nanos,
    controls: Vec<Control>,
}

/// Longest stretch of simulated time in which no message is looked at.
const SLICE: Nanos = Nanos::millis(5);
/// Time for one attempt at a transfer that the device may leave pending.
const ATTEMPT: Nanos = Nanos::micros(500);

impl Redirector {
    /// Starts on a connected socket: says hello. `speed` is simulated time per wall time while nothing is asked;
    /// 1.0 is real time.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub fn new(socket: UnixStream, speed: f64) -> std::io::Result<Self> {
        let mut new = Self {
            socket,
            codec: Codec::default(),
            host: UsbHost::default(),
            state: State::Greeting,
            configuration: 0,
            settings: [0; 32],
            pending: Vec::new(),
            receiving: Vec::new(),
            anchor: None,
            speed,
            retry_at: Nanos(0),
            controls: Vec::new(),
        };
        new.codec.hello();
        new.flush()?;
        Ok(new)
    }

    /// Whether a device is announced to the guest now.
    pub fn is_present(&self) -> bool {
        self.state == State::Present
    }

    /// The guest's control transfers since the last call, oldest first.
    pub fn take_controls(&mut self) -> Vec<Control> {
        std::mem::take(&mut self.controls)
    }

    /// Plugs the cable in. Also needed once at the start.
    pub fn plug(&mut self, port: &mut impl Port) {
        self.host.plug(port);
    }

    /// Pulls the cable, in the middle of whatever is under way.
    pub fn unplug(&mut self, port: &mut impl Port) {
        self.host.unplug(port);
    }

    /// One round: takes what the guest sent within `wait`, carries it out, and lets simulated time follow the wall
    /// clock. False when the guest closed the connection.
    ///
    /// # Errors
    ///
    /// The socket's; a guest that breaks the protocol is [`ErrorKind::InvalidData`].
    pub fn poll(&mut self, port: &mut impl Port, wait: Duration) -> std::io::Result<bool> {
        match self.round(port, wait) {
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                Ok(false)
            }
            result => result,
        }
    }

    fn round(&mut self, port: &mut impl Port, wait: Duration) -> std::io::Result<bool> {
        self.socket.set_read_timeout(Some(wait.max(Duration::from_micros(100))))?;
        let mut buffer = [0; 16384];
        match self.socket.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => self.codec.feed(&buffer[..length]),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
        self.follow_wall_clock(port);
        while let Some(request) = self.codec.next().map_err(invalid)? {
            self.carry_out(port, request);
            self.anchor = Some((Instant::now(), port.now()));
            self.flush()?;
        }
        self.try_pending(port);
        self.watch_device(port);
        self.flush()?;
        Ok(true)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let output = std::mem::take(&mut self.codec.output);
        self.socket.write_all(&output)
    }

    /// Simulated time catches up with the wall clock, in slices so that a slow board does not keep the guest waiting.
    fn follow_wall_clock(&mut self, port: &mut impl Port) {
        let (then, simulated) = *self.anchor.get_or_insert_with(|| (Instant::now(), port.now()));
        let goal = simulated + Nanos((then.elapsed().as_nanos() as f64 * self.speed) as u64);
        let behind = goal.since(port.now());
        if behind > Nanos(0) {
            self.host.idle(port, behind.min(SLICE));
        }
        if behind > SLICE {
            self.anchor = Some((Instant::now(), port.now()));
        }
    }

    fn carry_out(&mut self, port: &mut impl Port, request: Request) {
        match request {
            Request::Hello { .. } => self.state = State::Empty,
            Request::Ignored => {}
            Request::DisconnectAck => {
                if self.state == State::Leaving {
                    self.state = State::Empty;
                }
            }
            Request::Reset => self.reset(port),
            Request::SetConfiguration { id, value } => {
                let result = self.host.set_configuration(port, value);
                if result.is_ok() {
                    self.configuration = value;
                    self.settings = [0; 32];
                }
                self.codec.configuration_status(id, status(result), self.configuration);
            }
            Request::GetConfiguration { id } => {
                self.codec.configuration_status(id, Status::Success, self.configuration);
            }
            Request::SetInterface { id, interface, setting } => {
                self.set_interface(port, id, interface, setting)
            }
            Request::GetInterface { id, interface } => {
                let setting = self.settings[usize::from(interface & 31)];
                self.codec.interface_status(id, Status::Success, interface, setting);
            }
            Request::StartInterrupt { id, endpoint } => {
                self.receiving.push(endpoint);
                self.codec.interrupt_status(id, Status::Success, endpoint);
            }
            Request::StopInterrupt { id, endpoint } => {
                self.receiving.retain(|&other| other != endpoint);
                self.codec.interrupt_status(id, Status::Success, endpoint);
            }
            Request::Cancel { id } => self.cancel(id),
            Request::Control { id, endpoint, setup, data } => self.control(port, id, endpoint, &setup, &data),
            Request::Bulk { id, endpoint, length, stream, data } => {
                self.pending.push(Pending { id, endpoint, interrupt: false, stream, length, data, sent: 0 });
            }
            Request::Interrupt { id, endpoint, data } => {
                let length = data.len();
                self.pending.push(Pending {
                    id,
                    endpoint,
                    interrupt: true,
                    stream: 0,
                    length,
                    data,
                    sent: 0,
                });
            }
        }
    }

    /// A bus reset for the guest. The guest's SET_ADDRESS never comes, so the device is addressed here.
    fn reset(&mut self, port: &mut impl Port) {
        self.configuration = 0;
        self.settings = [0; 32];
        self.pending.clear();
        self.receiving.clear();
        if self.state == State::Present {
            // A device that does not come back is seen by `watch_device` or fails its next transfer.
            let _ = self.host.address(port);
        }
    }

    fn set_interface(&mut self, port: &mut impl Port, id: u64, interface: u8, setting: u8) {
        let result = self.host.set_interface(port, interface, setting);
        if result.is_ok() {
            self.settings[usize::from(interface & 31)] = setting;
        }
        let setting = self.settings[usize::from(interface & 31)];
        self.codec.interface_status(id, status(result), interface, setting);
    }

    fn control(&mut self, port: &mut impl Port, id: u64, endpoint: u8, setup: &[u8; 8], data: &[u8]) {
        let limit = Nanos::secs(5);
        if self.controls.len() < REMEMBERED {
            let head = data[..data.len().min(Control::HEAD)].to_vec();
            self.controls.push(Control { setup: *setup, head });
        }
        if setup[0] & 0x80 != 0 {
            let (status, data) = match self.host.control_in(port, setup, limit) {
                Ok(data) => (Status::Success, data),
                Err(error) => (status(Err(error)), Vec::new()),
            };
            self.codec.control(id, endpoint, setup, status, data.len() as u16, &data);
        } else {
            let result = self.host.control_out(port, setup, data, limit);
            if let ([2, 1, 0, 0, halted, ..], Ok(())) = (setup, result) {
                self.host.clear_toggle(*halted);
            }
            let length = if result.is_ok() { data.len() as u16 } else { 0 };
            self.codec.control(id, endpoint, setup, status(result), length, &[]);
        }
    }

    fn cancel(&mut self, id: u64) {
        let Some(at) = self.pending.iter().position(|pending| pending.id == id) else { return };
        let gone = self.pending.remove(at);
        self.answer(&gone, Status::Cancelled);
    }

    fn answer(&mut self, transfer: &Pending, status: Status) {
        let inward = transfer.endpoint & 0x80 != 0;
        let data: &[u8] = if inward { &transfer.data } else { &[] };
        let length = if inward { data.len() } else { transfer.sent };
        if transfer.interrupt {
            self.codec.interrupt(transfer.id, transfer.endpoint, status, length, data);
        } else {
            self.codec.bulk(transfer.id, transfer.endpoint, transfer.stream, status, length, data);
        }
    }

    /// Gives the oldest transfer of each endpoint a short while; one that the device leaves pending stays.
    fn try_pending(&mut self, port: &mut impl Port) {
        let mut tried = Vec::new();
        let mut at = 0;
        while let Some(transfer) = self.pending.get_mut(at) {
            let endpoint = transfer.endpoint;
            if tried.contains(&endpoint) {
                at += 1;
                continue;
            }
            let result = if endpoint & 0x80 != 0 {
                self.host.receive(port, endpoint, transfer.length, &mut transfer.data, ATTEMPT)
            } else {
                self.host.send(port, endpoint, &transfer.data, &mut transfer.sent, ATTEMPT)
            };
            if result == Err(Error::Timeout) {
                tried.push(endpoint);
                at += 1;
                continue;
            }
            let done = self.pending.remove(at);
            self.answer(&done, status(result));
        }
        for endpoint in self.receiving.clone() {
            let mut data = Vec::new();
            match self.host.receive(port, endpoint, 64, &mut data, ATTEMPT) {
                Ok(()) => self.codec.interrupt(0, endpoint, Status::Success, data.len(), &data),
                Err(Error::Timeout) => {}
                Err(error) => {
                    self.receiving.retain(|&other| other != endpoint);
                    self.codec.interrupt_status(0, status(Err(error)), endpoint);
                }
            }
        }
    }

    /// Announces a device that came and withdraws one that went.
    fn watch_device(&mut self, port: &mut impl Port) {
        match self.state {
            State::Present if !self.host.is_attached(port) => {
                self.pending.clear();
                self.receiving.clear();
                self.codec.disconnect();
                let waits = self.codec.acknowledges_disconnect();
                self.state = if waits { State::Leaving } else { State::Empty };
            }
            State::Empty if port.now() >= self.retry_at && UsbHost::is_pulled_up(port) => {
                match self.enumerate(port) {
                    Ok(found) => self.announce(&found),
                    Err(_) => self.retry_at = port.now() + Nanos::millis(100),
                }
            }
            _ => {}
        }
    }

    fn enumerate(&mut self, port: &mut impl Port) -> Result<Enumerated, Error> {
        self.host.wait_attach(port, Nanos::millis(200))?;
        self.host.address(port)
    }

    fn announce(&mut self, found: &Enumerated) {
        self.configuration = 0;
        self.settings = [0; 32];
        let control = |address| EndpointInfo { address, kind: 0, interval: 0, interface: 0, packet: 64 };
        let mut endpoints = vec![control(0x00), control(0x80)];
        let mut interfaces: Vec<Interface> = Vec::new();
        for part in configuration_parts(&found.configuration) {
            match *part {
                [9, 4, number, 0, _, class, subclass, protocol, ..] => {
                    interfaces.push(Interface { number, class: [class, subclass, protocol] });
                }
                [7, 5, address, kind, low, high, interval] => {
                    let interface = interfaces.last().map_or(0, |interface| interface.number);
                    let packet = u16::from_le_bytes([low, high]);
                    endpoints.push(EndpointInfo { address, kind: kind & 3, interval, interface, packet });
                }
                _ => {}
            }
        }
        self.codec.connect(&found.device, &interfaces, &endpoints);
        self.state = State::Present;
    }
}

fn status(result: Result<(), Error>) -> Status {
    match result {
        Ok(()) => Status::Success,
        Err(Error::Stall) => Status::Stall,
        Err(Error::Timeout) => Status::Timeout,
        Err(Error::Protocol(_)) => Status::Babble,
        Err(Error::Silent | Error::Gone) => Status::IoError,
    }
}

fn invalid(error: protocol::Malformed) -> std::io::Error {
    std::io::Error::new(ErrorKind::InvalidData, error)
}
