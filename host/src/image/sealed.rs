//! What a sealed bootloader's file says of itself: its version, and the board that it was sealed for.
//!
//! Read with the code that the bootloader itself reads its block with. Nothing is proved here but the
//! block's own checksum; whether the binary is ours byte for byte, `surefoot bootloader` knows.

use crate::files::Segments;
use crate::job::{HEAD, sealed_in};
use surefoot_core::config::{BLOCK_LEN, BinaryHeader, Config, ConfigFault};

/// A bootloader's file.
#[derive(Clone, Debug)]
pub struct SealedBootloader {
    /// Version, family and build.
    pub header: BinaryHeader,
    block: [u8; BLOCK_LEN],
}

impl SealedBootloader {
    /// What `segments` begin with, when that is a bootloader of ours.
    pub fn find(segments: &Segments) -> Option<Self> {
        let start = segments.start();
        let head = segments.flat(start, start.checked_add(HEAD as u32)?.min(segments.end()));
        let (header, block) = sealed_in(&head)?;
        Some(Self { header, block })
    }

    /// The board's configuration.
    ///
    /// # Errors
    /// [`ConfigFault`]; [`ConfigFault::Missing`] for one that was never sealed.
    pub fn config(&self) -> Result<Config<'_>, ConfigFault> {
        Config::parse(&self.block, self.header.family)
    }
}
