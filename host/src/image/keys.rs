//! Ed25519 keys: PEM files, PKCS#8 for the private and SPKI for the public one.

#[cfg(feature = "system")]
pub use super::keypair::{check_free, generate, write_pair};
use super::locked::LABEL;
pub use super::locked::Locked;
use crate::files::FileError;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// In the first line of a public key in PEM.
const PUBLIC: &str = "BEGIN PUBLIC KEY";
/// In the first line of a private key, under a password or not, of this kind or another.
const PRIVATE: &str = "PRIVATE KEY-----";

/// The environment variable with the password of a private key.
pub const PASSWORD_VARIABLE: &str = "SUREFOOT_KEY_PASSWORD";

/// True when other users of the machine can read a private key's file.
#[cfg(unix)]
pub fn is_readable_by_others(private: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(private).is_ok_and(|m| m.permissions().mode() & 0o044 != 0)
}

/// True when other users of the machine can read a private key's file; not known on this system.
#[cfg(not(unix))]
pub fn is_readable_by_others(_private: &Path) -> bool {
    false
}

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
    /// The file holds the public half of a pair, and the private one is needed.
    #[error("{} is a public key, and a private key is needed", .0.display())]
    OnlyPublic(PathBuf),
    /// The file holds a private key, and a public one is needed.
    #[error("{} is a private key, and a public key is needed", .0.display())]
    OnlyPrivate(PathBuf),
    /// It is under a password, and none was asked for.
    #[error("{} is under a password", .0.display())]
    Locked(PathBuf),
    /// The password does not open it.
    #[error("the password does not open {}", .0.display())]
    Password(PathBuf),
    /// It is encrypted in a way that is not known.
    #[error("{} is encrypted in a way that is not known here", .0.display())]
    Cipher(PathBuf),
    /// Opening it would take more memory or time than any honest file asks for.
    #[error("{} asks for too much memory or time to be opened", .0.display())]
    Cost(PathBuf),
    /// The system has no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
    /// The key cannot be put into PEM.
    #[error("the key cannot be encoded: {0}")]
    Encode(String),
}

/// A private key's file.
pub enum PrivateKey {
    /// It stood there in the open.
    Open(Box<SigningKey>),
    /// It is under a password.
    Locked(Locked),
}

/// First four bytes of the public key's SHA-256, as a manifest stores them.
pub fn id(public: &[u8; 32]) -> [u8; 4] {
    let hash = Sha256::digest(public);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Reads a private key that is not under a password, as `surefoot image keygen` or
/// `openssl genpkey -algorithm ed25519` write it.
///
/// # Errors
/// [`KeyError::File`], [`KeyError::NotPrivate`], [`KeyError::OnlyPublic`], [`KeyError::Locked`].
pub fn read_private(path: &Path) -> Result<SigningKey, KeyError> {
    match open_private(path)? {
        PrivateKey::Open(key) => Ok(*key),
        PrivateKey::Locked(locked) => Err(KeyError::Locked(locked.path().to_owned())),
    }
}

/// Reads a private key's file, under a password or not.
///
/// # Errors
/// [`KeyError::File`], [`KeyError::NotPrivate`], [`KeyError::OnlyPublic`], [`KeyError::Cipher`], [`KeyError::Cost`].
pub fn open_private(path: &Path) -> Result<PrivateKey, KeyError> {
    let text = Zeroizing::new(read_text(path, KeyError::NotPrivate)?);
    if text.contains(&format!("-----BEGIN {LABEL}-----")) {
        return Locked::read(path, &text).map(PrivateKey::Locked);
    }
    let key = SigningKey::from_pkcs8_pem(&text).map_err(|_| {
        let wrong = if text.contains(PUBLIC) { KeyError::OnlyPublic } else { KeyError::NotPrivate };
        wrong(path.to_owned())
    })?;
    Ok(PrivateKey::Open(Box::new(key)))
}

/// Reads a public key.
///
/// # Errors
/// [`KeyError::File`], [`KeyError::NotPublic`], [`KeyError::OnlyPrivate`].
pub fn read_public(path: &Path) -> Result<VerifyingKey, KeyError> {
    let text = Zeroizing::new(read_text(path, KeyError::NotPublic)?);
    VerifyingKey::from_public_key_pem(&text).map_err(|_| {
        let wrong = if text.contains(PRIVATE) { KeyError::OnlyPrivate } else { KeyError::NotPublic };
        wrong(path.to_owned())
    })
}

fn read_text(path: &Path, wrong: fn(PathBuf) -> KeyError) -> Result<String, KeyError> {
    let bytes = crate::files::read_bytes(path)?;
    String::from_utf8(bytes).map_err(|_| wrong(path.to_owned()))
}
