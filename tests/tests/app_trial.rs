//! The little applications that stand in for real ones where boards are started a million times.

use std::fs;

use object::{Object, ObjectSection, SectionKind};
use surefoot_sim::{Board, ChipModel, Nanos, Pin};
use surefoot_tests::fixtures::{Trial, root, trial};

const RESET_VECTOR: u32 = 0x0800_0000;
const LED: Pin = Pin::new('D', 12);

/// A board that was just switched on, with this program and nothing else in its flash.
fn board(what: Trial) -> Board {
    let mut board = Board::new(ChipModel::stm32f407vg());
    board.load_elf(&fs::read(trial(what, 100, RESET_VECTOR).unwrap()).unwrap()).unwrap();
    board.power_on();
    board
}

#[test]
fn a_trial_application_sleeps_at_once_and_blinks_unless_it_hangs() {
    for what in [Trial::Confirms, Trial::Silent, Trial::Hangs] {
        let mut board = board(what);
        board.run_for(Nanos::millis(5));
        assert!(board.asleep(), "{what:?}: {:#010x}", board.pc());
        // Looking for a bootloader, which is not there, takes a little longer.
        let most = if what == Trial::Confirms { 2500 } else { 60 };
        assert!(board.instructions() < most, "{what:?}: {}", board.instructions());
        assert!(board.pin(LED), "{what:?}");
        board.run_for(Nanos::secs(1));
        assert_eq!(board.pin_trace(LED).len() > 5, what != Trial::Hangs, "{what:?}");
        assert!(board.asleep());
        board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_trial_application_that_hangs_lets_the_watchdog_starve_and_the_others_feed_it() {
    // RM0090 Rev 21, 3.7: with WDG_SW = 0 the watchdog runs from the start; 21.4: half a second.
    const WDG_SW: u32 = 1 << 5;
    for what in [Trial::Silent, Trial::Hangs] {
        let mut board = board(what);
        board.set_option_bytes(board.option_bytes() & !WDG_SW);
        board.power_off();
        board.power_on();
        let resets = board.resets();
        board.run_for(Nanos::secs(3));
        assert_eq!(board.resets() > resets, what == Trial::Hangs, "{what:?}");
    }
}

#[test]
fn a_confirmation_costs_an_application_what_its_readme_says() {
    let size = |what| {
        let elf = fs::read(trial(what, 100, RESET_VECTOR).unwrap()).unwrap();
        let file = object::File::parse(&*elf).unwrap();
        file.sections().filter(|s| s.kind() == SectionKind::Text).map(|s| s.size()).sum::<u64>()
    };
    let costs = size(Trial::Confirms) - size(Trial::Silent);
    let readme = fs::read_to_string(root().join("examples/README.md")).unwrap();
    let line = readme.lines().find_map(|line| line.strip_prefix("| `confirm` | ")).unwrap();
    let said: u64 = line.split_once(' ').unwrap().0.replace(',', "").parse().unwrap();
    assert!(costs.abs_diff(said) <= 100, "{costs} bytes, the README says {said}");
}
