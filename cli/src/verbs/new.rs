//! `surefoot new`: a folder to start from: board file, keys, cargo runner, and what to do next.
//!
//! [`start`] makes the board file's text, [`folder`] what lies around it. Two slots with a journal are
//! the default, since without them no update can be taken back. Nothing that exists is written over.

mod folder;
mod start;

use super::layout::solve::{VOLTAGE, crystal};
use crate::board::refused;
use crate::exit::Exit;
use crate::number;
use crate::output::{BOLD, Report};
use crate::problem::Problem;
use crate::shown;
use clap::{Args, ValueEnum};
use folder::{Keys, keys_for, make_folder, surroundings};
use serde_json::json;
use start::{Example, Start};
use std::path::{Component, Path, PathBuf};
use surefoot_board::Board;
use surefoot_board::solve::words::strategy;
use surefoot_core::config::Strategy;
use surefoot_host::files;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The board's name; the folder of this name is made and filled
    name: String,
    /// The example board to start from
    #[arg(long, value_enum, default_value = "f4-discovery", conflicts_with = "chip")]
    example: Example,
    /// Start from this chip and the best layout for it; `surefoot layout --chip` shows it beforehand
    #[arg(long)]
    chip: Option<String>,
    /// Bytes of the application that has to fit (120K); left out: as many as can be had
    #[arg(long, requires = "chip", value_parser = number::address)]
    application: Option<u32>,
    /// The crystal (8MHz)
    #[arg(long, requires = "chip", value_parser = crystal)]
    hse: Option<u32>,
    /// What the supply never leaves
    #[arg(long, requires = "chip", default_value = VOLTAGE)]
    voltage: String,
    /// What an update does with the slots [default: the example's own where it has two slots, else
    /// backup, and single where two slots do not fit]
    #[arg(long, value_enum)]
    strategy: Option<StrategyName>,
    /// No journal: no trial boots, no rollback, no anti-rollback, no boot log (strategy single only)
    #[arg(long)]
    no_journal: bool,
    /// What the bootloader demands of an image
    #[arg(long, value_enum, default_value = "signature")]
    policy: PolicyName,
    /// Trust this public key and make no pair; up to four times, the first is the one in use
    #[arg(long, conflicts_with = "no_keys")]
    key: Vec<PathBuf>,
    /// Make no keys
    #[arg(long)]
    no_keys: bool,
    /// Put the files here and not into a folder of the board's name
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// The strategies by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyName {
    /// One slot
    Single,
    /// One slot, and one for the old image
    Backup,
    /// Two slots that run in turn
    Ab,
}

impl StrategyName {
    /// As it stands in the configuration block.
    pub const fn strategy(self) -> Strategy {
        match self {
            Self::Single => Strategy::Single,
            Self::Backup => Strategy::Backup,
            Self::Ab => Strategy::Ab,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyName {
    None,
    Crc,
    Signature,
}

/// Writes the files.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let name = arguments.name.as_str();
    let folder = arguments.folder.clone().unwrap_or_else(|| PathBuf::from(name));
    let file = folder.join("board.toml");
    check(&arguments, name, &file)?;
    let start = Start::of(&arguments)?;
    make_folder(&folder)?;
    let keys = keys_for(&arguments, name, &folder)?;
    let text = start.text(name, arguments.policy, &keys.public_names);
    let board = Board::parse(&text, &folder).map_err(|e| refused(&e))?;
    files::write_bytes(&file, text.as_bytes())?;
    let around = surroundings(&folder, &board, &keys)?;
    let notes: Vec<&String> = start.notes.iter().chain(&keys.notes).chain(&around.notes).collect();
    let json = json!({
        "board": shown::path(&file),
        "id": board.id,
        "chip": board.chip.name,
        "strategy": strategy(board.strategy),
        "journal": board.has_journal(),
        "private_key": keys.private.as_ref().map(shown::path),
        "public_key": keys.public_names.first().map(|n| shown::path(folder.join(n))),
        "spare_private_key": keys.spare.as_ref().map(shown::path),
        "public_keys": shown::paths(keys.public_names.iter().map(|n| folder.join(n))),
        "written": shown::paths(&around.written),
        "notes": notes,
        "warnings": board.warnings,
    });
    let mut text = next_steps(&board, &folder, &keys, arguments.policy);
    for note in notes {
        text.push_str(&format!("Note: {note}.\n"));
    }
    for warning in &board.warnings {
        text.push_str(&format!("Warning: {warning}.\n"));
    }
    Ok(Report::new(json, text))
}

/// As board files take it.
const LONGEST_NAME: usize = 32;

/// What can be refused before anything is made.
fn check(arguments: &Arguments, name: &str, file: &Path) -> Result<(), Problem> {
    let usage = |code, what: String, why, remedy| Err(Problem::new(Exit::Usage, code, what, why, remedy));
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || name.starts_with(['.', '-'])
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return usage(
            "new.name",
            format!("{name:?} cannot be a board's name"),
            "The folder, the keys and the board id are named after it.",
            "Use up to 32 letters, digits, - and _; begin with a letter or a digit.",
        );
    }
    if file.exists() {
        return Err(Problem::new(
            Exit::Input,
            "new.exists",
            format!("{} exists already", file.display()),
            "A board file is never overwritten.",
            "Choose another name, or move the file away.",
        ));
    }
    folder::check_keys(arguments)?;
    if arguments.no_keys && arguments.policy == PolicyName::Signature {
        return usage(
            "new.no-keys",
            "the policy \"signature\" needs a public key, and --no-keys was given".into(),
            "A board that trusts no key accepts no image.",
            "Give --key PUBLIC.pem, or --policy crc or none.",
        );
    }
    let two_slots = arguments.strategy.is_some_and(|s| s != StrategyName::Single);
    if arguments.policy == PolicyName::None && two_slots {
        return usage(
            "new.no-manifest",
            "two slots need images with a manifest, and the policy \"none\" does not ask for one".into(),
            "The journal names the confirmed image by its manifest.",
            "Give --policy crc or signature.",
        );
    }
    if arguments.no_journal && two_slots {
        return usage(
            "new.no-journal",
            "two slots need a journal, and --no-journal was given".into(),
            "The journal says which image is confirmed.",
            "Leave --no-journal out, or give --strategy single.",
        );
    }
    Ok(())
}

/// What to do next, typed in the board's folder: there `board.toml` is found, and cargo finds `link`.
fn next_steps(board: &Board, folder: &Path, keys: &Keys, policy: PolicyName) -> String {
    let file = shell(&folder.join("board.toml"));
    let within = |path: &Path| shell(path.strip_prefix(folder).unwrap_or(path));
    let enter = match folder.components().all(|part| part == Component::CurDir) {
        true => String::new(),
        false => format!("cd {} && ", shell(folder)),
    };
    let private = keys.private.as_deref();
    let slot = board.slot();
    let sign = match (policy, private) {
        (PolicyName::Signature, Some(key)) => format!(" --key {}", within(key)),
        (PolicyName::Signature, None) => " --key PRIVATE.pem".to_owned(),
        _ => String::new(),
    };
    let mut keep = String::new();
    if let Some(key) = private {
        keep = format!(
            "Keep {} secret and back it up: it signs for this board, and without it no update is possible.\n",
            key.display()
        );
    }
    if let Some(spare) = &keys.spare {
        keep.push_str(&format!(
            "Move {} off this machine: the board trusts it too, for the day the first key has to be revoked.\n",
            spare.display()
        ));
    }
    let slots = match board.running_slots()[..] {
        [a, b] => format!(
            "slots at 0x{:08X} with {} bytes and at 0x{:08X} with {}",
            a.base, a.length, b.base, b.length
        ),
        _ => format!("application at 0x{:08X} with {} bytes", slot.base, slot.length),
    };
    let (scripts, twice) = match board.strategy {
        Strategy::Ab => (
            "memory-a.x, memory-b.x, .ld and header for the application",
            "      (once linked for slot A, once for slot B)",
        ),
        _ => ("memory.x, .ld and header for the application", ""),
    };
    // The board takes whichever build is linked for the slot that is free.
    let (first, files) = match board.strategy {
        Strategy::Ab => ("app-a.dfu", "app-a.dfu app-b.dfu"),
        _ => ("app.dfu", "app.dfu"),
    };
    #[cfg(feature = "sim")]
    let modelled = surefoot_sim::ChipModel::find(board.chip.name).is_some();
    #[cfg(not(feature = "sim"))]
    let modelled = false;
    let virtual_board = if modelled { "      (without hardware: --link sim:board.state)" } else { "" };
    let try_it = match (virtual_board, policy, private) {
        ("", ..) | (_, PolicyName::Signature, None) => String::new(),
        _ => "Or at once: surefoot run APP.elf      (signs it and runs it on a virtual board)\n".to_owned(),
    };
    format!(
        "{BOLD}{file}{BOLD:#}: {}, bootloader {} bytes, {slots}.\n{keep}\n\
         Next:\n  \
         1. set chip, pins, crystal and layout in {file}\n  \
         2. {enter}surefoot layout --out link      ({scripts})\n  \
         3. surefoot bootloader --out bootloader.hex      (write it once, with a probe or ST's ROM)\n  \
         4. surefoot image sign APP.elf{sign} --version 1.0.0 --out {first}{twice}\n  \
         5. surefoot flash {files}{virtual_board}\n{try_it}",
        board.chip.name,
        board.bootloader().length,
    )
}

/// A path as it is written on a command line, quoted where a shell would take it apart.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-+:@%,".contains(c);
    match text.chars().all(plain) {
        true => text,
        false if cfg!(windows) => format!("\"{text}\""),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_path_in_the_next_steps_is_one_word_for_the_shell() {
        assert_eq!(shell(Path::new("mine/board.toml")), "mine/board.toml");
        assert_eq!(shell(Path::new("my boards/it's.toml")), "'my boards/it'\\''s.toml'");
    }
}
