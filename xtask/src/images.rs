//! `cargo xtask images`: the prebuilt binaries that images/prebuilt holds, from their sources.
//!
//! `--check` builds them and compares every byte with what is committed, as CI does; `--write` builds them and
//! overwrites what is committed. It does not decide which of them a build embeds: images/build.rs does.

use crate::tools;
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use surefoot_images::make::{self, Made};
use surefoot_tests::{archive, fixtures};

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Args {
    /// Fail where a committed file is not what its sources make
    #[arg(long)]
    check: bool,
    /// Overwrite the committed files
    #[arg(long)]
    write: bool,
}

/// A folder of prebuilt files: names and contents.
type Files = Vec<(String, Vec<u8>)>;

pub fn run(args: &Args) -> Result<()> {
    tools::toolchain_of("firmware")?;
    let root = tools::root();
    let folders = [
        ("images/prebuilt", bootloaders(&root)?),
        ("images/prebuilt/demo", applications()?),
        ("images/prebuilt/c", libraries(&root)?),
    ];
    let (mut count, mut size, mut differ) = (0, 0, Vec::new());
    for (folder, files) in &folders {
        fs::create_dir_all(root.join(folder))?;
        for (name, content) in files {
            count += 1;
            size += content.len();
            let path = root.join(folder).join(name);
            if fs::read(&path).ok().as_ref() != Some(content) {
                differ.push(format!("{folder}/{name}"));
                if args.write {
                    fs::write(&path, content).with_context(|| path.display().to_string())?;
                }
            }
        }
    }
    let verb = if args.write { "rewritten" } else { "differ" };
    println!("images: {count} files, {size} bytes, {} {verb}", differ.len());
    ensure!(
        args.write || differ.is_empty(),
        "what is committed is not what its sources make: {}. Run `cargo xtask images --write` and commit it.",
        differ.join(", ")
    );
    Ok(())
}

/// The bootloaders as surefoot-images embeds them.
fn bootloaders(root: &Path) -> Result<Files> {
    let mut files = Vec::new();
    for binary in surefoot_images::BINARIES {
        let name = binary.file;
        let made = Made::new(&root.join("firmware"), &binary)?;
        files.push((format!("{name}.bin"), made.binary));
        files.push((format!("{name}.elf"), made.elf));
    }
    files.push(("SHA256SUMS".into(), sums(&files)));
    files.push(("SOURCES".into(), make::fingerprint(root)?.into()));
    Ok(files)
}

/// The applications of the demo.
fn applications() -> Result<Files> {
    let mut files = Vec::new();
    for application in surefoot_images::APPLICATIONS {
        let path = match application.period_ms {
            Some(period) => fixtures::blinky_for_demo(period, application.base)?,
            None => fixtures::hangs_for_demo(application.base)?,
        };
        files.push((application.file.to_owned(), fs::read(path)?));
    }
    files.push(("SHA256SUMS".into(), sums(&files)));
    Ok(files)
}

/// The library for C. Cargo names its parts by the folder that they are built in, so what is there is kept while
/// it is of these sources.
fn libraries(root: &Path) -> Result<Files> {
    let folder = root.join("images/prebuilt/c");
    let fingerprint = surefoot_images::library_fingerprint(root)?;
    let kept = fs::read_to_string(folder.join("SOURCES")).is_ok_and(|then| then == fingerprint);
    let mut files = vec![("surefoot.h".to_owned(), fs::read(root.join("app/include/surefoot.h"))?)];
    for library in surefoot_images::LIBRARIES {
        let archive = if kept {
            fs::read(folder.join(library.file))?
        } else {
            archive::slim(&fs::read(fixtures::library_for_layout(library.target)?)?, "surefoot_")?
        };
        files.push((library.file.to_owned(), archive));
    }
    files.push(("SHA256SUMS".into(), sums(&files)));
    files.push(("SOURCES".into(), fingerprint.into()));
    Ok(files)
}

/// As `sha256sum` writes them.
pub fn sums(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    files
        .iter()
        .map(|(name, c)| format!("{}  {name}\n", hex::encode(Sha256::digest(c))))
        .collect::<String>()
        .into()
}
