//! The cryptography of the full build, and what it leaves of a proof for the second look.

use super::sha256;
use core::ptr::{self, null};
use surefoot_core::image::manifest::SIGNED_LEN;
use surefoot_core::image::verify::Crypto;
use surefoot_ed25519::{Block, Machine, Number, answers, pad};

/// SHA-256 and Ed25519.
pub struct Software;

impl Crypto for Software {
    fn is_sha256(&mut self, head: &[u8], rest: &[u8], expected: &[u8]) -> bool {
        sha256::hash(head, rest);
        // SAFETY: words are bytes, too, and nobody hashes now.
        let digest: &[u8; 32] = unsafe { &*sha256::work().cast() };
        digest.starts_with(expected)
    }

    fn ed25519(&mut self, key: &[u8; 32], message: &[u8; SIGNED_LEN], signature: &[u8; 64]) -> bool {
        // SAFETY: one thread, and no interrupts.
        let answers = answers(&mut unsafe { Machine::new() });
        // SAFETY: what it gives out is a number or null, and SIGNED is read only.
        answers && unsafe { expected(key, message, signature).as_ref() == Some(&SIGNED[0][0]) }
    }
}

/// What was hashed for the last signature: R, the key and the message.
pub static mut SIGNED: [Block; 2] = [[[0; 8]; 4]; 2];

/// The R that the key's signature has with this S, null where there is none. What it works on is all copied again,
/// whatever was copied before.
#[inline(never)]
pub fn expected(key: &[u8; 32], message: &[u8; SIGNED_LEN], signature: &[u8; 64]) -> *const Number {
    const LENGTH: usize = 64 + SIGNED_LEN;
    // SAFETY: one thread, and nothing else refers to it now; words are bytes, too.
    unsafe {
        let signed = (&raw mut SIGNED).as_mut_unchecked();
        let bytes = signed.as_mut_ptr().cast::<u8>();
        bytes.copy_from_nonoverlapping(signature.as_ptr(), 32);
        bytes.add(32).copy_from_nonoverlapping(key.as_ptr(), 32);
        bytes.add(64).copy_from_nonoverlapping(message.as_ptr(), SIGNED_LEN);
        pad(signed, LENGTH);
        let s = &*signature.as_ptr().add(32).cast();
        surefoot_ed25519::expected(&mut Machine::new(), signed, s).map_or(null(), ptr::from_ref)
    }
}
