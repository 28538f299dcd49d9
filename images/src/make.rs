//! A build of the firmware workspace, and its flat binary.
//!
//! Used by `build.rs` for the binaries that are embedded, and by those who try another build of the
//! firmware. Cargo hands its children its own toolchain by environment; the firmware's differs, so those
//! variables are cleared.

use anyhow::{Context, Result, bail};
use object::read::elf::ElfFile32;
use object::{Object, ObjectSegment};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The STM32F4's target.
pub const TARGET: &str = "thumbv7em-none-eabihf";

/// Builds the STM32F4's bootloader in the workspace `firmware`: the ELF file.
///
/// # Errors
/// With the compiler's words when it does not build.
pub fn build(firmware: &Path, target: &Path, features: &[&str]) -> Result<Vec<u8>> {
    let output = outside("cargo", firmware)
        .args(["build", "--release", "--locked", "--bin", "surefoot-f4", "--target", TARGET, "--target-dir"])
        .arg(target)
        .args(features)
        .output()
        .context("cargo in the firmware's folder")?;
    if !output.status.success() {
        bail!("the firmware does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(fs::read(target.join(TARGET).join("release/surefoot-f4"))?)
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
