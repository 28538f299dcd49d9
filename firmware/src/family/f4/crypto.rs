//! The cryptography of the full build.

use surefoot_core::image::verify::Crypto;

/// SHA-256 and Ed25519.
pub struct Software;

impl Crypto for Software {
    fn sha256(&mut self, head: &[u8], rest: &[u8]) -> Option<[u8; 32]> {
        Some(super::sha256::digest(head, rest))
    }

    fn ed25519(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        surefoot_ed25519::verify(key, message, signature)
    }
}
