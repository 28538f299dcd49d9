//! SHA-256 (FIPS 180-4) in plain Rust, and the constants of both hashes.
//!
//! A family may bring its own compression ([`digest_with`]); this one is the reference, held
//! against `sha2` by the host workspace's tests.
#![no_std]
#![forbid(unsafe_code)]

/// The constants of SHA-512 (FIPS 180-4, 4.2.3). The first 64's upper halves are SHA-256's (4.2.2),
/// so both hashes share one table. Lower halves first.
#[rustfmt::skip]
pub static K: [[u32; 2]; 80] = halves([
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
]);

/// The initial value of SHA-512 (FIPS 180-4, 5.3.5); its upper halves are SHA-256's (5.3.3).
#[rustfmt::skip]
pub static START: [[u32; 2]; 8] = halves([
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);

const fn halves<const N: usize>(words: [u64; N]) -> [[u32; 2]; N] {
    let mut halves = [[0; 2]; N];
    let mut i = 0;
    while i < N {
        halves[i] = [words[i] as u32, (words[i] >> 32) as u32];
        i += 1;
    }
    halves
}

/// SHA-256 of `head`, which is whole blocks of 64 bytes, and `message` behind it, of less than 512 MiB.
pub fn digest(head: &[u8], message: &[u8]) -> [u8; 32] {
    let mut work = Work::new();
    digest_with(head, message, &mut work, compress);
    work.digest()
}

/// What a hash works with; nothing of it matters before or behind.
#[repr(C, align(4))]
pub struct Work {
    /// What the compression works on.
    pub state: State,
    /// The end of the message, which fills no block, and the padding.
    pub tail: [[u8; 64]; 2],
}

/// What a compression works on.
#[repr(C)]
pub struct State {
    /// The hash so far; in the end its bytes, the first one first.
    pub words: [u32; 8],
    /// The sum of the addresses of all that was hashed, if the compression makes one.
    pub walked: u32,
}

impl Work {
    /// Nothing.
    pub const fn new() -> Self {
        Self { state: State { words: [0; _], walked: 0 }, tail: [[0; _]; 2] }
    }

    /// What [`digest_with`] came to.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = [0; 32];
        for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state.words) {
            *to = word.to_ne_bytes();
        }
        digest
    }
}

impl Default for Work {
    fn default() -> Self {
        Self::new()
    }
}

/// The same with another compression, which takes the state and hashes all whole blocks of some bytes. What it comes to is left in
/// the work, see [`Work::digest`].
#[inline(always)]
pub fn digest_with(
    head: &[u8],
    message: &[u8],
    work: &mut Work,
    mut compress: impl FnMut(&mut State, &[u8]),
) {
    let Work { state, tail } = work;
    for (to, from) in state.words.iter_mut().zip(&START) {
        *to = upper(*from);
    }
    state.walked = 0;
    let rest = message.as_chunks::<64>().1;
    compress(state, head);
    compress(state, message);
    // FIPS 180-4, 5.1.1: a one, zeros, the length in bits.
    tail.as_flattened_mut().fill(0);
    tail[0][..rest.len()].copy_from_slice(rest);
    tail[0][rest.len()] = 0x80;
    let last = usize::from(rest.len() >= 56);
    tail[last][60..].copy_from_slice(&((head.len() + message.len()) as u32 * 8).to_be_bytes());
    compress(state, tail[..=last].as_flattened());
    for word in &mut state.words {
        *word = word.to_be();
    }
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
fn compress(state: &mut State, bytes: &[u8]) {
    let state = &mut state.words;
    let mut w = [0; 64];
    for block in bytes.as_chunks().0 {
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
    for ((sum, w), k) in sums.iter_mut().zip(w).zip(&K) {
        *sum = w.wrapping_add(upper(*k));
    }
}

fn upper([_, high]: [u32; 2]) -> u32 {
    high
}
