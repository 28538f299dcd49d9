//! `cargo xtask mutants`: bugs that are put into a copy of the core one by one; the fail-safe tests
//! have to see each of them.
//!
//! The bugs are listed in core/tests/failsafe/mutants.toml. A bug that does not compile, or whose
//! place in the source is gone, is an error of the list and no catch.

use crate::tools;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The list, and the tests that have to catch what is on it.
const TESTS: &str = "core/tests/failsafe";
/// A bug that keeps the tests from coming to an end is caught too.
const LIMIT: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub struct Args {
    /// Only the bugs whose name contains this
    #[arg(long)]
    only: Option<String>,
}

#[derive(Deserialize)]
struct List {
    mutant: Vec<Mutant>,
}

/// One bug.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    /// What is wrong.
    name: String,
    /// The file in core/src.
    file: String,
    /// This text, which stands there once ...
    old: String,
    /// ... becomes this one.
    new: String,
    /// Only the tests with this in their name are run.
    #[serde(default)]
    tests: String,
}

impl Mutant {
    fn applied(&self, source: &str) -> Result<String> {
        let found = source.matches(&self.old).count();
        ensure!(found == 1, "{:?}: its text is {found} times in core/src/{}, not once", self.name, self.file);
        Ok(source.replace(&self.old, &self.new))
    }
}

pub fn run(args: &Args) -> Result<()> {
    let root = tools::root();
    let list = fs::read_to_string(root.join(TESTS).join("mutants.toml")).context("the list of bugs")?;
    let mut mutants = toml::from_str::<List>(&list)?.mutant;
    for mutant in &mutants {
        mutant.applied(&fs::read_to_string(root.join("core/src").join(&mutant.file))?)?;
    }
    mutants.retain(|mutant| args.only.as_ref().is_none_or(|only| mutant.name.contains(only)));
    ensure!(!mutants.is_empty(), "no bug has such a name");
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(());
    let workers = std::thread::available_parallelism()?.get().min(mutants.len());
    let caught = std::thread::scope(|scope| -> Result<usize> {
        let workers: Vec<_> = (0..workers)
            .map(|number| {
                let (mutants, next, lines) = (&mutants, &next, &lines);
                scope.spawn(move || -> Result<usize> {
                    let copy = Copy::new(number)?;
                    if number == 0 {
                        ensure!(copy.passes(&copy.build()?, "")?, "the tests fail without a seeded bug");
                    }
                    let mut caught = 0;
                    while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let start = Instant::now();
                        let passes = copy.with(mutant)?;
                        let seconds = start.elapsed().as_secs_f64();
                        let _line = lines.lock();
                        let verdict = if passes { "SURVIVES" } else { "caught" };
                        println!("{verdict}: {} ({seconds:.0} s)", mutant.name);
                        caught += usize::from(!passes);
                    }
                    Ok(caught)
                })
            })
            .collect();
        let results =
            workers.into_iter().map(|w| w.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?);
        results.sum()
    })?;
    println!("mutants: {} seeded, {caught} caught", mutants.len());
    ensure!(caught == mutants.len(), "{} survive", mutants.len() - caught);
    Ok(())
}

/// A copy of the core with its fail-safe tests, as a workspace of its own.
struct Copy {
    folder: PathBuf,
    original: PathBuf,
}

impl Copy {
    fn new(number: usize) -> Result<Self> {
        let root = tools::root();
        let folder = root.join("target/mutants").join(number.to_string());
        let core = folder.join("core");
        if core.exists() {
            fs::remove_dir_all(&core)?;
        }
        copy_folder(&root.join("core/src"), &core.join("src"))?;
        copy_folder(&root.join(TESTS), &core.join("tests/failsafe"))?;
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
        Ok(Self { folder, original: root.join("core/src") })
    }

    /// True when the tests pass in spite of the bug.
    fn with(&self, mutant: &Mutant) -> Result<bool> {
        let source = fs::read_to_string(self.original.join(&mutant.file))?;
        let place = self.folder.join("core/src").join(&mutant.file);
        fs::write(&place, mutant.applied(&source)?)?;
        let result = self
            .build()
            .with_context(|| format!("{:?}", mutant.name))
            .and_then(|b| self.passes(&b, &mutant.tests));
        fs::write(&place, source)?;
        result
    }

    /// Builds the tests: the path of their binary.
    fn build(&self) -> Result<PathBuf> {
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

    fn passes(&self, binary: &Path, tests: &str) -> Result<bool> {
        let mut child = Command::new(binary)
            .current_dir(&self.folder)
            .env("SUREFOOT_QUICK", "1")
            .args(["--test-threads", "1", tests])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill()?;
        child.wait()?;
        Ok(false)
    }
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
