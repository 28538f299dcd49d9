//! The build for the field, without the virtual board: what is missing is told, the rest works.
#![cfg(not(feature = "sim"))]

use std::process::{Command, Output};

fn surefoot(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_surefoot")).args(arguments).output().expect("it starts")
}

#[test]
fn the_verbs_of_the_virtual_board_say_that_they_are_missing() {
    for verb in
        [&["demo"][..], &["run", "app.elf"], &["sim", "run", "--state", "a.state", "--for", "6s"], &["sim"]]
    {
        let output = surefoot(&[verb, &["--json"]].concat());
        let error: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an error object");
        assert_eq!(error["error"]["code"], "sim.missing", "{verb:?}");
        assert_eq!(output.status.code(), Some(2), "{verb:?}");
        let plain = String::from_utf8(surefoot(verb).stderr).expect("text");
        assert!(plain.contains("has no virtual board") && plain.contains("cargo install"), "{plain}");
    }
}

#[test]
fn so_does_its_link() {
    let output = surefoot(&["info", "--link", "sim:a.state"]);
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("has no virtual board"), "{text}");
}

#[test]
fn the_help_shows_neither() {
    let text = String::from_utf8(surefoot(&["--help"]).stdout).expect("text");
    assert!(text.contains("flash") && !text.contains("demo") && !text.contains("\n  sim"), "{text}");
}

#[test]
fn a_board_is_made_and_its_bootloader_sealed() {
    let folder = tempfile::tempdir().expect("a folder");
    let board = folder.path().join("product/board.toml");
    let out = folder.path().join("bootloader.bin");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_surefoot"))
            .current_dir(folder.path())
            .args(arguments)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["new", "product"]);
    run(&["bootloader", "--board", board.to_str().expect("text"), "--out", out.to_str().expect("text")]);
    assert!(std::fs::metadata(out).expect("written").len() > 8192);
}
