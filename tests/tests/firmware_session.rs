//! How long a stay in update mode lasts, and what the host sees of its end.

use std::time::Duration;
use surefoot_board::Board as BoardFile;
use surefoot_core::config::Policy;
use surefoot_core::decide::Reason;
use surefoot_core::dfu::{State, Status, command, request};
use surefoot_host::job::{JobError, Session};
use surefoot_host::link::Usb;
use surefoot_images::F4_FULL;
use surefoot_sim::Nanos;
use surefoot_sim::usb::Wire;
use surefoot_tests::fixtures;
use surefoot_tests::rig::{Found, Rig};

fn waiting() -> Rig {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).expect("the example board");
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().expect("enumerates");
    rig
}

#[test]
fn a_silent_host_finds_a_board_that_cannot_boot_where_it_left_it() {
    let mut rig = waiting();
    for _ in 0..4 {
        rig.board.run_for(Nanos::secs(29));
        assert!(rig.board.usb_ref().pulled_up());
    }
    // At the same address, without a new enumeration.
    let info = rig.info().expect("answers");
    assert_eq!(info.reason, Reason::NoValidImage as u8);
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn a_leave_with_nothing_to_boot_brings_the_board_back_with_its_reason() {
    let mut rig = waiting();
    let start = rig.slot().base;
    let left = Session::open(&mut rig, false).and_then(|mut session| session.leave(start));
    assert!(matches!(left, Err(JobError::NotBooted(_))), "{left:?}");
    assert_eq!(rig.info().expect("answers").reason, Reason::Refused as u8);
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn a_host_is_silent_from_the_end_of_the_boards_work_on_and_not_from_its_last_request() {
    let path = fixtures::root().join("boards/f4-discovery-ab.toml");
    let mut text = std::fs::read_to_string(&path).expect("an example");
    // A block of 4096 bytes, one by one at 16 us each (DS8626), takes 65 ms.
    let changes = [
        ("2.7V-3.6V", "1.8V-2.1V"),
        ("168 MHz", "120 MHz"),
        ("transfer-size = 2048", "transfer-size = 4096"),
        ("timeout = \"30 s\"", "timeout = \"5 s\""),
    ];
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let file = BoardFile::parse(&text, path.parent().expect("boards")).expect("a good board");
    let mut rig = Rig::with(F4_FULL, file).expect("seals");
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().expect("enumerates");
    let base = rig.slot().base.to_le_bytes();
    for code in [command::ERASE, command::SET_ADDRESS] {
        let told = rig.download(0, &[&[code][..], &base].concat()).expect("answers");
        assert_eq!(told, (Status::Ok as u8, State::DownloadIdle as u8));
    }
    let second = Duration::from_secs(1);
    let block = [request::OUT, request::DNLOAD, 2, 0, 0, 0, 0, 0x10];
    rig.control_out(block, &[0x5A; 4096], second).expect("taken");
    // With this request the work begins.
    let mut status = [0; 6];
    rig.control_in([request::IN, request::GETSTATUS, 0, 0, 0, 0, 6, 0], &mut status, second)
        .expect("answers");
    assert_eq!(status[4], State::DownloadBusy as u8);
    let asked = rig.board.now();
    rig.board.run_for(Nanos::secs(1));
    let operations = rig.board.operations();
    let mut until = |millis| {
        let now = rig.board.now();
        rig.board.run_for((asked + Nanos::millis(millis)).since(now));
        rig.board.operations()
    };
    assert_eq!(until(5_050), operations, "the board gave its host up too early");
    // What the host has left is refused, and that is recorded.
    assert!(until(5_100) > operations, "the host is waited for");
    rig.board.assert_no_violations(|_| false);
}
