//! Scalars modulo the group order L = 2^252 + 27742317777372353535851937790883648493.
//!
//! Bit by bit: 50,000 instructions for a reduction, where one verification takes millions.

/// A number below L, least significant word first.
pub type Scalar = [u32; 8];

/// L (RFC 8032, 5.1).
const L: Scalar = [0x5cf5_d3ed, 0x5812_631a, 0xa2f7_9cd6, 0x14de_f9de, 0, 0, 0, 0x1000_0000];

/// `value - L`, or `None` when `value` is below L.
#[inline(never)]
fn minus_l(value: &Scalar) -> Option<Scalar> {
    let mut out = [0; 8];
    let mut borrow = false;
    for ((to, v), l) in out.iter_mut().zip(value).zip(&L) {
        (*to, borrow) = v.borrowing_sub(*l, borrow);
    }
    (!borrow).then_some(out)
}

/// The scalar in `bytes`, or `None` when it is not below L.
pub fn canonical(bytes: &[u8; 32]) -> Option<Scalar> {
    let mut out = [0; 8];
    for (word, from) in out.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*from);
    }
    match minus_l(&out) {
        None => Some(out),
        Some(_) => None,
    }
}

/// The 512-bit number in `bytes`, little-endian, modulo L.
pub fn reduce(bytes: &[u8; 64]) -> Scalar {
    let mut out = [0; 8];
    for byte in bytes.iter().rev() {
        for bit in (0..8).rev() {
            let mut carry = u32::from(*byte) >> bit & 1;
            // Below L before, so below 2^254 after: the top word has room.
            for word in &mut out {
                let next = *word >> 31;
                *word = *word << 1 | carry;
                carry = next;
            }
            if let Some(less) = minus_l(&out) {
                out = less;
            }
        }
    }
    out
}

/// Bit `i` of `scalar`.
pub fn bit(scalar: &Scalar, i: usize) -> usize {
    (scalar[i / 32] >> (i % 32)) as usize & 1
}
