//! An in-process USB host controller and the little of a host's stack that a board's tests need.
//!
//! Stands between a caller that wants control, bulk and interrupt transfers and a [`Port`], the socket into which a
//! board is plugged. It drives packets with honest full-speed timing: frames of 1 ms with an SOF, token, data and
//! handshake bit times, NAK and retry, nothing across the end of a frame. While a device answers NAK or nothing is to
//! be sent, time runs to the next change in one step.
//! Leaves out isochronous transfers, hubs, line errors (there are none) and bandwidth reservation.

use super::transaction::{ATTEMPTS, advance, run_while, wire};
use super::{Reply, Setup, Wire, timing};
use crate::device::Ctx;
use crate::time::Nanos;

/// What a host controller's port is connected to: a device block and the time of the board around it.
pub trait Port {
    /// The present.
    fn now(&self) -> Nanos;
    /// Lets the board run until `at`, or, with `watch`, until the device block has something new to say.
    fn run_to(&mut self, at: Nanos, watch: bool);
    /// One call to the device block at the present, with its effects carried out.
    fn with_wire(&mut self, act: &mut dyn FnMut(&mut dyn Wire, &mut Ctx));
}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The device refused the request.
    #[error("the device answered STALL")]
    Stall,
    /// NAK until the time was over.
    #[error("the device did not answer in time")]
    Timeout,
    /// Nothing answered three times in a row.
    #[error("no handshake from the device")]
    Silent,
    /// The device went away, or was never there.
    #[error("no device is attached")]
    Gone,
    /// More data or other data than the protocol allows.
    #[error("the device broke the protocol: {0}")]
    Protocol(&'static str),
}

/// What enumeration found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enumerated {
    /// The device descriptor, 18 bytes.
    pub device: Vec<u8>,
    /// The first configuration with everything behind it.
    pub configuration: Vec<u8>,
}

impl Enumerated {
    /// idVendor.
    pub fn vendor(&self) -> u16 {
        u16::from_le_bytes([self.device[8], self.device[9]])
    }
    /// idProduct.
    pub fn product(&self) -> u16 {
        u16::from_le_bytes([self.device[10], self.device[11]])
    }
}

/// How patient this host is. The defaults are those of a PC.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Attach to reset (USB 2.0 7.1.7.3: at least 100 ms).
    pub debounce: Nanos,
    /// Length of a bus reset (at least 10 ms; 50 ms on a root port).
    pub reset: Nanos,
    /// After a reset (10 ms) and after SET_ADDRESS (2 ms) nothing is sent.
    pub recovery: Nanos,
    /// A control transfer's time-out.
    pub control: Nanos,
    /// What the host's software takes between two transfers.
    pub turnaround: Nanos,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            debounce: Nanos::millis(100),
            reset: Nanos::millis(50),
            recovery: Nanos::millis(10),
            control: Nanos::secs(5),
            turnaround: Nanos::micros(50),
        }
    }
}

/// The host controller. One per port; it holds the device's address and toggles.
#[derive(Clone, Debug)]
pub struct UsbHost {
    patience: Patience,
    pub(super) address: u8,
    /// bMaxPacketSize0.
    packet0: usize,
    /// Toggle by endpoint number, IN and OUT; true: DATA1 next.
    toggles: [[bool; 16]; 2],
    /// Largest packet by endpoint number, IN and OUT.
    packets: [[usize; 16]; 2],
    /// Start of frame zero while frames run.
    pub(super) frames: Option<Nanos>,
    /// [`Wire::departures`] when the device was enumerated or reset last.
    departures: u64,
    /// No transaction starts before.
    pub(super) free_at: Nanos,
}

impl Default for UsbHost {
    fn default() -> Self {
        Self::new(Patience::default())
    }
}

impl UsbHost {
    /// A host with nothing plugged in.
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            address: 0,
            packet0: 64,
            toggles: [[false; 16]; 2],
            packets: [[64; 16]; 2],
            frames: None,
            departures: 0,
            free_at: Nanos(0),
        }
    }

    /// Plugs the cable in. The device may need a while before it pulls up.
    pub fn plug(&mut self, port: &mut impl Port) {
        wire(port, |wire, ctx| wire.set_vbus(true, ctx));
    }

    /// Pulls the cable.
    pub fn unplug(&mut self, port: &mut impl Port) {
        wire(port, |wire, ctx| wire.set_vbus(false, ctx));
        self.forget();
    }

    fn forget(&mut self) {
        self.frames = None;
        self.address = 0;
    }

    /// A device is there: pulled up, and not gone since this host last reset it.
    pub fn is_attached(&self, port: &mut impl Port) -> bool {
        wire(port, |wire, _| (wire.pulled_up(), wire.departures())) == (true, self.departures)
    }

    /// A device pulls up, known to this host or new.
    pub fn is_pulled_up(port: &mut impl Port) -> bool {
        wire(port, |wire, _| wire.pulled_up())
    }

    /// Waits at most `limit` for a device that stays for the debounce time, and takes note of it.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] when none came.
    pub fn wait_attach(&mut self, port: &mut impl Port, limit: Nanos) -> Result<(), Error> {
        let deadline = port.now() + limit;
        loop {
            let (up, departures) = wire(port, |wire, _| (wire.pulled_up(), wire.departures()));
            if up {
                let stable = port.now() + self.patience.debounce;
                run_while(port, stable, |wire| wire.pulled_up() && wire.departures() == departures);
                if wire(port, |wire, _| wire.pulled_up() && wire.departures() == departures) {
                    self.forget();
                    self.departures = departures;
                    return Ok(());
                }
            }
            if port.now() >= deadline {
                return Err(Error::Gone);
            }
            run_while(port, deadline, |wire| !wire.pulled_up());
        }
    }

    /// Waits at most `limit` for the attached device to go away. True if it did.
    pub fn wait_departure(&mut self, port: &mut impl Port, limit: Nanos) -> bool {
        let (deadline, departures) = (port.now() + limit, self.departures);
        run_while(port, deadline, |wire| wire.pulled_up() && wire.departures() == departures);
        !self.is_attached(port)
    }

    /// A bus reset; the device is at address 0 afterwards and frames run.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`].
    pub fn bus_reset(&mut self, port: &mut impl Port) -> Result<(), Error> {
        self.forget();
        wire(port, |wire, ctx| wire.set_reset(true, ctx));
        advance(port, port.now() + self.patience.reset);
        wire(port, |wire, ctx| {
            wire.set_reset(false, ctx);
            wire.set_frames(true, ctx);
        });
        self.frames = Some(port.now());
        self.toggles = [[false; 16]; 2];
        self.packet0 = 64;
        advance(port, port.now() + self.patience.recovery);
        self.gone(port)
    }

    pub(super) fn gone(&mut self, port: &mut impl Port) -> Result<(), Error> {
        if self.is_attached(port) {
            return Ok(());
        }
        self.forget();
        Err(Error::Gone)
    }

    /// Stops the frames: the device suspends 3 ms later.
    pub fn suspend(&mut self, port: &mut impl Port) {
        self.frames = None;
        wire(port, |wire, ctx| wire.set_frames(false, ctx));
    }

    /// 20 ms of resume signalling, then frames again (USB 2.0 7.1.7.7).
    pub fn resume(&mut self, port: &mut impl Port) {
        wire(port, |wire, ctx| wire.resume(ctx));
        advance(port, port.now() + Nanos::millis(20));
        wire(port, |wire, ctx| wire.set_frames(true, ctx));
        self.frames = Some(port.now());
        advance(port, port.now() + self.patience.recovery);
    }

    /// Resets the device, gives it address 1, reads its descriptors and sets its first configuration.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn enumerate(&mut self, port: &mut impl Port) -> Result<Enumerated, Error> {
        let found = self.address(port)?;
        let value = found.configuration.get(5);
        let value =
            *value.ok_or(Error::Protocol("the configuration descriptor has no bConfigurationValue"))?;
        self.set_configuration(port, value)?;
        Ok(found)
    }

    /// As [`UsbHost::enumerate`], but leaves the device unconfigured.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn address(&mut self, port: &mut impl Port) -> Result<Enumerated, Error> {
        self.bus_reset(port)?;
        let head = self.control_in(port, &descriptor(1, 0, 8), self.patience.control)?;
        self.packet0 = match head.get(7) {
            Some(&size @ (8 | 16 | 32 | 64)) => usize::from(size),
            _ => return Err(Error::Protocol("bMaxPacketSize0 is none of 8, 16, 32, 64")),
        };
        self.control_out(port, &[0, 5, 1, 0, 0, 0, 0, 0], &[], self.patience.control)?;
        self.address = 1;
        advance(port, port.now() + Nanos::millis(2));
        let device = self.control_in(port, &descriptor(1, 0, 18), self.patience.control)?;
        if device.len() != 18 {
            return Err(Error::Protocol("device descriptor is not 18 bytes long"));
        }
        let head = self.control_in(port, &descriptor(2, 0, 9), self.patience.control)?;
        if head.len() != 9 {
            return Err(Error::Protocol("configuration descriptor is shorter than 9 bytes"));
        }
        let total = u16::from_le_bytes([head[2], head[3]]);
        let configuration = self.control_in(port, &descriptor(2, 0, total), self.patience.control)?;
        if configuration.len() != usize::from(total) {
            return Err(Error::Protocol("configuration is not as long as wTotalLength"));
        }
        self.learn_endpoints(&configuration);
        Ok(Enumerated { device, configuration })
    }

    /// SET_CONFIGURATION; all toggles start at DATA0.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn set_configuration(&mut self, port: &mut impl Port, value: u8) -> Result<(), Error> {
        self.control_out(port, &[0, 9, value, 0, 0, 0, 0, 0], &[], self.patience.control)?;
        self.toggles = [[false; 16]; 2];
        Ok(())
    }

    fn learn_endpoints(&mut self, configuration: &[u8]) {
        for part in configuration_parts(configuration) {
            if let [7, 5, address, _, low, high, ..] = *part {
                let size = usize::from(u16::from_le_bytes([low, high])) & 0x7FF;
                self.packets[usize::from(address >> 7)][usize::from(address & 0xF)] = size;
            }
        }
    }

    /// A control transfer to the host with `setup[6..8]` as its length, at most.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn control_in(
        &mut self,
        port: &mut impl Port,
        setup: &Setup,
        limit: Nanos,
    ) -> Result<Vec<u8>, Error> {
        let deadline = self.begin(port, setup, limit)?;
        let length = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
        let mut received = Vec::new();
        let mut toggle = true;
        while received.len() < length {
            let packet = self.packet_in(port, 0, toggle, deadline)?;
            toggle = !toggle;
            let short = packet.len() < self.packet0;
            received.extend_from_slice(&packet);
            if received.len() > length || packet.len() > self.packet0 {
                return Err(Error::Protocol("more data than asked for"));
            }
            if short {
                break;
            }
        }
        if length == 0 {
            self.packet_in(port, 0, true, deadline)?;
        } else {
            self.packet_out(port, 0, true, &[], deadline)?;
        }
        self.end(port);
        Ok(received)
    }

    /// A control transfer to the device; `data` is as long as `setup[6..8]` says.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn control_out(
        &mut self,
        port: &mut impl Port,
        setup: &Setup,
        data: &[u8],
        limit: Nanos,
    ) -> Result<(), Error> {
        let deadline = self.begin(port, setup, limit)?;
        let mut toggle = true;
        for packet in data.chunks(self.packet0) {
            self.packet_out(port, 0, toggle, packet, deadline)?;
            toggle = !toggle;
        }
        let status = self.packet_in(port, 0, true, deadline)?;
        self.end(port);
        if status.is_empty() { Ok(()) } else { Err(Error::Protocol("data in the status stage")) }
    }

    /// SETUP stage. Returns the transfer's deadline.
    fn begin(&mut self, port: &mut impl Port, setup: &Setup, limit: Nanos) -> Result<Nanos, Error> {
        let deadline = port.now() + limit;
        for _ in 0..ATTEMPTS {
            self.gone(port)?;
            let length = timing::TOKEN + timing::TURNAROUND + timing::data(setup);
            self.slot(port, length);
            advance(port, port.now() + length);
            let address = self.address;
            let reply = wire(port, |wire, ctx| wire.setup(address, setup, ctx));
            self.finish(port, reply != Reply::Silent);
            if reply == Reply::Ack {
                return Ok(deadline);
            }
        }
        self.gone(port)?;
        Err(Error::Silent)
    }

    fn end(&mut self, port: &mut impl Port) {
        self.free_at = port.now() + self.patience.turnaround;
    }

    /// Reads packets from a bulk or interrupt endpoint until `length` bytes or a short packet came.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn read(
        &mut self,
        port: &mut impl Port,
        endpoint: u8,
        length: usize,
        limit: Nanos,
    ) -> Result<Vec<u8>, Error> {
        let mut received = Vec::new();
        self.receive(port, endpoint, length, &mut received, limit)?;
        Ok(received)
    }

    /// As [`UsbHost::read`], adding to `received`, so that a transfer can go on after [`Error::Timeout`].
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn receive(
        &mut self,
        port: &mut impl Port,
        endpoint: u8,
        length: usize,
        received: &mut Vec<u8>,
        limit: Nanos,
    ) -> Result<(), Error> {
        let (deadline, number) = (port.now() + limit, usize::from(endpoint & 0xF));
        while received.len() < length {
            let toggle = self.toggles[1][number];
            let packet = self.packet_in(port, endpoint & 0xF, toggle, deadline)?;
            self.toggles[1][number] = !toggle;
            received.extend_from_slice(&packet);
            if received.len() > length {
                return Err(Error::Protocol("more data than asked for"));
            }
            if packet.len() < self.packets[1][number] {
                break;
            }
        }
        self.end(port);
        Ok(())
    }

    /// Writes `data` to a bulk or interrupt endpoint, packet by packet; an empty slice is one empty packet.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn write(
        &mut self,
        port: &mut impl Port,
        endpoint: u8,
        data: &[u8],
        limit: Nanos,
    ) -> Result<(), Error> {
        self.send(port, endpoint, data, &mut 0, limit)
    }

    /// As [`UsbHost::write`], from `sent` on, so that a transfer can go on after [`Error::Timeout`].
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn send(
        &mut self,
        port: &mut impl Port,
        endpoint: u8,
        data: &[u8],
        sent: &mut usize,
        limit: Nanos,
    ) -> Result<(), Error> {
        let (deadline, number) = (port.now() + limit, usize::from(endpoint & 0xF));
        let size = self.packets[0][number].max(1);
        loop {
            let packet = &data[*sent..data.len().min(*sent + size)];
            let toggle = self.toggles[0][number];
            self.packet_out(port, endpoint & 0xF, toggle, packet, deadline)?;
            self.toggles[0][number] = !toggle;
            *sent += packet.len();
            if *sent == data.len() {
                self.end(port);
                return Ok(());
            }
        }
    }

    /// SET_INTERFACE; the toggles of all endpoints start at DATA0.
    ///
    /// # Errors
    ///
    /// Any of [`Error`].
    pub fn set_interface(&mut self, port: &mut impl Port, interface: u8, setting: u8) -> Result<(), Error> {
        self.control_out(port, &[1, 11, setting, 0, interface, 0, 0, 0], &[], self.patience.control)?;
        self.toggles = [[false; 16]; 2];
        Ok(())
    }

    /// Lets time pass with frames running.
    pub fn idle(&mut self, port: &mut impl Port, span: Nanos) {
        advance(port, port.now() + span);
    }

    /// After CLEAR_FEATURE(ENDPOINT_HALT) an endpoint starts at DATA0 again.
    pub fn clear_toggle(&mut self, endpoint: u8) {
        self.toggles[usize::from(endpoint >> 7)][usize::from(endpoint & 0xF)] = false;
    }
}

/// The descriptors that a configuration consists of; stops at one with an impossible length.
pub fn configuration_parts(configuration: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = configuration;
    std::iter::from_fn(move || {
        let length = usize::from(*rest.first()?);
        let (part, after) = rest.split_at_checked(length).filter(|_| length >= 2)?;
        rest = after;
        Some(part)
    })
}

/// GET_DESCRIPTOR.
pub fn descriptor(kind: u8, index: u8, length: u16) -> Setup {
    let [low, high] = length.to_le_bytes();
    [0x80, 6, index, kind, 0, 0, low, high]
}
