//! Proving an image: slot and policy in, [`VerifiedImage`] or the one reason against it out.
//!
//! The same code runs on the chip before a jump and on the host before a transfer.
//! Order: vector table, then (by policy) manifest, identity, CRC-32, SHA-256, signature; cheap
//! checks first, so the reason names the plainest cause.

use super::manifest::{self, Algorithm, ManifestFault, SIGNED_LEN, View};
use crate::config::{Config, Policy, Slot};
use crate::port::{Crc32, Memory};
use core::hint::black_box;

/// Why an image is not bootable. The numbers travel in [`crate::info::Info`]; they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ImageFault {
    /// The slot is erased.
    Erased = 1,
    /// The initial stack pointer is outside RAM or not 8-byte aligned.
    StackPointer = 2,
    /// The reset vector is outside the slot, or outside the part of it that is proved.
    ResetOutside = 3,
    /// The reset vector lacks the thumb bit.
    ResetThumb = 4,
    /// The policy wants a manifest and there is none.
    NoManifest = 5,
    /// A manifest of another format or with fields without meaning.
    ManifestFormat = 6,
    /// The manifest is damaged.
    ManifestChecksum = 7,
    /// The manifest's image length does not fit where it stands.
    Length = 8,
    /// Linked for another address.
    LoadAddress = 9,
    /// For another chip.
    Chip = 10,
    /// For another board.
    Board = 11,
    /// CRC-32 does not match.
    Crc = 12,
    /// SHA-256 does not match.
    Hash = 13,
    /// The policy wants a signature and there is none.
    NotSigned = 14,
    /// Signed with a key that the board does not have.
    UnknownKey = 15,
    /// Signed with a revoked key.
    RevokedKey = 16,
    /// The signature is wrong.
    Signature = 17,
    /// Some of the image cannot be read.
    Unreadable = 18,
    /// This build cannot verify signatures.
    NoVerifier = 19,
    /// The security counter is below the recorded one, and no override that fits is signed.
    Downgrade = 20,
    /// The image was on trial and did not confirm itself.
    Rejected = 21,
    /// The journal cannot be written, so no image can be put on trial.
    Journal = 22,
    /// The image was offered without its sectors' having been erased for it: bits of an update that was cut
    /// may be left in it.
    NotErased = 23,
}

/// What the board demands, from its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The configuration block.
    pub config: Config<'a>,
    /// The slot to prove.
    pub slot: Slot,
    /// The security counter below which no image is accepted.
    pub floor: u32,
    /// Mask of the keys that were revoked since the block was sealed.
    pub revoked: u8,
    /// The chip's unique id.
    pub device: &'a [u8; 12],
}

impl<'a> Demand<'a> {
    /// Of a board that has confirmed nothing yet.
    pub fn new(config: Config<'a>, slot: Slot) -> Self {
        Self { config, slot, floor: 0, revoked: 0, device: &[0; 12] }
    }
}

/// The cryptography a build has. The CRC-only build has [`NoCrypto`].
pub trait Crypto {
    /// False when the build has none of it.
    const AVAILABLE: bool = true;
    /// True when `expected` is the SHA-256, or its first bytes, of `head`, in blocks of 64 bytes, with `rest` behind it.
    fn is_sha256(&mut self, head: &[u8], rest: &[u8], expected: &[u8]) -> bool;
    /// True when `signature` is `key`'s Ed25519 signature of `message`.
    fn ed25519(&mut self, key: &[u8; 32], message: &[u8; SIGNED_LEN], signature: &[u8; 64]) -> bool;
}

/// A build without signatures: verifies nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoCrypto;

impl Crypto for NoCrypto {
    const AVAILABLE: bool = false;
    fn is_sha256(&mut self, _head: &[u8], _rest: &[u8], _expected: &[u8]) -> bool {
        false
    }
    fn ed25519(&mut self, _key: &[u8; 32], _message: &[u8; SIGNED_LEN], _signature: &[u8; 64]) -> bool {
        false
    }
}

/// The proof that an image may run: only [`verify`] makes one. Which one it is, with which stack and where it
/// starts is in [`Kept`].
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedImage(());

/// An image's first bytes, a block of SHA-256: the vectors of the system exceptions (ARMv7-M, B1.5.2).
const HEAD_LEN: usize = 64;
type Head = [u8; HEAD_LEN];

/// What [`verify`] has read of an image and goes by. It is the caller's, so that no stranger's bytes are on the
/// stack, where a core that skips an instruction may take one for a return address.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub struct Kept {
    /// The image's first bytes.
    pub head: Head,
    /// Its manifest, if it has one.
    pub manifest: [u8; manifest::LEN],
    /// Where it begins, if it was proved; else 0.
    pub base: u32,
}

impl Kept {
    /// Nothing.
    pub const fn new() -> Self {
        Self { head: [0; _], manifest: [0; _], base: 0 }
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::new()
    }
}

/// Proves the image in `demand.slot` against the board's policy. What starts it and what it is judged by is
/// proved as it was read: flash may read otherwise the next time.
pub fn verify<C: Crypto>(
    demand: Demand,
    memory: &impl Memory,
    crc: &mut impl Crc32,
    crypto: &mut C,
    kept: &mut Kept,
) -> Result<VerifiedImage, ImageFault> {
    judge(&demand, memory, crc, crypto, kept)?;
    kept.base = demand.slot.base;
    Ok(VerifiedImage(()))
}

#[inline(always)]
fn judge<C: Crypto>(
    demand: &Demand,
    memory: &impl Memory,
    crc: &mut impl Crc32,
    crypto: &mut C,
    kept: &mut Kept,
) -> Result<(), ImageFault> {
    let Demand { config, slot, .. } = *demand;
    kept.base = 0;
    let bytes = memory.bytes(slot.base, slot.length).ok_or(ImageFault::Unreadable)?;
    let first: &Head = bytes.first_chunk().ok_or(ImageFault::Length)?;
    kept.head.copy_from_slice(first);
    let kept = black_box(kept);
    let head = &kept.head;
    let entry = vector_table(head, &config, slot)?;
    let policy = config.policy();
    if policy == Policy::None {
        return Ok(());
    }
    if policy == Policy::Signature && !C::AVAILABLE {
        return Err(ImageFault::NoVerifier);
    }
    let (body, wanted, manifest) = match manifest::offset(head) {
        Some(offset) => {
            let (body, rest) = bytes.split_at_checked(offset as usize).ok_or(ImageFault::Length)?;
            let first: &[u8; manifest::LEN] = rest.first_chunk().ok_or(ImageFault::NoManifest)?;
            kept.manifest.copy_from_slice(first);
            let manifest = manifest_in(black_box(&kept.manifest), offset)?;
            identity(manifest, demand)?;
            (body, manifest.crc(), Some(manifest))
        }
        None if policy == Policy::Signature || config.has_journal() => return Err(ImageFault::NoManifest),
        None => {
            let (body, wanted) = last_word(bytes)?;
            (body, wanted, None)
        }
    };
    // What runs first must be among the bytes that are proved: the rest of the slot is anybody's.
    if entry as usize >= body.len() {
        return Err(ImageFault::ResetOutside);
    }
    let rest = body.get(HEAD_LEN..).ok_or(ImageFault::Length)?;
    match manifest {
        Some(manifest) if policy == Policy::Signature => {
            signature(head, rest, manifest, demand, crypto)?;
        }
        _ => {
            crc.start();
            crc.update(head);
            crc.update(rest);
            if crc.value() != wanted {
                return Err(ImageFault::Crc);
            }
        }
    }
    Ok(())
}

/// As far as an image can be judged without cryptography: made for this board and this slot, and whole
/// by the CRC-32 of its manifest. Gives out [`View::id`], which is no leave to run it.
pub fn whole(demand: Demand, memory: &impl Memory, crc: &mut impl Crc32) -> Result<u32, ImageFault> {
    let Demand { config, slot, .. } = demand;
    let bytes = memory.bytes(slot.base, slot.length).ok_or(ImageFault::Unreadable)?;
    let entry = vector_table(bytes.first_chunk().ok_or(ImageFault::Length)?, &config, slot)?;
    let offset = manifest::offset(bytes).ok_or(ImageFault::NoManifest)?;
    let (body, rest) = bytes.split_at_checked(offset as usize).ok_or(ImageFault::Length)?;
    let manifest = manifest_in(rest, offset)?;
    identity(manifest, &demand)?;
    if entry as usize >= body.len() {
        return Err(ImageFault::ResetOutside);
    }
    if config.policy() == Policy::Signature && manifest.algorithm() != Algorithm::Ed25519 {
        return Err(ImageFault::NotSigned);
    }
    crc.start();
    crc.update(body);
    if crc.value() == manifest.crc() { Ok(manifest.id()) } else { Err(ImageFault::Crc) }
}

/// What the vector table has to be: MSP in this chip's RAM (its top is legal) and 8-byte aligned, reset
/// vector inside the slot with the thumb bit. Gives out the offset of the first instruction, and the thumb bit.
fn vector_table(head: &Head, config: &Config, slot: Slot) -> Result<u32, ImageFault> {
    let [both, ..] = head.as_chunks().0 else { return Err(ImageFault::Length) };
    let both = u64::from_le_bytes(*both);
    let (stack_pointer, reset_vector) = (both as u32, (both >> 32) as u32);
    if both == u64::MAX {
        return Err(ImageFault::Erased);
    }
    if !config.is_stack(stack_pointer) {
        return Err(ImageFault::StackPointer);
    }
    // Slots are whole sectors, so an instruction that begins inside ends there.
    let entry = reset_vector.wrapping_sub(slot.base);
    if entry >= slot.length {
        return Err(ImageFault::ResetOutside);
    }
    if reset_vector & 1 == 0 {
        return Err(ImageFault::ResetThumb);
    }
    Ok(entry)
}

/// The manifest of an image of this length.
#[cfg_attr(feature = "failsafe", inline(never))]
pub(crate) fn manifest_in(bytes: &[u8], length: u32) -> Result<View<'_>, ImageFault> {
    let manifest = View::check(bytes).map_err(|fault| match fault {
        ManifestFault::Missing => ImageFault::NoManifest,
        ManifestFault::Format | ManifestFault::Field => ImageFault::ManifestFormat,
        ManifestFault::Checksum => ImageFault::ManifestChecksum,
    })?;
    if manifest.image_length() == length { Ok(manifest) } else { Err(ImageFault::Length) }
}

fn identity(manifest: View, demand: &Demand) -> Result<(), ImageFault> {
    let Demand { config, slot, floor, device, .. } = demand;
    if manifest.load_address() != slot.base {
        return Err(ImageFault::LoadAddress);
    }
    if manifest.device_id() != 0 && manifest.device_id() != config.device_id() {
        return Err(ImageFault::Chip);
    }
    if manifest.board_id() != 0 && manifest.board_id() != config.board_id() {
        return Err(ImageFault::Board);
    }
    if cfg!(feature = "failsafe") && manifest.security_counter() < *floor && !manifest.overrides(device) {
        return Err(ImageFault::Downgrade);
    }
    Ok(())
}

/// A plain image under the policy `crc`: its last word that is not erased is the CRC-32 of all
/// before it. That reads both placements: at the image's end, and at the region's end with the
/// gap left erased.
fn last_word(bytes: &[u8]) -> Result<(&[u8], u32), ImageFault> {
    let mut words = bytes.as_chunks::<4>().0;
    while let Some((last, before)) = words.split_last() {
        if *last != [0xFF; 4] {
            return Ok((before.as_flattened(), u32::from_le_bytes(*last)));
        }
        words = before;
    }
    Err(ImageFault::Erased)
}

fn signature(
    head: &Head,
    rest: &[u8],
    manifest: View,
    demand: &Demand,
    crypto: &mut impl Crypto,
) -> Result<(), ImageFault> {
    if manifest.algorithm() != Algorithm::Ed25519 {
        return Err(ImageFault::NotSigned);
    }
    let mut known = Err(ImageFault::UnknownKey);
    // A key that was revoked, or that this very image would revoke: it could not run a second time.
    let revoked = if cfg!(feature = "failsafe") { demand.revoked | manifest.revokes() } else { 0 };
    for (number, (key, sealed_as_revoked)) in demand.config.keys().enumerate() {
        if crypto.is_sha256(&[], key, manifest.key_id()) {
            let revoked = sealed_as_revoked || revoked >> number & 1 != 0;
            known = if revoked { Err(ImageFault::RevokedKey) } else { Ok(key) };
            break;
        }
    }
    let key = known?;
    if !crypto.is_sha256(head, rest, manifest.sha256()) {
        return Err(ImageFault::Hash);
    }
    if !crypto.ed25519(key, manifest.signed(), manifest.signature()) {
        return Err(ImageFault::Signature);
    }
    Ok(())
}
