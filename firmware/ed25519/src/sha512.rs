//! SHA-512 (FIPS 180-4), rolled up: it sees two blocks for each signature, so only its size matters.

use crate::Block;
use surefoot_sha256::START;

#[cfg(target_arch = "arm")]
mod cortex_m4;
#[cfg(target_arch = "arm")]
use cortex_m4::compress;
#[cfg(not(target_arch = "arm"))]
mod portable;
#[cfg(not(target_arch = "arm"))]
use portable::compress;

/// A word of 64 bits, its lower half first.
type Word = [u32; 2];

/// The hash of these as big-endian words; the last of them has the padding.
#[inline(always)]
pub fn digest(blocks: &[Block]) -> [Word; 8] {
    let mut state = START;
    for block in blocks {
        compress(&mut state, block);
    }
    state
}
