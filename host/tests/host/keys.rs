//! Private keys under a password: made here, made by OpenSSL, damaged, and made to do harm.

use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Params, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use std::path::{Path, PathBuf};
use surefoot_host::explain::Explain;
use surefoot_host::image::keys::{self, KeyError, Locked, PrivateKey};

/// The public half of the two keys below, which OpenSSL 3.0.19 put under "correct horse".
const OPENSSL_PUBLIC: &str = "a0291de0dc386dc8603506c601e981441d356964d45f2ef52ee87c682819c2c1";
const OPENSSL_SCRYPT: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAgJmci2ClZWmAICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBCwLXewDcGKjoB87/qd+r5YBEDxbxNNf404hbLC
JTDiM21VvgozyTkZmRDl4hcEd0/BeUFz9QRTk42HVrE1tTYp+MYhHRq6Nj46w9nw
guyPTshC
-----END ENCRYPTED PRIVATE KEY-----
";
const OPENSSL_PBKDF2: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiSQaMYT8epwQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGp2xoxyC6VE3aXZZRmzf+YEQEPs
P2nQG7BWXqlxTG/9uCPSy+q4r9w/ASJRSbZUniTRoznW6vP+N1joOACjU4CwLM99
rUyG28hzuyz+1jo93+s=
-----END ENCRYPTED PRIVATE KEY-----
";
/// PBKDF2 with its default, HMAC with SHA-1, as OpenSSL 1.0, LibreSSL and Java write it; and its public half.
const OPENSSL_SHA1: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGNMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAjn0/cL2hQxzQICCAAw
HQYJYIZIAWUDBAEqBBCINwIOmszrS9Vzg6vEd8gnBEARxHqgOZrJ8RKO953w+BQ4
h4YPNmwlkleE9L91alrcyxZQnnLXc2WJyHJmRpONxppDEUyF+J3JBNGSQWJ8shqn
-----END ENCRYPTED PRIVATE KEY-----
";
const SHA1_PUBLIC: &str = "8f96673648ef7c9846103b4d34f19eac5efd2fcfa86b62353c483daad69b5ad5";
/// PBES2 with Triple-DES.
const OPENSSL_3DES: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGKME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAhv/IfA1kFYFAICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIXyOw9dQwGB8EOC341H1YIQZU0fQf
KMHygodaHBvilcYsWazxZIXK4BbOZL1LvKf9XZIXgtD18HeX9oLlGniSlRw8
-----END ENCRYPTED PRIVATE KEY-----
";
/// PBE-SHA1-3DES, which nothing here should know.
const OPENSSL_OLD: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MFgwHAYKKoZIhvcNAQwBAzAOBAiDODmZqkQnTAICCAAEOC5g6ogIsFvmfGBfqsuj
MmsMffHA8/6Lv93Mp4eKLQO6jEYXa0SoKqlGSFm1x/Cb92IiErCqN9h9
-----END ENCRYPTED PRIVATE KEY-----
";

/// A folder for one test, removed at the end.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for the test"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.0.path()).expect("a folder");
        names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

fn locked(path: &Path) -> Result<Locked, KeyError> {
    match keys::open_private(path)? {
        PrivateKey::Locked(locked) => Ok(locked),
        PrivateKey::Open(_) => panic!("{} stands in the open", path.display()),
    }
}

#[test]
fn a_key_under_a_password_comes_out_with_this_password_only() {
    let folder = Folder::new();
    let (private, public) = (folder.path("a.pem"), folder.path("a.pub.pem"));
    let made = keys::generate().unwrap();
    keys::write_pair(&made, &private, &public, Some("pässwörd 1")).unwrap();
    let file = locked(&private).unwrap();
    assert_eq!(file.open("pässwörd 1").unwrap().to_bytes(), made.to_bytes());
    for wrong in ["", "pässwörd", "pässwörd 1 ", "passwoerd 1"] {
        assert!(matches!(file.open(wrong), Err(KeyError::Password(_))), "{wrong:?}");
    }
    assert!(matches!(keys::read_private(&private), Err(KeyError::Locked(_))));
    assert_eq!(keys::read_public(&public).unwrap(), made.verifying_key());

    let text = std::fs::read_to_string(&private).unwrap();
    let (_, document) = SecretDocument::from_pem(&text).unwrap();
    let stands_there = |part: &[u8]| document.as_bytes().windows(part.len()).any(|w| w == part);
    assert!(!stands_there(&made.to_bytes()[..8]), "the key itself is in the file");
    assert!(!text.contains("BEGIN PRIVATE KEY"), "{text}");
}

#[test]
fn keys_that_openssl_put_under_a_password_are_opened() {
    let folder = Folder::new();
    let table = [
        ("scrypt", OPENSSL_SCRYPT, OPENSSL_PUBLIC),
        ("pbkdf2", OPENSSL_PBKDF2, OPENSSL_PUBLIC),
        ("the default of pbkdf2", OPENSSL_SHA1, SHA1_PUBLIC),
    ];
    for (name, text, wanted) in table {
        let file = locked(&folder.file(name, text)).unwrap();
        let public = file.open("correct horse").unwrap().verifying_key().to_bytes();
        assert_eq!(hex::encode(public), wanted, "{name}");
        assert!(matches!(file.open("battery staple"), Err(KeyError::Password(_))), "{name}");
    }
}

#[test]
fn openssl_opens_a_key_that_was_made_here() {
    if !crate::needs::whole(crate::needs::OPENSSL) {
        return;
    }
    let folder = Folder::new();
    for (name, password) in [("open", None), ("locked", Some("correct horse"))] {
        let (private, public) = (folder.path(name), folder.path(&format!("{name}.pub")));
        keys::write_pair(&keys::generate().unwrap(), &private, &public, password).unwrap();
        let mut openssl = std::process::Command::new("openssl");
        let openssl = openssl.args(["pkey", "-passin", "pass:correct horse", "-pubout", "-in"]).arg(&private);
        let output = openssl.output().unwrap();
        let expected = std::fs::read_to_string(&public).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{name}: {said}");
    }
}

#[test]
fn a_damaged_key_under_a_password_is_refused_wherever_it_is_damaged() {
    let folder = Folder::new();
    let good = folder.file("good", OPENSSL_SCRYPT);
    let right = locked(&good).unwrap().open("correct horse").unwrap().to_bytes();
    let (label, document) = SecretDocument::from_pem(OPENSSL_SCRYPT).unwrap();
    for at in 0..document.as_bytes().len() {
        let mut bytes = document.as_bytes().to_vec();
        bytes[at] ^= 1;
        // What is no DER any more is no PEM of DER either: it is written without a look at it.
        let text = pkcs8::der::pem::encode_string(label, LineEnding::LF, &bytes).unwrap();
        let path = folder.file("bad", &text);
        let opened = locked(&path).and_then(|file| file.open("correct horse"));
        // CBC mode has no seal of its own: a change in the first block may go through as another
        // key, which no board knows. The right key must not come out of other bytes.
        assert!(opened.as_ref().map_or(true, |key| key.to_bytes() != right), "byte {at}");
    }
}

#[test]
fn a_file_without_a_key_in_it_has_its_own_reason() {
    let folder = Folder::new();
    let cut = OPENSSL_SCRYPT.replace("guyPTshC\n", "");
    let table = [
        ("old", OPENSSL_OLD.to_owned(), "key.cipher"),
        ("triple", OPENSSL_3DES.to_owned(), "key.cipher"),
        ("cut", cut, "key.not-private"),
        ("label only", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n".to_owned(), "key.not-private"),
        ("text", "once upon a time".to_owned(), "key.not-private"),
    ];
    for (name, text, code) in table {
        let error = keys::open_private(&folder.file(name, &text)).err().expect(name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(!error.why().is_empty() && !error.remedy().is_empty(), "{name}");
    }
}

#[test]
fn a_file_that_asks_for_too_much_memory_or_time_is_not_tried() {
    let salt = |bytes: &[u8]| bytes.try_into().expect("a salt");
    let scrypt = |cost_parameter, block_size, parallelization| {
        let salt = salt(&[1; 16]);
        Kdf::Scrypt(ScryptParams { salt, cost_parameter, block_size, parallelization, key_length: None })
    };
    let turns = |iteration_count| {
        let mut parameters = Pbkdf2Params::hmac_sha256(1, &[1; 16]).expect("parameters");
        parameters.iteration_count = iteration_count;
        Kdf::Pbkdf2(parameters)
    };
    let folder = Folder::new();
    let table = [
        (scrypt(1 << 14, 8, 5), true),
        (scrypt(1 << 40, 8, 1), false),
        (scrypt(u64::MAX, u16::MAX, u16::MAX), false),
        (scrypt(1 << 14, 8, u16::MAX), false),
        (scrypt(1 << 14, u16::MAX, 1), false),
        (turns(600_000), true),
        (turns(u32::MAX), false),
    ];
    for (kdf, accepted) in table {
        let shown = format!("{kdf:?}");
        let encryption = EncryptionScheme::Aes256Cbc { iv: [0; 16] };
        let info = EncryptedPrivateKeyInfoRef {
            encryption_algorithm: Parameters { kdf, encryption }.into(),
            encrypted_data: OctetStringRef::new(&[0; 64]).unwrap(),
        };
        let der = info.to_der().unwrap();
        let text = pkcs8::der::pem::encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, &der).unwrap();
        match locked(&folder.file("key", &text)) {
            Ok(_) => assert!(accepted, "{shown}"),
            Err(error) => {
                assert!(!accepted, "{shown}: {error}");
                assert_eq!(error.code(), "key.cost", "{shown}");
            }
        }
    }
}

#[test]
fn a_pair_is_written_whole_or_not_at_all() {
    let folder = Folder::new();
    let key = keys::generate().unwrap();
    // The public key's folder is missing, so its file cannot be written.
    let public = folder.path("missing").join("a.pub.pem");
    let failed = keys::write_pair(&key, &folder.path("a.pem"), &public, None);
    assert_eq!(failed.unwrap_err().code(), "file.write");
    assert_eq!(folder.names(), Vec::<String>::new());
    let failed = keys::write_pair(&key, &public, &folder.path("a.pub.pem"), None);
    assert_eq!(failed.unwrap_err().code(), "file.write");
    assert_eq!(folder.names(), Vec::<String>::new());
    keys::write_pair(&key, &folder.path("a.pem"), &folder.path("a.pub.pem"), None).unwrap();
    let mut names = folder.names();
    names.sort();
    assert_eq!(names, ["a.pem", "a.pub.pem"]);
}
