//! The DFU host engine against a device whose every answer comes from the input.
//!
//! Checked: transfers are well formed, no block is larger than the transfer size, waits are bounded,
//! and the engine comes to an end once the device has gone.

use crate::{Bytes, support};
use surefoot_core::dfu::host::{Event, Host, Step, Style, Task};
use surefoot_core::dfu::{memory, request};
use surefoot_core::usb::Setup;

/// The first bytes choose the task, the rest are answers.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let kind = bytes.u8();
    let transfer_size = [64, 2048, 4096, 1, 0][usize::from(bytes.u8() % 5)];
    let address = 0x0801_0000 ^ bytes.u32();
    let length = bytes.u16();
    let written = vec![0xA5; length.into()];
    let mut read = vec![0; length.into()];
    // A hostile memory string, too.
    let text = match kind >> 7 {
        0 => support::MEMORY.into(),
        _ => String::from_utf8_lossy(&bytes.take(40)).into_owned(),
    };
    let layout = memory::parse(&text).or_else(|_| memory::parse(support::MEMORY)).expect("one of them");
    let style = if kind & 0x40 == 0 { Style::Counting } else { Style::AddressPerBlock };
    let task = match kind & 7 {
        0 => Task::Recover,
        1 => Task::EraseAll,
        2 => Task::Erase { layout, address, length: bytes.u32() },
        3 => Task::Leave { address: None },
        4 => Task::Leave { address: Some(address) },
        5 | 6 => Task::Download { address, data: &written, style },
        _ => Task::Upload { address, buffer: &mut read },
    };
    carry_out(Host::new(0, transfer_size, task), &mut bytes, transfer_size.max(1));
}

fn carry_out(mut host: Host, bytes: &mut Bytes, transfer_size: u16) {
    let mut answer: Vec<u8>;
    let mut event = Event::Continue;
    // Behind the input the device is gone; the engine may ask a few times more.
    let mut gone = 0;
    while gone < 20 {
        gone += i32::from(bytes.is_empty());
        event = match host.step(event) {
            Step::Out { setup, data } => {
                let setup = Setup::decode(&setup);
                assert_eq!((setup.request_type, usize::from(setup.length)), (request::OUT, data.len()));
                assert!(data.len() <= usize::from(transfer_size.max(5)));
                if bytes.is_empty() {
                    Event::Disconnected
                } else {
                    match bytes.u8() {
                        0xFD => Event::Stalled,
                        0xFE => Event::TimedOut,
                        0xFF => Event::Disconnected,
                        _ => Event::Continue,
                    }
                }
            }
            Step::In { setup, length } => {
                let setup = Setup::decode(&setup);
                assert_eq!((setup.request_type, setup.length), (request::IN, length));
                if bytes.is_empty() {
                    Event::Disconnected
                } else {
                    match bytes.u8() {
                        0xFD => Event::Stalled,
                        0xFE => Event::TimedOut,
                        0xFF => Event::Disconnected,
                        0xFC => {
                            answer = bytes.take(3);
                            Event::Received(&answer)
                        }
                        first => {
                            answer = reply(bytes, setup, first);
                            Event::Received(&answer)
                        }
                    }
                }
            }
            Step::Wait { ms } => {
                assert!((1..=600_000).contains(&ms), "{ms} ms");
                Event::Continue
            }
            Step::Progress { done, total } => {
                assert!(done <= total);
                Event::Continue
            }
            Step::Done | Step::Failed(_) => return,
        };
    }
    panic!("goes on without a device");
}

/// A status whose state is the first byte, or a full block.
fn reply(bytes: &mut Bytes, setup: Setup, first: u8) -> Vec<u8> {
    match setup.request {
        // Up to 15 s mostly, hours now and then.
        request::GETSTATUS if first & 0x80 != 0 => {
            vec![bytes.u8(), bytes.u8(), bytes.u8(), bytes.u8(), first & 0x0F, 0]
        }
        request::GETSTATUS => vec![bytes.u8() & 0x1F, bytes.u8(), bytes.u8() & 0x3F, 0, first & 0x0F, 0],
        _ => vec![first; setup.length.into()],
    }
}

/// One of each task with a device that does what it should.
pub fn seeds() -> Vec<Vec<u8>> {
    let idle = [2, 0, 0, 0];
    let busy = [4, 0, 1, 0];
    let ready = [5, 0, 0, 0];
    let exchange = [&[0][..], &busy, &ready].concat();
    (0..8)
        .map(|kind| {
            let head = [kind, 0, 0, 0, 0, 0, 0x80, 0];
            let length: &[u8] = if kind == 2 { &[0, 0, 2, 0] } else { &[] };
            [&head, length, &idle, &exchange, &exchange, &[0], &idle, &[0x33, 0x33, 0], &idle].concat()
        })
        .collect()
}
