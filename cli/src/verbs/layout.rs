//! `surefoot layout`: the checked flash map, and what an application is linked with; or, for a chip,
//! the best layout there is ([`solve`]).

pub mod solve;

use crate::board::{self, BoardFile};
use crate::draw;
use crate::output::{Report, Table};
use crate::problem::Problem;
use crate::shown;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use surefoot_board::layout::Use;
use surefoot_board::solve::words::strategy;
use surefoot_board::{Board, MapRow};
use surefoot_core::config::Slot;
use surefoot_host::files::{self, FileError};
use surefoot_host::texts;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    board: BoardFile,
    /// Write memory.x, surefoot.ld and surefoot_board.h into this folder (for two slots memory-a.x,
    /// memory-b.x and so on), and the library for C: surefoot.h, libsurefoot-hard.a, libsurefoot-soft.a
    #[arg(long, short)]
    out: Option<PathBuf>,
    #[command(flatten)]
    question: solve::Question,
}

/// Shows and writes.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    if let Some(chip) = &arguments.question.chip {
        return solve::run(&arguments.question, chip, arguments.out.as_deref());
    }
    let loaded = board::load(&arguments.board.board)?;
    let board = &loaded.board;
    let written = match &arguments.out {
        Some(folder) => write_scripts(board, folder)?,
        None => Vec::new(),
    };
    Ok(Report::new(to_json(board, &written), to_text(board, &written)))
}

/// Writes what an application is linked with, and says where.
fn write_scripts(board: &Board, folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    std::fs::create_dir_all(folder).map_err(|source| FileError::Write { path: folder.to_owned(), source })?;
    let mut written = Vec::new();
    for (name, text) in board.script_files() {
        let path = folder.join(name);
        files::write_bytes(&path, text.as_bytes())?;
        written.push(path);
    }
    // The library for C is built for the Cortex-M4, as every board's bootloader is today.
    let libraries = surefoot_images::LIBRARIES.iter().map(|library| (library.file, library.archive));
    for (name, bytes) in [("surefoot.h", surefoot_images::HEADER.as_bytes())].into_iter().chain(libraries) {
        let path = folder.join(name);
        files::write_bytes(&path, bytes)?;
        written.push(path);
    }
    Ok(written)
}

fn to_json(board: &Board, written: &[PathBuf]) -> Value {
    let slot = board.slot();
    let slots =
        board.slots().iter().map(|s| json!({ "base": s.base, "length": s.length })).collect::<Vec<_>>();
    let journal = board.layout.area(Use::Journal).map(|j| json!({ "base": j.base, "length": j.size }));
    json!({
        "board": board.name,
        "board_id": board.id,
        "chip": board.chip.name,
        "device_id": board.device_id(),
        "slot": { "base": slot.base, "length": slot.length },
        "strategy": strategy(board.strategy),
        "slots": slots,
        "journal": journal,
        "trial_boots": board.boot.trial_boots,
        "vect_tab_offset": board.vector_table_offset(),
        "memory_string": board.memory_string(),
        "policy": texts::policy(board.policy),
        "sysclk_hz": board.clocks.sysclk_hz,
        "map": map_json(&board.map()),
        "warnings": board.warnings,
        "written": shown::paths(written),
    })
}

fn map_json(rows: &[MapRow]) -> Vec<Value> {
    let row = |row: &MapRow| {
        json!({
            "use": row.what.map(Use::name),
            "label": row.label,
            "base": row.base,
            "size": row.size,
            "sectors": row.sectors,
            "access": row.access,
        })
    };
    rows.iter().map(row).collect()
}

fn to_text(board: &Board, written: &[PathBuf]) -> String {
    let offset = |slot: &Slot| format!("0x{:X}", slot.base - board.layout.flash.base());
    let slots = board.running_slots();
    let mut table = Table::default();
    table
        .row("board", format!("{} (id 0x{:08X}), {}", board.name, board.id, board.chip.name))
        .row("strategy", strategy(board.strategy));
    let names: &[&str] = if slots.len() > 1 { &["slot A", "slot B"] } else { &["application"] };
    for (name, slot) in names.iter().zip(&slots) {
        table.row(name, format!("0x{:08X}, {} bytes", slot.base, slot.length));
    }
    if board.has_journal() {
        table.row("trial", format!("{} boots to confirm itself in", board.boot.trial_boots));
    }
    table
        .row("VECT_TAB_OFFSET", slots.iter().map(offset).collect::<Vec<_>>().join(" and "))
        .row("memory string", board.memory_string())
        .row("policy", texts::policy(board.policy))
        .row("clock", format!("{} MHz", board.clocks.sysclk_hz / 1_000_000));
    table.warnings(&board.warnings);
    for path in written {
        table.row("written", path.display().to_string());
    }
    format!("{}\n{}", draw::map(&board.map()), table.text())
}
