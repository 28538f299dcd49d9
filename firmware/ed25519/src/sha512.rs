//! SHA-512 (FIPS 180-4), rolled up: it sees 160 bytes a boot, so only its size matters.

use surefoot_sha256::{K, START};

/// SHA-512 of `parts` one after the other, of less than 512 MiB in all.
pub fn digest(parts: &[&[u8]; 3]) -> [u8; 64] {
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
    for byte in (u128::from(message) * 8).to_be_bytes() {
        push(byte);
    }
    let mut out = [0; 64];
    for (to, word) in out.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    out
}

/// The hash computation (FIPS 180-4, 6.4.2) over one block.
#[inline(never)]
fn compress(state: &mut [u64; 8], block: &[u8; 128]) {
    let mut w = [0; 16];
    for (word, from) in w.iter_mut().zip(block.as_chunks().0) {
        *word = u64::from_be_bytes(*from);
    }
    let mut v = *state;
    for (i, k) in K.iter().enumerate() {
        let word = w[i % 16];
        let [a, b, c, d, e, f, g, h] = v;
        let t = h
            .wrapping_add(turned(e, 14, 18, 41))
            .wrapping_add(g ^ (e & (f ^ g)))
            .wrapping_add(*k)
            .wrapping_add(word);
        let u = turned(a, 28, 34, 39).wrapping_add((a & b) | (c & (a | b)));
        v = [t.wrapping_add(u), a, b, c, d.wrapping_add(t), e, f, g];
        // The word sixteen rounds on, in this one's place.
        let (x, y) = (w[(i + 1) % 16], w[(i + 14) % 16]);
        w[i % 16] = word
            .wrapping_add(shifted(x, 1, 8, 7))
            .wrapping_add(w[(i + 9) % 16])
            .wrapping_add(shifted(y, 19, 61, 6));
    }
    for (sum, word) in state.iter_mut().zip(v) {
        *sum = sum.wrapping_add(word);
    }
}

#[inline(never)]
fn rotr(x: u64, n: u32) -> u64 {
    x.rotate_right(n)
}

#[inline(never)]
fn turned(x: u64, a: u32, b: u32, c: u32) -> u64 {
    rotr(x, a) ^ rotr(x, b) ^ rotr(x, c)
}

#[inline(never)]
fn shifted(x: u64, a: u32, b: u32, c: u32) -> u64 {
    rotr(x, a) ^ rotr(x, b) ^ (x >> c)
}
