//! SHA-512 (FIPS 180-4), rolled up: it sees 160 bytes a boot, so only its size matters.

use surefoot_sha256::START;

#[cfg(target_arch = "arm")]
mod cortex_m4;
#[cfg(target_arch = "arm")]
use cortex_m4::compress;
#[cfg(not(target_arch = "arm"))]
mod portable;
#[cfg(not(target_arch = "arm"))]
use portable::compress;

/// SHA-512 of `parts` one after the other, of less than 512 MiB in all, as big-endian words.
pub fn digest(parts: &[&[u8]; 3]) -> [u64; 8] {
    let mut state = START;
    let mut block = [0; 128];
    let mut length = 0u32;
    let mut push = |byte: u8| {
        block[length as usize % 128] = byte;
        length += 1;
        if length.is_multiple_of(128) {
            compress(&mut state, &block);
        }
        length
    };
    let mut message = 0;
    for part in parts {
        for byte in *part {
            message = push(*byte);
        }
    }
    // FIPS 180-4, 5.1.2: a one, zeros, the length in bits.
    let mut pushed = push(0x80);
    while pushed % 128 != 112 {
        pushed = push(0);
    }
    block[112..].fill(0);
    block[124..].copy_from_slice(&(message * 8).to_be_bytes());
    compress(&mut state, &block);
    state
}
