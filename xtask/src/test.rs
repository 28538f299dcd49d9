//! `cargo xtask test`: sets up what the tests need, then runs every one of them.
//!
//! On Debian and Ubuntu it installs the missing packages; elsewhere it names them, and the steps
//! that need them are skipped by name.

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
}

/// The C blinky is built with Debian's cross compiler.
const CROSS: &[&str] = &["gcc-arm-none-eabi", "make"];
/// dfu-util runs in a guest with a USB stack of its own.
const GUEST: &[&str] = &["qemu-system-x86", "busybox-static", "dfu-util"];

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
        Step::host("tests", "cargo test --workspace --locked", CROSS),
        Step::host("budgets", "cargo xtask budgets --check", &[]),
        Step::host("sweep", "cargo xtask sweep", &[]),
        Step::host("mutants", "cargo xtask mutants", &[]),
        Step::host("clients", "cargo xtask clients", GUEST),
    ]
}

pub fn run(args: &Args) -> Result<()> {
    let steps: Vec<Step> =
        steps().into_iter().filter(|s| args.only.as_ref().is_none_or(|only| s.name.contains(only))).collect();
    if !args.no_install {
        tools::install_packages(steps.iter().flat_map(|s| s.packages.iter().copied()))?;
    }
    tools::toolchain_of("firmware")?;
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for step in &steps {
        let missing = tools::missing(step.packages);
        if !missing.is_empty() {
            println!("== {}: skipped, needs the packages {}", step.name, missing.join(", "));
            skipped += 1;
            continue;
        }
        println!("== {}: {}", step.name, step.command);
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
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
