//! Adding a manifest: reserved vectors, CRC-32, SHA-256, signature.
//!
//! [`prepare`] does all but the signature, which a key in memory ([`sign`]) or a command of the
//! user's own (`external`) makes.

use super::{ImageError, keys};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use surefoot_core::config::Slot;
use surefoot_core::image::manifest::{
    self, Algorithm, Manifest, Override, SIGNED_LEN, VECTOR_MAGIC, VECTOR_OFFSET,
};
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

/// An image whose manifest waits for its signature. A manifest without a key waits for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    body: Vec<u8>,
    manifest: Manifest,
    replaced: Option<u32>,
}

impl Unsigned {
    /// With a mask of the board's keys that are revoked once the image is confirmed.
    pub fn revoking(mut self, keys: u8) -> Self {
        self.manifest.revokes = keys;
        self
    }

    /// With leave to run although its security counter is too low.
    pub fn overriding(mut self, leave: Override) -> Self {
        self.manifest.overrides = leave;
        self
    }

    /// What is to be signed: the manifest's first [`SIGNED_LEN`] bytes, the image's SHA-256 among
    /// them. Ed25519 signs these bytes themselves and no digest of them (RFC 8032, PureEdDSA).
    pub fn message(&self) -> [u8; SIGNED_LEN] {
        let mut message = [0; SIGNED_LEN];
        message.copy_from_slice(&self.manifest.encode()[..SIGNED_LEN]);
        message
    }

    /// `key`'s signature of it.
    pub fn sign(&self, key: &SigningKey) -> [u8; 64] {
        key.sign(&self.message()).to_bytes()
    }

    /// The handler that the reserved vectors held, which the manifest's place was written over.
    pub fn replaced_handler(&self) -> Option<u32> {
        self.replaced
    }

    /// SHA-256 of the image.
    pub fn image_sha256(&self) -> [u8; 32] {
        self.manifest.sha256
    }

    /// The image with its manifest as it is now, the signature all zeros: everything but the
    /// signature can be proved with it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut image = self.body.clone();
        image.extend_from_slice(&self.manifest.encode());
        image
    }

    /// The image with its manifest and `signature`, which is not looked at here.
    pub fn signed(mut self, signature: [u8; 64]) -> Vec<u8> {
        self.manifest.signature = signature;
        self.bytes()
    }
}

/// The image with its manifest behind it; signed when there is a `key`.
///
/// # Errors
/// As [`prepare`].
pub fn sign(
    image: Vec<u8>,
    slot: Slot,
    identity: Identity,
    key: Option<&SigningKey>,
    again: bool,
) -> Result<Vec<u8>, ImageError> {
    let public = key.map(|key| key.verifying_key().to_bytes());
    let unsigned = prepare(image, slot, identity, public.as_ref(), again)?;
    Ok(match key {
        Some(key) => {
            let signature = unsigned.sign(key);
            unsigned.signed(signature)
        }
        None => unsigned.bytes(),
    })
}

/// The image and its manifest for the key with the public half `public`, which is to sign it.
///
/// `image` is flat, a multiple of four long, linked for `slot`. With `again` an old manifest is
/// cut off first; without it an image that has one is refused.
///
/// # Errors
/// [`ImageError::TooShort`], [`ImageError::ReservedVectors`], [`ImageError::HasManifest`],
/// [`ImageError::BehindManifest`], [`ImageError::TooBig`].
pub fn prepare(
    mut image: Vec<u8>,
    slot: Slot,
    identity: Identity,
    public: Option<&[u8; 32]>,
    again: bool,
) -> Result<Unsigned, ImageError> {
    image.resize(image.len().next_multiple_of(4), 0xFF);
    let end = VECTOR_OFFSET + 12;
    let Some(old) = image.get(VECTOR_OFFSET..end) else {
        return Err(ImageError::TooShort(image.len()));
    };
    let word = |i: usize| u32::from_le_bytes([old[i], old[i + 1], old[i + 2], old[i + 3]]);
    let words = (word(0), word(4), word(8));
    let replaced = default_handler(&image, words, slot);
    if words.0 == VECTOR_MAGIC && words.1 == !words.2 {
        if !again {
            return Err(ImageError::HasManifest);
        }
        cut_off_manifest(&mut image, words.1, slot)?;
    } else if words != (0, 0, 0) && replaced.is_none() {
        return Err(ImageError::ReservedVectors(words.0, words.1, words.2));
    }
    let wanted = (image.len() + manifest::LEN) as u64;
    if wanted > u64::from(slot.length) {
        return Err(ImageError::TooBig { wanted, room: slot.length, slot: slot.base });
    }
    let image_length = image.len() as u32;
    image[VECTOR_OFFSET..end].copy_from_slice(&manifest::vectors(image_length));
    let manifest = Manifest {
        image_length,
        load_address: slot.base,
        version: identity.version,
        device_id: identity.device_id,
        security_counter: identity.security_counter,
        board_id: identity.board_id,
        crc: crc32(&image),
        algorithm: if public.is_some() { Algorithm::Ed25519 } else { Algorithm::None },
        sha256: Sha256::digest(&image).into(),
        key_id: public.map_or([0; 4], keys::id),
        revokes: 0,
        overrides: Override::None,
        signature: [0; 64],
    };
    Ok(Unsigned { body: image, manifest, replaced })
}

/// The address in all three reserved vectors, when it is the start-up code's handler for entries that
/// nobody uses: code of the image, in other entries of the exception table too. The core never fetches a
/// reserved vector (ARMv7-M, B1.5.2), so nothing is lost with it. Everything else is somebody's data.
fn default_handler(image: &[u8], (one, two, three): (u32, u32, u32), slot: Slot) -> Option<u32> {
    let is_code = one & 1 == 1 && slot.contains(one & !1, 2) && (one - slot.base) < image.len() as u32;
    // Entries 2 to 15 but the reserved ones that are ours, 8 to 10: the stack pointer and the reset vector are no handlers.
    let entries = image.as_chunks::<4>().0.iter().enumerate().take(16).skip(2);
    let mut others =
        entries.filter(|(i, _)| !(8..=10).contains(i)).map(|(_, word)| u32::from_le_bytes(*word));
    (one == two && two == three && is_code && others.any(|word| word == one)).then_some(one)
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
