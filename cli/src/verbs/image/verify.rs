//! `surefoot image verify`: an image against public keys, without a board and without a board file.
//!
//! For a download, an archive or a release server. `surefoot verify` compares a file with a board's flash;
//! whether a certain board would boot an image is told by `image sign` and `flash`.

use super::inspect::manifest_json;
use super::keygen::hex;
use crate::exit::Exit;
use crate::output::{GOOD, Report, Table};
use crate::problem::Problem;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use surefoot_host::files;
use surefoot_host::image::{keys, trusted};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The signed image: DFU, HEX, BIN, ELF, S-record or UF2 file
    file: PathBuf,
    /// Public key (PEM) that may have signed it; may be repeated
    #[arg(long, short, required = true)]
    key: Vec<PathBuf>,
    /// Where a BIN goes, as in 0x08010000
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
}

/// Proves the signature and everything that the manifest says of the bytes.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let loaded = files::read(&arguments.file, arguments.address)
        .map_err(|e| Problem::from(e).about(&arguments.file))?;
    let public = arguments.key.iter().map(|path| keys::read_public(path)).collect::<Result<Vec<_>, _>>()?;
    let view = trusted(&loaded.segments, &public)
        .map_err(|e| Problem::of(Exit::Untrusted, &e).about(&arguments.file))?;
    let m = &view.manifest;
    let version = format!("{}.{}.{}", m.version.major, m.version.minor, m.version.patch);
    let mut table = Table::default();
    table
        .row("verify", format!("{GOOD}signed by key {}{GOOD:#}, and whole", hex(&m.key_id)))
        .row("version", format!("{version}, counter {}", m.security_counter))
        .row("linked for", format!("0x{:08X}", m.load_address))
        .row("not checked", "chip, board, counter and revoked keys, which only a board knows");
    for note in &loaded.notes {
        table.row("note", note);
    }
    let json = json!({
        "trusted": true,
        "key_id": hex(&m.key_id),
        "manifest": manifest_json(&view),
        "notes": loaded.notes,
    });
    Ok(Report::new(json, table.text()))
}
