//! Images that were made for a skip out of genuine ones, or of nothing but public values.
//!
//! Somebody who had no part in the bootloader found with such images what the other refusals do not find: skips
//! after which it proves something else than what starts. Each of them has genuine parts where one skip leads: whole
//! copies elsewhere in the slot, a decoy in the other slot, a head where the chip maps the flash a second time.

use super::refusals::{BODY, ENTRY, FLOOR, Kind, Refusal, Wrong, traps};
use crate::rig::example_key;
use anyhow::{Context, Result};
use curve25519_dalek::{Scalar, constants::ED25519_BASEPOINT_POINT};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256, Sha512};
use surefoot_board::Board as BoardFile;
use surefoot_core::config::{Policy, Slot, at};
use surefoot_core::image::manifest::{self, Algorithm, Manifest, Override};
use surefoot_core::image::{Version, crc32};
use surefoot_host::image::keys;

/// From one copy to the next: one bit of an address leads from the image to some of them.
const COPY: usize = 0x400;
/// Where code of a stranger's stands that is not in the image.
const OUTSIDE: u32 = 0x1000;
/// Where flash begins, which is also at 0 (RM0090, 2.4).
const FLASH: u32 = 0x0800_0000;
/// An image that is longer than slot A's offset in flash: its length leads into that slot.
const LONG: usize = 0xC400;

/// What of a scene is made by hand.
pub struct Crafted {
    /// The image that is refused.
    pub image: Vec<u8>,
    /// What is in flash besides it.
    pub around: Vec<(u32, Vec<u8>)>,
    /// An image in the other slot, which is refused, too.
    pub decoy: Option<(Slot, Vec<u8>)>,
    /// The id of the confirmed image, if it is this one.
    pub id: Option<u32>,
    /// All that RAM holds.
    pub ram: Option<u32>,
    /// What the host sends before, and the board accepts.
    pub before: Option<Vec<u8>>,
}

impl Crafted {
    /// An image, and nothing else.
    pub(super) fn only(image: Vec<u8>) -> Self {
        Self { image, around: Vec::new(), decoy: None, id: None, ram: None, before: None }
    }
}

/// An image of the vendor's.
struct Genuine {
    body: Vec<u8>,
    manifest: [u8; manifest::LEN],
}

impl Genuine {
    fn new(file: &BoardFile, slot: Slot, length: usize) -> Result<Self> {
        let mut body = traps(length);
        body[..64].copy_from_slice(&head(slot.base + ENTRY, length));
        let manifest = signed(file, slot, &body, &example_key()?).encode();
        Ok(Self { body, manifest })
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes([0, 1, 2, 3].map(|at| self.manifest[ID + at]))
    }

    /// Takes the signature away.
    fn unsign(&mut self) {
        let mut manifest = Manifest::decode(&self.manifest).expect("made here");
        (manifest.algorithm, manifest.signature) = (Algorithm::None, [0; 64]);
        self.manifest = manifest.encode();
    }

    /// It with another head, or its own.
    fn with(&self, head: &[u8]) -> Vec<u8> {
        [head, &self.body[64..], &self.manifest].concat()
    }

    /// It with other code, up to the first instruction.
    fn changed(&self) -> Vec<u8> {
        let mut image = self.with(&self.body[..64]);
        image[64..ENTRY as usize].iter_mut().for_each(|byte| *byte ^= 0x55);
        image
    }
}

impl Refusal {
    /// What is made by hand for this one, if anything is.
    pub(super) fn crafted(&self, file: &BoardFile) -> Result<Option<Crafted>> {
        let slots = file.running_slots();
        let (first, slot) = (slots[0], *slots.last().context("a slot")?);
        let genuine = |length| Genuine::new(file, slot, length);
        let outside = head(slot.base + OUTSIDE, BODY);
        let only = Crafted::only;
        Ok(Some(match self.wrong {
            Wrong::Copies => {
                let genuine = genuine(BODY)?;
                Crafted { around: genuine.copies(slot), ..only(genuine.changed()) }
            }
            Wrong::CopyAtId => {
                let length = BODY + 64;
                let mut body = traps(length);
                body[..64].copy_from_slice(&head(slot.base + ENTRY, length));
                let stranger = SigningKey::from_bytes(&[9; 32]);
                let mut manifest = signed(file, slot, &body, &stranger).encode();
                forge(&mut manifest, slot.base + OUTSIDE);
                Crafted { around: genuine(BODY)?.copies(slot), ..only([&body[..], &manifest].concat()) }
            }
            Wrong::KeyIsR => {
                let mut body = traps(BODY);
                body[..64].copy_from_slice(&head(slot.base + ENTRY, BODY));
                let mut manifest = signed(file, slot, &body, &example_key()?);
                // Whoever chooses r knows S for a key that is R itself: r (1 + k).
                let r = Scalar::from_bytes_mod_order([7; 32]);
                let point = (ED25519_BASEPOINT_POINT * r).compress().to_bytes();
                let message = &manifest.encode()[..manifest::SIGNED_LEN];
                let hash = Sha512::digest([&point[..], &point, message].concat());
                let k = Scalar::from_bytes_mod_order_wide(&hash.into());
                manifest.signature[..32].copy_from_slice(&point);
                manifest.signature[32..].copy_from_slice(&(r + k * r).to_bytes());
                only([&body[..], &manifest.encode()].concat())
            }
            Wrong::DecoyBody => {
                let genuine = genuine(BODY)?;
                let decoy = genuine.decoy(file, first, &head(first.base + ENTRY, BODY))?;
                Crafted { decoy: Some(decoy), id: Some(genuine.id()), ..only(genuine.changed()) }
            }
            Wrong::DecoyHead => {
                let genuine = genuine(BODY)?;
                let decoy = genuine.decoy(file, first, &genuine.body[..64])?;
                Crafted { decoy: Some(decoy), id: Some(genuine.id()), ..only(genuine.with(&outside)) }
            }
            Wrong::Mapped => {
                let genuine = genuine(LONG)?;
                let around = vec![(FLASH + LONG as u32 - 64, genuine.body[..64].to_vec())];
                Crafted { around, ..only(genuine.with(&head(slot.base + ENTRY + 64, LONG))) }
            }
            Wrong::MappedHead => {
                let genuine = genuine(BODY)?;
                let around = vec![(FLASH + slot.length, genuine.body[..64].to_vec())];
                Crafted { around, ..only(genuine.with(&outside)) }
            }
            Wrong::Overwritten => {
                let mut genuine = genuine(BODY)?;
                if self.kind == Kind::Crc {
                    genuine.unsign();
                }
                let before = Some(genuine.with(&genuine.body[..64]));
                let mut image = genuine.changed();
                // Not on the CRC-32's own board, where it is what is refused.
                if self.kind != Kind::Crc {
                    meet(&mut image[..BODY], FREE, crc32(&genuine.body));
                }
                Crafted { before, ..only(image) }
            }
            Wrong::OwnBlock => {
                let mut image = traps(COPY);
                image[..64].copy_from_slice(&head(slot.base + ENTRY, BODY));
                let application = format!("application = \"0x{:08X} + {}K\"", slot.base, slot.length / 1024);
                let mut block = self.file_with(&application, false)?.block().to_vec();
                block[at::POLICY] = Policy::None as u8;
                let crc = crc32(&block[at::FLAGS..]);
                block[at::CRC..][..4].copy_from_slice(&crc.to_le_bytes());
                let at = slot.base + OUTSIDE;
                Crafted { around: vec![(at, block)], ram: Some(at), ..only(image) }
            }
            _ => return Ok(None),
        }))
    }
}

impl Genuine {
    /// Whole copies wherever there is room.
    fn copies(&self, slot: Slot) -> Vec<(u32, Vec<u8>)> {
        let places = (slot.base..slot.base + slot.length).step_by(COPY).skip(1);
        places.map(|at| (at, self.with(&self.body[..64]))).collect()
    }

    /// An image for the other slot, with this body and id; anybody can make it.
    fn decoy(&self, file: &BoardFile, slot: Slot, head: &[u8]) -> Result<(Slot, Vec<u8>)> {
        let body = [head, &self.body[64..]].concat();
        let mut manifest = signed(file, slot, &body, &SigningKey::from_bytes(&[9; 32]));
        manifest.key_id = keys::id(&example_key()?.verifying_key().to_bytes());
        // It is hashed, and then refused: its signature would be computed for nothing, again and again.
        manifest.sha256[0] ^= 1;
        let mut manifest = manifest.encode();
        forge(&mut manifest, self.id());
        Ok((slot, [&body[..], &manifest].concat()))
    }
}

/// The first block of an image of this length.
fn head(entry: u32, length: usize) -> Vec<u8> {
    let mut head = [0x2002_0000, entry | 1].map(u32::to_le_bytes).concat();
    head.resize_with(64, Default::default);
    for vector in head[8..].chunks_mut(4) {
        vector.copy_from_slice(&(entry | 1).to_le_bytes());
    }
    head[manifest::VECTOR_OFFSET..][..12].copy_from_slice(&manifest::vectors(length as u32));
    head
}

fn signed(file: &BoardFile, slot: Slot, body: &[u8], key: &SigningKey) -> Manifest {
    let mut manifest = Manifest {
        image_length: body.len() as u32,
        load_address: slot.base,
        version: Version { major: 1, minor: 0, patch: 0 },
        device_id: file.device_id(),
        security_counter: FLOOR,
        board_id: file.id,
        crc: crc32(body),
        algorithm: Algorithm::Ed25519,
        sha256: Sha256::digest(body).into(),
        key_id: keys::id(&key.verifying_key().to_bytes()),
        revokes: 0,
        overrides: Override::None,
        signature: [0; 64],
    };
    manifest.signature = key.sign(&manifest.encode()[..manifest::SIGNED_LEN]).to_bytes();
    manifest
}

/// A word of a body that nothing is known of.
const FREE: usize = 64;
/// Where a manifest has its CRC-32, which is the image's id, and the last word in front of it.
const ID: usize = 0xA0;
const LAST: usize = 0x9C;

/// Changes the last word of the signature so that the id is this one.
fn forge(manifest: &mut [u8], id: u32) {
    meet(&mut manifest[..ID], LAST, id);
    manifest[ID..][..4].copy_from_slice(&id.to_le_bytes());
}

/// Changes the word at `at` so that the CRC-32 is this one. A CRC-32 is linear: each bit of the word turns the same
/// bits of it, whatever the others are.
fn meet(bytes: &mut [u8], at: usize, crc: u32) {
    let mut with = |word: u32| {
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        crc32(bytes)
    };
    let (mut word, mut left) = (0, with(0) ^ crc);
    let mut rows: Vec<(u32, u32)> = (0..32).map(|bit| (with(1 << bit) ^ with(0), 1 << bit)).collect();
    for bit in 0..32 {
        let has = |row: u32| row >> bit & 1 != 0;
        let place = rows.iter().position(|row| has(row.0)).expect("a CRC-32 of 32 bits is any");
        let one = rows.swap_remove(place);
        for row in rows.iter_mut().filter(|row| has(row.0)) {
            *row = (row.0 ^ one.0, row.1 ^ one.1);
        }
        if has(left) {
            (left, word) = (left ^ one.0, word ^ one.1);
        }
    }
    assert_eq!(with(word), crc);
}

/// Those that are made by hand, with the boards that they are for, and whether the state names them as confirmed.
pub fn all() -> impl Iterator<Item = (Kind, Wrong, bool)> {
    use {Kind::*, Wrong::*};
    let everywhere = [Plain, Single, Backup, Ab].into_iter();
    let everywhere =
        everywhere.flat_map(|kind| [Copies, CopyAtId, KeyIsR, OwnBlock].map(|one| (kind, one, false)));
    let forged = [Single, Backup, Ab].map(|kind| (kind, Copies, true));
    let two = [DecoyBody, DecoyHead, Mapped].map(|wrong| (Ab, wrong, false));
    everywhere.chain(forged).chain(two).chain([(Big, MappedHead, false)])
}
