//! Programs for the virtual board, built from this repository: the blinkies, the peers.
//!
//! Each call gives the path of an ELF file. It is built when it is asked for, by the toolchain that
//! its own folder names, and kept under `target/fixtures` by a hash of all its sources, so that
//! many test processes cost one build. A file lock lets one process build at a time.
//! It neither signs nor converts: that is the host tool's work.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use surefoot_images::make;

/// Target of the STM32F4's programs.
const TARGET: &str = "thumbv7em-none-eabihf";
/// The application's slot on boards/f4-discovery.toml.
pub const SLOT: u32 = 0x0801_0000;
/// End of the STM32F407VG's flash.
const FLASH_END: u32 = 0x0810_0000;

/// What every program that links surefoot-app is made from.
const APP: &[&str] = &["Cargo.toml", "app/Cargo.toml", "app/src", "core/Cargo.toml", "core/src"];
/// What the Rust examples have in common.
const EXAMPLES: &[&str] = &[
    "examples/Cargo.toml",
    "examples/Cargo.lock",
    "examples/rust-toolchain.toml",
    "examples/.cargo/config.toml",
];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust blinky whose LED changes every `period_ms`, linked for `base` (usually [`SLOT`]).
pub fn blinky_rust(period_ms: u32, base: u32) -> Result<PathBuf> {
    example("blinky-rust", &[("BLINKY_PERIOD_MS", period_ms.to_string())], base, Names::Kept)
}

/// The same program as the demo embeds it, see [`Names::Gone`].
pub fn blinky_for_demo(period_ms: u32, base: u32) -> Result<PathBuf> {
    example("blinky-rust", &[("BLINKY_PERIOD_MS", period_ms.to_string())], base, Names::Gone)
}

/// What becomes of a program's symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// They are kept, with the lines of the sources.
    Kept,
    /// Without them and the folder's own name every folder makes the same bytes.
    Gone,
}

impl Names {
    /// Arguments for cargo.
    fn arguments(self) -> Result<Vec<String>> {
        match self {
            Self::Kept => Ok(Vec::new()),
            Self::Gone => {
                let more = ["--config".into(), "profile.release.strip='symbols'".into()];
                Ok([make::anywhere(&root())?, more.into()].concat())
            }
        }
    }
}

/// The Rust program that starts ST's ROM bootloader when the button is pressed, linked for [`SLOT`].
pub fn rom_rust() -> Result<PathBuf> {
    example("rom-rust", &[], SLOT, Names::Kept)
}

fn example(name: &str, settings: &[(&str, String)], base: u32, names: Names) -> Result<PathBuf> {
    let folder = format!("examples/{name}");
    let sources: Vec<&str> = APP.iter().chain(EXAMPLES).copied().chain([folder.as_str()]).collect();
    let mut recipe = Recipe::new(name, &sources)?;
    for (_, value) in settings {
        recipe.also(value);
    }
    recipe.also(&format!("{base:08x} {names:?}"));
    recipe.build(|work| {
        let mut cargo = cargo("examples", work);
        cargo.args(names.arguments()?).args(["--package", name]).envs(settings.iter().cloned());
        if base != SLOT {
            let memory = work.join("memory.x");
            fs::write(&memory, regions(base, "", ""))?;
            cargo.env("SUREFOOT_MEMORY_X", memory);
        }
        run(&mut cargo)?;
        Ok(work.join("cargo").join(TARGET).join("release").join(name))
    })
}

/// The C blinky, as [`blinky_rust`]. Needs `arm-none-eabi-gcc` and `make`.
pub fn blinky_c(period_ms: u32, base: u32) -> Result<PathBuf> {
    program_in_c("blinky-c", &[], &[format!("PERIOD_MS={period_ms}").into()], base)
}

/// tests/c/rom.c, which starts ST's ROM bootloader in each way that the C library has, linked for
/// the start of flash. Needs what [`blinky_c`] needs.
pub fn rom_c() -> Result<PathBuf> {
    let source = root().join("tests/c/rom.c").canonicalize()?;
    program_in_c("rom-c", &["tests/c"], &[variable("PROGRAM", &source)], 0x0800_0000)
}

/// tests/c/state.c, which puts what the library says of the journal where a test reads it, linked for
/// the slot at `base`.
pub fn state_c(base: u32) -> Result<PathBuf> {
    let source = root().join("tests/c/state.c").canonicalize()?;
    program_in_c("state-c", &["tests/c"], &[variable("PROGRAM", &source)], base)
}

fn program_in_c(name: &str, sources: &[&str], settings: &[OsString], base: u32) -> Result<PathBuf> {
    let library = static_library()?;
    let sources: Vec<&str> = ["examples/blinky-c", "app/include"].iter().chain(sources).copied().collect();
    let mut recipe = Recipe::new(name, &sources)?;
    recipe.also(&format!("{} {settings:?} {base:08x}", library.display()));
    recipe.build(|work| {
        let mut make = outside("make", &root().join("examples/blinky-c"));
        make.args(settings).arg(variable("LIBRARY", &library)).arg(variable("OUT", work));
        if base != SLOT {
            let memory = work.join("surefoot.ld");
            fs::write(&memory, regions(base, " (rx)", " (rwx)"))?;
            make.arg(variable("MEMORY", &memory));
        }
        run(&mut make)?;
        Ok(work.join("blinky.elf"))
    })
}

/// What the little program does that [`trial`] builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Confirms itself first of all, then blinks.
    Confirms,
    /// Blinks, feeds the watchdog, and never confirms.
    Silent,
    /// Lights the LED, stops with interrupts off and lets the watchdog starve.
    Hangs,
    /// Confirms itself after this many milliseconds, in which it never feeds the watchdog.
    Late(u32),
    /// Sets the watchdog up to 4.1 s itself, confirms itself, then as [`Trial::Silent`].
    OwnWatchdog,
    /// Takes the write protection from the bootloader's sector and erases it, then as [`Trial::Silent`].
    Unprotects,
}

/// The least that an application can be, from tests/trial, linked for the slot at `base`: less than 200
/// bytes, 4K with the confirmation, and asleep after some 50 instructions. It runs from HSI, as the
/// bootloader leaves it, and every `period_ms` (1 to 1000) a tick changes the LED. All that differs
/// with the period is one word; whoever wants images that differ all over puts filler behind them.
pub fn trial(what: Trial, period_ms: u32, base: u32) -> Result<PathBuf> {
    trial_with(what, period_ms, base, Names::Kept)
}

/// The program that hangs, as the demo embeds it, see [`Names::Gone`].
pub fn hangs_for_demo(base: u32) -> Result<PathBuf> {
    trial_with(Trial::Hangs, 100, base, Names::Gone)
}

fn trial_with(what: Trial, period_ms: u32, base: u32, names: Names) -> Result<PathBuf> {
    let sources: Vec<&str> = APP.iter().copied().chain(["tests/trial"]).collect();
    let mut recipe = Recipe::new("trial", &sources)?;
    recipe.also(&format!("{what:?} {period_ms} {base:08x} {names:?}"));
    recipe.build(|work| {
        let mut cargo = cargo("tests/trial", work);
        cargo.args(names.arguments()?);
        cargo.env("TRIAL_SLOT", format!("{base:#010x}")).env("TRIAL_PERIOD_MS", period_ms.to_string());
        match what {
            Trial::Confirms => cargo.args(["--features", "confirm"]),
            Trial::Silent => &mut cargo,
            Trial::Hangs => cargo.args(["--features", "hang"]),
            Trial::Late(ms) => cargo.env("TRIAL_CONFIRM_MS", ms.to_string()).args(["--features", "late"]),
            Trial::Unprotects => cargo.args(["--features", "unprotect"]),
            Trial::OwnWatchdog => cargo.args(["--features", "own-watchdog"]),
        };
        run(&mut cargo)?;
        Ok(work.join("cargo").join(TARGET).join("release/trial"))
    })
}

/// surefoot-app as a static library for C.
pub fn static_library() -> Result<PathBuf> {
    let own = ["app/c/Cargo.toml", "app/c/Cargo.lock", "app/c/rust-toolchain.toml", "app/c/src"];
    let sources: Vec<&str> = APP.iter().copied().chain(own).collect();
    Recipe::new("libsurefoot", &sources)?.build(|work| {
        run(&mut cargo("app/c", work))?;
        Ok(work.join("cargo").join(TARGET).join("release/libsurefoot.a"))
    })
}

/// The same as it is embedded: for one of the STM32F4's targets, without debugging information.
pub fn library_for_layout(target: &str) -> Result<PathBuf> {
    let own = ["app/c/Cargo.toml", "app/c/Cargo.lock", "app/c/rust-toolchain.toml", "app/c/src"];
    let sources: Vec<&str> = APP.iter().copied().chain(own).collect();
    let mut recipe = Recipe::new("libsurefoot", &sources)?;
    recipe.also(target);
    recipe.build(|work| {
        run(cargo("app/c", work).args(make::anywhere(&root())?).args(["--target", target]))?;
        Ok(work.join("cargo").join(target).join("release/libsurefoot.a"))
    })
}

/// Another project's drivers in a small program, from tests/peers: `name` is its package.
pub fn peer(name: &str) -> Result<PathBuf> {
    Recipe::new(name, &["tests/peers"])?.build(|work| {
        run(cargo("tests/peers", work).args(["--package", name]))?;
        Ok(work.join("cargo").join(TARGET).join("release").join(name))
    })
}

/// A folder with a `libusb-1.0.so.0` that has a virtual board behind it, for LD_LIBRARY_PATH: an
/// unmodified dfu-util that is started with it flashes that board. See surefoot-libusb-shim.
pub fn libusb_shim() -> Result<PathBuf> {
    let target = root().join("target");
    let mut build = outside("cargo", &root());
    build.args(["build", "--locked", "--package", "surefoot-libusb-shim", "--target-dir"]).arg(&target);
    let folder = target.join("fixtures/libusb");
    fs::create_dir_all(&folder)?;
    let lock = File::create(target.join("fixtures/lock"))?;
    lock.lock()?;
    run(&mut build)?;
    // Under another name and then in place: another process may be loading the one before.
    fs::copy(target.join("debug/libsurefoot_libusb_shim.so"), folder.join("whole"))?;
    fs::rename(folder.join("whole"), folder.join("libusb-1.0.so.0"))?;
    Ok(folder.canonicalize()?)
}

/// Memory regions for a program at `base`, in a linker script's words.
fn regions(base: u32, flash: &str, ram: &str) -> String {
    format!(
        "MEMORY\n{{\n  FLASH{flash} : ORIGIN = {base:#010x}, LENGTH = {:#x}\n  \
         RAM{ram} : ORIGIN = 0x20000020, LENGTH = 131040\n}}\n",
        FLASH_END - base
    )
}

/// What a program is made from, as one number.
struct Recipe {
    name: String,
    hash: DefaultHasher,
}

impl Recipe {
    /// `sources` are files and folders of the repository.
    fn new(name: &str, sources: &[&str]) -> Result<Self> {
        let mut recipe = Self { name: name.into(), hash: DefaultHasher::new() };
        recipe.also(env!("CARGO_PKG_VERSION"));
        for source in sources {
            recipe.source(&root().join(source)).with_context(|| format!("source {source} of {name}"))?;
        }
        Ok(recipe)
    }

    /// Something else that the program depends on.
    fn also(&mut self, text: &str) {
        self.hash.write(text.as_bytes());
        self.hash.write_u8(0xFF);
    }

    fn source(&mut self, path: &Path) -> Result<()> {
        if path.is_dir() {
            let mut entries = fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
            entries.sort();
            let built = |p: &PathBuf| {
                p.file_name() == Some(OsStr::new("target")) || p.file_name() == Some(OsStr::new("build"))
            };
            return entries.iter().filter(|p| !built(p)).try_for_each(|p| self.source(p));
        }
        self.also(&path.display().to_string());
        self.hash.write(&fs::read(path)?);
        Ok(())
    }

    /// The kept program, or the one that `make` leaves at the path it returns. `make` gets a folder
    /// to work in that no other process uses at the time.
    fn build(self, make: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<PathBuf> {
        let work = root().join("target/fixtures");
        fs::create_dir_all(&work)?;
        let work = work.canonicalize()?;
        let kept = work.join(format!("{}-{:016x}", self.name, self.hash.finish()));
        if kept.exists() {
            return Ok(kept);
        }
        let lock = File::create(work.join("lock"))?;
        lock.lock()?;
        if !kept.exists() {
            let built = make(&work).with_context(|| format!("building {}", self.name))?;
            // Under its name only when it is whole: another process may look without the lock.
            let whole = work.join("whole");
            fs::copy(&built, &whole).with_context(|| built.display().to_string())?;
            fs::rename(&whole, &kept)?;
        }
        Ok(kept)
    }
}

/// `cargo build --release` for the chip, in a folder of this repository.
fn cargo(folder: &str, work: &Path) -> Command {
    let mut cargo = outside("cargo", &root().join(folder));
    cargo.args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"]);
    cargo.arg(work.join("cargo"));
    cargo
}

/// A command in `folder` that sees that folder's toolchain, not the one this process was given.
fn outside(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        let inherited = name.starts_with("CARGO") && name != "CARGO_HOME";
        let passed_down =
            ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "RUSTC", "MAKEFLAGS", "MAKELEVEL", "MEMORY", "PROGRAM", "OUT"];
        if inherited || passed_down.contains(&&*name) {
            command.env_remove(&key);
        }
    }
    command
}

/// `name=path` for make.
fn variable(name: &str, path: &Path) -> OsString {
    let mut word = OsString::from(name);
    word.push("=");
    word.push(path);
    word
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} cannot be started"))?;
    if !output.status.success() {
        bail!(
            "{program} failed: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
