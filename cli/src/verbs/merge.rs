//! `surefoot merge`: bootloader and application in one file, for a production programmer.
//!
//! The application is checked by the configuration block in the bootloader that it is merged with, as
//! the board will check it. Nothing is signed or sealed here but the built-in bootloader, unless one is given.

use super::bootloader::built_in;
use super::image::keygen::hex;
use super::info::state::version;
use crate::board::{Loaded, MaybeBoardFile, not_sealed};
use crate::exit::Exit;
use crate::output::{Report, Table};
use crate::problem::Problem;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_core::config::{Config, Slot};
use surefoot_host::files::{self, Format, Ids, Part, Place, Segment, Segments};
use surefoot_host::image::{self, SealedBootloader};
use surefoot_host::job::slot_name;
use surefoot_host::texts;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The signed application: DFU, HEX, BIN or ELF file
    application: PathBuf,
    /// The sealed bootloader, as `surefoot bootloader` wrote it [default: the built-in one, sealed for the board file]
    #[arg(long, conflicts_with = "board")]
    bootloader: Option<PathBuf>,
    #[command(flatten)]
    board: MaybeBoardFile,
    /// The factory file: .hex or .bin (gaps filled with 0xFF)
    #[arg(long, short)]
    out: PathBuf,
}

/// Checks, merges, writes.
pub fn run(arguments: &Arguments) -> Result<Report, Problem> {
    let format = Format::by_name(&arguments.out).filter(|f| matches!(f, Format::Hex | Format::Bin));
    if format.is_none() {
        return Err(Problem::new(
            Exit::Usage,
            "merge.format",
            format!("{} is neither a .hex nor a .bin", arguments.out.display()),
            "A production programmer writes these; over DFU the bootloader does not replace itself.",
            "Name the result .hex or .bin.",
        ));
    }
    let bootloader = bootloader(arguments)?;
    let sealed = SealedBootloader::find(&bootloader).ok_or_else(|| {
        Problem::new(
            Exit::Input,
            "merge.not-a-bootloader",
            format!("{} is not a Surefoot bootloader", named(arguments.bootloader.as_deref())),
            "It has no bootloader's header at its start.",
            "Give the file that `surefoot bootloader` wrote.",
        )
    })?;
    let config = sealed.config().map_err(|fault| {
        let text = texts::config_fault(fault);
        Problem::new(
            Exit::Input,
            "merge.not-sealed",
            format!("{} cannot start a board: {}", named(arguments.bootloader.as_deref()), text.what),
            "Without its configuration block a bootloader knows neither flash nor keys.",
            "Seal it with `surefoot bootloader`.",
        )
    })?;
    let application = application(arguments, config)?;
    let (number, slot) = slot_of(config, &application);
    let checked = image::nothing_behind_manifest(&application).map_err(Problem::from);
    let checked = checked.and_then(|()| Ok(image::check(config, slot, &application).map(|_| ())?));
    checked.map_err(|problem| problem.about(&arguments.application))?;
    apart(&bootloader, &application, config)?;
    let all = bootloader.iter().chain(application.iter()).cloned();
    let parts = all.map(|Segment { address, bytes }| Part { address, bytes, place: Place::Offset(0) });
    let merged = Segments::new(parts).map_err(files::FileError::from)?;
    let format = files::write(&arguments.out, &merged, Ids::default())?;
    let seen = image::inspect(&application);
    let view = seen.manifest.and_then(Result::ok);
    let name = slot_name(config.strategy(), number);
    let [major, minor, patch] = sealed.header.version;
    let mut table = Table::default();
    table.row("written", format!("{} ({format})", arguments.out.display())).row(
        "bootloader",
        format!("0x{:08X}..0x{:08X}, {major}.{minor}.{patch}", bootloader.start(), bootloader.end()),
    );
    let told = view.as_ref().map_or(String::new(), |v| format!(", version {}", version(v.manifest.version)));
    table.row(
        "application",
        format!("0x{:08X}..0x{:08X}, {name}{told}", application.start(), application.end()),
    );
    if config.has_journal() && config.trial_boots() != 0 {
        table.row("trial", "the application confirms itself at its first start, as after an update");
    }
    let json = json!({
        "out": arguments.out,
        "format": format.to_string(),
        "board_id": config.board_id(),
        "bootloader": { "base": bootloader.start(), "length": bootloader.end() - bootloader.start(), "version": format!("{major}.{minor}.{patch}") },
        "application": {
            "base": application.start(),
            "length": application.end() - application.start(),
            "slot": name,
            "version": view.as_ref().map(|v| version(v.manifest.version)),
            "security_counter": view.as_ref().map(|v| v.manifest.security_counter),
            "sha256": hex(&seen.sha256),
        },
    });
    Ok(Report::new(json, table.text()))
}

fn named(bootloader: Option<&Path>) -> String {
    bootloader.map_or("the built-in bootloader".into(), |path| path.display().to_string())
}

fn bootloader(arguments: &Arguments) -> Result<Segments, Problem> {
    if let Some(path) = &arguments.bootloader {
        const FLASH: u32 = 0x0800_0000;
        let raw = Format::by_name(path) == Some(Format::Bin);
        return match files::read(path, raw.then_some(FLASH)) {
            Ok(loaded) => Ok(loaded.segments),
            Err(error) => Err(Problem::from(error).about(path)),
        };
    }
    let Some(Loaded { board, .. }) = arguments.board.load()? else {
        return Err(Problem::new(
            Exit::Usage,
            "merge.no-bootloader",
            "neither a bootloader nor a board file was given",
            "The built-in bootloader is sealed for a board before it is merged.",
            "Give --bootloader FILE, or --board BOARD.toml.",
        ));
    };
    let sealed = built_in(&board).map_err(|e| not_sealed(&e))?;
    Ok(Segments::one(sealed.base, sealed.image).map_err(files::FileError::from)?)
}

fn application(arguments: &Arguments, config: Config) -> Result<Segments, Problem> {
    let path = &arguments.application;
    let read = |address| files::read(path, address).map_err(|e| Problem::from(e).about(path));
    if Format::by_name(path) != Some(Format::Bin) {
        return Ok(read(None)?.segments);
    }
    let first = read(Some(config.first_slot().base))?.segments;
    let reset = image::inspect(&first).reset_vector.unwrap_or_default() & !1;
    let slot = config.slots().find(|slot| slot.contains(reset, 2)).unwrap_or(config.first_slot());
    Ok(read(Some(slot.base))?.segments)
}

/// The slot that it begins at, or the first one, for which it is refused then.
fn slot_of(config: Config, application: &Segments) -> (usize, Slot) {
    let mut slots = config.slots().enumerate();
    slots.find(|(_, slot)| slot.base == application.start()).unwrap_or((0, config.first_slot()))
}

/// The bootloader ends below everything that it knows of; what lies in its slot the check has seen.
fn apart(bootloader: &Segments, application: &Segments, config: Config) -> Result<(), Problem> {
    let lowest = config.regions().filter(|region| region.owner != 0).map(|region| region.base).min();
    let lowest = lowest.unwrap_or(application.start()).min(application.start());
    if bootloader.end() <= lowest {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Input,
        "merge.overlap",
        format!(
            "the bootloader ends at 0x{:08X}, and its board's flash is in use from 0x{lowest:08X}",
            bootloader.end()
        ),
        "The file holds more than a bootloader, or another one than its configuration block says.",
        "Give the file that `surefoot bootloader` wrote.",
    ))
}
