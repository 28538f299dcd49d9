//! DFU files: the suffix of DFU 1.1 (appendix B) and the targets and elements of DfuSe 1.1a (ST UM0391).
//!
//! Integers are little-endian. A plain DFU file (bcdDFU 0x0100) has no addresses and is read as
//! raw bytes. Only target 0 (alternate setting 0, the internal flash) is for us.

use super::FileError;
use super::segments::{Part, Place, Segments};
use std::fmt;

/// Bytes of the suffix.
pub const SUFFIX_LEN: usize = 16;
const PREFIX_LEN: usize = 11;
const TARGET_LEN: usize = 274;
const ELEMENT_LEN: usize = 8;
/// bcdDFU of a DfuSe file.
const BCD_DFUSE: u16 = 0x011A;
/// bcdDFU of a plain file.
const BCD_PLAIN: u16 = 0x0100;
const NAME_LEN: usize = 255;

/// The USB ids that a file is for; 0xFFFF stands for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// idVendor.
    pub vid: u16,
    /// idProduct.
    pub pid: u16,
    /// bcdDevice.
    pub device: u16,
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (id, end) in [(self.vid, ":"), (self.pid, "")] {
            match id {
                0xFFFF => write!(f, "any{end}")?,
                id => write!(f, "{id:04x}{end}")?,
            }
        }
        Ok(())
    }
}

impl Default for Ids {
    /// ST's DFU ids, any version of the device.
    fn default() -> Self {
        Self { vid: 0x0483, pid: 0xDF11, device: 0xFFFF }
    }
}

/// Bytes at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// First address.
    pub address: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What goes to one alternate setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// bAlternateSetting.
    pub alternate: u8,
    /// Its name, at most 254 bytes; none when the file says it has none.
    pub name: Option<String>,
    /// Its elements.
    pub elements: Vec<Element>,
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DfuFile {
    /// From the suffix.
    pub ids: Ids,
    /// What it holds.
    pub payload: Payload,
}

/// With addresses or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// DFU 1.1: bytes.
    Plain(Vec<u8>),
    /// DfuSe.
    DfuSe(Vec<Target>),
}

/// Why bytes are not a usable DFU file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DfuError {
    /// Shorter than a suffix.
    #[error("a DFU file has at least {SUFFIX_LEN} bytes, this one has {0}")]
    Short(usize),
    /// The last bytes are no suffix.
    #[error("the last {SUFFIX_LEN} bytes are no DFU suffix")]
    NoSuffix,
    /// The suffix's CRC does not match.
    #[error("the CRC in the suffix is 0x{found:08X}, the file's is 0x{wanted:08X}")]
    Crc {
        /// In the file.
        found: u32,
        /// Of the file.
        wanted: u32,
    },
    /// Another version of the format.
    #[error("the version of the DFU format is 0x{0:04X}; 0x0100 and 0x011A are known")]
    Version(u16),
    /// The DfuSe prefix is wrong.
    #[error("the file has no DfuSe prefix at its start")]
    NoPrefix,
    /// The prefix states another length.
    #[error("the DfuSe prefix says {stated} bytes, the file has {found}")]
    Length {
        /// In the prefix.
        stated: u32,
        /// In the file.
        found: usize,
    },
    /// A target prefix is wrong.
    #[error("target {target} at byte {offset} does not begin with \"Target\"")]
    NoTarget {
        /// From 0.
        target: usize,
        /// In the file.
        offset: usize,
    },
    /// A target states another length than its elements have.
    #[error("target {target} says {stated} bytes, its elements have {found}")]
    TargetLength {
        /// From 0.
        target: usize,
        /// In its prefix.
        stated: u32,
        /// Of its elements.
        found: usize,
    },
    /// Bytes are missing.
    #[error("{place} needs {wanted} bytes at byte {offset}, the file has {left} left")]
    Truncated {
        /// Which piece.
        place: Place,
        /// In the file.
        offset: usize,
        /// Bytes wanted.
        wanted: usize,
        /// Bytes there.
        left: usize,
    },
    /// An element without bytes.
    #[error("{place} at 0x{address:08X} has no bytes")]
    EmptyElement {
        /// Its address.
        address: u32,
        /// Which.
        place: Place,
    },
    /// Bytes behind the last target.
    #[error("{0} bytes follow the last target")]
    Surplus(usize),
    /// A target for another memory than the internal flash.
    #[error("target {target} is for alternate setting {alternate}; the internal flash is 0")]
    Alternate {
        /// From 0.
        target: usize,
        /// Its alternate setting.
        alternate: u8,
    },
}

impl DfuFile {
    /// A DfuSe file with one target, one element for each segment.
    pub fn of(segments: &Segments, ids: Ids) -> Self {
        let elements = segments.iter().map(|s| Element { address: s.address, bytes: s.bytes.clone() });
        let name = Some("Internal Flash".to_owned());
        let target = Target { alternate: 0, name, elements: elements.collect() };
        Self { ids, payload: Payload::DfuSe(vec![target]) }
    }

    /// Checks `bytes` and reads the file.
    ///
    /// # Errors
    /// [`DfuError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DfuError> {
        let body_len = bytes.len().checked_sub(SUFFIX_LEN).ok_or(DfuError::Short(bytes.len()))?;
        let (body, suffix) = bytes.split_at(body_len);
        let u16_at = |at: usize| u16::from_le_bytes([suffix[at], suffix[at + 1]]);
        if &suffix[8..11] != b"UFD" || usize::from(suffix[11]) != SUFFIX_LEN {
            return Err(DfuError::NoSuffix);
        }
        let found = u32::from_le_bytes([suffix[12], suffix[13], suffix[14], suffix[15]]);
        let wanted = suffix_crc(&bytes[..bytes.len() - 4]);
        if found != wanted {
            return Err(DfuError::Crc { found, wanted });
        }
        let ids = Ids { device: u16_at(0), pid: u16_at(2), vid: u16_at(4) };
        let payload = match u16_at(6) {
            BCD_PLAIN => Payload::Plain(body.to_vec()),
            BCD_DFUSE => Payload::DfuSe(targets(body)?),
            other => return Err(DfuError::Version(other)),
        };
        Ok(Self { ids, payload })
    }

    /// A good suffix at the end of a file of any kind: what is before it, and the ids in it.
    pub fn suffix(bytes: &[u8]) -> Option<(&[u8], Ids)> {
        let (body, suffix) = bytes.split_at_checked(bytes.len().checked_sub(SUFFIX_LEN)?)?;
        // Four bytes of CRC-32 over all of the file: no chance match.
        let good = &suffix[8..11] == b"UFD"
            && usize::from(suffix[11]) == SUFFIX_LEN
            && suffix[12..] == suffix_crc(&bytes[..bytes.len() - 4]).to_le_bytes();
        let half = |at: usize| u16::from_le_bytes([suffix[at], suffix[at + 1]]);
        (good && !body.is_empty()).then(|| (body, Ids { device: half(0), pid: half(2), vid: half(4) }))
    }

    /// The bytes of the internal flash; `address` is for a plain file.
    ///
    /// # Errors
    /// [`FileError::NoAddress`], [`FileError::AddressGiven`], [`DfuError::Alternate`] and what
    /// [`Segments::new`] refuses.
    pub fn segments(self, address: Option<u32>) -> Result<Segments, FileError> {
        let targets = match (self.payload, address) {
            (Payload::Plain(_), None) => return Err(FileError::NoAddress(super::Format::Dfu)),
            (Payload::Plain(bytes), Some(at)) => return Ok(super::bin::read(&bytes, at)?),
            (Payload::DfuSe(_), Some(_)) => return Err(FileError::AddressGiven(super::Format::Dfu)),
            (Payload::DfuSe(targets), None) => targets,
        };
        let mut parts = Vec::new();
        for (index, target) in targets.into_iter().enumerate() {
            if target.alternate != 0 {
                return Err(DfuError::Alternate { target: index, alternate: target.alternate }.into());
            }
            for (element, Element { address, bytes }) in target.elements.into_iter().enumerate() {
                parts.push(Part { address, bytes, place: Place::Element { target: index, element } });
            }
        }
        Ok(Segments::new(parts)?)
    }

    /// The file's bytes. Counts and sizes are what the values have.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let version = match &self.payload {
            Payload::Plain(bytes) => {
                out.extend_from_slice(bytes);
                BCD_PLAIN
            }
            Payload::DfuSe(targets) => {
                encode_targets(targets, &mut out);
                BCD_DFUSE
            }
        };
        for word in [self.ids.device, self.ids.pid, self.ids.vid, version] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(b"UFD");
        out.push(SUFFIX_LEN as u8);
        let crc = suffix_crc(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }
}

/// CRC-32 (reflected, initial 0xFFFFFFFF) without the final XOR, over all but the CRC itself.
fn suffix_crc(bytes: &[u8]) -> u32 {
    !crc32fast::hash(bytes)
}

fn encode_targets(targets: &[Target], out: &mut Vec<u8>) {
    out.extend_from_slice(b"DfuSe\x01");
    out.extend_from_slice(&[0; 4]);
    out.push(targets.len() as u8);
    for target in targets {
        let size: usize = target.elements.iter().map(|e| ELEMENT_LEN + e.bytes.len()).sum();
        out.extend_from_slice(b"Target");
        out.push(target.alternate);
        out.extend_from_slice(&u32::from(target.name.is_some()).to_le_bytes());
        let mut name = [0; NAME_LEN];
        let text = target.name.as_deref().unwrap_or("").as_bytes();
        let text = &text[..text.len().min(NAME_LEN - 1)];
        name[..text.len()].copy_from_slice(text);
        out.extend_from_slice(&name);
        out.extend_from_slice(&(size as u32).to_le_bytes());
        out.extend_from_slice(&(target.elements.len() as u32).to_le_bytes());
        for element in &target.elements {
            out.extend_from_slice(&element.address.to_le_bytes());
            out.extend_from_slice(&(element.bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(&element.bytes);
        }
    }
    let size = (out.len() as u32).to_le_bytes();
    out[6..10].copy_from_slice(&size);
}

/// What is left of the body, with the place for errors.
struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, wanted: usize, place: Place) -> Result<&'a [u8], DfuError> {
        let left = self.body.len() - self.at;
        if wanted > left {
            return Err(DfuError::Truncated { place, offset: self.at, wanted, left });
        }
        let taken = &self.body[self.at..self.at + wanted];
        self.at += wanted;
        Ok(taken)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn targets(body: &[u8]) -> Result<Vec<Target>, DfuError> {
    let mut cursor = Cursor { body, at: 0 };
    let prefix = cursor.take(PREFIX_LEN, Place::Offset(0))?;
    if !prefix.starts_with(b"DfuSe\x01") {
        return Err(DfuError::NoPrefix);
    }
    let stated = u32_at(prefix, 6);
    if stated as usize != body.len() {
        return Err(DfuError::Length { stated, found: body.len() });
    }
    let targets = (0..usize::from(prefix[10])).map(|i| target(&mut cursor, i)).collect::<Result<_, _>>()?;
    match body.len() - cursor.at {
        0 => Ok(targets),
        surplus => Err(DfuError::Surplus(surplus)),
    }
}

fn target(cursor: &mut Cursor, index: usize) -> Result<Target, DfuError> {
    let offset = cursor.at;
    let head = cursor.take(TARGET_LEN, Place::Offset(offset as u64))?;
    if !head.starts_with(b"Target") {
        return Err(DfuError::NoTarget { target: index, offset });
    }
    let named = u32_at(head, 7) != 0;
    let text = head[11..11 + NAME_LEN].split(|&b| b == 0).next().unwrap_or(&[]);
    let name = named.then(|| String::from_utf8_lossy(text).into_owned());
    let (stated, count) = (u32_at(head, 266), u32_at(head, 270));
    let start = cursor.at;
    let mut elements = Vec::new();
    for element in 0..count as usize {
        let place = Place::Element { target: index, element };
        let head = cursor.take(ELEMENT_LEN, place)?;
        let (address, size) = (u32_at(head, 0), u32_at(head, 4));
        if size == 0 {
            return Err(DfuError::EmptyElement { address, place });
        }
        elements.push(Element { address, bytes: cursor.take(size as usize, place)?.to_vec() });
    }
    let found = cursor.at - start;
    if stated as usize != found {
        return Err(DfuError::TargetLength { target: index, stated, found });
    }
    Ok(Target { alternate: head[6], name, elements })
}
