//! `cargo xtask clients`: unmodified dfu-util, and our own tool over nusb, against the shipped bootloader.
//!
//! QEMU boots Debian's kernel; its xHCI gets the virtual board over usbredir. All scenarios run in one boot. A second
//! set runs dfu-util on this machine with the libusb drop-in. Installs nothing; downloads the kernel's package once.

mod desk;
mod fast;
mod guest;
mod initramfs;
mod machine;
mod scenarios;

use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use crate::tools;
use desk::{Desk, Images};
use fast::Fast;

/// What `cargo xtask clients` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Only the scenarios whose names contain one of these
    filter: Vec<String>,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    json: bool,
    /// Name the scenarios and run none
    #[arg(long)]
    list: bool,
    /// Fail where the machine lacks something, instead of skipping
    #[arg(long)]
    require: bool,
}

impl Args {
    fn wants(&self, name: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|filter| name.contains(filter.as_str()))
    }
}

/// One scenario's end.
#[derive(serde::Serialize)]
struct Outcome {
    name: &'static str,
    passed: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// All of a run, as `--json` prints it.
#[derive(serde::Serialize, Default)]
struct Summary {
    passed: usize,
    failed: usize,
    skipped: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_because: Option<String>,
    scenarios: Vec<Outcome>,
}

/// Runs the scenarios; an error when one failed.
pub fn run(args: &Args) -> Result<()> {
    let slow: Vec<_> = scenarios::ALL.iter().filter(|(name, _)| args.wants(name)).copied().collect();
    let fast: Vec<_> = fast::ALL.iter().filter(|(name, _)| args.wants(name)).copied().collect();
    let names: Vec<&str> =
        slow.iter().map(|(name, _)| *name).chain(fast.iter().map(|(name, _)| *name)).collect();
    if args.list {
        println!("{}", names.join("\n"));
        return Ok(());
    }
    ensure!(!names.is_empty(), "no scenario has such a name; --list names them");
    let mut summary = Summary::default();
    if let Some(why) = machine::obstacle() {
        skip(args, &mut summary, names, why)?;
    } else {
        let work = tools::root().join("target/clients/work");
        fs::create_dir_all(&work)?;
        let work = work.canonicalize()?;
        // A second run waits: both would write the same files.
        let turn = File::create(work.join("lock"))?;
        turn.lock()?;
        if !fast.is_empty() {
            let bench = Fast::new(Images::make()?, &work)?;
            for (name, act) in fast {
                note_outcome(args, &mut summary, measure(name, || act(&bench)));
            }
        }
        match machine::no_kernel() {
            _ if slow.is_empty() => {}
            Some(why) => skip(args, &mut summary, slow.iter().map(|(name, _)| *name).collect(), why)?,
            None => in_guest(args, &mut summary, &slow, &work)?,
        }
    }
    summary.passed = summary.scenarios.iter().filter(|outcome| outcome.passed).count();
    summary.failed = summary.scenarios.len() - summary.passed;
    let line = format!(
        "clients: {} passed, {} failed, {} skipped",
        summary.passed,
        summary.failed,
        summary.skipped.len()
    );
    if args.json {
        println!("{}", serde_json::to_string(&summary)?);
        eprintln!("{line}");
    } else {
        println!("{line}");
    }
    if summary.failed > 0 {
        bail!("{} of {} scenarios failed", summary.failed, summary.scenarios.len());
    }
    Ok(())
}

/// Names what cannot run here, and why; with `--require` that is an error.
fn skip(args: &Args, summary: &mut Summary, names: Vec<&'static str>, why: String) -> Result<()> {
    ensure!(!args.require, "{why}");
    for name in &names {
        note(args, &format!("{name}: skipped, {why}"));
    }
    summary.skipped = names;
    summary.skipped_because = Some(why);
    Ok(())
}

fn in_guest(
    args: &Args,
    summary: &mut Summary,
    scenarios: &[scenarios::Scenario],
    work: &Path,
) -> Result<()> {
    let (images, client) = (Images::make()?, client()?);
    let start = Instant::now();
    let mut desk = Desk::new(images, &client, work).context("the guest does not start")?;
    note(args, &format!("Linux {} booted in {:.1} s", desk.guest.release, start.elapsed().as_secs_f64()));
    for (name, act) in scenarios {
        let outcome = measure(name, || {
            desk.fresh().context("a fresh board")?;
            act(&mut desk)?;
            desk.no_violations()
        });
        note_outcome(args, summary, outcome);
    }
    Ok(())
}

fn measure(name: &'static str, act: impl FnOnce() -> Result<()>) -> Outcome {
    let start = Instant::now();
    let result = panic::catch_unwind(panic::AssertUnwindSafe(act));
    let why = match result {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_) => Some("panicked".into()),
    };
    Outcome { name, passed: why.is_none(), seconds: start.elapsed().as_secs_f64(), why }
}

fn note_outcome(args: &Args, summary: &mut Summary, outcome: Outcome) {
    let Outcome { name, seconds, why, .. } = &outcome;
    match why {
        None => note(args, &format!("{name}: passed in {seconds:.1} s")),
        Some(why) => note(args, &format!("{name}: FAILED in {seconds:.1} s: {why}")),
    }
    summary.scenarios.push(outcome);
}

/// Progress goes to standard output, or beside the JSON object.
fn note(args: &Args, text: &str) {
    if args.json { eprintln!("{text}") } else { println!("{text}") }
}

/// Builds the `surefoot` command; its path.
fn client() -> Result<PathBuf> {
    let output = tools::outside("cargo", &tools::root())
        .args(["build", "--locked", "--package", "surefoot", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    ensure!(output.status.success(), "cargo build failed");
    let text = String::from_utf8(output.stdout)?;
    let mut messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let path = messages.find_map(|m| m["executable"].as_str().map(PathBuf::from));
    path.context("cargo built no program")
}
