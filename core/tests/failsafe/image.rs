//! The images of the scenarios, with real manifests, and an independent word on which may run.
//!
//! The signature is a stand-in (a SHA-256 over key and message): the real one's strength is tested
//! elsewhere, and here a million of them are checked.

use super::family::Family;
use sha2::{Digest, Sha256};
use surefoot_core::config::Policy;
use surefoot_core::image::crc32;
use surefoot_core::image::manifest::{self, Algorithm, Manifest, Override, Version};
use surefoot_core::image::verify::Crypto;

/// The chip's unique id.
pub const DEVICE: [u8; 12] = *b"a device's i";

/// What the application does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It confirms itself.
    Confirms,
    /// It hangs until a watchdog resets it.
    Hangs,
}

/// One application, for both slots.
#[derive(Debug)]
pub struct Recipe {
    pub name: &'static str,
    pub version: u16,
    pub counter: u32,
    /// Number of the key that signed it.
    pub key: u8,
    pub revokes: u8,
    pub overrides: Override,
    pub behaviour: Behaviour,
}

const PLAIN: Recipe = Recipe {
    name: "",
    version: 0,
    counter: 1,
    key: 0,
    revokes: 0,
    overrides: Override::None,
    behaviour: Behaviour::Confirms,
};

/// All applications; scenarios name them.
pub const RECIPES: [Recipe; 12] = [
    Recipe { name: "old", version: 1, counter: 1, ..PLAIN },
    Recipe { name: "new", version: 2, counter: 2, ..PLAIN },
    Recipe { name: "next", version: 3, counter: 2, ..PLAIN },
    Recipe { name: "hangs", version: 4, counter: 3, behaviour: Behaviour::Hangs, ..PLAIN },
    Recipe { name: "hangs too", version: 5, counter: 0, behaviour: Behaviour::Hangs, ..PLAIN },
    Recipe { name: "downgrade", version: 6, counter: 0, ..PLAIN },
    Recipe { name: "downgrade by leave", version: 7, counter: 0, overrides: Override::Image, ..PLAIN },
    Recipe { name: "downgrade here", version: 8, counter: 0, overrides: Override::Device(DEVICE), ..PLAIN },
    Recipe {
        name: "downgrade elsewhere",
        version: 9,
        counter: 0,
        overrides: Override::Device(*b"another dev!"),
        ..PLAIN
    },
    Recipe { name: "revokes key 0", version: 10, counter: 2, key: 1, revokes: 1, ..PLAIN },
    Recipe { name: "of key 0", version: 11, counter: 2, key: 0, ..PLAIN },
    // The last word of every case: the board can still be updated.
    Recipe { name: "rescue", version: 99, counter: 9, key: 1, ..PLAIN },
];

/// Number of the recipe with this name.
pub fn recipe(name: &str) -> usize {
    RECIPES.iter().position(|recipe| recipe.name == name).unwrap_or_else(|| panic!("no image {name:?}"))
}

/// A recipe's bytes, linked for one slot.
#[derive(Debug)]
pub struct Image {
    /// Number of the recipe.
    pub recipe: usize,
    /// Number of the slot.
    pub slot: usize,
    pub base: u32,
    pub id: u32,
    /// Up to the end of the manifest.
    pub bytes: Vec<u8>,
}

impl Image {
    pub fn recipe(&self) -> &'static Recipe {
        &RECIPES[self.recipe]
    }

    /// True when a board of this state has to accept it; the state is what the board was told.
    pub fn is_accepted(&self, policy: Policy, floor: u32, revoked: u8) -> bool {
        let recipe = self.recipe();
        let permitted = match recipe.overrides {
            Override::None => recipe.counter >= floor,
            Override::Image => true,
            Override::Device(device) => device == DEVICE || recipe.counter >= floor,
        };
        permitted && (policy != Policy::Signature || revoked >> recipe.key & 1 == 0)
    }

    pub fn build(family: &Family, number: usize, slot: usize, policy: Policy) -> Self {
        let recipe = &RECIPES[number];
        let base = family.slot(slot).base;
        let length = family.body;
        let mut bytes: Vec<u8> =
            (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(recipe.version as u8)).collect();
        // A piece in the midst of an image may be blank.
        bytes[0x40..0x80].fill(0xFF);
        bytes[..4].copy_from_slice(&0x2001_0000u32.to_le_bytes());
        bytes[4..8].copy_from_slice(&(base + 0x41).to_le_bytes());
        bytes[manifest::VECTOR_OFFSET..][..12].copy_from_slice(&manifest::vectors(length));
        let key = [recipe.key + 1; 32];
        let mut manifest = Manifest {
            image_length: length,
            load_address: base,
            version: Version { major: recipe.version, ..Version::default() },
            device_id: 0x413,
            security_counter: recipe.counter,
            board_id: 0xB0A2_D001,
            crc: crc32(&bytes),
            algorithm: Algorithm::None,
            sha256: sha256(&bytes),
            key_id: [0; 4],
            revokes: recipe.revokes,
            overrides: recipe.overrides,
            signature: [0; 64],
        };
        if policy == Policy::Signature {
            manifest.algorithm = Algorithm::Ed25519;
            manifest.key_id.copy_from_slice(&sha256(&key)[..4]);
            let signed = manifest.encode();
            manifest.signature[..32].copy_from_slice(&sign(&key, &signed[..manifest::SIGNED_LEN]));
        }
        bytes.extend_from_slice(&manifest.encode());
        // A host fills up the last program unit.
        bytes.resize(bytes.len().next_multiple_of(32), 0xFF);
        let id = u32::from_le_bytes(*bytes[length as usize + 0xA0..].first_chunk().expect("inside"));
        Self { recipe: number, slot, base, id, bytes }
    }

    /// The image with another's id: the last word of the signature makes the manifest's CRC-32 what it
    /// has to be. It cannot be proved, since a byte of its code is another one.
    pub fn forged(&self, id: u32) -> Vec<u8> {
        self.with_id(id, |_| {})
    }

    /// The same, and the manifest has the CRC-32 of the changed code: only a signature tells it from an image.
    pub fn forged_whole(&self, id: u32) -> Vec<u8> {
        self.with_id(id, |bytes| {
            let (body, manifest) = {
                let at = manifest_at(bytes);
                bytes.split_at_mut(at)
            };
            let field =
                manifest.windows(4).position(|word| word == crc32(&self.bytes[..body.len()]).to_le_bytes());
            manifest[field.expect("a field")..][..4].copy_from_slice(&crc32(body).to_le_bytes());
        })
    }

    fn with_id(&self, id: u32, mend: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let at = manifest_at(&bytes);
        bytes[at - 1] ^= 1;
        mend(&mut bytes);
        let back = |crc: u32| if crc & 1 == 0 { crc >> 1 } else { (crc ^ 0x04C1_1DB7) >> 1 | 1 << 31 };
        let word = crc32(&bytes[at..at + 0x9C]) ^ (0..32).fold(id, |crc, _| back(crc));
        bytes[at + 0x9C..at + 0xA0].copy_from_slice(&word.to_le_bytes());
        bytes[at + 0xA0..at + 0xA4].copy_from_slice(&id.to_le_bytes());
        bytes
    }
}

/// Where the manifest of an image begins: its head says so.
fn manifest_at(bytes: &[u8]) -> usize {
    manifest::offset(bytes).expect("an image") as usize
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn sign(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(message).finalize().into()
}

/// The stand-in's verifier.
pub struct StandIn;

impl Crypto for StandIn {
    fn is_sha256(&mut self, head: &[u8], rest: &[u8], expected: &[u8]) -> bool {
        Sha256::new().chain_update(head).chain_update(rest).finalize().starts_with(expected)
    }

    fn ed25519(
        &mut self,
        key: &[u8; 32],
        message: &[u8; manifest::SIGNED_LEN],
        signature: &[u8; 64],
    ) -> bool {
        signature[..32] == sign(key, message)
    }
}
