//! A copy of the sources to put bugs into, with a target directory of its own.

use super::Mutant;
use crate::tools;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use surefoot_images::make;

/// The core's tests that have to see a bug.
const TESTS: &str = "core/tests/failsafe";
/// A bug that keeps the tests from coming to an end is caught too: after so many times what they take without
/// one, and after this at least.
const TIMES: u32 = 8;
const LEAST: Duration = Duration::from_secs(60);

/// A copy of the core with its fail-safe tests, as a workspace of its own, and of the firmware.
pub struct Copy {
    folder: PathBuf,
}

impl Copy {
    pub fn new(number: usize) -> Result<Self> {
        let root = tools::root();
        let folder = root.join("target/mutants").join(number.to_string());
        let core = folder.join("core");
        if core.exists() {
            fs::remove_dir_all(&core)?;
        }
        copy_folder(&root.join("core/src"), &core.join("src"))?;
        copy_folder(&root.join(TESTS), &core.join("tests/failsafe"))?;
        copy_firmware(&root.join("firmware"), &folder.join("firmware"))?;
        fs::copy(root.join("core/Cargo.toml"), core.join("Cargo.toml"))?;
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        fs::copy(root.join("rust-toolchain.toml"), folder.join("rust-toolchain.toml"))?;
        let mut manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
        let workspace =
            manifest.get_mut("workspace").and_then(|w| w.as_table_mut()).context("a workspace")?;
        workspace.retain(|key, _| matches!(key, "package" | "lints"));
        workspace.insert("members".into(), vec!["core"].into());
        workspace.insert("resolver".into(), "3".into());
        let profile: toml::Table = "dev = { opt-level = 1, debug = 0 }".parse()?;
        manifest.insert("profile".into(), profile.into());
        fs::write(folder.join("Cargo.toml"), manifest.to_string())?;
        Ok(Self { folder })
    }

    /// What `look` finds while the bug is in the copy.
    pub fn with<T>(&self, mutant: &Mutant, look: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut sources = Vec::new();
        for edit in mutant.edits() {
            let source = fs::read_to_string(tools::root().join(&edit.file))?;
            let place = self.folder.join(&edit.file);
            fs::write(&place, edit.applied(&source)?)?;
            sources.push((place, source));
        }
        let result = look().with_context(|| format!("{:?}", mutant.name));
        for (place, source) in sources {
            fs::write(place, source)?;
        }
        result
    }

    /// Builds the bootloader, with this feature or without it: its ELF file.
    pub fn firmware(&self, feature: &str, with: bool) -> Result<Vec<u8>> {
        let firmware = self.folder.join("firmware");
        let manifest: toml::Table = fs::read_to_string(firmware.join("Cargo.toml"))?.parse()?;
        let ships = manifest["features"]["default"].as_array().context("the features that ship")?;
        let mut features: Vec<&str> = ships.iter().filter_map(|feature| feature.as_str()).collect();
        ensure!(features.contains(&feature), "the bootloader does not ship with {feature:?}");
        features.retain(|&one| with || one != feature);
        let features = features.join(",");
        let arguments = ["--no-default-features", "--features", features.as_str()];
        make::build(&firmware, &self.folder.join("target/firmware"), &arguments)
    }

    /// Builds the tests: the path of their binary.
    pub fn build(&self) -> Result<PathBuf> {
        let output = tools::outside("cargo", &self.folder)
            .args(["test", "--no-run", "--quiet", "--message-format=json", "--test", "failsafe"])
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .stderr(Stdio::null())
            .output()
            .context("cargo")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut complaint = String::new();
        for message in messages {
            if let Some(binary) = message["executable"].as_str() {
                return Ok(binary.into());
            }
            complaint += message["message"]["rendered"].as_str().unwrap_or("");
        }
        bail!("the tests do not compile:\n{complaint}")
    }

    /// How long all tests take without a bug, in time of a core.
    ///
    /// # Errors
    /// When they fail then.
    pub fn clean(&self) -> Result<Duration> {
        let spent = self.test(&self.build()?, "", Duration::MAX)?;
        spent.context("the tests fail without a seeded bug")
    }

    /// True when these of its tests pass, within some times what all of them take without a bug.
    pub fn passes(&self, binary: &Path, tests: &str, clean: Duration) -> Result<bool> {
        Ok(self.test(binary, tests, LEAST.max(TIMES * clean))?.is_some())
    }

    /// What these tests took, `None` if they do not pass or take longer than `limit`.
    fn test(&self, binary: &Path, tests: &str, limit: Duration) -> Result<Option<Duration>> {
        let mut child = Command::new(binary)
            .current_dir(&self.folder)
            .env("SUREFOOT_QUICK", "1")
            .args(["--test-threads", "1", tests])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let start = Instant::now();
        let mut spent = Duration::ZERO;
        while spent < limit {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success().then_some(spent));
            }
            // Of a machine that is busy with other things it does not get much.
            spent = core_time(child.id()).unwrap_or_else(|| start.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill()?;
        child.wait()?;
        Ok(None)
    }
}

/// Time of a core that a process has had; `None` where the system does not tell (proc(5), /proc/pid/stat: fields
/// 14 and 15, in hundredths of a second).
fn core_time(process: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, field 2, may have spaces.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(10 * ticks))
}

/// The firmware's workspace without what was built in it.
fn copy_firmware(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            if to.exists() {
                fs::remove_dir_all(&to)?;
            }
            copy_folder(&from, &to)?;
        } else {
            fs::create_dir_all(to.parent().unwrap_or(&to))?;
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}
