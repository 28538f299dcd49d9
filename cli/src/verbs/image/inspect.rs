//! `surefoot image inspect`: what is in an image, without a verdict on a board.
//!
//! An image that contradicts its own manifest, or that the key given did not sign, is shown all the same, and
//! ends with an exit code of its own. `image verify` tells which of its claims fails.

use super::keygen::hex;
use super::orders::{leave, revokes};
use super::sealed;
use crate::exit::Exit;
use crate::output::{BAD, GOOD, Report, Table};
use crate::problem::Problem;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use surefoot_core::image::manifest::{Algorithm, ManifestFault, Override};
use surefoot_host::files::{self, Loaded};
use surefoot_host::image::{
    Convention, Inspection, LastWord, ManifestView, Map, Region, SealedBootloader, inspect, keys,
};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// ELF, HEX, BIN, DFU, S-record or UF2 file
    file: PathBuf,
    /// Where a BIN goes, as in 0x08010000
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
    /// Public key to hold the signature against
    #[arg(long)]
    key: Option<PathBuf>,
}

/// Looks.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let loaded = files::read(&arguments.file, arguments.address)
        .map_err(|e| Problem::from(e).about(&arguments.file))?;
    let key = arguments.key.as_deref().map(keys::read_public).transpose()?;
    if let Some(sealed) = SealedBootloader::find(&loaded.segments) {
        return Ok(sealed::report(&loaded, &sealed, key.as_ref().map(|key| key.as_bytes())));
    }
    let seen = inspect(&loaded.segments);
    let view = seen.manifest.as_ref().and_then(|m| m.as_ref().ok());
    let signed_by_key = view.zip(key).map(|(view, key)| view.signed_by(key.as_bytes()));
    let report = Report::new(to_json(&loaded, &seen, signed_by_key), to_text(&loaded, &seen, signed_by_key));
    let whole = match &seen.manifest {
        Some(Ok(view)) => view.length_matches && view.crc_matches && view.hash_matches,
        Some(Err(_)) => false,
        None => true,
    };
    let asked = arguments.key.is_none() || signed_by_key == Some(true);
    Ok(if whole && asked { report } else { report.ending(Exit::Untrusted) })
}

fn to_json(loaded: &Loaded, seen: &Inspection, signed_by_key: Option<bool>) -> Value {
    let segments: Vec<Value> =
        loaded.segments.iter().map(|s| json!({ "address": s.address, "length": s.bytes.len() })).collect();
    json!({
        "format": loaded.format.to_string(),
        "segments": segments,
        "base": seen.base,
        "length": seen.length,
        "stack_pointer": seen.stack_pointer,
        "reset_vector": seen.reset_vector,
        "last_word_is_crc": matches!(seen.last_word, LastWord::IsCrc(_)),
        "manifest": seen.manifest.as_ref().and_then(|m| m.as_ref().ok()).map(manifest_json),
        "manifest_fault": seen.manifest.as_ref().and_then(|m| m.as_ref().err()).map(|f| fault(*f)),
        "signed_by_key": signed_by_key,
        "crc_convention": seen.convention.map(Convention::text),
        "uf2_family": loaded.family.map(|family| format!("{:08x}", family.0)),
        "notes": loaded.notes,
    })
}

/// A manifest as an object.
pub fn manifest_json(view: &ManifestView) -> Value {
    let m = &view.manifest;
    json!({
        "offset": view.offset,
        "version": format!("{}.{}.{}", m.version.major, m.version.minor, m.version.patch),
        "security_counter": m.security_counter,
        "load_address": m.load_address,
        "device_id": m.device_id,
        "board_id": m.board_id,
        "image_length": m.image_length,
        "crc": m.crc,
        "crc_matches": view.crc_matches,
        "sha256": hex(&m.sha256),
        "sha256_matches": view.hash_matches,
        "signed": m.algorithm == Algorithm::Ed25519,
        "key_id": hex(&m.key_id),
        "revokes": revokes(view),
        "downgrade": match m.overrides {
            Override::None => Value::Null,
            Override::Image => json!({ "device": null }),
            Override::Device(id) => json!({ "device": hex(&id) }),
        },
    })
}

/// Its name for machines.
pub fn fault(fault: ManifestFault) -> &'static str {
    match fault {
        ManifestFault::Missing => "missing",
        ManifestFault::Format => "format",
        ManifestFault::Checksum => "checksum",
        ManifestFault::Field => "field",
    }
}

fn to_text(loaded: &Loaded, seen: &Inspection, signed_by_key: Option<bool>) -> String {
    let mut table = Table::default();
    table.row("format", loaded.format.to_string());
    for s in &loaded.segments {
        let place = match Map::default().region(s.address) {
            Region::Flash => String::new(),
            other => format!("  ({})", other.name()),
        };
        table.row("bytes", format!("0x{:08X}..0x{:08X}  {}{place}", s.address, s.end(), s.bytes.len()));
    }
    if let Some(family) = loaded.family {
        table.row("chips", family.to_string());
    }
    for note in &loaded.notes {
        table.row("note", note);
    }
    let word = |word: Option<u32>| word.map_or("-".to_owned(), |w| format!("0x{w:08X}"));
    table.row("stack pointer", word(seen.stack_pointer)).row("reset vector", word(seen.reset_vector));
    match &seen.manifest {
        None => table.row("manifest", "none"),
        Some(Err(f)) => table.row("manifest", format!("{BAD}not usable{BAD:#}: {}", fault(*f))),
        Some(Ok(view)) => manifest_rows(&mut table, view, signed_by_key),
    };
    if seen.manifest.is_none() {
        let crc = match seen.last_word {
            LastWord::IsCrc(crc) => format!("0x{crc:08X} in the last word, {GOOD}matches{GOOD:#}"),
            LastWord::IsNot => seen.convention.map_or("none".to_owned(), |convention| {
                let (text, remedy) = (convention.text(), convention.remedy());
                format!("{BAD}not the board's{BAD:#}: the last word is a CRC-32, but {text}. {remedy}")
            }),
        };
        table.row("CRC-32", crc);
    }
    table.text()
}

fn manifest_rows<'a>(
    table: &'a mut Table,
    view: &ManifestView,
    signed_by_key: Option<bool>,
) -> &'a mut Table {
    let m = &view.manifest;
    let verdict = |good: bool| match good {
        true => format!("{GOOD}matches{GOOD:#}"),
        false => format!("{BAD}does not match{BAD:#}"),
    };
    let any = |zero: bool, text: String| if zero { "any".to_owned() } else { text };
    table
        .row("manifest", format!("at offset 0x{:X}", view.offset))
        .row("version", format!("{}.{}.{}", m.version.major, m.version.minor, m.version.patch))
        .row("counter", m.security_counter.to_string())
        .row("linked for", format!("0x{:08X}", m.load_address))
        .row("chip", any(m.device_id == 0, format!("device id 0x{:03X}", m.device_id)))
        .row("board", any(m.board_id == 0, format!("0x{:08X}", m.board_id)))
        .row("CRC-32", format!("0x{:08X} {}", m.crc, verdict(view.crc_matches)))
        .row("SHA-256", format!("{} {}", hex(&m.sha256), verdict(view.hash_matches)));
    let signature = match (m.algorithm, signed_by_key) {
        (Algorithm::None, _) => "none".to_owned(),
        (Algorithm::Ed25519, None) => format!("Ed25519, key {}", hex(&m.key_id)),
        (Algorithm::Ed25519, Some(true)) => {
            format!("Ed25519, key {}, {GOOD}made by the given key{GOOD:#}", hex(&m.key_id))
        }
        (Algorithm::Ed25519, Some(false)) => {
            format!("Ed25519, key {}, {BAD}not made by the given key{BAD:#}", hex(&m.key_id))
        }
    };
    if let Some(leave) = leave(view) {
        table.row("downgrade", leave);
    }
    let revoked: Vec<String> = revokes(view).iter().map(usize::to_string).collect();
    if !revoked.is_empty() {
        table.row("revokes", format!("the board's key {}, once confirmed", revoked.join(", ")));
    }
    table.row("signature", signature)
}
