//! The images of a scenario: what is asked for as a recipe and made once, good, damaged or forged.

use super::Bench;
use crate::fixtures::{self, Trial};
use crate::serial;
use anyhow::{Context, Result};
use ed25519_dalek::Signer;
use sha2::{Digest, Sha256};
use surefoot_core::config::{Policy, Slot};
use surefoot_core::image::manifest::{self, Algorithm, Manifest, Override};
use surefoot_core::image::{Version, crc32};
use surefoot_host::files::{self, Segments};
use surefoot_host::image as host_image;
use surefoot_sim::random::Random;

/// Bytes from an image's id, the last word of its manifest that is not blank, to its end.
const ID_TO_END: u32 = 0x20;

/// What an image does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum App {
    /// It confirms itself.
    Confirms,
    /// It feeds the watchdog and never confirms.
    Silent,
    /// It hangs.
    Hangs,
    /// The Rust blinky: it confirms itself, and takes an update over its serial line while it runs.
    Updates,
}

/// An image to make.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What it is called in a trace.
    pub name: &'static str,
    /// What it does.
    pub app: App,
    /// The number of the slot that it is linked for.
    pub slot: usize,
    /// Major version.
    pub version: u16,
    /// Security counter.
    pub counter: u32,
    /// Bytes behind the program, which differ all over from version to version.
    pub filler: usize,
    /// Keys revoked by it.
    pub revokes: u8,
    /// Leave to run below the floor.
    pub overrides: Override,
    /// Signed with the board's key of this number; `None`: the first, where images are signed.
    pub key: Option<usize>,
    /// The board accepts it, as far as that does not depend on floor and revocations.
    pub good: bool,
}

impl Recipe {
    /// A good image of a major version, for the first slot.
    pub const fn new(name: &'static str, app: App, version: u16) -> Self {
        Self {
            name,
            app,
            slot: 0,
            version,
            counter: 1,
            filler: 256,
            revokes: 0,
            overrides: Override::None,
            key: None,
            good: true,
        }
    }
}

/// An image that a scenario made.
#[derive(Clone, Debug)]
pub struct Known {
    /// How it was made.
    pub recipe: Recipe,
    /// Its id.
    pub id: u32,
    /// Where it runs.
    pub slot: Slot,
    /// Its id is another's, see [`Bench::forge`].
    pub forged: bool,
    /// The CRC-32 of its body, as it was made.
    crc: u32,
    /// Its bytes, manifest and all.
    pub bytes: Vec<u8>,
    /// Those of them that are instructions and constants.
    pub program: u32,
}

impl Known {
    /// As the host takes it.
    pub fn segments(&self) -> Result<Segments> {
        Ok(Segments::one(self.slot.base, self.bytes.clone())?)
    }
}

impl Bench {
    /// The image of a recipe, which its name stands for; it is known by its number from then on.
    pub fn image(&mut self, mut recipe: Recipe) -> Result<usize> {
        if let Some(known) = self.images.iter().position(|known| known.recipe.name == recipe.name) {
            return Ok(known);
        }
        if self.rig.file.policy == Policy::Signature {
            recipe.key = recipe.key.or(Some(0));
        }
        let slot = *self.slots.get(recipe.slot).context("no such slot")?;
        let mut body = self.program(recipe.app, slot)?;
        let program = body.len() as u32;
        if self.full && recipe.filler != 0 {
            recipe.filler = slot.length as usize - manifest::LEN - body.len();
        }
        let mut noise = Random::new(u64::from(recipe.version) << 32 | u64::from(recipe.counter));
        body.extend(std::iter::repeat_with(|| noise.bits() as u8).take(recipe.filler));
        body.resize(body.len().next_multiple_of(4), 0xFF);
        let length = body.len() as u32;
        let vectors = manifest::VECTOR_OFFSET..manifest::VECTOR_OFFSET + 12;
        body[vectors].copy_from_slice(&manifest::vectors(length));
        let signer = recipe.key.map(|number| self.keys.get(number).context("no such key")).transpose()?;
        let mut manifest = Manifest {
            image_length: length,
            load_address: slot.base,
            version: Version { major: recipe.version, minor: 0, patch: 0 },
            device_id: self.rig.file.device_id(),
            security_counter: recipe.counter,
            board_id: self.rig.file.id,
            crc: crc32(&body),
            algorithm: if signer.is_some() { Algorithm::Ed25519 } else { Algorithm::None },
            sha256: Sha256::digest(&body).into(),
            key_id: signer.map_or([0; 4], |key| host_image::keys::id(&key.verifying_key().to_bytes())),
            revokes: recipe.revokes,
            overrides: recipe.overrides,
            signature: [0; 64],
        };
        if let Some(key) = signer {
            manifest.signature = key.sign(&manifest.encode()[..manifest::SIGNED_LEN]).to_bytes();
        }
        let encoded = manifest.encode();
        body.extend_from_slice(&encoded);
        let id = manifest::View::check(&encoded).map_err(|e| anyhow::anyhow!("{e:?}"))?.id();
        let entry = u32::from_le_bytes([body[4], body[5], body[6], body[7]]) & !1;
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
        self.images.push(Known { recipe, id, slot, crc: manifest.crc, forged: false, bytes: body, program });
        Ok(self.images.len() - 1)
    }

    fn program(&mut self, app: App, slot: Slot) -> Result<Vec<u8>> {
        if let Some(bytes) = self.programs.get(&(app, slot.base)) {
            return Ok(bytes.clone());
        }
        let trial = |what| fixtures::trial(what, 100, slot.base);
        let elf = match app {
            App::Confirms => trial(Trial::Confirms),
            App::Silent => trial(Trial::Silent),
            App::Hangs => trial(Trial::Hangs),
            App::Updates => fixtures::blinky_rust(serial::PERIOD_MS, slot.base),
        };
        let elf = files::read(&elf?, None)?;
        let flat = host_image::flat(&elf.segments, slot)?;
        self.programs.insert((app, slot.base), flat.clone());
        Ok(flat)
    }

    /// Makes an image what a host without a key can make of it: with another's id, which is the CRC-32 of its
    /// manifest, and with the CRC-32 of its own bytes. Only the signature tells.
    pub fn forge(&mut self, image: usize, id: u32) -> Result<()> {
        // A scenario that runs once more, on flash that fails, has made it already.
        if self.images[image].forged {
            return Ok(());
        }
        self.damage(image);
        let known = &mut self.images[image];
        let at = known.bytes.len() - manifest::LEN;
        let (body, signed) = known.bytes.split_at_mut(at);
        let field =
            4 * signed.chunks(4).position(|word| word == known.crc.to_le_bytes()).context("a field")?;
        signed[field..field + 4].copy_from_slice(&crc32(body).to_le_bytes());
        // The last word of the signature brings about the id: the CRC-32 run backwards from it.
        let back = |crc: u32| if crc & 1 == 0 { crc >> 1 } else { (crc ^ 0x04C1_1DB7) >> 1 | 1 << 31 };
        let word = crc32(&signed[..0x9C]) ^ (0..32).fold(id, |crc, _| back(crc));
        signed[0x9C..0xA0].copy_from_slice(&word.to_le_bytes());
        signed[0xA0..0xA4].copy_from_slice(&id.to_le_bytes());
        (known.id, known.forged) = (id, true);
        Ok(())
    }

    /// The id of a forged image, where it stands in flash.
    pub fn forged_id_at(&self, address: u32) -> Option<u32> {
        let mut forged = self.images.iter().filter(|known| known.forged);
        let at = |known: &Known| known.slot.base + known.bytes.len() as u32 - ID_TO_END;
        forged.find(|known| at(known) == address).map(|known| known.id)
    }

    /// A flipped bit in an image's body.
    pub fn damage(&mut self, image: usize) {
        let bytes = &mut self.images[image].bytes;
        let at = bytes.len() - manifest::LEN - 8;
        bytes[at] ^= 0x10;
    }
}
