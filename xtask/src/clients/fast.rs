//! The same dfu-util on the host itself, with the libusb drop-in before a virtual board: no USB stack, but no guest.
//!
//! Each run is a process of its own with a new board; the flash is in a file between them. dfu-util's waiting is
//! simulated time, so a download of a whole slot takes a second or two.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::desk::Images;
use surefoot_tests::fixtures::{self, SLOT};

/// What the scenarios share.
pub struct Fast {
    library: PathBuf,
    work: PathBuf,
    images: Images,
}

/// A scenario by name.
pub type Scenario = (&'static str, fn(&Fast) -> Result<()>);

/// All of them.
pub const ALL: &[Scenario] = &[
    ("fast-list", list),
    ("fast-whole-slot-down-and-up", whole_slot_down_and_up),
    ("fast-leave-runs-the-application", leave_runs_the_application),
    ("fast-too-large-an-image-is-refused", too_large_an_image_is_refused),
];

/// What the drop-in writes at the end.
#[derive(serde::Deserialize)]
struct Report {
    attached: bool,
    led_ms: Vec<u64>,
    operations: u64,
    violations: Vec<String>,
}

struct Run {
    code: Option<i32>,
    text: String,
    report: Report,
}

impl Fast {
    /// Builds the drop-in.
    pub fn new(images: Images, work: &Path) -> Result<Self> {
        Ok(Self { library: fixtures::libusb_shim()?, work: work.into(), images })
    }

    /// A flash file with the bootloader alone.
    fn blank(&self) -> Result<PathBuf> {
        let flash = self.work.join("flash.bin");
        let mut bytes = self.images.bootloader.clone();
        bytes.resize(1 << 20, 0xFF);
        fs::write(&flash, bytes)?;
        Ok(flash)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.work.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    fn dfu(&self, flash: &Path, arguments: &[&str]) -> Result<Run> {
        let report = self.work.join("report.json");
        let _ = fs::remove_file(&report);
        let output = Command::new("dfu-util")
            .args(arguments)
            .current_dir(&self.work)
            .env("LD_LIBRARY_PATH", &self.library)
            .env("SUREFOOT_FLASH", flash)
            .env("SUREFOOT_REPORT", &report)
            .env("SUREFOOT_AFTERWARDS_MS", "3000")
            .output()
            .context("dfu-util")?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        let report = fs::read(&report).with_context(|| format!("no report; dfu-util said:\n{text}"))?;
        let report: Report = serde_json::from_slice(&report)?;
        ensure!(
            report.violations.is_empty(),
            "rules of the manual were broken:\n{}",
            report.violations.join("\n")
        );
        Ok(Run { code: output.status.code(), text, report })
    }

    fn expect(&self, flash: &Path, arguments: &[&str]) -> Result<Run> {
        let run = self.dfu(flash, arguments)?;
        ensure!(run.code == Some(0), "dfu-util {}: {:?}\n{}", arguments.join(" "), run.code, run.text);
        Ok(run)
    }
}

fn list(fast: &Fast) -> Result<()> {
    let run = fast.expect(&fast.blank()?, &["-l"])?;
    ensure!(run.text.contains("/0x08000000/04*016Ka,01*064Kg,07*128Kg"), "{}", run.text);
    ensure!(run.report.attached && run.report.operations == 0, "a list changes nothing");
    Ok(())
}

fn whole_slot_down_and_up(fast: &Fast) -> Result<()> {
    let image: Vec<u8> = (0..960 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    let (flash, file) = (fast.blank()?, fast.file("slot.bin", &image)?);
    fast.expect(&flash, &["-a", "0", "-s", "0x08010000", "-D", &file.to_string_lossy()])?;
    let kept = fs::read(&flash)?;
    ensure!(kept[(SLOT - 0x0800_0000) as usize..] == image[..], "the slot is not what was sent");
    ensure!(kept.starts_with(&fast.images.bootloader), "the bootloader is not what it was");
    let back = fast.work.join("back.bin");
    let _ = fs::remove_file(&back);
    let range = format!("0x08010000:{}", image.len());
    fast.expect(&flash, &["-a", "0", "-s", &range, "-U", &back.to_string_lossy()])?;
    ensure!(fs::read(&back)? == image, "the upload is not what was sent");
    Ok(())
}

fn leave_runs_the_application(fast: &Fast) -> Result<()> {
    let (flash, file) = (fast.blank()?, fast.file("blinky.bin", &fast.images.blinky)?);
    let run = fast.expect(&flash, &["-a", "0", "-s", "0x08010000:leave", "-D", &file.to_string_lossy()])?;
    let last: Vec<u64> = run.report.led_ms.iter().rev().take(6).copied().collect();
    let steady = last.windows(2).all(|pair| (pair[0] - pair[1]).abs_diff(250) <= 2);
    ensure!(last.len() == 6 && steady, "the LED does not change every 250 ms: {last:?}");
    ensure!(!run.report.attached, "the bootloader is still there");
    Ok(())
}

fn too_large_an_image_is_refused(fast: &Fast) -> Result<()> {
    let (flash, file) = (fast.blank()?, fast.file("large.bin", &vec![0x55; 960 * 1024 + 4])?);
    let run = fast.dfu(&flash, &["-a", "0", "-s", "0x08010000", "-D", &file.to_string_lossy()])?;
    ensure!(run.code != Some(0), "accepted:\n{}", run.text);
    ensure!(run.report.operations == 0, "something was erased or programmed");
    Ok(())
}
