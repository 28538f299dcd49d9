//! SHA-512's compression in plain Rust: the reference for the assembly, and what host tests run on.

use super::Word;
use crate::Block;
use surefoot_sha256::K;

/// The hash computation (FIPS 180-4, 6.4.2) over one block.
pub fn compress(state: &mut [Word; 8], block: &Block) {
    let mut w = [0u64; 16];
    for (word, [high, low]) in w.iter_mut().zip(block.as_flattened().as_chunks().0) {
        *word = joined([low.swap_bytes(), high.swap_bytes()]);
    }
    let mut v = state.map(joined);
    for (i, k) in K.iter().enumerate() {
        let word = w[i % 16];
        let [a, b, c, d, e, f, g, h] = v;
        let t = h
            .wrapping_add(turned(e, 14, 18, 41))
            .wrapping_add(g ^ (e & (f ^ g)))
            .wrapping_add(joined(*k))
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
        let sum_of_both = joined(*sum).wrapping_add(word);
        *sum = [sum_of_both as u32, (sum_of_both >> 32) as u32];
    }
}

fn joined([low, high]: Word) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn rotr(x: u64, n: u32) -> u64 {
    x.rotate_right(n)
}

fn turned(x: u64, a: u32, b: u32, c: u32) -> u64 {
    rotr(x, a) ^ rotr(x, b) ^ rotr(x, c)
}

fn shifted(x: u64, a: u32, b: u32, c: u32) -> u64 {
    rotr(x, a) ^ rotr(x, b) ^ (x >> c)
}
