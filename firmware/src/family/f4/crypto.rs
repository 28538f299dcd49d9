//! The cryptography of the full build, and what it leaves of a proof for the second look.

use core::ptr::{self, null};
use surefoot_core::image::manifest::SIGNED_LEN;
use surefoot_core::image::verify::Crypto;
use surefoot_ed25519::{Block, Machine, answers, fits, pad};

/// SHA-256 and Ed25519.
pub struct Software;

/// What the last proof has come by.
#[repr(C, align(4))]
pub struct Last {
    /// The key of the signature that was computed, null before the first one.
    pub key: *const [u8; 32],
    /// The SHA-256 that was computed last, which is the image's.
    pub digest: [u8; 32],
}

/// The last one's.
pub static mut LAST: Last = Last { key: null(), digest: [0; 32] };

impl Software {
    /// For a proof: no key is left of the ones before it.
    pub fn new() -> Self {
        // SAFETY: one thread, and no interrupts.
        unsafe { LAST.key = null() };
        Self
    }
}

impl Crypto for Software {
    fn sha256(&mut self, head: &[u8], rest: &[u8]) -> [u8; 32] {
        let digest = super::sha256::digest(head, rest);
        // SAFETY: as in `new`.
        unsafe { LAST.digest = digest };
        digest
    }

    fn ed25519(&mut self, key: &[u8; 32], message: &[u8; SIGNED_LEN], signature: &[u8; 64]) -> bool {
        // SAFETY: as in `new`.
        unsafe { LAST.key = ptr::from_ref(key) };
        // SAFETY: as in `new`.
        answers(&mut unsafe { Machine::new() }) && proves(key, message, signature)
    }
}

/// True when the signature is the key's. What it works on is all copied again, whatever was copied before.
#[inline(never)]
pub fn proves(key: &[u8; 32], message: &[u8; SIGNED_LEN], signature: &[u8; 64]) -> bool {
    static mut SIGNED: [Block; 2] = [[[0; 8]; 4]; 2];
    const LENGTH: usize = 64 + SIGNED_LEN;
    // SAFETY: one thread, and nothing else refers to it now; words are bytes, too.
    unsafe {
        let signed = (&raw mut SIGNED).as_mut_unchecked();
        let bytes = signed.as_mut_ptr().cast::<u8>();
        bytes.copy_from_nonoverlapping(signature.as_ptr(), 32);
        bytes.add(32).copy_from_nonoverlapping(key.as_ptr(), 32);
        bytes.add(64).copy_from_nonoverlapping(message.as_ptr(), SIGNED_LEN);
        pad(signed, LENGTH);
        fits(&mut Machine::new(), signed, &*signature.as_ptr().add(32).cast())
    }
}
