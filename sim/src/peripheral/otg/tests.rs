//! The OTG_FS model driven by hand: register sequences of RM0090 34.17 on one side, [`UsbHost`] on the other.

use super::bench::*;
use super::regs::*;
use crate::device::{Function, Peripheral, Width};
use crate::time::Nanos;
use crate::usb::host::{Error, Port, UsbHost, descriptor};
use crate::usb::{Reply, Wire};
use crate::violation::Kind;

fn plugged() -> (Bench, UsbHost) {
    let (mut bench, mut host) = (Bench::new(), UsbHost::default());
    bench.connect();
    host.plug(&mut bench);
    host.wait_attach(&mut bench, Nanos::secs(1)).expect("a device");
    (bench, host)
}

const SECOND: Nanos = Nanos::secs(1);

#[test]
fn a_device_written_by_the_manual_enumerates() {
    let (mut bench, mut host) = plugged();
    let found = host.enumerate(&mut bench).expect("enumerates");
    assert_eq!((found.vendor(), found.product()), (0x0483, 0xDF11));
    assert_eq!(found.configuration, CONFIGURATION);
    assert_eq!(bench.read(DCFG) & dcfg::DAD, 1 << 4);
    assert_eq!(bench.device.resets, 1);
    bench.assert_clean();
}

#[test]
fn a_block_goes_down_and_comes_back_in_packets_of_64() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    for length in [1_usize, 63, 64, 65, 128, 2048, 2047] {
        let block: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
        let [low, high] = (length as u16).to_le_bytes();
        host.control_out(&mut bench, &[0x40, TAKE, 0, 0, 0, 0, low, high], &block, SECOND).expect("taken");
        let back = host.control_in(&mut bench, &[0xC0, GIVE, 0, 0, 0, 0, low, high], SECOND).expect("given");
        assert_eq!(back, block);
    }
    bench.assert_clean();
}

#[test]
fn a_2048_byte_block_takes_the_bus_time_of_its_packets_and_not_more_than_a_fifth_above() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    let before = bench.now;
    host.control_out(&mut bench, &[0x40, TAKE, 0, 0, 0, 0, 0, 8], &[0; 2048], SECOND).expect("taken");
    let took = bench.now.since(before);
    // 32 packets of 64 bytes: 615 bit times each with token, handshake and turnarounds.
    let bus = Nanos(32 * crate::usb::timing::bits(615).0);
    assert!(took >= bus, "{took} is faster than the bus allows: {bus}");
    assert!(took.0 < bus.0 * 6 / 5, "{took} wastes bus time: {bus}");
}

#[test]
fn an_unknown_request_is_stalled_and_the_next_one_answered() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    let refused = host.control_in(&mut bench, &[0xC0, 0x77, 0, 0, 0, 0, 4, 0], SECOND);
    assert_eq!(refused, Err(Error::Stall));
    assert_eq!(host.control_in(&mut bench, &descriptor(1, 0, 18), SECOND).expect("answers"), DEVICE);
    bench.assert_clean();
}

#[test]
fn bulk_packets_are_echoed_with_toggles_kept() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    for round in 0..5_u8 {
        let packet = vec![round; 10 + usize::from(round)];
        host.write(&mut bench, 0x01, &packet, SECOND).expect("taken");
        assert_eq!(host.read(&mut bench, 0x81, 64, SECOND).expect("echoed"), packet);
    }
    assert_eq!(host.read(&mut bench, 0x81, 64, Nanos::millis(5)), Err(Error::Timeout));
    bench.assert_clean();
}

#[test]
fn a_repeated_out_packet_is_acknowledged_and_dropped() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    let send = |bench: &mut Bench| bench.with(|otg, ctx| otg.out(1, 1, false, b"one", ctx));
    assert_eq!(send(&mut bench), Reply::Ack);
    let at = bench.now + Nanos::millis(1);
    bench.run_to(at, false);
    assert_eq!(send(&mut bench), Reply::Ack);
    assert!(!bench.line || bench.read(GINTSTS) & gint::RXFLVL == 0);
}

#[test]
fn an_unacknowledged_in_packet_is_sent_again_with_the_same_toggle() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    host.write(&mut bench, 0x01, b"echo", SECOND).expect("taken");
    let at = bench.now + Nanos::millis(1);
    bench.run_to(at, false);
    let first = bench.with(|otg, ctx| otg.data_in(1, 1, ctx));
    let again = bench.with(|otg, ctx| otg.data_in(1, 1, ctx));
    assert_eq!(first, again);
    assert_eq!(host.read(&mut bench, 0x81, 64, SECOND).expect("echoed"), b"echo");
}

#[test]
fn an_idle_bus_suspends_the_device_and_resume_wakes_it() {
    let (mut bench, mut host) = plugged();
    // Between attach and the first reset no frames run: the device suspends there too.
    assert_eq!(bench.device.suspends, 1);
    host.enumerate(&mut bench).expect("enumerates");
    host.suspend(&mut bench);
    let at = bench.now + Nanos::millis(2);
    bench.run_to(at, false);
    assert_eq!((bench.device.suspends, bench.read(DSTS) & dsts::SUSPSTS), (1, 0));
    let at = bench.now + Nanos::millis(2);
    bench.run_to(at, false);
    assert_eq!((bench.device.suspends, bench.read(DSTS) & dsts::SUSPSTS), (2, 1));
    host.resume(&mut bench);
    assert_eq!((bench.device.wakeups, bench.read(DSTS) & dsts::SUSPSTS), (1, 0));
    assert_eq!(host.control_in(&mut bench, &descriptor(1, 0, 18), SECOND).expect("answers"), DEVICE);
    bench.assert_clean();
}

#[test]
fn frame_numbers_count_milliseconds_and_sof_costs_no_event_while_masked() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    let first = bench.read(DSTS) >> 8 & 0x7FF;
    assert_eq!(bench.otg.next_event(), None);
    let at = bench.now + Nanos::millis(100);
    bench.run_to(at, false);
    assert_eq!(bench.read(DSTS) >> 8 & 0x7FF, first + 100);
    bench.write(GINTSTS, gint::SOF);
    bench.device.running = false;
    bench.set(GINTMSK, gint::SOF);
    let at = bench.now + Nanos::millis(1);
    bench.run_to(at, false);
    assert!(bench.line, "an SOF interrupt within a millisecond");
}

#[test]
fn a_soft_disconnect_is_seen_and_counted() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    bench.set(DCTL, dctl::SDIS);
    assert!(!host.is_attached(&mut bench));
    assert_eq!(host.control_in(&mut bench, &descriptor(1, 0, 18), SECOND), Err(Error::Gone));
    let at = bench.now + Nanos::millis(10);
    bench.run_to(at, false);
    bench.write(DCTL, 0);
    assert!(!host.is_attached(&mut bench), "another device until it is enumerated");
    host.wait_attach(&mut bench, SECOND).expect("back");
    host.enumerate(&mut bench).expect("enumerates");
    bench.assert_clean();
}

#[test]
fn a_core_soft_reset_without_the_48_mhz_clock_never_ends() {
    let mut bench = Bench::new();
    bench.clocks.pll48 = 0;
    bench.write(GRSTCTL, grstctl::CSRST);
    assert_eq!(bench.read(GRSTCTL) & grstctl::CSRST, grstctl::CSRST);
    assert_eq!(bench.rules_broken(), [Kind::Unclocked]);
}

/// One row of a table of mistakes: what is done wrong, and what the model says.
type Mistake = (&'static str, fn(&mut Bench), Kind);

#[test]
fn mistakes_while_connecting_are_recorded() {
    let mistakes: [Mistake; 6] = [
        ("a wrong 48 MHz clock", |b| b.clocks.pll48 = 47_000_000, Kind::Unclocked),
        ("a pin left as input", |b| b.pins.function[0][11] = Function::Input, Kind::Sequence),
        ("a reserved bit", |b| b.write(GCCFG, 1 << 30), Kind::Reserved),
        (
            "a half-word access",
            |b| {
                b.with(|o, c| o.read(GINTSTS, Width::Half, c));
            },
            Kind::Width,
        ),
        (
            "no such register",
            |b| {
                b.read(0x83C);
            },
            Kind::Reserved,
        ),
        (
            "an empty receive FIFO",
            |b| {
                b.read(GRXSTSP);
            },
            Kind::Overrun,
        ),
    ];
    for (what, act, expected) in mistakes {
        let mut bench = Bench::new();
        act(&mut bench);
        bench.connect();
        assert_eq!(bench.rules_broken().first(), Some(&expected), "{what}");
    }
}

#[test]
fn mistakes_after_enumeration_are_recorded() {
    let mistakes: [Mistake; 9] = [
        ("data before the endpoint is enabled", |b| b.write(0x1000, 0), Kind::Sequence),
        (
            "no packets",
            |b| {
                b.write(0x910, 8);
                b.set(0x900, epctl::EPENA)
            },
            Kind::Range,
        ),
        (
            "more packets than bytes",
            |b| {
                b.write(0x910, 3 << 19 | 8);
                b.set(0x900, epctl::EPENA)
            },
            Kind::Range,
        ),
        (
            "an inactive endpoint",
            |b| {
                b.write(0x950, 1 << 19);
                b.set(0x940, epctl::EPENA)
            },
            Kind::Sequence,
        ),
        ("EPDIS without EPENA", |b| b.set(0x920, epctl::EPDIS), Kind::Sequence),
        ("EPDIS without the global OUT NAK", |b| b.set(0xB20, epctl::EPDIS), Kind::Sequence),
        (
            "no flush after new sizes",
            |b| {
                b.write(GRXFSIZ, 65);
                b.arm_control()
            },
            Kind::Range,
        ),
        ("DSTS is read-only", |b| b.write(DSTS, 0), Kind::Access),
        (
            "too much data",
            |b| {
                b.send(&[1; 4]);
                b.write(0x1000, 0)
            },
            Kind::Overrun,
        ),
    ];
    for (what, act, expected) in mistakes {
        let (mut bench, mut host) = plugged();
        host.enumerate(&mut bench).expect("enumerates");
        bench.assert_clean();
        act(&mut bench);
        assert_eq!(bench.rules_broken().first(), Some(&expected), "{what}");
    }
}

#[test]
fn a_turnaround_time_below_the_table_is_recorded_once() {
    let (mut bench, mut host) = plugged();
    bench.write(GUSBCFG, gusbcfg::FDMOD | 5 << 10);
    host.enumerate(&mut bench).expect("enumerates");
    assert_eq!(bench.rules_broken(), [Kind::Range]);
}

#[test]
fn a_setup_packet_without_a_place_in_stupcnt_is_taken_and_recorded() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    bench.write(0xB10, 1 << 19 | 64);
    assert_eq!(host.control_in(&mut bench, &descriptor(1, 0, 18), SECOND).expect("answers"), DEVICE);
    assert_eq!(bench.rules_broken(), [Kind::Hint]);
}

#[test]
fn sizes_after_reset_do_not_fit_the_fifo_memory() {
    let mut bench = Bench::new();
    bench.connect();
    bench.arm_control();
    let kinds = bench.rules_broken();
    assert!(kinds.len() >= 2 && kinds.iter().all(|kind| *kind == Kind::Range), "{kinds:?}");
}

#[test]
fn the_global_out_nak_takes_effect_when_its_entry_is_read() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    bench.device.running = false;
    bench.set(DCTL, dctl::SGONAK);
    assert_eq!(bench.read(GINTSTS) & gint::GONAKEFF, 0);
    assert_eq!(bench.read(GRXSTSP) >> 17 & 0xF, grxsts::GLOBAL_OUT_NAK);
    assert_ne!(bench.read(GINTSTS) & gint::GONAKEFF, 0);
    assert_eq!(bench.with(|otg, ctx| otg.out(1, 1, false, b"x", ctx)), Reply::Nak);
    bench.set(0xB20, epctl::EPDIS);
    assert_eq!(bench.read(0xB28) & epint::EPDISD, epint::EPDISD);
    bench.set(DCTL, dctl::CGONAK);
    assert_eq!(bench.read(GINTSTS) & gint::GONAKEFF, 0);
    bench.assert_clean();
}

#[test]
fn an_out_endpoint_takes_packets_by_cnak_alone_as_the_f4_does_and_that_is_recorded() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    assert_eq!(bench.with(|otg, ctx| otg.out(1, 1, false, b"one", ctx)), Reply::Ack);
    bench.handle_status();
    bench.handle_status();
    bench.device.running = false;
    assert_eq!(bench.read(0xB20) & (epctl::EPENA | epctl::NAKSTS), epctl::EPENA, "armed again by the manual");
    // A packet completes it; from then on only the NAK is cleared.
    assert_eq!(bench.with(|otg, ctx| otg.out(1, 1, true, b"two", ctx)), Reply::Ack);
    assert_eq!(bench.with(|otg, ctx| otg.out(1, 1, false, b"three", ctx)), Reply::Nak);
    while bench.read(GINTSTS) & gint::RXFLVL != 0 {
        let entry = bench.read(GRXSTSP);
        for _ in 0..(entry >> 4 & 0x7FF).div_ceil(4) {
            bench.read(0x1000);
        }
    }
    bench.assert_clean();
    bench.write(0xB30, 1 << 19 | 64);
    bench.set(0xB20, epctl::CNAK);
    assert_eq!(bench.with(|otg, ctx| otg.out(1, 1, false, b"three", ctx)), Reply::Ack);
    assert_eq!(bench.rules_broken(), [Kind::Sequence]);
}

#[test]
fn an_out_endpoint_armed_before_its_completion_is_read_is_disarmed_by_reading_it() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    bench.device.running = false;
    assert_eq!(bench.with(|otg, ctx| otg.out(1, 1, false, b"one", ctx)), Reply::Ack);
    bench.write(0xB30, 1 << 19 | 64);
    bench.set(0xB20, epctl::EPENA | epctl::CNAK);
    assert_eq!(bench.with(|otg, ctx| otg.out(1, 1, true, b"two", ctx)), Reply::Nak, "the first is not over");
    assert_eq!(bench.read(GRXSTSP) >> 17 & 0xF, grxsts::OUT_DATA);
    bench.read(0x1000);
    assert_eq!(bench.read(GRXSTSP) >> 17 & 0xF, grxsts::OUT_DONE);
    assert_eq!(bench.read(0xB20) & epctl::EPENA, 0);
    bench.assert_clean();
}

#[test]
fn a_bus_reset_ends_suspend_and_deactivates_all_endpoints_but_0() {
    let (mut bench, mut host) = plugged();
    host.enumerate(&mut bench).expect("enumerates");
    host.suspend(&mut bench);
    let at = bench.now + Nanos::millis(4);
    bench.run_to(at, false);
    bench.device.running = false;
    assert_eq!(bench.read(DSTS) & dsts::SUSPSTS, 1);
    bench.with(|otg, ctx| otg.set_reset(true, ctx));
    assert_eq!(bench.read(DSTS) & dsts::SUSPSTS, 0);
    assert_eq!(bench.read(0x900) & bench.read(0xB00) & epctl::USBAEP, epctl::USBAEP);
    assert_eq!((bench.read(0x920) | bench.read(0xB20)) & epctl::USBAEP, 0);
}

#[test]
fn vbus_sensing_starts_and_ends_a_session() {
    let mut bench = Bench::new();
    bench.connect();
    bench.write(GCCFG, gccfg::PWRDWN | gccfg::VBUSBSEN);
    bench.write(GINTSTS, gint::SRQINT);
    assert_eq!(bench.read(GOTGCTL) & gotgctl::BSVLD, 0);
    bench.with(|otg, ctx| otg.set_vbus(true, ctx));
    assert_eq!(bench.read(GOTGCTL) & gotgctl::BSVLD, gotgctl::BSVLD);
    assert_ne!(bench.read(GINTSTS) & gint::SRQINT, 0);
    bench.with(|otg, ctx| otg.set_vbus(false, ctx));
    assert_eq!(bench.read(GOTGINT), gotgint::SEDET);
    assert!(!bench.otg.pulled_up());
}
