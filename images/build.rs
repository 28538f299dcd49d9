//! Builds the firmware workspace with its own toolchain and takes the flat binaries.
//!
//! Cargo hands a build script its own toolchain by environment; the firmware's differs, so those
//! variables are cleared. Where rustup lacks the firmware's toolchain it is installed here, so
//! that one command is enough on a fresh machine.

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::ElfFile32;
use object::{Object, ObjectSegment};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const TARGET: &str = "thumbv7em-none-eabihf";

fn main() -> Result<()> {
    let firmware = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../firmware");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for part in [
        "src",
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "link.x",
        "memory.x",
        ".cargo",
        "ed25519",
        "sha256",
        "../core/src",
    ] {
        let path = firmware.join(part);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    toolchain(&firmware)?;
    // A target directory each: both builds have the same names.
    for (name, features) in [("f4-full", &[][..]), ("f4-crc", &["--no-default-features"][..])] {
        let target = firmware.join("target").join(name);
        build(&firmware, &target, features)?;
        let elf = fs::read(target.join(TARGET).join("release/surefoot-f4"))?;
        fs::write(out.join(format!("{name}.bin")), flat(&elf).context(name)?)?;
        fs::write(out.join(format!("{name}.elf")), elf)?;
    }
    Ok(())
}

/// A command in the firmware's folder, without what the outer cargo handed down.
fn outside(program: &str, folder: &Path) -> Command {
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

/// Installs the toolchain that firmware/rust-toolchain.toml names, unless it is there.
fn toolchain(firmware: &Path) -> Result<()> {
    let libdir = outside("rustc", firmware).args(["--print", "target-libdir", "--target", TARGET]).output();
    let present = libdir
        .is_ok_and(|o| o.status.success() && Path::new(String::from_utf8_lossy(&o.stdout).trim()).is_dir());
    if present {
        return Ok(());
    }
    let status = outside("rustup", firmware)
        .args(["toolchain", "install", "--no-self-update"])
        .status()
        .context("the firmware's toolchain (firmware/rust-toolchain.toml) is not installed and there is no rustup to install it")?;
    ensure!(status.success(), "`rustup toolchain install` in firmware/ failed: {status}");
    Ok(())
}

fn build(firmware: &Path, target: &Path, features: &[&str]) -> Result<()> {
    let output = outside("cargo", firmware)
        .args(["build", "--release", "--locked", "--bin", "surefoot-f4", "--target", TARGET, "--target-dir"])
        .arg(target)
        .args(features)
        .output()
        .context("cargo in firmware/")?;
    if !output.status.success() {
        bail!("the firmware does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The bytes from the lowest load address on, gaps as erased flash.
fn flat(elf: &[u8]) -> Result<Vec<u8>> {
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
