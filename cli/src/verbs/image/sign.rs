//! `surefoot image sign`: an application with its manifest or CRC-32, proved before it is written.

use super::inspect::manifest_json;
use super::orders::{Orders, leave, revokes};
use super::signer::{Opened, Signer};
use crate::board::{self, BoardFile, Loaded};
use crate::exit::Exit;
use crate::output::{GOOD, Report, Table, Ui};
use crate::problem::Problem;
use crate::shown;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_board::Board;
use surefoot_core::config::{Policy, Slot};
use surefoot_core::handoff;
use surefoot_core::image::manifest::Override;
use surefoot_core::image::{ImageFault, Version};
use surefoot_host::files::{self, Ids, Segments};
use surefoot_host::image::{self, CrcPlace, Identity, ManifestView, keys};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The application: ELF, HEX, BIN, DFU, S-record or UF2 file
    file: PathBuf,
    #[command(flatten)]
    board: BoardFile,
    #[command(flatten)]
    signer: Signer,
    /// Version, as in 1.2.3; v1.2 is 1.2.0 [default: 0.0.0, with a warning]
    #[arg(long = "version", id = "image-version", value_parser = version)]
    version: Option<Version>,
    /// Security counter: rises when older images must not come back [default: 0, with a warning]
    #[arg(long, visible_alias = "security-counter", allow_negative_numbers = true)]
    counter: Option<u32>,
    #[command(flatten)]
    orders: Orders,
    /// Where a BIN goes [default: the slot that its reset vector points into]
    #[arg(long, value_parser = crate::number::address)]
    address: Option<u32>,
    /// The result: .bin, .hex or .dfu
    #[arg(long, short)]
    out: PathBuf,
    /// No manifest, but a bare CRC-32 behind the image or in the region's last word
    #[arg(long, value_enum, conflicts_with_all = CRC_HAS_NONE)]
    crc: Option<CrcName>,
    /// Replace the manifest of an image that has one
    #[arg(long)]
    again: bool,
    /// Take an image with whole erased sectors inside it: they become part of it, and must stay erased
    #[arg(long)]
    fill_gaps: bool,
    /// For every board of this chip
    #[arg(long)]
    any_board: bool,
    /// Write it even if this board would refuse it (to test boards)
    #[arg(long)]
    unchecked: bool,
}

/// What needs a manifest.
const CRC_HAS_NONE: [&str; 7] =
    ["key", "sign_with", "counter", "again", "allow_downgrade", "allow_downgrade_on", "revoke"];

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CrcName {
    Image,
    Region,
}

pub fn version(text: &str) -> Result<Version, String> {
    let plain = text.strip_prefix(['v', 'V']).unwrap_or(text);
    if let Some(at) = plain.find(['+', '-']).filter(|at| *at > 0) {
        let (number, rest) = plain.split_at(at);
        return Err(format!(
            "a manifest has room for three numbers: give {number}, and keep {rest:?} elsewhere"
        ));
    }
    let parts: Vec<u16> = plain.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| EXPECTED)?;
    match parts[..] {
        [major, minor, patch] => Ok(Version { major, minor, patch }),
        [major, minor] => Ok(Version { major, minor, patch: 0 }),
        _ => Err(EXPECTED.into()),
    }
}

const EXPECTED: &str = "a version such as 1.2.3 or v1.2 is expected, each part at most 65535";

/// Signs, proves and writes.
pub fn run(arguments: Arguments, ui: &Ui) -> Result<Report, Problem> {
    let loaded = board::load(&arguments.board.board)?;
    let inputs = [&arguments.file, &arguments.board.board].into_iter().chain(arguments.signer.files());
    files::not_over(&arguments.out, inputs.map(PathBuf::as_path))?;
    let file = read(&arguments, &loaded)?;
    let mut warnings = file.notes.clone();
    warnings.extend(over_the_handoff(&arguments.file, &loaded.board));
    let input = &file.segments;
    let about = |e: image::ImageError| Problem::from(e).about(&arguments.file);
    let slot = slot_for(&loaded, input);
    let flat = image::flat_on(&board::address_map(&loaded.board), input, slot).map_err(about)?;
    if !arguments.unchecked {
        meant_for(&file, &loaded.board).map_err(|problem| problem.about(&arguments.file))?;
        let judged = image::check_vectors(loaded.config()?, slot, input);
        judged.map_err(|e| Problem::from(e).about(&arguments.file))?;
    }
    if let Some(hole) = image::hole(input, slot, arguments.crc.is_some(), board::sectors(&loaded.board)) {
        let hole = image::ImageError::Hole(hole);
        match arguments.fill_gaps {
            true => warnings.push(format!("{hole}: part of the image, so nothing may be written there")),
            false => return Err(about(hole)),
        }
    }
    let segments = match arguments.crc {
        Some(place) => {
            let place = match place {
                CrcName::Image => CrcPlace::Image,
                CrcName::Region => CrcPlace::Region,
            };
            image::with_crc(flat, slot, place).map_err(about)?
        }
        None => with_manifest(&arguments, &loaded, slot, flat, &mut warnings, ui)?,
    };
    if !arguments.unchecked {
        check(&arguments, &loaded, &segments)?;
    }
    let usb = &loaded.board.usb;
    let format = files::write(&arguments.out, &segments, Ids { vid: usb.vid, pid: usb.pid, device: 0xFFFF })?;
    Ok(report(&arguments, &loaded, &segments, format, warnings))
}

/// An ELF whose variables lie where the bootloader and the application leave words for each other.
fn over_the_handoff(path: &Path, board: &Board) -> Option<String> {
    let base = board.chip.ram.base;
    let covered = files::read_bytes(path).is_ok_and(|bytes| files::uses(&bytes, base, handoff::LEN));
    covered.then(|| {
        format!(
            "the program keeps data in the first {} bytes of RAM, at 0x{base:08X}, where the bootloader's record and \
             the request for update mode are: begin its RAM at 0x{:08X}, as the scripts of `surefoot layout` do",
            handoff::LEN,
            base + handoff::LEN
        )
    })
}

/// What the file says of where it belongs, against the board.
fn meant_for(file: &files::Loaded, board: &Board) -> Result<(), Problem> {
    let is = |id, board| id == 0xFFFF || id == board;
    if let Some(ids) = file.ids.filter(|ids| !is(ids.vid, board.usb.vid) || !is(ids.pid, board.usb.pid)) {
        return Err(Problem::new(
            Exit::Image,
            "image.other-ids",
            format!(
                "the file is for USB device {ids}, the board is {:04x}:{:04x}",
                board.usb.vid, board.usb.pid
            ),
            "A DFU suffix names the device that a file is meant for.",
            "Take the file for this board, or cut the suffix off with `dfu-suffix --delete FILE`.",
        ));
    }
    let named = file.family.map(|family| (family, family.stm32()));
    match named.filter(|(_, name)| name.is_none_or(|name| !board.chip.name.starts_with(name))) {
        None => Ok(()),
        Some((family, _)) => Err(Problem::new(
            Exit::Image,
            "image.other-chip",
            format!("the UF2 file is for {family}, the board has an {}", board.chip.name),
            "Each block of a UF2 file names the chips that it is for.",
            "Take the file for this chip, or the ELF or HEX of the same build.",
        )),
    }
}

/// Whatever can be refused is refused before anybody is asked for a signature.
fn with_manifest(
    arguments: &Arguments,
    loaded: &Loaded,
    slot: Slot,
    flat: Vec<u8>,
    warnings: &mut Vec<String>,
    ui: &Ui,
) -> Result<Segments, Problem> {
    let signer = arguments.signer.open(ui)?;
    warnings.extend(arguments.signer.warnings(signer.as_ref()));
    if arguments.version.is_none() {
        warnings.push("no --version was given: the image says 0.0.0, which identifies no release".into());
    }
    if arguments.counter.is_none() && loaded.board.has_journal() {
        warnings.push(
            "no --counter was given: the image has security counter 0, so it keeps no board from going back to an \
             older one"
                .into(),
        );
    }
    let identity = Identity {
        version: arguments.version.unwrap_or_default(),
        security_counter: arguments.counter.unwrap_or_default(),
        device_id: loaded.board.device_id(),
        board_id: if arguments.any_board { 0 } else { loaded.board.id },
    };
    let public = signer.as_ref().map(Opened::public);
    let unsigned = image::prepare(flat, slot, identity, public.as_ref(), arguments.again)
        .map_err(|e| Problem::from(e).about(&arguments.file))?;
    if let Some(handler) = unsigned.replaced_handler() {
        warnings.push(format!(
            "the reserved vectors 8-10 held the default handler 0x{handler:08X}, which the core never fetches there; the manifest's place is written over it"
        ));
    }
    let unsigned = arguments.orders.put_into(unsigned, &loaded.board, public.as_ref())?;
    let segments = |bytes| Segments::one(slot.base, bytes).map_err(files::FileError::from);
    let Some(signer) = signer else { return Ok(segments(unsigned.bytes())?) };
    if !arguments.unchecked {
        match image::check(loaded.config()?, slot, &segments(unsigned.bytes())?) {
            // The last check of all, and there is no signature yet.
            Err(refused) if refused.fault == ImageFault::Signature => {}
            other => {
                other.map_err(|e| Problem::from(e).about(&arguments.file))?;
            }
        }
    }
    let signature = signer.sign(&unsigned)?;
    Ok(segments(unsigned.signed(signature))?)
}

fn read(arguments: &Arguments, loaded: &Loaded) -> Result<files::Loaded, Problem> {
    let read =
        |address| files::read(&arguments.file, address).map_err(|e| Problem::from(e).about(&arguments.file));
    let is_raw = files::Format::by_name(&arguments.file) == Some(files::Format::Bin);
    if !is_raw || arguments.address.is_some() {
        return read(arguments.address);
    }
    let first = loaded.board.slot().base;
    let file = read(Some(first))?;
    let entry = image::inspect(&file.segments).reset_vector.unwrap_or(first) & !1;
    match loaded.board.running_slots().iter().find(|slot| slot.contains(entry, 2)) {
        Some(slot) if slot.base != first => read(Some(slot.base)),
        _ => Ok(file),
    }
}

/// The slot that the image is for: where it begins, or the board's first.
fn slot_for(loaded: &Loaded, segments: &Segments) -> Slot {
    let slots = loaded.board.running_slots();
    let begins = |slot: &Slot| segments.iter().any(|s| s.address == slot.base);
    slots.into_iter().find(begins).unwrap_or(loaded.board.slot())
}

/// Proves the result as the board will. A missing key gets its own remedy.
fn check(arguments: &Arguments, loaded: &Loaded, segments: &Segments) -> Result<(), Problem> {
    if loaded.board.policy == Policy::Signature && !arguments.signer.is_named() {
        return Err(Problem::new(
            Exit::Image,
            "image.not-signed",
            format!("board {} takes signed images only, and no key was given", loaded.board.name),
            "The board's policy is \"signature\".",
            "Add --key PRIVATE.pem or --sign-with COMMAND, or --unchecked to write it unsigned.",
        ));
    }
    let proof = image::check(loaded.config()?, slot_for(loaded, segments), segments);
    proof.map(|_| ()).map_err(|e| Problem::from(e).about(&arguments.file))
}

/// What the board file proves.
fn accepted(board: &Board) -> String {
    match board.policy {
        Policy::Signature => format!("the policy and keys of board {} accept it", board.name),
        _ => format!("the policy of board {} accepts it", board.name),
    }
}

/// What only a board's own journal can tell.
fn left_to_the_board(board: &Board, view: &ManifestView) -> Option<String> {
    let counter = view.manifest.security_counter;
    let floor = view.manifest.overrides != Override::Image && counter < u32::MAX;
    let floor = floor.then(|| format!("confirmed a counter above {counter}"));
    let key = (board.policy == Policy::Signature).then(|| "revoked the key".to_owned());
    let reasons: Vec<String> = floor.into_iter().chain(key).collect();
    let refused = board.has_journal() && !reasons.is_empty();
    refused.then(|| format!("a board that has {} refuses it", reasons.join(" or ")))
}

/// What this board does not keep, and what is likely to be regretted once boards have confirmed the image.
fn warnings(board: &Board, view: Option<&ManifestView>) -> Vec<String> {
    let mut said = board.warnings.clone();
    let counter = view.map_or(0, |view| view.manifest.security_counter);
    if board.has_journal() && counter == u32::MAX {
        said.push(
            "no counter is higher: a board that confirms this image refuses every image with a lower one"
                .to_owned(),
        );
    }
    if !board.has_journal() && counter > 0 {
        said.push(format!("the security counter {counter} has no effect on this board"));
    }
    said
}

fn report(
    arguments: &Arguments,
    loaded: &Loaded,
    segments: &Segments,
    format: files::Format,
    mut warnings: Vec<String>,
) -> Report {
    let seen = image::inspect(segments);
    let view = seen.manifest.as_ref().and_then(|m| m.as_ref().ok());
    let room = slot_for(loaded, segments).length;
    let unproved = view.and_then(|view| left_to_the_board(&loaded.board, view));
    warnings.extend(self::warnings(&loaded.board, view));
    let mut table = Table::default();
    table
        .row("written", format!("{} ({format})", arguments.out.display()))
        .row("image", format!("0x{:08X}, {} of {room} bytes", seen.base, seen.length));
    if let Some(view) = view {
        let m = &view.manifest;
        let v = m.version;
        table.row("version", format!("{}.{}.{}, counter {}", v.major, v.minor, v.patch, m.security_counter));
        if arguments.signer.is_named() {
            table.row("signed by", format!("key {}", super::keygen::hex(&m.key_id)));
        }
        if let Some(leave) = leave(view) {
            table.row("downgrade", leave);
        }
        for number in revokes(view) {
            let id = loaded.board.keys.get(number).map(|key| super::keygen::hex(&keys::id(&key.bytes)));
            table.row("revokes", format!("key {number}, {}", id.unwrap_or_default()));
        }
    }
    if !arguments.unchecked {
        table.row("checked", format!("{GOOD}{}{GOOD:#}", accepted(&loaded.board)));
        if let Some(text) = &unproved {
            table.row("not checked", text);
        }
    }
    table.warnings(&warnings);
    let json = json!({
        "warnings": warnings,
        "out": shown::path(&arguments.out),
        "format": format.to_string(),
        "base": seen.base,
        "length": seen.length,
        "checked": !arguments.unchecked,
        "unproved": unproved.iter().collect::<Vec<_>>(),
        "manifest": view.map(manifest_json),
    });
    Report::new(json, table.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_people_write_them_and_what_has_no_room_is_told() {
        let read = |text: &str| version(text).map(|v| (v.major, v.minor, v.patch));
        for (text, wanted) in
            [("1.2.3", (1, 2, 3)), ("v1.0", (1, 0, 0)), ("1.0", (1, 0, 0)), ("V2.0.65535", (2, 0, 65535))]
        {
            assert_eq!(read(text), Ok(wanted), "{text}");
        }
        for text in ["1.0.0+3", "v1.0.0-rc1"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("three numbers: give 1.0.0,"), "{text}: {error}");
        }
        for text in ["", "v", "1", "1.2.3.4", "1.2.65536", "-1.2.3", "1..2"] {
            assert_eq!(read(text), Err(EXPECTED.to_owned()), "{text}");
        }
    }
}
