//! What becomes of a test where the machine lacks a program: this file's own test program, run anew without one.

use std::process::{Command, Output};
use surefoot_tests::needs;

/// Runs the test below in a process of its own that finds no program at all.
fn without_programs(ci: Option<&str>, threads: &str) -> (Output, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_c", "--include-ignored", "--test-threads", threads]).env("PATH", "");
    match ci {
        Some(value) => command.env("CI", value),
        None => command.env_remove("CI"),
    };
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out, text)
}

#[test]
#[ignore = "a part of the other tests here"]
fn in_c() {
    if needs::part(needs::C) && needs::whole(needs::C) {
        panic!("there is a C compiler in no folder at all");
    }
    assert!(!needs::whole(needs::OPENSSL));
}

#[test]
fn without_its_program_a_test_skips_itself_by_name_and_on_the_terminal() {
    for (ci, threads, name) in [(None, "2", "in_c"), (Some("false"), "2", "in_c"), (None, "1", "")] {
        let (out, text) = without_programs(ci, threads);
        assert!(out.status.success(), "{text}");
        assert!(
            text.contains(&format!("{name}: skipped in part: needs arm-none-eabi-gcc (Debian: ")),
            "{text}"
        );
        assert!(text.contains(&format!("{name}: skipped: needs openssl (Debian: openssl)")), "{text}");
    }
}

#[test]
fn in_ci_it_fails_instead() {
    let (out, text) = without_programs(Some("true"), "2");
    assert!(!out.status.success(), "{text}");
    assert!(text.contains("in_c needs arm-none-eabi-gcc") && text.contains("nothing is skipped"), "{text}");
}
