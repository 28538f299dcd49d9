//! The server against a guest written by hand, with the register-level device of `otg::bench` behind it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Redirector;
use crate::otg::bench::{Bench, CONFIGURATION, DEVICE};
use crate::usb::host::Port;

/// The guest's end: sends raw messages, takes answers one by one.
struct Guest {
    socket: UnixStream,
    input: Vec<u8>,
    wide: bool,
}

const ALL_CAPABILITIES: u32 = 0b111_1010;

impl Guest {
    fn send(&mut self, kind: u32, id: u64, body: &[u8]) {
        let mut message = [kind, body.len() as u32, id as u32].map(u32::to_le_bytes).concat();
        if self.wide && kind != 0 {
            message.extend_from_slice(&[0; 4]);
        }
        message.extend_from_slice(body);
        self.socket.write_all(&message).expect("socket");
    }

    fn hello(&mut self, capabilities: u32) {
        let mut body = [0; 68];
        body[64..].copy_from_slice(&capabilities.to_le_bytes());
        self.send(0, 0, &body);
    }

    fn take(&mut self) -> Option<(u32, u64, Vec<u8>)> {
        let mut buffer = [0; 4096];
        if let Ok(length) = self.socket.read(&mut buffer) {
            self.input.extend_from_slice(&buffer[..length]);
        }
        let word = |at: usize| u32::from_le_bytes(self.input[at..at + 4].try_into().expect("4 bytes"));
        let header = if self.wide && self.input.len() >= 4 && word(0) != 0 { 16 } else { 12 };
        if self.input.len() < header {
            return None;
        }
        let (kind, length, id) = (word(0), word(4) as usize, word(8));
        let body = self.input.get(header..header + length)?.to_vec();
        self.input.drain(..header + length);
        Some((kind, u64::from(id), body))
    }
}

struct Rig {
    guest: Guest,
    server: Redirector,
    bench: Bench,
}

impl Rig {
    fn new(capabilities: u32) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        theirs.set_nonblocking(true).expect("non-blocking");
        let mut bench = Bench::new();
        bench.connect();
        let mut server = Redirector::new(ours, 1000.0).expect("says hello");
        server.plug(&mut bench);
        let wide = capabilities & 1 << 5 != 0;
        let mut rig = Self { guest: Guest { socket: theirs, input: Vec::new(), wide }, server, bench };
        assert_eq!(rig.answer().0, 0, "hello comes first");
        rig.guest.hello(capabilities);
        rig
    }

    /// Runs both ends until the guest has a message.
    fn answer(&mut self) -> (u32, u64, Vec<u8>) {
        for _ in 0..2000 {
            if let Some(message) = self.guest.take() {
                return message;
            }
            let open = self.server.poll(&mut self.bench, Duration::from_micros(200)).expect("polls");
            assert!(open, "the connection stays");
        }
        panic!("no message came");
    }

    fn connected(&mut self) {
        let messages = [self.answer().0, self.answer().0, self.answer().0];
        assert_eq!(messages, [4, 5, 1], "interfaces, endpoints, connect");
    }

    fn control(&mut self, id: u64, setup: [u8; 8], data: &[u8]) -> (u8, Vec<u8>) {
        let [kind, request, v0, v1, i0, i1, l0, l1] = setup;
        let mut body = vec![kind & 0x80, request, kind, 0, v0, v1, i0, i1, l0, l1];
        body.extend_from_slice(data);
        self.guest.send(100, id, &body);
        let (answer, echoed, body) = self.answer();
        assert_eq!((answer, echoed), (100, id));
        (body[3], body[10..].to_vec())
    }
}

#[test]
fn a_guest_sees_the_device_and_its_descriptors() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    let (kind, _, body) = rig.answer();
    assert_eq!((kind, &body[..4], body[4]), (4, &[1, 0, 0, 0][..], 0), "one interface");
    assert_eq!((body[36], body[68], body[100]), (0xFF, 0, 0), "its class");
    let (kind, _, body) = rig.answer();
    assert_eq!((kind, body.len()), (5, 160));
    assert_eq!((body[0], body[1], body[2], body[16], body[17]), (0, 2, 255, 0, 2), "bulk 1 in and out");
    let (kind, _, body) = rig.answer();
    assert_eq!((kind, &body[..]), (1, &[1, 0, 0, 0, 0x83, 4, 0x11, 0xDF, 0, 0x22][..]));
    let (status, data) = rig.control(7, [0x80, 6, 0, 2, 0, 0, 255, 0], &[]);
    assert_eq!((status, &data[..]), (0, &CONFIGURATION[..]));
    rig.bench.assert_clean();
}

#[test]
fn an_old_guest_without_capabilities_is_served_too() {
    let mut rig = Rig::new(0);
    assert_eq!(rig.answer().2.len(), 132);
    assert_eq!(rig.answer().2.len(), 96, "no packet sizes");
    assert_eq!(rig.answer().2.len(), 8, "no device version");
    let (status, data) = rig.control(1, [0x80, 6, 0, 1, 0, 0, 18, 0], &[]);
    assert_eq!((status, &data[..]), (0, &DEVICE[..]));
}

#[test]
fn a_stall_is_a_stall_and_data_go_both_ways() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.connected();
    assert_eq!(rig.control(1, [0xC0, 0x77, 0, 0, 0, 0, 4, 0], &[]).0, 4);
    let block = vec![0x5A; 300];
    assert_eq!(rig.control(2, [0x40, 1, 0, 0, 0, 0, 44, 1], &block).0, 0);
    assert_eq!(rig.control(3, [0xC0, 2, 0, 0, 0, 0, 44, 1], &[]), (0, block));
    let kept = rig.server.take_controls();
    assert_eq!((kept.len(), kept[1].setup[1], &kept[1].head[..]), (3, 1, &[0x5A; 8][..]));
    rig.bench.assert_clean();
}

#[test]
fn configuration_and_interface_come_as_messages_of_their_own() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.connected();
    rig.guest.send(6, 1, &[1]);
    assert_eq!(rig.answer(), (8, 1, vec![0, 1]));
    rig.guest.send(7, 2, &[]);
    assert_eq!(rig.answer(), (8, 2, vec![0, 1]));
    rig.guest.send(9, 3, &[0, 0]);
    assert_eq!(rig.answer(), (11, 3, vec![4, 0, 0]), "the little device stalls SET_INTERFACE");
}

#[test]
fn a_bulk_read_waits_until_something_is_echoed() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.connected();
    rig.guest.send(6, 1, &[1]);
    rig.answer();
    rig.guest.send(101, 2, &[0x81, 0, 64, 0, 0, 0, 0, 0, 0, 0]);
    rig.guest.send(101, 3, &[&[0x01, 0, 4, 0, 0, 0, 0, 0, 0, 0][..], b"echo"].concat());
    let mut answers = [rig.answer(), rig.answer()];
    answers.sort_by_key(|answer| answer.1);
    assert_eq!(answers[0], (101, 2, [&[0x81, 0, 4, 0, 0, 0, 0, 0, 0, 0][..], b"echo"].concat()));
    assert_eq!(answers[1], (101, 3, vec![0x01, 0, 4, 0, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn a_pending_read_is_cancelled() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.connected();
    rig.guest.send(6, 1, &[1]);
    rig.answer();
    rig.guest.send(101, 9, &[0x81, 0, 64, 0, 0, 0, 0, 0, 0, 0]);
    rig.guest.send(21, 9, &[]);
    let (kind, id, body) = rig.answer();
    assert_eq!((kind, id, body[1]), (101, 9, 1));
}

#[test]
fn a_guest_reset_gives_the_device_a_new_address_and_it_answers() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.connected();
    let resets = rig.bench.device.resets;
    rig.guest.send(3, 0, &[]);
    assert_eq!(rig.control(1, [0x80, 6, 0, 1, 0, 0, 18, 0], &[]), (0, DEVICE.to_vec()));
    assert_eq!(rig.bench.device.resets, resets + 1);
}

#[test]
fn an_unplugged_device_leaves_and_a_replugged_one_comes_back() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.connected();
    rig.server.unplug(&mut rig.bench);
    assert_eq!(rig.answer().0, 2);
    rig.server.plug(&mut rig.bench);
    let at = rig.bench.now() + crate::time::Nanos::secs(1);
    rig.bench.run_to(at, false);
    for _ in 0..20 {
        rig.server.poll(&mut rig.bench, Duration::from_micros(200)).expect("polls");
        assert_eq!(rig.guest.take(), None, "nothing before the guest acknowledged");
    }
    rig.guest.send(24, 0, &[]);
    rig.connected();
}

#[test]
fn a_closed_connection_ends_and_garbage_is_an_error() {
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.connected();
    rig.guest.send(4711, 0, &[]);
    let error = rig.server.poll(&mut rig.bench, Duration::from_millis(1)).expect_err("refused");
    assert!(error.to_string().contains("4711"), "{error}");
    let mut rig = Rig::new(ALL_CAPABILITIES);
    rig.guest.socket.shutdown(std::net::Shutdown::Both).expect("closes");
    let ended =
        (0..100).any(|_| !rig.server.poll(&mut rig.bench, Duration::from_micros(200)).expect("polls"));
    assert!(ended);
}
