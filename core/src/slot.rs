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

use core::hint::black_box;

use crate::config::{Config, OWNER_SLOT0, OWNER_SLOT1, Sector, Slot, Strategy};
#[cfg(feature = "backup")]
use crate::image::crc32;
use crate::image::manifest::{self, View};
use crate::image::verify::{self, Demand, manifest_in};
use crate::image::{ImageFault, SoftCrc32, VerifiedImage};
use crate::journal::{BEGUN, Event, Journal, REJECTED, Record};
use crate::port::{Flash, FlashFault, Memory, is_blank};

/// Units that a boot of a trial costs, unless the supply was lost before it.
pub const CHARGE: u8 = 8;
/// Reset causes that show a loss of the supply: BOR and POR.
pub const SUPPLY: u8 = 1 << 0 | 1 << 2;
/// Reset causes that show a hang: the independent and the window watchdog.
pub const WATCHDOGS: u8 = 1 << 4 | 1 << 5;
/// Looks at an image before it counts as not there, or as no good where it may be overwritten then. A bit that
/// reads wrong hides an image and makes none: one look that finds it outweighs those that do not.
const LOOKS: usize = 32;
/// Proofs of an image before a trial of it ends, or it is copied.
const PROOFS: usize = 8;
/// Proofs of the confirmed image before another one is looked for.
const CONFIRMED: usize = 16;
/// Bytes that are copied at once between slots, and looked at to see whether one is blank.
const CHUNK: usize = 64;

/// So often the confirmed image is copied to the backup slot or back, until the copy is good: a bit of it may
/// read now so, now so, and a sector may fail once.
const COPIES: usize = 4;

/// A board that can prove images and write its flash.
pub trait Machine: Flash {
    /// Proves the image in `slot` against the board's policy and the state's floor and revocations.
    fn prove(&mut self, config: Config, slot: Slot, state: &Record) -> Result<VerifiedImage, ImageFault>;
    /// An image on trial is about to be started: from here on a watchdog runs.
    fn watch(&mut self);
}

/// One look at the image in `slot`: what `see` makes of its body and its manifest, which is proved by nothing
/// but its own checksum. It is seen in a copy: flash may read otherwise the next time.
fn look<T>(memory: &impl Memory, slot: Slot, see: impl FnOnce(&[u8], View) -> T) -> Option<T> {
    // Each look reads the flash anew, whatever the compiler knows from the one before.
    let bytes = memory.bytes(black_box(slot.base), slot.length)?;
    let offset = manifest::offset(bytes)?;
    let (body, rest) = bytes.split_at_checked(offset as usize)?;
    memory.copied(rest.first_chunk()?, |copy| {
        manifest_in(copy, offset).ok().map(|manifest| see(body, manifest))
    })
}

/// True when the image `id` stands in `slot` as a whole, wherever it is linked for.
#[cfg(feature = "backup")]
fn holds(memory: &impl Memory, slot: Slot, id: u32) -> bool {
    look(memory, slot, |body, image| image.id() == id && crc32(body) == image.crc()).unwrap_or(false)
}

/// Id of the image in `slot`, 0 when it has none. One that is linked for another slot is none: it
/// must not pass for the confirmed image, of which it may be a copy.
#[inline(never)]
pub fn id(memory: &impl Memory, slot: Slot) -> u32 {
    let seen = |image: View| if image.load_address() == slot.base { image.id() } else { 0 };
    (0..LOOKS).find_map(|_| look(memory, slot, |_, image| seen(image))).unwrap_or(0)
}

/// Where [`boot`] looks for an image, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// The candidate, while its trial lasts.
    Candidate,
    /// The confirmed image.
    Confirmed,
    /// The same once more, copied back from the backup slot.
    Restored,
    /// Any image that was not rejected: the state knows none that is good.
    Any,
}

/// Nothing is copied, rejected or given up because of some misreads, and a copy that fails, or that a misread
/// spoils, is made again.
const ORDER: [Look; PROOFS + CONFIRMED + COPIES + 1] = {
    let mut order = [Look::Candidate; PROOFS + CONFIRMED + COPIES + 1];
    let mut number = PROOFS;
    while number < order.len() {
        order[number] = if number < PROOFS + CONFIRMED { Look::Confirmed } else { Look::Restored };
        number += 1;
    }
    order[PROOFS + CONFIRMED + COPIES] = Look::Any;
    order
};

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
    let news = journal.state.cause() != cause;
    journal.state.set_cause(cause);
    let allowed = config.trial_boots().wrapping_mul(CHARGE);
    let charge = match cause & SUPPLY {
        _ if allowed == 0 => 0,
        0 => CHARGE,
        _ => 1,
    };
    let (mut fault, mut unrecorded) = (ImageFault::Rejected, false);
    // What an update was to put there, and what was refused, may be there in part, or with weak bits.
    let asked = journal.state.tries() != BEGUN;
    let mut ids = [0; 2];
    for (number, look) in ORDER.into_iter().enumerate() {
        #[cfg(feature = "backup")]
        if look == Look::Restored {
            restore(journal, machine);
        }
        for (at, slot) in config.slots().enumerate() {
            // What stands there does not change, but for a copy back.
            if number == 0 || look == Look::Restored {
                ids[at & 1] = id(machine, slot);
            }
            let id = ids[at & 1];
            let state = &mut journal.state;
            let tries = state.tries().wrapping_add(charge);
            let wanted = match look {
                Look::Candidate if state.on_trial() && tries <= allowed => state.candidate(),
                Look::Candidate => 0,
                _ => state.confirmed(),
            };
            let here = match look {
                // A trial is on record by its image's id, and the confirmed image, misread until now, is past
                // it. What stands before a rejected image had its turn: two bad ones do not alternate for ever.
                Look::Any if !asked || (id == 0 || id == state.confirmed()) && config.has_journal() => false,
                Look::Any => {
                    let rejected = state.candidate();
                    rejected == 0 || rejected != id && rejected != ids[1]
                }
                _ => id != 0 && id == wanted,
            };
            if !here {
                continue;
            }
            match machine.prove(config, slot, state) {
                Ok(image) => {
                    let known = match look {
                        Look::Candidate => {
                            state.set_tries(tries);
                            charge == 0
                        }
                        Look::Any => {
                            state.set_candidate(id);
                            state.set_tries(charge);
                            false
                        }
                        _ => true,
                    };
                    if known {
                        log(journal, machine, news);
                        return Ok(image);
                    }
                    // An image whose trials are not counted does not run.
                    if journal.commit(machine, Event::Trial, 0).is_ok() {
                        if charge != 0 {
                            machine.watch();
                        }
                        return Ok(image);
                    }
                    unrecorded = true;
                }
                Err(reason) if fault == ImageFault::Rejected => fault = reason,
                Err(_) => {}
            }
        }
        if (unrecorded || number + 1 >= PROOFS) && journal.state.on_trial() {
            journal.state.set_tries(REJECTED);
            // Nothing to report is an image that did not confirm itself.
            let _ = journal.commit(machine, Event::Rejected, fault as u8);
        }
    }
    Err(fault)
}

/// Records a boot that tells something new: another reset cause than the last one, or a watchdog.
/// Never with an erase: an application that is reset for ever does not wear the journal out.
fn log(journal: &mut Journal, machine: &mut impl Machine, news: bool) {
    let hang = journal.state.cause() & WATCHDOGS != 0;
    if (hang || news) && journal.has_room() {
        // The log is no reason not to start.
        let _ = journal.commit(machine, Event::Boot, 0);
    }
}

/// Copies the confirmed image back from the backup slot, if it is there, and not where the same stands: an image
/// that is whole and refused all the same (the board knows other keys now) would be copied at every start. Only
/// bytes tell that, since an id and a checksum can be forged.
#[cfg(feature = "backup")]
fn restore(journal: &mut Journal, machine: &mut impl Machine) {
    let (config, confirmed) = (journal.config(), journal.state.confirmed());
    if confirmed != 0
        && journal.state.backup() == confirmed
        && (0..PROOFS).any(|_| holds(machine, config.slot(1), confirmed))
        && !is_copied(machine, config)
    {
        // A later state that does not read now is not to come back once this one was acted on. A journal that
        // cannot be written does not keep the confirmed image from coming back.
        let _ = journal.twice(machine);
        if copy(config, machine, OWNER_SLOT0).is_ok() {
            let _ = journal.commit(machine, Event::Restored, 0);
        }
    }
}

/// True when slot 0 holds what a copy back would make of it.
#[cfg(feature = "backup")]
fn is_copied(memory: &impl Memory, config: Config) -> bool {
    let (runs, backup) = (config.slot(0), config.slot(1));
    memory.bytes(runs.base, runs.length) == memory.bytes(backup.base, runs.length)
}

/// Copies slot 0 to slot 1, or back to slot 0. An image's manifest comes last, so a copy that was cut
/// has no id. What was misread was copied: whether the copy is good is seen by looking at it.
#[cfg(feature = "backup")]
#[inline(never)]
fn copy(config: Config, machine: &mut impl Machine, to: u8) -> Result<(), FlashFault> {
    let config = config.with_open(to);
    let (runs, backup) = (config.slot(0), config.slot(1));
    let (from, to) = if to == OWNER_SLOT0 { (backup, runs) } else { (runs, backup) };
    let (mut at, end) = (to.base, to.base + runs.length);
    while at < end {
        let Some(sector) = &config.sector_from(at) else { return Err(FlashFault::WriteProtected) };
        machine.erase(config, sector)?;
        while at < end.min(sector.end()) {
            let bytes = machine.bytes(at - to.base + from.base, CHUNK as u32).unwrap_or(&[]);
            let bytes: &[u8; CHUNK] = bytes.first_chunk().ok_or(FlashFault::ReadBack)?;
            // What stands behind an image is as blank as the sector now is.
            if !is_blank(bytes) {
                let chunk = *bytes;
                machine.program(config, at, &chunk)?;
            }
            at += CHUNK as u32;
        }
    }
    Ok(())
}

/// What a host may write now, as an owner. With `ab` it is the slot without the confirmed image; with
/// `backup` slot 0, and nothing when the confirmed image could not be copied to the backup slot.
#[inline(never)]
pub fn open(journal: &mut Journal, machine: &mut impl Machine) -> Result<u8, FlashFault> {
    let config = journal.config();
    match config.strategy() {
        Strategy::Ab => {
            let ids = ids(machine, config);
            let confirmed = journal.state.confirmed();
            // An id can be forged in the slot that was open, the proof cannot: what it finds good is kept, first of
            // all the confirmed image.
            for look in 0..if confirmed == 0 { 0 } else { LOOKS + PROOFS } {
                for (slot, other) in [(0, OWNER_SLOT1), (1, OWNER_SLOT0)] {
                    if (ids[slot & 1] == confirmed || look >= LOOKS) && proves(journal, machine, slot) {
                        return Ok(other);
                    }
                }
            }
            Ok(spare_by(ids, journal, machine))
        }
        #[cfg(feature = "backup")]
        Strategy::Backup => {
            let confirmed = journal.state.confirmed();
            let lacks = confirmed != journal.state.backup() && id(machine, config.slot(0)) == confirmed;
            if lacks {
                back_up(journal, machine)?;
            }
            Ok(OWNER_SLOT0)
        }
        _ => Ok(OWNER_SLOT0),
    }
}

/// True when the image in this slot is good.
fn proves(journal: &Journal, machine: &mut impl Machine, number: usize) -> bool {
    let config = journal.config();
    machine.prove(config, config.slot(number), &journal.state).is_ok()
}

/// Ids of the images in both slots: read once for one decision, since they may read otherwise the next time.
fn ids(memory: &impl Memory, config: Config) -> [u32; 2] {
    [0, 1].map(|number| id(memory, config.slot(number)))
}

/// Owner of the slot that does not hold the confirmed image, by ids alone. When neither seems to, a slot with
/// another image certainly does not, while one without any may hold it with a bit that reads wrong. Some slot is
/// always open: slot 0 when that does not tell them apart.
pub fn spare(journal: &Journal, memory: &impl Memory) -> u8 {
    spare_by(ids(memory, journal.config()), journal, memory)
}

fn spare_by([first, second]: [u32; 2], journal: &Journal, memory: &impl Memory) -> u8 {
    let (config, confirmed) = (journal.config(), journal.state.confirmed());
    let blank = |slot: Slot| memory.bytes(slot.base, CHUNK as u32).is_some_and(is_blank);
    let kept = first == confirmed || first == 0 && (second != 0 || blank(config.slot(1)));
    if confirmed != 0 && kept && second != confirmed { OWNER_SLOT1 } else { OWNER_SLOT0 }
}

/// Copies the confirmed image, proved once more, to the backup slot.
#[cfg(feature = "backup")]
fn back_up(journal: &mut Journal, machine: &mut impl Machine) -> Result<(), FlashFault> {
    let config = journal.config();
    if (0..LOOKS).all(|_| !proves(journal, machine, 0)) {
        return Ok(());
    }
    // From here on the slot holds no image, whatever its manifest says.
    journal.state.set_backup(0);
    journal.commit(machine, Event::BackedUp, 1)?;
    let confirmed = journal.state.confirmed();
    let mut made = || {
        copy(config, machine, OWNER_SLOT1)?;
        if holds(machine, config.slot(1), confirmed) { Ok(()) } else { Err(FlashFault::ReadBack) }
    };
    let mut copied = made();
    for again in 1..COPIES {
        // An erase that fails twice fails, and takes its time.
        if let Err(fault) = copied
            && (again == 1 || fault == FlashFault::ReadBack)
        {
            copied = made();
        }
    }
    copied?;
    journal.state.set_backup(confirmed);
    let recorded = journal.commit(machine, Event::BackedUp, 0);
    if recorded.is_err() {
        // What is not on record is not so.
        journal.state.set_backup(0);
    }
    recorded
}

/// An update begins: to be called before its first erase or program operation. The candidate is given
/// up, and one that was rejected stays so until it is overwritten. What the update leaves is not tried, after
/// no number of starts, unless it or a later one ends well.
pub fn begin(journal: &mut Journal, flash: &mut impl Flash) -> Result<(), FlashFault> {
    journal.state.set_tries(BEGUN);
    journal.commit(flash, Event::UpdateBegun, 0)
}

/// A flash operation of an update failed. Only the first of several in a row is recorded.
pub fn failed(journal: &mut Journal, flash: &mut impl Flash, fault: FlashFault) {
    if journal.state.event() != Event::UpdateFault as u8 {
        let _ = journal.commit(flash, Event::UpdateFault, fault as u8);
    }
}

/// How far a slot was erased for an update, from its base on.
#[derive(Clone, Copy, Debug)]
pub struct Erased(u32);

impl Erased {
    /// Nothing of this slot.
    pub fn none(slot: Slot) -> Self {
        Self(slot.base)
    }

    /// What is before this is erased.
    pub fn end(self) -> u32 {
        self.0
    }

    /// This sector was, too: upwards, and none left out.
    pub fn add(&mut self, sector: &Sector) {
        if sector.base <= self.0 {
            self.0 = self.0.max(sector.end());
        }
    }

    /// True for an image that was written in it as a whole: what an update has left that was cut, weak bits and
    /// all, is offered by nobody.
    fn holds(self, memory: &impl Memory, slot: Slot) -> bool {
        let offset = memory.bytes(slot.base, slot.length).and_then(manifest::offset);
        offset.is_some_and(|offset| slot.base + offset + manifest::LEN as u32 <= self.0)
    }
}

/// An update ended: the image in `slot` is proved and becomes the candidate.
#[inline(never)]
pub fn install(
    journal: &mut Journal,
    machine: &mut impl Machine,
    slot: Slot,
    erased: Erased,
) -> Result<(), ImageFault> {
    let proved = machine.prove(journal.config(), slot, &journal.state).map(|_| id(machine, slot));
    judge(journal, machine, slot, erased, proved)
}

/// An update that the running application wrote has ended: the image in `slot` becomes the candidate
/// if it is whole. `device` is the chip's unique id. An application need not have the cryptography
/// for more: [`boot`] proves a candidate before each start.
pub fn propose(
    journal: &mut Journal,
    flash: &mut impl Flash,
    slot: Slot,
    erased: Erased,
    device: &[u8; 12],
) -> Result<(), ImageFault> {
    let (floor, revoked) = (journal.state.floor(), journal.state.revoked());
    let demand = Demand { config: journal.config(), slot, floor, revoked, device };
    let whole = verify::whole(demand, flash, &mut SoftCrc32::default());
    // Another slot's image has another link address and so another id: this one was forged.
    let whole = whole
        .and_then(|id| if id == journal.state.confirmed() { Err(ImageFault::Signature) } else { Ok(id) });
    judge(journal, flash, slot, erased, whole)
}

/// Puts on record what became of an update.
fn judge(
    journal: &mut Journal,
    flash: &mut impl Flash,
    slot: Slot,
    erased: Erased,
    image: Result<u32, ImageFault>,
) -> Result<(), ImageFault> {
    match image {
        // Without a journal any image that is good runs, and none needs a manifest.
        Ok(_) if journal.config().has_journal() && !erased.holds(flash, slot) => {
            refuse(journal, flash, ImageFault::NotErased)
        }
        Ok(id) => {
            // The confirmed image, written once more, has had its trial.
            journal.state.set_candidate(if id == journal.state.confirmed() { 0 } else { id });
            journal.commit(flash, Event::Installed, 0).map_err(|_| ImageFault::Journal)
        }
        Err(fault) => refuse(journal, flash, fault),
    }
}

fn refuse(journal: &mut Journal, flash: &mut impl Flash, fault: ImageFault) -> Result<(), ImageFault> {
    let _ = journal.commit(flash, Event::Refused, fault as u8);
    Err(fault)
}

/// The running application, in `slot`, confirms itself. True: it is confirmed. False: there is no
/// trial of it, and it was not confirmed before.
pub fn confirm(journal: &mut Journal, flash: &mut impl Flash, slot: Slot) -> Result<bool, FlashFault> {
    journal.settle(flash)?;
    let seen = |own: View| (own.id(), own.security_counter(), own.revokes());
    let seen = (0..LOOKS).find_map(|_| look(flash, slot, |_, own| seen(own)));
    let Some((id, counter, revokes)) = seen else { return Ok(false) };
    let state = &mut journal.state;
    if state.on_trial() && state.candidate() == id {
        state.set_confirmed(id, counter, revokes);
        journal.commit(flash, Event::Confirmed, 0)?;
    }
    Ok(journal.state.confirmed() == id)
}
