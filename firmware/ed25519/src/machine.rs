//! Modular arithmetic on sixteen numbers of 256 bits, driven by short programs.
//!
//! Point arithmetic is long chains of calls with three pointers each; as programs of two bytes an
//! operation they take a fifth of the flash. The modulus is in a register too, so one machine works
//! in the field and on scalars. Cortex-M4 has it in assembly; [`portable`] is the reference, and
//! what runs on a host.

#[cfg(target_arch = "arm")]
mod cortex_m4;
#[cfg(target_arch = "arm")]
pub use cortex_m4::Machine;
#[cfg(not(target_arch = "arm"))]
mod portable;
#[cfg(not(target_arch = "arm"))]
pub use portable::Machine;

/// A number, least significant word first. Not reduced unless said so.
pub type Number = [u32; 8];

/// The register that [`add`] and [`sub`] reduce by; [`mul`] is the field's, whatever is in here.
pub const MODULUS: usize = 15;

/// The state of a [`Machine`].
pub type Registers = [Number; 16];

const ADDITIVE: u16 = 1 << 13;
const MINUS: u16 = 1 << 12;
const LAST: u16 = 1 << 15;

const fn operation(to: usize, a: usize, b: usize) -> u16 {
    assert!(to < 16 && a < 16 && b < 16);
    (to << 8 | a << 4 | b) as u16
}

/// `to = a b` modulo 2^255 - 19, below 2^255 + 2^230: one modulus off makes it a reduced one.
pub const fn mul(to: usize, a: usize, b: usize) -> u16 {
    operation(to, a, b)
}

/// `to = a + b`, less the modulus as often as it takes to fit 256 bits.
pub const fn add(to: usize, a: usize, b: usize) -> u16 {
    operation(to, a, b) | ADDITIVE
}

/// `to = a - b`, plus the modulus as often as it takes to be positive.
///
/// So `sub(x, x, MODULUS)` reduces by one modulus what is not below it.
pub const fn sub(to: usize, a: usize, b: usize) -> u16 {
    operation(to, a, b) | ADDITIVE | MINUS
}

/// Operations in a row, at least one; the last one is marked.
pub struct Program<const N: usize>([u16; N]);

/// The operations of a [`Program`], up to its last one, which is marked.
#[derive(Clone, Copy)]
pub struct Marked<'a>(&'a [u16]);

impl<const N: usize> Program<N> {
    pub const fn new(mut operations: [u16; N]) -> Self {
        operations[N - 1] |= LAST;
        Self(operations)
    }

    /// All of it.
    #[inline(always)]
    pub fn marked(&self) -> Marked<'_> {
        Marked(&self.0)
    }

    /// Runs all of it.
    #[inline(always)]
    pub fn run(&self, machine: &mut Machine) {
        machine.run(self.marked());
    }

    /// Runs it without its first `SKIPPED` operations.
    #[inline(always)]
    pub fn run_behind<const SKIPPED: usize>(&self, machine: &mut Machine) {
        const { assert!(SKIPPED < N) };
        machine.run(Marked(&self.0[SKIPPED..]));
    }
}
