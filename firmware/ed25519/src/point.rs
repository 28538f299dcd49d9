//! Points of edwards25519 in extended coordinates (RFC 8032, 5.1.4).

use crate::scalar::{Scalar, bit};
use salty::{FieldElement as Field, FieldImplementation};

/// X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z.
#[derive(Clone, Copy)]
pub struct Point([Field; 4]);

impl Point {
    /// The point that `bytes` encode (RFC 8032, 5.1.3), or `None` when they encode none.
    ///
    /// A `y` that is not reduced is taken modulo p; [`Self::is_encoded_as`] tells.
    #[inline(never)]
    pub fn decompress(bytes: &[u8; 32]) -> Option<Self> {
        let y = Field::from_bytes_unchecked(bytes);
        let yy = squared(&y);
        let u = &yy - &Field::ONE;
        let v = &(&yy * &Field::D) + &Field::ONE;
        // x = u v^3 (u v^7)^((p-5)/8)
        let uv3 = &(&u * &v) * &squared(&v);
        let v4 = squared(&squared(&v));
        let mut x = &power(&(&uv3 * &v4)) * &uv3;
        let mut root = false;
        for _ in 0..2 {
            if same(&(&squared(&x) * &v), &u) {
                root = true;
                break;
            }
            x = &x * &Field::I;
        }
        if !root {
            return None;
        }
        if x.parity() != bytes[31] >> 7 {
            x = -&x;
        }
        let t = &x * &y;
        Some(Self([x, y, Field::ONE, t]))
    }

    /// True when `bytes` are this point's own encoding. The point is as decompressed (Z = 1).
    pub fn is_encoded_as(&self, bytes: &[u8; 32]) -> bool {
        let mut own = self.0[1].to_bytes();
        own[31] |= self.0[0].parity() << 7;
        own == *bytes
    }

    /// -P
    pub fn negated(mut self) -> Self {
        self.0[0] = -&self.0[0];
        self.0[3] = -&self.0[3];
        self
    }

    /// P + Q; complete, so it doubles too (RFC 8032, 5.1.4).
    #[inline(never)]
    fn plus(&self, other: &Self) -> Self {
        let ([x1, y1, z1, t1], [x2, y2, z2, t2]) = (&self.0, &other.0);
        let a = &(y1 - x1) * &(y2 - x2);
        let b = &(y1 + x1) * &(y2 + x2);
        let c = &(t1 * t2) * &Field::D2;
        let zz = z1 * z2;
        let d = &zz + &zz;
        let (e, f, g, h) = (&b - &a, &d - &c, &d + &c, &b + &a);
        Self([&e * &f, &g * &h, &f * &g, &e * &h])
    }

    /// True when eight times the point is neutral.
    pub fn has_small_order(&self) -> bool {
        let mut p = *self;
        for _ in 0..3 {
            p = p.plus(&p);
        }
        // x = 0 is the neutral point or the one of order two, which is eight times no point.
        same(&p.0[0], &Field::ZERO)
    }

    /// [s]B + [k]Q, B the base point.
    pub fn double_multiple(s: &Scalar, k: &Scalar, q: &Self) -> Self {
        let (x, y) = (Field::EDWARDS_BASEPOINT_X, Field::EDWARDS_BASEPOINT_Y);
        let base = Self([x, y, Field::ONE, &x * &y]);
        let neutral = Self([Field::ZERO, Field::ONE, Field::ONE, Field::ZERO]);
        let addends = [neutral, base, *q, base.plus(q)];
        let mut sum = neutral;
        // Both are below L, which is below 2^253.
        for i in (0..253).rev() {
            sum = sum.plus(&sum);
            let which = bit(s, i) | bit(k, i) << 1;
            if which != 0 {
                sum = sum.plus(&addends[which]);
            }
        }
        sum
    }

    /// True when both are the same point; `other` is as decompressed (Z = 1).
    pub fn equals_affine(&self, other: &Self) -> bool {
        let [x, y, z, _] = &self.0;
        same(&(&other.0[0] * z), x) && same(&(&other.0[1] * z), y)
    }
}

fn same(a: &Field, b: &Field) -> bool {
    a.to_bytes() == b.to_bytes()
}

/// By the multiplication: `salty`'s square would be 400 more bytes of assembly.
fn squared(x: &Field) -> Field {
    x * x
}

/// x^((p-5)/8), which is x^(2^252 - 3).
fn power(x: &Field) -> Field {
    let mut out = *x;
    for bit in (0..251).rev() {
        out = squared(&out);
        if bit != 1 {
            out = &out * x;
        }
    }
    out
}
