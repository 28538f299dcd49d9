//! Private keys under a password: PKCS#8 with PBES2, scrypt and AES-256 (RFC 8018, RFC 7914).
//!
//! [`lock`] makes what [`super::keys::write_pair`] writes, [`Locked`] is such a file read and not
//! yet opened. Where a password comes from is the caller's matter.

use super::keys::KeyError;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::SecretDocument;
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes, PrivateKeyInfoRef};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::scrypt;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What PEM calls such a key.
pub const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// scrypt with N = 2^14, r = 8, p = 5: 16 MiB and a fraction of a second for each guess. OpenSSL
/// opens nothing that takes more than 32 MiB, so p carries the work that a larger N would.
const COST: (u8, u32, u32) = (14, 8, 5);

/// A file may ask for this much memory to be opened, in bytes, and no more.
const MEMORY: u64 = 1 << 30;
/// And for this many turns of PBKDF2.
const TURNS: u32 = 10_000_000;
/// And for this much of scrypt's work: N times r times p, [`COST`] being 655,360.
const WORK: u64 = 1 << 26;

/// A private key under a password.
pub struct Locked {
    path: PathBuf,
    document: SecretDocument,
}

impl Locked {
    /// From the text of a PEM file with [`LABEL`].
    pub(super) fn read(path: &Path, text: &str) -> Result<Self, KeyError> {
        let damaged = || KeyError::NotPrivate(path.to_owned());
        let (label, document) = SecretDocument::from_pem(text).map_err(|_| damaged())?;
        if label != LABEL {
            return Err(damaged());
        }
        let locked = Self { path: path.to_owned(), document };
        let bounded = match &locked.info()?.encryption_algorithm {
            EncryptionScheme::Pbes2(parameters) => is_bounded(&parameters.kdf),
            _ => return Err(KeyError::Cipher(path.to_owned())),
        };
        if bounded { Ok(locked) } else { Err(KeyError::Cost(path.to_owned())) }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`KeyError::Password`] for another password, which cannot be told from damaged bytes;
    /// [`KeyError::NotPrivate`] when another kind of key comes out.
    pub fn open(&self, password: &str) -> Result<SigningKey, KeyError> {
        let opened = self.info()?.decrypt(password).map_err(|_| KeyError::Password(self.path.clone()))?;
        let info = PrivateKeyInfoRef::try_from(opened.as_bytes());
        let key = info.map_err(|_| KeyError::Password(self.path.clone()))?;
        SigningKey::try_from(key).map_err(|_| KeyError::NotPrivate(self.path.clone()))
    }

    fn info(&self) -> Result<EncryptedPrivateKeyInfoRef<'_>, KeyError> {
        let info = EncryptedPrivateKeyInfoRef::try_from(self.document.as_bytes());
        // Well-formed DER with a cipher that is not in the list ends here too.
        info.map_err(|_| KeyError::Cipher(self.path.clone()))
    }
}

fn is_bounded(kdf: &Kdf) -> bool {
    match kdf {
        Kdf::Scrypt(p) => {
            let block = u64::from(p.block_size);
            let memory = p.cost_parameter.checked_mul(128 * block);
            let work = p.cost_parameter.checked_mul(block * u64::from(p.parallelization));
            memory.is_some_and(|m| m <= MEMORY) && work.is_some_and(|w| w <= WORK)
        }
        Kdf::Pbkdf2(p) => p.iteration_count <= TURNS,
        _ => false,
    }
}

/// `key` for PKCS#8's version 1: what OpenSSL before 3.5 reads, which version 2 with the public half
/// is not.
pub(super) fn without_public_half(key: &SigningKey) -> KeypairBytes {
    KeypairBytes { secret_key: key.to_bytes(), public_key: None }
}

/// `key` in PEM under `password`.
///
/// # Errors
/// [`KeyError::Random`], [`KeyError::Encode`].
pub fn lock(key: &SigningKey, password: &str) -> Result<Zeroizing<String>, KeyError> {
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
