//! The check before the transfer: `surefoot_core::image::verify`, the code that the board runs,
//! with the host's CRC-32, SHA-256 and Ed25519.

use super::Convention;
use crate::files::Segments;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use surefoot_core::config::{Config, Slot};
use surefoot_core::image::manifest;
use surefoot_core::image::verify::Crypto;
use surefoot_core::image::verify::Kept;
use surefoot_core::image::{Demand, ImageFault, SoftCrc32, VerifiedImage, verify};
use surefoot_core::port::Memory;

/// SHA-256 and Ed25519 (strict) on the host.
#[derive(Clone, Copy, Debug)]
pub struct HostCrypto;

impl Crypto for HostCrypto {
    fn is_sha256(&mut self, head: &[u8], rest: &[u8], expected: &[u8]) -> bool {
        Sha256::new().chain_update(head).chain_update(rest).finalize().starts_with(expected)
    }

    fn ed25519(
        &mut self,
        key: &[u8; 32],
        message: &[u8; manifest::SIGNED_LEN],
        signature: &[u8; 64],
    ) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// A slot's contents as they will be: the image, and erased flash behind it.
#[derive(Clone, Debug)]
pub struct SlotMemory {
    base: u32,
    bytes: Vec<u8>,
}

impl SlotMemory {
    /// The part of `segments` that lies in `slot`.
    pub fn new(segments: &Segments, slot: Slot) -> Self {
        Self { base: slot.base, bytes: segments.flat(slot.base, slot.end()) }
    }
}

impl Memory for SlotMemory {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let start = address.checked_sub(self.base)? as usize;
        self.bytes.get(start..start.checked_add(length as usize)?)
    }
}

/// Why the board would not boot an image, with what the message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", crate::texts::refused(self))]
pub struct Refused {
    /// The core's reason.
    pub fault: ImageFault,
    /// The slot.
    pub slot: Slot,
    /// First word of the image.
    pub stack_pointer: u32,
    /// Second word of the image.
    pub reset_vector: u32,
    /// For a downgrade: the image's security counter, and the lowest that the board accepts.
    pub counters: Option<(u32, u32)>,
    /// The address it is linked for, when that can be told and is not the slot's.
    pub linked_for: Option<u32>,
    /// The convention of a CRC-32 that is not the board's.
    pub convention: Option<Convention>,
}

/// The vector table alone, with what follows from it: for an image that has no manifest yet.
///
/// # Errors
/// [`Refused`].
pub fn check_vectors(config: Config, slot: Slot, segments: &Segments) -> Result<(), Refused> {
    use ImageFault::{Erased, ResetOutside, ResetThumb, StackPointer};
    match check(config, slot, segments) {
        Err(refused) if matches!(refused.fault, Erased | StackPointer | ResetOutside | ResetThumb) => {
            Err(refused)
        }
        _ => Ok(()),
    }
}

/// Proves `segments` for `slot` as the board will after the transfer.
///
/// # Errors
/// [`Refused`].
pub fn check(config: Config, slot: Slot, segments: &Segments) -> Result<VerifiedImage, Refused> {
    check_for(Demand::new(config, slot), segments)
}

/// The same for a board that has confirmed images before: with its floor and its revoked keys.
///
/// # Errors
/// [`Refused`].
pub fn check_for(demand: Demand, segments: &Segments) -> Result<VerifiedImage, Refused> {
    let (slot, floor) = (demand.slot, demand.floor);
    let memory = SlotMemory::new(segments, slot);
    let proof = verify(demand, &memory, &mut SoftCrc32::default(), &mut HostCrypto, &mut Kept::new());
    proof.map_err(|fault| {
        let word = |at: u32| {
            let word = memory.bytes(slot.base + at, 4).and_then(|b| b.first_chunk().copied());
            u32::from_le_bytes(word.unwrap_or([0xFF; 4]))
        };
        let (stack_pointer, reset_vector) = (word(0), word(4));
        let linked_for = linked_for(reset_vector, slot);
        let bare = fault == ImageFault::Crc && manifest::offset(&memory.bytes).is_none();
        let convention = bare.then(|| Convention::of(&memory.bytes, Some(slot.length))).flatten();
        let counter = || super::inspect(segments).manifest?.ok().map(|view| view.manifest.security_counter);
        let counters = counter().filter(|_| fault == ImageFault::Downgrade).map(|counter| (counter, floor));
        Refused { fault, slot, stack_pointer, reset_vector, counters, linked_for, convention }
    })
}

/// The address for which an image with this reset vector seems to be linked, when it is another
/// than the slot's: the start of flash for a vector in its first 64 KiB before the slot, else the
/// vector's own 16 KiB.
pub fn linked_for(reset_vector: u32, slot: Slot) -> Option<u32> {
    const FLASH: u32 = 0x0800_0000;
    if slot.contains(reset_vector & !1, 2) || !(FLASH..FLASH + (4 << 20)).contains(&reset_vector) {
        return None;
    }
    Some(if reset_vector < FLASH + 0x1_0000 { FLASH } else { reset_vector & !0x3FFF })
}
