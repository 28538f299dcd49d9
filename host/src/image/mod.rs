//! Images: a file's segments made into what a slot takes, signed or with a CRC, and checked.
//!
//! [`flat`] lays segments out for a slot, [`sign`] adds the manifest (`External` asks a command of
//! the user's own for the signature), [`with_crc`] a bare CRC-32, [`check`] holds the result against
//! a board with the very code that the board runs, and [`inspect`] shows what is in it. Only keys are
//! read from files; nothing here knows links.

mod check;
mod convention;
mod crc;
#[cfg(feature = "system")]
mod external;
mod hole;
mod inspect;
#[cfg(feature = "system")]
mod keypair;
pub mod keys;
mod locked;
mod place;
mod sealed;
mod sign;
mod trust;

pub use check::{HostCrypto, Refused, SlotMemory, check, check_for, check_vectors, linked_for};
pub use convention::Convention;
pub use crc::{CrcPlace, with_crc};
#[cfg(feature = "system")]
pub use external::{External, ExternalError, Input};
pub use hole::{Hole, Sector, hole};
pub use inspect::{Inspection, LastWord, ManifestView, inspect};
pub use place::{Map, Region, Stray};
pub use sealed::SealedBootloader;
pub use sign::{Identity, Unsigned, prepare, sign};
pub use trust::{Distrust, trusted};

use crate::files::{Segment, Segments};
use surefoot_core::config::Slot;
use surefoot_core::image::manifest;

/// Why an image cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The file does not begin where the slot begins.
    #[error("the image begins at 0x{start:08X}, the slot at 0x{slot:08X}")]
    Start {
        /// Of the image.
        start: u32,
        /// Of the slot.
        slot: u32,
    },
    /// It is the bootloader, or begins with it.
    #[error("the file begins with a Surefoot bootloader, and an application is expected")]
    Bootloader,
    /// The image does not fit the slot.
    #[error("the image needs {wanted} bytes, the slot at 0x{slot:08X} has {room}")]
    TooBig {
        /// Bytes of image and what is added to it.
        wanted: u64,
        /// Bytes of the slot.
        room: u32,
        /// The slot's first address.
        slot: u32,
    },
    /// Bytes of the file go to no slot.
    #[error(
        "{} bytes at 0x{:08X} lie outside the slot at 0x{slot:08X}: {}{}",
        stray.length, stray.address, stray.region.name(), others(stray.more)
    )]
    Outside {
        /// The first of them.
        stray: Stray,
        /// The slot's first address.
        slot: u32,
    },
    /// A whole sector between two parts of the image is erased.
    #[error("{} between two parts of the image", erased(.0))]
    Hole(Hole),
    /// Shorter than the vector table up to the reserved vectors.
    #[error("the image has {0} bytes, less than a vector table")]
    TooShort(usize),
    /// Reserved vectors 8-10 hold something.
    #[error("the reserved vectors 8-10 are in use: {0:08X} {1:08X} {2:08X}")]
    ReservedVectors(u32, u32, u32),
    /// It has a manifest already.
    #[error("the image already has a manifest")]
    HasManifest,
    /// The CRC-32 happens to be 0xFFFFFFFF, which reads as erased flash.
    #[error("the CRC-32 of this image is 0xFFFFFFFF, which looks like erased flash")]
    CrcErased,
    /// The region's last word is part of the image.
    #[error("the last word of the region, at 0x{0:08X}, is part of the image")]
    LastWordUsed(u32),
    /// Bytes behind the manifest.
    #[error("there are bytes behind the image's manifest, the first at 0x{address:08X}")]
    BehindManifest {
        /// The first of them that is not erased flash.
        address: u32,
    },
}

fn others(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => "; so does another piece".into(),
        more => format!("; so do {more} other pieces"),
    }
}

fn erased(Hole { first, count, end }: &Hole) -> String {
    let bytes = (end - first.base) >> 10;
    match count {
        1 => format!("sector {} at 0x{:08X} ({bytes} KB) is erased flash", first.number, first.base),
        _ => {
            let last = first.number + count - 1;
            format!("sectors {}-{last} at 0x{:08X} ({bytes} KB) are erased flash", first.number, first.base)
        }
    }
}

/// Nothing but erased flash stands behind the manifest, if there is one: no signature and no CRC
/// covers what does.
///
/// # Errors
/// [`ImageError::BehindManifest`].
pub fn nothing_behind_manifest(segments: &Segments) -> Result<(), ImageError> {
    let Some(Ok(view)) = inspect(segments).manifest else { return Ok(()) };
    let start = segments.start() as usize + view.offset as usize + manifest::LEN;
    for segment in segments {
        let skipped = start.saturating_sub(segment.address as usize).min(segment.bytes.len());
        if let Some(at) = segment.bytes[skipped..].iter().position(|b| *b != 0xFF) {
            return Err(ImageError::BehindManifest { address: segment.address + (skipped + at) as u32 });
        }
    }
    Ok(())
}

/// What stands in `slot` once `segments` are written: from the slot's base to the last byte,
/// padded with 0xFF to a multiple of four.
///
/// # Errors
/// [`ImageError::Start`], [`ImageError::Bootloader`], [`ImageError::Outside`], [`ImageError::TooBig`].
pub fn flat(segments: &Segments, slot: Slot) -> Result<Vec<u8>, ImageError> {
    flat_on(&Map::default(), segments, slot)
}

/// A bootloader of ours: it has the header of one, and starts outside of the slot, wherever a BIN was said to go.
fn is_bootloader(segments: &Segments, slot: Slot) -> bool {
    let elsewhere = |reset: u32| !slot.contains(reset, 1);
    inspect(segments).reset_vector.is_some_and(elsewhere) && SealedBootloader::find(segments).is_some()
}

/// The same for a board of which more is known: `map` names what lies outside of the slot.
///
/// # Errors
/// As [`flat`].
pub fn flat_on(map: &Map, segments: &Segments, slot: Slot) -> Result<Vec<u8>, ImageError> {
    if is_bootloader(segments, slot) {
        return Err(ImageError::Bootloader);
    }
    if !segments.iter().any(|s| s.address == slot.base) {
        // Where the program begins, and not what a file may hold for other memories.
        let in_flash = |s: &&Segment| s.address >> 24 == slot.base >> 24;
        let start = segments.iter().find(in_flash).map_or(segments.start(), |s| s.address);
        return Err(ImageError::Start { start, slot: slot.base });
    }
    if let Some(stray) = map.stray(segments, slot) {
        return Err(ImageError::Outside { stray, slot: slot.base });
    }
    let wanted = u64::from(segments.end() - slot.base).next_multiple_of(4);
    if wanted > u64::from(slot.length) {
        return Err(ImageError::TooBig { wanted, room: slot.length, slot: slot.base });
    }
    Ok(segments.flat(slot.base, slot.base + wanted as u32))
}
