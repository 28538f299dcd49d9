//! Each image that must be refused, with its reason, and each that must be accepted.

mod common;

use common::*;
use surefoot_core::config::{Key, Policy};
use surefoot_core::image::manifest;
use surefoot_core::image::verify::Kept;
use surefoot_core::image::verify::NoCrypto;
use surefoot_core::image::{Demand, ImageFault, SoftCrc32, verify};

const BODY: usize = 0x400;

fn word(slot: &mut [u8], at: usize, value: u32) {
    slot[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn a_vector_table_is_refused_for_each_of_its_faults() {
    let base = SLOT.base;
    let table = [
        ("top of RAM is legal", 0x2002_0000, base + 0x189, Ok(())),
        ("lowest stack", 0x2000_0008, base + 0x189, Ok(())),
        ("erased", u32::MAX, u32::MAX, Err(ImageFault::Erased)),
        ("stack above RAM", 0x2002_0008, base + 0x189, Err(ImageFault::StackPointer)),
        ("stack at the bottom of RAM", 0x2000_0000, base + 0x189, Err(ImageFault::StackPointer)),
        ("stack below RAM", 0x1FFF_FFF8, base + 0x189, Err(ImageFault::StackPointer)),
        ("lowest stack in CCM", 0x1000_0008, base + 0x189, Ok(())),
        ("stack at the top of CCM", 0x1001_0000, base + 0x189, Ok(())),
        ("stack above CCM", 0x1001_0008, base + 0x189, Err(ImageFault::StackPointer)),
        ("stack at the bottom of CCM", 0x1000_0000, base + 0x189, Err(ImageFault::StackPointer)),
        ("stack not aligned in CCM", 0x1000_FFFC, base + 0x189, Err(ImageFault::StackPointer)),
        ("stack not aligned", 0x2001_FFFC, base + 0x189, Err(ImageFault::StackPointer)),
        ("linked for the start of flash", 0x2002_0000, 0x0800_0189, Err(ImageFault::ResetOutside)),
        ("reset behind the slot", 0x2002_0000, base + SLOT.length + 1, Err(ImageFault::ResetOutside)),
        ("last halfword", 0x2002_0000, base + SLOT.length - 1, Ok(())),
        ("no thumb bit", 0x2002_0000, base + 0x188, Err(ImageFault::ResetThumb)),
    ];
    for (name, stack, reset, expected) in table {
        let mut slot = plain(BODY);
        word(&mut slot, 0, stack);
        word(&mut slot, 4, reset);
        assert_eq!(check(Policy::None, &[], slot).map(|_| ()), expected, "{name}");
    }
}

#[test]
fn the_crc_policy_reads_a_manifest_and_both_placements_of_a_plain_crc() {
    let with_manifest = sealed(BODY, None, |_| ());
    let mut at_image_end = plain(BODY);
    let crc = surefoot_core::image::crc32(&at_image_end[..BODY]);
    word(&mut at_image_end, BODY, crc);
    let mut at_region_end = plain(BODY);
    let last = SLOT.length as usize - 4;
    let crc = surefoot_core::image::crc32(&at_region_end[..last]);
    word(&mut at_region_end, last, crc);
    for slot in [with_manifest, at_image_end, at_region_end] {
        assert!(check(Policy::Crc, &[], slot.clone()).is_ok());
        for at in [0x40, BODY - 1] {
            let mut broken = slot.clone();
            broken[at] ^= 0x10;
            assert_eq!(check(Policy::Crc, &[], broken), Err(ImageFault::Crc));
        }
    }
    assert_eq!(check(Policy::Crc, &[], plain(BODY)), Err(ImageFault::Crc));
}

#[test]
fn a_signed_image_is_accepted_and_says_where_it_starts() {
    let mut kept = Kept::new();
    let image = sealed(BODY, Some(1), |_| ());
    check_into(&mut kept, Policy::Signature, &[public(1)], image.clone()).expect("good image");
    assert_eq!(kept.base, SLOT.base);
    assert_eq!(kept.head[..4], 0x2002_0000_u32.to_le_bytes());
    assert_eq!(kept.head[4..8], (SLOT.base + 0x189).to_le_bytes());
    // What is refused next is not what was proved before.
    let mut changed = image;
    changed[0x80] ^= 1;
    assert_eq!(check_into(&mut kept, Policy::Signature, &[public(1)], changed), Err(ImageFault::Hash),);
    assert_eq!(kept.base, 0);
}

#[test]
fn a_signed_image_is_refused_for_each_of_its_faults() {
    let keys = [public(1), Key { revoked: true, ..public(2) }];
    let table: [(&str, Vec<u8>, ImageFault); 9] = [
        ("plain image", plain(BODY), ImageFault::NoManifest),
        ("not signed", sealed(BODY, None, |_| ()), ImageFault::NotSigned),
        ("another key", sealed(BODY, Some(3), |_| ()), ImageFault::UnknownKey),
        ("a revoked key", sealed(BODY, Some(2), |_| ()), ImageFault::RevokedKey),
        ("another chip", sealed(BODY, Some(1), |m| m.device_id = 0x419), ImageFault::Chip),
        ("another board", sealed(BODY, Some(1), |m| m.board_id = 1), ImageFault::Board),
        ("another address", sealed(BODY, Some(1), |m| m.load_address = 0x0800_8000), ImageFault::LoadAddress),
        ("another length", sealed(BODY, Some(1), |m| m.image_length -= 4), ImageFault::Length),
        ("another hash", sealed(BODY, Some(1), |m| m.sha256[5] ^= 1), ImageFault::Hash),
    ];
    for (name, slot, expected) in table {
        assert_eq!(check(Policy::Signature, &keys, slot), Err(expected), "{name}");
    }
    let any = sealed(BODY, Some(1), |m| (m.device_id, m.board_id) = (0, 0));
    assert!(check(Policy::Signature, &keys, any).is_ok(), "an image for any chip and board");
}

#[test]
fn every_single_bit_flip_of_a_signed_image_and_its_manifest_is_refused() {
    let good = sealed(BODY, Some(1), |_| ());
    let keys = [public(1)];
    for bit in 0..(BODY + manifest::LEN) * 8 {
        let mut slot = good.clone();
        slot[bit / 8] ^= 1 << (bit % 8);
        let result = check(Policy::Signature, &keys, slot);
        assert!(result.is_err(), "bit {} of byte {:#x}", bit % 8, bit / 8);
    }
}

#[test]
fn every_truncation_of_a_signed_image_is_refused() {
    let good = sealed(BODY, Some(1), |_| ());
    for kept in (0..BODY + 0xA4).step_by(4) {
        let mut slot = good.clone();
        slot[kept..].fill(0xFF);
        assert!(check(Policy::Signature, &[public(1)], slot).is_err(), "{kept:#x} bytes kept");
    }
}

#[test]
fn a_manifest_offset_outside_the_slot_is_refused() {
    for offset in [SLOT.length - 4, SLOT.length, 0x7FFF_FFFC, 0xFFFF_FFFC, 0] {
        let mut slot = plain(BODY);
        slot[0x20..0x2C].copy_from_slice(&manifest::vectors(offset));
        assert!(check(Policy::Signature, &[public(1)], slot.clone()).is_err(), "{offset:#x}");
        assert!(check(Policy::Crc, &[public(1)], slot).is_err(), "{offset:#x}");
    }
}

#[test]
fn an_entry_outside_the_proved_bytes_is_refused() {
    let last = SLOT.base + BODY as u32;
    for (reset, accepted) in [(last - 1, true), (last + 1, false), (last + manifest::LEN as u32 + 1, false)] {
        let enter = |mut slot: Vec<u8>, key: Option<u8>| {
            word(&mut slot, 4, reset);
            let mut m = manifest_for(&slot[..BODY]);
            if let Some(seed) = key {
                sign(&mut m, &signing_key(seed));
            }
            slot[BODY..BODY + manifest::LEN].copy_from_slice(&m.encode());
            slot
        };
        let expected = if accepted { Ok(()) } else { Err(ImageFault::ResetOutside) };
        let signed = enter(sealed(BODY, None, |_| ()), Some(1));
        assert_eq!(check(Policy::Signature, &[public(1)], signed).map(|_| ()), expected, "{reset:#x}");
        let unsigned = enter(sealed(BODY, None, |_| ()), None);
        assert_eq!(check(Policy::Crc, &[], unsigned).map(|_| ()), expected, "{reset:#x}");
        let mut bare = plain(BODY);
        word(&mut bare, 4, reset);
        let crc = surefoot_core::image::crc32(&bare[..BODY]);
        word(&mut bare, BODY, crc);
        assert_eq!(check(Policy::Crc, &[], bare).map(|_| ()), expected, "{reset:#x}");
    }
}

#[test]
fn a_build_without_cryptography_boots_nothing_under_the_signature_policy() {
    let block = block(&fields(Policy::Signature, &[public(1)]));
    let config =
        surefoot_core::config::Config::parse(&block, surefoot_core::config::FAMILY_F4).expect("sealed");
    let slot = sealed(BODY, Some(1), |_| ());
    let result = verify(
        Demand::new(config, SLOT),
        &Flash(slot),
        &mut SoftCrc32::default(),
        &mut NoCrypto,
        &mut Kept::new(),
    );
    assert_eq!(result, Err(ImageFault::NoVerifier));
}
