//! `surefoot bootloader`: the built-in binary, sealed for a board.

use crate::board::{self, BoardFile, not_sealed};
use crate::exit::Exit;
use crate::output::{Report, Table};
use crate::problem::Problem;
use crate::shown;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use surefoot_board::{Board, OptionBytes, Sealed, seal};
use surefoot_core::config::{FEATURE_SIGNATURE, Policy, Strategy};
use surefoot_host::files::{self, Ids, Segments};
use surefoot_images::{Chosen, Feature, choose};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    board: BoardFile,
    /// The sealed bootloader: .bin, .hex or .dfu
    #[arg(long, short, default_value = "bootloader.hex")]
    out: PathBuf,
    /// Seal this binary (.bin, .hex, .elf) and not the one that is built in
    #[arg(long)]
    firmware: Option<PathBuf>,
}

/// Seals and writes.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let inputs = [Some(&arguments.board.board), arguments.firmware.as_ref()].into_iter().flatten();
    files::not_over(&arguments.out, inputs.map(PathBuf::as_path))?;
    let loaded = board::load(&arguments.board.board)?;
    let board = &loaded.board;
    let (sealed, chosen) = match &arguments.firmware {
        None => built_in(board).map(|(sealed, chosen)| (sealed, Some(chosen)))?,
        Some(path) => {
            let file = files::read(path, Some(board.bootloader().base)).or_else(|e| match e {
                // A file with addresses of its own needs none.
                files::FileError::AddressGiven(_) => files::read(path, None),
                other => Err(other),
            });
            let segments = file.map_err(|e| Problem::from(e).about(path))?.segments;
            // What is farther away than the bootloader's own region cannot be part of it.
            let end = segments.end().min(segments.start().saturating_add(files::MOST_FLASH));
            let sealed = seal(&segments.flat(segments.start(), end), board);
            (sealed.map_err(|e| not_sealed(&e))?, None)
        }
    };
    let segments = Segments::one(sealed.base, sealed.image.clone()).map_err(files::FileError::from)?;
    let format = files::write(&arguments.out, &segments, Ids::default())?;
    let [major, minor, patch] = sealed.header.version;
    let version = format!("{major}.{minor}.{patch}");
    let signatures = sealed.header.features & FEATURE_SIGNATURE != 0;
    let mut table = Table::default();
    table
        .row("written", format!("{} ({format})", arguments.out.display()))
        .row("bootloader", format!("{version}, {} build", if signatures { "full" } else { "CRC-only" }))
        .row("build", chosen.as_ref().map_or("from --firmware".to_owned(), Chosen::to_string))
        .row("sealed for", format!("{} (id 0x{:08X}), {}", board.name, board.id, board.chip.name))
        .row(
            "flash",
            format!("0x{:08X}, {} of {} bytes", sealed.base, sealed.image.len(), board.bootloader().length),
        )
        .warnings(&board.warnings)
        .row("next", "write it once, with a debug probe or over ST's ROM bootloader; then `surefoot flash`");
    let json = json!({
        "out": shown::path(&arguments.out),
        "format": format.to_string(),
        "version": version,
        "build": chosen.map(|chosen| chosen.binary.name),
        "signatures": signatures,
        "base": sealed.base,
        "size": sealed.image.len(),
        "board": board.name,
        "board_id": board.id,
        "resealed": sealed.resealed,
        "warnings": board.warnings,
    });
    Ok(Report::new(json, table.text()))
}

/// The smallest binary that does what the board file asks for, sealed.
pub fn built_in(board: &Board) -> Result<(Sealed, Chosen), Problem> {
    let room = board.bootloader().length as usize;
    let chosen = choose(board.binary_family, &asked(board), room).map_err(|error| {
        Problem::new(
            Exit::Input,
            "seal.none-serves",
            error.to_string(),
            "What a build lacks no configuration brings back.",
            "Give the bootloader more room in [layout], or ask for less: policy, journal, strategy, option-bytes.",
        )
    })?;
    let sealed = seal(chosen.image.binary, board).map_err(|e| not_sealed(&e))?;
    Ok((sealed, chosen))
}

/// What the board file asks of a bootloader.
fn asked(board: &Board) -> Vec<Feature> {
    let table = [
        (board.policy == Policy::Signature, Feature::Signature),
        (board.has_journal(), Feature::Failsafe),
        (board.strategy == Strategy::Backup, Feature::Backup),
        (board.boot.option_bytes == OptionBytes::Host, Feature::Options),
    ];
    table.into_iter().filter(|(asked, _)| *asked).map(|(_, feature)| feature).collect()
}
