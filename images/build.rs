//! Builds the firmware workspace with its own toolchain and takes the flat binaries.
//!
//! Where rustup lacks the firmware's toolchain it is installed here, so that one command is enough on
//! a fresh machine.

#[path = "src/make.rs"]
mod make;

use anyhow::{Context, Result, ensure};
use make::{TARGET, build, flat, outside};
use std::path::{Path, PathBuf};
use std::{env, fs};

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
    println!("cargo::rerun-if-changed=src/make.rs");
    toolchain(&firmware)?;
    // A target directory each: both builds have the same names.
    for (name, features) in [("f4-full", &[][..]), ("f4-crc", &["--no-default-features"][..])] {
        let target = firmware.join("target").join(name);
        let elf = build(&firmware, &target, features)?;
        fs::write(out.join(format!("{name}.bin")), flat(&elf).context(name)?)?;
        fs::write(out.join(format!("{name}.elf")), elf)?;
    }
    Ok(())
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
