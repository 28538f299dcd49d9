//! A build of the firmware workspace, its flat binary, and what it was made from.
//!
//! Used by `build.rs`, by `cargo xtask images`, and by those who try another build of the firmware. Cargo
//! hands its children its own toolchain by environment; the firmware's differs, so those variables are
//! cleared. The same sources give the same bytes in every folder: paths are mapped, nothing that has
//! them is kept, and the core is a package of the firmware's workspace, see firmware/core/Cargo.toml.

use crate::table::{Binary, F4_FULL};
use anyhow::{Context, Result, bail};
use object::read::elf::ElfFile32;
use object::{Object, ObjectSegment};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The STM32F4's target.
pub const TARGET: &str = F4_FULL.target;
/// The folders that the binaries are made from, from the root of the repository.
pub const SOURCES: [&str; 2] = ["core/src", "firmware"];

/// A built bootloader.
pub struct Made {
    /// The bytes from the start of flash.
    pub binary: Vec<u8>,
    /// The ELF file, with symbols and without debugging information.
    pub elf: Vec<u8>,
}

impl Made {
    /// Builds a binary in the workspace `firmware`, in a target directory of its own, as all have the same
    /// names.
    ///
    /// # Errors
    /// With the compiler's words when it does not build.
    pub fn new(firmware: &Path, binary: &Binary) -> Result<Self> {
        let elf = build_of(binary, firmware, &firmware.join("target").join(binary.file), binary.arguments)?;
        Ok(Self { binary: flat(&elf).with_context(|| binary.file.to_owned())?, elf })
    }
}

/// Builds the STM32F4's bootloader in the workspace `firmware`: the ELF file.
///
/// # Errors
/// With the compiler's words when it does not build.
pub fn build(firmware: &Path, target: &Path, features: &[&str]) -> Result<Vec<u8>> {
    build_of(&F4_FULL, firmware, target, features)
}

/// Builds the program of `of` with other features.
fn build_of(of: &Binary, firmware: &Path, target: &Path, features: &[&str]) -> Result<Vec<u8>> {
    let output = outside("cargo", firmware)
        .args(["build", "--release", "--locked", "--bin", of.program, "--target", of.target, "--target-dir"])
        .arg(target)
        .args(anywhere(&firmware.join(".."))?)
        .args(features)
        .output()
        .context("cargo in the firmware's folder")?;
    if !output.status.success() {
        bail!("the firmware does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(fs::read(target.join(TARGET).join("release/surefoot-f4"))?)
}

/// Arguments for a cargo that builds for the chip, so that the folder of the sources, `root`, and cargo's
/// own leave no trace.
///
/// # Errors
/// When there is no such folder.
pub fn anywhere(root: &Path) -> Result<Vec<String>> {
    let mut maps = vec![(fs::canonicalize(root)?, "/surefoot")];
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    if let Some(home) = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))) {
        maps.push((home, "/cargo"));
    }
    // A literal string: a path may have backslashes.
    let maps: Vec<String> =
        maps.iter().map(|(path, to)| format!("'--remap-path-prefix={}={to}'", path.display())).collect();
    Ok(vec![
        "--config".into(),
        "profile.release.debug=false".into(),
        "--config".into(),
        "profile.release.strip='debuginfo'".into(),
        "--config".into(),
        format!("target.{TARGET}.rustflags=[{}]", maps.join(",")),
        // Programs for the same chips with the FPU.
        "--config".into(),
        format!("target.{TARGET}hf.rustflags=[{}]", maps.join(",")),
    ])
}

/// A command in the firmware's folder, without what the outer cargo handed down.
pub fn outside(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        let inherited = name.starts_with("CARGO") && name != "CARGO_HOME";
        if inherited
            || name.starts_with("RUSTC")
            || matches!(&*name, "RUSTUP_TOOLCHAIN" | "RUSTFLAGS" | "RUSTDOC")
        {
            command.env_remove(&key);
        }
    }
    command
}

/// The bytes from the lowest load address on, gaps as erased flash.
///
/// # Errors
/// When it is no ELF file with something to load.
pub fn flat(elf: &[u8]) -> Result<Vec<u8>> {
    let file: ElfFile32 = ElfFile32::parse(elf)?;
    let endian = file.endian();
    let mut parts = Vec::new();
    for segment in file.segments() {
        use object::read::elf::ProgramHeader;
        let (_, size) = segment.file_range();
        if size > 0 {
            parts.push((segment.elf_program_header().p_paddr(endian), segment.data()?));
        }
    }
    let base = parts.iter().map(|p| p.0).min().context("no loadable segment")?;
    let mut out = Vec::new();
    for (address, data) in parts {
        let at = (address - base) as usize;
        if out.len() < at + data.len() {
            out.resize(at + data.len(), 0xFF);
        }
        out[at..at + data.len()].copy_from_slice(data);
    }
    Ok(out)
}

/// Every file that the binaries are made from, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    files_of(root, &SOURCES)
}

/// Every file of these folders that something is made from, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_of(root: &Path, folders: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, found)?;
            }
        // What an editor keeps beside a file is no source.
        } else if path.extension().is_some_and(|e| ["rs", "toml", "lock", "x", "s"].iter().any(|s| e == *s)) {
            found.push(path);
        }
    }
    Ok(())
}

/// A number for the names and contents of the sources: FNV-1a with 64 bits. It tells that something was
/// changed; that the binaries are those of the sources, only a build can tell.
///
/// # Errors
/// When a source cannot be read.
pub fn fingerprint(root: &Path) -> Result<String> {
    fingerprint_of(root, &sources(root)?)
}

/// The same of other files.
///
/// # Errors
/// When one cannot be read.
pub fn fingerprint_of(root: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    let mut take = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    for path in files {
        let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        name.bytes().for_each(&mut take);
        // Git may have written other line ends.
        fs::read(path)?.into_iter().filter(|&byte| byte != b'\r').for_each(&mut take);
    }
    Ok(format!("{hash:016x}\n"))
}
