//! `cargo xtask chips`: writes chips/src/table.in from stm32-metapac's metadata.
//!
//! The metadata are Rust sources, one per chip, with one `feature` per chip: they cannot be linked
//! for all chips at once, so their text is read. Every scan counts what it should find and fails
//! when the numbers differ. What the metadata lack is in chips/overlay, kept by hand.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the table is made from.
const VERSION: &str = "21.0.0";
const TABLE: &str = "chips/src/table.in";

/// What `cargo xtask chips` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only compare the checked-in table with what would be written.
    #[arg(long)]
    check: bool,
}

/// Writes the table; with `--check` only compares it with the checked-in one.
pub fn run(args: &Args) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace's folder")?;
    let source = metapac(&root.join("target/chips-source"))?;
    let text = table(&read_all(&source.join("src/chips"))?);
    let path = root.join(TABLE);
    if args.check {
        let old = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(old == text, "{TABLE} is not what stm32-metapac {VERSION} gives: run `cargo xtask chips`");
        println!("{TABLE} is up to date");
    } else {
        std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
        println!("{TABLE}: {} bytes", text.len());
    }
    Ok(())
}

/// The folder of the crate, which cargo downloads for a scratch manifest.
fn metapac(scratch: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(scratch.join("src"))?;
    std::fs::write(scratch.join("src/lib.rs"), "")?;
    std::fs::write(
        scratch.join("Cargo.toml"),
        format!(
            "[package]\nname = \"chips-source\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [dependencies]\nstm32-metapac = \"={VERSION}\"\n[workspace]\n"
        ),
    )?;
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(scratch.join("Cargo.toml"))
        .output()
        .context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|p| p["name"] == "stm32-metapac")
        .and_then(|p| p["manifest_path"].as_str())
        .context("stm32-metapac is not among the packages")?;
    Ok(Path::new(manifest).parent().context("a folder")?.to_path_buf())
}

/// One chip as the metadata give it.
struct Chip {
    name: String,
    family: String,
    /// One list of regions for each bank arrangement.
    memory: Vec<Vec<Region>>,
    shared: Shared,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Region {
    name: String,
    kind: String,
    base: u32,
    size: u32,
    /// Erase size, write size and what an erased byte reads as; RAM has none of them.
    flash: Option<(u32, u32, u32)>,
}

/// What several chips' metadata include from one file.
#[derive(Clone)]
struct Shared {
    uid: u32,
    usb: Vec<(String, u32, String)>,
    pins: String,
}

fn read_all(folder: &Path) -> Result<Vec<Chip>> {
    let mut names: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    names.sort_by_key(std::fs::DirEntry::file_name);
    let mut included = BTreeMap::new();
    let mut chips = Vec::new();
    for entry in names {
        let path = entry.path().join("metadata.rs");
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let include = between(&text, "include!(\"../", "\")").context("no include")?;
        if !included.contains_key(include) {
            let shared = shared(&std::fs::read_to_string(folder.join(include))?)
                .with_context(|| include.to_string())?;
            included.insert(include.to_string(), shared);
        }
        let chip = chip(&text, included[include].clone()).with_context(|| path.display().to_string())?;
        let has_flash = |r: &Region| r.kind == "Flash" && r.flash.is_some_and(|(erase, ..)| erase != 0);
        if !chip.memory.iter().flatten().any(has_flash) {
            continue;
        }
        // Parts with two cores come twice; the core that starts is the later one by name (cm7
        // after cm4, cm4 after cm0p), and both see the same memories.
        match chips.last_mut().filter(|last: &&mut Chip| last.name == chip.name) {
            Some(last) => {
                ensure!(last.memory == chip.memory, "the cores of {} differ", chip.name);
                *last = chip;
            }
            None => chips.push(chip),
        }
    }
    Ok(chips)
}

fn chip(text: &str, shared: Shared) -> Result<Chip> {
    let memory = between(text, "memory: &[", "peripherals:").context("no memory")?;
    let variants: Vec<Vec<Region>> =
        memory.split("&[").skip(1).map(regions).collect::<Result<_>>().context("memory regions")?;
    let found = variants.iter().map(Vec::len).sum::<usize>();
    ensure!(found == memory.matches("MemoryRegion {").count() && found > 0, "not all regions were read");
    Ok(Chip { name: string(text, "name")?, family: string(text, "family")?, memory: variants, shared })
}

fn regions(text: &str) -> Result<Vec<Region>> {
    text.split("MemoryRegion {")
        .skip(1)
        .map(|r| {
            let flash = if r.contains("settings: None") {
                None
            } else {
                Some((number(r, "erase_size")?, number(r, "write_size")?, number(r, "erase_value")?))
            };
            let kind = between(r, "MemoryRegionKind::", ",").context("kind")?.to_string();
            Ok(Region {
                name: string(r, "name")?,
                kind,
                base: number(r, "address")?,
                size: number(r, "size")?,
                flash,
            })
        })
        .collect()
}

fn shared(text: &str) -> Result<Shared> {
    let mut shared = Shared { uid: 0, usb: Vec::new(), pins: String::new() };
    // Peripherals stand at the outermost indentation; their pins and interrupts are further in.
    for peripheral in text.split("\n    Peripheral {").skip(1) {
        let name = string(peripheral, "name")?;
        if name == "UID" {
            shared.uid = number(peripheral, "address")?;
        }
        let head = peripheral.split("\n        rcc:").next().unwrap_or_default();
        if let (Ok(kind), Ok(version)) = (string(head, "kind"), string(head, "version"))
            && matches!(kind.as_str(), "otg" | "usb")
        {
            shared.usb.push((name, number(head, "address")?, format!("{kind}_{version}")));
        }
    }
    let mut ports = BTreeMap::<char, u16>::new();
    for pin in text.split("\n    Pin { name: \"").skip(1) {
        let pin = pin.split('"').next().unwrap_or_default();
        let mut letters = pin.strip_prefix('P').with_context(|| format!("pin {pin}"))?.chars();
        let port = letters.next().with_context(|| format!("pin {pin}"))?;
        // "PA0_C" and the like are second bonds of a pin (H7, analog switch).
        let digits = letters.as_str().split('_').next().unwrap_or_default();
        let bit: u32 = digits.parse().with_context(|| format!("pin {pin}"))?;
        ensure!(bit < 16, "pin {pin}");
        *ports.entry(port).or_default() |= 1 << bit;
    }
    ensure!(!ports.is_empty(), "no pins");
    shared.pins = ports.iter().map(|(port, mask)| format!("{port}{mask:04X}")).collect::<Vec<_>>().join(" ");
    Ok(shared)
}

/// The text of the table: one block for each set of chips alike in all but their pins, one line a chip.
fn table(chips: &[Chip]) -> String {
    let mut out = format!(
        "// Generated by `cargo xtask chips` from stm32-metapac {VERSION}: do not edit.\n\
         // {} chips. Corrections and what the metadata lack: chips/overlay.\n[\n",
        chips.len()
    );
    let mut blocks: Vec<(String, Vec<&Chip>)> = Vec::new();
    for chip in chips {
        let head = block_head(chip);
        match blocks.iter_mut().find(|(known, _)| *known == head) {
            Some((_, members)) => members.push(chip),
            None => blocks.push((head, vec![chip])),
        }
    }
    for (head, members) in &blocks {
        out.push_str(head);
        for chip in members {
            writeln!(out, "    (\"{}\", \"{}\"),", chip.name, chip.shared.pins).expect("a string takes all");
        }
        out.push_str("] },\n");
    }
    out.push_str("]\n");
    out
}

fn block_head(chip: &Chip) -> String {
    let usb: String = chip
        .shared
        .usb
        .iter()
        .map(|(name, address, version)| format!("(\"{name}\", {address:#010X}, \"{version}\"), "))
        .collect();
    let mut out = format!(
        "Group {{ family: \"{}\", uid: {:#010X}, usb: &[{}], memory: &[\n",
        chip.family,
        chip.shared.uid,
        usb.trim_end_matches(", ")
    );
    for variant in &chip.memory {
        out.push_str("  &[");
        for (i, r) in variant.iter().enumerate() {
            let gap = if i == 0 { "" } else { "    " };
            let (erase, write, erased) = r.flash.unwrap_or_default();
            writeln!(
                out,
                "{gap}R(\"{}\", {}, {:#010X}, {:#X}, {erase}, {write}, {erased:#04X}),",
                r.name, r.kind, r.base, r.size
            )
            .expect("a string takes all");
        }
        out.push_str("  ],\n");
    }
    out.push_str("], chips: &[\n");
    out
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(behind)?.0)
}

fn string(text: &str, key: &str) -> Result<String> {
    Ok(between(text, &format!("{key}: \""), "\"").with_context(|| format!("no {key}"))?.to_string())
}

fn number(text: &str, key: &str) -> Result<u32> {
    let value = between(text, &format!("{key}: "), ",").with_context(|| format!("no {key}"))?;
    match value.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => value.parse(),
    }
    .with_context(|| format!("{key} is {value}"))
}
