//! `surefoot flash`: plan, erase, program, verify, leave.

use super::talk::{finish, with_session};
use crate::board::Loaded;
use crate::exit::Exit;
use crate::link::LinkOptions;
use crate::output::{BAD, GOOD, Report, Table, Ui};
use crate::problem::Problem;
use crate::progress::Bars;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use surefoot_core::dfu::host::Style;
use surefoot_host::files::{self, Ids};
use surefoot_host::job::{Erase, Finish, Options, Plan, Session, plan};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image: DFU, HEX, BIN or ELF file
    file: PathBuf,
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
    match read(arguments, None) {
        Err(problem) if problem.code != "file.no-address" => return Err(problem),
        _ => {}
    }
    with_session(&arguments.link, ui, |session, board| {
        match (arguments.counting, arguments.address_each) {
            (true, _) => session.set_style(Style::Counting),
            (_, true) => session.set_style(Style::AddressPerBlock),
            _ => {}
        }
        let slot = session.target().slot().map(|s| s.base).or(board.map(|b| b.board.slot().base));
        let loaded = read(arguments, slot)?;
        if let Some(ids) = loaded.ids.filter(|_| !arguments.unchecked) {
            meant_for(ids, session, board).map_err(|problem| problem.about(&arguments.file))?;
        }
        let plan = plan_for(arguments, session, board, &loaded.segments)?;
        if arguments.dry_run {
            return Ok(report(&plan, None, false));
        }
        for text in &plan.unproved {
            ui.note(&format!("not checked: {text}"));
        }
        let mut bars = Bars::new(*ui);
        session.flash(&plan, &mut bars)?;
        if !arguments.no_verify {
            session.verify(&plan.write, &mut bars)?;
        }
        let end = if arguments.stay { Finish::Stayed } else { session.leave(plan.start)? };
        Ok(report(&plan, Some(end), !arguments.no_verify))
    })
}

fn read(arguments: &Arguments, slot: Option<u32>) -> Result<files::Loaded, Problem> {
    let is_raw = files::Format::by_name(&arguments.file) == Some(files::Format::Bin);
    let address = arguments.address.or(slot.filter(|_| is_raw));
    files::read(&arguments.file, address).map_err(|e| Problem::from(e).about(&arguments.file))
}

/// The USB ids in a DFU file's suffix: 0xFFFF is any; else the device's own, or the board file's
/// where a ROM bootloader with other ids answers for the board.
fn meant_for(ids: Ids, session: &Session, board: Option<&Loaded>) -> Result<(), Problem> {
    let device = &session.target().descriptors;
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
    let options = Options { erase, unchecked: arguments.unchecked };
    let config = board.map(Loaded::config).transpose()?;
    Ok(plan(session.target(), config, segments, options)?)
}

fn report(plan: &Plan, end: Option<Finish>, verified: bool) -> Report {
    let mut table = Table::default();
    let sectors = plan.erase.len();
    table
        .row("erase", format!("{sectors} sectors, {} bytes", plan.erased_bytes()))
        .row("program", format!("{} bytes from 0x{:08X}", plan.bytes(), plan.start));
    for text in &plan.unproved {
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
    let erase: Vec<_> = plan.erase.iter().map(|s| json!({ "base": s.base, "size": s.size })).collect();
    let json = json!({
        "start": plan.start,
        "bytes": plan.bytes(),
        "erase": erase,
        "unproved": plan.unproved,
        "dry_run": end.is_none(),
        "verified": verified,
        "board": end.map(|e| finish(e).0),
    });
    Report::new(json, table.text())
}
