//! The watchdog of a trial: 20 s for the application, whatever the board file says for confirmed images.
//!
//! The shipped binary, on a board of each strategy that has trials; the applications are from tests/trial.

use surefoot_app::Event;
use surefoot_board::Board as BoardFile;
use surefoot_core::config::OWNER_JOURNAL;
use surefoot_core::journal::{self, Record};
use surefoot_host::job::Finish;
use surefoot_images::F4_FULL;
use surefoot_sim::Nanos;
use surefoot_tests::fixtures::{Trial, root, trial};
use surefoot_tests::rig::{Found, Rig, example_key};

/// The boards with trials: two slots in turn, a backup slot, one slot with a journal.
fn boards(watchdog: bool) -> [(&'static str, BoardFile); 3] {
    ["ab", "backup", "single"].map(|strategy| {
        let folder = root().join("boards");
        let example = if strategy == "single" { "backup" } else { strategy };
        let mut text = std::fs::read_to_string(folder.join(format!("f4-discovery-{example}.toml"))).unwrap();
        let replace = |text: &mut String, from: &str, to: &str| {
            assert!(text.contains(from), "{from}: the example board's file has changed its form");
            *text = text.replace(from, to);
        };
        if strategy == "single" {
            replace(&mut text, "strategy = \"backup\"", "strategy = \"single\"");
            replace(&mut text, "backup = \"0x08080000\"", "# backup");
        }
        replace(&mut text, "watchdog = true", &format!("watchdog = {watchdog}"));
        (strategy, BoardFile::parse(&text, &folder).unwrap())
    })
}

fn newest(rig: &Rig) -> Record {
    let config = rig.config().with_open(OWNER_JOURNAL);
    let mut newest: Option<Record> = None;
    let mut end = 0;
    while let Some(sector) = config.sector_from(end) {
        end = sector.end();
        let bytes = rig.board.read_memory(sector.base, sector.size as usize).unwrap();
        newest = newest.into_iter().chain(journal::history(bytes)).max_by_key(Record::sequence);
    }
    newest.expect("a record")
}

/// A board that has just started this application on trial.
fn on_trial(file: BoardFile, what: Trial) -> Rig {
    let elf = trial(what, 100, file.slot().base).unwrap();
    let mut rig = Rig::with(F4_FULL, file).unwrap();
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().unwrap();
    let image = rig.image(&elf, [2, 0, 0], Some(&example_key().unwrap())).unwrap();
    assert_eq!(rig.flash(&image).unwrap(), Finish::Application);
    assert_eq!(newest(&rig).event(), Event::Trial as u8);
    rig
}

#[test]
fn a_trial_has_twenty_seconds_whatever_the_board_file_says_of_the_watchdog() {
    for watchdog in [false, true] {
        for (strategy, file) in boards(watchdog) {
            for ms in [2_000, 15_000] {
                let mut rig = on_trial(file.clone(), Trial::Late(ms));
                let resets = rig.board.resets();
                rig.board.run_for(Nanos::millis(u64::from(ms) + 500));
                let what = format!("{strategy}, watchdog = {watchdog}, {ms} ms");
                assert_eq!(rig.board.resets(), resets, "{what}");
                assert_eq!(newest(&rig).event(), Event::Confirmed as u8, "{what}");
                rig.board.assert_no_violations(|_| false);
            }
        }
    }
}

#[test]
fn a_trial_that_hangs_is_reset_in_time_whatever_the_board_file_says_of_the_watchdog() {
    for watchdog in [false, true] {
        for (strategy, file) in boards(watchdog) {
            let mut rig = on_trial(file, Trial::Hangs);
            assert!(rig.board.watchdog_running(), "{strategy}");
            let (from, resets) = (rig.board.now(), rig.board.resets());
            rig.board.run_until(|b| b.resets() != resets, Nanos::secs(60));
            // RM0090 Rev 21, table 107: 4,096 steps of 256 LSI cycles, at the model's 32 kHz.
            let after = rig.board.now().since(from).0 / 1_000_000;
            assert!((32_500..=32_800).contains(&after), "{strategy}, watchdog = {watchdog}: {after} ms");
        }
    }
}

#[test]
fn an_application_that_sets_the_watchdog_up_itself_without_a_wait_gets_the_time_it_asks_for() {
    for watchdog in [false, true] {
        for (strategy, file) in boards(watchdog) {
            let mut rig = on_trial(file, Trial::OwnWatchdog);
            // Once on trial, and twice confirmed: with `watchdog = false` the application starts it then.
            for _ in 0..3 {
                let resets = rig.board.resets();
                rig.board.run_for(Nanos::secs(10));
                assert_eq!(rig.board.resets(), resets, "{strategy}, watchdog = {watchdog}");
                assert_eq!(newest(&rig).event(), Event::Confirmed as u8, "{strategy}, watchdog = {watchdog}");
                rig.board.assert_no_violations(|_| false);
                rig.board.power_off();
                assert_eq!(rig.power_on(Nanos::secs(2)), Found::Application);
            }
        }
    }
}
