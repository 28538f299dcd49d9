//! `surefoot merge`: bootloader and application in one file, for a production programmer.
//!
//! The application is checked by the configuration block in the bootloader that it is merged with, as
//! the board will check it. Nothing is signed or sealed here but the built-in bootloader, unless one is given.

use super::bootloader::built_in;
use super::image::keygen::hex;
use super::info::state::version;
use crate::board::{Loaded, MaybeBoardFile};
use crate::exit::Exit;
use crate::output::{Report, Table};
use crate::problem::Problem;
use crate::shown;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use surefoot_board::{does_not_keep, untried};
use surefoot_core::config::{Config, Slot, Strategy};
use surefoot_host::files::{self, Format, Ids, Part, Place, Segment, Segments};
use surefoot_host::image::{self, Inspection, ManifestView, SealedBootloader};
use surefoot_host::job::slot_name;
use surefoot_host::texts;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The signed application: DFU, HEX, BIN or ELF file; for a board with slots A and B also both builds of it
    #[arg(required = true, num_args = 1..=2, value_name = "APPLICATION")]
    applications: Vec<PathBuf>,
    /// The sealed bootloader, as `surefoot bootloader` wrote it [default: the built-in one, sealed for the board file]
    #[arg(long, conflicts_with = "board")]
    bootloader: Option<PathBuf>,
    #[command(flatten)]
    board: MaybeBoardFile,
    /// The factory file: .hex or .bin (gaps filled with 0xFF)
    #[arg(long, short)]
    out: PathBuf,
}

/// An application that was proved for its slot.
struct Application {
    segments: Segments,
    slot: &'static str,
    seen: Inspection,
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
    let others = [&arguments.bootloader, &arguments.board.board].into_iter().flatten();
    files::not_over(&arguments.out, arguments.applications.iter().chain(others).map(PathBuf::as_path))?;
    let (bootloader, said) = bootloader(arguments)?;
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
    let warnings = said.unwrap_or_else(|| does_not_keep(config).into_iter().chain(untried(config)).collect());
    let applications = applications(&arguments.applications, config)?;
    let mut parts: Vec<Segment> = bootloader.iter().cloned().collect();
    for application in &applications {
        apart(&bootloader, &application.segments, config)?;
        parts.extend(application.segments.iter().cloned());
    }
    let part = |Segment { address, bytes }| Part { address, bytes, place: Place::Offset(0) };
    let merged = Segments::new(parts.into_iter().map(part)).map_err(files::FileError::from)?;
    let format = files::write(&arguments.out, &merged, Ids::default())?;
    let [major, minor, patch] = sealed.header.version;
    let mut table = Table::default();
    table.row("written", format!("{} ({format})", arguments.out.display())).row(
        "bootloader",
        format!("0x{:08X}..0x{:08X}, {major}.{minor}.{patch}", bootloader.start(), bootloader.end()),
    );
    for application in &applications {
        table.row("application", application.text());
    }
    if config.has_journal() && config.trial_boots() != 0 {
        table.row("trial", "the application confirms itself at its first start, as after an update");
    }
    if let [first, second] = &applications[..] {
        table.row("order", format!("{} is started first, {} if that one fails", first.slot, second.slot));
    }
    table.warnings(&warnings);
    let json = json!({
        "out": shown::path(&arguments.out),
        "format": format.to_string(),
        "board_id": config.board_id(),
        "bootloader": { "base": bootloader.start(), "length": bootloader.end() - bootloader.start(), "version": format!("{major}.{minor}.{patch}") },
        "applications": applications.iter().map(Application::json).collect::<Vec<_>>(),
        "warnings": warnings,
    });
    Ok(Report::new(json, table.text()))
}

impl Application {
    fn manifest(&self) -> Option<&ManifestView> {
        self.seen.manifest.as_ref()?.as_ref().ok()
    }

    fn text(&self) -> String {
        let told = self.manifest().map(|view| format!(", version {}", version(view.manifest.version)));
        let (start, end) = (self.segments.start(), self.segments.end());
        format!("0x{start:08X}..0x{end:08X}, {}{}", self.slot, told.unwrap_or_default())
    }

    fn json(&self) -> Value {
        json!({
            "base": self.segments.start(),
            "length": self.segments.end() - self.segments.start(),
            "slot": self.slot,
            "version": self.manifest().map(|view| version(view.manifest.version)),
            "security_counter": self.manifest().map(|view| view.manifest.security_counter),
            "sha256": hex(&self.seen.sha256),
        })
    }
}

fn named(bootloader: Option<&Path>) -> String {
    bootloader.map_or("the built-in bootloader".into(), |path| path.display().to_string())
}

/// It, and the warnings of the board file that it is sealed for.
fn bootloader(arguments: &Arguments) -> Result<(Segments, Option<Vec<String>>), Problem> {
    if let Some(path) = &arguments.bootloader {
        const FLASH: u32 = 0x0800_0000;
        let raw = Format::by_name(path) == Some(Format::Bin);
        return match files::read(path, raw.then_some(FLASH)) {
            Ok(loaded) => Ok((loaded.segments, None)),
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
    let (sealed, _) = built_in(&board)?;
    let segments = Segments::one(sealed.base, sealed.image).map_err(files::FileError::from)?;
    Ok((segments, Some(board.warnings)))
}

/// All of them, each proved for its slot, in the order of the slots.
fn applications(paths: &[PathBuf], config: Config) -> Result<Vec<Application>, Problem> {
    let running = running(config);
    if paths.len() > running.len() {
        return Err(Problem::new(
            Exit::Input,
            "merge.one-slot",
            format!("{} applications were given, and the board runs them in one slot only", paths.len()),
            "Two builds go to a board with slots A and B; a backup slot is filled by the bootloader itself.",
            &format!("Give the one that is linked for {}.", named_slots(config)),
        ));
    }
    let mut found: Vec<(usize, Application)> = Vec::new();
    for path in paths {
        let segments = read(path, config)?;
        if SealedBootloader::find(&segments).is_some() {
            return Err(Problem::from(image::ImageError::Bootloader).about(path));
        }
        let linked = running.iter().position(|slot| slot.base == segments.start());
        let number = match (linked, &running[..]) {
            (Some(number), _) => number,
            // The check tells what is wrong with it.
            (None, [_]) => 0,
            (None, _) => return Err(linked_for_none(path, &segments, config)),
        };
        let name = slot_name(config.strategy(), number);
        if found.iter().any(|(other, _)| *other == number) {
            return Err(Problem::new(
                Exit::Input,
                "merge.same-slot",
                format!("both files are linked for {name}"),
                "An application runs in the slot that it is linked for, so each slot takes one build.",
                &format!("Give one file, or builds for {}.", named_slots(config)),
            ));
        }
        let checked = image::nothing_behind_manifest(&segments).map_err(Problem::from);
        let checked =
            checked.and_then(|()| Ok(image::check(config, running[number], &segments).map(|_| ())?));
        checked.map_err(|problem| problem.about(path))?;
        let seen = image::inspect(&segments);
        found.push((number, Application { segments, slot: name, seen }));
    }
    found.sort_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, application)| application).collect())
}

/// The slots in which applications run.
fn running(config: Config) -> Vec<Slot> {
    let count = if config.strategy() == Strategy::Ab { 2 } else { 1 };
    config.slots().take(count).collect()
}

/// "slot A at 0x0800C000 and slot B at 0x08080000".
fn named_slots(config: Config) -> String {
    let slots = running(config).into_iter().enumerate();
    let named =
        slots.map(|(number, s)| format!("{} at 0x{:08X}", slot_name(config.strategy(), number), s.base));
    named.collect::<Vec<_>>().join(" and ")
}

fn linked_for_none(path: &Path, segments: &Segments, config: Config) -> Problem {
    Problem::new(
        Exit::Image,
        "merge.no-slot",
        format!("{} begins at 0x{:08X}, where no slot does", path.display(), segments.start()),
        &format!(
            "An application runs in the slot that it is linked for; this board has {}.",
            named_slots(config)
        ),
        "Link it for one of them (see `surefoot layout --out`), or give both builds.",
    )
}

/// Raw bytes go where their reset vector says that they are linked for.
fn read(path: &Path, config: Config) -> Result<Segments, Problem> {
    let read = |address| files::read(path, address).map_err(|e| Problem::from(e).about(path));
    if Format::by_name(path) != Some(Format::Bin) {
        return Ok(read(None)?.segments);
    }
    let first = read(Some(config.first_slot().base))?.segments;
    let reset = image::inspect(&first).reset_vector.unwrap_or_default() & !1;
    let running = running(config);
    let linked = running.iter().find(|slot| slot.contains(reset, 2)).map(|slot| slot.base);
    // With two slots none of them is a guess.
    let base = linked.or_else(|| image::linked_for(reset, running[0]).filter(|_| running.len() > 1));
    Ok(read(Some(base.unwrap_or(running[0].base)))?.segments)
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
