//! Ed25519 keys: PEM files, PKCS#8 for the private and SPKI for the public one.

use crate::files::{FileError, write_bytes};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It would be written over.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The file holds no private key of this kind.
    #[error("{} is not an Ed25519 private key in PEM (PKCS#8)", .0.display())]
    NotPrivate(PathBuf),
    /// The file holds no public key of this kind.
    #[error("{} is not an Ed25519 public key in PEM (SubjectPublicKeyInfo)", .0.display())]
    NotPublic(PathBuf),
    /// The system has no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
    /// The key cannot be put into PEM.
    #[error("the key cannot be encoded: {0}")]
    Encode(String),
}

/// First four bytes of the public key's SHA-256, as a manifest stores them.
pub fn id(public: &[u8; 32]) -> [u8; 4] {
    let hash = Sha256::digest(public);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// A new private key from the system's random numbers.
///
/// # Errors
/// [`KeyError::Random`].
pub fn generate() -> Result<SigningKey, KeyError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| KeyError::Random(e.to_string()))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes both halves, the private one readable for its owner only. Neither may exist.
///
/// # Errors
/// [`KeyError::Exists`], [`KeyError::File`].
pub fn write_pair(key: &SigningKey, private: &Path, public: &Path) -> Result<(), KeyError> {
    for path in [private, public] {
        if path.exists() {
            return Err(KeyError::Exists(path.to_owned()));
        }
    }
    let encode = |e: &dyn std::fmt::Display| KeyError::Encode(e.to_string());
    let secret = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| encode(&e))?;
    let open = key.verifying_key().to_public_key_pem(LineEnding::LF).map_err(|e| encode(&e))?;
    write_secret(private, secret.as_bytes())?;
    Ok(write_bytes(public, open.as_bytes())?)
}

/// Creates the file with its permissions, so that the key is never readable for others.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|source| FileError::Write { path: path.to_owned(), source }.into())
}

/// Reads a private key, as [`write_pair`] or `openssl genpkey -algorithm ed25519` write it.
///
/// # Errors
/// [`KeyError::File`], [`KeyError::NotPrivate`].
pub fn read_private(path: &Path) -> Result<SigningKey, KeyError> {
    let text = read_text(path, KeyError::NotPrivate)?;
    SigningKey::from_pkcs8_pem(&text).map_err(|_| KeyError::NotPrivate(path.to_owned()))
}

/// Reads a public key.
///
/// # Errors
/// [`KeyError::File`], [`KeyError::NotPublic`].
pub fn read_public(path: &Path) -> Result<VerifyingKey, KeyError> {
    let text = read_text(path, KeyError::NotPublic)?;
    VerifyingKey::from_public_key_pem(&text).map_err(|_| KeyError::NotPublic(path.to_owned()))
}

fn read_text(path: &Path, wrong: fn(PathBuf) -> KeyError) -> Result<String, KeyError> {
    let bytes = crate::files::read_bytes(path)?;
    String::from_utf8(bytes).map_err(|_| wrong(path.to_owned()))
}
