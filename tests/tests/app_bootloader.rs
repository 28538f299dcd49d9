//! Application and bootloader together: what each tells the other through RAM and the backup register.

use surefoot_core::config::Policy;
use surefoot_core::decide::Reason;
use surefoot_core::handoff::{self, RECORD_WORDS, Record};
use surefoot_host::job::Finish;
use surefoot_images::F4_FULL;
use surefoot_sim::{Board, Nanos, Pin};
use surefoot_tests::fixtures::{SLOT, blinky_c, blinky_rust};
use surefoot_tests::needs;
use surefoot_tests::rig::{BUTTON, Found, Rig, example_key};

const ORANGE: Pin = Pin::new('D', 13);
const RAM: u32 = 0x2000_0000;

/// A board whose bootloader has just taken a blinky, the one in C or the one in Rust, and runs it.
fn running(c: bool) -> Rig {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).unwrap();
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().unwrap();
    let elf = if c { blinky_c(500, SLOT) } else { blinky_rust(500, SLOT) };
    let image = rig.image(&elf.unwrap(), [1, 0, 0], Some(&example_key().unwrap())).unwrap();
    assert_eq!(rig.flash(&image).unwrap(), Finish::Application);
    rig.board.run_for(Nanos::millis(10));
    rig
}

/// The blinkies that there are here: in Rust, and in C where it can be compiled.
#[track_caller]
fn languages() -> Vec<bool> {
    if needs::part(needs::C) { vec![false, true] } else { vec![false] }
}

fn record(board: &Board) -> Option<Record> {
    let words: Vec<u32> = (0..RECORD_WORDS as u32)
        .filter_map(|word| board.read_word(RAM + handoff::RECORD + 4 * word))
        .collect();
    Record::decode(&words.try_into().unwrap())
}

#[test]
fn the_application_reads_the_record_that_the_bootloader_left() {
    for c in languages() {
        let rig = running(c);
        assert!(rig.board.pin(ORANGE), "the application found the record");
        let record = record(&rig.board).unwrap();
        assert_eq!(record.slot, SLOT);
        assert_eq!(Reason::from_number(record.reason), Some(Reason::NoValidImage));
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn the_record_forgets_the_update_when_the_supply_was_off() {
    let mut rig = running(false);
    rig.board.power_off();
    rig.board.run_for(Nanos::secs(1));
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::Application);
    rig.board.run_for(Nanos::millis(10));
    assert!(rig.board.pin(ORANGE));
    assert_eq!(record(&rig.board).unwrap().reason, 0);
}

#[test]
fn a_request_in_ram_alone_is_enough_and_so_is_one_in_the_backup_register() {
    let mut rig = running(false);
    let magic = handoff::DEFAULT_MAGIC_WORD;
    let write =
        |board: &mut Board, at: u32, word: u32| assert!(board.write_memory(RAM + at, &word.to_le_bytes()));
    // As an application does whose board leaves the backup domain alone.
    write(&mut rig.board, handoff::REQUEST, magic);
    write(&mut rig.board, handoff::REQUEST_COMPLEMENT, !magic);
    rig.board.reset_pin();
    rig.attach().unwrap();
    assert_eq!(rig.info().unwrap().reason, Reason::MagicRam as u8);

    let mut rig = running(false);
    rig.board.set_backup_register(0, magic);
    rig.board.reset_pin();
    rig.attach().unwrap();
    assert_eq!(rig.info().unwrap().reason, Reason::MagicWord as u8);
    assert_eq!(rig.board.backup_register(0), 0, "cleared before anything else");

    // Half a request is none.
    let mut rig = running(false);
    write(&mut rig.board, handoff::REQUEST, magic);
    rig.board.reset_pin();
    assert_eq!(rig.look(Nanos::secs(1)), Found::Application);
}

#[test]
fn a_request_is_good_for_one_stay_in_update_mode() {
    for c in languages() {
        let mut rig = running(c);
        rig.board.set_pin(BUTTON, Some(true));
        rig.board.run_for(Nanos::millis(100));
        rig.board.set_pin(BUTTON, Some(false));
        rig.attach().unwrap();
        assert_eq!(rig.info().unwrap().reason, Reason::MagicWord as u8);
        rig.board.reset_pin();
        assert_eq!(rig.look(Nanos::secs(1)), Found::Application);
        rig.board.run_for(Nanos::millis(10));
        // The stay that the reset ended does not count; the one before it, with the first update, does.
        assert_eq!(record(&rig.board).unwrap().reason, Reason::NoValidImage as u8);
    }
}
