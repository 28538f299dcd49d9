//! How long a stay in update mode lasts, and what the host sees of its end.

use surefoot_core::config::Policy;
use surefoot_core::decide::Reason;
use surefoot_host::job::{JobError, Session};
use surefoot_images::F4_FULL;
use surefoot_sim::Nanos;
use surefoot_sim::usb::Wire;
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
