//! The operating system's USB, through nusb, used blocking.
//!
//! Finds the one DFU device that the filter allows, claims its DFU interface and finds it again
//! after it has left the bus. Leaves hot-plug events out: waiting is polling the device list.

use super::{Departure, Filter, LinkError, Setup, Usb};
use nusb::transfer::{ControlIn, ControlOut, ControlType, Recipient, TransferError};
use nusb::{DeviceId, DeviceInfo, ErrorKind, Interface, MaybeFuture};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// ST's ids, which our bootloader has too unless the board file says otherwise.
const DEFAULT_IDS: (u16, u16) = (0x0483, 0xDF11);
/// Between two looks at the device list.
const LOOK: Duration = Duration::from_millis(50);

/// What `list` shows of a device without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// idVendor.
    pub vid: u16,
    /// idProduct.
    pub pid: u16,
    /// iSerialNumber, when the system knows it.
    pub serial: Option<String>,
    /// iProduct, when the system knows it.
    pub product: Option<String>,
    /// Bus and address.
    pub place: String,
}

/// The devices that `filter` allows.
///
/// # Errors
/// [`LinkError::System`].
pub fn list(filter: &Filter) -> Result<Vec<Found>, LinkError> {
    Ok(matching(filter)?.iter().map(found).collect())
}

fn found(device: &DeviceInfo) -> Found {
    Found {
        vid: device.vendor_id(),
        pid: device.product_id(),
        serial: device.serial_number().map(str::to_owned),
        product: device.product_string().map(str::to_owned),
        place: format!("{}:{}", device.bus_id(), device.device_address()),
    }
}

fn describe(device: &DeviceInfo) -> String {
    let serial = device.serial_number().unwrap_or("without serial number");
    format!("{:04x}:{:04x} {serial}", device.vendor_id(), device.product_id())
}

/// By ids when any is given; else every device with ST's ids.
fn matching(filter: &Filter) -> Result<Vec<DeviceInfo>, LinkError> {
    let (vid, pid) = match (filter.vid, filter.pid) {
        (None, None) => (Some(DEFAULT_IDS.0), Some(DEFAULT_IDS.1)),
        ids => ids,
    };
    let devices = nusb::list_devices().wait().map_err(|e| LinkError::System(e.to_string()))?;
    let wanted = |d: &DeviceInfo| {
        vid.is_none_or(|v| d.vendor_id() == v)
            && pid.is_none_or(|p| d.product_id() == p)
            && filter.serial.as_deref().is_none_or(|s| d.serial_number() == Some(s))
    };
    Ok(devices.filter(wanted).collect())
}

/// An open DFU device.
pub struct UsbLink {
    filter: Filter,
    name: String,
    interface: Option<Interface>,
    id: DeviceId,
    opened: Instant,
}

impl UsbLink {
    /// Opens the one device that `filter` allows, looking for it up to `patience`.
    ///
    /// # Errors
    /// [`LinkError`], each with its remedy.
    pub fn open(filter: Filter, patience: Duration) -> Result<Self, LinkError> {
        let opened = Instant::now();
        let device = loop {
            let mut devices = matching(&filter)?;
            match devices.len() {
                1 => break devices.remove(0),
                0 if opened.elapsed() < patience => sleep(LOOK),
                0 => return Err(LinkError::NoDevice(wanted(&filter))),
                _ => return Err(LinkError::Several(devices.iter().map(describe).collect())),
            }
        };
        let interface = claim(&device)?;
        // From now on only this very board will do.
        let filter = Filter {
            vid: Some(device.vendor_id()),
            pid: Some(device.product_id()),
            serial: device.serial_number().map(str::to_owned),
        };
        Ok(Self { filter, name: describe(&device), interface: Some(interface), id: device.id(), opened })
    }

    fn interface(&self) -> Result<&Interface, LinkError> {
        self.interface.as_ref().ok_or(LinkError::Gone)
    }
}

fn wanted(filter: &Filter) -> String {
    let id = |id: Option<u16>| id.map_or("*".to_owned(), |id| format!("{id:04x}"));
    match (filter.vid, filter.pid, &filter.serial) {
        (None, None, None) => String::new(),
        (vid, pid, None) => format!(" with ids {}:{}", id(vid), id(pid)),
        (_, _, Some(serial)) => format!(" with serial number {serial}"),
    }
}

/// Opens `device` and claims the interface with DFU's class, or the first.
fn claim(device: &DeviceInfo) -> Result<Interface, LinkError> {
    let name = describe(device);
    let explain = |e: nusb::Error| match e.kind() {
        ErrorKind::PermissionDenied => LinkError::Permission(name.clone()),
        ErrorKind::Busy => LinkError::Busy(name.clone()),
        ErrorKind::Unsupported => LinkError::Driver(name.clone()),
        ErrorKind::Disconnected => LinkError::Gone,
        _ => LinkError::System(e.to_string()),
    };
    let open = device.open().wait().map_err(&explain)?;
    let number = open
        .configurations()
        .flat_map(|c| {
            c.interface_alt_settings()
                .map(|i| (i.interface_number(), i.class(), i.subclass()))
                .collect::<Vec<_>>()
        })
        .find(|&(_, class, subclass)| (class, subclass) == (0xFE, 1))
        .map(|(number, ..)| number)
        .ok_or(LinkError::Descriptors("it has no DFU interface"))?;
    open.detach_and_claim_interface(number).wait().map_err(explain)
}

/// nusb's names for bmRequestType's fields.
fn kind(request_type: u8) -> (ControlType, Recipient) {
    let control_type = match request_type >> 5 & 3 {
        0 => ControlType::Standard,
        1 => ControlType::Class,
        _ => ControlType::Vendor,
    };
    let recipient = match request_type & 0x1F {
        0 => Recipient::Device,
        1 => Recipient::Interface,
        2 => Recipient::Endpoint,
        _ => Recipient::Other,
    };
    (control_type, recipient)
}

fn failed(error: TransferError) -> LinkError {
    match error {
        TransferError::Stall => LinkError::Stall,
        TransferError::Cancelled => LinkError::Timeout,
        TransferError::Disconnected => LinkError::Gone,
        other => LinkError::Transfer(other.to_string()),
    }
}

impl Usb for UsbLink {
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError> {
        let (control_type, recipient) = kind(setup[0]);
        let request = ControlIn {
            control_type,
            recipient,
            request: setup[1],
            value: u16::from_le_bytes([setup[2], setup[3]]),
            index: u16::from_le_bytes([setup[4], setup[5]]),
            length: buffer.len().min(0xFFFF) as u16,
        };
        let data = self.interface()?.control_in(request, timeout).wait().map_err(failed)?;
        let length = data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&data[..length]);
        Ok(length)
    }

    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError> {
        let (control_type, recipient) = kind(setup[0]);
        let request = ControlOut {
            control_type,
            recipient,
            request: setup[1],
            value: u16::from_le_bytes([setup[2], setup[3]]),
            index: u16::from_le_bytes([setup[4], setup[5]]),
            data,
        };
        self.interface()?.control_out(request, timeout).wait().map_err(failed)
    }

    fn wait(&mut self, time: Duration) {
        sleep(time);
    }

    fn elapsed(&self) -> Duration {
        self.opened.elapsed()
    }

    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError> {
        let start = Instant::now();
        // An open handle keeps some systems from seeing that the device is gone.
        self.interface = None;
        let mut left = false;
        while start.elapsed() < limit {
            match matching(&self.filter)?.first() {
                None => left = true,
                // A device that enumerates anew gets another address.
                Some(device) if left || device.id() != self.id => {
                    self.interface = Some(claim(device)?);
                    self.id = device.id();
                    return Ok(Departure::Back);
                }
                Some(_) => {}
            }
            sleep(LOOK);
        }
        if left {
            return Ok(Departure::Gone);
        }
        match matching(&self.filter)?.first() {
            None => Ok(Departure::Gone),
            Some(device) => {
                self.interface = Some(claim(device)?);
                Ok(Departure::Stayed)
            }
        }
    }

    fn name(&self) -> String {
        format!("usb {}", self.name)
    }
}
