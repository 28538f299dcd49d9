//! The host engine against devices that are not ours: what ROM bootloaders do, and what broken or
//! hostile devices might.

mod support;

use surefoot_core::dfu::host::{Activity, Error, Event, Host, Step, Style, Task};
use surefoot_core::dfu::memory;
use surefoot_core::dfu::{State, Status, request};
use surefoot_core::usb::Setup;

const BASE: u32 = 0x0801_0000;

enum Reply {
    Done,
    Bytes(Vec<u8>),
    Stall,
    TimeOut,
    Gone,
}

fn status(status: u8, poll_ms: u32, state: State) -> Reply {
    let [a, b, c, _] = poll_ms.to_le_bytes();
    Reply::Bytes(vec![status, a, b, c, state as u8, 0])
}

struct Run {
    result: Result<(), Error>,
    waits: Vec<u32>,
    steps: u32,
}

/// Carries a task out against a device that is a function.
fn run(transfer_size: u16, task: Task, mut device: impl FnMut(Setup, &[u8]) -> Reply) -> Run {
    let mut host = Host::new(0, transfer_size, task);
    let mut bytes: Vec<u8>;
    let mut event = Event::Continue;
    let mut waits = Vec::new();
    for steps in 0..2_000_000 {
        let reply = match host.step(event) {
            Step::Out { setup, data } => {
                let setup = Setup::decode(&setup);
                assert_eq!((usize::from(setup.length), setup.is_in()), (data.len(), false));
                device(setup, data)
            }
            Step::In { setup, length } => {
                let setup = Setup::decode(&setup);
                assert_eq!((setup.length, setup.is_in()), (length, true));
                device(setup, &[])
            }
            Step::Wait { ms } => {
                waits.push(ms);
                Reply::Done
            }
            Step::Progress { .. } => Reply::Done,
            Step::Done => return Run { result: Ok(()), waits, steps },
            Step::Failed(error) => return Run { result: Err(error), waits, steps },
        };
        event = match reply {
            Reply::Done => Event::Continue,
            Reply::Bytes(answer) => {
                bytes = answer;
                Event::Received(&bytes)
            }
            Reply::Stall => Event::Stalled,
            Reply::TimeOut => Event::TimedOut,
            Reply::Gone => Event::Disconnected,
        };
    }
    panic!("the task does not end");
}

/// A well-behaved device in the shape of a function: GETSTATUS answers what `polls` says after a
/// DNLOAD, and dfuIDLE before the first.
fn polite(mut after: impl FnMut(u32) -> Reply) -> impl FnMut(Setup, &[u8]) -> Reply {
    let mut polls = None;
    move |setup, _| match setup.request {
        request::DNLOAD => {
            polls = Some(0);
            Reply::Done
        }
        request::GETSTATUS => match &mut polls {
            None => status(0, 0, State::Idle),
            Some(n) => {
                *n += 1;
                after(*n)
            }
        },
        request::ABORT | request::CLRSTATUS => {
            polls = None;
            Reply::Done
        }
        _ => Reply::Stall,
    }
}

fn erase_one() -> Task<'static> {
    Task::Erase { layout: memory::parse(support::MEMORY).unwrap(), address: BASE, length: 1 }
}

fn write(data: &[u8]) -> Task<'_> {
    Task::Download { address: BASE, data, style: Style::Counting }
}

#[test]
fn an_f4_rom_that_announces_a_hundred_milliseconds_gets_its_half_minute() {
    let device = polite(|n| match n {
        1 => status(0, 100, State::DownloadBusy),
        _ => status(0, 0, State::DownloadIdle),
    });
    let run = run(2048, Task::EraseAll, device);
    assert_eq!((run.result, run.waits), (Ok(()), vec![35_000]));
}

#[test]
fn a_rom_that_does_not_answer_while_it_erases_is_asked_again() {
    let device = polite(|n| match n {
        1 => status(0, 1000, State::DownloadBusy),
        2..=4 => Reply::TimeOut,
        _ => status(0, 0, State::DownloadIdle),
    });
    let run = run(2048, erase_one(), device);
    assert_eq!((run.result, run.waits), (Ok(()), vec![1000, 500, 500, 500]));
}

#[test]
fn an_h743_that_stays_busy_after_an_erase_is_cleared_twice_and_goes_on() {
    let mut clears = 2;
    let mut erases = Vec::new();
    let layout = memory::parse(support::MEMORY).unwrap();
    let run = run(2048, Task::Erase { layout, address: BASE, length: 0x1_0001 }, |setup, data| {
        match setup.request {
            request::DNLOAD => {
                erases.push(data.to_vec());
                clears = 0;
                Reply::Done
            }
            request::GETSTATUS => match clears {
                0 => status(0, 800, State::DownloadBusy),
                1 => status(0x0E, 0, State::Error),
                _ => status(0, 0, State::Idle),
            },
            request::CLRSTATUS => {
                clears += 1;
                Reply::Done
            }
            _ => Reply::Stall,
        }
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(erases, [[0x41, 0, 0, 1, 8], [0x41, 0, 0, 2, 8]]);
}

#[test]
fn a_leave_succeeds_however_the_device_goes() {
    let cases: [fn(&Setup) -> Reply; 6] = [
        |s| if s.request == request::DNLOAD { Reply::Gone } else { status(0, 0, State::Idle) },
        |s| if s.request == request::DNLOAD { Reply::TimeOut } else { status(0, 0, State::Idle) },
        |_| Reply::Gone,
        |_| Reply::Stall,
        |_| Reply::TimeOut,
        |_| status(0, 50, State::Manifest),
    ];
    for (i, case) in cases.into_iter().enumerate() {
        let mut asked = false;
        let run = run(2048, Task::Leave { address: None }, |setup, data| {
            if setup.request == request::DNLOAD {
                assert!(data.is_empty());
                asked = true;
                return if i < 2 { case(&setup) } else { Reply::Done };
            }
            if asked { case(&setup) } else { status(0, 0, State::Idle) }
        });
        assert_eq!(run.result, Ok(()), "case {i}");
    }
}

#[test]
fn a_leave_that_is_refused_is_an_error() {
    let refuse = polite(|_| status(0x0A, 0, State::Error));
    let refused = Error::Refused { during: Activity::Leave, status: Status::Firmware };
    assert_eq!(run(2048, Task::Leave { address: None }, refuse).result, Err(refused));
}

#[test]
fn a_device_that_breaks_the_protocol_gives_its_own_error() {
    let write_activity = Activity::SetAddress(BASE);
    let cases: Vec<(Reply, Error)> = vec![
        (Reply::Bytes(vec![0; 5]), Error::Malformed { during: write_activity }),
        (Reply::Bytes(vec![0; 7]), Error::Malformed { during: write_activity }),
        (Reply::Bytes(vec![0, 0, 0, 0, 11, 0]), Error::Malformed { during: write_activity }),
        (Reply::Done, Error::Malformed { during: write_activity }),
        (Reply::Gone, Error::Disconnected { during: write_activity }),
        (Reply::Stall, Error::Stalled { during: write_activity }),
        (status(0, 0, State::UploadIdle), Error::State { during: write_activity, state: State::UploadIdle }),
        (status(0, 600_001, State::DownloadBusy), Error::Busy { during: write_activity }),
        (status(0xEE, 0, State::Error), Error::Refused { during: write_activity, status: Status::Unknown }),
    ];
    for (reply, error) in cases {
        let mut reply = Some(reply);
        let device = polite(move |_| reply.take().unwrap_or(Reply::Stall));
        assert_eq!(run(2048, write(&[0; 8]), device).result, Err(error));
    }
}

#[test]
fn a_device_that_is_busy_for_ever_is_given_up_after_a_bounded_time() {
    for poll in [0, 1, 999] {
        let run = run(2048, write(&[0; 8]), polite(|_| status(0, poll, State::DownloadBusy)));
        assert_eq!(run.result, Err(Error::Busy { during: Activity::SetAddress(BASE) }));
        let waited: u32 = run.waits.iter().sum();
        assert!((10_000..=13_000).contains(&waited), "{waited} ms");
        assert!(run.waits.iter().all(|&ms| ms > 0), "no hundred polls without a pause");
    }
    let run = run(2048, write(&[0; 8]), polite(|_| status(0, 0, State::DownloadSync)));
    assert_eq!(run.result, Err(Error::Busy { during: Activity::SetAddress(BASE) }));
}

#[test]
fn a_device_that_never_becomes_idle_is_given_up() {
    for state in [State::Error, State::DownloadIdle, State::DownloadBusy, State::Manifest] {
        let run = run(2048, Task::Recover, |setup, _| match setup.request {
            request::GETSTATUS => status(0, 10, state),
            _ => Reply::Stall,
        });
        assert_eq!(run.result, Err(Error::NotIdle), "{state:?}");
        assert!(run.steps < 40);
    }
    for state in [State::AppIdle, State::AppDetach] {
        let run = run(2048, Task::Recover, |_, _| status(0, 0, state));
        assert_eq!(run.result, Err(Error::State { during: Activity::Recovery, state }));
    }
}

#[test]
fn a_short_upload_is_an_error_and_not_a_short_file() {
    let mut buffer = [0; 100];
    let run = run(64, Task::Upload { address: BASE, buffer: &mut buffer }, {
        let mut device = polite(|n| {
            if n == 1 { status(0, 0, State::DownloadBusy) } else { status(0, 0, State::DownloadIdle) }
        });
        move |setup, data| match setup.request {
            request::UPLOAD => Reply::Bytes(vec![1; 63]),
            _ => device(setup, data),
        }
    });
    assert_eq!(run.result, Err(Error::Malformed { during: Activity::Read(BASE) }));
}

#[test]
fn the_address_is_set_again_when_block_numbers_run_out() {
    let data = vec![0x5A; 70_000];
    for upload in [false, true] {
        let mut addresses = Vec::new();
        let mut blocks = Vec::new();
        let mut device = polite(|_| status(0, 0, State::DownloadIdle));
        let mut buffer = vec![0; data.len()];
        let task = if upload { Task::Upload { address: BASE, buffer: &mut buffer } } else { write(&data) };
        let run = run(1, task, |setup, data| {
            match (setup.request, setup.value) {
                (request::DNLOAD, 0) => addresses.push(u32::from_le_bytes(data[1..].try_into().unwrap())),
                (request::DNLOAD, block) => blocks.push(block),
                (request::UPLOAD, block) => {
                    blocks.push(block);
                    return Reply::Bytes(vec![7]);
                }
                _ => {}
            }
            device(setup, data)
        });
        assert_eq!(run.result, Ok(()));
        assert_eq!(addresses, [BASE, BASE + 0xFFFE], "block numbers 2 to 0xFFFF");
        assert_eq!((blocks[0], blocks[0xFFFD], blocks[0xFFFE]), (2, 0xFFFF, 2));
        assert_eq!(blocks.len(), data.len());
    }
}

#[test]
fn tasks_that_cannot_be_meant_send_nothing() {
    for task in [
        write(&[]),
        Task::Upload { address: BASE, buffer: &mut [] },
        Task::Upload { address: 0xFFFF_FFFF, buffer: &mut [0; 2] },
    ] {
        let run = run(2048, task, |_, _| panic!("sent something"));
        assert_eq!(run.result, Err(Error::Range));
    }
}
