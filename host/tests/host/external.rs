//! Signatures from a command: every form of an answer, and every way in which it fails.
#![cfg(unix)]

use crate::common::{SLOT, application, key, revoked_key};
use base64ct::Encoding;
use std::time::{Duration, Instant};
use surefoot_host::explain::Explain;
use surefoot_host::image::{External, ExternalError, Identity, Input, Unsigned, prepare, sign};

/// An image that waits for the signature of [`key`].
fn unsigned() -> Unsigned {
    let public = key().verifying_key().to_bytes();
    prepare(application(SLOT.base, 1000), SLOT, Identity::default(), Some(&public), false).unwrap()
}

fn external(command: &str) -> External {
    let (command, public) = (command.to_owned(), key().verifying_key());
    External { command, public, input: Input::Raw, timeout: Duration::from_secs(20) }
}

fn ask(external: &External) -> Result<[u8; 64], ExternalError> {
    let image = unsigned();
    external.sign(&image.message(), &image.image_sha256())
}

fn error_of(command: &str) -> ExternalError {
    let error = ask(&external(command)).expect_err(command);
    assert!(!error.why().is_empty() && !error.remedy().is_empty(), "{command}");
    error
}

#[test]
fn a_signature_is_taken_raw_in_hexadecimal_and_in_base64() {
    let folder = tempfile::tempdir().unwrap();
    let good = unsigned().sign(&key());
    let hex = hex::encode(good);
    let table: [(&str, Vec<u8>); 6] = [
        ("raw", good.to_vec()),
        ("hex", hex.clone().into_bytes()),
        ("hex with an end of line", format!("  {hex}\r\n").into_bytes()),
        ("capital hex", hex.to_uppercase().into_bytes()),
        ("base64", format!("{}\n", base64ct::Base64::encode_string(&good)).into_bytes()),
        ("base64 without padding", base64ct::Base64Unpadded::encode_string(&good).into_bytes()),
    ];
    for (name, answer) in table {
        let file = folder.path().join("an answer");
        std::fs::write(&file, answer).unwrap();
        let got = ask(&external(&format!("cat '{}'", file.display())));
        assert_eq!(got.unwrap(), good, "{name}");
    }
    let image = unsigned().signed(good);
    let local = sign(application(SLOT.base, 1000), SLOT, Identity::default(), Some(&key()), false);
    assert_eq!(image, local.unwrap(), "the same bytes as with the key in memory");
}

#[test]
fn the_command_gets_the_message_the_images_hash_and_the_key_id() {
    let folder = tempfile::tempdir().unwrap();
    let image = unsigned();
    let (got, said) = (folder.path().join("got"), folder.path().join("said"));
    std::fs::write(&said, image.sign(&key())).unwrap();
    let line = format!(
        "sh -c 'cat > {0}; echo $SUREFOOT_SIGN_MESSAGE $SUREFOOT_SIGN_SHA256 $SUREFOOT_SIGN_KEY_ID >> {0}; cat {1}'",
        got.display(),
        said.display()
    );
    let message = hex::encode(image.message());
    let around = format!(
        "{message} {} {}\n",
        hex::encode(image.image_sha256()),
        hex::encode(surefoot_host::image::keys::id(key().verifying_key().as_bytes()))
    );
    ask(&external(&line)).unwrap();
    assert_eq!(std::fs::read(&got).unwrap(), [&image.message()[..], around.as_bytes()].concat());
    ask(&External { input: Input::Hex, ..external(&line) }).unwrap();
    assert_eq!(std::fs::read_to_string(&got).unwrap(), format!("{message}\n{around}"));
    assert_eq!(image.message().len(), 96);
    assert_eq!(image.message()[0x28..0x48], image.image_sha256());
}

#[test]
fn files_stand_for_message_and_signature_and_go_with_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let (got, said) = (folder.path().join("got"), folder.path().join("said"));
    std::fs::write(&said, unsigned().sign(&key())).unwrap();
    let script =
        format!("cp \"$1\" {0}; echo \"$1\" > {0}.name; cp {1} \"$2\"", got.display(), said.display());
    let line = format!("sh -c '{script}' signer {{message}} {{signature}}");
    ask(&external(&line)).unwrap();
    assert_eq!(std::fs::read(&got).unwrap(), unsigned().message());
    let name = std::fs::read_to_string(folder.path().join("got.name")).unwrap();
    assert!(!std::path::Path::new(name.trim()).exists(), "{name} is still there");
    assert_eq!(error_of("true {signature}").code(), "signer.no-file");
}

#[test]
fn each_way_to_fail_has_its_own_name() {
    let other = unsigned().sign(&revoked_key());
    let mut flipped = unsigned().sign(&key());
    flipped[40] ^= 4;
    let answer = |bytes: &[u8]| format!("echo {}", hex::encode(bytes));
    let table = [
        ("", "signer.words"),
        ("  ", "signer.words"),
        ("sign 'for me", "signer.words"),
        ("/nowhere/sign", "signer.start"),
        ("/etc/passwd", "signer.start"),
        ("false", "signer.failed"),
        ("sh -c 'kill -9 $$'", "signer.failed"),
        ("sh -c 'echo no key >&2; exit 3'", "signer.failed"),
        ("true", "signer.form"),
        ("echo 1234", "signer.form"),
        ("printf %0128dz 0", "signer.form"),
        ("printf %063d 0", "signer.form"),
        ("printf %065d 0", "signer.form"),
        ("printf %064d 0", "signer.wrong-signature"),
        ("sh -c 'printf %0127dg 0'", "signer.form"),
        (&answer(&other), "signer.wrong-signature"),
        (&answer(&flipped), "signer.wrong-signature"),
        (&answer(&[0; 64]), "signer.wrong-signature"),
    ];
    for (command, code) in table {
        assert_eq!(error_of(command).code(), code, "{command}");
    }
}

#[test]
fn a_command_that_hangs_is_ended_and_one_that_never_stops_talking_is_cut_off() {
    let started = Instant::now();
    for line in ["sleep 60", "sh -c 'sleep 60 & exit 0'", "sh -c 'exec >&-; sleep 60'"] {
        let command = External { timeout: Duration::from_millis(300), ..external(line) };
        assert_eq!(ask(&command).expect_err(line).code(), "signer.timeout", "{line}");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    for line in ["yes", "sh -c 'yes | head -c 9000'"] {
        let error = error_of(line);
        assert!(error.code() == "signer.form" && error.to_string().contains("more than"), "{line}: {error}");
    }
}

#[test]
fn openssl_signs_as_it_would_with_a_key_in_a_token() {
    if !crate::needs::whole(crate::needs::OPENSSL) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = (folder.path().join("k.pem"), folder.path().join("k.pub.pem"));
    surefoot_host::image::keys::write_pair(&key(), &private, &public, None).unwrap();
    let line = format!(
        "openssl pkeyutl -sign -rawin -inkey '{}' -in {{message}} -out {{signature}}",
        private.display()
    );
    assert_eq!(ask(&external(&line)).unwrap(), unsigned().sign(&key()));
}
