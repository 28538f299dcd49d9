//! Scalars modulo the group order L = 2^252 + 27742317777372353535851937790883648493.

use crate::machine::{MODULUS, Number, Program, Registers, add, sub};

/// L (RFC 8032, 5.1).
const L: Number = [0x5cf5_d3ed, 0x5812_631a, 0xa2f7_9cd6, 0x14de_f9de, 0, 0, 0, 0x1000_0000];

static DOUBLE: Program<1> = Program::new([add(0, 0, 0)]);
/// Takes L off what is not below it.
static REDUCE: Program<1> = Program::new([sub(0, 0, MODULUS)]);

/// The 512-bit number whose bytes, least significant first, are in `words`, each most significant
/// first, modulo L; `None` when `canonical` is not below L.
pub fn reduce(words: &[u64; 8], canonical: &Number) -> Option<Number> {
    let mut registers: Registers = [[0; 8]; 16];
    registers[MODULUS] = L;
    registers[0] = *canonical;
    REDUCE.run(&mut registers);
    if registers[0] != *canonical {
        return None;
    }
    registers[0] = [0; 8];
    for i in (0..512).rev() {
        // Below L before, so below 2L after.
        DOUBLE.run(&mut registers);
        // The bytes of a word the other way round.
        let (word, place) = (words[i / 64], (i % 64) ^ 56);
        let half = [word as u32, (word >> 32) as u32][place / 32 % 2];
        registers[0][0] |= half >> (place % 32) & 1;
        REDUCE.run(&mut registers);
    }
    Some(registers[0])
}
