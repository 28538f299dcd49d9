//! A slot's bytes: manifest and verification.
//!
//! Checked: what decodes encodes to the same bytes; an image that is let through has a vector table
//! that can be jumped to, and passes again with an easier policy.

use crate::{Bytes, support};
use surefoot_core::config::{Config, Policy};
use surefoot_core::image::manifest::{self, Algorithm, Manifest, Override, Version};
use surefoot_core::image::verify::Crypto;
use surefoot_core::image::verify::Kept;
use surefoot_core::image::{Demand, SoftCrc32, crc32, verify};
use surefoot_core::port::Memory;

/// Bytes of the slot: enough for a vector table, some code and a manifest.
const SLOT_LEN: u32 = 0x400;

/// The first byte says what to mend so that the checks behind a checksum are reached.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mend = bytes.u8();
    let mut slot = Slot(bytes.take(SLOT_LEN as usize));
    if mend & 1 != 0 {
        slot.mend();
    }
    if let Some(at) = manifest::offset(&slot.0)
        && let Some(Ok(manifest)) = slot.0.get(at as usize..).map(Manifest::decode)
    {
        let encoded = manifest.encode();
        // The filling behind the checksum is not read.
        assert_eq!(encoded[..0xA4], slot.0[at as usize..][..0xA4]);
    }
    let passes = [Policy::Signature, Policy::Crc, Policy::None].map(|policy| verdict(&slot, policy));
    assert!(!passes[0] || passes[2], "the vector table is checked under every policy");
    assert!(!passes[1] || passes[2], "the vector table is checked under every policy");
}

fn verdict(slot: &Slot, policy: Policy) -> bool {
    let place = surefoot_core::config::Slot { base: support::SLOT.base, length: SLOT_LEN };
    let block = support::block(|f| (f.policy, f.keys) = (policy, &KEYS));
    let config = Config::parse(&block, support::FAMILY).expect("the test's block is good");
    let demand = Demand::new(config, place);
    let mut kept = Kept::new();
    match verify(demand, slot, &mut SoftCrc32::default(), &mut Lenient, &mut kept) {
        Ok(_) => {
            assert_eq!(kept.base, place.base);
            let [stack_pointer, reset_vector] =
                [0, 4].map(|at| u32::from_le_bytes(kept.head[at..].first_chunk().copied().expect("a head")));
            assert!(place.contains(reset_vector & !1, 2) && reset_vector & 1 == 1);
            let above = stack_pointer.wrapping_sub(0x2000_0000);
            assert!(above != 0 && above <= 0x2_0000 && above % 8 == 0);
            true
        }
        Err(_) => false,
    }
}

const KEYS: [surefoot_core::config::Key; 2] = [
    surefoot_core::config::Key { bytes: [1; 32], revoked: false },
    surefoot_core::config::Key { bytes: [2; 32], revoked: true },
];

/// Cryptography that can be satisfied: a weak hash, and signatures that begin with the key.
struct Lenient;

impl Crypto for Lenient {
    fn is_sha256(&mut self, head: &[u8], rest: &[u8], expected: &[u8]) -> bool {
        let (mut hash, bytes) = ([0u8; 32], [head, rest].concat());
        hash[..4].copy_from_slice(&crc32(&bytes[..bytes.len() & !3]).to_le_bytes());
        hash.starts_with(expected)
    }
    fn ed25519(
        &mut self,
        key: &[u8; 32],
        _message: &[u8; manifest::SIGNED_LEN],
        signature: &[u8; 64],
    ) -> bool {
        signature[0] == key[0]
    }
}

/// The memory of one slot.
struct Slot(Vec<u8>);

impl Slot {
    /// Puts right checksum, length and hash of the manifest that the vectors point to.
    fn mend(&mut self) {
        let Some(at) = manifest::offset(&self.0).map(|at| at as usize) else {
            return;
        };
        if at + manifest::LEN > self.0.len() {
            return;
        }
        let body = crc32(&self.0[..at]).to_le_bytes();
        let m = &mut self.0[at..at + manifest::LEN];
        m[0x08..0x0C].copy_from_slice(&(at as u32).to_le_bytes());
        m[0x20..0x24].copy_from_slice(&body);
        m[0x28..0x48].fill(0);
        m[0x28..0x2C].copy_from_slice(&body);
        let crc = crc32(&m[..0xA0]).to_le_bytes();
        m[0xA0..0xA4].copy_from_slice(&crc);
    }
}

impl Memory for Slot {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let start = address.checked_sub(support::SLOT.base)? as usize;
        self.0.get(start..start.checked_add(length as usize)?)
    }
}

/// A signed image, one with a CRC in its last word, one that is plain.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut image = vec![0x11; 0x100];
    image[0..4].copy_from_slice(&0x2002_0000u32.to_le_bytes());
    image[4..8].copy_from_slice(&(support::SLOT.base + 0x41).to_le_bytes());
    image[0x20..0x2C].copy_from_slice(&manifest::vectors(0x100));
    let key_id = crc32(&[1; 32]).to_le_bytes();
    let manifest = Manifest {
        image_length: 0x100,
        load_address: support::SLOT.base,
        version: Version { major: 1, minor: 2, patch: 3 },
        device_id: 0x413,
        security_counter: 1,
        revokes: 0,
        overrides: Override::None,
        board_id: 0xB0A2_D001,
        crc: 0,
        algorithm: Algorithm::Ed25519,
        sha256: [0; 32],
        key_id,
        signature: [1; 64],
    };
    let signed = [&[1][..], &image, &manifest.encode()].concat();
    let mut plain = image;
    plain[0x20] = 0;
    let with_crc = [&[0][..], &plain, &crc32(&plain).to_le_bytes(), &[0xFF; 0x2FC]].concat();
    vec![signed, with_crc, [&[0][..], &plain].concat()]
}
