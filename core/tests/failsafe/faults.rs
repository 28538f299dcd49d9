//! Flash that is at fault: sectors that do not get erased, units that do not get programmed, and
//! bits that read wrong once.

use super::board::{Board, Kind, Started, cause};
use super::family::FAMILIES;
use super::scenario::{self, Act, named};
use super::sweep;
use std::collections::BTreeSet;
use surefoot_core::config::{OWNER_JOURNAL, Policy, Slot, Strategy};

const STORIES: [&str; 5] = [
    "update",
    "trial that hangs",
    "update after a broken one",
    "turnover at the end of an update",
    "turnover at the start of a trial",
];

/// The stories with a fault of the flash from their start on: an image that was confirmed runs at the
/// end, unless the fault is in the one slot that images of this strategy run in.
fn with_faults(
    strategy: Strategy,
    fault: impl Fn(&mut Board, u32),
    places: impl Fn(&Board) -> BTreeSet<u32>,
) {
    for story in STORIES.map(named).into_iter().filter(|s| s.strategies.contains(&strategy)) {
        let kind = Kind::new(&FAMILIES[0], strategy, story.policy);
        let start = sweep::before(kind, story);
        let mut whole = start.clone();
        whole.power_on(None, 0);
        scenario::act(&mut whole, story.acts);
        for place in places(&whole) {
            let mut board = start.clone();
            board.power_on(None, 1);
            board.known.faulty = true;
            fault(&mut board, place);
            scenario::act(&mut board, story.acts);
            scenario::rest(&mut board, cause::PIN);
            let case = format!("{strategy:?} {:?} with a fault at {place:x}", story.name);
            assert!(board.broken.is_empty(), "{case}: {:#?}", board.broken);
            let journal = kind.config.with_open(OWNER_JOURNAL).is_writable(place, 4);
            if journal && board.flash.stuck_unit.is_some() {
                // One bad unit of the journal is passed over.
                assert_eq!(scenario::confirmed(&board), story.end, "{case}");
            }
            let runs = strategy != Strategy::Ab && kind.family.slot(0).contains(place, 1);
            let started = board.boot(cause::PIN);
            let confirmed =
                matches!(started, Started::Image(i) if kind.images[i].id == board.known.confirmed);
            assert!(runs || strategy == Strategy::Single || confirmed, "{case} ends with {started:?}");
        }
    }
}

fn sectors(board: &Board) -> BTreeSet<u32> {
    board.kind.family.sectors().into_iter().map(|(base, _)| base).collect()
}

fn programmed(board: &Board) -> BTreeSet<u32> {
    board.flash.done.iter().filter(|o| !o.erase).map(|o| o.address).collect()
}

#[test]
fn a_sector_that_does_not_get_erased_leaves_a_confirmed_image() {
    for strategy in [Strategy::Ab, Strategy::Backup, Strategy::Single] {
        with_faults(strategy, |board, place| board.flash.stuck_sector = Some(place), sectors);
    }
}

#[test]
fn a_unit_that_does_not_get_programmed_leaves_a_confirmed_image() {
    for strategy in [Strategy::Ab, Strategy::Backup, Strategy::Single] {
        with_faults(strategy, |board, place| board.flash.stuck_unit = Some(place), programmed);
    }
}

/// A board with a confirmed image in use, and what was there before it.
fn updated(strategy: Strategy) -> Board {
    let mut board = Board::new(Kind::new(&FAMILIES[0], strategy, Policy::Crc));
    scenario::act(&mut board, &[Act::Update("old"), Act::Rest, Act::Update("new"), Act::Rest]);
    assert!(board.broken.is_empty(), "{:?}", board.broken);
    board.power_on(None, 0);
    board
}

#[test]
fn a_bit_of_the_journal_that_reads_wrong_once_changes_nothing() {
    let start = updated(Strategy::Ab);
    let config = start.kind.config.with_open(OWNER_JOURNAL);
    let sector = config.sector_from(0).expect("a journal");
    for address in (sector.base..sector.base + 1024).chain(sector.end()..sector.end() + 64) {
        for bit in [0, 5] {
            let mut board = start.clone();
            let started = board.boot_misreading(cause::PIN, address, 1 << bit);
            let next = board.boot(cause::PIN);
            assert!(board.broken.is_empty(), "{address:x}.{bit}: {:?}", board.broken);
            assert_eq!(started, next, "{address:x}.{bit}");
        }
    }
}

#[test]
fn a_bit_of_an_image_that_reads_wrong_once_ends_in_a_running_image() {
    for strategy in [Strategy::Ab, Strategy::Backup] {
        let start = updated(strategy);
        let slot = if strategy == Strategy::Ab { 1 } else { 0 };
        let Slot { base, .. } = start.kind.family.slot(slot);
        for address in base..base + 448 {
            let mut board = start.clone();
            // Whatever else is accepted may run instead.
            board.known.candidate = None;
            board.known.faulty = true;
            board.boot_misreading(cause::PIN, address, 1 << (address % 8));
            assert!(board.broken.is_empty(), "{strategy:?} {address:x}: {:?}", board.broken);
            scenario::rest(&mut board, cause::PIN);
            let started = board.boot(cause::PIN);
            assert!(matches!(started, Started::Image(_)), "{strategy:?} {address:x}: {started:?}");
        }
    }
}
