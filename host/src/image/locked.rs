//! Private keys under a password: PKCS#8 with PBES2, scrypt and AES-256 (RFC 8018, RFC 7914).
//!
//! [`Locked`] is such a file read and not yet opened; `keypair` writes them. Where a password comes from
//! is the caller's matter.

use super::keys::KeyError;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::PrivateKeyInfoRef;
use ed25519_dalek::pkcs8::spki::der::SecretDocument;
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use std::path::{Path, PathBuf};

/// What PEM calls such a key.
pub const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// A file may ask for this much memory to be opened, in bytes, and no more.
const MEMORY: u64 = 1 << 30;
/// And for this many turns of PBKDF2.
const TURNS: u32 = 10_000_000;
/// And for this much of scrypt's work: N times r times p, that of the files written here being 655,360.
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
