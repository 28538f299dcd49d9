//! The machine around the commands: packages, toolchains, child processes.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// What a test needs from the machine: a Debian package and a file that shows it is there.
const PACKAGES: &[(&str, &str)] = &[
    ("gcc-arm-none-eabi", "arm-none-eabi-gcc"),
    ("binutils-arm-none-eabi", "arm-none-eabi-nm"),
    ("make", "make"),
    ("openssl", "openssl"),
    ("bsdutils", "script"),
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("busybox-static", "busybox"),
    ("dfu-util", "dfu-util"),
    ("dpkg", "dpkg-deb"),
    ("binutils", "strip"),
];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One step of `cargo xtask test`.
pub struct Step {
    pub name: &'static str,
    pub command: &'static str,
    /// Without these it is skipped.
    pub packages: &'static [&'static str],
    /// Without these a part of it skips itself.
    pub partly: &'static [&'static str],
    folder: &'static str,
}

impl Step {
    /// A step in the host workspace.
    pub fn host(name: &'static str, command: &'static str, packages: &'static [&'static str]) -> Self {
        Self::inside(".", name, command, packages)
    }

    /// A step in another workspace, with that folder's toolchain.
    pub fn inside(
        folder: &'static str,
        name: &'static str,
        command: &'static str,
        packages: &'static [&'static str],
    ) -> Self {
        Self { name, command, packages, partly: &[], folder }
    }

    /// The same step, a part of which needs `packages`.
    pub fn partly(self, packages: &'static [&'static str]) -> Self {
        Self { partly: packages, ..self }
    }

    /// Runs it; its output goes where ours goes.
    pub fn run(&self) -> Result<bool> {
        let mut words = self.command.split(' ');
        let program = words.next().context("an empty command")?;
        let status =
            outside(program, &root().join(self.folder)).args(words).status().context(self.command)?;
        Ok(status.success())
    }
}

/// A command in a folder that sees that folder's toolchain, not the one this process was given.
pub use surefoot_images::make::outside;

/// Installs what `folder`/rust-toolchain.toml names: toolchain, targets and components, where they
/// are missing.
pub fn toolchain_of(folder: &str) -> Result<()> {
    let folder = root().join(folder);
    let installed = outside("rustup", &folder).args(["toolchain", "install", "--no-self-update"]).output();
    if installed.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    // No rustup, or no way to its server: what is there may do.
    let present = outside("cargo", &folder).arg("--version").output().is_ok_and(|o| o.status.success());
    ensure!(
        present,
        "`rustup toolchain install` in {} failed and there is no cargo for it",
        folder.display()
    );
    Ok(())
}

/// Those of `packages` that this machine lacks.
pub fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    packages.iter().copied().filter(|p| !installed(p)).collect()
}

fn installed(package: &str) -> bool {
    program_of(package).is_some_and(in_path)
}

/// The program that shows that `package` is there.
pub fn program_of(package: &str) -> Option<&'static str> {
    PACKAGES.iter().find(|(name, _)| *name == package).map(|(_, program)| *program)
}

fn in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| fs::metadata(folder.join(program)).is_ok_and(|m| m.is_file()))
}

/// Installs the missing ones of `wanted` with apt, where there is apt and the right to use it.
pub fn install_packages(wanted: impl Iterator<Item = &'static str>) -> Result<()> {
    let mut wanted: Vec<&str> = wanted.filter(|p| !installed(p)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(());
    }
    println!("missing packages: {}", wanted.join(" "));
    if !in_path("apt-get") {
        println!("this is not Debian or Ubuntu: install them by hand to run what needs them");
        return Ok(());
    }
    let uid = Command::new("id").arg("-u").output().context("id")?;
    let root = String::from_utf8_lossy(&uid.stdout).trim() == "0";
    if !root && !in_path("sudo") {
        println!("neither root nor sudo: run `apt-get install --no-install-recommends {}`", wanted.join(" "));
        return Ok(());
    }
    let apt = |arguments: &[&str]| -> Result<bool> {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.args(["-n", "apt-get"]);
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        Ok(command.stdout(Stdio::null()).status().context("apt-get")?.success())
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&wanted);
    if !(apt(&["update"])? && apt(&install)?) {
        println!("apt-get could not install them: what needs them is skipped by name");
    }
    Ok(())
}
