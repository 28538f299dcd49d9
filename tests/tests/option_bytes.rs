//! Who may change the option bytes: a host, in update mode; the application only where the board file says so.
//!
//! The shipped binaries; the attacker is an application from tests/trial.

use std::path::Path;

use surefoot_board::Board as BoardFile;
use surefoot_core::config::Policy;
use surefoot_core::dfu::command;
use surefoot_core::port::FlashFault;
use surefoot_host::job::{Change, Finish, JobError, Refusal, Session};
use surefoot_images::{F4_CRC, F4_FULL};
use surefoot_sim::Nanos;
use surefoot_tests::fixtures::{Trial, root, trial};
use surefoot_tests::rig::{Found, Rig, example_key};

/// OPTCR: nWRP of sector 0, low when it is protected (RM0090 Rev 21, 3.9.9).
const NWRP_0: u32 = 1 << 16;
const FLASH: u32 = 0x0800_0000;

/// The example board with this line in [boot], and the bootloader's sector write-protected.
fn guarded(policy: Policy, line: &str) -> Rig {
    let folder = root().join("boards");
    let (firmware, name) = match policy {
        Policy::Signature => (F4_FULL, "f4-discovery.toml"),
        _ => (F4_CRC, "f4-small.toml"),
    };
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let text = text.replace("[boot]\n", &format!("[boot]\n{line}\n"));
    assert!(text.contains(line), "the example board's file has changed its form");
    let mut rig = Rig::with(firmware, BoardFile::parse(&text, Path::new(&folder)).unwrap()).unwrap();
    rig.board.set_option_bytes(rig.board.option_bytes() & !NWRP_0);
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().unwrap();
    rig
}

/// The same with an application that takes the protection away and erases the bootloader, at work for a second.
fn attacked(policy: Policy, line: &str) -> Rig {
    let mut rig = guarded(policy, line);
    let elf = trial(Trial::Unprotects, 100, rig.slot().base).unwrap();
    let key = (policy == Policy::Signature).then(|| example_key().unwrap());
    let image = rig.image(&elf, [1, 0, 0], key.as_ref()).unwrap();
    assert_eq!(rig.flash(&image).unwrap(), Finish::Application);
    rig.board.run_for(Nanos::secs(5));
    rig
}

fn bootloader_is_whole(rig: &Rig) -> bool {
    rig.board.read_memory(FLASH, rig.sealed.len()).unwrap() == rig.sealed
}

#[test]
fn no_application_takes_the_write_protection_from_the_bootloader() {
    for policy in [Policy::Signature, Policy::Crc] {
        for line in ["", "option-bytes = \"host\"", "option-bytes = \"locked\""] {
            let rig = attacked(policy, line);
            assert_eq!(rig.board.option_bytes() & NWRP_0, 0, "{line}");
            assert!(bootloader_is_whole(&rig), "{line}");
        }
    }
}

/// What the lock is good for: without it the bootloader is gone.
#[test]
fn an_application_changes_the_option_bytes_where_the_board_file_lets_it() {
    for policy in [Policy::Signature, Policy::Crc] {
        let rig = attacked(policy, "option-bytes = \"application\"");
        assert_eq!(rig.board.option_bytes() & NWRP_0, NWRP_0);
        assert!(!bootloader_is_whole(&rig));
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn the_lock_ends_with_the_reset_so_that_a_host_can_go_on_protecting() {
    let mut rig = guarded(Policy::Signature, "");
    let elf = trial(Trial::Silent, 100, rig.slot().base).unwrap();
    let image = rig.image(&elf, [1, 0, 0], Some(&example_key().unwrap())).unwrap();
    assert_eq!(rig.flash(&image).unwrap(), Finish::Application);
    rig.board.run_for(Nanos::secs(1));
    assert_eq!(rig.board.resets(), 1, "nothing traps");
    // CCR, SHCSR and CFSR as after reset (PM0214 Rev 10, table 51).
    let system = [0xE000_ED14, 0xE000_ED24, 0xE000_ED28].map(|address| rig.board.read_system(address));
    assert_eq!(system, [Some(0x200), Some(0), Some(0)], "the bus error left nothing behind");
    rig.into_update_mode().unwrap();
    let change = Change { level: Some(surefoot_host::job::Level::Protected), ..Change::default() };
    Session::open(&mut rig, false).unwrap().protect(change).unwrap();
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn a_host_changes_no_option_byte_of_a_board_that_says_so() {
    let mut rig = guarded(Policy::Signature, "option-bytes = \"locked\"");
    let before = rig.board.option_bytes();
    // Ours is told before anything is sent ...
    let change = Change { level: Some(surefoot_host::job::Level::Protected), ..Change::default() };
    let refused = Session::open(&mut rig, false).unwrap().protect(change);
    assert!(matches!(refused, Err(JobError::Refusal(Refusal::OptionsFixed))), "{refused:?}");
    // ... and one that asks nobody is refused by the device: levels, and what only adds protection too.
    for wanted in [before & !0xFF00 | 0x5500, before & !(1 << 17), before & !0b1100] {
        let request = [&[command::OPTIONS][..], &wanted.to_le_bytes()].concat();
        let (status, _) = rig.download(0, &request).unwrap();
        assert_ne!(status, 0, "{wanted:#x}");
        assert_eq!(rig.info().unwrap().last_fault, FlashFault::WriteProtected as u8);
        rig.replug().unwrap();
    }
    rig.board.power_off();
    rig.board.power_on();
    assert_eq!(rig.board.option_bytes(), before);
}
