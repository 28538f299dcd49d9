//! The journal alone: a new state is written as the sector turns over, and cut everywhere.

use super::board::{Board, Kind};
use super::family::{FAMILIES, Family, LARGE_JOURNAL};
use super::flash::{Cut, Leaves, POINTS, When};
use super::scenario;
use surefoot_core::config::{Config, OWNER_JOURNAL, Policy, Sector, Strategy};
use surefoot_core::image::crc32;
use surefoot_core::journal::{Event, Journal, RECORD_LEN};
use surefoot_core::port::{Flash, FlashFault, Memory};

/// What a cut leaves is drawn so many times.
const SEEDS: u64 = 4;

#[test]
fn a_turnover_that_is_cut_keeps_the_old_state_or_the_new_one() {
    let cuts: u64 = FAMILIES.iter().chain([&LARGE_JOURNAL]).map(turn_over).sum();
    assert!(cuts > 10_000, "{cuts} cuts");
}

fn turn_over(family: &'static Family) -> u64 {
    let kind = Kind::new(family, Strategy::Ab, Policy::Crc);
    let mut cuts = 0;
    for left in 0..4 {
        let mut start = Board::new(kind);
        commit(&mut start, 7).expect("the flash is good");
        scenario::fill(&mut start, left);
        let mut whole = start.clone();
        whole.power_on(None, 0);
        commit(&mut whole, 8).expect("the flash is good");
        let operations = whole.flash.done.len();
        // The large sectors take their time.
        let seeds = if family.size() > 512 * 1024 { 1 } else { SEEDS };
        for at in 0..operations {
            for when in POINTS {
                for seed in 0..seeds {
                    let mut board = start.clone();
                    board.power_on(Some(Cut { at, when }), seed);
                    assert!(commit(&mut board, 8).is_err() || when == When::After);
                    check(&mut board, 7, seed, &format!("{} {left} {at} {when:?} {seed}", family.name));
                    cuts += 1;
                }
            }
        }
    }
    cuts
}

#[test]
fn a_state_of_which_one_record_stands_is_no_half_of_the_next() {
    let kind = Kind::new(&FAMILIES[0], Strategy::Ab, Policy::Crc);
    let mut start = Board::new(kind);
    commit(&mut start, 7).expect("the flash is good");
    // The cut comes behind the first of the two records.
    start.power_on(Some(Cut { at: 7, when: When::After }), 0);
    commit(&mut start, 8).expect_err("cut");
    start.power_on(None, 0);
    let mut whole = start.clone();
    commit(&mut whole, 9).expect("the flash is good");
    for at in 0..whole.flash.done.len() {
        for when in POINTS {
            for seed in 0..16 {
                let mut board = start.clone();
                board.power_on(Some(Cut { at, when }), seed);
                commit(&mut board, 9).expect_err("cut");
                check(&mut board, 8, seed, &format!("{at} {when:?} {seed}"));
            }
        }
    }
}

/// A journal with candidate 7 as its state, and behind it a whole record with candidate 66 and this
/// number, which no journal of ours has written.
fn with_record(sequence: u32) -> Board {
    let mut board = Board::new(Kind::new(&FAMILIES[0], Strategy::Ab, Policy::Crc));
    commit(&mut board, 7).expect("the flash is good");
    let sector = board.kind.config.with_open(OWNER_JOURNAL).sector_from(0).expect("a journal");
    let at = (sector.base..).step_by(RECORD_LEN as usize).nth(2).expect("free");
    let mut words = [0u32; 8];
    (words[0], words[3]) = (sequence, 66);
    let mut bytes = words.map(u32::to_le_bytes).as_flattened().to_vec();
    let crc = crc32(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    board.flash.put(at, &bytes);
    board
}

fn candidate(board: &Board) -> u32 {
    Journal::load(board.kind.config, &board.flash).state.candidate()
}

#[test]
fn a_record_whose_number_cannot_be_followed_leaves_the_state_before_it() {
    for sequence in
        [u32::MAX, u32::MAX - 1, u32::MAX - 2, u32::MAX - 1000, 1 << 31 | 1, 1 << 31, 1 << 27 | 1, 1 << 27]
    {
        let mut board = with_record(sequence);
        assert_eq!(candidate(&board), 7, "{sequence:x}");
        // Until the log has gone through both sectors, and once more.
        for next in 8..3 * board.kind.family.records() {
            commit(&mut board, next).expect("the flash is good");
            assert_eq!(candidate(&board), next, "{sequence:x}");
        }
    }
}

#[test]
fn a_state_that_would_get_a_number_that_cannot_be_followed_is_not_taken_for_written() {
    for before in 0..6 {
        let mut board = with_record((1 << 27) - 1 - before);
        let mut state = 66;
        assert_eq!(candidate(&board), state);
        for next in 100..110 {
            if commit(&mut board, next).is_ok() {
                state = next;
            }
            assert_eq!(candidate(&board), state, "{before} before the last, {next}");
        }
        assert!(state < 104, "{before} before the last: {state}");
    }
}

/// Writes a state with this candidate.
fn commit(board: &mut Board, candidate: u32) -> Result<(), FlashFault> {
    let mut journal = Journal::load(board.kind.config, &board.flash);
    journal.state.set_candidate(candidate);
    journal.commit(board, Event::Installed, 0)
}

/// The state `old` or the next one is found, and once one is settled that one is found for ever.
fn check(board: &mut Board, old: u32, seed: u64, case: &str) {
    let mut settled = None;
    for start in 1..6 {
        board.power_on(None, seed + 100 * start);
        let mut journal = Journal::load(board.kind.config, &board.flash);
        let candidate = journal.state.candidate();
        assert!(candidate == old || candidate == old + 1, "{case}: {candidate} out of nowhere");
        if let Some(settled) = settled {
            assert_eq!(candidate, settled, "{case}: another state than the one that was settled");
        }
        journal.settle(board).expect("the flash is good");
        settled = Some(candidate);
    }
    commit(board, 10).expect("the flash is good");
    let candidate = Journal::load(board.kind.config, &board.flash).state.candidate();
    assert_eq!(candidate, 10, "{case}: the next state is not found");
}

/// A flash that programs nothing from this address on.
struct Stubborn<'a>(&'a mut Board, u32);

impl Memory for Stubborn<'_> {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.0.bytes(address, length)
    }
}

impl Flash for Stubborn<'_> {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        self.0.erase(config, sector)
    }

    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        if address >= self.1 { Err(FlashFault::ReadBack) } else { self.0.program(config, address, data) }
    }
}

#[test]
fn a_sector_that_takes_no_record_at_all_does_not_cost_the_one_with_the_newest() {
    let kind = Kind::new(&FAMILIES[0], Strategy::Ab, Policy::Crc);
    let mut board = Board::new(kind);
    commit(&mut board, 7).expect("the flash is good");
    scenario::fill(&mut board, 0);
    let second = kind.config.with_open(OWNER_JOURNAL).sector_from(0).expect("a journal").end();
    let mut journal = Journal::load(kind.config, &board.flash);
    journal.state.set_candidate(8);

    for _ in 0..3 * kind.family.records() {
        let written = journal.commit(&mut Stubborn(&mut board, second), Event::Installed, 0);
        assert_eq!(written, Err(FlashFault::ReadBack));
    }
    assert!(board.flash.done.iter().filter(|operation| operation.erase).count() > 2, "tried anew");
    check(&mut board, 7, 0, "nothing was written");
}

/// A cut in a record, a second one in the recovery: bits of both may turn bad later, one by one.
#[test]
fn a_state_that_was_settled_after_two_cuts_stays() {
    let mut total = 0u64;
    for family in &FAMILIES[..3] {
        let kind = Kind::new(family, Strategy::Ab, Policy::Crc);
        let mut fell = 0u64;
        let mut cases = 0u64;
        let mut first = None;
        let mut start = Board::new(kind);
        commit(&mut start, 7).expect("good");
        scenario::fill(&mut start, 20);
        let mut whole = start.clone();
        whole.power_on(None, 0);
        commit(&mut whole, 8).expect("good");
        let ops = whole.flash.done.len();
        for at in 0..ops {
            for when in POINTS {
                for at2 in 0..ops {
                    for when2 in POINTS {
                        for seed in 0..2 {
                            let mut board = start.clone();
                            board.power_on(Some(Cut { at, when }), seed);
                            let _ = commit(&mut board, 8);
                            // The recovery, or the next state, cut too.
                            board.power_on(Some(Cut { at: at2, when: when2 }), seed + 1000);
                            let mut journal = Journal::load(board.kind.config, &board.flash);
                            if seed % 2 == 0 {
                                let _ = journal.settle(&mut board);
                            } else {
                                journal.state.set_candidate(9);
                                let _ = journal.commit(&mut board, Event::Installed, 0);
                            }
                            if !board.flash.off {
                                continue;
                            }
                            cases += 1;
                            let mut settled = None;
                            for s in 1..8 {
                                board.power_on(None, seed + 100 * s);
                                let mut journal = Journal::load(board.kind.config, &board.flash);
                                let candidate = journal.state.candidate();
                                if settled.is_some_and(|settled| settled != candidate) {
                                    fell += 1;
                                    first.get_or_insert((at, when, at2, when2, seed, s));
                                    break;
                                }
                                // Settled without an error: it may be acted on.
                                settled = journal.settle(&mut board).is_ok().then_some(candidate);
                            }
                        }
                    }
                }
            }
        }
        println!("{}: {cases} double cuts, {fell} settled states were lost, first {first:?}", family.name);
        total += fell;
    }
    assert_eq!(total, 0);
}

/// The last word of a state's first record reads badly at the next start and well at the one after it; behind a
/// full sector that record is the other one's first.
#[test]
fn a_record_that_reads_badly_and_then_well_does_not_overtake_what_was_settled_in_between() {
    for family in &FAMILIES {
        for left in [20, 0] {
            let mut start = Board::new(Kind::new(family, Strategy::Ab, Policy::Crc));
            commit(&mut start, 7).expect("the flash is good");
            scenario::fill(&mut start, left);
            let mut whole = start.clone();
            whole.power_on(None, 0);
            commit(&mut whole, 8).expect("the flash is good");
            for at in 0..whole.flash.done.len() {
                for seed in 0..4 {
                    let mut board = start.clone();
                    board.power_on(Some(Cut { at, when: When::Inside(Leaves::Late) }), seed);
                    commit(&mut board, 8).expect_err("cut");
                    check(&mut board, 7, seed, &format!("{} {left} {at} {seed}", family.name));
                }
            }
        }
    }
}
