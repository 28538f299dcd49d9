//! SHA-512's compression in plain Rust: the reference for the assembly, and what host tests run on.

use surefoot_sha256::K;

/// The hash computation (FIPS 180-4, 6.4.2) over one block.
pub fn compress(state: &mut [u64; 8], block: &[u8; 128]) {
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

fn rotr(x: u64, n: u32) -> u64 {
    x.rotate_right(n)
}

fn turned(x: u64, a: u32, b: u32, c: u32) -> u64 {
    rotr(x, a) ^ rotr(x, b) ^ rotr(x, c)
}

fn shifted(x: u64, a: u32, b: u32, c: u32) -> u64 {
    rotr(x, a) ^ rotr(x, b) ^ (x >> c)
}
