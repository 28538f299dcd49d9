//! Faults of the flash beyond a clean cut: unstable bits, sectors that do not erase, words that do
//! not program, torn option bytes; and boards that go on from what another's supply left.

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use common::{Script, board};
use surefoot_sim::{Bits, Board, Cut, Defect, Failing, Leaves, Nanos, Remains, Started, Stop, Told, When};

const ACR: u32 = 0x4002_3C00;
const SR: u32 = ACR + 0xC;
const CR: u32 = ACR + 0x10;
const OPTCR: u32 = ACR + 0x14;
const PG_X32: u32 = 2 << 8 | 1;
const SER_X32: u32 = 2 << 8 | 2;
const STRT: u32 = 1 << 16;
const EOPIE: u32 = 1 << 24;
const ERRIE: u32 = 1 << 25;
/// Sector 5 at 0x08020000.
const SECTOR: u32 = 5 << 3;
const PLACE: u32 = 0x0802_0000;
const VALUE: u32 = 0x0000_FF00;

fn unlocked() -> Script {
    Script::new().set(ACR + 4, 0x4567_0123).set(ACR + 4, 0xCDEF_89AB)
}

fn idle(script: Script) -> Script {
    script.wait(SR, 1 << 16, 0)
}

fn erase() -> Script {
    idle(unlocked().set(CR, EOPIE | ERRIE | SER_X32 | SECTOR | STRT))
}

fn program(script: Script, address: u32, value: u32) -> Script {
    idle(script.set(CR, EOPIE | ERRIE | PG_X32).set(address, value))
}

/// A board whose only operation was cut inside, without supply.
fn cut(script: &Script, old: u8, left: Bits, seed: u64) -> Board {
    let mut board = board();
    board.load(PLACE, &[old; 128 << 10]).unwrap();
    script.start(&mut board);
    board.cut(Cut { operation: 1, when: When::Inside, left, seed });
    assert_eq!(board.run_for(Nanos::secs(3)), Stop::PowerCut);
    board
}

/// Reads the place `count` times.
fn read_often(board: &mut Board, count: u32) -> Vec<u32> {
    read_there(board, PLACE, count)
}

/// Reads a word `count` times.
fn read_there(board: &mut Board, address: u32, count: u32) -> Vec<u32> {
    let script = (0..count).fold(Script::new(), |script, _| script.get(address));
    board.load(0x0800_0000, &script.image(0x0800_0000)).unwrap();
    board.power_on();
    board.run_for(Nanos::millis(5));
    let reads = (0..count).map(|i| board.read_word(common::RESULTS + 4 * i).unwrap()).collect();
    board.power_off();
    reads
}

#[test]
fn a_torn_word_reads_the_same_or_differs_by_reset_or_by_read_as_asked() {
    let script = program(unlocked(), PLACE, VALUE);
    for (left, by_read, by_reset) in
        [(Bits::Solid, false, false), (Bits::Drifting, false, true), (Bits::Restless, true, true)]
    {
        let mut board = cut(&script, 0xFF, left, 5);
        assert_eq!(board.unstable_bits(PLACE, 4) > 0, left != Bits::Solid, "{left:?}");
        assert_eq!(board.unstable_bits(PLACE + 4, 1 << 16), 0);
        let runs: Vec<Vec<u32>> = (0..8).map(|_| read_often(&mut board, 32)).collect();
        assert!(runs.iter().flatten().all(|word| word & VALUE == VALUE), "only its bits: {left:?}");
        let differ = |words: &[u32]| words.iter().collect::<BTreeSet<_>>().len() > 1;
        assert_eq!(runs.iter().any(|words| differ(words)), by_read, "{left:?}");
        let firsts: Vec<u32> = runs.iter().map(|words| words[0]).collect();
        assert_eq!(differ(&firsts), by_reset, "{left:?}");
    }
}

#[test]
fn a_word_that_ages_differs_by_read_wherever_it_is_in_the_array() {
    // The core's pages, and those of the map, are parts of this.
    for at in (0..8 << 10).step_by(512).chain([(128 << 10) - 4]) {
        let mut board = board();
        for (left, by_read) in [(Bits::Drifting, false), (Bits::Restless, true), (Bits::Drifting, false)] {
            // Programmed over: what was unstable before is not any more.
            board.load(PLACE + at, &[0xFF; 4]).unwrap();
            board.weaken(PLACE + at, 0x10, left);
            let words = BTreeSet::from_iter(read_there(&mut board, PLACE + at, 32));
            assert_eq!(words.len() > 1, by_read, "{left:?} at {at:#x}: {words:x?}");
            let beside = BTreeSet::from_iter(read_there(&mut board, (PLACE + at) ^ 4, 32));
            assert_eq!(beside, BTreeSet::from([u32::MAX]), "beside {at:#x}");
        }
    }
}

#[test]
fn unstable_bits_end_with_an_erase_or_with_being_programmed_to_0() {
    for left in [Bits::Drifting, Bits::Restless] {
        for cure in [program(unlocked(), PLACE, 0).get(PLACE), erase().get(PLACE)] {
            let mut board = cut(&program(unlocked(), PLACE, VALUE), 0xFF, left, 5);
            cure.start(&mut board);
            board.run_for(Nanos::secs(2));
            let solid = cure.ran(board);
            solid.clean();
            let mut board = solid.board;
            assert_eq!(board.unstable_bits(PLACE, 128 << 10), 0);
            board.power_off();
            assert_eq!(BTreeSet::from_iter(read_often(&mut board, 16)).len(), 1);
        }
    }
}

#[test]
fn programming_what_reads_as_erased_over_unstable_bits_is_no_broken_rule() {
    let mut board = cut(&program(unlocked(), PLACE, 0), 0xFF, Bits::Restless, 6);
    let before = board.unstable_bits(PLACE, 4);
    assert!(before > 4);
    let again = program(unlocked(), PLACE, 0x1234_5678);
    again.start(&mut board);
    board.run_for(Nanos::millis(5));
    let wrong = |v: &surefoot_sim::Violation| v.what.contains("cannot set bits");
    let solid_bits_lost = board.violations().iter().any(wrong);
    let after = board.unstable_bits(PLACE, 4);
    assert!(after < before && after > 0, "{before} {after}");
    // Bits that the cut had cleared in full are another matter.
    assert!(solid_bits_lost, "this seed cleared some");
}

#[test]
fn an_erase_cut_inside_leaves_every_shape_and_unstable_bits_only_where_asked() {
    let (mut zeroed, mut prefix, mut nearly, mut unstable) = (0, 0, 0, 0);
    for seed in 0..48 {
        for left in [Bits::Solid, Bits::Restless] {
            let board = cut(&erase(), 0x5A, left, seed);
            let sector = board.read_memory(PLACE, 128 << 10).unwrap();
            let count = |byte| sector.iter().filter(|&&b| b == byte).count();
            let weak = board.unstable_bits(PLACE, 128 << 10);
            assert!(left == Bits::Restless || weak == 0);
            unstable += u32::from(weak > 0);
            zeroed += u32::from(sector[0] == 0 && count(0) > 2_000);
            prefix += u32::from(sector.starts_with(&[0xFF; 64]) && count(0x5A) > 0);
            nearly += u32::from(
                count(0xFF) > sector.len() * 9 / 10 && count(0x5A) == 0 && count(0xFF) < sector.len(),
            );
        }
    }
    assert!(zeroed > 5 && prefix > 5 && nearly > 5 && unstable > 20, "{zeroed} {prefix} {nearly} {unstable}");
}

#[test]
fn a_sector_that_fails_to_erase_keeps_its_contents_silently_or_with_a_flag() {
    const WRPERR: u32 = 1 << 4;
    const OPERR: u32 = 1 << 1;
    let script =
        idle(erase().get(SR).get(PLACE).set(SR, 0xF3).set(CR, EOPIE | ERRIE | SER_X32 | SECTOR | STRT));
    let script = script.get(PLACE);
    let old = u32::from_le_bytes([0x5A; 4]);
    for (told, flags) in
        [(Told::Nothing, 1), (Told::WriteProtected, WRPERR | OPERR), (Told::Operation, OPERR)]
    {
        for (times, second) in [(Some(1), u32::MAX), (Some(2), old), (None, old)] {
            let mut board = board();
            board.load(PLACE, &[0x5A; 128 << 10]).unwrap();
            let what = Failing::Erase { sector: 5, leaves: Leaves::Old };
            board.add_defect(Defect { what, told, times });
            script.start(&mut board);
            board.run_for(Nanos::secs(3));
            let ran = script.ran(board);
            assert_eq!(ran.clean(), [flags, old, second], "{told:?} {times:?}");
            assert_eq!(ran.board.defects().len(), usize::from(times.is_none()), "{told:?} {times:?}");
        }
    }
}

#[test]
fn a_failed_erase_may_leave_what_a_torn_one_leaves_and_touches_no_other_sector() {
    let mut board = board();
    board.load(PLACE, &[0x5A; 128 << 10]).unwrap();
    let what = Failing::Erase { sector: 5, leaves: Leaves::Torn(Bits::Restless, 2) };
    board.add_defect(Defect { what, told: Told::Nothing, times: None });
    erase().start(&mut board);
    board.run_for(Nanos::secs(2));
    assert!(board.unstable_bits(PLACE, 128 << 10) > 0);
    let other = idle(unlocked().set(CR, SER_X32 | 6 << 3 | STRT)).get(PLACE + (128 << 10));
    board.load(PLACE + (128 << 10), &[0x5A; 128]).unwrap();
    board.power_off();
    other.start(&mut board);
    board.run_for(Nanos::secs(2));
    assert_eq!(other.ran(board).clean(), [u32::MAX]);
}

#[test]
fn a_word_that_fails_to_program_keeps_its_stuck_bits() {
    let script = program(program(erase(), PLACE + 4, VALUE), PLACE, VALUE);
    let script = script.get(PLACE).get(PLACE + 4).get(SR);
    for (ones, zeros, times, expected) in [
        (u32::MAX, 0, None, u32::MAX),
        (1 << 31, 0, None, VALUE | 1 << 31),
        // The erase already shows what is stuck at 0.
        (0, 1, None, VALUE & !1),
        // The erase fails: the word is programmed after it.
        (0, 1 << 31, Some(1), VALUE),
        (1 << 31, 0, Some(2), VALUE | 1 << 31),
    ] {
        let mut board = board();
        let what = Failing::Word { address: PLACE, ones, zeros };
        board.add_defect(Defect { what, told: Told::Nothing, times });
        script.start(&mut board);
        board.run_for(Nanos::secs(2));
        assert_eq!(script.ran(board).clean(), [expected, VALUE, 1], "{what:?}");
    }
}

#[test]
fn a_sector_that_takes_no_programming_stays_as_it_is_and_others_change() {
    let other = PLACE - 4;
    let script =
        program(program(unlocked(), PLACE + 8, VALUE), other, VALUE).get(PLACE + 8).get(other).get(SR);
    for (times, expected) in [(None, u32::MAX), (Some(1), u32::MAX)] {
        let mut board = board();
        let what = Failing::Program { sector: 5 };
        board.add_defect(Defect { what, told: Told::Nothing, times });
        script.start(&mut board);
        board.run_for(Nanos::millis(5));
        let ran = script.ran(board);
        assert_eq!(ran.clean(), [expected, VALUE, 1], "{times:?}");
        assert_eq!(ran.board.defects().len(), usize::from(times.is_none()));
    }
}

#[test]
fn a_weak_word_holds_no_clear_level_until_an_operation_does_what_it_is_told() {
    const READS: usize = 32;
    let read = |script: Script| (0..READS).fold(script, |script, _| script.get(PLACE)).get(PLACE + 4);
    let script = read(program(program(erase(), PLACE, VALUE), PLACE + 4, VALUE));
    let script = read(idle(script.set(CR, EOPIE | ERRIE | SER_X32 | SECTOR | STRT)));
    // Two operations on the word, and one more.
    for (bits, times) in [(1 << 7, None), (3 << 30, None), (1 | 1 << 8, Some(2)), (0, None)] {
        let mut board = board();
        let what = Failing::Weak { address: PLACE, bits };
        board.add_defect(Defect { what, told: Told::Nothing, times });
        script.start(&mut board);
        board.run_for(Nanos::secs(4));
        let ran = script.ran(board);
        let got = ran.clean();
        let (programmed, erased) = got.split_at(READS + 1);
        for (words, whole, weak) in
            [(programmed, VALUE, bits), (erased, u32::MAX, if times.is_some() { 0 } else { bits })]
        {
            let (words, behind) = words.split_at(READS);
            assert_eq!(behind, [whole], "the word behind it is whole");
            let wrong = words.iter().map(|word| word ^ whole);
            assert_eq!(wrong.clone().fold(0, |a, b| a | b), weak, "{words:x?}: {what:?}");
            assert_eq!(wrong.fold(weak, |a, b| a & b), 0, "as both: {words:x?}: {what:?}");
        }
    }
}

// ---- option bytes ----

fn options(value: u32) -> Script {
    let keys = Script::new().set(ACR + 8, 0x0819_2A3B).set(ACR + 8, 0x4C5D_6E7F);
    idle(keys.set(OPTCR, value).set(OPTCR, value | 2))
}

#[test]
fn a_change_of_the_option_bytes_is_an_operation_and_is_cut_before_inside_and_after() {
    const OLD: u32 = 0x0FFF_AAEC;
    const NEW: u32 = 0x0FFE_55EC;
    let mut seen = BTreeSet::new();
    for (when, seeds) in [(When::Before, 1), (When::Inside, 64), (When::After, 1)] {
        for seed in 0..seeds {
            let mut board = board();
            let script = options(NEW);
            script.start(&mut board);
            board.cut(Cut { operation: 1, when, left: Bits::Drifting, seed });
            assert_eq!(board.run_for(Nanos::secs(3)), Stop::PowerCut);
            board.load(0x0800_0000, &Script::new().get(OPTCR).image(0x0800_0000)).unwrap();
            board.power_on();
            board.run_for(Nanos::millis(5));
            let loaded = board.read_word(common::RESULTS).unwrap() & !1;
            assert_eq!(loaded, board.option_bytes());
            match when {
                When::Before => assert_eq!(loaded, OLD),
                When::After => assert_eq!(loaded, NEW),
                When::Inside => {
                    seen.insert(loaded >> 8 & 0xFF);
                }
            }
        }
    }
    assert!(seen.contains(&0xFF) && seen.len() > 8, "{seen:x?}");
    assert!(!seen.contains(&0xCC), "never read protection level 2");
}

#[test]
fn leaving_read_protection_erases_the_memory_before_the_option_bytes_change() {
    for seed in 0..16 {
        let mut board = board();
        board.set_option_bytes(0x0FFF_55EC);
        board.load(PLACE, &[0x5A; 128 << 10]).unwrap();
        let script = options(0x0FFF_AAEC);
        script.start(&mut board);
        board.cut(Cut { operation: 1, when: When::Inside, left: Bits::Solid, seed });
        assert_eq!(board.run_for(Nanos::secs(30)), Stop::PowerCut);
        let blank = board.flash().iter().all(|&b| b == 0xFF);
        assert!(blank || board.option_bytes() == 0x0FFF_55EC, "nothing to read out at level 0, seed {seed}");
    }
}

// ---- forks ----

/// Erases sector 5, programs four words, and changes the option bytes.
fn scenario() -> Script {
    let script = (0..4).fold(erase(), |script, i| program(script, PLACE + 4 * i, 0x1111 * (i + 1)));
    let keys = script.set(ACR + 8, 0x0819_2A3B).set(ACR + 8, 0x4C5D_6E7F);
    idle(keys.set(OPTCR, 0x0FFE_AAEC).set(OPTCR, 0x0FFE_AAEE))
}

fn forks() -> Vec<Remains> {
    let mut board = board();
    board.load(PLACE, &[0x5A; 128 << 10]).unwrap();
    let seen: Arc<Mutex<Vec<Remains>>> = Arc::default();
    let keep = seen.clone();
    board.watch_operations(Some(move |board: &mut Board, _| keep.lock().unwrap().push(board.remains())));
    scenario().start(&mut board);
    board.run_for(Nanos::secs(3));
    board.assert_no_violations(|_| false);
    std::mem::take(&mut seen.lock().unwrap())
}

#[test]
fn a_watcher_sees_every_operation_before_it_begins() {
    let forks = forks();
    let what: Vec<Started> = forks.iter().filter_map(Remains::operation).collect();
    assert_eq!(what[0], Started::Erase { address: PLACE, length: 128 << 10 });
    assert_eq!(what[1], Started::Program { address: PLACE, bytes: 4, value: 0x1111 });
    assert_eq!(what[4], Started::Program { address: PLACE + 12, bytes: 4, value: 0x4444 });
    assert_eq!(what[5], Started::Options { value: 0x0FFE_AAEC });
    assert_eq!(what.len(), 6);
    assert_eq!(forks.iter().map(Remains::number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(forks[0].flash(PLACE, 2), Some(&[0x5A; 2][..]));
    assert_eq!(forks[2].flash(PLACE, 8), Some(&[0x11, 0x11, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF][..]));
}

#[test]
fn a_revived_board_is_what_the_same_cut_in_a_whole_run_leaves() {
    let mut revived = board();
    for fork in forks() {
        for when in [When::Before, When::After] {
            let mut whole = board();
            whole.load(PLACE, &[0x5A; 128 << 10]).unwrap();
            scenario().start(&mut whole);
            whole.cut(Cut::new(fork.number(), when, 1));
            assert_eq!(whole.run_for(Nanos::secs(3)), Stop::PowerCut);
            revived.revive(&fork, when, Bits::Solid, 7);
            assert!(!revived.is_powered());
            assert!(revived.flash() == whole.flash(), "{when:?} operation {}", fork.number());
            assert_eq!(revived.option_bytes(), whole.option_bytes());
            assert_eq!(revived.operations(), whole.operations());
            // Both go on alike.
            for board in [&mut revived, &mut whole] {
                board.power_on();
                board.run_for(Nanos::secs(3));
            }
            assert!(revived.flash() == whole.flash());
        }
    }
}

#[test]
fn a_revived_board_depends_on_its_seed_alone() {
    let forks = forks();
    let mut board = board();
    let mut state = |fork: &Remains, seed| {
        board.revive(fork, When::Inside, Bits::Restless, seed);
        board.power_on();
        board.run_for(Nanos::millis(1));
        let ram = board.read_memory(0x2000_0000, 4096).unwrap().to_vec();
        (board.flash().to_vec(), board.option_bytes(), ram, board.now())
    };
    for fork in &forks {
        let first = state(fork, 3);
        let other = state(&forks[0], 9);
        assert!(state(fork, 3) == first, "operation {}", fork.number());
        assert!(first != other);
    }
}

#[test]
fn remains_have_the_same_print_when_what_comes_after_them_is_the_same() {
    let prints = |forks: &[Remains]| forks.iter().map(Remains::print).collect::<Vec<_>>();
    let whole = prints(&forks());
    assert_eq!(whole, prints(&forks()), "the same run");
    let mut each = whole.clone();
    each.sort_unstable();
    each.dedup();
    assert_eq!(each.len(), whole.len(), "every operation finds other cells, or is another one");

    // A run that goes on from a cut finds the cells as the whole run found them, at another time.
    let mut board = board();
    let mut after = |when, left, seed| {
        board.revive(&forks()[1], when, left, seed);
        board.remains().print()
    };
    let (before, behind) = (after(When::Before, Bits::Solid, 1), after(When::After, Bits::Solid, 1));
    assert_eq!(before, after(When::Before, Bits::Solid, 2), "noise in RAM and the time do not count");
    assert_ne!(before, behind, "a word more is programmed");
    let [one, other, again] = [5, 6, 5].map(|seed| after(When::Inside, Bits::Restless, seed));
    assert_ne!(one, other, "other bits are unstable");
    assert_eq!(one, again);
    let drifting = after(When::Inside, Bits::Drifting, 5);
    assert_ne!(one, drifting, "the same cells, and bits that change at other times");
}

/// What the core executes is what the array holds, whatever it has translated of it before.
#[test]
fn an_instruction_that_changes_by_itself_or_with_the_whole_board_is_executed_as_it_is() {
    const CODE: u32 = 0x0800_0200;
    let mut board = board();
    // movs r0, #8 (ARM DDI 0403E A7.7.76)
    Script::new().raw(&[0x2008]).start(&mut board);
    let ran = |board: &mut Board| {
        board.power_off();
        board.power_on();
        board.run_for(Nanos::millis(10));
        let stored = u32::from(board.flash()[(CODE - 0x0800_0000) as usize]);
        (board.register(0), stored)
    };
    assert_eq!(ran(&mut board), (8, 8));
    let start = board.snapshot();
    assert!(board.write_flash(CODE, &[9]));
    assert_eq!(ran(&mut board), (9, 9));
    board.restore(&start);
    assert_eq!(ran(&mut board), (8, 8), "put back");
    assert!(board.weaken(CODE, 1, Bits::Drifting));
    let mut seen = BTreeSet::new();
    for start in 0..32 {
        let (executed, stored) = ran(&mut board);
        assert_eq!(executed, stored, "start {start}");
        seen.insert(executed);
    }
    assert_eq!(seen, BTreeSet::from([8, 9]));
}
