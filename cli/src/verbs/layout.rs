//! `surefoot layout`: the checked flash map, and what an application is linked with.

use crate::board::{self, BoardFile};
use crate::draw;
use crate::output::{Report, Table};
use crate::problem::Problem;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use surefoot_board::{Board, MapRow};
use surefoot_host::files::{self, FileError};
use surefoot_host::texts;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    board: BoardFile,
    /// Write memory.x, surefoot.ld and surefoot_board.h into this folder
    #[arg(long, short)]
    out: Option<PathBuf>,
}

/// Shows and writes.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let loaded = board::load(&arguments.board.board)?;
    let board = &loaded.board;
    let mut written = Vec::new();
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder)
            .map_err(|source| FileError::Write { path: folder.clone(), source })?;
        let scripts = board.scripts();
        for (name, text) in [
            ("memory.x", &scripts.memory_x),
            ("surefoot.ld", &scripts.ld),
            ("surefoot_board.h", &scripts.header),
        ] {
            let path = folder.join(name);
            files::write_bytes(&path, text.as_bytes())?;
            written.push(path);
        }
    }
    Ok(Report::new(to_json(board, &written), to_text(board, &written)))
}

fn to_json(board: &Board, written: &[PathBuf]) -> Value {
    let slot = board.slot();
    let row = |row: &MapRow| {
        json!({
            "label": row.label,
            "base": row.base,
            "size": row.size,
            "sectors": row.sectors,
            "access": row.access,
        })
    };
    json!({
        "board": board.name,
        "board_id": board.id,
        "chip": board.chip.name,
        "device_id": board.device_id(),
        "slot": { "base": slot.base, "length": slot.length },
        "vect_tab_offset": board.vector_table_offset(),
        "memory_string": board.memory_string(),
        "policy": texts::policy(board.policy),
        "sysclk_hz": board.clocks.sysclk_hz,
        "map": board.map().iter().map(row).collect::<Vec<_>>(),
        "warnings": board.warnings,
        "written": written,
    })
}

fn to_text(board: &Board, written: &[PathBuf]) -> String {
    let slot = board.slot();
    let mut table = Table::default();
    table
        .row("board", format!("{} (id 0x{:08X}), {}", board.name, board.id, board.chip.name))
        .row("application", format!("0x{:08X}, {} bytes", slot.base, slot.length))
        .row("VECT_TAB_OFFSET", format!("0x{:X}", board.vector_table_offset()))
        .row("memory string", board.memory_string())
        .row("policy", texts::policy(board.policy))
        .row("clock", format!("{} MHz", board.clocks.sysclk_hz / 1_000_000));
    for warning in &board.warnings {
        table.row("warning", warning);
    }
    for path in written {
        table.row("written", path.display().to_string());
    }
    format!("{}\n{}", draw::map(&board.map()), table.text())
}
