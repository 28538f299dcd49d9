//! Every state x request pair of DFU 1.1, appendix A, as a table, walked on the device engine.

mod support;

use support::{Board, Stall, block, class_in, out};
use surefoot_core::dfu::State::{self, *};
use surefoot_core::dfu::device::Job;
use surefoot_core::dfu::request;
use surefoot_core::port::FlashFault;

/// The states a device in DFU mode can be found in. appIDLE and appDETACH are an application's: the
/// bootloader is never in them, which `the_states_of_an_application_are_never_reached` shows.
const STATES: [State; 9] = [
    Idle,
    DownloadSync,
    DownloadBusy,
    DownloadIdle,
    ManifestSync,
    Manifest,
    ManifestWaitReset,
    UploadIdle,
    Error,
];

#[derive(Clone, Copy, Debug)]
enum Request {
    Detach,
    Download,
    DownloadNothing,
    Upload,
    GetStatus,
    ClearStatus,
    GetState,
    Abort,
    /// bRequest 7, which DFU does not have.
    Unknown,
}
use Request::*;

/// What comes of a request: the state after it, `None` when it is stalled with the second state.
type Row = (Request, [(bool, u8); 9]);

const OK: bool = true;
const STALL: bool = false;

/// Columns as in [`STATES`]. Deviations from appendix A, each for DfuSe or for real clients:
/// ABORT and CLRSTATUS lead to dfuIDLE from every state but the last one of a leave; GETSTATUS and
/// GETSTATE are answered in every state; a zero-length DNLOAD in dfuIDLE leaves (AN3156); DETACH
/// leaves from the idle states; nothing else disturbs a leave.
#[rustfmt::skip]
const TABLE: [Row; 9] = [
    //                 IDLE         DN-SYNC      DNBUSY       DN-IDLE      MAN-SYNC     MANIFEST     WAIT-RESET   UP-IDLE      ERROR
    (Detach,          [(OK, 7),     (STALL, 10), (STALL, 10), (OK, 7),     (STALL, 10), (STALL, 7),  (STALL, 8),  (OK, 7),     (STALL, 10)]),
    (Download,        [(OK, 3),     (STALL, 10), (STALL, 10), (OK, 3),     (STALL, 10), (STALL, 7),  (STALL, 8),  (STALL, 10), (STALL, 10)]),
    (DownloadNothing, [(OK, 6),     (STALL, 10), (STALL, 10), (OK, 6),     (STALL, 10), (STALL, 7),  (STALL, 8),  (STALL, 10), (STALL, 10)]),
    (Upload,          [(OK, 9),     (STALL, 10), (STALL, 10), (STALL, 10), (STALL, 10), (STALL, 7),  (STALL, 8),  (OK, 9),     (STALL, 10)]),
    (GetStatus,       [(OK, 2),     (OK, 4),     (OK, 4),     (OK, 5),     (OK, 7),     (OK, 7),     (OK, 8),     (OK, 9),     (OK, 10)]),
    (ClearStatus,     [(OK, 2),     (OK, 2),     (OK, 2),     (OK, 2),     (OK, 2),     (OK, 2),     (OK, 8),     (OK, 2),     (OK, 2)]),
    (GetState,        [(OK, 2),     (OK, 3),     (OK, 4),     (OK, 5),     (OK, 6),     (OK, 7),     (OK, 8),     (OK, 9),     (OK, 10)]),
    (Abort,           [(OK, 2),     (OK, 2),     (OK, 2),     (OK, 2),     (OK, 2),     (OK, 2),     (OK, 8),     (OK, 2),     (OK, 2)]),
    (Unknown,         [(STALL, 10), (STALL, 10), (STALL, 10), (STALL, 10), (STALL, 10), (STALL, 7),  (STALL, 8),  (STALL, 10), (STALL, 10)]),
];

/// Brings a fresh board into the state.
fn enter(board: &mut Board, state: State) {
    board.hold_jobs = true;
    match state {
        AppIdle | AppDetach => panic!("an application's state"),
        Idle => {}
        DownloadSync => board.download(2, &[0; 64]).unwrap(),
        DownloadBusy => {
            board.download(0, &[0x41]).unwrap();
            board.status();
        }
        DownloadIdle => assert_eq!(board.downloaded(0, &[0x21, 0, 0, 1, 8]), (0, 5)),
        ManifestSync => board.download(0, &[]).unwrap(),
        Manifest | ManifestWaitReset => {
            board.download(0, &[]).unwrap();
            board.status();
            if state == ManifestWaitReset {
                assert_eq!(board.control.take_job(), Some(Job::Leave));
            }
        }
        UploadIdle => assert_eq!(board.upload(2, 64).unwrap().len(), 64),
        Error => assert_eq!(board.upload(1, 64), Err(Stall)),
    }
    assert_eq!(board.control.dfu().state() as u8, state as u8, "{state:?} is reached");
}

fn ask(board: &mut Board, request: Request) -> Result<(), Stall> {
    match request {
        Detach => board.plain(request::DETACH),
        Download => board.download(2, &[0; 64]),
        DownloadNothing => board.download(2, &[]),
        Upload => board.upload(2, 64).map(|_| ()),
        GetStatus => board.control_in(class_in(request::GETSTATUS, 0, 6)).map(|_| ()),
        ClearStatus => board.plain(request::CLRSTATUS),
        GetState => board.control_in(class_in(request::GETSTATE, 0, 1)).map(|_| ()),
        Abort => board.plain(request::ABORT),
        Unknown => board.control_out(out(7, 0, 0), &[]),
    }
}

#[test]
fn every_state_and_request_has_its_answer() {
    let sealed = block(|_| {});
    for (request, answers) in TABLE {
        for (state, (taken, after)) in STATES.into_iter().zip(answers) {
            let mut board = Board::of(&sealed);
            enter(&mut board, state);
            assert_eq!(ask(&mut board, request).is_ok(), taken, "{request:?} in {state:?}");
            assert_eq!(board.control.dfu().state() as u8, after, "{request:?} in {state:?}");
        }
    }
}

#[test]
fn an_unexpected_request_is_err_stalledpkt_and_does_not_replace_an_older_error() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    enter(&mut board, Error);
    assert_eq!(board.status(), (0x0F, 0, 10));

    let mut board = Board::of(&sealed);
    assert_eq!(board.downloaded(0, &[0x41, 0, 0, 0, 8]), (0x08, 10));
    assert_eq!(board.download(2, &[0; 64]), Err(Stall));
    assert_eq!(board.status(), (0x08, 0, 10));
}

#[test]
fn dn_busy_is_told_until_the_job_is_done_then_the_result_comes_once() {
    let sealed = block(|_| {});
    for (result, status, state, settled) in
        [(Ok(()), 0, 5, 5), (Err(FlashFault::ReadBack), 7, 10, 10), (Err(FlashFault::NotErased), 5, 10, 10)]
    {
        let mut board = Board::of(&sealed);
        board.hold_jobs = true;
        board.downloaded(0, &[0x21, 0, 0, 1, 8]);
        board.download(2, &[0; 64]).unwrap();
        for _ in 0..3 {
            assert_eq!(board.status(), (0, 1, 4));
        }
        assert!(board.control.take_job().is_some());
        assert_eq!(board.status(), (0, 1, 4), "while the job runs, too");
        board.control.job_done(result);
        assert_eq!(board.status(), (status, 0, state));
        assert_eq!(board.status(), (status, 0, settled));
    }
}

#[test]
fn bus_resets_lead_to_dfu_idle_but_do_not_stop_a_leave() {
    let sealed = block(|_| {});
    for state in STATES {
        let mut board = Board::of(&sealed);
        board.control_out([0, 9, 1, 0, 0, 0, 0, 0], &[]).unwrap();
        enter(&mut board, state);
        board.control.bus_reset();
        board.control.bus_reset();
        let expected = if state == ManifestWaitReset { 8 } else { 2 };
        assert_eq!(board.status(), (0, 0, expected), "{state:?}");
        assert!(!board.control.is_configured());
        assert_eq!(board.control.take_job(), None, "{state:?}");
    }
}

#[test]
fn malformed_requests_are_stalled_with_their_state() {
    let sealed = block(|_| {});
    let cases: &[(&str, [u8; 8], &[u8], u8)] = &[
        ("more than the transfer size", out(request::DNLOAD, 2, 2049), &[0; 2049], 10),
        ("block 1 is reserved", out(request::DNLOAD, 1, 64), &[0; 64], 10),
        ("an unknown command", out(request::DNLOAD, 0, 1), &[0x33], 10),
        ("an address cut short", out(request::DNLOAD, 0, 4), &[0x21, 0, 0, 1], 10),
        ("an address too long", out(request::DNLOAD, 0, 6), &[0x21, 0, 0, 1, 8, 0], 10),
        ("set address without one", out(request::DNLOAD, 0, 1), &[0x21], 10),
        ("an erase cut short", out(request::DNLOAD, 0, 3), &[0x41, 0, 0], 10),
        ("read unprotect with an address", out(request::DNLOAD, 0, 5), &[0x92, 0, 0, 1, 8], 10),
        ("abort with data", out(request::ABORT, 0, 1), &[0], 10),
        ("another interface", [0x21, request::ABORT, 0, 0, 1, 0, 0, 0], &[], 2),
        ("GETSTATUS in the wrong direction", out(request::GETSTATUS, 0, 6), &[0; 6], 10),
    ];
    for (name, setup, data, state) in cases {
        let mut board = Board::of(&sealed);
        assert_eq!(board.control_out(*setup, data), Err(Stall), "{name}");
        assert_eq!(board.status().2, *state, "{name}");
        assert!(board.flash.jobs.is_empty(), "{name}");
    }
    for (name, setup) in [
        ("upload of nothing", class_in(request::UPLOAD, 2, 0)),
        ("upload of more than the transfer size", class_in(request::UPLOAD, 2, 2049)),
        ("upload of block 1", class_in(request::UPLOAD, 1, 64)),
        ("DNLOAD in the wrong direction", class_in(request::DNLOAD, 2, 64)),
    ] {
        let mut board = Board::of(&sealed);
        assert_eq!(board.control_in(setup), Err(Stall), "{name}");
        assert_eq!(board.status(), (0x0F, 0, 10), "{name}");
    }
}

#[test]
fn a_short_list_of_commands_ends_the_upload_and_a_full_one_goes_on() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    assert_eq!(board.upload(0, 4).unwrap(), [0x00, 0x21, 0x41]);
    assert_eq!(board.state(), 2);
    assert_eq!(board.upload(0, 3).unwrap(), [0x00, 0x21, 0x41]);
    assert_eq!(board.state(), 9);
    assert_eq!(board.upload(0, 1).unwrap(), [0x00]);
}

#[test]
fn the_states_of_an_application_are_never_reached() {
    let sealed = block(|_| {});
    let mut random = support::Random::seeded(1);
    let mut board = Board::of(&sealed);
    for _ in 0..20_000 {
        let (request, _) = TABLE[random.below(9) as usize];
        let _ = ask(&mut board, request);
        assert!(board.control.dfu().state() as u8 >= 2);
        if board.left {
            board = Board::of(&sealed);
        }
    }
}
