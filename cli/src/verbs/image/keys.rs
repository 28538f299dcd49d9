//! `surefoot image keys`: a board's keys with their numbers and ids, and which of them a file holds.

use super::keygen::hex;
use crate::board::{self, MaybeBoardFile};
use crate::output::{BAD, GOOD, Report, Table};
use crate::problem::Problem;
use crate::shown;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_core::config::Key;
use surefoot_host::image::keys;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Public keys (PEM), to be found among the board's
    files: Vec<PathBuf>,
    #[command(flatten)]
    board: MaybeBoardFile,
}

/// Lists.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let loaded = match arguments.board.load()? {
        // Neither files nor a board: there is nothing to show, and a board file is what was meant.
        None if arguments.files.is_empty() => Some(board::load(Path::new("board.toml"))?),
        loaded => loaded,
    };
    let known: &[Key] = loaded.as_ref().map_or(&[], |l| &l.board.keys);
    let mut table = Table::default();
    let mut listed = Vec::new();
    for (number, key) in known.iter().enumerate() {
        let id = hex(&keys::id(&key.bytes));
        let state = match key.revoked {
            true => format!("{BAD}revoked{BAD:#} in the board file"),
            false => format!("{GOOD}trusted{GOOD:#}"),
        };
        table.row(&format!("key {number}"), format!("{id}  {state}"));
        listed.push(json!({ "number": number, "id": id, "public": hex(&key.bytes), "revoked": key.revoked }));
    }
    if known.is_empty() && loaded.is_some() {
        table.row("keys", "none");
    }
    let mut found = Vec::new();
    for file in &arguments.files {
        let public = keys::read_public(file).map_err(|e| Problem::from(e).about(file))?.to_bytes();
        let id = hex(&keys::id(&public));
        let number = known.iter().position(|key| key.bytes == public);
        let place = match number {
            Some(number) => format!(", the board's key {number}"),
            None if loaded.is_some() => ", none of the board's".to_owned(),
            None => String::new(),
        };
        table.row(&file.display().to_string(), format!("{id}{place}"));
        found.push(json!({ "file": shown::path(file), "id": id, "number": number }));
    }
    Ok(Report::new(json!({ "keys": listed, "files": found }), table.text()))
}
