//! `surefoot flash`: choose, plan, erase, program, verify, leave.

mod update;

use super::image::keygen::hex;
use super::info::told_unique_id;
use super::talk::{finish, left, with_protocol};
use crate::board::Loaded;
use crate::exit::Exit;
use crate::link::LinkOptions;
use crate::output::{BAD, GOOD, Report, Table, Ui};
use crate::problem::Problem;
use crate::progress::Bars;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_board::does_not_keep;
use surefoot_host::files::{self, Ids};
use surefoot_host::image;
use surefoot_host::job::{Erase, Finish, Options, Plan, Session, Target, choose, plan};
use surefoot_host::protocol::dfuse::{DfuSe, Style};
pub use update::Update;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image: DFU, HEX, BIN, ELF, S-record or UF2 file; several, one linked for each slot: the one that fits is taken
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    link: LinkOptions,
    /// Where a BIN goes [default: the board's slot]
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
    /// Which sectors to erase
    #[arg(long, value_enum, default_value = "needed")]
    erase: EraseName,
    /// Do not read back and compare
    #[arg(long)]
    no_verify: bool,
    /// Stay in update mode
    #[arg(long)]
    stay: bool,
    /// Set the address once and count blocks [default for Surefoot's bootloader]
    #[arg(long, conflicts_with = "address_each")]
    counting: bool,
    /// Set the address for each block [default for others]
    #[arg(long)]
    address_each: bool,
    /// Take an image with whole erased sectors inside it: they are erased, and must stay so
    #[arg(long)]
    fill_gaps: bool,
    /// Transfer even an image that the board will refuse (to test boards)
    #[arg(long)]
    unchecked: bool,
    /// Check everything, tell the plan, change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EraseName {
    /// Those that the image needs
    Needed,
    /// All of the slot
    All,
}

/// Flashes.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    // A file that cannot be read is told before any device is looked for.
    for file in &arguments.files {
        match read(arguments, file, None) {
            Err(problem) if problem.code != "file.no-address" => return Err(problem),
            _ => {}
        }
    }
    let protocol = match (arguments.counting, arguments.address_each) {
        (true, _) => DfuSe::with_style(Style::Counting),
        (_, true) => DfuSe::with_style(Style::AddressPerBlock),
        _ => DfuSe::default(),
    };
    with_protocol(&arguments.link, ui, protocol, |session, board| {
        session.look()?;
        let slot = session.target().slot().map(|s| s.base).or(board.map(|b| b.board.slot().base));
        let Chosen { file, loaded } = chosen(arguments, session, slot)?;
        if let Some(ids) = loaded.ids.filter(|_| !arguments.unchecked) {
            meant_for(ids, session, board).map_err(|problem| problem.about(file))?;
        }
        for text in &loaded.notes {
            ui.note(text);
        }
        let plan = plan_for(arguments, session, board, &loaded.segments)?;
        let update = Update::of(session.target(), &plan, &loaded.segments, file);
        let unit = Unit::of(session.target(), &loaded.segments);
        let warnings = warnings(session, board)?;
        if arguments.dry_run {
            let (plan, update) = (&plan, &update);
            return Ok(report(Told { plan, update, unit, warnings, end: None, verified: false }));
        }
        for text in plan.unproved.iter().map(|text| format!("not checked: {text}")).chain(update.notes()) {
            ui.note(&text);
        }
        let mut bars = Bars::new(*ui);
        session.flash(&plan, &mut bars)?;
        if !arguments.no_verify {
            session.verify(&plan.write, &mut bars)?;
        }
        let end = if arguments.stay { Finish::Stayed } else { session.leave(plan.start)? };
        let (plan, update, verified) = (&plan, &update, !arguments.no_verify);
        Ok(report(Told { plan, update, unit, warnings, end: Some(end), verified }))
    })
}

/// The file that goes to this board.
struct Chosen<'a> {
    file: &'a Path,
    loaded: files::Loaded,
}

fn chosen<'a>(arguments: &'a Arguments, session: &Session, slot: Option<u32>) -> Result<Chosen<'a>, Problem> {
    let mut all = Vec::new();
    for file in &arguments.files {
        all.push(read(arguments, file, slot)?);
    }
    let images: Vec<_> = all.iter().map(|loaded| loaded.segments.clone()).collect();
    let index = match (choose(session.target(), &images), &arguments.files[..]) {
        (Ok(index), _) => index,
        (Err(error), [file]) => return Err(Problem::from(error).about(file)),
        (Err(error), _) => return Err(error.into()),
    };
    Ok(Chosen { file: &arguments.files[index], loaded: all.swap_remove(index) })
}

fn read(arguments: &Arguments, file: &Path, slot: Option<u32>) -> Result<files::Loaded, Problem> {
    let is_raw = files::Format::by_name(file) == Some(files::Format::Bin);
    let address = arguments.address.or(slot.filter(|_| is_raw));
    files::read(file, address).map_err(|e| Problem::from(e).about(file))
}

/// The USB ids in a DFU file's suffix: 0xFFFF is any; else the device's own, or the board file's
/// where a ROM bootloader with other ids answers for the board.
fn meant_for(ids: Ids, session: &Session, board: Option<&Loaded>) -> Result<(), Problem> {
    let Some(device) = &session.target().device.usb else { return Ok(()) };
    let board = board.map(|b| &b.board.usb);
    let is = |id, device, board: Option<u16>| id == 0xFFFF || id == device || Some(id) == board;
    if is(ids.vid, device.vid, board.map(|u| u.vid)) && is(ids.pid, device.pid, board.map(|u| u.pid)) {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Image,
        "plan.other-ids",
        format!(
            "the file is for USB device {:04x}:{:04x}, the connected one is {:04x}:{:04x}",
            ids.vid, ids.pid, device.vid, device.pid
        ),
        "A DFU file names the device that it is meant for in its last bytes.",
        "Take the file for this board, or connect the other one.",
    ))
}

fn plan_for(
    arguments: &Arguments,
    session: &Session,
    board: Option<&Loaded>,
    segments: &files::Segments,
) -> Result<Plan, Problem> {
    let erase = match arguments.erase {
        EraseName::Needed => Erase::Needed,
        EraseName::All => Erase::All,
    };
    let options = Options { erase, unchecked: arguments.unchecked, fill_gaps: arguments.fill_gaps };
    let config = board.map(Loaded::config).transpose()?;
    Ok(plan(session.target(), config, segments, options)?)
}

/// What the board does not keep, by its own block or by the board file.
fn warnings(session: &Session, board: Option<&Loaded>) -> Result<Vec<String>, Problem> {
    let file = board.map(Loaded::config).transpose()?;
    Ok(session.target().config().or(file).map(does_not_keep).unwrap_or_default())
}

/// All that a report tells.
struct Told<'a> {
    plan: &'a Plan,
    update: &'a Update,
    unit: Unit,
    warnings: Vec<String>,
    /// Nothing for a dry run.
    end: Option<Finish>,
    verified: bool,
}

/// Which device got which image, for production's records.
struct Unit {
    serial: String,
    unique_id: Option<String>,
    sha256: String,
}

impl Unit {
    fn of(target: &Target, segments: &files::Segments) -> Self {
        Self {
            serial: target.device.serial.clone(),
            unique_id: target.info().and_then(told_unique_id),
            sha256: hex(&image::inspect(segments).sha256),
        }
    }
}

fn report(told: Told) -> Report {
    let Told { plan, update, unit, warnings, end, verified } = told;
    let mut table = Table::default();
    let sectors = plan.erase.len();
    let noun = if sectors == 1 { "sector" } else { "sectors" };
    if let Some(text) = update.place() {
        table.row("update", text);
    }
    table
        .row("erase", format!("{sectors} {noun}, {} bytes", plan.erased_bytes()))
        .row("program", format!("{} bytes from 0x{:08X}", plan.bytes(), plan.start));
    // Before an update it was told as a note.
    for text in plan.unproved.iter().filter(|_| end.is_none()) {
        table.row("not checked", text);
    }
    match end {
        None => table.row("dry run", format!("{GOOD}everything checked{GOOD:#}, nothing changed")),
        Some(end) => {
            table.row("verify", if verified { format!("{GOOD}same{GOOD:#}") } else { "skipped".into() });
            let style = if matches!(end, Finish::Back(_)) { BAD } else { GOOD };
            table.row("board", format!("{style}{}{style:#}", finish(end).1))
        }
    };
    if end == Some(Finish::Stayed) && update.is_installed() {
        table.row(
            "next",
            "the update is installed when the board leaves update mode: `surefoot boot`, or its time-out",
        );
    }
    if let Some(text) = end.filter(|end| left(*end)).and_then(|_| update.trial()) {
        table.row("trial", text);
    }
    table.warnings(&warnings);
    let erase: Vec<_> = plan.erase.iter().map(|s| json!({ "base": s.base, "size": s.size })).collect();
    let json = json!({
        "start": plan.start,
        "bytes": plan.bytes(),
        "erase": erase,
        "unproved": plan.unproved,
        "dry_run": end.is_none(),
        "verified": verified,
        "board": end.map(|e| finish(e).0),
        "serial": unit.serial,
        "unique_id": unit.unique_id,
        "sha256": unit.sha256,
        "update": update.json(end),
        "warnings": warnings,
    });
    Report::new(json, table.text())
}
