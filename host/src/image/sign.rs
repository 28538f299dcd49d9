//! Adding a manifest: reserved vectors, CRC-32, SHA-256, signature.

use super::{ImageError, keys};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use surefoot_core::config::Slot;
use surefoot_core::image::manifest::{self, Algorithm, Manifest, SIGNED_LEN, VECTOR_MAGIC, VECTOR_OFFSET};
use surefoot_core::image::{Version, crc32};

/// What a manifest says of an image besides what follows from its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its version.
    pub version: Version,
    /// Rises when older images must not come back.
    pub security_counter: u32,
    /// DEV_ID of the chip, 0 for any.
    pub device_id: u16,
    /// The board's id, 0 for any.
    pub board_id: u32,
}

/// The image with its manifest behind it; signed when there is a `key`.
///
/// `image` is flat, a multiple of four long, linked for `slot`. With `again` an old manifest is
/// cut off first; without it an image that has one is refused.
///
/// # Errors
/// [`ImageError::TooShort`], [`ImageError::ReservedVectors`], [`ImageError::HasManifest`],
/// [`ImageError::BehindManifest`], [`ImageError::TooBig`].
pub fn sign(
    mut image: Vec<u8>,
    slot: Slot,
    identity: Identity,
    key: Option<&SigningKey>,
    again: bool,
) -> Result<Vec<u8>, ImageError> {
    image.resize(image.len().next_multiple_of(4), 0xFF);
    let end = VECTOR_OFFSET + 12;
    let Some(old) = image.get(VECTOR_OFFSET..end) else {
        return Err(ImageError::TooShort(image.len()));
    };
    let word = |i: usize| u32::from_le_bytes([old[i], old[i + 1], old[i + 2], old[i + 3]]);
    let words = (word(0), word(4), word(8));
    if words.0 == VECTOR_MAGIC && words.1 == !words.2 {
        if !again {
            return Err(ImageError::HasManifest);
        }
        cut_off_manifest(&mut image, words.1, slot)?;
    } else if words != (0, 0, 0) {
        return Err(ImageError::ReservedVectors(words.0, words.1, words.2));
    }
    let wanted = (image.len() + manifest::LEN) as u64;
    if wanted > u64::from(slot.length) {
        return Err(ImageError::TooBig { wanted, room: slot.length, slot: slot.base });
    }
    let image_length = image.len() as u32;
    image[VECTOR_OFFSET..end].copy_from_slice(&manifest::vectors(image_length));
    let mut manifest = Manifest {
        image_length,
        load_address: slot.base,
        version: identity.version,
        device_id: identity.device_id,
        security_counter: identity.security_counter,
        board_id: identity.board_id,
        crc: crc32(&image),
        algorithm: Algorithm::None,
        sha256: Sha256::digest(&image).into(),
        key_id: [0; 4],
        signature: [0; 64],
    };
    if let Some(key) = key {
        manifest.algorithm = Algorithm::Ed25519;
        manifest.key_id = keys::id(key.verifying_key().as_bytes());
        manifest.signature = key.sign(&manifest.encode()[..SIGNED_LEN]).to_bytes();
    }
    image.extend_from_slice(&manifest.encode());
    Ok(image)
}

/// Cuts at `offset` when a manifest stands there; a linker script may have left the vectors only.
/// What stands behind the manifest would be lost, so it is refused.
fn cut_off_manifest(image: &mut Vec<u8>, offset: u32, slot: Slot) -> Result<(), ImageError> {
    let at = offset as usize;
    let Some(rest) = image.get(at..).filter(|rest| Manifest::decode(rest).is_ok()) else {
        return Ok(());
    };
    let behind = rest.get(manifest::LEN..).unwrap_or_default();
    if let Some(first) = behind.iter().position(|b| *b != 0xFF) {
        let address = slot.base + offset + (manifest::LEN + first) as u32;
        return Err(ImageError::BehindManifest { address });
    }
    image.truncate(at);
    Ok(())
}
