//! The cryptography of the full build, and what it leaves of a proof for the second look.

use core::ptr::{self, null};
use surefoot_core::image::verify::Crypto;

/// SHA-256 and Ed25519.
pub struct Software;

/// What the last proof has come by.
#[repr(C, align(4))]
pub struct Last {
    /// The key of the signature that was computed, null before the first one.
    pub key: *const [u8; 32],
    /// The R that the signature has to begin with.
    pub sum: [u32; 8],
    /// The SHA-256 that was computed last, which is the image's.
    pub digest: [u8; 32],
}

/// The last one's.
pub static mut LAST: Last = Last { key: null(), sum: [0; 8], digest: [0; 32] };

impl Software {
    /// For a proof: nothing is left of the ones before it.
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

    fn ed25519(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        // SAFETY: one thread, and no interrupts; nothing else refers to it now.
        unsafe {
            let last = &raw mut LAST;
            (*last).key = ptr::from_ref(key);
            surefoot_ed25519::verify_into(&mut (*last).sum, key, message, signature)
        }
    }
}
