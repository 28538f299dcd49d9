//! A signed image with any bit of it changed, proved by `core` with the chip's own cryptography.
//!
//! The other half of this promise, on the virtual board, is the sweep's and `update.rs`'s: here
//! every bit has its turn, with and without an attacker who puts the manifest's CRC-32 right again,
//! and the reason has to be the one that the changed field deserves.

use ed25519_dalek::SigningKey;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use surefoot_board::Board;
use surefoot_core::config::{BLOCK_LEN, Config, Key, Policy, Slot};
use surefoot_core::image::manifest::{self, Manifest, Override};
use surefoot_core::image::verify::Crypto;
use surefoot_core::image::verify::Kept;
use surefoot_core::image::{Demand, ImageFault, SoftCrc32, Version, crc32, verify};
use surefoot_core::port::Memory;
use surefoot_host::image::{Identity, prepare};

use ImageFault::*;

/// SHA-256 and Ed25519 as the firmware has them.
struct Firmware;

impl Crypto for Firmware {
    fn is_sha256(&mut self, head: &[u8], rest: &[u8], expected: &[u8]) -> bool {
        surefoot_sha256::digest(head, rest).starts_with(expected)
    }

    fn ed25519(
        &mut self,
        key: &[u8; 32],
        message: &[u8; manifest::SIGNED_LEN],
        signature: &[u8; 64],
    ) -> bool {
        surefoot_ed25519::verify(key, message, signature)
    }
}

/// Bytes of the image before its manifest.
const BODY: usize = 2048;
/// Where the manifest's own CRC-32 stands; what is behind it is padding.
const CRC: usize = 0xA0;
const COUNTER: u32 = 7;
const DEVICE: [u8; 12] = [0x31, 0, 0x2A, 0, 0x0C, 0x47, 0x38, 0x33, 0x35, 0x37, 0x39, 0x30];

/// The number of the key that signs, among the board's keys.
const SIGNER: usize = 1;

fn key(number: usize) -> SigningKey {
    SigningKey::from_bytes(&[number as u8 + 1; 32])
}

/// A slot's contents, proved again and again.
struct Bench {
    block: [u8; BLOCK_LEN],
    family: u16,
    slot: Slot,
    identity: Identity,
    bytes: Vec<u8>,
    /// The counter that the board has recorded.
    floor: u32,
}

struct Flash<'a>(&'a [u8], Slot);

impl Memory for Flash<'_> {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let at = address.checked_sub(self.1.base)? as usize;
        self.0.get(at..at.checked_add(length as usize)?)
    }
}

impl Bench {
    /// The A/B example board with three keys of the tests, and an image signed by the second.
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards/f4-discovery-ab.toml");
        let mut board = Board::load(&path).expect("the example board");
        assert_eq!(board.policy, Policy::Signature);
        let public = |number| key(number).verifying_key().to_bytes();
        board.keys = (0..3).map(|number| Key { bytes: public(number), revoked: false }).collect();
        // Only so much of the slot as the image needs: every proof reads all of it.
        let slot = Slot { length: 0x1000, ..board.slot() };
        let identity = Identity {
            version: Version { major: 1, minor: 2, patch: 3 },
            security_counter: COUNTER,
            device_id: board.device_id(),
            board_id: board.id,
        };
        let mut bench = Self {
            block: board.block(),
            family: board.binary_family,
            slot,
            identity,
            bytes: Vec::new(),
            floor: COUNTER,
        };
        bench.bytes = bench.signed(Override::None);
        bench
    }

    fn signed(&self, leave: Override) -> Vec<u8> {
        let mut image: Vec<u8> = (0..BODY).map(|i| (i * 31 + i / 256) as u8).collect();
        image[..0x40].fill(0);
        image[..4].copy_from_slice(&0x2002_0000u32.to_le_bytes());
        image[4..8].copy_from_slice(&(self.slot.base + 0x101).to_le_bytes());
        let (signer, identity) = (key(SIGNER), self.identity);
        let public = signer.verifying_key().to_bytes();
        let unsigned = prepare(image, self.slot, identity, Some(&public), false).expect("an image");
        let unsigned = unsigned.overriding(leave);
        let signature = unsigned.sign(&signer);
        let mut bytes = unsigned.signed(signature);
        bytes.resize(self.slot.length as usize, 0xFF);
        bytes
    }

    /// What the board says of `bytes` in its slot.
    fn fault(&self, bytes: &[u8]) -> Option<ImageFault> {
        let config = Config::parse(&self.block, self.family).expect("a sealed block");
        let demand = Demand { floor: self.floor, device: &DEVICE, ..Demand::new(config, self.slot) };
        verify(demand, &Flash(bytes, self.slot), &mut SoftCrc32::default(), &mut Firmware, &mut Kept::new())
            .err()
    }

    /// The fault after bit `bit`, counted from the image's first, is turned.
    fn flipped(&self, bit: usize) -> Option<ImageFault> {
        let mut bytes = self.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        self.fault(&bytes)
    }

    /// The same in the manifest, its CRC-32 put right again.
    fn forged(&self, bit: usize) -> Option<ImageFault> {
        let mut bytes = self.bytes.clone();
        let manifest = &mut bytes[BODY..BODY + manifest::LEN];
        manifest[bit / 8] ^= 1 << (bit % 8);
        let crc = crc32(&manifest[..CRC]);
        manifest[CRC..CRC + 4].copy_from_slice(&crc.to_le_bytes());
        self.fault(&bytes)
    }
}

/// Each byte of the manifest in `faults` has exactly one row; its fault is that row's.
fn row(faults: &[(usize, ImageFault)], at: usize) -> ImageFault {
    faults.iter().rev().find(|(from, _)| *from <= at).expect("rows from zero on").1
}

#[test]
fn the_image_is_accepted_as_it_was_signed() {
    let bench = Bench::new();
    assert_eq!(bench.fault(&bench.bytes), None);
}

#[test]
fn every_bit_of_the_manifest_is_refused_with_its_fields_reason() {
    let bench = Bench::new();
    let faults = [
        (0x00, NoManifest),       // magic
        (0x04, ManifestFormat),   // format and length
        (0x08, ManifestChecksum), // everything that its CRC-32 covers, and the CRC-32
        (0xA4, ManifestFormat),   // padding
    ];
    for bit in 0..manifest::LEN * 8 {
        let fault = bench.flipped(BODY * 8 + bit);
        assert_eq!(fault, Some(row(&faults, bit / 8)), "bit {} of byte 0x{:02X}", bit % 8, bit / 8);
    }
}

#[test]
fn every_bit_of_the_manifest_is_refused_when_its_crc_is_put_right_again() {
    let bench = Bench::new();
    let faults = [
        (0x00, NoManifest),
        (0x04, ManifestFormat),
        (0x08, Length),
        (0x0C, LoadAddress),
        (0x10, Signature), // version
        (0x16, Chip),
        (0x18, Signature), // security counter: lower ones see below
        (0x1C, Board),
        (0x20, Signature),      // CRC-32 of the image: SHA-256 stands for it
        (0x24, ManifestFormat), // algorithm: 0 see below
        (0x28, Hash),
        (0x48, UnknownKey),
        (0x4C, ManifestFormat), // encryption
        (0x4D, Signature),      // keys to revoke: the signer itself see below
        (0x4E, ManifestFormat), // reserved
        (0x50, ManifestFormat), // override: see below
        (0x60, Signature),
    ];
    for bit in 0..CRC * 8 {
        let (at, expected) = (bit / 8, row(&faults, bit / 8));
        let is_lower = COUNTER >> (bit % 32) & 1 == 1;
        let expected = match at {
            0x18..0x1C if is_lower => Downgrade,
            0x24 if bit % 8 == 0 => NotSigned,
            0x4D if bit % 8 == SIGNER => RevokedKey,
            // From "none" to "this image on any device": a field with a meaning, unsigned.
            0x50 if bit % 8 == 0 => Signature,
            // From "none" to "one device", with no device named.
            0x50 if bit % 8 == 1 => Signature,
            _ => expected,
        };
        assert_eq!(bench.forged(bit), Some(expected), "bit {} of byte 0x{at:02X}", bit % 8);
    }
}

#[test]
fn no_single_bit_makes_an_older_image_acceptable() {
    let mut bench = Bench::new();
    bench.floor = COUNTER + 1;
    assert_eq!(bench.fault(&bench.bytes), Some(Downgrade));
    for bit in 0..manifest::LEN * 8 {
        assert!(bench.flipped(BODY * 8 + bit).is_some(), "bit {} of byte 0x{:02X}", bit % 8, bit / 8);
    }
    for bit in 0..CRC * 8 {
        assert!(bench.forged(bit).is_some(), "bit {} of byte 0x{:02X}", bit % 8, bit / 8);
    }
}

#[test]
fn an_override_for_one_device_holds_on_no_other_whatever_bit_is_changed() {
    let mut bench = Bench::new();
    bench.floor = COUNTER + 1;
    let mine = bench.signed(Override::Device(DEVICE));
    assert_eq!(bench.fault(&mine), None, "on its device");
    assert_eq!(bench.fault(&bench.signed(Override::Image)), None, "on any device");
    for bit in 0..96 {
        let mut other = DEVICE;
        other[bit / 8] ^= 1 << (bit % 8);
        let signed = bench.signed(Override::Device(other));
        assert_eq!(bench.fault(&signed), Some(Downgrade), "bit {bit} of the unique id");
    }
    // And with a good override there, the manifest is as firmly signed as without.
    bench.bytes = mine;
    for bit in 0..CRC * 8 {
        assert!(bench.forged(bit).is_some(), "bit {} of byte 0x{:02X}", bit % 8, bit / 8);
    }
}

#[test]
fn a_thousand_random_bits_and_all_of_the_vectors_are_refused() {
    let bench = Bench::new();
    let seed = std::env::var("SUREFOOT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_120);
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let vectors = 0..0x40 * 8;
    let random: Vec<usize> = (0..1000).map(|_| rng.random_range(vectors.end..BODY * 8)).collect();
    for bit in vectors.chain(random) {
        let fault = bench.flipped(bit).unwrap_or_else(|| panic!("bit {} of byte 0x{:X}", bit % 8, bit / 8));
        let allowed: &[ImageFault] = match bit / 8 {
            0x00..0x04 => &[StackPointer, Hash],
            0x04..0x08 => &[ResetOutside, ResetThumb, Hash],
            // The magic, the manifest's offset, its complement.
            0x20..0x2C => &[NoManifest],
            _ => &[Hash],
        };
        assert!(allowed.contains(&fault), "{fault:?} for bit {} of byte 0x{:X}", bit % 8, bit / 8);
    }
}

#[test]
fn what_was_decoded_encodes_to_the_same_bytes() {
    let bench = Bench::new();
    let bytes = &bench.bytes[BODY..BODY + manifest::LEN];
    assert_eq!(Manifest::decode(bytes).expect("a manifest").encode(), bytes);
}
