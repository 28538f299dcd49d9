//! Keys, signatures and the files that are written: what is trusted, warned about, and never written over.

use crate::bench::{Bench, accepted, application, warns};

const SLOT: u32 = 0x0801_0000;

fn board(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.write("app.bin", application(SLOT, 1000));
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --out app.dfu");
    bench.ok("image keygen other.pem");
    bench
}

/// The object that a command prints although it ends with `exit`.
fn shown(bench: &Bench, words: &str, exit: i32) -> serde_json::Value {
    let out = bench.raw(&format!("{words} --json"));
    assert_eq!(out.status.code(), Some(exit), "{words}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn an_image_that_is_not_to_be_trusted_ends_with_9() {
    let bench = board("untrusted");
    let good = shown(&bench, "image inspect app.dfu --key keys/mine.pub.pem", 0);
    assert_eq!(good["signed_by_key"], true);
    let wrong = shown(&bench, "image inspect app.dfu --key other.pub.pem", 9);
    assert_eq!((&wrong["signed_by_key"], &wrong["manifest"]["version"]), (&false.into(), &"1.2.3".into()));
    shown(&bench, "image inspect app.bin --address 0x08010000 --key other.pub.pem", 9);
    shown(&bench, "image inspect app.bin --address 0x08010000", 0);
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --out app2.bin");
    let mut damaged = std::fs::read(bench.path("app2.bin")).unwrap();
    damaged[500] ^= 1;
    bench.write("damaged.bin", damaged);
    let seen = shown(&bench, "image inspect damaged.bin --address 0x08010000", 9);
    assert_eq!(seen["manifest"]["sha256_matches"], false);
}

#[test]
fn an_image_is_verified_with_a_public_key_and_without_a_board() {
    let bench = board("verified");
    std::fs::remove_file(bench.path("board.toml")).unwrap();
    let verify = "image verify app.dfu --key";
    let seen = bench.ok(&format!("{verify} keys/mine.pub.pem"));
    assert_eq!((&seen["trusted"], &seen["manifest"]["version"]), (&true.into(), &"1.2.3".into()));
    bench.ok(&format!("{verify} other.pub.pem --key keys/mine.pub.pem"));
    bench.fails(&format!("{verify} other.pub.pem"), 9, "image.unknown-key");
    bench.fails("image verify app.dfu", 2, "usage");
    let at = "--address 0x08010000 --key keys/mine.pub.pem";
    let unsigned = bench.fails(&format!("image verify app.bin {at}"), 9, "image.no-manifest");
    assert!(!unsigned["what"].as_str().unwrap().contains("board"), "no board is asked: {unsigned:#}");
    bench.fails("image verify app.dfu --key keys/mine.pem", 3, "key.not-public");

    // A file that reads back as a BIN, to change single bytes of it.
    let dfu = std::fs::read(bench.path("app.dfu")).unwrap();
    let image = &dfu[11 + 274 + 8..dfu.len() - 16];
    let changed = |at: usize| {
        let mut bytes = image.to_vec();
        bytes[at] ^= 1;
        bench.write("changed.bin", bytes);
    };
    bench.write("changed.bin", image);
    bench.ok(&format!("image verify changed.bin {at}"));
    let table = [(500, "image.crc"), (4, "image.reset-thumb"), (1000 + 0x60, "image.manifest-checksum")];
    for (place, code) in table {
        changed(place);
        bench.fails(&format!("image verify changed.bin {at}"), 9, code);
    }
    bench.write("changed.bin", [image, &[1, 2, 3, 4]].concat());
    bench.fails(&format!("image verify changed.bin {at}"), 9, "image.behind-manifest");
    bench.write("changed.bin", image);
    bench.fails(
        "image verify changed.bin --address 0x08020000 --key keys/mine.pub.pem",
        9,
        "image.load-address",
    );
}

#[test]
#[cfg(unix)]
fn a_result_never_replaces_what_it_is_made_from() {
    let bench = board("over");
    let sign = "--key keys/mine.pem --version 1.0.0 --out";
    std::fs::copy(bench.path("keys/mine.pem"), bench.path("key.bin")).unwrap();
    std::os::unix::fs::symlink("app.bin", bench.path("link.bin")).unwrap();
    std::fs::hard_link(bench.path("app.bin"), bench.path("hard.bin")).unwrap();
    let before = std::fs::read(bench.path("app.bin")).unwrap();
    for out in ["app.bin", "./keys/../app.bin", "link.bin", "hard.bin"] {
        let error = bench.fails(&format!("image sign app.bin {sign} {out}"), 3, "file.over-input");
        assert!(error["remedy"].as_str().unwrap().contains("--out"), "{error:#}");
    }
    bench.fails("image sign app.bin --key key.bin --unchecked --out key.bin", 3, "file.over-input");
    std::fs::copy(bench.path("board.toml"), bench.path("board.hex")).unwrap();
    bench.fails("bootloader --board board.hex --out board.hex", 3, "file.over-input");
    bench.fails("read board.hex --board board.hex --link sim:a.state", 3, "file.over-input");
    bench.ok("info --link sim:state.bin");
    bench.fails("read state.bin --link sim:state.bin", 3, "file.over-input");
    assert_eq!(std::fs::read(bench.path("app.bin")).unwrap(), before);
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link_and_a_mode_stays_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let bench = board("modes");
    let sign =
        |out: &str| bench.ok(&format!("image sign app.bin --key keys/mine.pem --version 1.0.0 --out {out}"));
    let mode = |name: &str| std::fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    bench.write("private.bin", "old");
    std::fs::set_permissions(bench.path("private.bin"), std::fs::Permissions::from_mode(0o600)).unwrap();
    sign("private.bin");
    assert_eq!(mode("private.bin"), 0o600);
    // A new one has what the umask gives any new file.
    bench.write("any", "");
    sign("new.bin");
    assert_eq!(mode("new.bin"), mode("any"));
    std::fs::create_dir(bench.path("far")).unwrap();
    std::os::unix::fs::symlink("far/real.bin", bench.path("link.bin")).unwrap();
    sign("link.bin");
    assert!(std::fs::symlink_metadata(bench.path("link.bin")).unwrap().is_symlink());
    assert_eq!(
        std::fs::read(bench.path("far/real.bin")).unwrap(),
        std::fs::read(bench.path("new.bin")).unwrap()
    );
    // Nothing of ours remains, and nothing under a name that can be guessed was followed.
    for folder in ["", "far"] {
        let names = std::fs::read_dir(bench.path(folder)).unwrap();
        let names: Vec<_> = names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name.contains(".part")), "{names:?}");
    }
    std::os::unix::fs::symlink("ring.bin", bench.path("ring.bin")).unwrap();
    bench.fails("image sign app.bin --key keys/mine.pem --out ring.bin", 3, "file.not-regular");
}

#[test]
#[cfg(unix)]
fn an_unsafe_key_is_warned_about_and_a_signing_command_gets_no_password() {
    use std::os::unix::fs::PermissionsExt;
    let bench = board("unsafe");
    let sign = |words: &str| bench.ok(&format!("image sign app.bin --version 1.0.0 --out out.bin {words}"));
    let unsafe_ones = ["other users", "example key", "--version"];
    let signed = sign("--key keys/mine.pem");
    assert!(unsafe_ones.iter().all(|text| !warns(&signed, text)), "{signed:#}");
    std::fs::set_permissions(bench.path("keys/mine.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let signed = sign("--key keys/mine.pem");
    assert!(
        warns(&signed, "other users of this machine can read the private key keys/mine.pem: chmod 600"),
        "{signed:#}"
    );
    let example = include_str!("../../../boards/keys/example.key.pem");
    bench.write("example.pem", example);
    std::fs::set_permissions(bench.path("example.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let signed = sign("--key example.pem --unchecked");
    assert!(warns(&signed, "example key") && warns(&signed, "anybody can sign"), "{signed:#}");
    let without = bench.ok("image sign app.bin --key keys/mine.pem --out out.bin");
    assert!(warns(&without, "no --version was given"), "{without:#}");
    assert!(!warns(&without, "--counter"), "nothing is recorded on this board: {without:#}");

    // The command signs with a key file here, and writes down its environment.
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.0.0 --out key.bin");
    let image = std::fs::read(bench.path("key.bin")).unwrap();
    bench.write("answer", &image[image.len() - 0xC0..][0x60..0xA0]);
    let mut command = bench.command(
        "image sign app.bin --public-key keys/mine.pub.pem --version 1.0.0 --out out.bin --sign-with",
    );
    command.arg("sh -c 'env > environment; cat answer'").env("SUREFOOT_KEY_PASSWORD", "open sesame");
    accepted(&mut command);
    let environment = std::fs::read_to_string(bench.path("environment")).unwrap();
    assert!(
        environment.contains("SUREFOOT_SIGN_KEY_ID=") && !environment.contains("sesame"),
        "{environment}"
    );
}

#[test]
fn a_key_for_a_folder_that_is_not_there_names_the_folder() {
    let bench = Bench::new("no-folder-key");
    let error = bench.fails("image keygen nowhere/k.pem", 3, "file.write");
    let (what, remedy) = (error["what"].as_str().unwrap(), error["remedy"].as_str().unwrap());
    assert!(what.contains("there is no folder nowhere") && !what.contains("tmp"), "{what}");
    assert!(remedy.contains("mkdir -p nowhere"), "{remedy}");
}
