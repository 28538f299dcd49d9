//! Ed25519 verification (RFC 8032, 5.1.7) for a bootloader: strict, and small.
//!
//! Accepts exactly what `ed25519-dalek`'s `verify_strict` accepts: canonical `S`, canonical `R`,
//! neither `R` nor the key of small order. Everything here is public data, so nothing needs
//! constant time, and both scalar multiplications share their doublings.
//! Held against `ed25519-dalek` and the Wycheproof vectors by the host workspace's tests.
#![no_std]
#![deny(unsafe_code)]

mod curve;
mod machine;
mod scalar;
mod sha512;

use machine::number;

/// True when `signature` is `key`'s signature of `message`.
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    verify_into(&mut [0; 8], key, message, signature)
}

/// As [`verify`]. Into `sum` goes the R that the signature has to begin with, as the words of its encoding,
/// for who compares it once more; it stays as it is where nothing makes the signature a good one.
pub fn verify_into(sum: &mut [u32; 8], key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (Some(r), Some(s)) = (signature.first_chunk::<32>(), signature.last_chunk::<32>()) else {
        return false;
    };
    let s = number(s);
    let Some(k) = scalar::reduce(&sha512::digest(&[r, key, message]), &s) else {
        return false;
    };
    // R = [s]B - [k]A. Comparing encodings also refuses an R that is none of a point, or that is
    // not canonical.
    let Some(found) = curve::double_multiple(&s, &k, number(key)) else {
        return false;
    };
    // Each from what was found: a copy that is skipped deceives one of the two who compare.
    let fits = found == number(r);
    *sum = found;
    fits
}
