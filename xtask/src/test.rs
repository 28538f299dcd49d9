//! `cargo xtask test`: sets up what the tests need, then runs every one of them.
//!
//! On Debian and Ubuntu it installs the missing packages; elsewhere it names them, and the steps
//! that need them are skipped by name. Single tests that need a program skip themselves, or fail in
//! CI (`surefoot_tests::needs`).

use crate::tools::{self, Step};
use anyhow::{Result, bail};
use std::time::Instant;

#[derive(clap::Args)]
pub struct Args {
    /// Only the steps whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Install nothing; skip what lacks a package
    #[arg(long)]
    no_install: bool,
    /// What to run before each commit: formats, lints, the tests that find most, a small sweep
    #[arg(long)]
    quick: bool,
}

/// Single tests need these: Debian's cross compiler for the C library, others for a second opinion.
const TESTS: &[&str] =
    &["gcc-arm-none-eabi", "binutils-arm-none-eabi", "make", "openssl", "bsdutils", "dfu-util"];
/// dfu-util runs in a guest with a USB stack of its own.
const GUEST: &[&str] = &["qemu-system-x86", "busybox-static", "dfu-util"];

/// The Debian package is made with the one, the command stripped with the other.
const PACKAGING: &[&str] = &["dpkg", "binutils"];

/// The steps of `--quick`: those of the full run that take little time, and parts of others. Named by workspace,
/// the tests are built as the full run builds them.
fn quick_steps() -> Vec<Step> {
    let few = ["lints", "lints of the firmware", "images"];
    let mut quick = steps();
    quick.retain(|step| step.name.starts_with("format") || few.contains(&step.name));
    quick.push(Step::host(
        "quick tests",
        "cargo test --workspace --locked --lib --bins --test failsafe --test firmware --test update --test cli",
        &[],
    ));
    quick.push(Step::host("quick sweep", "cargo xtask sweep --cuts 3000 --scenario backup-update", &[]));
    quick
}

/// Every step: its name, its command line, the packages without which it is skipped.
fn steps() -> Vec<Step> {
    vec![
        Step::host("format", "cargo fmt --all --check", &[]),
        Step::host("lints", "cargo clippy --workspace --all-targets --locked -- -D warnings", &[]),
        Step::inside("firmware", "format of the firmware", "cargo fmt --all --check", &[]),
        Step::inside(
            "firmware",
            "lints of the firmware",
            "cargo clippy --release --locked -- -D warnings",
            &[],
        ),
        Step::inside(
            "firmware",
            "lints of the firmware without signatures",
            "cargo clippy --release --locked --no-default-features -- -D warnings",
            &[],
        ),
        Step::inside("app/c", "format of the C library", "cargo fmt --check", &[]),
        Step::inside(
            "app/c",
            "lints of the C library",
            "cargo clippy --release --locked --target thumbv7em-none-eabihf --target-dir ../../target/fixtures/cargo -- -D warnings",
            &[],
        ),
        Step::inside("examples", "format of the examples", "cargo fmt --check", &[]),
        Step::inside(
            "examples",
            "lints of the examples",
            "cargo clippy --release --locked --target-dir ../target/fixtures/cargo -- -D warnings",
            &[],
        ),
        Step::inside("tests/peers", "format of the peers", "cargo fmt --check", &[]),
        Step::inside(
            "tests/peers",
            "lints of the peers",
            "cargo clippy --release --locked --target-dir ../../target/fixtures/cargo -- -D warnings",
            &[],
        ),
        Step::inside("tests/trial", "format of the trial application", "cargo fmt --check", &[]),
        Step::inside(
            "tests/trial",
            "lints of the trial application",
            "cargo clippy --release --locked --all-features --target thumbv7em-none-eabihf --target-dir ../../target/fixtures/cargo -- -D warnings",
            &[],
        ),
        Step::host("licences", "cargo xtask licences", &[]),
        Step::host("images", "cargo xtask images --check", &[]),
        Step::host("tests", "cargo test --workspace --locked", &[]).partly(TESTS),
        Step::host(
            "tests of the command without the virtual board",
            "cargo test --package surefoot --no-default-features --test field --locked",
            &[],
        ),
        // By itself, since what its tests use brings the virtual board back into the library.
        Step::host(
            "lints of the command without the virtual board",
            "cargo clippy --package surefoot --no-default-features --locked -- -D warnings",
            &[],
        ),
        // What a page in a browser builds on: files, images, plans, protocols and texts.
        Step::host(
            "host library for wasm32",
            "cargo clippy --package surefoot-host --no-default-features --target wasm32-unknown-unknown --locked -- -D warnings",
            &[],
        ),
        Step::host(
            "board library for wasm32",
            "cargo clippy --package surefoot-board --target wasm32-unknown-unknown --locked -- -D warnings",
            &[],
        ),
        Step::host("dist", "cargo xtask dist --debug --install --packages", PACKAGING),
        // The budgets have a figure of each of the two before them.
        Step::host("sweep", "cargo xtask sweep", &[]),
        Step::host("glitch", "cargo xtask glitch", &[]),
        Step::host("budgets", "cargo xtask budgets --check", &[]),
        Step::host("mutants", "cargo xtask mutants", &[]),
        Step::host("clients", "cargo xtask clients", GUEST),
    ]
}

pub fn run(args: &Args) -> Result<()> {
    let steps = if args.quick { quick_steps() } else { steps() };
    let steps: Vec<Step> =
        steps.into_iter().filter(|s| args.only.as_ref().is_none_or(|only| s.name.contains(only))).collect();
    if !args.no_install {
        tools::install_packages(steps.iter().flat_map(|s| s.packages.iter().chain(s.partly)).copied())?;
    }
    tools::toolchain_of("")?;
    tools::toolchain_of("firmware")?;
    let (mut passed, mut failed, mut skipped, mut in_part) = (0, Vec::new(), 0, Vec::new());
    for step in &steps {
        let missing = tools::missing(step.packages);
        if !missing.is_empty() {
            println!("== {}: skipped, needs the packages {}", step.name, missing.join(", "));
            skipped += 1;
            continue;
        }
        println!("== {}: {}", step.name, step.command);
        let missing = tools::missing(step.partly);
        if !missing.is_empty() {
            println!(
                "== {}: what needs the packages {} skips itself, by name",
                step.name,
                missing.join(", ")
            );
            in_part.push(step.name);
        }
        let start = Instant::now();
        let ok = step.run()?;
        println!(
            "== {}: {} in {:.0} s",
            step.name,
            if ok { "passed" } else { "FAILED" },
            start.elapsed().as_secs_f64()
        );
        if ok { passed += 1 } else { failed.push(step.name) }
    }
    println!("steps: {passed} passed, {} failed, {skipped} skipped", failed.len());
    if !in_part.is_empty() {
        println!("skipped in part: {}", in_part.join(", "));
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use surefoot_tests::needs;

    #[test]
    fn the_quick_run_has_the_formats_the_lints_and_tests_of_every_kind() {
        let names: Vec<&str> = quick_steps().iter().map(|step| step.name).collect();
        let formats = steps().iter().filter(|step| step.name.starts_with("format")).count();
        assert_eq!(names.iter().filter(|name| name.starts_with("format")).count(), formats);
        for name in ["lints", "lints of the firmware", "images", "quick tests", "quick sweep"] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
    }

    #[test]
    fn every_package_that_a_test_skips_itself_without_is_installed_for_the_tests() {
        let step = steps().into_iter().find(|step| step.name == "tests").expect("a step for the tests");
        for (program, package) in needs::ALL.iter().copied().flatten() {
            assert!(step.partly.contains(package), "{package}");
            // A package may have more than one of them.
            assert!(tools::program_of(package).is_some(), "{package}, for {program}");
        }
        assert_eq!(step.packages, &[] as &[&str], "a machine without them runs the rest");
    }
}
