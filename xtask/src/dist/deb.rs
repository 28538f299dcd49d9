//! The Debian package, and its trial in an empty root.
//!
//! dpkg-deb packs a folder that looks as the package's files do; without it there is no package. The empty
//! root has nothing but the package and the C library that it depends on.

use super::{RULES, SHELLS};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Makes `surefoot_VERSION_ARCHITECTURE.deb` in `dist` from what is there; none without dpkg-deb.
pub fn build(dist: &Path, binary: &Path, version: &str) -> Result<Option<PathBuf>> {
    let Ok(asked) = Command::new("dpkg").arg("--print-architecture").output() else {
        println!("no dpkg here: no Debian package");
        return Ok(None);
    };
    let architecture = String::from_utf8(asked.stdout)?.trim().to_owned();
    let folder = dist.with_file_name("dist-deb");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let put = |from: &Path, to: &str, mode: u32| -> Result<()> { install(from, &folder.join(to), mode) };
    put(binary, "usr/bin/surefoot", 0o755)?;
    let places = [
        "usr/share/bash-completion/completions/surefoot",
        "usr/share/zsh/vendor-completions/_surefoot",
        "usr/share/fish/vendor_completions.d/surefoot.fish",
    ];
    for ((_, name), place) in SHELLS.iter().zip(places) {
        put(&dist.join("completions").join(name), place, 0o644)?;
    }
    put(&dist.join(RULES.0), &format!("usr/lib/udev/rules.d/{}", RULES.0), 0o644)?;
    put(&dist.join("LICENCES.txt"), "usr/share/doc/surefoot/copyright", 0o644)?;
    put(&dist.join("README.md"), "usr/share/doc/surefoot/README.md", 0o644)?;
    put(&dist.join("CHANGELOG.md"), "usr/share/doc/surefoot/changelog", 0o644)?;
    for page in fs::read_dir(dist.join("man"))? {
        let page = page?;
        put(&page.path(), &format!("usr/share/man/man1/{}", page.file_name().to_string_lossy()), 0o644)?;
    }
    let pages = fs::read_dir(folder.join("usr/share/man/man1"))?;
    let mut zip: Vec<PathBuf> = pages.map(|page| Ok(page?.path())).collect::<std::io::Result<_>>()?;
    zip.push(folder.join("usr/share/doc/surefoot/changelog"));
    run(Command::new("gzip").arg("-9n").args(zip))?;
    let size = folder_size(&folder)?.div_ceil(1024);
    let control = folder.join("DEBIAN/control");
    fs::create_dir_all(folder.join("DEBIAN"))?;
    fs::write(&control, self::control(version, &architecture, size, &glibc(&fs::read(binary)?)))?;
    let package = dist.join(format!("surefoot_{version}_{architecture}.deb"));
    run(Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&folder).arg(&package))?;
    Ok(Some(package))
}

fn control(version: &str, architecture: &str, kib: u64, glibc: &str) -> String {
    format!(
        "Package: surefoot\nVersion: {version}\nArchitecture: {architecture}\nInstalled-Size: {kib}\n\
         Maintainer: Surefoot contributors <surefoot@surefoot.invalid>\nSection: electronics\nPriority: optional\n\
         Depends: libc6 (>= {glibc}), libgcc-s1\nSuggests: dfu-util\n\
         Homepage: https://github.com/surefoot-rs/surefoot\n\
         Description: fail-safe firmware updates for STM32\n \
         Seals bootloaders, signs images, flashes them over USB DFU, and has a virtual\n \
         board on which all of it can be tried without hardware.\n"
    )
}

/// The newest version of the C library whose symbols the program asks for: they stand in it by name.
fn glibc(binary: &[u8]) -> String {
    let mut newest = (2, 17);
    for at in memchr(binary, b"GLIBC_2.") {
        let digits: String =
            binary[at + 8..].iter().take_while(|b| b.is_ascii_digit()).map(|&b| b as char).collect();
        newest = newest.max((2, digits.parse().unwrap_or(0)));
    }
    format!("{}.{}", newest.0, newest.1)
}

/// Where `word` begins.
fn memchr<'a>(bytes: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(word.len()).enumerate().filter(move |(_, w)| *w == word).map(|(at, _)| at)
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    #[cfg(unix)]
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    let _ = mode;
    Ok(())
}

fn folder_size(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        size +=
            if entry.file_type()?.is_dir() { folder_size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(size)
}

/// Installs the package into an empty root and runs the command there: its version, then the demo.
pub fn try_out(package: &Path, root: &Path) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "tmp", "dev"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("var/lib/dpkg/status"), "")?;
    // Enough of one for whoever reads from it.
    fs::write(root.join("dev/null"), "")?;
    let root = root.canonicalize()?;
    // What it depends on is not a package there, but the files are: see below.
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display()));
    dpkg.args(["--force-depends", "--force-not-root", "--force-bad-path", "--log=/dev/null", "--install"]);
    run(dpkg.arg(package))?;
    for file in [
        "usr/share/man/man1/surefoot.1.gz",
        "usr/share/man/man1/surefoot-flash.1.gz",
        "usr/share/bash-completion/completions/surefoot",
        "usr/lib/udev/rules.d/70-surefoot.rules",
        "usr/share/doc/surefoot/copyright",
    ] {
        ensure!(root.join(file).is_file(), "the package has no {file}");
    }
    let listed = text(Command::new("ldd").arg(root.join("usr/bin/surefoot")))?;
    for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        install(Path::new(library), &root.join(library.trim_start_matches('/')), 0o755)?;
    }
    let version = text(&mut inside(&root, &["--version"])?)?;
    ensure!(version.starts_with("surefoot "), "it says {version:?}");
    let told = text(&mut inside(&root, &["demo"])?)?;
    let last = told.lines().last().unwrap_or("");
    ensure!(last.starts_with("demo: 6 updates"), "the demo ends with {last:?}");
    println!("installed in an empty root: {}; {last}", version.trim());
    fs::remove_dir_all(root)?;
    Ok(())
}

/// The installed command, with that root as its own.
fn inside(root: &Path, arguments: &[&str]) -> Result<Command> {
    let quiet = |program: &str, arguments: &[&str]| {
        let status =
            Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let mut command = if text(Command::new("id").arg("-u"))?.trim() == "0" {
        Command::new("chroot")
    } else if quiet("sudo", &["-n", "true"]) {
        let mut command = Command::new("sudo");
        command.args(["-n", "chroot"]);
        command
    } else if quiet("unshare", &["-r", "true"]) {
        let mut command = Command::new("unshare");
        command.args(["-r", "chroot"]);
        command
    } else {
        bail!("neither root, nor sudo, nor a name space of one's own: no root can be changed to")
    };
    command
        .arg(root)
        .arg("/usr/bin/surefoot")
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(command)
}

fn run(command: &mut Command) -> Result<()> {
    text(command).map(drop)
}

fn text(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_asks_for_the_newest_c_library_that_the_program_names() {
        assert_eq!(glibc(b"..GLIBC_2.4\0GLIBC_2.39\0GLIBC_2.5\0"), "2.39");
        assert_eq!(glibc(b"none"), "2.17");
    }

    #[test]
    fn the_control_file_has_its_fields_one_a_line_and_ends_with_a_line() {
        let text = control("1.2.3", "amd64", 7, "2.39");
        for line in ["Package: surefoot", "Version: 1.2.3", "Architecture: amd64", "Installed-Size: 7"] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
        let continued = text.lines().filter(|l| l.starts_with(' ')).count();
        assert_eq!(text.lines().filter(|l| l.contains(": ")).count() + continued, text.lines().count());
        assert!(text.ends_with('\n') && text.contains("libc6 (>= 2.39)"));
    }
}
