//! Who signs: a key file, one under a password, a command; and what happens when none of them does.

use crate::bench::{Bench, accepted, application, refused};
use std::process::Command;

const SLOT: u32 = 0x0801_0000;
const VARIABLE: &str = "SUREFOOT_KEY_PASSWORD";

/// A board whose one key is under the password "open sesame", which stands in `word`.
fn board(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.write("word", "open sesame\nand another line\n");
    bench.write("app.bin", application(SLOT, 1000));
    let made = bench.ok("image keygen k.pem --password-file word");
    assert_eq!(made["locked"], true);
    bench.ok("new mine --folder . --strategy single --no-journal --key k.pub.pem");
    bench
}

/// The command with `password` in its environment.
fn with_password(bench: &Bench, words: &str, password: &str) -> Command {
    let mut command = bench.command(words);
    command.env(VARIABLE, password);
    command
}

#[test]
fn a_key_under_a_password_signs_when_the_password_is_in_a_file_or_in_the_environment() {
    let bench = board("locked");
    let sign = "image sign app.bin --key k.pem --out";
    bench.ok(&format!("{sign} file.bin --password-file word"));
    accepted(&mut with_password(&bench, &format!("{sign} variable.bin"), "open sesame"));
    // The file that was named counts.
    accepted(&mut with_password(&bench, &format!("{sign} both.bin --password-file word"), "nonsense"));
    let read = |name: &str| std::fs::read(bench.path(name)).expect("an image");
    assert!(read("file.bin") == read("variable.bin") && read("file.bin") == read("both.bin"));
    let seen = bench.ok("image inspect file.bin --address 0x08010000 --key k.pub.pem");
    assert_eq!(seen["signed_by_key"], true);
    // A key without a password asks for none.
    bench.ok("image keygen plain.pem");
    bench.ok("image sign app.bin --key plain.pem --unchecked --out plain.bin");
}

#[test]
fn without_the_right_password_nothing_is_signed_and_nothing_written() {
    let bench = board("passwords");
    let sign = "image sign app.bin --key k.pem --out out.dfu";
    bench.write("wrong", "open barley\n");
    bench.write("none", "\nopen sesame\n");
    bench.write("bytes", [0xFF, 0xFE, 0x0A]);
    bench.fails(sign, 3, "password.missing");
    bench.fails(&format!("{sign} --password-file wrong"), 3, "key.password");
    bench.fails(&format!("{sign} --password-file missing"), 3, "file.read");
    bench.fails(&format!("{sign} --password-file none"), 3, "password.empty");
    bench.fails(&format!("{sign} --password-file bytes"), 3, "password.not-text");
    refused(&mut with_password(&bench, sign, "open barley"), 3, "key.password");
    refused(&mut with_password(&bench, sign, ""), 3, "password.empty");
    // A password is no argument: the whole machine could read it.
    assert_eq!(bench.raw(&format!("{sign} --password sesame")).status.code(), Some(2));
    assert!(!bench.path("out.dfu").exists());
}

#[test]
fn a_key_that_cannot_get_its_password_is_not_made() {
    let bench = Bench::new("no-key");
    bench.write("none", "\n");
    bench.fails("image keygen k.pem --password", 3, "password.missing");
    bench.fails("image keygen k.pem --password-file none", 3, "password.empty");
    bench.fails("image keygen k.pem --password-file missing", 3, "file.read");
    bench.fails("image keygen nowhere/k.pem", 3, "file.write");
    assert!(!bench.path("k.pem").exists() && !bench.path("k.pub.pem").exists());
    accepted(&mut with_password(&bench, "image keygen k.pem --password", "from CI"));
    let text = std::fs::read_to_string(bench.path("k.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
    // Without --password the variable is not looked at.
    let open = accepted(&mut with_password(&bench, "image keygen open.pem", "from CI"));
    assert_eq!(open["locked"], false);
}

/// util-linux's `script` gives the command a terminal.
#[test]
#[cfg(target_os = "linux")]
fn on_a_terminal_the_password_is_asked_for_and_not_shown() {
    use std::io::Write;
    use std::process::Stdio;
    if !crate::needs::whole(crate::needs::SCRIPT) {
        return;
    }
    let bench = board("terminal");
    let line = format!("{} image sign app.bin --key k.pem --out out.dfu", env!("CARGO_BIN_EXE_surefoot"));
    let mut script = Command::new("script");
    script.args(["-qefc", &line, "/dev/null"]).current_dir(bench.path(""));
    script.env_remove(VARIABLE).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let mut stdin = child.stdin.take().expect("a pipe");
    // The echo is off only when the question is there.
    std::thread::sleep(std::time::Duration::from_secs(2));
    stdin.write_all(b"open barley\n").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    stdin.write_all(b"open sesame\n").unwrap();
    let out = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}");
    assert!(text.contains("password of k.pem: ") && text.contains("does not open it"), "{text}");
    assert!(!text.contains("sesame") && !text.contains("barley"), "{text}");
    assert!(bench.path("out.dfu").exists());
}

/// `image sign` with a command line, which holds blanks, for its signer.
#[cfg(unix)]
fn signed_with(bench: &Bench, words: &str, line: &str) -> Command {
    let mut command = bench.command(&format!("image sign app.bin {words} --sign-with"));
    command.arg(line);
    command
}

#[test]
#[cfg(unix)]
fn a_command_of_the_users_own_signs() {
    let bench = Bench::new("signer");
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.write("app.bin", application(SLOT, 1000));
    let sign = "--counter 4 --public-key keys/mine.pub.pem --out out.bin";
    bench.ok("image sign app.bin --counter 4 --key keys/mine.pem --out key.bin");
    let image = std::fs::read(bench.path("key.bin")).unwrap();
    let manifest = &image[image.len() - 0xC0..];
    bench.write("answer", &manifest[0x60..0xA0]);
    accepted(&mut signed_with(&bench, sign, "sh -c 'cat > asked; cat answer'"));
    assert_eq!(std::fs::read(bench.path("asked")).unwrap(), manifest[..0x60]);
    assert_eq!(std::fs::read(bench.path("out.bin")).unwrap(), image);
    accepted(&mut signed_with(
        &bench,
        &format!("{sign} --sign-input hex"),
        "sh -c 'cat > asked; cp answer \"$1\"' sign {signature}",
    ));
    assert_eq!(std::fs::read(bench.path("asked")).unwrap().len(), 193);
}

#[test]
#[cfg(unix)]
fn a_command_that_does_not_sign_leaves_the_old_image_as_it_was() {
    let bench = Bench::new("signers");
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.ok("image keygen other.pem");
    bench.write("app.bin", application(SLOT, 1000));
    bench.write("out.bin", "the image of yesterday");
    let sign = "--public-key keys/mine.pub.pem --sign-timeout 500ms --out out.bin";
    let table = [
        ("", "signer.words"),
        ("'", "signer.words"),
        ("./missing", "signer.start"),
        ("false", "signer.failed"),
        ("sleep 30", "signer.timeout"),
        ("true", "signer.form"),
        ("echo not a signature", "signer.form"),
        ("printf %064d 7", "signer.wrong-signature"),
        ("true {signature}", "signer.no-file"),
    ];
    for (line, code) in table {
        refused(&mut signed_with(&bench, sign, line), 3, code);
    }
    // Whatever else is wrong is told before the command is run.
    let marked = "touch asked";
    let other = sign.replace("keys/mine.pub.pem", "other.pub.pem");
    refused(&mut signed_with(&bench, &other, marked), 4, "image.unknown-key");
    refused(&mut signed_with(&bench, &format!("{sign} --address 0x08020000"), marked), 4, "image.start");
    let private = sign.replace("keys/mine.pub.pem", "keys/mine.pem");
    refused(&mut signed_with(&bench, &private, marked), 3, "key.not-public");
    assert!(!bench.path("asked").exists());
    // A signer without a public key, a public key without a signer, two signers.
    refused(&mut signed_with(&bench, "--out out.bin", marked), 2, "usage");
    bench.fails("image sign app.bin --out out.bin --public-key keys/mine.pub.pem", 2, "usage");
    refused(&mut signed_with(&bench, &format!("{sign} --key keys/mine.pem"), marked), 2, "usage");
    refused(&mut signed_with(&bench, &format!("{sign} --crc image"), marked), 2, "usage");

    assert_eq!(std::fs::read(bench.path("out.bin")).unwrap(), b"the image of yesterday");
    let names = std::fs::read_dir(bench.path("")).unwrap();
    let names: Vec<_> = names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.contains(".part")), "{names:?}");
}
