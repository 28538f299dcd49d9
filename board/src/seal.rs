//! Sealing: a bootloader binary and a board to the image that goes into the chip.
//!
//! The block is the only part of the binary that changes. A sealed binary can be sealed again.

use crate::board::Board;
use crate::units::show_size;
use surefoot_core::config::{
    BLOCK_LEN, BLOCK_MAGIC, BinaryHeader, FEATURE_FAILSAFE, FEATURE_SIGNATURE, Policy,
};

/// A sealed bootloader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes, which belong at the start of flash.
    pub image: Vec<u8>,
    /// Where that is.
    pub base: u32,
    /// What the binary says of itself.
    pub header: BinaryHeader,
    /// It was sealed before, perhaps for another board.
    pub resealed: bool,
}

/// Why a binary is not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No header, or several.
    #[error(
        "this is not a Surefoot bootloader: it has no header, or more than one; take the binary that `surefoot bootloader` brings"
    )]
    NotABootloader,
    /// The place of the block holds something else.
    #[error(
        "the place of the configuration block at offset 0x{offset:X} holds neither erased bytes nor a block; the file is damaged, take a fresh one"
    )]
    Damaged {
        /// Offset in the binary.
        offset: usize,
    },
    /// Another family.
    #[error(
        "the bootloader is built for family 0x{binary:04X}, but {chip} is of family 0x{board:04X}; take the binary for that family"
    )]
    Family {
        /// The binary's.
        binary: u16,
        /// The board's.
        board: u16,
        /// The board's chip.
        chip: &'static str,
    },
    /// The policy asks for signatures and the build has none.
    #[error(
        "the board's policy is \"signature\", but this build cannot verify signatures; take the full build, or use policy \"crc\""
    )]
    NoSignatures,
    /// The board has a journal and the build cannot keep one.
    #[error(
        "the board has a journal, but this build keeps none: no second slot, no trial boots, no way back; take the full build, or take `journal` out of [layout]"
    )]
    NoFailsafe,
    /// The binary is bigger than its region.
    #[error("the bootloader has {size} bytes, but the board gives it {} bytes (0x{region:X}); give it at least {} in [layout] bootloader", .region, show_size(*.needed))]
    TooBig {
        /// Bytes of the binary.
        size: usize,
        /// Bytes of the region.
        region: u32,
        /// The smallest region on sector boundaries that would do.
        needed: u32,
    },
    /// The binary's own vector table does not belong at the board's start of flash.
    #[error(
        "the bootloader is linked for 0x{reset:08X}, but the board's flash begins at 0x{base:08X}; the file is damaged, take a fresh one"
    )]
    Linked {
        /// Its reset vector.
        reset: u32,
        /// Start of flash.
        base: u32,
    },
}

/// Writes the board's configuration block into a bootloader binary.
pub fn seal(binary: &[u8], board: &Board) -> Result<Sealed, SealError> {
    let (header, offset) = BinaryHeader::find(binary).ok_or(SealError::NotABootloader)?;
    let place = &binary[offset..offset + BLOCK_LEN];
    let erased = place.iter().all(|b| *b == 0xFF);
    if !erased && !place.starts_with(&BLOCK_MAGIC.to_le_bytes()) {
        return Err(SealError::Damaged { offset });
    }
    if header.family != board.binary_family {
        return Err(SealError::Family {
            binary: header.family,
            board: board.binary_family,
            chip: board.chip.name,
        });
    }
    if board.policy == Policy::Signature && header.features & FEATURE_SIGNATURE == 0 {
        return Err(SealError::NoSignatures);
    }
    if board.has_journal() && header.features & FEATURE_FAILSAFE == 0 {
        return Err(SealError::NoFailsafe);
    }
    let region = board.bootloader();
    if binary.len() > region.length as usize {
        let needed = board.layout.flash.sectors().map(|s| s.end() - region.base);
        let needed = needed.filter(|n| *n as usize >= binary.len()).min().unwrap_or(u32::MAX);
        return Err(SealError::TooBig { size: binary.len(), region: region.length, needed });
    }
    let reset = binary.get(4..8).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if !region.contains(reset & !1, 2) {
        return Err(SealError::Linked { reset, base: region.base });
    }
    let mut image = binary.to_vec();
    image[offset..offset + BLOCK_LEN].copy_from_slice(&board.block());
    Ok(Sealed { image, base: region.base, header, resealed: !erased })
}
