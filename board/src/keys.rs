//! Public keys of a board file: PEM files (SubjectPublicKeyInfo, RFC 8410) or 64 hex digits.

use crate::disk::Files;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use sha2::{Digest, Sha256};

/// boards/keys/example.pub.pem: its private half is published with the source.
pub const EXAMPLE: [u8; 32] = [
    0xE2, 0xEE, 0xFD, 0xD5, 0x36, 0xC6, 0xEA, 0xFA, 0xB3, 0x39, 0x47, 0x3F, 0x43, 0x68, 0x9D, 0x3F, 0x27,
    0x02, 0xC3, 0xB1, 0x41, 0x93, 0xEB, 0x68, 0x7B, 0xEC, 0x91, 0xE9, 0x82, 0x43, 0x4F, 0xB2,
];

/// First four bytes of the key's SHA-256, by which a manifest names it.
pub fn id(public: &[u8; 32]) -> [u8; 4] {
    let hash = Sha256::digest(public);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Reads one key. A name that is not 64 hex digits is one of `files`.
/// The error is a sentence and a remedy.
pub fn read(text: &str, files: &dyn Files) -> Result<[u8; 32], (String, String)> {
    let key = match from_hex(text) {
        Some(bytes) => VerifyingKey::from_bytes(&bytes).map_err(|_| {
            (format!("{text} is no point of the curve"), "check that the key was copied whole".to_string())
        })?,
        None => from_file(files, text)?,
    };
    // A key of small order would accept signatures that nobody made.
    if key.is_weak() {
        return Err((format!("{text} is a weak key"), "make a new one with `surefoot image keygen`".into()));
    }
    Ok(key.to_bytes())
}

fn from_file(files: &dyn Files, text: &str) -> Result<VerifyingKey, (String, String)> {
    let pem = files.text(text).map_err(|what| {
        let remedy = "name a file relative to the board file, or make a key with `surefoot image keygen`";
        (what, remedy.to_string())
    })?;
    if pem.contains("PRIVATE KEY") {
        return Err((
            format!("{text} is a private key"),
            "name the public half; a private key never goes into a board file".to_string(),
        ));
    }
    VerifyingKey::from_public_key_pem(&pem).map_err(|_| {
        (
            format!("{text} is not an Ed25519 public key in PEM (SubjectPublicKeyInfo)"),
            "make one with `surefoot image keygen` or `openssl pkey -pubout`".to_string(),
        )
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}
