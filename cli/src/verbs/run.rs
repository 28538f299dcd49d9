//! `surefoot run`: a program signed, flashed, booted and watched, in one step; also as a cargo runner.
//!
//! Without --link the board is a virtual one that is made for this run and thrown away afterwards, so
//! that each run begins alike. [`key`] finds the development key, [`output`] shows what the program
//! says. What is checked, planned and written is as with `image sign` and `flash`.

mod key;
mod output;

use super::flash::Update;
use super::image::sign::version as parse_version;
use super::image::signer::{Opened, Signer};
use super::info::state::version;
use super::talk::{finish, left, with_session};
use crate::board::{Loaded, MaybeBoardFile, load};
use crate::exit::Exit;
use crate::link::{self, Link, LinkOptions};
use crate::output::{Report, Table, Ui};
use crate::problem::Problem;
use crate::progress::Bars;
use crate::shown;
use crate::signal::Signal;
use crate::virtual_board::{new_virtual_board, virtual_board};
use clap::Args;
use output::{Ended, Ran, watch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use surefoot_core::config::Policy;
use surefoot_core::image::Version;
use surefoot_host::files::{self, Segments};
use surefoot_host::image::{self, Identity};
use surefoot_host::job::{Finish, Options, Session, choose, plan};
use surefoot_host::link::sim::{PowerOn, SimLink, Watch};
use surefoot_host::link::{LinkError, Usb};
use surefoot_host::protocol::dfuse::Trace;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The program: ELF, HEX, BIN or DFU file, signed or not; for two slots both builds
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// usb for a board on the desk; sim:FILE for a virtual board that is kept
    /// [default: a new virtual board for this run]
    #[arg(long, value_parser = link::parse, verbatim_doc_comment)]
    link: Option<Link>,
    /// The board file [default: board.toml in this folder or one above it]
    #[arg(long, short)]
    board: Option<PathBuf>,
    #[command(flatten)]
    signer: Signer,
    /// Version, as in 1.2.3 [default: the crate's under cargo, else 0.0.0]
    #[arg(long = "version", id = "image-version", value_parser = parse_version)]
    version: Option<Version>,
    /// Run for so long of the virtual board's time [default: until Ctrl-C]
    #[arg(long = "for", id = "span", value_parser = crate::number::time)]
    span: Option<Duration>,
    /// USB vendor id, hexadecimal [default: the board file's]
    #[arg(long, value_parser = crate::number::id)]
    vid: Option<u16>,
    /// USB product id, hexadecimal [default: the board file's]
    #[arg(long, value_parser = crate::number::id)]
    pid: Option<u16>,
    /// USB serial number
    #[arg(long)]
    serial: Option<String>,
    /// With --link usb: wait this long for the board in update mode
    #[arg(long, default_value = "60s", value_parser = crate::number::time)]
    wait: Duration,
}

/// Runs.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    let file = board_file(arguments)?;
    let board = load(&file)?;
    // What cannot be read is told before any board is looked for.
    for file in &arguments.files {
        read(file, board.board.slot().base)?;
    }
    let signer = signer(arguments, &board, &file, ui)?;
    match &arguments.link {
        Some(Link::Usb) => on_the_desk(arguments, &file, &signer, ui),
        Some(Link::Sim(path, how)) => {
            let virtual_board = virtual_board(path, Some(&board), ui)?;
            // Nobody has to hold the button of a virtual board.
            let has_button = virtual_board.fitting.button.is_some();
            let how = PowerOn { button: how.button || has_button, magic: how.magic || !has_button, ..*how };
            let link = SimLink::open(virtual_board, path.clone(), how)?;
            virtually(arguments, link, &board, &signer, ui)
        }
        None => {
            let link = SimLink::open_unkept(new_virtual_board(&board.board)?, PowerOn::default())?;
            virtually(arguments, link, &board, &signer, ui)
        }
    }
}

/// The one that was named, or the nearest board.toml above: cargo runs a program where the user is.
fn board_file(arguments: &Arguments) -> Result<PathBuf, Problem> {
    if let Some(file) = &arguments.board {
        return Ok(file.clone());
    }
    let here = Path::new("board.toml");
    let above = std::env::current_dir().ok();
    let found =
        above.iter().flat_map(|folder| folder.ancestors()).map(|f| f.join(here)).find(|f| f.is_file());
    match found {
        _ if here.is_file() => Ok(here.to_owned()),
        Some(file) => Ok(file),
        None => Err(Problem::new(
            Exit::Input,
            "run.no-board",
            "there is no board.toml in this folder or one above it",
            "A program is signed and linked for a board.",
            "Name the file with --board, or make one with `surefoot new`.",
        )),
    }
}

/// Who signs, and how that is told.
struct Signing {
    by: Option<Opened>,
    name: String,
}

fn signer(arguments: &Arguments, board: &Loaded, file: &Path, ui: &Ui) -> Result<Signing, Problem> {
    if let Some(opened) = arguments.signer.open(ui)? {
        return Ok(Signing { by: Some(opened), name: "the key that was given".into() });
    }
    if board.board.policy != Policy::Signature {
        return Ok(Signing { by: None, name: "no key".into() });
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let found = key::development(&board.board, folder);
    Ok(match found {
        Some((path, key)) => {
            Signing { by: Some(Opened::Key(Box::new(key))), name: path.display().to_string() }
        }
        None => Signing { by: None, name: String::new() },
    })
}

/// What went to the board.
struct Delivered {
    update: Update,
    id: u32,
    json: Value,
    end: Finish,
}

fn read(file: &Path, slot: u32) -> Result<files::Loaded, Problem> {
    let raw = files::Format::by_name(file) == Some(files::Format::Bin);
    files::read(file, raw.then_some(slot)).map_err(|e| Problem::from(e).about(file))
}

/// Chooses, signs, checks, writes, verifies, leaves.
fn deliver(
    arguments: &Arguments,
    session: &mut Session,
    board: &Loaded,
    signing: &Signing,
    ui: &Ui,
) -> Result<Delivered, Problem> {
    session.look()?;
    let slot = session.target().slot().unwrap_or(board.board.slot());
    let mut all = Vec::new();
    for file in &arguments.files {
        all.push(read(file, slot.base)?.segments);
    }
    let index = choose(session.target(), &all).map_err(|error| match &arguments.files[..] {
        [file] => Problem::from(error).about(file),
        _ => Problem::from(error),
    })?;
    let (file, program) = (&arguments.files[index], all.swap_remove(index));
    let floor =
        session.target().state.as_ref().and_then(|s| s.journal.as_ref()).map_or(0, |j| j.state.floor());
    let signed_before = image::inspect(&program).manifest.is_some_and(|m| m.is_ok());
    let image = match signed_before {
        true => program,
        false => signed(arguments, program, slot, floor, board, signing).map_err(|p| p.about(file))?,
    };
    let plan = plan(session.target(), Some(board.config()?), &image, Options::default())
        .map_err(|e| Problem::from(e).about(file))?;
    let update = Update::of(session.target(), &plan, &image, file);
    let view = image::inspect(&image).manifest.and_then(Result::ok);
    let by =
        if signed_before { "already signed".to_owned() } else { format!("signed with {}", signing.name) };
    let place = update.place().unwrap_or_else(|| format!("{}, to 0x{:08X}", file.display(), plan.start));
    ui.note(&format!("{place}: {by}"));
    let mut bars = Bars::new(Ui { quiet: true, ..*ui });
    session.flash(&plan, &mut bars)?;
    session.verify(&plan.write, &mut bars)?;
    let end = session.leave(plan.start)?;
    let json = json!({
        "file": shown::path(file),
        "start": plan.start,
        "bytes": plan.bytes(),
        "signed_with": (!signed_before).then(|| signing.name.clone()),
        "version": view.as_ref().map(|v| version(v.manifest.version)),
        "security_counter": view.as_ref().map(|v| v.manifest.security_counter),
        "board": finish(end).0,
        "update": update.json(Some(end)),
    });
    let id = view.map_or(0, |view| view.id());
    Ok(Delivered { update, id, json, end })
}

/// A development build takes the counter that the board asks for, so that it is never too old.
fn signed(
    arguments: &Arguments,
    program: Segments,
    slot: surefoot_core::config::Slot,
    counter: u32,
    board: &Loaded,
    signing: &Signing,
) -> Result<Segments, Problem> {
    if board.board.policy == Policy::Signature && signing.by.is_none() {
        return Err(Problem::new(
            Exit::Input,
            "run.no-key",
            format!("no private key for board {} was found", board.board.name),
            "It is looked for beside the board file and in its folder keys; a key under a password is not taken.",
            "Name it with --key PRIVATE.pem, or give a signed file.",
        ));
    }
    // A manifest has no room for what follows a crate's three numbers.
    let numbers = |text: String| parse_version(text.split(['-', '+']).next()?).ok();
    let under_cargo = || numbers(std::env::var("CARGO_PKG_VERSION").ok()?);
    let identity = Identity {
        version: arguments.version.or_else(under_cargo).unwrap_or_default(),
        security_counter: counter,
        device_id: board.board.device_id(),
        board_id: board.board.id,
    };
    let public = signing.by.as_ref().map(Opened::public);
    let flat = image::flat(&program, slot)?;
    let unsigned = image::prepare(flat, slot, identity, public.as_ref(), false)?;
    let bytes = match &signing.by {
        Some(signer) => {
            let signature = signer.sign(&unsigned)?;
            unsigned.signed(signature)
        }
        None => unsigned.bytes(),
    };
    Ok(Segments::one(slot.base, bytes).map_err(files::FileError::from)?)
}

/// On a virtual board: the program's output, until the time is over or somebody has enough.
fn virtually(
    arguments: &Arguments,
    mut link: SimLink,
    board: &Loaded,
    signing: &Signing,
    ui: &Ui,
) -> Result<Report, Problem> {
    let signal = Signal::caught().map_err(|e| {
        Problem::new(Exit::Internal, "run.signal", format!("signals cannot be caught: {e}"), "", "")
    })?;
    // Of an older application, while it had the board.
    Watch::forget(&mut link.board().board);
    let tell = |text: &str| ui.traffic(text);
    let delivered = Session::open(&mut Trace::new(&mut link, &tell), false)
        .map_err(Problem::from)
        .and_then(|mut session| deliver(arguments, &mut session, board, signing, ui));
    let done = delivered.map(|delivered| {
        let ran = watch(link.board(), delivered.id, arguments.span, &signal, ui);
        (delivered, ran)
    });
    let remarks = link.remarks();
    let closed = Box::new(link).close();
    let (delivered, ran) = done?;
    closed?;
    if !ui.json {
        for remark in &remarks {
            ui.note(&format!("virtual board: {remark}"));
        }
    }
    ended(delivered, ran, &remarks)
}

fn ended(delivered: Delivered, ran: Ran, remarks: &[String]) -> Result<Report, Problem> {
    let problem = |exit, code, what: String, why, remedy| Err(Problem::new(exit, code, what, why, remedy));
    match ran.ended {
        Ended::RolledBack(Some(to)) => {
            return problem(
                Exit::Image,
                "image.rejected",
                format!(
                    "the image did not confirm itself in its trial boots: the board rolled back to {}",
                    version(to)
                ),
                "Each trial boot ended in a reset, or the application never confirmed itself.",
                "Correct the application; it confirms itself with `confirm` of the application library.",
            );
        }
        Ended::RolledBack(None) => {
            return problem(
                Exit::Image,
                "image.rejected",
                "the image did not confirm itself in its trial boots: the board waits in update mode".into(),
                "Each trial boot ended in a reset, or the application never confirmed itself; there is no \
                 older image to go back to.",
                "Correct the application; it confirms itself with `confirm` of the application library.",
            );
        }
        Ended::LockedUp(pc) => return Err(LinkError::Lockup { pc }.into()),
        Ended::Time | Ended::Signal => {}
    }
    let mut table = Table::default();
    table.row("ran", format!("{:.3} s of the virtual board's time, {} resets", ran.seconds, ran.resets));
    if let Some(text) = delivered.update.trial() {
        match ran.confirmed {
            Some(at) => table.row("trial", format!("confirmed after {at:.3} s")),
            None => table.row("trial", format!("not confirmed; {text}")),
        };
    }
    let mut json = delivered.json;
    if let Some(object) = json.as_object_mut() {
        let uarts: Vec<Value> =
            ran.uarts.iter().map(|(number, text)| json!({ "usart": number, "text": text })).collect();
        object.insert("seconds".into(), json!(ran.seconds));
        object.insert("resets".into(), json!(ran.resets));
        object.insert("confirmed_after".into(), json!(ran.confirmed));
        object.insert("ended_by".into(), json!(if ran.ended == Ended::Time { "time" } else { "signal" }));
        object.insert("uarts".into(), json!(uarts));
        object.insert("remarks".into(), json!(remarks));
    }
    Ok(Report::new(json, table.text()))
}

/// On a board on the desk: what becomes of it. Its serial lines are not part of the link.
fn on_the_desk(arguments: &Arguments, file: &Path, signing: &Signing, ui: &Ui) -> Result<Report, Problem> {
    let options = LinkOptions {
        link: Link::Usb,
        board: MaybeBoardFile { board: Some(file.to_owned()) },
        vid: arguments.vid,
        pid: arguments.pid,
        serial: arguments.serial.clone(),
        wait: arguments.wait,
    };
    ui.note("looking for the board in update mode");
    with_session(&options, ui, |session, board| {
        let Some(board) = board else {
            return Err(Problem::new(
                Exit::Internal,
                "run.no-board",
                "the board file was not loaded",
                "",
                "",
            ));
        };
        let delivered = deliver(arguments, session, board, signing, ui)?;
        let mut table = Table::default();
        table.row("board", finish(delivered.end).1);
        if let Some(text) = delivered.update.trial().filter(|_| left(delivered.end)) {
            table.row("trial", text);
        }
        table.row("output", "on the board's own serial port; USB DFU carries none");
        Ok(Report::new(delivered.json, table.text()))
    })
}
