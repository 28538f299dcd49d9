//! What is in an image, without a verdict on a board.

use super::{Convention, keys};
use crate::files::{MOST_FLASH, Segments};
use sha2::{Digest, Sha256};
use surefoot_core::image::crc32;
use surefoot_core::image::manifest::{self, Manifest, ManifestFault};

/// An image's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// First address.
    pub base: u32,
    /// Bytes from the first to the last address, gaps included.
    pub length: u32,
    /// Initial MSP; none when the image is shorter.
    pub stack_pointer: Option<u32>,
    /// Reset vector.
    pub reset_vector: Option<u32>,
    /// SHA-256 of the image's body, without its manifest; of all bytes where it has none.
    pub sha256: [u8; 32],
    /// The manifest that the reserved vectors point at.
    pub manifest: Option<Result<ManifestView, ManifestFault>>,
    /// What a bare CRC-32 check finds.
    pub last_word: LastWord,
    /// The convention of a CRC-32 in the last word that is not the board's.
    pub convention: Option<Convention>,
}

/// A manifest held against the bytes it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestView {
    /// Its fields.
    pub manifest: Manifest,
    /// Its offset in the image.
    pub offset: u32,
    /// Its image length is its offset.
    pub length_matches: bool,
    /// Its CRC-32 is the image's.
    pub crc_matches: bool,
    /// Its SHA-256 is the image's.
    pub hash_matches: bool,
}

/// The last word that is not erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWord {
    /// It is the CRC-32 of what stands before it.
    IsCrc(u32),
    /// It is not.
    IsNot,
}

impl ManifestView {
    /// Names the image, as the journal does: the CRC-32 of its manifest.
    pub fn id(&self) -> u32 {
        manifest::View::check(&self.manifest.encode()).map_or(0, |view| view.id())
    }

    /// True when `key` made the signature.
    pub fn signed_by(&self, key: &[u8; 32]) -> bool {
        use surefoot_core::image::verify::Crypto;
        let signed = self.manifest.encode();
        self.manifest.key_id == keys::id(key)
            && signed
                .first_chunk()
                .is_some_and(|signed| super::HostCrypto.ed25519(key, signed, &self.manifest.signature))
    }
}

/// Looks at `segments`. An image ends within [`MOST_FLASH`] bytes; what a file holds farther away is none of
/// it and is not looked at, so the memory that this takes does not grow with the addresses.
pub fn inspect(segments: &Segments) -> Inspection {
    let (base, end) = (segments.start(), segments.end());
    let mut bytes = segments.flat(base, end.min(base.saturating_add(MOST_FLASH)));
    bytes.resize(bytes.len().next_multiple_of(4), 0xFF);
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..at + 4)?.first_chunk()?));
    let place = manifest::offset(&bytes).map(|offset| offset as usize);
    let body = place.and_then(|offset| bytes.get(..offset));
    let sha256: [u8; 32] = Sha256::digest(body.unwrap_or(&bytes)).into();
    let manifest = manifest::offset(&bytes).map(|offset| {
        let (body, rest) = bytes.split_at_checked(offset as usize).ok_or(ManifestFault::Missing)?;
        let manifest = Manifest::decode(rest)?;
        Ok(ManifestView {
            offset,
            length_matches: manifest.image_length == offset,
            crc_matches: manifest.crc == crc32(body),
            hash_matches: manifest.sha256 == sha256,
            manifest,
        })
    });
    let convention = if manifest.is_none() { Convention::of(&bytes, None) } else { None };
    Inspection {
        base,
        length: end - base,
        stack_pointer: word(0),
        reset_vector: word(4),
        sha256,
        manifest,
        last_word: last_word(&bytes),
        convention,
    }
}

fn last_word(bytes: &[u8]) -> LastWord {
    let erased = bytes.as_chunks::<4>().0.iter().rev().take_while(|w| **w == [0xFF; 4]).count() * 4;
    let body = bytes.len() - erased;
    match bytes[..body].split_last_chunk::<4>() {
        Some((before, word)) if crc32(before) == u32::from_le_bytes(*word) => {
            LastWord::IsCrc(u32::from_le_bytes(*word))
        }
        _ => LastWord::IsNot,
    }
}
