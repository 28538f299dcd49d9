//! What a DFU device says of itself in its descriptors.

use crate::link::LinkError;
use crate::protocol::Wire;

/// bmRequestType and bRequest of GET_DESCRIPTOR.
const GET_DESCRIPTOR: [u8; 2] = [0x80, 6];
const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const STRING: u8 = 3;
const INTERFACE: u8 = 4;
const DFU_FUNCTIONAL: u8 = 0x21;
/// US English, the only language that DFU devices have.
const LANGUAGE: u16 = 0x0409;

/// One alternate setting of the DFU interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternate {
    /// bAlternateSetting.
    pub number: u8,
    /// The interface string; DfuSe's memory string.
    pub name: String,
}

/// A DFU device's descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// idVendor.
    pub vid: u16,
    /// idProduct.
    pub pid: u16,
    /// bcdDevice.
    pub device: u16,
    /// iManufacturer.
    pub manufacturer: String,
    /// iProduct.
    pub product: String,
    /// iSerialNumber.
    pub serial: String,
    /// bInterfaceNumber of the DFU interface.
    pub interface: u8,
    /// Its alternate settings; at least one.
    pub alternates: Vec<Alternate>,
    /// bmAttributes of the functional descriptor.
    pub attributes: u8,
    /// wTransferSize, at least 8.
    pub transfer_size: u16,
    /// bcdDFUVersion.
    pub dfu_version: u16,
}

impl Descriptors {
    /// Reads them.
    ///
    /// # Errors
    /// [`LinkError::Descriptors`] when they are not those of a DFU device in update mode.
    pub async fn read(wire: &Wire) -> Result<Self, LinkError> {
        let device = descriptor(wire, DEVICE, 0, 0, 18).await?;
        let device: &[u8; 18] =
            device.first_chunk().ok_or(LinkError::Descriptors("its device descriptor is short"))?;
        let head = descriptor(wire, CONFIGURATION, 0, 0, 9).await?;
        let total = head.get(2..4).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
        let configuration = descriptor(wire, CONFIGURATION, 0, 0, total).await?;
        let dfu = Dfu::find(&configuration)?;
        let half = |at: usize| u16::from_le_bytes([device[at], device[at + 1]]);
        let mut alternates = Vec::new();
        for (number, index) in dfu.alternates {
            alternates.push(Alternate { number, name: string(wire, index).await? });
        }
        Ok(Self {
            vid: half(8),
            pid: half(10),
            device: half(12),
            manufacturer: string(wire, device[14]).await?,
            product: string(wire, device[15]).await?,
            serial: string(wire, device[16]).await?,
            interface: dfu.interface,
            alternates,
            attributes: dfu.attributes,
            transfer_size: dfu.transfer_size,
            dfu_version: dfu.version,
        })
    }

    /// The memory string of alternate setting 0.
    pub fn memory(&self) -> &str {
        self.alternates.iter().find(|a| a.number == 0).map_or("", |a| &a.name)
    }
}

/// The DFU parts of a configuration descriptor; strings by index.
struct Dfu {
    interface: u8,
    alternates: Vec<(u8, u8)>,
    attributes: u8,
    transfer_size: u16,
    version: u16,
}

impl Dfu {
    fn find(mut bytes: &[u8]) -> Result<Self, LinkError> {
        let mut found =
            Self { interface: 0, alternates: Vec::new(), attributes: 0, transfer_size: 0, version: 0 };
        let mut inside = false;
        while let [length, kind, ..] = *bytes {
            let length = usize::from(length);
            if length < 2 || length > bytes.len() {
                return Err(LinkError::Descriptors("its configuration descriptor is damaged"));
            }
            let (one, rest) = bytes.split_at(length);
            bytes = rest;
            match (kind, one) {
                (INTERFACE, [_, _, number, alternate, _, class, subclass, _, index, ..]) => {
                    inside = (*class, *subclass) == (0xFE, 1);
                    if inside {
                        found.interface = *number;
                        found.alternates.push((*alternate, *index));
                    }
                }
                (DFU_FUNCTIONAL, [_, _, attributes, _, _, low, high, v_low, v_high, ..]) if inside => {
                    found.attributes = *attributes;
                    found.transfer_size = u16::from_le_bytes([*low, *high]);
                    found.version = u16::from_le_bytes([*v_low, *v_high]);
                }
                _ => {}
            }
        }
        match (found.alternates.is_empty(), found.transfer_size) {
            (true, _) => Err(LinkError::Descriptors("it has no DFU interface")),
            (_, 0..8) => Err(LinkError::Descriptors("its transfer size is missing or too small")),
            _ => Ok(found),
        }
    }
}

async fn descriptor(
    wire: &Wire,
    kind: u8,
    index: u8,
    language: u16,
    length: u16,
) -> Result<Vec<u8>, LinkError> {
    let [l, h] = language.to_le_bytes();
    let [size_l, size_h] = length.to_le_bytes();
    let setup = [GET_DESCRIPTOR[0], GET_DESCRIPTOR[1], index, kind, l, h, size_l, size_h];
    wire.control_in(setup, length).await
}

/// A string descriptor's text; empty for index 0 and for a string that the device refuses.
async fn string(wire: &Wire, index: u8) -> Result<String, LinkError> {
    if index == 0 {
        return Ok(String::new());
    }
    let bytes = match descriptor(wire, STRING, index, LANGUAGE, 255).await {
        Err(LinkError::Stall) => return Ok(String::new()),
        other => other?,
    };
    let length = bytes.first().map_or(0, |&l| usize::from(l)).min(bytes.len());
    let (units, _) = bytes.get(2..length).unwrap_or(&[]).as_chunks();
    let units: Vec<u16> = units.iter().map(|u| u16::from_le_bytes(*u)).collect();
    Ok(visible(&String::from_utf16_lossy(&units)))
}

/// A device's words without what a terminal would obey: control characters come out as `\u{1b}`.
fn visible(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c.is_control() {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
        out
    })
}
