//! The sweep itself: it repeats itself, replays a case by name, and sees what it is there to see.

use surefoot_images::F4_FULL;
use surefoot_sim::{Nanos, Remains, Started};
use surefoot_tests::sweep::bench::{Bench, Seen, bare_board};
use surefoot_tests::sweep::case::{Blow, Case, CutAt, Fault, FaultAt, How, Second};
use surefoot_tests::sweep::checks::{Failure, Kind, Promise, State, check};
use surefoot_tests::sweep::engine::Recorded;
use surefoot_tests::sweep::{self, Effort, Figures, Options, Tried, scenarios};

fn some(name: &str, shard: usize, shards: usize) -> Figures {
    with_effort(name, shard, shards, Effort::Spread(120), Tried::default())
}

fn with_effort(name: &str, shard: usize, shards: usize, effort: Effort, tried: Tried) -> Figures {
    let only = Some(name.to_owned());
    let options = Options {
        seed: 3,
        shard,
        shards,
        thread: (0, 1),
        seeds: 1,
        last_words: 1,
        effort,
        draws: 2,
        tried,
        states: Tried::default(),
        faults: 2,
        only,
        firmware: F4_FULL,
        most_failures: u64::MAX,
    };
    let parts = sweep::run(&options, &mut |_| {}).expect("the scenario runs");
    let mut all = Figures::default();
    parts.into_iter().for_each(|part| all.add(part.figures));
    all
}

#[test]
fn a_sweep_passes_and_its_shards_are_the_whole() {
    let whole = some("ab-trial-hangs", 0, 1);
    assert!(whole.passed(), "{:#?}", whole.failures);
    assert!(whole.second_cuts > 20 && whole.faults > 2, "{whole:?}");
    let mut shards = some("ab-trial-hangs", 0, 2);
    shards.add(some("ab-trial-hangs", 1, 2));
    assert_eq!(shards, whole);
}

#[test]
fn every_second_cut_is_tried_once_by_whoever_comes_to_its_place_first() {
    let every =
        |shard, shards, tried| with_effort("single-downgrade", shard, shards, Effort::Every(0), tried);
    let whole = every(0, 1, Tried::default());
    assert!(whole.passed(), "{:#?}", whole.failures);
    let scenario = scenarios::find("single-downgrade").expect("a scenario");
    let recorded = Recorded::new(scenario, F4_FULL, &mut bare_board()).expect("it runs");
    let operations = recorded.operations() as u64;
    assert!(operations > 150, "{operations}");
    assert_eq!(whole.cuts - whole.second_cuts, 5 * operations, "each first cut, in five ways");
    assert!(whole.second_cuts > 1000 && whole.same > 500, "{whole:?}");
    let tried = Tried::default();
    let mut shards = every(0, 2, tried.clone());
    shards.add(every(1, 2, tried));
    assert_eq!(shards, whole);
}

#[test]
fn a_case_is_replayed_by_its_name_and_told_as_a_timeline() {
    for name in [
        "ab-update/60:restless:5f",
        "backup-update/9:torn:7/3:after:1",
        "ab-confirm/200:once:2",
        "ab-downgrade/181:ages:2",
        // An image that is forged in the run was forged when that was recorded.
        "signed-forged/33:once:599199fb2d0ac3cf",
    ] {
        let case = name.parse().expect("a case");
        let (figures, trace) = sweep::replay(&case, F4_FULL, true).expect("the scenario runs");
        assert!(figures.bricked + figures.unaccepted == 0, "{name}: {:?}", figures.failures);
        let text = trace.lines().join("\n");
        for words in ["journal: ", "confirmed one", "=> image one runs in slot 0"] {
            assert!(text.contains(words), "{name}: {words}\n{text}");
        }
    }
}

#[test]
fn a_case_of_an_operation_that_is_not_there_says_so_and_is_no_failure_of_the_board() {
    for name in [
        "ab-update/0:torn:1",
        "ab-update/205:torn:1",
        "ab-update/205:once:1",
        "ab-update/206:ages:1",
        "ab-update/60:torn:5/99:torn:1",
        "ab-update/60:torn:5/99:always:1",
        "ab-update/60:torn:5/update/9999:torn:1",
    ] {
        let case = name.parse().expect("a case");
        let why = sweep::replay(&case, F4_FULL, false).expect_err("there is none").to_string();
        assert!(why.starts_with(name) && why.contains("operations"), "{name}: {why}");
    }
}

/// Cuts a scenario where the id of image one is written for the last time, in a way that leaves bits which
/// change from read to read, by many seeds.
fn id_torn(scenario: &str) -> Figures {
    let scenario = scenarios::find(scenario).expect("a scenario");
    let mut board = bare_board();
    let mut recorded = Recorded::new(scenario, F4_FULL, &mut board).expect("it runs");
    let id = recorded.bench.images[0].id;
    let writes_id =
        |fork: &Remains| matches!(fork.operation(), Some(Started::Program { value, .. }) if value == id);
    let operation = 1 + recorded.tape.forks.iter().rposition(writes_id).expect("it is written");
    recorded.swap_board(&mut board);
    let mut figures = Figures::default();
    for seed in 0..120 {
        let cut = CutAt { operation, how: How::RESTLESS, seed };
        let case = Case { scenario: recorded.scenario.name.clone(), first: Blow::Cut(cut), second: None };
        recorded.replay(&case, &mut figures).expect("there is such an operation");
    }
    assert!(figures.passed(), "{:#?}", figures.failures);
    figures
}

/// The word that names an image is the last that is written of it, and it stands behind its own checksum:
/// bits of it that change from read to read must make it no other image's.
#[test]
fn an_image_whose_id_was_torn_is_on_record_by_no_other_id() {
    let [waits, ..] = id_torn("single-first-install").found;
    assert!(waits > 120, "nobody said that it is whole");
}

/// It may read well and not run: then it is copied back once more.
#[test]
fn a_copy_back_whose_last_word_was_torn_is_made_again() {
    let [_, confirmed, ..] = id_torn("backup-trial-unconfirmed").found;
    assert!(confirmed > 120, "it never ran");
}

#[test]
fn a_torn_record_reads_either_way_where_the_journal_takes_no_other() {
    const SEEDS: u64 = 120;
    /// Draws a sector that takes no word.
    const NO_WORD: u64 = 1;
    let scenario = scenarios::find("backup-revoke").expect("a scenario");
    let mut board = bare_board();
    let mut recorded = Recorded::new(scenario, F4_FULL, &mut board).expect("it runs");
    recorded.swap_board(&mut board);
    // The last word of the first of the three records by which image two confirms itself.
    let operation = recorded.operations() - 16;
    let mut figures = Figures::default();
    for seed in 0..SEEDS {
        let first = Blow::Cut(CutAt { operation, how: How::RESTLESS, seed });
        let fault = FaultAt { operation: 1, fault: Fault::Always, seed: NO_WORD };
        let second = Some(Second::Start(Blow::Fault(fault)));
        let case = Case { scenario: recorded.scenario.name.clone(), first, second };
        // What reads as it did before is no place of a fault.
        let _ = recorded.replay(&case, &mut figures);
    }
    assert!(figures.faults > SEEDS / 2, "{figures:?}");
    assert!(figures.bricked + figures.unaccepted == 0, "{:#?}", figures.failures);
}

/// A board on which image one has confirmed itself, and what was promised then.
fn confirmed() -> (Bench, Promise) {
    let scenario = scenarios::find("ab-update").expect("a scenario");
    let mut bench = scenario.bench(F4_FULL).expect("a board");
    scenario.prepare(&mut bench).expect("image one confirms itself");
    let promise = Promise::after(&State::of(&bench.rig.board, &bench.journal));
    let seen = bench.power_cycle();
    assert_eq!(check(&bench, &promise, seen).map(|(kind, _)| kind), Ok(Kind::Confirmed));
    (bench, promise)
}

fn refused(bench: &mut Bench, promise: &Promise) -> Failure {
    let seen = bench.power_cycle();
    check(bench, promise, seen).expect_err("something is wrong")
}

#[test]
fn a_lost_state_a_changed_bootloader_and_a_foreign_image_are_seen() {
    // The journal is gone: the floor is 0, and what runs is on trial.
    let (mut bench, promise) = confirmed();
    for (base, length) in bench.journal.clone() {
        assert!(bench.rig.board.write_flash(base, &vec![0xFF; length as usize]));
    }
    let failure = refused(&mut bench, &promise);
    assert!(matches!(&failure, Failure::Bricked(why) if why.contains("floor")), "{failure:?}");

    // A byte of the bootloader's that it does not use.
    let (mut bench, promise) = confirmed();
    let last = 0x0800_0000 + bench.rig.sealed.len() as u32 - 1;
    let byte = bench.rig.board.read_memory(last, 1).expect("flash")[0];
    assert!(bench.rig.board.write_flash(last, &[byte ^ 0x80]));
    let seen = Seen::Application(0);
    let failure = check(&bench, &promise, seen).expect_err("it has changed");
    assert!(matches!(&failure, Failure::Bricked(why) if why.contains("bootloader")), "{failure:?}");

    // An image that nobody made runs.
    let (bench, promise) = confirmed();
    let failure = check(&bench, &promise, Seen::Application(1)).expect_err("slot 1 is empty");
    assert!(
        matches!(&failure, Failure::Unaccepted(why) if why.contains("nobody made") || why.contains("no image")),
        "{failure:?}"
    );

    // A confirmed image that does not run any more.
    let (mut bench, promise) = confirmed();
    assert!(bench.rig.board.write_flash(bench.slots[0].base, &[0; 16]));
    let failure = refused(&mut bench, &promise);
    assert!(matches!(&failure, Failure::Bricked(why) if why.contains("confirmed image")), "{failure:?}");

    // A board that does nothing.
    let (mut bench, promise) = confirmed();
    bench.rig.board.power_off();
    let seen = bench.look(Nanos::millis(1));
    let failure = check(&bench, &promise, seen).expect_err("it is off");
    assert!(matches!(&failure, Failure::Bricked(why) if why.contains("nothing")), "{failure:?}");
}
