//! New key pairs: made from the system's random numbers, and written as PEM files.
//!
//! The private half is PKCS#8, under a password PBES2 with scrypt and AES-256 (RFC 8018, RFC 7914).

use super::keys::{KeyError, SigningKey};
use super::locked::LABEL;
use crate::files::{FileError, folder_of, write_bytes};
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey, KeypairBytes, PrivateKeyInfoRef};
use pkcs8::LineEnding;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::pkcs5::scrypt;
use std::path::Path;
use zeroize::Zeroizing;

/// scrypt with N = 2^14, r = 8, p = 5: 16 MiB and a fraction of a second for each guess. OpenSSL
/// opens nothing that takes more than 32 MiB, so p carries the work that a larger N would.
const COST: (u8, u32, u32) = (14, 8, 5);

/// A new private key from the system's random numbers.
///
/// # Errors
/// [`KeyError::Random`].
pub fn generate() -> Result<SigningKey, KeyError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|e| KeyError::Random(e.to_string()))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes both halves, the private one readable for its owner only and under `password` when there
/// is one. Neither may exist; when one cannot be written, the other is not left behind.
///
/// # Errors
/// [`KeyError::Exists`], [`KeyError::File`], [`KeyError::Random`].
pub fn write_pair(
    key: &SigningKey,
    private: &Path,
    public: &Path,
    password: Option<&str>,
) -> Result<(), KeyError> {
    check_free(private, public)?;
    let encode = |e: &dyn std::fmt::Display| KeyError::Encode(e.to_string());
    let secret = match password {
        Some(password) => lock(key, password)?,
        None => without_public_half(key).to_pkcs8_pem(LineEnding::LF).map_err(|e| encode(&e))?,
    };
    let open = key.verifying_key().to_public_key_pem(LineEnding::LF).map_err(|e| encode(&e))?;
    write_secret(private, secret.as_bytes())?;
    write_bytes(public, open.as_bytes()).map_err(|error| {
        let _ = std::fs::remove_file(private);
        error.into()
    })
}

/// Finds out whether [`write_pair`] would write over something.
///
/// # Errors
/// [`KeyError::Exists`].
pub fn check_free(private: &Path, public: &Path) -> Result<(), KeyError> {
    match [private, public].into_iter().find(|path| path.exists()) {
        Some(path) => Err(KeyError::Exists(path.to_owned())),
        None => Ok(()),
    }
}

/// Writes a neighbour that nobody else can read, and gives it the name when it is whole.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    use std::io::Write;
    let failed = |source: std::io::Error| FileError::Write { path: path.to_owned(), source };
    let folder = folder_of(path, path)?;
    // Made with mode 0600, and removed again when it is not kept.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist_noclobber(path).map_err(|e| match e.error.kind() {
        std::io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => failed(e.error).into(),
    })?;
    Ok(())
}

/// `key` for PKCS#8's version 1: what OpenSSL before 3.5 reads, which version 2 with the public half
/// is not.
fn without_public_half(key: &SigningKey) -> KeypairBytes {
    KeypairBytes { secret_key: key.to_bytes(), public_key: None }
}

/// `key` in PEM under `password`.
///
/// # Errors
/// [`KeyError::Random`], [`KeyError::Encode`].
fn lock(key: &SigningKey, password: &str) -> Result<Zeroizing<String>, KeyError> {
    let encode = |e: &dyn std::fmt::Display| KeyError::Encode(e.to_string());
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    for bytes in [&mut salt, &mut iv] {
        getrandom::fill(bytes).map_err(|e| KeyError::Random(e.to_string()))?;
    }
    let (log_n, r, p) = COST;
    let cost = scrypt::Params::new(log_n, r, p).map_err(|e| encode(&e))?;
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(|e| encode(&e))?;
    let plain = without_public_half(key).to_pkcs8_der().map_err(|e| encode(&e))?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|e| encode(&e))?;
    let document = info.encrypt_with_params(parameters, password).map_err(|e| encode(&e))?;
    document.to_pem(LABEL, LineEnding::LF).map_err(|e| encode(&e))
}
