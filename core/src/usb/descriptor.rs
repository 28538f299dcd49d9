//! What the device says of itself: descriptors and strings, from the configuration or, without a
//! usable one, from a fixed identity that says so.

use super::PACKET;
use crate::config::{Config, ConfigFault, Text};

/// bDescriptorType values (USB 2.0, table 9-5).
pub mod kind {
    pub const DEVICE: u8 = 1;
    pub const CONFIGURATION: u8 = 2;
    pub const STRING: u8 = 3;
}

/// String indexes.
const MANUFACTURER: u8 = 1;
const PRODUCT: u8 = 2;
const SERIAL: u8 = 3;
/// The memory string; dfu-util takes index 0 for "no name".
const INTERFACE: u8 = 4;
/// Where Windows looks for the Microsoft OS string.
const MICROSOFT: u8 = 0xEE;

/// bRequest of the vendor request for the compatible id descriptor, named in string 0xEE.
pub const COMPATIBLE_ID_REQUEST: u8 = 0x20;
/// wIndex of the compatible id descriptor (Microsoft OS 1.0 descriptors).
pub const COMPATIBLE_ID_INDEX: u16 = 4;

const DEFAULT_VID: u16 = 0x0483;
const DEFAULT_PID: u16 = 0xDF11;

/// A string's characters.
#[derive(Clone, Copy, Debug)]
pub enum Characters<'a> {
    /// ASCII.
    Ascii(&'a [u8]),
    /// The serial number.
    Serial,
}

/// What the descriptors are made from.
#[derive(Debug)]
pub struct Identity<'a> {
    pub config: Result<Config<'a>, ConfigFault>,
    serial: [u8; 12],
}

impl<'a> Identity<'a> {
    /// `unique_id` is the chip's, in the order of its bytes in memory.
    pub fn new(config: Result<Config<'a>, ConfigFault>, unique_id: &[u8; 12]) -> Self {
        Self { config, serial: serial(unique_id) }
    }

    /// Writes the device descriptor; its length.
    pub fn device(&self, out: &mut [u8; PACKET]) -> usize {
        let (vid, pid, bcd) = match &self.config {
            Ok(c) => (c.vid(), c.pid(), c.bcd_device()),
            Err(fault) => (DEFAULT_VID, DEFAULT_PID, *fault as u16),
        };
        let ([v0, v1], [p0, p1], [b0, b1]) = (vid.to_le_bytes(), pid.to_le_bytes(), bcd.to_le_bytes());
        put(
            out,
            [
                18,
                kind::DEVICE,
                0x00,
                0x02, // USB 2.0
                0,
                0,
                0, // the class is the interface's
                PACKET as u8,
                v0,
                v1,
                p0,
                p1,
                b0,
                b1,
                MANUFACTURER,
                PRODUCT,
                SERIAL,
                1, // configurations
            ],
        )
    }

    /// Writes the configuration, interface and DFU functional descriptors; their length.
    pub fn configuration(&self, transfer_size: u16, out: &mut [u8; PACKET]) -> usize {
        let [t0, t1] = transfer_size.to_le_bytes();
        put(
            out,
            [
                9,
                kind::CONFIGURATION,
                27, // total length
                0,
                1, // interfaces
                1, // value for SET_CONFIGURATION
                0,
                0x80, // powered by the bus
                50,   // 100 mA
                9,
                4, // interface
                0,
                0,
                0,    // no endpoints
                0xFE, // application specific,
                1,    // DFU,
                2,    // in DFU mode
                INTERFACE,
                9,
                0x21, // DFU functional
                0x0B, // can download, can upload, will detach; not manifestation tolerant
                0xFF,
                0x00, // detach time-out in ms
                t0,
                t1,
                0x1A,
                0x01, // DfuSe
            ],
        )
    }

    /// The characters of a string other than 0.
    pub fn characters(&self, index: u8) -> Option<Characters<'a>> {
        if index == SERIAL {
            return Some(Characters::Serial);
        }
        let fault = match (&self.config, index) {
            // The last unit is the vendor code and a zero byte.
            (_, MICROSOFT) => return Some(Characters::Ascii(b"MSFT100\x20")),
            (Ok(c), MANUFACTURER) => return Some(Characters::Ascii(c.text(Text::Manufacturer))),
            (Ok(c), PRODUCT) => return Some(Characters::Ascii(c.text(Text::Product))),
            (Ok(c), INTERFACE) => return Some(Characters::Ascii(c.text(Text::Memory))),
            (Ok(_), _) => return None,
            (Err(fault), _) => *fault,
        };
        Some(Characters::Ascii(match index {
            MANUFACTURER => b"Surefoot",
            PRODUCT if fault == ConfigFault::Missing => b"Surefoot: no configuration",
            PRODUCT => b"Surefoot: bad configuration",
            // Readable only, and as much as the device engine lets be read.
            INTERFACE => b"@No configuration/0x08000000/01*001Ka",
            _ => return None,
        }))
    }

    /// Length of the string descriptor.
    pub fn string_length(&self, text: Characters) -> u16 {
        2 + 2 * match text {
            Characters::Ascii(bytes) => bytes.len() as u16,
            Characters::Serial => self.serial.len() as u16,
        }
    }

    /// One byte of the string descriptor.
    pub fn string_byte(&self, text: Characters, at: u16) -> u8 {
        let bytes = match text {
            Characters::Ascii(bytes) => bytes,
            Characters::Serial => &self.serial,
        };
        match at {
            0 => self.string_length(text) as u8,
            1 => kind::STRING,
            _ if at % 2 == 1 => 0,
            _ => bytes.get(usize::from(at / 2 - 1)).copied().unwrap_or(0),
        }
    }
}

/// String 0: English (United States) is the one language.
pub fn languages(out: &mut [u8; PACKET]) -> usize {
    put(out, [4, kind::STRING, 0x09, 0x04])
}

/// The compatible id descriptor: Windows loads WinUSB without an installation.
pub fn compatible_id(out: &mut [u8; PACKET]) -> usize {
    let length = put(out, [0; 40]);
    put(out, [40, 0, 0, 0, 0x00, 0x01, COMPATIBLE_ID_INDEX as u8, 0, 1]);
    out[17] = 1;
    out[18..24].copy_from_slice(b"WINUSB");
    length
}

fn put<const N: usize>(out: &mut [u8; PACKET], bytes: [u8; N]) -> usize {
    out[..N].copy_from_slice(&bytes);
    N
}

/// Twelve digits as ST's ROM bootloader makes them from the unique id, so that a board keeps its
/// serial number in both bootloaders.
fn serial(id: &[u8; 12]) -> [u8; 12] {
    let folded = [id[11], id[10].wrapping_add(id[2]), id[9], id[8].wrapping_add(id[0]), id[7], id[6]];
    let mut out = [0; 12];
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(folded) {
        for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = value + if value < 10 { b'0' } else { b'A' - 10 };
        }
    }
    out
}
