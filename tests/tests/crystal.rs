//! A crystal of another frequency than the board file says: the bootloader finds out before the PLL multiplies it.
//!
//! The shipped binaries on the virtual board, whose model records every clock above its limit.

use surefoot_core::config::Policy;
use surefoot_core::info::FLAG_HSE_FAILED;
use surefoot_host::job::Finish;
use surefoot_images::{F4_CRC, F4_FULL};
use surefoot_sim::{Hse, Nanos};
use surefoot_tests::fixtures::{Trial, trial};
use surefoot_tests::rig::{Found, Rig, example_key};

/// What the example board says.
const SEALED_HZ: u32 = 8_000_000;

fn in_update_mode(policy: Policy, hse: Hse) -> Rig {
    let firmware = if policy == Policy::Signature { F4_FULL } else { F4_CRC };
    let mut rig = Rig::new(firmware, policy).unwrap();
    rig.board.fit_hse(hse);
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().unwrap();
    rig
}

#[test]
fn a_crystal_of_another_frequency_is_not_multiplied_and_what_it_measured_is_told() {
    for policy in [Policy::Signature, Policy::Crc] {
        for mhz in [4, 5, 6, 10, 12, 16, 20, 24, 25, 26] {
            let mut rig = in_update_mode(policy, Hse::Crystal(mhz * 1_000_000));
            let info = rig.info().unwrap();
            assert_eq!(info.flags & FLAG_HSE_FAILED, FLAG_HSE_FAILED, "{mhz} MHz");
            let told = info.hse_hz().unwrap();
            assert!(told.abs_diff(mhz * 1_000_000) < told / 64, "{mhz} MHz: {told} Hz");
            rig.board.assert_no_violations(|_| false);
        }
    }
}

#[test]
fn a_crystal_that_is_as_far_off_as_the_internal_oscillator_may_be_is_used() {
    for policy in [Policy::Signature, Policy::Crc] {
        for permille in [915, 950, 1000, 1040, 1080] {
            let firmware = if policy == Policy::Signature { F4_FULL } else { F4_CRC };
            let mut rig = Rig::new(firmware, policy).unwrap();
            rig.board.fit_hse(Hse::Crystal(SEALED_HZ / 1000 * permille));
            rig.board.power_on();
            rig.board.run_for(Nanos::millis(100));
            // The oscillator is the judge's, so the crystal may be right: the PLL runs from it.
            assert_eq!(rig.board.clocks().sysclk, 168_000 * permille, "{policy:?}, {permille}");
        }
    }
}

#[test]
fn a_crystal_that_does_not_start_was_not_measured() {
    let mut rig = in_update_mode(Policy::Signature, Hse::DeadCrystal);
    let info = rig.info().unwrap();
    assert_eq!((info.flags & FLAG_HSE_FAILED, info.hse_ticks), (FLAG_HSE_FAILED, 0));
}

#[test]
fn a_board_with_the_wrong_crystal_takes_an_update_and_boots_it() {
    let mut rig = in_update_mode(Policy::Signature, Hse::Crystal(25_000_000));
    let elf = trial(Trial::Silent, 100, rig.slot().base).unwrap();
    let image = rig.image(&elf, [1, 0, 0], Some(&example_key().unwrap())).unwrap();
    assert_eq!(rig.flash(&image).unwrap(), Finish::Application);
    rig.board.power_off();
    assert_eq!(rig.power_on(Nanos::secs(2)), Found::Application);
    rig.board.assert_no_violations(|_| false);
}
