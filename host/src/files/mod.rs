//! Files: one format each, all read into [`Segments`] and all written from them.
//!
//! Bytes are checked once, here; behind this module a segment is known to be not empty, aligned,
//! apart from its neighbours and inside the 32-bit address space. What the addresses mean on a
//! board is not known here.

mod bin;
mod dfu;
mod elf;
mod hex;
mod segments;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use dfu::{DfuError, DfuFile, Element, Ids, Payload, SUFFIX_LEN, Target};
pub use elf::ElfError;
pub use hex::HexError;
pub use segments::{Part, Place, Segment, SegmentError, Segments};

/// Most bytes of a file that is read. The largest STM32 has 4 MiB of flash; an ELF with debug
/// information is larger, but not by this much.
pub const MAX_FILE: u64 = 256 << 20;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ELF, 32 bits, ARM; the physical addresses count.
    Elf,
    /// Intel HEX.
    Hex,
    /// Raw bytes; the address comes from elsewhere.
    Bin,
    /// A DFU file, with ST's DfuSe addresses or plain.
    Dfu,
}

impl Format {
    /// The format that a file name's ending stands for.
    pub fn by_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "elf" | "axf" | "out" => Some(Self::Elf),
            "hex" | "ihex" | "ihx" => Some(Self::Hex),
            "bin" => Some(Self::Bin),
            "dfu" => Some(Self::Dfu),
            _ => None,
        }
    }

    /// "an ELF", "a BIN".
    fn with_article(self) -> String {
        let article = if matches!(self, Self::Elf | Self::Hex) { "an" } else { "a" };
        format!("{article} {self}")
    }

    /// The format that the first bytes show beyond doubt. Raw bytes show nothing.
    pub fn by_content(bytes: &[u8]) -> Option<Self> {
        let is_hex_line = || {
            let line = bytes.split(|&b| b == b'\n').next().unwrap_or(&[]);
            line.len() >= 11 && line[0] == b':' && line[1..11].iter().all(u8::is_ascii_hexdigit)
        };
        match bytes {
            [0x7F, b'E', b'L', b'F', ..] => Some(Self::Elf),
            [b'D', b'f', b'u', b'S', b'e', ..] => Some(Self::Dfu),
            _ if is_hex_line() => Some(Self::Hex),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::Hex => "Intel HEX",
            Self::Bin => "BIN",
            Self::Dfu => "DFU",
        })
    }
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Its name.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Its name.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// More than [`MAX_FILE`].
    #[error(
        "the file has {bytes} bytes, more than any STM32 image with all its debug information ({MAX_FILE})"
    )]
    TooBig {
        /// Its size.
        bytes: u64,
    },
    /// Neither the name nor the first bytes tell the format.
    #[error("the format of {} is not known", path.display())]
    UnknownFormat {
        /// Its name.
        path: PathBuf,
    },
    /// The name says one thing, the first bytes another.
    #[error("the file is named as {named}, but it holds {found}")]
    Disguised {
        /// By its name.
        named: Format,
        /// By its bytes.
        found: Format,
    },
    /// Raw bytes, and nobody said where they go.
    #[error("{} file has no address in it", .0.with_article())]
    NoAddress(Format),
    /// An address was given for a file that has its own.
    #[error("{} file carries its own addresses", .0.with_article())]
    AddressGiven(Format),
    /// Not a usable ELF.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// Not a usable Intel HEX.
    #[error(transparent)]
    Hex(#[from] HexError),
    /// Not a usable DFU file.
    #[error(transparent)]
    Dfu(#[from] DfuError),
    /// The pieces do not go together.
    #[error(transparent)]
    Segments(#[from] SegmentError),
}

/// What a file held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its format.
    pub format: Format,
    /// Its contents.
    pub segments: Segments,
    /// The USB ids that a DFU file names.
    pub ids: Option<Ids>,
}

/// Reads `path` in the format that its name and contents tell; `address` is for a raw file.
///
/// # Errors
/// [`FileError`], with the place in the file.
pub fn read(path: &Path, address: Option<u32>) -> Result<Loaded, FileError> {
    let bytes = read_bytes(path)?;
    let format = match (Format::by_name(path), Format::by_content(&bytes)) {
        (Some(named), Some(found)) if named != found => return Err(FileError::Disguised { named, found }),
        (Some(format), _) | (None, Some(format)) => format,
        (None, None) if address.is_some() => Format::Bin,
        (None, None) => return Err(FileError::UnknownFormat { path: path.to_owned() }),
    };
    parse(format, &bytes, address)
}

/// The bytes of `path`, bounded by [`MAX_FILE`].
///
/// # Errors
/// [`FileError::Read`], [`FileError::NotRegular`], [`FileError::Empty`], [`FileError::TooBig`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let read = |source| FileError::Read { path: path.to_owned(), source };
    // Asked before it is opened: opening a pipe waits for somebody to write into it.
    let what = std::fs::metadata(path).map_err(read)?;
    if !what.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    if what.len() > MAX_FILE {
        return Err(FileError::TooBig { bytes: what.len() });
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(read)?;
    // What the system says of a file's length may be wrong (in /proc it is 0), and it may grow meanwhile.
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(FileError::TooBig { bytes: bytes.len() as u64 });
    }
    if bytes.is_empty() { Err(FileError::Empty) } else { Ok(bytes) }
}

/// Reads `bytes` as `format`; `address` is for a format without addresses of its own.
///
/// # Errors
/// [`FileError`], with the place in the file.
pub fn parse(format: Format, bytes: &[u8], address: Option<u32>) -> Result<Loaded, FileError> {
    if bytes.is_empty() {
        return Err(FileError::Empty);
    }
    if address.is_some() && matches!(format, Format::Elf | Format::Hex) {
        return Err(FileError::AddressGiven(format));
    }
    let (segments, ids) = match format {
        Format::Elf => (elf::read(bytes)?, None),
        Format::Hex => (hex::read(bytes)?, None),
        Format::Bin => (bin::read(bytes, address.ok_or(FileError::NoAddress(format))?)?, None),
        Format::Dfu => {
            let file = DfuFile::parse(bytes)?;
            let ids = file.ids;
            (file.segments(address)?, Some(ids))
        }
    };
    Ok(Loaded { format, segments, ids })
}

/// Writes `segments` as `format`. `ids` go into a DFU file; a gap in a raw file reads 0xFF.
///
/// # Errors
/// [`FileError::UnknownFormat`] for ELF, which is only read.
pub fn write(path: &Path, segments: &Segments, ids: Ids) -> Result<Format, FileError> {
    let format = Format::by_name(path).filter(|f| *f != Format::Elf);
    let format = format.ok_or_else(|| FileError::UnknownFormat { path: path.to_owned() })?;
    write_bytes(path, &encode(format, segments, ids)?)?;
    Ok(format)
}

/// Writes `bytes` to `path`: to a neighbour first, then renamed, so that no half file remains.
///
/// # Errors
/// [`FileError::Write`], [`FileError::NotRegular`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let part = part_of(path)?;
    let done = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    done.map_err(|source| {
        let _ = std::fs::remove_file(&part);
        failed(source)
    })
}

/// Finds out, before a job is begun, whether [`write_bytes`] can write `path`. Changes nothing.
///
/// # Errors
/// As [`write_bytes`].
pub fn check_writable(path: &Path) -> Result<(), FileError> {
    let part = part_of(path)?;
    let done = std::fs::write(&part, []).and_then(|()| std::fs::remove_file(&part));
    done.map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// The neighbour of `path` that is written first. A folder or a device is not replaced.
fn part_of(path: &Path) -> Result<PathBuf, FileError> {
    if path.file_name().is_none() || std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(name))
}

/// The bytes of a file of `format` that holds `segments`.
///
/// # Errors
/// [`FileError::TooBig`] when a raw file would be all gap; [`FileError::UnknownFormat`] for ELF.
pub fn encode(format: Format, segments: &Segments, ids: Ids) -> Result<Vec<u8>, FileError> {
    match format {
        Format::Bin => {
            let bytes = u64::from(segments.end() - segments.start());
            if bytes > MAX_FILE {
                return Err(FileError::TooBig { bytes });
            }
            Ok(segments.flat(segments.start(), segments.end()))
        }
        Format::Hex => Ok(hex::write(segments).into_bytes()),
        Format::Dfu => Ok(DfuFile::of(segments, ids).encode()),
        Format::Elf => Err(FileError::UnknownFormat { path: "an ELF".into() }),
    }
}
