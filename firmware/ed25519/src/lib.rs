//! Ed25519 verification (RFC 8032, 5.1.7) for a bootloader: strict, and small.
//!
//! Accepts exactly what `ed25519-dalek`'s `verify_strict` accepts: canonical `S`, canonical `R`,
//! neither `R` nor the key of small order. Everything here is public data, so nothing needs
//! constant time, and both scalar multiplications share their doublings.
//! The field is `salty`'s. Held against `ed25519-dalek` and the Wycheproof vectors by the host
//! workspace's tests.
#![no_std]
#![forbid(unsafe_code)]

mod point;
mod scalar;
mod sha512;

use point::Point;

/// True when `signature` is `key`'s signature of `message`.
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (Some(r), Some(s)) = (signature.first_chunk::<32>(), signature.last_chunk::<32>()) else {
        return false;
    };
    let Some(s) = scalar::canonical(s) else {
        return false;
    };
    let (Some(key_point), Some(r_point)) = (Point::decompress(key), Point::decompress(r)) else {
        return false;
    };
    if key_point.has_small_order() || r_point.has_small_order() || !r_point.is_encoded_as(r) {
        return false;
    }
    let k = scalar::reduce(&sha512::digest(&[r, key, message]));
    // R = [s]B - [k]A
    Point::double_multiple(&s, &k, &key_point.negated()).equals_affine(&r_point)
}
