//! What a test needs from the machine beyond Rust: programs, and the Debian packages that have them.
//!
//! A test that lacks one skips itself, by its name and on the terminal, or leaves out a part of itself. In CI
//! (the variable `CI`) it fails instead: there nobody reads what was skipped. `cargo xtask test` installs the
//! packages. It stands alone, for the tests of other crates take this file as it is.

use std::io::Write as _;
use std::panic::Location;

/// A program, and the package that has it.
pub type Program = (&'static str, &'static str);

/// Programs in C, and what is in them.
pub const C: &[Program] = &[
    ("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
    ("arm-none-eabi-nm", "binutils-arm-none-eabi"),
    ("make", "make"),
];
/// Somebody else's reader of ELF files.
pub const OBJCOPY: &[Program] = &[("arm-none-eabi-objcopy", "binutils-arm-none-eabi")];
/// Somebody else's keys and signatures.
pub const OPENSSL: &[Program] = &[("openssl", "openssl")];
/// A terminal for a command.
pub const SCRIPT: &[Program] = &[("script", "bsdutils")];
/// Somebody else's DFU host.
pub const DFU_UTIL: &[Program] = &[("dfu-util", "dfu-util")];
/// All of them.
pub const ALL: &[&[Program]] = &[C, OBJCOPY, OPENSSL, SCRIPT, DFU_UTIL];

/// False when the test cannot run here: it returns then.
#[track_caller]
pub fn whole(programs: &[Program]) -> bool {
    met(programs, "skipped")
}

/// False when the part of the test that needs them cannot run here: the rest does.
#[track_caller]
pub fn part(programs: &[Program]) -> bool {
    met(programs, "skipped in part")
}

#[track_caller]
fn met(programs: &[Program], what: &str) -> bool {
    let missing: Vec<String> = programs
        .iter()
        .filter(|(program, _)| !in_path(program))
        .map(|(program, package)| format!("{program} (Debian: {package})"))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    let thread = std::thread::current();
    // With one thread the harness runs the tests on the main one.
    let test = match thread.name().filter(|name| *name != "main") {
        Some(name) => name.to_owned(),
        None => Location::caller().to_string(),
    };
    assert!(!in_ci(), "{test} needs {missing}, and in CI (the variable CI is set) nothing is skipped");
    // Not by println, which the harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "{test}: {what}: needs {missing}");
    false
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(&*value, "" | "0" | "false"))
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
