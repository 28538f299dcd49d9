//! The main job, end to end: the shipped bootloader takes, proves and boots applications.

use surefoot_board::Board as BoardFile;
use surefoot_core::config::Policy;
use surefoot_core::decide::Reason;
use surefoot_core::image::ImageFault;
use surefoot_core::port::FlashFault;
use surefoot_host::explain::Explain;
use surefoot_host::job::{Finish, JobError, Refusal};
use surefoot_images::F4_FULL;
use surefoot_sim::{Cut, Defect, Failing, Leaves, Nanos, Told, When};
use surefoot_tests::fixtures::{SLOT, blinky_c, blinky_rust, root};
use surefoot_tests::needs;
use surefoot_tests::rig::{Found, Rig, example_key};

const SECOND: Nanos = Nanos::secs(1);

/// A board that waits for its first application.
fn waiting() -> Rig {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).expect("the example board");
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    rig.attach().expect("enumerates");
    rig
}

#[test]
fn a_board_without_an_application_waits_and_says_why() {
    let mut rig = waiting();
    let info = rig.info().expect("answers");
    assert_eq!(info.reason, Reason::NoValidImage as u8);
    assert_eq!(info.image_fault, ImageFault::Erased as u8);
    assert_eq!((info.config_fault, info.flags, info.last_fault), (0, 0, 0));
    assert_eq!((info.slot_base, info.device_id, info.flash_kib), (SLOT, 0x413, 1024));
    assert_eq!(info.board_id, rig.file.id);
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn signed_blinkies_in_rust_and_c_are_flashed_and_blink_at_their_period() {
    let mut rig = waiting();
    let key = example_key().expect("published");
    let c = needs::part(needs::C).then(|| (blinky_c(250, SLOT), 250));
    let programs = std::iter::once((blinky_rust(500, SLOT), 500)).chain(c);
    for (version, (elf, period)) in programs.enumerate() {
        let image = rig.image(&elf.expect("builds"), [1, version as u16, 0], Some(&key)).expect("fits");
        assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
        let changes = rig.blinks(Nanos::secs(4));
        assert!(changes.len() >= 5, "{changes:?}");
        assert!(changes.iter().all(|c| c.abs_diff(period * 1000) < 20), "{changes:?}");
        // The application asks for the next update: the button is its cue.
        rig.board.set_pin(surefoot_tests::rig::BUTTON, Some(true));
        rig.board.run_for(Nanos::millis(100));
        rig.board.set_pin(surefoot_tests::rig::BUTTON, Some(false));
        rig.attach().expect("comes back in update mode");
        let info = rig.info().expect("answers");
        assert_eq!(info.reason, Reason::MagicWord as u8);
        assert_eq!(info.image_fault, 0);
    }
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn images_that_the_host_would_refuse_are_refused_by_the_device_too() {
    let mut rig = waiting();
    let key = example_key().expect("published");
    let elf = blinky_rust(500, SLOT).expect("builds");
    let good = rig.image(&elf, [1, 0, 0], Some(&key)).expect("fits");
    let foreign = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let mut flipped = good.flat(SLOT, good.end());
    flipped[0x123] ^= 0x04;
    let flipped = surefoot_host::files::Segments::one(SLOT, flipped).expect("one segment");
    let table = [
        ("one flipped bit", flipped, ImageFault::Hash),
        ("another key", rig.image(&elf, [1, 0, 0], Some(&foreign)).expect("fits"), ImageFault::UnknownKey),
        ("no signature", rig.image(&elf, [1, 0, 0], None).expect("fits"), ImageFault::NotSigned),
    ];
    for (name, image, fault) in table {
        match rig.plan(&image) {
            Err(JobError::Refused(refused)) => assert_eq!(refused.fault, fault, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        let plan = rig.blind_plan(&image).expect("nothing was checked");
        match rig.update(&plan) {
            Err(JobError::NotBooted(found)) => assert_eq!(found, Some(fault), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(rig.info().expect("answers").reason, Reason::Refused as u8, "{name}");
    }
    assert_eq!(rig.flash(&good).expect("flashes"), Finish::Application);
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn after_a_cut_in_the_middle_the_board_takes_the_update_again() {
    let mut rig = waiting();
    let key = example_key().expect("published");
    let image = rig.image(&blinky_rust(500, SLOT).expect("builds"), [1, 0, 0], Some(&key)).expect("fits");
    let plan = rig.plan(&image).expect("good image");
    let operation = rig.board.operations() + 100;
    rig.board.cut(Cut::new(operation, When::Inside, 1));
    rig.update(&plan).expect_err("the supply failed");
    assert!(!rig.board.is_powered());
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    rig.attach().expect("enumerates");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
}

#[test]
fn without_host_traffic_a_valid_application_boots_after_the_time_out() {
    let mut rig = waiting();
    let key = example_key().expect("published");
    let image = rig.image(&blinky_rust(500, SLOT).expect("builds"), [1, 0, 0], Some(&key)).expect("fits");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    rig.into_update_mode().expect("the button is held");
    assert_eq!(rig.info().expect("answers").reason, Reason::Button as u8);
    rig.board.run_for(Nanos::secs(29));
    assert_eq!(rig.look(Nanos(1)), Found::UpdateMode);
    rig.board.run_for(Nanos::secs(3));
    assert_eq!(rig.look(SECOND), Found::Application);
}

#[test]
fn a_copy_to_the_backup_slot_that_fails_is_told_before_anything_and_made_at_the_next_try() {
    let file = BoardFile::load(&root().join("boards/f4-discovery-backup.toml")).expect("an example");
    let mut rig = Rig::with(F4_FULL, file).expect("the example board");
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    rig.attach().expect("enumerates");
    let key = example_key().expect("published");
    let elf = blinky_rust(50, rig.slot().base).expect("builds");
    let image = rig.image(&elf, [1, 0, 0], Some(&key)).expect("fits");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    // It confirms itself after its self-test.
    rig.board.run_for(Nanos::millis(400));
    // Something for an erase to do.
    let backup = rig.config().slot(1);
    assert!(rig.board.write_flash(backup.base, &[0x5A; 64]));
    let erase = Failing::Erase { sector: 8, leaves: Leaves::Old };
    rig.board.add_defect(Defect { what: erase, told: Told::Nothing, times: Some(2) });
    rig.into_update_mode().expect("by its button");
    assert_eq!(rig.info().expect("answers").last_fault, FlashFault::NotErased as u8);
    let operations = rig.board.operations();
    let refusal = Refusal::NoBackup { fault: Some(FlashFault::NotErased) };
    match rig.flash(&image) {
        Err(JobError::Refusal(told)) => {
            assert_eq!(told, refusal);
            assert_eq!(told.code(), "plan.no-backup");
            assert!(told.why().contains("not erased") && told.remedy().contains("again"), "{told:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.board.operations(), operations);
    rig.into_update_mode().expect("by its button");
    assert_eq!(rig.info().expect("answers").last_fault, 0);
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    rig.board.assert_no_violations(|_| false);
}
