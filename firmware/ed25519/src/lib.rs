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

pub use machine::{Machine, Number};

/// The 128 bytes of a block of SHA-512.
pub type Block = [Number; 4];

/// The first word of what [`answers`] comes to.
pub const ANSWER: u32 = 0x88c9_413f;

/// True when `signature` is `key`'s signature of `message`, which has at most 1,900 bytes.
#[cfg(not(target_arch = "arm"))]
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let mut blocks = [[[0; 8]; 4]; 16];
    let length = 64 + message.len();
    let Some(blocks) = blocks.get_mut(..(length + 17).div_ceil(128)) else { return false };
    let bytes = signature[..32].iter().chain(key).chain(message);
    for (i, byte) in bytes.enumerate() {
        blocks.as_flattened_mut().as_flattened_mut()[i / 4] |= u32::from(*byte) << (i % 4 * 8);
    }
    pad(blocks, length);
    let mut s = [0; 8];
    for (word, from) in s.iter_mut().zip(signature[32..].as_chunks().0) {
        *word = u32::from_le_bytes(*from);
    }
    fits(&mut Machine::new(), blocks, &s)
}

/// Pads the `length` bytes with zeros behind them to blocks (FIPS 180-4, 5.1.2): a one, and their length in bits.
#[inline(always)]
pub fn pad(blocks: &mut [Block], length: usize) {
    let words = blocks.as_flattened_mut().as_flattened_mut();
    words[length / 4] |= 0x80 << (length % 4 * 8);
    if let Some(last) = words.last_mut() {
        *last = (length as u32 * 8).swap_bytes();
    }
}

/// The R that a signature of these blocks, which hold R, the key and the message one after the other, has to begin
/// with where `s` is its S: [S]B - [k]A, encoded. `None` when nothing makes the signature a good one.
#[inline(never)]
pub fn expected<'m>(machine: &'m mut Machine, blocks: &[Block], s: &Number) -> Option<&'m Number> {
    let k = scalar::reduce(machine, &sha512::digest(blocks), s)?;
    curve::double_multiple(machine, s, &k, &blocks[0][1])
}

/// True when the blocks begin with the R that they have to begin with. So nothing is compared that was not hashed;
/// and comparing encodings also refuses an R that is none of a point, or that is not canonical.
#[inline(always)]
pub fn fits(machine: &mut Machine, blocks: &[Block], s: &Number) -> bool {
    expected(machine, blocks, s) == Some(&blocks[0][0])
}

/// True when the computation comes to what is known for a question that is always the same: the constants of
/// SHA-512 as the blocks, and those from the sixteenth on as S. A processor that skips one of the instructions
/// every time would come to a signature's R, too, if that was chosen for it.
#[inline(always)]
pub fn answers(machine: &mut Machine) -> bool {
    let words = surefoot_sha256::K.as_flattened();
    let (Some(blocks), Some(s)) =
        (words.as_chunks().0.as_chunks().0.first_chunk::<2>(), words[30..].first_chunk())
    else {
        return false;
    };
    expected(machine, blocks, s).is_some_and(|found| found[0] == ANSWER)
}
