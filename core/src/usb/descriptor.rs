//! What the device says of itself: descriptors and strings, from the configuration or, without a
//! usable one, from a fixed identity that says so.

use super::PACKET;
use crate::config::{Config, text};

/// bDescriptorType values (USB 2.0, table 9-5).
pub mod kind {
    pub const DEVICE: u8 = 1;
    pub const CONFIGURATION: u8 = 2;
    pub const STRING: u8 = 3;
}

/// String indexes; the first three in the order of [`crate::config::Text`]. The memory string's is
/// not 0: dfu-util takes that for "no name".
const MANUFACTURER: u8 = 1;
const PRODUCT: u8 = 2;
const INTERFACE: u8 = 3;
const SERIAL: u8 = 4;
/// Where Windows looks for the Microsoft OS string.
const MICROSOFT: u8 = 0xEE;

/// bRequest of the vendor request for the compatible id descriptor, named in string 0xEE.
pub const COMPATIBLE_ID_REQUEST: u8 = 0x20;
/// wIndex of the compatible id descriptor (Microsoft OS 1.0 descriptors).
pub const COMPATIBLE_ID_INDEX: u16 = 4;

/// Room for the longest answer, a string descriptor of 254 bytes.
pub type Reply = [u8; REPLY];
pub const REPLY: usize = 256;

/// What the descriptors are made from.
#[derive(Debug)]
pub struct Identity<'a> {
    /// idVendor, idProduct, bcdDevice, wTransferSize.
    usb: &'a [u8; 8],
    /// Manufacturer, product and memory string.
    strings: &'a [u8],
    unique_id: &'a [u8; 12],
}

impl<'a> Identity<'a> {
    pub fn new(config: Option<Config<'a>>, unique_id: &'a [u8; 12]) -> Self {
        let (usb, strings) = match config {
            Some(config) => (config.usb(), config.strings()),
            None => (&FALLBACK, NO_CONFIGURATION),
        };
        Self { usb, strings, unique_id }
    }

    pub fn transfer_size(&self) -> u16 {
        u16::from_le_bytes([self.usb[6], self.usb[7]])
    }

    /// Writes the device descriptor; its length.
    pub fn device(&self, out: &mut Reply) -> u32 {
        let length = put(out, &DEVICE);
        put(&mut out[DEVICE_VID..], &self.usb[..6]);
        length
    }

    /// Writes the configuration, interface and DFU functional descriptors; their length.
    pub fn configuration(&self, out: &mut Reply) -> u32 {
        let length = put(out, &CONFIGURATION);
        put(&mut out[CONFIGURATION_TRANSFER_SIZE..], &self.usb[6..]);
        length
    }

    /// Writes a string descriptor; its length.
    pub fn string(&self, index: u8, out: &mut Reply) -> Option<u32> {
        let serial;
        let characters = match index {
            0 => return Some(put(out, &LANGUAGES)),
            MANUFACTURER..=INTERFACE => text(self.strings, index - MANUFACTURER),
            SERIAL => {
                serial = serial_number(self.unique_id);
                &serial
            }
            // The last unit is the vendor code and a zero byte.
            MICROSOFT => b"MSFT100\x20",
            _ => return None,
        };
        let length = 2 + 2 * characters.len() as u32;
        put(out, &[length as u8, kind::STRING]);
        for (pair, byte) in out.as_chunks_mut().0.iter_mut().skip(1).zip(characters) {
            *pair = [*byte, 0];
        }
        Some(length)
    }
}

/// [`Config::usb`] without a usable configuration: ST's numbers and the smallest blocks.
const FALLBACK: [u8; 8] = [0x83, 0x04, 0x11, 0xDF, 0, 0, 64, 0];
/// The strings then say so, and offer memory that is readable only. What is wrong with the block, the
/// info request tells.
const NO_CONFIGURATION: &[u8] =
    b"\x08Surefoot\x1aSurefoot: no configuration\x25@No configuration/0x08000000/01*001Ka";

const DEVICE: [u8; 18] = [
    18,
    kind::DEVICE,
    0x00,
    0x02, // USB 2.0
    0,
    0,
    0, // the class is the interface's
    PACKET as u8,
    0,
    0, // idVendor
    0,
    0, // idProduct
    0,
    0, // bcdDevice
    MANUFACTURER,
    PRODUCT,
    SERIAL,
    1, // configurations
];
const DEVICE_VID: usize = 8;

const CONFIGURATION: [u8; 27] = [
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
    0,
    0, // transfer size
    0x1A,
    0x01, // DfuSe
];
const CONFIGURATION_TRANSFER_SIZE: usize = 23;

/// English (United States) is the one language.
const LANGUAGES: [u8; 4] = [4, kind::STRING, 0x09, 0x04];

/// Windows loads WinUSB without an installation (Microsoft OS 1.0 descriptors).
pub const COMPATIBLE_ID: [u8; 40] = {
    let mut out = [0; 40];
    out[0] = 40;
    out[5] = 0x01; // version 1.0
    out[6] = COMPATIBLE_ID_INDEX as u8;
    out[8] = 1; // one section, for interface 0
    out[17] = 1;
    let (mut i, id) = (0, b"WINUSB");
    while i < id.len() {
        out[18 + i] = id[i];
        i += 1;
    }
    out
};

/// Copies `bytes` to the start of `out`; their number.
#[inline(never)]
pub fn put(out: &mut [u8], bytes: &[u8]) -> u32 {
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    bytes.len() as u32
}

/// Twelve digits as ST's ROM bootloader makes them from the unique id (96 bits, in the order of
/// their bytes in memory), so that a board keeps its serial number in both bootloaders.
///
/// As words: the last one, bytes 0 and 2 of it with those of the first added, then the upper half of
/// the middle one.
fn serial_number(id: &[u8; 12]) -> [u8; 12] {
    const EVEN: u32 = 0x00FF_00FF;
    let [first, middle, last] = core::array::from_fn(|i| {
        u32::from_le_bytes([id[4 * i], id[4 * i + 1], id[4 * i + 2], id[4 * i + 3]])
    });
    let folded = (last & EVEN).wrapping_add(first & EVEN) & EVEN | last & !EVEN;
    let mut digits = u64::from(folded) << 32 | u64::from(middle);
    let mut out = [0; 12];
    for digit in &mut out {
        let value = (digits >> 60) as u8;
        digits <<= 4;
        *digit = value + if value < 10 { b'0' } else { b'A' - 10 };
    }
    out
}
