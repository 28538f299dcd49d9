//! Files: one format each, all read into [`Segments`] and all written from them.
//!
//! Bytes are checked once, here; behind this module a segment is known to be not empty, aligned,
//! apart from its neighbours and inside the 32-bit address space. What the addresses mean on a
//! board is not known here.

mod bin;
mod dfu;
mod elf;
mod hex;
mod magic;
mod segments;
mod srec;
mod uf2;
#[cfg(feature = "system")]
mod write;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use dfu::{DfuError, DfuFile, Element, Ids, Payload, SUFFIX_LEN, Target};
pub use elf::{ElfError, uses};
pub use hex::HexError;
pub use magic::Foreign;
pub use segments::{Part, Place, Segment, SegmentError, Segments};
pub use srec::SrecError;
pub use uf2::{Family, Uf2Error};
#[cfg(feature = "system")]
pub(crate) use write::folder_of;
#[cfg(feature = "system")]
pub use write::{check_writable, not_over, write_bytes};

/// Most bytes of a file that is read. The largest STM32 has 4 MiB of flash; an ELF with debug
/// information is larger, but not by this much.
pub const MAX_FILE: u64 = 256 << 20;

/// Bytes of flash of the largest STM32. No image spans more.
pub const MOST_FLASH: u32 = 4 << 20;

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
    /// Motorola S-records; read only.
    Srec,
    /// Blocks with their addresses; read only.
    Uf2,
}

impl Format {
    /// The format that a file name's ending stands for.
    pub fn by_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "elf" | "axf" | "out" => Some(Self::Elf),
            "hex" | "ihex" | "ihx" => Some(Self::Hex),
            "bin" => Some(Self::Bin),
            "dfu" => Some(Self::Dfu),
            "srec" | "s19" | "s28" | "s37" | "mot" => Some(Self::Srec),
            "uf2" => Some(Self::Uf2),
            _ => None,
        }
    }

    /// The ending that a file of this format has.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Elf => ".elf",
            Self::Hex => ".hex",
            Self::Bin => ".bin",
            Self::Dfu => ".dfu",
            Self::Srec => ".srec",
            Self::Uf2 => ".uf2",
        }
    }

    /// True for a format that files are written in.
    pub fn is_written(self) -> bool {
        matches!(self, Self::Hex | Self::Bin | Self::Dfu)
    }

    /// "an ELF", "a BIN".
    fn with_article(self) -> String {
        let article = if matches!(self, Self::Elf | Self::Hex | Self::Srec) { "an" } else { "a" };
        format!("{article} {self}")
    }

    /// The format that the first bytes show beyond doubt. Raw bytes show nothing.
    pub fn by_content(bytes: &[u8]) -> Option<Self> {
        magic::format(bytes)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::Hex => "Intel HEX",
            Self::Bin => "BIN",
            Self::Dfu => "DFU",
            Self::Srec => "S-record",
            Self::Uf2 => "UF2",
        })
    }
}

/// What cannot be done with a file of this name: write it, when the format is known.
fn unknown(path: &Path) -> String {
    match Format::by_name(path) {
        Some(format) => format!("{}: {} file cannot be written", path.display(), format.with_article()),
        None => format!("the format of {} is not known", path.display()),
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
    /// The folder of a file to write is not there.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// Its name.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The file to write is one that is read.
    #[error("{} would be written over {}, which is read for it", out.display(), input.display())]
    OverInput {
        /// The file to write.
        out: PathBuf,
        /// The one that is read; perhaps the same by another name.
        input: PathBuf,
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
    #[error("{}", unknown(path))]
    UnknownFormat {
        /// Its name.
        path: PathBuf,
    },
    /// The name says one thing, the first bytes another.
    #[error("the file is named as {named}, but it is {}", found.with_article())]
    Disguised {
        /// By its name.
        named: Format,
        /// By its bytes.
        found: Format,
    },
    /// No image at all.
    #[error("the file is {}", .0.what)]
    Foreign(Foreign),
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
    /// Not a usable file of S-records.
    #[error(transparent)]
    Srec(#[from] SrecError),
    /// Not a usable UF2 file.
    #[error(transparent)]
    Uf2(#[from] Uf2Error),
    /// The pieces do not go together.
    #[error(transparent)]
    Segments(#[from] SegmentError),
}

impl FileError {
    /// True when its text has the file's name in it.
    pub const fn names_its_file(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::Write { .. }
                | Self::NoFolder { .. }
                | Self::OverInput { .. }
                | Self::NotRegular(_)
                | Self::UnknownFormat { .. }
        )
    }
}

/// What a file held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its format.
    pub format: Format,
    /// Its contents.
    pub segments: Segments,
    /// The USB ids that a DFU file or suffix names.
    pub ids: Option<Ids>,
    /// The chips that a UF2 file names.
    pub family: Option<Family>,
    /// What the user should know of how it was read.
    pub notes: Vec<String>,
}

/// Reads `path` in the format that its name and contents tell; `address` is for a raw file.
///
/// # Errors
/// [`FileError`], with the place in the file.
pub fn read(path: &Path, address: Option<u32>) -> Result<Loaded, FileError> {
    let bytes = read_bytes(path)?;
    let named = Format::by_name(path);
    // Tools put a DFU suffix behind files of any name and kind; what is before it counts.
    let suffix = named.filter(|n| *n != Format::Dfu).and_then(|_| DfuFile::suffix(&bytes));
    let body = suffix.map_or(&bytes[..], |(body, _)| body);
    let format = match (named, Format::by_content(body)) {
        (Some(named), Some(found)) if named != found => return Err(FileError::Disguised { named, found }),
        (Some(format), _) | (None, Some(format)) => format,
        (None, None) if address.is_some() => Format::Bin,
        (None, None) => match magic::foreign(&bytes) {
            Some(foreign) => return Err(FileError::Foreign(foreign)),
            None => return Err(FileError::UnknownFormat { path: path.to_owned() }),
        },
    };
    if let Some(foreign) = magic::foreign(body) {
        return Err(FileError::Foreign(foreign));
    }
    let mut loaded = parse(format, body, address)?;
    if let Some((_, ids)) = suffix {
        loaded.ids = Some(ids);
        loaded
            .notes
            .push(format!("a DFU suffix, for USB device {ids}, was behind the bytes and is no part of them"));
    }
    Ok(loaded)
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
    if address.is_some() && !matches!(format, Format::Bin | Format::Dfu) {
        return Err(FileError::AddressGiven(format));
    }
    let (mut ids, mut family, mut notes) = (None, None, Vec::new());
    let segments = match format {
        Format::Elf => elf::read(bytes)?,
        Format::Hex => hex::read(bytes)?,
        Format::Bin => bin::read(bytes, address.ok_or(FileError::NoAddress(format))?)?,
        Format::Dfu => {
            let file = DfuFile::parse(bytes)?;
            ids = Some(file.ids);
            file.segments(address)?
        }
        Format::Srec => {
            let (segments, ended) = srec::read(bytes)?;
            if !ended {
                notes.push("no record ends the file, so nothing shows whether lines are missing".into());
            }
            segments
        }
        Format::Uf2 => {
            let (segments, named) = uf2::read(bytes)?;
            family = named;
            segments
        }
    };
    Ok(Loaded { format, segments, ids, family, notes })
}

/// Writes `segments` as `format`. `ids` go into a DFU file; a gap in a raw file reads 0xFF.
///
/// # Errors
/// [`FileError::UnknownFormat`] for what is only read.
#[cfg(feature = "system")]
pub fn write(path: &Path, segments: &Segments, ids: Ids) -> Result<Format, FileError> {
    let format = Format::by_name(path).filter(|f| f.is_written());
    let format = format.ok_or_else(|| FileError::UnknownFormat { path: path.to_owned() })?;
    write_bytes(path, &encode(format, segments, ids)?)?;
    Ok(format)
}

/// The bytes of a file of `format` that holds `segments`.
///
/// # Errors
/// [`FileError::TooBig`] when a raw file would be all gap; [`FileError::UnknownFormat`] for what is only read.
pub fn encode(format: Format, segments: &Segments, ids: Ids) -> Result<Vec<u8>, FileError> {
    match format {
        Format::Bin => {
            let bytes = u64::from(segments.end() - segments.start());
            // The gaps are filled, so they are bounded by what a chip has.
            if bytes > segments.total() + u64::from(MOST_FLASH) {
                return Err(FileError::TooBig { bytes });
            }
            Ok(segments.flat(segments.start(), segments.end()))
        }
        Format::Hex => Ok(hex::write(segments).into_bytes()),
        Format::Dfu => Ok(DfuFile::of(segments, ids).encode()),
        Format::Elf | Format::Srec | Format::Uf2 => {
            Err(FileError::UnknownFormat { path: format!("image{}", format.ending()).into() })
        }
    }
}
