//! A link that tells each control transfer in the words of DFU, for `--verbose`. It changes nothing.

use crate::link::{Departure, LinkError, Setup, Usb};
use std::time::Duration;

/// Tells of each transfer before it hands the result on.
pub struct Trace<'l> {
    inner: &'l mut dyn Usb,
    tell: &'l dyn Fn(&str),
}

impl<'l> Trace<'l> {
    /// Around `inner`; lines go to `tell`.
    pub fn new(inner: &'l mut dyn Usb, tell: &'l dyn Fn(&str)) -> Self {
        Self { inner, tell }
    }

    fn line(&self, setup: Setup, outcome: &str) {
        let value = u16::from_le_bytes([setup[2], setup[3]]);
        let length = u16::from_le_bytes([setup[6], setup[7]]);
        let seconds = self.inner.elapsed().as_secs_f64();
        (self.tell)(&format!(
            "{seconds:10.6} {:<14} value 0x{value:04X} length {length:>4}  {outcome}",
            name(setup)
        ));
    }
}

/// The request's name in its standard.
fn name(setup: Setup) -> &'static str {
    match (setup[0], setup[1]) {
        // USB 2.0, table 9-4.
        (0x80 | 0x81, 6) => "GET_DESCRIPTOR",
        (0x00, 9) => "SET_CONFIG",
        // DFU 1.1, table 3.2.
        (0x21, 0) => "DFU_DETACH",
        (0x21, 1) => "DFU_DNLOAD",
        (0xA1, 2) => "DFU_UPLOAD",
        (0xA1, 3) => "DFU_GETSTATUS",
        (0x21, 4) => "DFU_CLRSTATUS",
        (0xA1, 5) => "DFU_GETSTATE",
        (0x21, 6) => "DFU_ABORT",
        (0xC0, surefoot_core::info::REQUEST) => "INFO",
        _ => "request",
    }
}

/// An answer in a few words: a status decoded (DFU 1.1, 6.1.2), other bytes up to eight of them.
fn answer(setup: Setup, bytes: &[u8]) -> String {
    match (name(setup), bytes) {
        ("DFU_GETSTATUS", [status, low, middle, high, state, _]) => {
            let timeout = u32::from_le_bytes([*low, *middle, *high, 0]);
            format!("status {status} state {state} poll timeout {timeout} ms")
        }
        _ => format!("{} bytes{}", bytes.len(), first(bytes)),
    }
}

fn first(bytes: &[u8]) -> String {
    let shown: String = bytes.iter().take(8).map(|byte| format!(" {byte:02x}")).collect();
    let more = if bytes.len() > 8 { " ..." } else { "" };
    if bytes.is_empty() { String::new() } else { format!(":{shown}{more}") }
}

impl Usb for Trace<'_> {
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError> {
        let done = self.inner.control_in(setup, buffer, timeout);
        match &done {
            Ok(length) => self.line(setup, &answer(setup, &buffer[..*length])),
            Err(error) => self.line(setup, &error.to_string()),
        }
        done
    }

    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError> {
        let done = self.inner.control_out(setup, data, timeout);
        match &done {
            Ok(()) => self.line(setup, &format!("sent{}", first(data))),
            Err(error) => self.line(setup, &error.to_string()),
        }
        done
    }

    fn wait(&mut self, time: Duration) {
        self.inner.wait(time);
    }

    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
    }

    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError> {
        let done = self.inner.departure(limit);
        (self.tell)(&format!(
            "{:10.6} after the request to leave: {done:?}",
            self.inner.elapsed().as_secs_f64()
        ));
        done
    }

    fn name(&self) -> String {
        self.inner.name()
    }

    fn remarks(&self) -> Vec<String> {
        self.inner.remarks()
    }
}
