//! Scalars modulo the group order L = 2^252 + 27742317777372353535851937790883648493.

use crate::machine::{MODULUS, Machine, Number, Program, add, sub};

/// L (RFC 8032, 5.1).
const L: Number = [0x5cf5_d3ed, 0x5812_631a, 0xa2f7_9cd6, 0x14de_f9de, 0, 0, 0, 0x1000_0000];

static DOUBLE: Program<1> = Program::new([add(0, 0, 0)]);
/// Takes L off what is not below it.
static REDUCE: Program<1> = Program::new([sub(0, 0, MODULUS)]);

/// The 512-bit number whose bytes, least significant first, are in `words`, each most significant
/// first, modulo L; `None` when `canonical` is not below L.
#[inline(always)]
pub fn reduce(machine: &mut Machine, words: &[[u32; 2]; 8], canonical: &Number) -> Option<Number> {
    machine[MODULUS] = L;
    machine[0] = *canonical;
    REDUCE.run(machine);
    if machine[0] != *canonical {
        return None;
    }
    machine[0] = [0; 8];
    for i in (0..512).rev() {
        // Below L before, so below 2L after.
        DOUBLE.run(machine);
        // The bytes of a word the other way round: its halves, and theirs.
        let half = words.as_flattened()[(i / 32) ^ 1];
        machine[0][0] |= half >> ((i % 32) ^ 24) & 1;
        REDUCE.run(machine);
    }
    Some(machine[0])
}
