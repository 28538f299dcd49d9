//! SHA-256 (FIPS 180-4) for a small core: eight rounds unrolled, nothing else.
//!
//! Hashing the image is nearly all of the boot delay under policy `signature`; the general crates
//! are too slow on a Cortex-M4 or too big. Held against `sha2` by the host workspace's tests.
#![no_std]
#![forbid(unsafe_code)]

/// FIPS 180-4, 4.2.2.
static K: [[u32; 8]; 8] = [
    [0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
    [0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
    [0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
    [0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
    [0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
    [0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
    [0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
    [0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
];

/// FIPS 180-4, 5.3.3.
const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// SHA-256 of `message`, of less than 512 MiB.
pub fn digest(message: &[u8]) -> [u8; 32] {
    let mut state = START;
    let (blocks, rest) = message.as_chunks::<64>();
    compress(&mut state, blocks);
    // FIPS 180-4, 5.1.1: a one, zeros, the length in bits.
    let mut tail = [[0; 64]; 2];
    tail[0][..rest.len()].copy_from_slice(rest);
    tail[0][rest.len()] = 0x80;
    let last = usize::from(rest.len() >= 56);
    tail[last][60..].copy_from_slice(&(message.len() as u32 * 8).to_be_bytes());
    compress(&mut state, &tail[..=last]);
    let mut out = [0; 32];
    for (to, word) in out.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    out
}

/// One round (FIPS 180-4, 6.2.2); the caller turns the names instead of moving the values.
///
/// Written for the barrel shifter: each sum of three rotations turns once more while it is added.
/// `$ab` is `a ^ b`, which is `b ^ c` one round later: `maj(a, b, c) = b ^ ((a ^ b) & (b ^ c))`.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $bc:ident, $kw:expr) => {
        $h = $h.wrapping_add($kw);
        $h = $h.wrapping_add(($e ^ $e.rotate_right(5) ^ $e.rotate_right(19)).rotate_right(6));
        $h = $h.wrapping_add($g ^ ($e & ($f ^ $g)));
        $d = $d.wrapping_add($h);
        $h = $h.wrapping_add(($a ^ $a.rotate_right(11) ^ $a.rotate_right(20)).rotate_right(2));
        let ab = $a ^ $b;
        $h = $h.wrapping_add($b ^ (ab & $bc));
        $bc = ab;
    };
}

/// The hash computation (FIPS 180-4, 6.2.2) over whole blocks.
#[inline(never)]
fn compress(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    let mut w = [0; 64];
    for block in blocks {
        schedule(block, &mut w);
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        let mut bc = b ^ c;
        for kw in w.as_chunks::<8>().0 {
            round!(a b c d e f g h, bc, kw[0]);
            round!(h a b c d e f g, bc, kw[1]);
            round!(g h a b c d e f, bc, kw[2]);
            round!(f g h a b c d e, bc, kw[3]);
            round!(e f g h a b c d, bc, kw[4]);
            round!(d e f g h a b c, bc, kw[5]);
            round!(c d e f g h a b, bc, kw[6]);
            round!(b c d e f g h a, bc, kw[7]);
        }
        for (sum, word) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *sum = sum.wrapping_add(word);
        }
    }
}

/// The message schedule, each word with its constant added.
#[inline(never)]
fn schedule(block: &[u8; 64], sums: &mut [u32; 64]) {
    let mut w = [0; 64];
    for (to, from) in w.iter_mut().zip(block.as_chunks().0) {
        *to = u32::from_be_bytes(*from);
    }
    for i in (0..48).step_by(4) {
        for i in i..i + 4 {
            let (x, y) = (w[i + 1], w[i + 14]);
            w[i + 16] = w[i]
                .wrapping_add(x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3))
                .wrapping_add(w[i + 9])
                .wrapping_add(y.rotate_right(17) ^ y.rotate_right(19) ^ (y >> 10));
        }
    }
    for ((sum, w), k) in sums.iter_mut().zip(w).zip(K.as_flattened()) {
        *sum = w.wrapping_add(*k);
    }
}
