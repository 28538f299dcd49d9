//! Transactions of the in-process host: one packet with its token and handshake, at its place in the frame.
//!
//! Stands under the transfers of `host.rs`; repeats after NAK and gives up after three times without an answer.

use super::host::{Error, Port, UsbHost};
use super::timing::{self, FRAME};
use super::{InReply, Reply, Wire};
use crate::device::Ctx;
use crate::time::Nanos;

/// Attempts of a transaction that nobody answers (USB 2.0 8.7.2: three errors).
pub(super) const ATTEMPTS: u32 = 3;
/// Packets are at most this long; used to see whether a transaction still fits into the frame.
pub(super) const LARGEST: u64 = 35 + 8 * 64 * 7 / 6;

impl UsbHost {
    /// One IN packet, however often the device says NAK before it.
    pub(super) fn packet_in(
        &mut self,
        port: &mut impl Port,
        endpoint: u8,
        toggle: bool,
        deadline: Nanos,
    ) -> Result<Vec<u8>, Error> {
        let mut silent = 0;
        loop {
            self.gone(port)?;
            self.slot(port, timing::TOKEN + timing::bits(LARGEST));
            let started = port.now();
            advance(port, started + timing::TOKEN + timing::TURNAROUND);
            let address = self.address;
            let (reply, changes) =
                wire(port, |wire, ctx| (wire.data_in(address, endpoint, ctx), wire.changes()));
            match reply {
                InReply::Data { toggle: sent, bytes } => {
                    advance(port, port.now() + timing::data(&bytes));
                    self.finish(port, true);
                    wire(port, |wire, ctx| wire.acknowledge(address, endpoint, ctx));
                    if sent == toggle {
                        return Ok(bytes);
                    }
                }
                InReply::Nak => self.retry(port, started, changes, deadline)?,
                InReply::Stall => {
                    self.finish(port, true);
                    return Err(Error::Stall);
                }
                InReply::Silent => self.no_answer(port, &mut silent)?,
            }
        }
    }

    /// One OUT packet, however often the device says NAK.
    pub(super) fn packet_out(
        &mut self,
        port: &mut impl Port,
        endpoint: u8,
        toggle: bool,
        data: &[u8],
        deadline: Nanos,
    ) -> Result<(), Error> {
        let mut silent = 0;
        let length = timing::TOKEN + timing::TURNAROUND + timing::data(data);
        loop {
            self.gone(port)?;
            self.slot(port, length);
            let started = port.now();
            advance(port, started + length);
            let address = self.address;
            let (reply, changes) =
                wire(port, |wire, ctx| (wire.out(address, endpoint, toggle, data, ctx), wire.changes()));
            match reply {
                Reply::Ack => {
                    self.finish(port, true);
                    return Ok(());
                }
                Reply::Nak => self.retry(port, started, changes, deadline)?,
                Reply::Stall => {
                    self.finish(port, true);
                    return Err(Error::Stall);
                }
                Reply::Silent => self.no_answer(port, &mut silent)?,
            }
        }
    }

    pub(super) fn no_answer(&mut self, port: &mut impl Port, silent: &mut u32) -> Result<(), Error> {
        self.finish(port, false);
        self.gone(port)?;
        *silent += 1;
        if *silent == ATTEMPTS { Err(Error::Silent) } else { Ok(()) }
    }

    /// The handshake that ends a transaction, or the wait for one that does not come.
    pub(super) fn finish(&mut self, port: &mut impl Port, answered: bool) {
        let rest = if answered { timing::TURNAROUND + timing::HANDSHAKE } else { timing::NO_ANSWER };
        advance(port, port.now() + rest);
        self.free_at = port.now() + timing::TURNAROUND;
    }

    /// After a NAK that was given at `changes`: the host repeats the transaction back to back. Nothing can change
    /// before the device does something, so time runs to that change and on to the next of those repetitions.
    pub(super) fn retry(
        &mut self,
        port: &mut impl Port,
        started: Nanos,
        changes: u64,
        deadline: Nanos,
    ) -> Result<(), Error> {
        self.finish(port, true);
        let period = self.free_at.since(started);
        run_while(port, deadline, |wire| wire.changes() == changes && wire.pulled_up());
        if port.now() >= deadline {
            return Err(Error::Timeout);
        }
        let periods = port.now().since(started).0.div_ceil(period.0);
        advance(port, started + Nanos(periods * period.0));
        Ok(())
    }

    /// Waits for a place on the bus for a transaction of `length` and a handshake.
    pub(super) fn slot(&mut self, port: &mut impl Port, length: Nanos) {
        if port.now() < self.free_at {
            advance(port, self.free_at);
        }
        let Some(origin) = self.frames else { return };
        let whole = length + timing::TURNAROUND + timing::HANDSHAKE + timing::END_OF_FRAME;
        let into = Nanos(port.now().since(origin).0 % FRAME.0);
        if into < timing::START_OF_FRAME {
            advance(port, port.now() + (timing::START_OF_FRAME - into));
        } else if into + whole > FRAME {
            advance(port, port.now() + (FRAME - into) + timing::START_OF_FRAME);
        }
    }
}

pub(super) fn wire<R>(port: &mut impl Port, mut act: impl FnMut(&mut dyn Wire, &mut Ctx) -> R) -> R {
    let mut result = None;
    port.with_wire(&mut |wire, ctx| result = Some(act(wire, ctx)));
    result.expect("a port calls back")
}

/// Runs the board to `at`, whatever the device does.
pub(super) fn advance(port: &mut impl Port, at: Nanos) {
    while port.now() < at {
        port.run_to(at, false);
    }
}

/// Runs the board while `condition` holds, at most to `at`.
pub(super) fn run_while(port: &mut impl Port, at: Nanos, condition: impl Fn(&dyn Wire) -> bool) {
    while port.now() < at && wire(port, |wire, _| condition(wire)) {
        port.run_to(at, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otg::bench::Bench;

    #[test]
    fn a_transaction_keeps_off_the_sof_and_the_end_of_the_frame() {
        let length = timing::TOKEN + timing::TURNAROUND + timing::bits(LARGEST);
        let rest = timing::TURNAROUND + timing::HANDSHAKE + timing::END_OF_FRAME;
        for microseconds in 0..1000 {
            let (mut bench, mut host) = (Bench::new(), UsbHost::default());
            host.frames = Some(Nanos(0));
            advance(&mut bench, Nanos::micros(microseconds));
            host.slot(&mut bench, length);
            let (start, frame) = (Nanos(bench.now().0 % FRAME.0), bench.now().0 / FRAME.0);
            assert!(start >= timing::START_OF_FRAME, "{start} into a frame is the SOF's");
            assert!(start + length + rest <= FRAME, "{start} is too late in a frame");
            let fits = Nanos::micros(microseconds) + length + rest <= FRAME;
            assert_eq!(frame, u64::from(!fits), "no frame is wasted at {microseconds} us");
        }
    }

    #[test]
    fn a_repetition_after_a_nak_starts_whole_transactions_after_the_first() {
        let (mut bench, mut host) = (Bench::new(), UsbHost::default());
        bench.connect();
        host.plug(&mut bench);
        host.wait_attach(&mut bench, Nanos::secs(1)).expect("a device");
        let changes = bench.otg.changes();
        let started = bench.now();
        advance(&mut bench, started + timing::TOKEN + timing::TURNAROUND);
        bench.device.running = false;
        let deadline = started + Nanos::millis(1);
        assert_eq!(host.retry(&mut bench, started, changes, deadline), Err(Error::Timeout));
        assert_eq!(bench.now(), deadline, "nothing changed, so time ran on in one go");
        let period =
            timing::TOKEN + timing::HANDSHAKE + timing::TURNAROUND + timing::TURNAROUND + timing::TURNAROUND;
        let started = bench.now();
        advance(&mut bench, started + timing::TOKEN + timing::TURNAROUND);
        // Another number than the device's: it has changed already.
        assert_eq!(host.retry(&mut bench, started, changes + 1, started + Nanos::secs(1)), Ok(()));
        assert_eq!(bench.now(), started + period);
    }
}
