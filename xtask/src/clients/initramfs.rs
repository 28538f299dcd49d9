//! The guest's first file system: a cpio archive ("newc", Linux Documentation/driver-api/early-userspace) in memory.
//!
//! Holds busybox, dfu-util with its libraries, the USB modules and the scenarios' files. Written here rather than with
//! the `cpio` program, which would need a staging folder.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// Applets that the guest's scripts use.
const APPLETS: &[&str] = &[
    "sh", "mount", "stty", "dmesg", "insmod", "grep", "sleep", "tr", "uname", "cat", "cmp", "head", "tail",
    "rm", "ls", "dd", "cut", "wc", "printf", "kill", "true",
];

/// The archive while it is written.
#[derive(Default)]
pub struct Initramfs {
    bytes: Vec<u8>,
    made: BTreeSet<String>,
    entries: u32,
}

impl Initramfs {
    /// An archive with busybox and the folders that the kernel and the script expect.
    pub fn new() -> Result<Self> {
        let mut new = Self::default();
        for folder in ["proc", "sys", "dev", "tmp", "modules"] {
            new.folder(folder);
        }
        new.copy(Path::new("/bin/busybox"), "bin/busybox")?;
        for applet in APPLETS {
            new.entry(&format!("bin/{applet}"), LINK, b"busybox");
        }
        Ok(new)
    }

    /// A file from the host.
    pub fn copy(&mut self, from: &Path, to: &str) -> Result<()> {
        let bytes = fs::read(from).with_context(|| from.display().to_string())?;
        self.file(to, &bytes);
        Ok(())
    }

    /// A file with these contents; everything may be executed.
    pub fn file(&mut self, to: &str, bytes: &[u8]) {
        if let Some((parent, _)) = to.rsplit_once('/') {
            self.folder(parent);
        }
        self.entry(to, PROGRAM, bytes);
    }

    /// A program of the host as `bin/name`, without symbols, and the libraries that it is linked to.
    pub fn program(&mut self, path: &Path, name: &str, work: &Path) -> Result<()> {
        let stripped = work.join(name);
        strip(path, &stripped, "--strip-all")?;
        self.copy(&stripped, &format!("bin/{name}"))?;
        let output = Command::new("ldd").arg(path).output().context("ldd")?;
        ensure!(
            output.status.success(),
            "ldd {}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        for library in text.split_whitespace().filter(|word| word.starts_with('/')) {
            let to = library.trim_start_matches('/');
            if !self.made.contains(to) {
                self.copy(Path::new(library), to)?;
                self.made.insert(to.into());
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: &str) {
        let mut upto = String::new();
        for part in path.split('/') {
            upto.push_str(part);
            if self.made.insert(upto.clone()) {
                self.entry(&upto.clone(), DIRECTORY, &[]);
            }
            upto.push('/');
        }
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.entries += 1;
        let length = contents.len() as u32;
        // inode, mode, user, group, links, time, size, device and its node (two each), name, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

/// Copies a program or module without symbols.
pub fn strip(from: &Path, to: &Path, how: &str) -> Result<()> {
    let output = Command::new("strip").arg(how).arg("-o").arg(to).arg(from).output().context("strip")?;
    ensure!(output.status.success(), "strip {}: {}", from.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_parents_come_first() {
        let mut archive = Initramfs::default();
        archive.file("a/b/c", b"hello");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let places =
            ["a\0", "a/b\0", "a/b/c\0", "TRAILER!!!\0"].map(|name| text.find(name).expect("is there"));
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(text.matches("070701").count(), 4);
    }
}
