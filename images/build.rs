//! Takes the prebuilt binaries, or builds them from the firmware workspace with its own toolchain.
//!
//! They are built with the feature `build-firmware`, and where the firmware's sources are not those that the
//! prebuilt ones were made from: who changes the firmware never runs the old one unawares. Where rustup
//! lacks the firmware's toolchain it is then installed here. It does not change the prebuilt files, which is
//! what `cargo xtask images --write` is for.

#[allow(dead_code, reason = "other builds than those of the table are not made here")]
#[path = "src/make.rs"]
mod make;
#[allow(dead_code, reason = "what is for choosing is not needed here")]
#[path = "src/table.rs"]
mod table;

use anyhow::{Context, Result, ensure};
use make::{Made, TARGET, outside};
use std::path::{Path, PathBuf};
use std::{env, fs};
use table::{BINARIES, Binary};

fn main() -> Result<()> {
    let own = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = own.join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let prebuilt = own.join("prebuilt");
    for path in ["build.rs", "src/make.rs", "src/table.rs", "prebuilt"] {
        println!("cargo::rerun-if-changed={}", own.join(path).display());
    }
    // A published package has no firmware beside it.
    let here = root.join("firmware/Cargo.toml").is_file();
    let stale = here && {
        println!("cargo::rerun-if-changed={}", root.join("core/src").display());
        for entry in fs::read_dir(root.join("firmware"))? {
            // Cargo looks into folders, and what is built is no source.
            let path = entry?.path();
            if !path.ends_with("target") {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
        fs::read_to_string(prebuilt.join("SOURCES")).ok().as_deref() != Some(&make::fingerprint(&root)?)
    };
    if stale {
        println!(
            "cargo::warning=the firmware's sources have changed and were built, since images/prebuilt is of \
             others; run `cargo xtask images --write` before you commit"
        );
    }
    let build = stale || env::var_os("CARGO_FEATURE_BUILD_FIRMWARE").is_some();
    ensure!(here || !build, "the feature `build-firmware` needs the repository: there is no ../firmware");
    if build {
        toolchain(&root.join("firmware"))?;
    }
    for binary in BINARIES {
        let Binary { file: name, .. } = binary;
        let made = if build {
            Made::new(&root.join("firmware"), &binary)?
        } else {
            let read = |kind| {
                let path = prebuilt.join(format!("{name}.{kind}"));
                fs::read(&path).with_context(|| path.display().to_string())
            };
            Made { binary: read("bin")?, elf: read("elf")? }
        };
        fs::write(out.join(format!("{name}.bin")), made.binary)?;
        fs::write(out.join(format!("{name}.elf")), made.elf)?;
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
