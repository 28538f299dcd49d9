//! The OTG_FS model driven by hand: register sequences of RM0090 34.17 on one side, [`UsbHost`] on the other.

use super::regs::*;
use super::{DM, DP, OtgFs};
use crate::device::{Clocks, Ctx, Effects, Function, Peripheral, Pins, Width};
use crate::time::Nanos;
use crate::usb::host::{Error, Port, UsbHost, descriptor};
use crate::usb::{Reply, Wire};
use crate::violation::Kind;

const DEVICE: [u8; 18] = [18, 1, 0, 2, 0, 0, 0, 64, 0x83, 0x04, 0x11, 0xDF, 0, 0x22, 0, 0, 0, 1];
const CONFIGURATION: [u8; 32] = [
    9, 2, 32, 0, 1, 1, 0, 0xC0, 50, // configuration
    9, 4, 0, 0, 2, 0xFF, 0, 0, 0, // interface
    7, 5, 0x01, 2, 64, 0, 0, // bulk OUT 1
    7, 5, 0x81, 2, 64, 0, 0, // bulk IN 1
];
/// Vendor requests of the little device: take a block, give it back.
const TAKE: u8 = 1;
const GIVE: u8 = 2;

/// A board with nothing but the OTG block and a device written in register accesses.
struct Bench {
    otg: OtgFs,
    now: Nanos,
    clocks: Clocks,
    pins: Pins,
    effects: Effects,
    line: bool,
    device: Device,
}

/// What the register-level device remembers: the smallest honest endpoint 0 state machine.
#[derive(Default)]
struct Device {
    running: bool,
    setup: [u8; 8],
    sending: Vec<u8>,
    expecting: usize,
    block: Vec<u8>,
    bulk: Vec<u8>,
    resets: u32,
    suspends: u32,
    wakeups: u32,
    /// Between a packet and the device's reaction.
    latency: Nanos,
}

impl Bench {
    fn new() -> Self {
        let clocks = Clocks {
            sysclk: 168_000_000,
            hclk: 168_000_000,
            pclk1: 42_000_000,
            pclk2: 84_000_000,
            timers1: 84_000_000,
            timers2: 168_000_000,
            pll48: 48_000_000,
            lsi: 32_000,
        };
        let mut pins = Pins::default();
        for pin in [DM, DP] {
            pins.function[usize::from(pin.port)][usize::from(pin.number)] = Function::Alternate(10);
        }
        let (effects, device) =
            (Effects::default(), Device { latency: Nanos::micros(2), ..Device::default() });
        Self { otg: OtgFs::new(), now: Nanos(0), clocks, pins, effects, line: false, device }
    }

    fn with<R>(&mut self, act: impl FnOnce(&mut OtgFs, &mut Ctx) -> R) -> R {
        let mut ctx = Ctx {
            now: self.now,
            pc: None,
            clocks: &self.clocks,
            pins: &self.pins,
            effects: &mut self.effects,
        };
        let result = act(&mut self.otg, &mut ctx);
        for (line, level) in self.effects.lines.drain(..) {
            assert_eq!(line, super::IRQ);
            self.line = level;
        }
        result
    }

    fn read(&mut self, offset: u32) -> u32 {
        self.with(|otg, ctx| otg.read(offset, Width::Word, ctx))
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.with(|otg, ctx| otg.write(offset, Width::Word, value, ctx));
    }

    fn set(&mut self, offset: u32, bits: u32) {
        let value = self.read(offset);
        self.write(offset, value | bits);
    }

    fn rules_broken(&mut self) -> Vec<Kind> {
        let kinds = self.effects.violations.list().iter().map(|violation| violation.kind).collect();
        self.effects.violations.clear();
        kinds
    }

    fn assert_clean(&self) {
        let list: Vec<String> = self.effects.violations.list().iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "{list:#?}");
    }

    /// Core and device initialisation, RM0090 34.17.1 and 34.17.3.
    fn connect(&mut self) {
        self.write(GUSBCFG, gusbcfg::FDMOD | 6 << 10);
        self.write(GCCFG, gccfg::PWRDWN | gccfg::NOVBUSSENS);
        self.write(DCFG, dcfg::RESET | dcfg::DSPD);
        let wanted =
            gint::USBRST | gint::ENUMDNE | gint::USBSUSP | gint::WKUPINT | gint::RXFLVL | gint::IEPINT;
        self.write(GINTMSK, wanted);
        self.write(DIEPMSK, epint::XFRC);
        self.write(DAINTMSK, 0x3);
        self.write(GAHBCFG, gahbcfg::GINT);
        self.device.running = true;
    }

    fn handle_interrupt(&mut self) {
        self.now += self.device.latency;
        let status = self.read(GINTSTS);
        if status & gint::USBSUSP != 0 {
            self.write(GINTSTS, gint::USBSUSP);
            self.device.suspends += 1;
        }
        if status & gint::WKUPINT != 0 {
            self.write(GINTSTS, gint::WKUPINT);
            self.device.wakeups += 1;
        }
        if status & gint::USBRST != 0 {
            self.write(GINTSTS, gint::USBRST);
            self.device.resets += 1;
            self.layout();
            let address = self.read(DCFG) & !dcfg::DAD;
            self.write(DCFG, address);
        }
        if status & gint::ENUMDNE != 0 {
            self.write(GINTSTS, gint::ENUMDNE);
            assert_eq!(self.read(DSTS) >> 1 & 0b11, 0b11, "full speed");
            self.arm_control();
            self.start_bulk();
        }
        if status & gint::RXFLVL != 0 {
            self.handle_status();
        }
        if status & gint::IEPINT != 0 {
            self.handle_sent();
        }
    }

    fn layout(&mut self) {
        self.write(GRXFSIZ, 64);
        self.write(DIEPTXF0, 32 << 16 | 64);
        self.write(DIEPTXF1, 32 << 16 | 96);
        self.write(GRSTCTL, grstctl::RXFFLSH | grstctl::TXFFLSH | grstctl::ALL << 6);
        while self.read(GRSTCTL) & (grstctl::RXFFLSH | grstctl::TXFFLSH) != 0 {}
    }

    fn arm_control(&mut self) {
        self.write(0xB00 + EP_TSIZ, 3 << 29 | 1 << 19 | 64);
        self.write(0xB00, epctl::EPENA | epctl::CNAK);
    }

    fn start_bulk(&mut self) {
        self.write(0x920, epctl::USBAEP | 2 << 18 | 1 << 22 | epctl::SNAK | epctl::SD0PID | 64);
        self.write(0xB20 + EP_TSIZ, 1 << 19 | 64);
        self.write(0xB20, epctl::USBAEP | 2 << 18 | epctl::SD0PID | 64 | epctl::EPENA | epctl::CNAK);
    }

    fn handle_status(&mut self) {
        let status = self.read(GRXSTSP);
        let (endpoint, length) = (status & 0xF, (status >> 4 & 0x7FF) as usize);
        let mut data: Vec<u8> =
            (0..length.div_ceil(4)).flat_map(|_| self.read(0x1000).to_le_bytes()).collect();
        data.truncate(length);
        match (status >> 17 & 0xF, endpoint) {
            (grxsts::SETUP_DATA, _) => self.device.setup = data.try_into().expect("8 bytes"),
            (grxsts::SETUP_DONE, _) => self.handle_setup(),
            (grxsts::OUT_DATA, 0) => {
                self.device.block.extend_from_slice(&data);
                self.device.expecting = self.device.expecting.saturating_sub(length);
                if length > 0 && self.device.expecting == 0 {
                    self.send(&[]);
                }
            }
            (grxsts::OUT_DONE, 0) => self.arm_control(),
            (grxsts::OUT_DATA, 1) => self.device.bulk = data,
            (grxsts::OUT_DONE, 1) => {
                let echo = std::mem::take(&mut self.device.bulk);
                self.send_to(1, &echo);
                self.write(0xB20 + EP_TSIZ, 1 << 19 | 64);
                self.set(0xB20, epctl::EPENA | epctl::CNAK);
            }
            other => panic!("unexpected status {other:?}"),
        }
    }

    fn handle_setup(&mut self) {
        self.write(0xB00 + EP_INT, epint::STUP);
        self.arm_control();
        let [kind, request, value, high, _, _, low, long] = self.device.setup;
        let length = usize::from(u16::from_le_bytes([low, long]));
        let answer = match (kind, request, high) {
            (0x80, 6, 1) => DEVICE.to_vec(),
            (0x80, 6, 2) => CONFIGURATION.to_vec(),
            (0x00, 5, _) => {
                let config = self.read(DCFG);
                self.write(DCFG, config | u32::from(value) << 4);
                return self.send(&[]);
            }
            (0x00, 9, _) => return self.send(&[]),
            (0x40, TAKE, _) => {
                self.device.block.clear();
                self.device.expecting = length;
                if length == 0 {
                    self.send(&[]);
                }
                return;
            }
            (0xC0, GIVE, _) => self.device.block.clone(),
            _ => {
                self.set(0x900, epctl::STALL);
                self.set(0xB00, epctl::STALL);
                return;
            }
        };
        self.device.sending = answer[..answer.len().min(length)].to_vec();
        self.send_next();
    }

    fn send_next(&mut self) {
        let rest = self.device.sending.split_off(self.device.sending.len().min(64));
        let packet = std::mem::replace(&mut self.device.sending, rest);
        self.send(&packet);
    }

    fn send(&mut self, packet: &[u8]) {
        self.send_to(0, packet);
    }

    fn send_to(&mut self, endpoint: u32, packet: &[u8]) {
        let block = 0x900 + 0x20 * endpoint;
        self.write(block + EP_TSIZ, 1 << 19 | packet.len() as u32);
        self.set(block, epctl::EPENA | epctl::CNAK);
        for chunk in packet.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write(0x1000 + 0x1000 * endpoint, u32::from_le_bytes(word));
        }
    }

    fn handle_sent(&mut self) {
        for endpoint in 0..2 {
            if self.read(0x900 + 0x20 * endpoint + EP_INT) & epint::XFRC != 0 {
                self.write(0x900 + 0x20 * endpoint + EP_INT, epint::XFRC);
                if endpoint == 0 && !self.device.sending.is_empty() {
                    self.send_next();
                }
            }
        }
    }
}

impl Port for Bench {
    fn now(&self) -> Nanos {
        self.now
    }

    fn run_to(&mut self, at: Nanos, watch: bool) {
        self.effects.attention = false;
        while self.now < at && !(watch && self.effects.attention) {
            if self.device.running && self.line {
                self.handle_interrupt();
                continue;
            }
            let next = self.otg.next_event().unwrap_or(Nanos::NEVER);
            self.now = at.min(next.max(self.now));
            self.with(|otg, ctx| otg.advance(ctx));
        }
    }

    fn with_wire(&mut self, act: &mut dyn FnMut(&mut dyn Wire, &mut Ctx)) {
        self.with(|otg, ctx| act(otg, ctx));
    }
}

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
