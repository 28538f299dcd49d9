//! The machine in plain Rust: the reference for the assembly, and what host tests run on.

use super::{ADDITIVE, LAST, MINUS, MODULUS, Marked, Number, Registers};
use core::ops::{Deref, DerefMut};

/// The registers and what works on them.
#[derive(Clone)]
pub struct Machine(Registers);

impl Machine {
    /// With zeros in all registers.
    pub const fn new() -> Self {
        Self([[0; 8]; 16])
    }

    /// Runs `program` up to its marked operation.
    pub fn run(&mut self, program: Marked) {
        run(&mut self.0, program.0);
    }
}

impl Deref for Machine {
    type Target = Registers;
    fn deref(&self) -> &Registers {
        &self.0
    }
}

impl DerefMut for Machine {
    fn deref_mut(&mut self) -> &mut Registers {
        &mut self.0
    }
}

fn run(registers: &mut Registers, program: &[u16]) {
    for operation in program {
        let [to, a, b] = [8, 4, 0].map(|bit| usize::from(operation >> bit) & 15);
        let (x, y) = (&registers[a], &registers[b]);
        registers[to] = if operation & ADDITIVE == 0 {
            product(x, y)
        } else {
            let mut negative = operation & MINUS != 0;
            let (mut out, mut top) = sum(x, y, negative);
            while top != 0 {
                negative = top > 0;
                let (next, carry) = sum(&out, &registers[MODULUS], negative);
                (out, top) = (next, top + carry);
            }
            out
        };
        if operation & LAST != 0 {
            return;
        }
    }
}

/// a + b, or a - b when `negative`, and the carry into (or the borrow from) a ninth word.
fn sum(a: &Number, b: &Number, negative: bool) -> (Number, i64) {
    let mut out = [0; 8];
    let mut carry = 0i64;
    for ((to, a), b) in out.iter_mut().zip(a).zip(b) {
        carry += i64::from(*a) + if negative { -i64::from(*b) } else { i64::from(*b) };
        *to = carry as u32;
        carry >>= 32;
    }
    (out, carry)
}

/// a b modulo 2^255 - 19, not quite reduced.
fn product(a: &Number, b: &Number) -> Number {
    let mut wide = [0u32; 16];
    for (i, a) in a.iter().enumerate() {
        let mut carry = 0u64;
        for (to, b) in wide[i..].iter_mut().zip(b) {
            // At most (2^32 - 1)^2 + 2 (2^32 - 1), which is 2^64 - 1.
            carry += u64::from(*a) * u64::from(*b) + u64::from(*to);
            *to = carry as u32;
            carry >>= 32;
        }
        wide[i + 8] = carry as u32;
    }
    // 2^256 is 38, and what is above bit 254 then counts 19 a piece.
    let top = u64::from(wide[15]) * 38 + u64::from(wide[7]);
    let mut carry = (top >> 31) * 19;
    let mut out = [0; 8];
    for i in 0..7 {
        carry += u64::from(wide[i + 8]) * 38 + u64::from(wide[i]);
        out[i] = carry as u32;
        carry >>= 32;
    }
    out[7] = (top as u32 & 0x7fff_ffff) + carry as u32;
    out
}
