//! What the clients need from the machine: programs, and Debian's kernel in a cache folder.
//!
//! Nothing is installed. The kernel's package is downloaded and unpacked under `target/clients`, once.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::initramfs;

/// The kernel's modules, in the order in which they are loaded.
const MODULES: &[&str] = &[
    "drivers/usb/common/usb-common",
    "drivers/usb/core/usbcore",
    "drivers/usb/host/xhci-hcd",
    "drivers/usb/host/xhci-pci",
];

/// Programs and where they come from on Debian.
const PROGRAMS: &[(&str, &str)] = &[
    ("/usr/bin/qemu-system-x86_64", "qemu-system-x86"),
    ("/bin/busybox", "busybox-static"),
    ("/usr/bin/dfu-util", "dfu-util"),
    ("/usr/bin/strip", "binutils"),
    ("/usr/bin/ldd", "libc-bin"),
];

/// Why no client can run here, if none can.
pub fn obstacle() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the guest is Linux on x86-64, started from the same".into());
    }
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(path, _)| !Path::new(path).exists()).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        return Some(format!("missing packages: {}", missing.join(" ")));
    }
    None
}

/// Why there is no kernel for the guest here, if there is none. What needs no guest goes on without.
pub fn no_kernel() -> Option<String> {
    if kept_kernel().is_some() {
        return None;
    }
    if !(Path::new("/usr/bin/apt-get").exists() && Path::new("/usr/bin/dpkg").exists()) {
        return Some("the guest's kernel comes from Debian's packages: no apt-get and dpkg here".into());
    }
    newest_kernel().err().map(|error| format!("{error:#}"))
}

/// A kernel and its modules.
pub struct Kernel {
    /// `vmlinuz`.
    pub image: PathBuf,
    modules: PathBuf,
}

impl Kernel {
    /// The modules without debugging information, in loading order: name and contents.
    pub fn modules(&self, work: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        let module = |(i, path): (usize, &&str)| {
            let from = self.modules.join("kernel").join(format!("{path}.ko"));
            let to = work.join("module.ko");
            initramfs::strip(&from, &to, "--strip-debug")?;
            let name = path.rsplit('/').next().unwrap_or(path);
            Ok((format!("{i}-{name}.ko"), fs::read(&to)?))
        };
        MODULES.iter().enumerate().map(module).collect()
    }
}

fn cache() -> PathBuf {
    crate::tools::root().join("target/clients/kernel")
}

/// The unpacked kernel, when it is there in one piece.
fn kept_kernel() -> Option<Kernel> {
    let root = cache().join("root");
    let name = |folder: &str, start: &str| {
        let entries = fs::read_dir(root.join(folder)).ok()?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
        paths.pop()
    };
    Some(Kernel { image: name("boot", "vmlinuz-")?, modules: name("lib/modules", "")? })
}

/// The kernel, from the cache or downloaded into it.
pub fn kernel() -> Result<Kernel> {
    if let Some(kernel) = kept_kernel() {
        return Ok(kernel);
    }
    let (cache, package) = (cache(), newest_kernel()?);
    println!("clients: downloading {package} into {}", cache.display());
    let part = cache.join("part");
    let _ = fs::remove_dir_all(&part);
    fs::create_dir_all(&part)?;
    run(Command::new("apt-get").current_dir(&part).args(["download", &package]))?;
    let deb = fs::read_dir(&part)?.next().context("apt-get downloaded nothing")??.path();
    run(Command::new("dpkg").arg("-x").arg(&deb).arg(part.join("root")))?;
    // Under its name only when it is whole.
    fs::rename(part.join("root"), cache.join("root"))?;
    fs::remove_dir_all(&part)?;
    kept_kernel().with_context(|| format!("{package} does not hold a kernel where Debian's do"))
}

/// The newest kernel package: what Debian's `linux-image-amd64` depends on. The `-cloud` kernels have no USB.
fn newest_kernel() -> Result<String> {
    let output =
        Command::new("apt-cache").args(["depends", "linux-image-amd64"]).output().context("apt-cache")?;
    kernel_in(&String::from_utf8_lossy(&output.stdout))
}

/// The kernel's package in what `apt-cache depends` says. Ubuntu's kernels have other packages, in pieces.
fn kernel_in(depends: &str) -> Result<String> {
    let package = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    match package {
        Some(package) if package.starts_with("linux-image-") => Ok(package.into()),
        _ => bail!(
            "the guest's kernel is Debian's linux-image-amd64, which apt knows nothing of here \
             (on Debian: `apt-get update` first)"
        ),
    }
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| program.clone())?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_apt_does_not_know_is_a_reason_to_skip_and_names_itself() {
        let debian = "linux-image-amd64\n  Depends: linux-image-6.1.0-40-amd64\n  Conflicts: x\n";
        assert_eq!(kernel_in(debian).unwrap(), "linux-image-6.1.0-40-amd64");
        // Ubuntu: nothing but a message on standard error, or a name without a package.
        for other in ["", "<linux-image-amd64>\n", "linux-image-amd64\n  Depends: linux-modules-6.8.0\n"] {
            assert!(
                kernel_in(other).unwrap_err().to_string().contains("Debian's linux-image-amd64"),
                "{other}"
            );
        }
    }
}
