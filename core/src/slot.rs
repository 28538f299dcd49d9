//! Slots: which image is started, what an update may write, and when an image is confirmed.
//!
//! Images are known by their [`View::id`], the state of them is the [`Journal`]'s newest record:
//!
//! ```text
//! UpdateBegun -> (host writes the open slot) -> Installed -> Trial ... Trial -> Confirmed
//!                                            \-> Refused           \-> Rejected: the confirmed one again
//! ```
//!
//! Every change is durable before it is acted on, and whatever is cut, [`boot`] goes on from the
//! newest record: the old image stays confirmed until the new one confirms itself.
//!
//! **Whose fault was a reset?** Each boot of a trial is charged: [`CHARGE`] units, but only one when
//! the reset flags show a loss of the supply (POR, BOR), for which an application that had no time to
//! confirm itself is not to blame. `trial_boots * CHARGE` units are allowed. So a hang (watchdog),
//! a crash that resets, and the reset button cost a boot each; a supply that comes and goes costs
//! an eighth of one, and an application that itself pulls the supply down goes away too, later.
//!
//! Not here: the bytes of an update ([`crate::dfu`]), the proof of an image ([`crate::image`]).

use crate::config::{Config, OWNER_SLOT0, OWNER_SLOT1, Slot, Strategy};
use crate::image::manifest::{self, View};
use crate::image::verify::{self, Demand, manifest_at};
use crate::image::{ImageFault, SoftCrc32, VerifiedImage};
use crate::journal::{Event, Journal, REJECTED, Record};
use crate::port::{Flash, FlashFault, Memory};

/// Units that a boot of a trial costs, unless the supply was lost before it.
pub const CHARGE: u8 = 8;
/// Reset causes that show a loss of the supply: BOR and POR.
pub const SUPPLY: u8 = 1 << 0 | 1 << 2;
/// Reset causes that show a hang: the independent and the window watchdog.
pub const WATCHDOGS: u8 = 1 << 4 | 1 << 5;
/// Bytes that are copied at once between slots.
const CHUNK: u32 = 64;

/// A board that can prove images and write its flash.
pub trait Machine: Flash {
    /// Proves the image in `slot` against the board's policy and the state's floor and revocations.
    fn prove(&mut self, config: Config, slot: Slot, state: &Record) -> Result<VerifiedImage, ImageFault>;
    /// An image on trial is about to be started: from here on a watchdog runs.
    fn watch(&mut self);
}

/// The manifest of the image in `slot`, proved by nothing but its own checksum.
pub fn manifest(memory: &impl Memory, slot: Slot) -> Option<View<'_>> {
    let image = memory.bytes(slot.base, slot.length)?;
    let offset = manifest::offset(image)?;
    Some(manifest_at(image, offset).ok()?.1)
}

/// Id of the image in `slot`, 0 when it has none.
#[inline(never)]
pub fn id(memory: &impl Memory, slot: Slot) -> u32 {
    manifest(memory, slot).map_or(0, View::id)
}

/// Chooses the image to start, by the state, and proves it. `cause` is the reset cause as in
/// [`crate::handoff::Record::reset_cause`].
#[inline(never)]
pub fn boot(
    journal: &mut Journal,
    machine: &mut impl Machine,
    cause: u8,
) -> Result<VerifiedImage, ImageFault> {
    // A journal that cannot be written is not the end: a confirmed image starts without it.
    let _ = journal.settle(machine);
    let config = journal.config();
    let state = journal.record().with_cause(cause);
    let allowed = config.trial_boots().wrapping_mul(CHARGE);
    let charge = match cause & SUPPLY {
        _ if allowed == 0 => 0,
        0 => CHARGE,
        _ => 1,
    };
    if state.on_trial() {
        let tried = state.with_tries(state.tries().wrapping_add(charge));
        let mut fault = 0;
        if tried.tries() <= allowed
            && let Some(slot) = config.slots().find(|slot| id(machine, *slot) == state.candidate())
        {
            match machine.prove(config, slot, &state) {
                Ok(image) => {
                    if try_out(journal, machine, tried) {
                        return Ok(image);
                    }
                }
                Err(reason) => fault = reason as u8,
            }
        }
        let _ = journal.append(machine, state.with_tries(REJECTED).because(Event::Rejected, fault));
    }
    let state = journal.record().with_cause(cause);
    if state.confirmed() != 0 {
        for slot in config.slots() {
            if id(machine, slot) == state.confirmed()
                && let Ok(image) = machine.prove(config, slot, &state)
            {
                log(journal, machine, state);
                return Ok(image);
            }
        }
        if state.backup() == state.confirmed() && restore(journal, machine, &state).is_ok() {
            let proved = machine.prove(config, config.first_slot(), &state);
            // What was copied and is no good is not copied again.
            let backup = if proved.is_ok() { state.backup() } else { 0 };
            let _ = journal.append(machine, state.with_backup(backup).because(Event::Restored, 0));
            if let Ok(image) = proved {
                return Ok(image);
            }
        }
    }
    let mut first = None;
    for slot in config.slots() {
        let id = id(machine, slot);
        if id != 0 && id == state.candidate() {
            continue;
        }
        match machine.prove(config, slot, &state) {
            Ok(image) => {
                if try_out(journal, machine, state.with_candidate(id).with_tries(charge)) {
                    return Ok(image);
                }
            }
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.unwrap_or(ImageFault::Rejected))
}

/// Puts the start of an image on trial on record; false when that cannot be written: an image whose
/// trials are not counted does not run.
fn try_out(journal: &mut Journal, machine: &mut impl Machine, state: Record) -> bool {
    let known = *journal.record();
    if state.tries() == known.tries() && state.candidate() == known.candidate() {
        // No trial boots are counted on this board.
        log(journal, machine, state);
        return true;
    }
    machine.watch();
    journal.append(machine, state.because(Event::Trial, 0)).is_ok()
}

/// Records a boot that tells something new: another reset cause than the last one, or a watchdog.
/// Only after a watchdog it may take an erase.
fn log(journal: &mut Journal, machine: &mut impl Machine, state: Record) {
    let hang = state.cause() & WATCHDOGS != 0;
    if hang || state.cause() != journal.record().cause() && journal.has_room() {
        // The log is no reason not to start.
        let _ = journal.append(machine, state.because(Event::Boot, 0));
    }
}

/// Copies the confirmed image back from the backup slot.
fn restore(journal: &Journal, machine: &mut impl Machine, state: &Record) -> Result<(), FlashFault> {
    let mut slots = journal.config().slots();
    match (slots.next(), slots.next()) {
        (Some(runs), Some(backup)) if id(machine, backup) == state.confirmed() => {
            copy(journal.config().with_open(OWNER_SLOT0), machine, backup, runs, runs.length)
        }
        _ => Err(FlashFault::NotErased),
    }
}

/// Copies `length` bytes between slots; those of `to` are open. The image's manifest comes after it,
/// so a copy that was cut has no id.
#[inline(never)]
fn copy(
    config: Config,
    machine: &mut impl Machine,
    from: Slot,
    to: Slot,
    length: u32,
) -> Result<(), FlashFault> {
    let mut at = to.base;
    while at < to.end() {
        let sector = config.sector_from(at).ok_or(FlashFault::WriteProtected)?;
        machine.erase(config, &sector)?;
        at = sector.end();
    }
    let mut done = 0;
    while done < length {
        let mut chunk = [0; CHUNK as usize];
        match machine.bytes(from.base + done, CHUNK) {
            Some(bytes) => chunk.copy_from_slice(bytes),
            None => return Err(FlashFault::ReadBack),
        }
        machine.program(config, to.base + done, &chunk)?;
        done += CHUNK;
    }
    Ok(())
}

/// What the host may write now: a mask of owners. With `ab` never the slot with the confirmed image;
/// with `backup` nothing before the backup slot has that image.
#[inline(never)]
pub fn open(journal: &mut Journal, machine: &mut impl Machine) -> u8 {
    let config = journal.config();
    let state = *journal.record();
    let confirmed = state.confirmed();
    let mut slots = config.slots();
    match (config.strategy(), slots.next(), slots.next()) {
        (Strategy::Ab, Some(a), Some(b)) => spare(machine, [a, b], confirmed),
        (Strategy::Backup, Some(runs), Some(backup))
            if confirmed != 0 && state.backup() != confirmed && id(machine, runs) == confirmed =>
        {
            let saved = machine.prove(config, runs, &state).is_ok()
                && copy(config.with_open(OWNER_SLOT1), machine, runs, backup, runs.length).is_ok()
                && journal.append(machine, state.with_backup(confirmed).because(Event::BackedUp, 0)).is_ok();
            if saved { OWNER_SLOT0 } else { 0 }
        }
        _ => OWNER_SLOT0,
    }
}

/// Mask of the slots that do not hold the confirmed image.
#[inline(always)]
pub fn spare(memory: &impl Memory, [a, b]: [Slot; 2], confirmed: u32) -> u8 {
    let kept = |slot, owner| if confirmed != 0 && id(memory, slot) == confirmed { 0 } else { owner };
    kept(a, OWNER_SLOT0) | kept(b, OWNER_SLOT1)
}

/// An update begins: call it before its first erase or program operation. There is no candidate
/// from here on.
pub fn begin(journal: &mut Journal, flash: &mut impl Flash) -> Result<(), FlashFault> {
    let state = journal.record().with_candidate(0).because(Event::UpdateBegun, 0);
    journal.append(flash, state)
}

/// A flash operation of an update failed. Only the first of several in a row is recorded.
pub fn failed(journal: &mut Journal, flash: &mut impl Flash, fault: FlashFault) {
    let state = *journal.record();
    if state.event() != Event::UpdateFault as u8 {
        let _ = journal.append(flash, state.because(Event::UpdateFault, fault as u8));
    }
}

/// An update ended: the image in a slot of the mask `open` is proved and becomes the candidate.
#[inline(never)]
pub fn install(journal: &mut Journal, machine: &mut impl Machine, open: u8) -> Result<(), ImageFault> {
    let config = journal.config();
    let state = *journal.record();
    let mut first = ImageFault::Erased;
    for (number, slot) in config.slots().enumerate() {
        if open >> number & 1 == 0 {
            continue;
        }
        match machine.prove(config, slot, &state) {
            Ok(_) => {
                let state = state.with_candidate(id(machine, slot)).because(Event::Installed, 0);
                return journal.append(machine, state).map_err(|_| ImageFault::Journal);
            }
            Err(fault) if first == ImageFault::Erased => first = fault,
            Err(_) => {}
        }
    }
    let _ = journal.append(machine, state.because(Event::Refused, first as u8));
    Err(first)
}

/// An update that the running application wrote has ended: the image in `slot` becomes the candidate
/// if it is whole. `device` is the chip's unique id. An application need not have the cryptography
/// for more: [`boot`] proves a candidate before each start.
pub fn propose(
    journal: &mut Journal,
    flash: &mut impl Flash,
    slot: Slot,
    device: &[u8; 12],
) -> Result<(), ImageFault> {
    let state = *journal.record();
    let (floor, revoked) = (state.floor(), state.revoked());
    let demand = Demand { config: journal.config(), slot, floor, revoked, device };
    match verify::whole(demand, flash, &mut SoftCrc32::default()) {
        Ok(id) => {
            let state = state.with_candidate(id).because(Event::Installed, 0);
            journal.append(flash, state).map_err(|_| ImageFault::Journal)
        }
        Err(fault) => {
            let _ = journal.append(flash, state.because(Event::Refused, fault as u8));
            Err(fault)
        }
    }
}

/// The running application, in `slot`, confirms itself. True: it is confirmed. False: there is no
/// trial of it, and it was not confirmed before.
pub fn confirm(journal: &mut Journal, flash: &mut impl Flash, slot: Slot) -> Result<bool, FlashFault> {
    journal.settle(flash)?;
    let state = *journal.record();
    let Some((id, counter, revokes)) =
        manifest(flash, slot).map(|m| (m.id(), m.security_counter(), m.revokes()))
    else {
        return Ok(false);
    };
    if state.on_trial() && state.candidate() == id {
        let state = state.with_confirmed(id, counter, revokes);
        journal.append(flash, state.because(Event::Confirmed, 0))?;
    }
    Ok(journal.record().confirmed() == id)
}
