//! `cargo xtask dist`: what a release is made of, into target/dist, and whether it installs.
//!
//! The stripped command, completions, manual pages, udev rule, licences and SBOM of all crates in it, a
//! Debian package, and the SHA-256 of each file. `--install` puts the package into an empty root and runs the
//! command there; `--packages` has cargo pack the crates that are published. Nothing is uploaded.

mod crates;
mod deb;

use crate::images;
use crate::tools;
use anyhow::{Context, Result, ensure};
use crates::Crates;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The machine that this is built on, and for.
pub const HOST: &str = env!("SUREFOOT_HOST");
/// Completions: the shell, and the file's name as the shell wants it.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "surefoot.bash"),
    ("zsh", "_surefoot"),
    ("fish", "surefoot.fish"),
    ("elvish", "surefoot.elv"),
    ("powershell", "_surefoot.ps1"),
];
/// Who may use the USB devices, on Linux.
const RULES: (&str, &str) = ("70-surefoot.rules", include_str!("70-surefoot.rules"));
/// The crates that are published, each after those that it uses.
const PUBLISHED: [&str; 10] = [
    "surefoot-core",
    "surefoot-chips",
    "surefoot-board",
    "surefoot-boards",
    "surefoot-app",
    "surefoot-images",
    "surefoot-sim",
    "surefoot-host",
    "surefoot-demo",
    "surefoot",
];

#[derive(clap::Args)]
pub struct Args {
    /// Take the development build, which CI has at hand, and not an optimised one
    #[arg(long)]
    debug: bool,
    /// Install the Debian package into an empty root and run the command there
    #[arg(long)]
    install: bool,
    /// Pack the crates that are published as well, as `cargo publish` would
    #[arg(long)]
    packages: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let root = tools::root();
    let dist = root.join("target/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(dist.join("completions"))?;
    fs::create_dir_all(dist.join("man"))?;
    let binary = dist.join(format!("surefoot{}", std::env::consts::EXE_SUFFIX));
    fs::copy(build(&root, args.debug)?, &binary)?;
    for (shell, name) in SHELLS {
        fs::write(dist.join("completions").join(name), output(&binary, &["completions", shell])?)?;
    }
    output(&binary, &["man", &dist.join("man").to_string_lossy()])?;
    fs::write(dist.join(RULES.0), RULES.1)?;
    let crates = Crates::of_the_command(HOST)?;
    fs::write(dist.join("LICENCES.txt"), crates.licences()?)?;
    fs::write(dist.join("surefoot.cdx.json"), serde_json::to_string_pretty(&crates.sbom()?)?)?;
    for name in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root.join(name), dist.join(name))?;
    }
    let package = deb::build(&dist, &binary, &crates.packages[0].version)?;
    let mut files = Vec::new();
    collect(&dist, &dist, &mut files)?;
    fs::write(dist.join("SHA256SUMS"), images::sums(&files))?;
    if args.install {
        let package = package.as_ref().context("dpkg-deb is not here, so there is no package to install")?;
        deb::try_out(package, &root.join("target/dist-root"))?;
    }
    if args.packages {
        pack(&root)?;
    }
    let size: usize = files.iter().map(|(_, content)| content.len()).sum();
    println!(
        "dist: {} files, {size} bytes, {} crates in the command",
        files.len() + 1,
        crates.packages.len()
    );
    Ok(())
}

/// The command, stripped.
fn build(root: &Path, debug: bool) -> Result<PathBuf> {
    let mut cargo = tools::outside("cargo", root);
    cargo.args(["build", "--package", "surefoot", "--locked"]);
    if !debug {
        cargo.args(["--release", "--config", "profile.release.strip='symbols'"]);
    }
    ensure!(cargo.status().context("cargo")?.success(), "the surefoot command does not build");
    let built = root.join("target").join(if debug { "debug" } else { "release" });
    let built = built.join(format!("surefoot{}", std::env::consts::EXE_SUFFIX));
    if !debug {
        return Ok(built);
    }
    // The same file is the tests' as well, so a copy is stripped.
    let stripped = root.join("target/surefoot-stripped");
    fs::copy(&built, &stripped)?;
    if let Ok(status) = Command::new("strip").arg(&stripped).status() {
        ensure!(status.success(), "strip: {status}");
    }
    Ok(stripped)
}

fn output(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Every file below `folder`, by its path from `base`.
fn collect(base: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(base, &path, files)?;
        } else {
            let name = path.strip_prefix(base)?.to_string_lossy().replace('\\', "/");
            files.push((name, fs::read(&path)?));
        }
    }
    Ok(())
}

/// Packs the crates. The small ones are built from their packages, which shows that nothing outside of them is
/// needed; the virtual board and what uses it would take as long as a newcomer's first build.
fn pack(root: &Path) -> Result<()> {
    let cargo = |more: &[&str], packages: &[&str]| -> Result<()> {
        let mut cargo = tools::outside("cargo", root);
        cargo.args(["package", "--allow-dirty", "--quiet", "--locked"]).args(more);
        for package in packages {
            cargo.args(["--package", package]);
        }
        ensure!(cargo.status().context("cargo package")?.success(), "cargo package failed");
        Ok(())
    };
    cargo(&[], &PUBLISHED[..6])?;
    cargo(&["--no-verify"], &PUBLISHED)?;
    println!("packages: {} crates packed, 6 of them built from their packages", PUBLISHED.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_crates_have_what_a_registry_asks_for_and_the_others_are_not_published() {
        let output = tools::outside("cargo", &tools::root())
            .args(["metadata", "--format-version", "1", "--locked", "--no-deps"])
            .output()
            .expect("cargo metadata");
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let mut published = Vec::new();
        for package in metadata["packages"].as_array().expect("a list") {
            let name = package["name"].as_str().expect("a name");
            if package["publish"].is_array() {
                continue;
            }
            published.push(name);
            for key in ["description", "repository", "readme", "license", "rust_version"] {
                assert!(package[key].is_string(), "{name} has no {key}");
            }
            let count = |key: &str| package[key].as_array().map_or(0, Vec::len);
            assert!((1..=5).contains(&count("keywords")) && (1..=5).contains(&count("categories")), "{name}");
            for used in package["dependencies"].as_array().expect("a list") {
                let versioned = used["req"] != "*" || used["kind"] == "dev";
                assert!(versioned, "{name} uses {} without a version", used["name"]);
            }
        }
        published.sort_unstable();
        let mut expected = PUBLISHED;
        expected.sort_unstable();
        assert_eq!(published, expected);
    }

    #[test]
    fn the_udev_rule_is_the_one_of_the_pages_and_of_the_error() {
        let rule = RULES.1.lines().last().expect("a rule");
        let read = |path: &str| fs::read_to_string(tools::root().join(path)).expect(path);
        assert!(read("docs/getting-started-rust.md").contains(rule));
        assert!(read("host/src/link/mod.rs").replace("\\\"", "\"").contains(rule));
    }
}
