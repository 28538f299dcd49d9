//! Points of edwards25519 in extended coordinates (RFC 8032, 5.1.4): X, Y, Z, T with x = X/Z,
//! y = Y/Z, xy = T/Z.

use crate::machine::{MODULUS, Machine, Marked, Number, Program, add, mul, sub};

// Registers: the point under work,
const X: usize = 0;
pub const Y: usize = 1;
const Z: usize = 2;
const T: usize = 3;
// what is added to it, as y - x, y + x, 2z, 2dt,
const MINUS: usize = 4;
const PLUS: usize = 5;
const TWICE: usize = 6;
const SCALED: usize = 7;
// intermediate values,
const A: usize = 8;
const B: usize = 9;
const C: usize = 10;
const D: usize = 11;
// and constants: 1, twice the curve's d, the square root of -1; the modulus is the sixteenth.
const ONE: usize = 12;
const D2: usize = 13;
const ROOT: usize = 14;

const P: Number = [0xffff_ffed, !0, !0, !0, !0, !0, !0, 0x7fff_ffff];
const CONSTANTS: [Number; 4] = [
    [1, 0, 0, 0, 0, 0, 0, 0],
    [0x26b2_f159, 0xebd6_9b94, 0x8283_b156, 0x00e0_149a, 0xeef3_d130, 0x198e_80f2, 0x56df_fce7, 0x2406_d9dc],
    [0x4a0e_a0b0, 0xc4ee_1b27, 0xad2f_e478, 0x2f43_1806, 0x3dfb_d7a7, 0x2b4d_0099, 0x4fc1_df0b, 0x2b83_2480],
    P,
];
/// The base point's x and y.
const BASE: [Number; 2] = [
    [0x8f25_d51a, 0xc956_2d60, 0x9525_a7b2, 0x692c_c760, 0xfdd6_dc5c, 0xc0a4_e231, 0xcd6e_53fe, 0x2169_36d3],
    [0x6666_6658, 0x6666_6666, 0x6666_6666, 0x6666_6666, 0x6666_6666, 0x6666_6666, 0x6666_6666, 0x6666_6666],
];

/// Doubles the point (RFC 8032, 5.1.4), with all of E, F, G and H negated, which changes no product.
static TWOFOLD: Program<14> = Program::new([
    mul(A, X, X),
    mul(B, Y, Y),
    mul(C, Z, Z),
    add(C, C, C),
    add(D, X, Y),
    mul(D, D, D),
    add(T, A, B),
    sub(D, T, D),
    sub(A, A, B),
    add(C, C, A),
    mul(X, D, C),
    mul(Y, A, T),
    mul(T, D, T),
    mul(Z, C, A),
]);

/// Doubles the point; behind the first four operations, adds the other to it. The formula is
/// complete (RFC 8032, 5.1.4), so one serves for both.
static DOUBLE: Program<18> = Program::new([
    sub(MINUS, Y, X),
    add(PLUS, Y, X),
    add(TWICE, Z, Z),
    mul(SCALED, T, D2),
    sub(A, Y, X),
    mul(A, A, MINUS),
    add(B, Y, X),
    mul(B, B, PLUS),
    mul(C, T, SCALED),
    mul(D, Z, TWICE),
    sub(T, B, A),
    add(A, B, A),
    sub(B, D, C),
    add(D, D, C),
    mul(X, T, B),
    mul(Y, D, A),
    mul(Z, B, D),
    mul(T, T, A),
]);

/// One more binary one in the exponent of Z.
static POWER: Program<2> = Program::new([mul(C, C, C), mul(C, C, Z)]);

/// From y: u = 2(y^2 - 1) in T, v = 2(dy^2 + 1) in A, uv^3 in B, and Z = uv^7 to take a power of.
static DECOMPRESS: Program<12> = Program::new([
    mul(A, Y, Y),
    sub(T, A, ONE),
    add(T, T, T),
    mul(A, A, D2),
    add(A, A, ONE),
    add(A, A, ONE),
    mul(C, A, A),
    mul(B, C, A),
    mul(B, B, T),
    mul(C, C, C),
    mul(Z, C, B),
    mul(C, Z, ONE),
]);
/// A candidate for x (RFC 8032, 5.1.3): uv^3 (uv^7)^((p-5)/8).
static CANDIDATE: Program<4> = Program::new([mul(C, C, C), mul(C, C, C), mul(C, C, Z), mul(X, C, B)]);
/// The next candidate, reduced; B is zero when it is a root of u/v.
static TRY: Program<8> = Program::new([
    mul(X, X, ROOT),
    sub(X, X, MODULUS),
    sub(X, X, MODULUS),
    mul(B, X, X),
    mul(B, B, A),
    sub(B, B, T),
    sub(B, B, MODULUS),
    sub(B, B, MODULUS),
]);
static NEGATE: Program<1> = Program::new([sub(X, MODULUS, X)]);
/// From affine to extended coordinates.
static EXTEND: Program<2> = Program::new([mul(Z, ONE, ONE), mul(T, X, Y)]);
/// B is zero when eight times the point is neutral: x = 0 is order 1 and 2, y = 0 order 4, and
/// x^2 + y^2 = 0 order 8, for that is the numerator of y of twice the point.
static ORDER: Program<6> = Program::new([
    mul(B, X, X),
    mul(C, Y, Y),
    add(B, B, C),
    mul(B, B, T),
    sub(B, B, MODULUS),
    sub(B, B, MODULUS),
]);
static NEUTRAL: Program<4> = Program::new([sub(X, X, X), mul(Y, ONE, ONE), mul(Z, ONE, ONE), sub(T, T, T)]);
/// Z to take a power of.
static INVERT: Program<1> = Program::new([mul(C, Z, ONE)]);
/// x and y, reduced: 1/Z is Z^(p-2), and p - 2 is 8 (p-5)/8 + 3.
static AFFINE: Program<15> = Program::new([
    mul(C, C, C),
    mul(C, C, C),
    mul(C, C, Z),
    mul(C, C, C),
    mul(C, C, C),
    mul(C, C, C),
    mul(A, Z, Z),
    mul(A, A, Z),
    mul(C, C, A),
    mul(X, X, C),
    mul(Y, Y, C),
    sub(X, X, MODULUS),
    sub(X, X, MODULUS),
    sub(Y, Y, MODULUS),
    sub(Y, Y, MODULUS),
]);

/// Takes C, which is Z, to Z^(2^250 - 1); two squares and one more Z make that (p-5)/8.
#[inline(never)]
fn power(machine: &mut Machine) {
    for _ in 0..249 {
        POWER.run(machine);
    }
}

/// True when `program` leaves zero in B.
#[inline(never)]
fn vanishes(machine: &mut Machine, program: Marked) -> bool {
    machine.run(program);
    machine[B].iter().fold(0, |all, word| all | word) == 0
}

/// The encoding of [s]B - [k]A, with the base point B and A as encoded by `key`; in the machine. `None` when `key`
/// encodes no point (RFC 8032, 5.1.3), or when A or the sum is of small order.
///
/// A `y` of `key` that is not reduced is taken modulo p.
#[inline(always)]
pub fn double_multiple<'m>(m: &'m mut Machine, s: &Number, k: &Number, key: &Number) -> Option<&'m Number> {
    m[ONE..].copy_from_slice(&CONSTANTS);
    m[Y] = *key;
    m[Y][7] &= 0x7fff_ffff;
    DECOMPRESS.run(m);
    power(m);
    CANDIDATE.run(m);
    if !vanishes(m, TRY.marked()) && !vanishes(m, TRY.marked()) {
        return None;
    }
    // The other root: it is -A that is added.
    if m[X][0] & 1 == key[7] >> 31 {
        NEGATE.run(m);
    }
    EXTEND.run(m);
    if vanishes(m, ORDER.marked()) {
        return None;
    }
    // -A, B - A and B as they are added.
    let mut addends = **m;
    for i in 0..3 {
        if i != 0 {
            m[..2].copy_from_slice(&BASE);
            EXTEND.run(m);
        }
        if i == 1 {
            DOUBLE.run_behind::<4>(m);
        }
        DOUBLE.run(m);
        addends[4 * i..][..4].copy_from_slice(&m[MINUS..A]);
    }
    NEUTRAL.run(m);
    // Both are below L, which is below 2^253.
    for i in (0..253).rev() {
        TWOFOLD.run(m);
        let (s, k) = (bit(s, i), bit(k, i));
        if s | k != 0 {
            let which = s + (s & !k);
            m[MINUS..A].copy_from_slice(&addends[4 * which..][..4]);
            DOUBLE.run_behind::<4>(m);
        }
    }
    if vanishes(m, ORDER.marked()) {
        return None;
    }
    INVERT.run(m);
    power(m);
    AFFINE.run(m);
    m[Y][7] |= m[X][0] << 31;
    Some(&m[Y])
}

/// Bit `i` of `scalar`.
fn bit(scalar: &Number, i: usize) -> usize {
    (scalar[i / 32 % 8] >> (i % 32)) as usize & 1
}
