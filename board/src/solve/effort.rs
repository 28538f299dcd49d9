//! What an update takes: time from the data sheet, and erases of each sector.
//!
//! Counted is the flash's own work, as `surefoot-core` orders it: the copy for the backup slot, the
//! sectors under the new image, its words, the journal's records. The host's link and the proof of
//! the image come on top.

use super::Plan;
use crate::layout::{Area, Use};
use surefoot_chips::{Time, Timing};
use surefoot_core::config::Strategy;
use surefoot_core::image::manifest;
use surefoot_core::journal::RECORD_LEN;

/// Erase cycles that a sector endures (DS8626 and the data sheets of the other F4, table "Flash memory
/// endurance and data retention").
pub const ENDURANCE: u32 = 10_000;

/// Bytes of an image with its manifest, which begins at a whole word.
pub const fn image_len(application: u32) -> u64 {
    (application as u64).next_multiple_of(4) + manifest::LEN as u64
}

/// Milliseconds, by the data sheet's typical and maximum figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// Typical.
    pub typical: u64,
    /// At most.
    pub max: u64,
}

/// What one update takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Bytes of the image, its manifest included.
    pub image: u64,
    /// From the first erase to the confirmation, in the slot where it takes longest.
    pub update: Took,
    /// How much of that is the copy for the backup slot, before the host can write.
    pub copy: Option<Took>,
    /// The old image comes back: at once where it was left in its slot, `None` where there is none.
    pub way_back: Option<Took>,
    /// Sectors that an update erases, by slot: one of them where two slots take turns, else all.
    pub erased: Vec<(Use, usize)>,
    /// Updates for which each sector under the image is erased once: 2 where two slots take turns.
    pub updates_per_erase: u32,
    /// Updates for which each of the journal's sectors is erased once.
    pub journal_updates: Option<u32>,
}

/// The effort of updates with images of `application` bytes, or of the biggest.
pub fn effort(plan: &Plan, timing: &Timing, trial_boots: u8) -> Effort {
    let strategy = plan.task.strategy;
    let image = plan.task.application.map_or(plan.capacity.into(), image_len);
    let slots = slot_sectors(plan);
    let journal = plan.layout.area(Use::Journal);
    let took = |time: &dyn Fn(Pick) -> u64| Took {
        // Rounded up: a millisecond that has begun is waited for.
        typical: time(|t| t.typical).div_ceil(1000),
        max: time(|t| t.max).div_ceil(1000),
    };
    let runs: u64 = slots[0].iter().map(|s| u64::from(*s)).sum();
    let records = 3 * states(strategy, trial_boots);
    let log = |pick: Pick| journal.map_or(0, |area| journal_us(plan, &area, records, timing, pick));
    let copied = |to: usize, pick: Pick| write_us(&slots[to], runs, timing, pick);
    let backup = strategy == Strategy::Backup;
    Effort {
        image,
        update: took(&|pick| slots_us(strategy, &slots, image, timing, pick) + log(pick)),
        copy: backup.then(|| took(&|pick| copied(1, pick))),
        way_back: match strategy {
            Strategy::Single => None,
            Strategy::Backup => Some(took(&|pick| copied(0, pick))),
            Strategy::Ab => Some(Took { typical: 0, max: 0 }),
        },
        erased: erased(plan, image),
        updates_per_erase: if strategy == Strategy::Ab { 2 } else { 1 },
        journal_updates: journal.map(|area| area.size / RECORD_LEN / records),
    }
}

/// How many sectors are erased in each slot: those under the image, in the backup slot those under a
/// copy of the whole application's slot.
fn erased(plan: &Plan, image: u64) -> Vec<(Use, usize)> {
    let runs: u64 = plan.layout.application().size.into();
    let under = |area: Area| {
        let bytes = if area.what == Use::Backup { runs } else { image };
        let begins_below = |s: &surefoot_chips::Sector| u64::from(s.base - area.base) < bytes;
        (area.what, plan.layout.sectors_of(&area).filter(begins_below).count())
    };
    plan.layout.slots().map(under).collect()
}

/// The slots' part of an update, longest figures, in microseconds. `slots` are their sectors' sizes.
pub(super) fn slots_worst_us(strategy: Strategy, slots: &[Vec<u32>], image: u64, timing: &Timing) -> u64 {
    slots_us(strategy, slots, image, timing, |t| t.max)
}

/// Milliseconds to erase a sector, 0 where the chip data give none for its size.
pub(super) fn erase_ms(sector: u32, timing: &Timing) -> Time {
    timing.erase(sector).unwrap_or(Time { typical: 0, max: 0 })
}

/// Typical or maximum.
type Pick = fn(Time) -> u32;

fn slots_us(strategy: Strategy, slots: &[Vec<u32>], image: u64, timing: &Timing, pick: Pick) -> u64 {
    let write = |slot: &Vec<u32>| write_us(slot, image, timing, pick);
    match (strategy, slots) {
        (Strategy::Backup, [runs, backup]) => {
            let all = runs.iter().map(|s| u64::from(*s)).sum();
            write_us(backup, all, timing, pick) + write(runs)
        }
        _ => slots.iter().map(write).max().unwrap_or(0),
    }
}

/// Erases the sectors under `bytes` and programs them.
fn write_us(sectors: &[u32], bytes: u64, timing: &Timing, pick: Pick) -> u64 {
    let mut left = bytes;
    let mut erase_ms = 0;
    for size in sectors {
        if left == 0 {
            break;
        }
        erase_ms += u64::from(pick(self::erase_ms(*size, timing)));
        left = left.saturating_sub((*size).into());
    }
    erase_ms * 1000 + program_us(bytes, timing, pick)
}

fn program_us(bytes: u64, timing: &Timing, pick: Pick) -> u64 {
    bytes.div_ceil(timing.unit.into()) * u64::from(pick(timing.program_us))
}

/// The journal's part: its records, and an erase that falls into this update.
fn journal_us(plan: &Plan, area: &Area, records: u32, timing: &Timing, pick: Pick) -> u64 {
    let erases = plan.layout.sectors_of(area).map(|s| pick(erase_ms(s.size, timing)));
    let erase = u64::from(erases.max().unwrap_or(0)) * 1000;
    erase + program_us(u64::from(records) * u64::from(RECORD_LEN), timing, pick)
}

/// Most states of an update, each of which is two records, or three where it is the first since a
/// start: begun, installed, a boot's reset cause, each trial boot, confirmed; before them, with a backup
/// slot, the copy begun and done.
const fn states(strategy: Strategy, trial_boots: u8) -> u32 {
    let copy = if matches!(strategy, Strategy::Backup) { 2 } else { 0 };
    4 + copy + trial_boots as u32
}

fn slot_sectors(plan: &Plan) -> Vec<Vec<u32>> {
    plan.layout.slots().map(|area| plan.layout.sectors_of(&area).map(|s| s.size).collect()).collect()
}
