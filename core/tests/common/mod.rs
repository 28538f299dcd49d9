//! A board and an image for the tests of verification: policy and keys by argument, memory in RAM.
#![allow(dead_code)] // each test binary uses its part of it

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use surefoot_core::config::{
    self, BLOCK_LEN, Config, FAMILY_F4, Fields, Key, Policy, Region, Slot, Strategy,
};
use surefoot_core::image::manifest::{self, Algorithm, Manifest, Override, Version};
use surefoot_core::image::verify::Crypto;
use surefoot_core::image::verify::Kept;
use surefoot_core::image::{Demand, ImageFault, SoftCrc32, VerifiedImage, crc32, verify};
use surefoot_core::port::Memory;

pub const SLOT: Slot = Slot { base: 0x0801_0000, length: 0x2000 };
pub const BOARD: u32 = 0xB0A2_D001;
pub const DEVICE: u16 = 0x413;

pub const REGIONS: [Region; 2] = [
    Region { base: 0x0800_0000, sector_size: 0x4000, count: 4, first: 0, owner: 0, erase_ms: 250 },
    Region { base: 0x0801_0000, sector_size: 0x2000, count: 1, first: 4, owner: 1, erase_ms: 550 },
];

pub fn fields<'a>(policy: Policy, keys: &'a [Key]) -> Fields<'a> {
    Fields {
        device_id: DEVICE,
        family: FAMILY_F4,
        board_id: BOARD,
        policy,
        backup_register: 0,
        psize: 2,
        strategy: Strategy::Single,
        trial_boots: 0,
        ram_base: 0x2000_0000,
        ram_size: 0x2_0000,
        stack_ram_base: 0x1000_0000,
        stack_ram_size: 0x1_0000,
        handoff: 0x2000_0000,
        magic_word: 0xDEAD_BEEF,
        update_timeout_ms: 30_000,
        double_tap_ms: 0,
        button: Some(config::Pin(1 << 8)),
        led: None,
        hse_hz: 8_000_000,
        hse_bypass: false,
        pll_hse: 1,
        pll_hsi: 2,
        rcc_cfgr: 3,
        flash_acr: 4,
        pwr_cr: 5,
        sysclk_hz: 168_000_000,
        vid: 0x0483,
        pid: 0xDF11,
        bcd_device: 0x0100,
        transfer_size: 2048,
        program_ns: 16_000,
        uid_address: 0x1FFF_7A10,
        flash_size_address: 0x1FFF_7A22,
        watchdog: true,
        read_unprotect: false,
        options_open: false,
        options_fixed: false,
        slots: &[SLOT],
        regions: &REGIONS,
        keys,
        manufacturer: "Surefoot",
        product: "STM32 BOOTLOADER",
        memory: "@Internal Flash   /0x08000000/04*016Ka,01*064Kg",
    }
}

pub fn block(fields: &Fields) -> [u8; BLOCK_LEN] {
    let mut block = [0; BLOCK_LEN];
    config::encode(fields, &mut block).expect("the fields fit");
    block
}

pub fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(seed: u8) -> Key {
    Key { bytes: signing_key(seed).verifying_key().to_bytes(), revoked: false }
}

/// A slot's bytes with `body_len` bytes of image and nothing behind it.
pub fn plain(body_len: usize) -> Vec<u8> {
    let mut slot = vec![0xFF; SLOT.length as usize];
    for (i, byte) in slot[..body_len].iter_mut().enumerate() {
        *byte = (i * 31 + i / 256) as u8;
    }
    slot[0..4].copy_from_slice(&0x2002_0000u32.to_le_bytes());
    slot[4..8].copy_from_slice(&(SLOT.base + 0x189).to_le_bytes());
    slot[0x20..0x2C].fill(0);
    slot
}

pub fn manifest_for(body: &[u8]) -> Manifest {
    Manifest {
        image_length: body.len() as u32,
        load_address: SLOT.base,
        version: Version { major: 1, minor: 2, patch: 3 },
        device_id: DEVICE,
        security_counter: 7,
        board_id: BOARD,
        crc: crc32(body),
        algorithm: Algorithm::None,
        sha256: Sha256::digest(body).into(),
        key_id: [0; 4],
        revokes: 0,
        overrides: Override::None,
        signature: [0; 64],
    }
}

pub fn sign(manifest: &mut Manifest, key: &SigningKey) {
    manifest.algorithm = Algorithm::Ed25519;
    let digest: [u8; 32] = Sha256::digest(key.verifying_key().as_bytes()).into();
    manifest.key_id.copy_from_slice(&digest[..4]);
    manifest.signature = key.sign(&manifest.encode()[..manifest::SIGNED_LEN]).to_bytes();
}

/// A slot with an image of `body_len` bytes and its manifest, changed by `change` before signing.
pub fn sealed(body_len: usize, key: Option<u8>, change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let mut slot = plain(body_len);
    slot[0x20..0x2C].copy_from_slice(&manifest::vectors(body_len as u32));
    let mut m = manifest_for(&slot[..body_len]);
    change(&mut m);
    if let Some(seed) = key {
        sign(&mut m, &signing_key(seed));
    }
    slot[body_len..body_len + manifest::LEN].copy_from_slice(&m.encode());
    slot
}

pub struct Flash(pub Vec<u8>);

impl Memory for Flash {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let at = address.checked_sub(SLOT.base)? as usize;
        self.0.get(at..at.checked_add(length as usize)?)
    }
}

pub struct Host;

impl Crypto for Host {
    fn is_sha256(&mut self, head: &[u8], rest: &[u8], expected: &[u8]) -> bool {
        Sha256::new().chain_update(head).chain_update(rest).finalize().starts_with(expected)
    }
    fn ed25519(
        &mut self,
        key: &[u8; 32],
        message: &[u8; manifest::SIGNED_LEN],
        signature: &[u8; 64],
    ) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(key)
            .is_ok_and(|k| k.verify_strict(message, &(*signature).into()).is_ok())
    }
}

pub fn check(policy: Policy, keys: &[Key], slot: Vec<u8>) -> Result<VerifiedImage, ImageFault> {
    check_into(&mut Kept::new(), policy, keys, slot)
}

/// The same, with what is kept of it.
pub fn check_into(
    kept: &mut Kept,
    policy: Policy,
    keys: &[Key],
    slot: Vec<u8>,
) -> Result<VerifiedImage, ImageFault> {
    let block = block(&fields(policy, keys));
    let config = Config::parse(&block, FAMILY_F4).expect("sealed above");
    verify(Demand::new(config, SLOT), &Flash(slot), &mut SoftCrc32::default(), &mut Host, kept)
}
