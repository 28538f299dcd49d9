//! A hundred thousand starts without an update: how often the journal's sectors are erased. And what a host
//! that tries again and again leaves in them.
//!
//! Data sheets promise 10,000 cycles (F4: DS8626, "Flash memory endurance and data retention").

use super::board::{Board, Kind, Started, cause};
use super::family::{FAMILIES, Family, SMALLEST};
use super::scenario::{self, Act};
use surefoot_core::config::{Policy, Strategy};
use surefoot_core::journal::{Event, Journal};
use surefoot_core::port::FlashFault;
use surefoot_core::slot;

const STARTS: usize = 100_000;

/// Most erases of a sector after so many starts with these reset causes in turn.
fn erases(family: &'static Family, causes: &[u8]) -> u32 {
    let mut board = Board::new(Kind::new(family, Strategy::Ab, Policy::Crc));
    scenario::act(&mut board, &[Act::Update("old"), Act::Rest]);
    let before = board.flash.erased.clone();
    for start in 0..STARTS {
        board.power_on(None, 0);
        let mut journal = Journal::load(board.kind.config, &board.flash);
        let started = slot::boot(&mut journal, &mut board, causes[start % causes.len()]);
        assert!(started.is_ok(), "start {start}: {started:?}");
    }
    assert!(matches!(board.boot(cause::PIN), Started::Image(_)));
    assert!(board.broken.is_empty(), "{:?}", board.broken);
    let since = |(sector, count): (&u32, &u32)| count - before.get(sector).unwrap_or(&0);
    board.flash.erased.iter().map(since).max().unwrap_or(0)
}

#[test]
fn starts_with_the_same_cause_erase_nothing() {
    assert_eq!(erases(&FAMILIES[0], &[cause::POWER_ON]), 0);
    assert_eq!(erases(&SMALLEST, &[cause::POWER_ON]), 0);
}

#[test]
fn starts_with_causes_in_turn_fill_the_sector_and_erase_nothing() {
    let causes = [cause::POWER_ON, cause::PIN, cause::SOFTWARE, cause::BROWN_OUT];
    assert_eq!(erases(&FAMILIES[0], &causes), 0);
    assert_eq!(erases(&SMALLEST, &causes), 0);
}

#[test]
fn a_watchdog_at_each_start_fills_the_sector_and_erases_nothing() {
    assert_eq!(erases(&FAMILIES[0], &[cause::WATCHDOG]), 0);
    assert_eq!(erases(&SMALLEST, &[cause::WATCHDOG]), 0);
}

#[test]
fn operations_of_an_update_that_fail_in_a_row_are_recorded_once() {
    let mut board = Board::new(Kind::new(&SMALLEST, Strategy::Ab, Policy::Crc));
    let mut journal = Journal::load(board.kind.config, &board.flash);
    for update in 0..3 {
        slot::begin(&mut journal, &mut board).expect("recorded");
        let before = journal.state.sequence();
        for _ in 0..100 {
            slot::failed(&mut journal, &mut board, FlashFault::NotErased);
        }
        assert_eq!(journal.state.event(), Event::UpdateFault as u8, "update {update}");
        // A state is two records.
        assert_eq!(journal.state.sequence() - before, 2, "update {update}");
    }
}
