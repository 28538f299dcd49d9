//! Images: signing, CRC placements, and the refusal of everything that the board would refuse.

use crate::common::{SLOT, application, block, key, revoked_key};
use ed25519_dalek::{Signer, SigningKey};
use surefoot_core::config::{Config, FAMILY_F4, Policy};
use surefoot_core::image::{ImageFault, Version};
use surefoot_host::explain::Explain;
use surefoot_host::files::Segments;
use surefoot_host::image::{
    self, CrcPlace, Distrust, Identity, ImageError, LastWord, check, flat, inspect, keys, prepare, sign,
    trusted, with_crc,
};

const IDENTITY: Identity = Identity {
    version: Version { major: 1, minor: 2, patch: 3 },
    security_counter: 4,
    device_id: 0x413,
    board_id: 0x1234_5678,
};

fn segments(base: u32, bytes: Vec<u8>) -> Segments {
    Segments::one(base, bytes).unwrap()
}

fn signed(identity: Identity, key: Option<&SigningKey>) -> Vec<u8> {
    sign(application(SLOT.base, 1000), SLOT, identity, key, false).unwrap()
}

fn fault(policy: Policy, bytes: &[u8]) -> Option<ImageFault> {
    let block = block(policy);
    let config = Config::parse(&block, FAMILY_F4).unwrap();
    check(config, SLOT, &segments(SLOT.base, bytes.to_vec())).err().map(|refused| refused.fault)
}

#[test]
fn a_signed_image_is_accepted_under_every_policy() {
    let image = signed(IDENTITY, Some(&key()));
    for policy in [Policy::None, Policy::Crc, Policy::Signature] {
        assert_eq!(fault(policy, &image), None, "{policy:?}");
    }
}

#[test]
fn what_the_board_would_refuse_is_refused_before_the_transfer() {
    let other_key = SigningKey::from_bytes(&[8; 32]);
    let with = |at: usize, word: u32| {
        let mut image = application(SLOT.base, 1000);
        image[at..at + 4].copy_from_slice(&word.to_le_bytes());
        sign(image, SLOT, IDENTITY, Some(&key()), false).unwrap()
    };
    let for_zero = application(0x0800_0000, 1000);
    let table: [(&str, Vec<u8>, ImageFault); 12] = [
        ("erased", vec![0xFF; 1000], ImageFault::Erased),
        ("stack in flash", with(0, 0x0801_0000), ImageFault::StackPointer),
        ("stack not aligned", with(0, 0x2001_FFFC), ImageFault::StackPointer),
        ("no thumb bit", with(4, 0x0801_0040), ImageFault::ResetThumb),
        ("linked for 0x08000000", for_zero, ImageFault::ResetOutside),
        ("no manifest", application(SLOT.base, 1000), ImageFault::NoManifest),
        ("not signed", signed(IDENTITY, None), ImageFault::NotSigned),
        ("another key", signed(IDENTITY, Some(&other_key)), ImageFault::UnknownKey),
        ("revoked key", signed(IDENTITY, Some(&revoked_key())), ImageFault::RevokedKey),
        ("another chip", signed(Identity { device_id: 0x419, ..IDENTITY }, Some(&key())), ImageFault::Chip),
        ("another board", signed(Identity { board_id: 1, ..IDENTITY }, Some(&key())), ImageFault::Board),
        ("cut short", signed(IDENTITY, Some(&key()))[..1000].to_vec(), ImageFault::NoManifest),
    ];
    for (name, image, expected) in table {
        assert_eq!(fault(Policy::Signature, &image), Some(expected), "{name}");
    }
}

#[test]
fn an_image_with_any_bit_flipped_is_refused_under_policy_signature() {
    let image = signed(IDENTITY, Some(&key()));
    let spare = image.len() - 28..image.len(); // the manifest's last 28 bytes belong to nobody
    let mut accepted = Vec::new();
    for bit in (0..image.len() * 8).step_by(7) {
        let mut flipped = image.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if fault(Policy::Signature, &flipped).is_none() && !spare.contains(&(bit / 8)) {
            accepted.push(bit);
        }
    }
    assert_eq!(accepted, Vec::<usize>::new());
}

#[test]
fn an_image_linked_for_the_start_of_flash_is_told_what_to_set() {
    let block = block(Policy::None);
    let config = Config::parse(&block, FAMILY_F4).unwrap();
    let refused = check(config, SLOT, &segments(SLOT.base, application(0x0800_0000, 100))).unwrap_err();
    assert_eq!(refused.linked_for, Some(0x0800_0000));
    assert_eq!(refused.to_string(), "the image is linked for 0x08000000, the slot begins at 0x08010000");
    assert!(refused.remedy().contains("VECT_TAB_OFFSET = 0x10000"), "{}", refused.remedy());
    let error = flat(&segments(0x0800_0000, application(0x0800_0000, 100)), SLOT).unwrap_err();
    assert_eq!(error, ImageError::Start { start: 0x0800_0000, slot: SLOT.base });
    assert!(error.remedy().contains("VECT_TAB_OFFSET = 0x10000"), "{}", error.remedy());
}

#[test]
fn an_image_that_does_not_fit_its_slot_is_refused() {
    let small = surefoot_core::config::Slot { base: SLOT.base, length: 1024 };
    let laid_out = flat(&segments(SLOT.base, application(SLOT.base, 1025)), small);
    assert_eq!(laid_out, Err(ImageError::TooBig { wanted: 1028, room: 1024, slot: SLOT.base }));
    let full = sign(application(SLOT.base, 1000), small, IDENTITY, None, false);
    assert_eq!(full, Err(ImageError::TooBig { wanted: 1192, room: 1024, slot: SLOT.base }));
}

#[test]
fn the_reserved_vectors_are_taken_only_when_they_are_free_or_ours() {
    let mut used = application(SLOT.base, 100);
    used[0x24] = 1;
    let refused = sign(used, SLOT, IDENTITY, None, true);
    assert_eq!(refused, Err(ImageError::ReservedVectors(0, 1, 0)));
    assert_eq!(sign(vec![0; 40], SLOT, IDENTITY, None, false), Err(ImageError::TooShort(40)));

    let once = signed(IDENTITY, Some(&key()));
    assert_eq!(sign(once.clone(), SLOT, IDENTITY, Some(&key()), false), Err(ImageError::HasManifest));
    let newer = Identity { security_counter: 5, ..IDENTITY };
    let again = sign(once.clone(), SLOT, newer, Some(&key()), true).unwrap();
    assert_eq!(again.len(), once.len());
    assert_eq!(fault(Policy::Signature, &again), None);
}

#[test]
fn both_placements_of_a_bare_crc_are_accepted_and_checked() {
    for place in [CrcPlace::Image, CrcPlace::Region] {
        let segments = with_crc(application(SLOT.base, 1002), SLOT, place).unwrap();
        let block = block(Policy::Crc);
        let config = Config::parse(&block, FAMILY_F4).unwrap();
        assert_eq!(check(config, SLOT, &segments).err(), None, "{place:?}");
        assert!(matches!(inspect(&segments).last_word, LastWord::IsCrc(_)));
        let end = if place == CrcPlace::Image { SLOT.base + 1008 } else { SLOT.end() };
        assert_eq!(segments.end(), end);

        let mut flipped = segments.flat(SLOT.base, SLOT.end());
        flipped[500] ^= 1;
        assert_eq!(fault(Policy::Crc, &flipped), Some(ImageFault::Crc), "{place:?}");
    }
}

#[test]
fn a_crc_without_room_or_that_reads_as_erased_is_refused() {
    let slot = surefoot_core::config::Slot { base: SLOT.base, length: 1024 };
    let full = application(SLOT.base, 1024);
    let too_big = ImageError::TooBig { wanted: 1028, room: 1024, slot: SLOT.base };
    assert_eq!(with_crc(full.clone(), slot, CrcPlace::Image), Err(too_big));
    let used = ImageError::LastWordUsed(SLOT.base + 1020);
    assert_eq!(with_crc(full.clone(), slot, CrcPlace::Region), Err(used));
    let mut reserved = full;
    reserved[1020..].fill(0xFF);
    assert_eq!(with_crc(reserved, slot, CrcPlace::Region).unwrap().total(), 1024);

    // The CRC over a body and a word `w` is crc32 of the register XOR w: one word makes it anything.
    let mut body = application(SLOT.base, 100);
    let register = surefoot_core::image::crc32(&body);
    body.extend((register ^ preimage_of_all_ones()).to_le_bytes());
    assert_eq!(surefoot_core::image::crc32(&body), u32::MAX);
    assert_eq!(with_crc(body, slot, CrcPlace::Image), Err(ImageError::CrcErased));
}

/// The register value that 32 shifts turn into 0xFFFFFFFF, found by shifting back.
fn preimage_of_all_ones() -> u32 {
    let mut value = u32::MAX;
    for _ in 0..32 {
        // The polynomial is odd, so bit 0 tells whether it was added.
        value = if value & 1 == 1 { (value ^ 0x04C1_1DB7) >> 1 | 1 << 31 } else { value >> 1 };
    }
    value
}

#[test]
fn inspection_shows_the_manifest_and_who_signed_it() {
    let seen = inspect(&segments(SLOT.base, signed(IDENTITY, Some(&key()))));
    let view = seen.manifest.unwrap().unwrap();
    assert_eq!(
        (view.offset, view.manifest.version, view.manifest.security_counter),
        (1000, IDENTITY.version, 4)
    );
    assert!(view.length_matches && view.crc_matches && view.hash_matches);
    assert!(view.signed_by(key().verifying_key().as_bytes()));
    assert!(!view.signed_by(revoked_key().verifying_key().as_bytes()));
    assert_eq!(seen.stack_pointer, Some(0x2002_0000));
    let plain = inspect(&segments(SLOT.base, vec![1, 2]));
    assert_eq!((plain.stack_pointer, plain.manifest), (Some(0xFFFF_0201), None));
}

#[test]
fn an_image_is_trusted_for_a_signature_by_one_of_the_keys_and_for_nothing_less() {
    let ours = [revoked_key().verifying_key(), key().verifying_key()];
    let judged = |bytes: Vec<u8>, base: u32| trusted(&segments(base, bytes), &ours).map(|_| ());
    let good = signed(IDENTITY, Some(&key()));
    assert_eq!(judged(good.clone(), SLOT.base), Ok(()));
    let other = SigningKey::from_bytes(&[8; 32]);
    let id = keys::id(key().verifying_key().as_bytes());
    let fault = |fault| Err(Distrust::Fault(fault));
    // The key's own id and a checksum that is right, but a signature of something else.
    let forged =
        prepare(application(SLOT.base, 1000), SLOT, IDENTITY, Some(key().verifying_key().as_bytes()), false);
    let forged = forged.unwrap();
    let signature = other.sign(&forged.message()).to_bytes();
    assert_eq!(judged(forged.signed(signature), SLOT.base), Err(Distrust::Signature(id)));
    let other_id = keys::id(other.verifying_key().as_bytes());
    assert_eq!(judged(signed(IDENTITY, Some(&other)), SLOT.base), Err(Distrust::OtherKey(other_id)));
    assert_eq!(judged(signed(IDENTITY, None), SLOT.base), Err(Distrust::NotSigned));
    assert_eq!(judged(application(SLOT.base, 1000), SLOT.base), fault(ImageFault::NoManifest));
    assert_eq!(judged(good.clone(), SLOT.base + 0x1_0000), fault(ImageFault::LoadAddress));
    let mut changed = good.clone();
    changed[600] ^= 1;
    assert_eq!(judged(changed, SLOT.base), fault(ImageFault::Crc));
    let behind = Err(Distrust::Image(ImageError::BehindManifest { address: SLOT.base + good.len() as u32 }));
    assert_eq!(judged([good, vec![1; 4]].concat(), SLOT.base), behind);
}

#[test]
fn a_key_pair_survives_its_files_and_is_never_written_over() {
    let dir = std::env::temp_dir().join(format!("surefoot-keys-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (private, public) = (dir.join("a.pem"), dir.join("a.pub.pem"));
    let made = keys::generate().unwrap();
    keys::write_pair(&made, &private, &public, None).unwrap();
    assert_eq!(keys::read_private(&private).unwrap().to_bytes(), made.to_bytes());
    assert_eq!(keys::read_public(&public).unwrap(), made.verifying_key());
    assert!(matches!(keys::read_private(&public), Err(keys::KeyError::OnlyPublic(_))));
    assert!(matches!(keys::read_public(&private), Err(keys::KeyError::OnlyPrivate(_))));
    let second = keys::write_pair(&keys::generate().unwrap(), &private, &dir.join("b.pub.pem"), None);
    assert!(matches!(second, Err(keys::KeyError::Exists(_))));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn the_key_id_is_the_start_of_the_public_keys_hash() {
    // SHA-256 of 32 zero bytes begins 66 68 7a ad.
    assert_eq!(keys::id(&[0; 32]), [0x66, 0x68, 0x7A, 0xAD]);
    assert_eq!(image::linked_for(0x0801_0041, SLOT), None);
    assert_eq!(image::linked_for(0x0800_8041, SLOT), Some(0x0800_0000));
    assert_eq!(image::linked_for(0x2000_0001, SLOT), None);
}

#[test]
fn signing_again_does_not_drop_what_stands_behind_the_old_manifest() {
    let once = sign(application(SLOT.base, 400), SLOT, IDENTITY, Some(&key()), false).unwrap();
    let mut more = once.clone();
    more.extend([0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(sign(more.clone(), SLOT, IDENTITY, Some(&key()), true).as_ref(), Ok(&once));
    more.extend([0xFF, 1, 2, 3]);
    let address = SLOT.base + more.len() as u32 - 3;
    let got = sign(more, SLOT, IDENTITY, Some(&key()), true);
    assert_eq!(got, Err(ImageError::BehindManifest { address }));
}
