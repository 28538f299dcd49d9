//! A board for tests with nothing but the OTG_FS model, and a device written in register accesses on it.
//!
//! The device follows RM0090 34.17: endpoint 0 with two vendor requests, and a bulk echo on endpoint 1.

use super::regs::*;
use super::{DM, DP, OtgFs};
use crate::device::{Clocks, Ctx, Effects, Function, Peripheral, Pins, Width};
use crate::time::Nanos;
use crate::usb::Wire;
use crate::usb::host::Port;
use crate::violation::Kind;

pub const DEVICE: [u8; 18] = [18, 1, 0, 2, 0, 0, 0, 64, 0x83, 0x04, 0x11, 0xDF, 0, 0x22, 0, 0, 0, 1];
pub const CONFIGURATION: [u8; 32] = [
    9, 2, 32, 0, 1, 1, 0, 0xC0, 50, // configuration
    9, 4, 0, 0, 2, 0xFF, 0, 0, 0, // interface
    7, 5, 0x01, 2, 64, 0, 0, // bulk OUT 1
    7, 5, 0x81, 2, 64, 0, 0, // bulk IN 1
];
/// Vendor requests of the little device: take a block, give it back.
pub const TAKE: u8 = 1;
pub const GIVE: u8 = 2;

/// A board with nothing but the OTG block and a device written in register accesses.
pub struct Bench {
    pub otg: OtgFs,
    pub now: Nanos,
    pub clocks: Clocks,
    pub pins: Pins,
    pub effects: Effects,
    pub line: bool,
    pub device: Device,
}

/// What the register-level device remembers: the smallest honest endpoint 0 state machine.
#[derive(Default)]
pub struct Device {
    pub running: bool,
    pub setup: [u8; 8],
    pub sending: Vec<u8>,
    pub expecting: usize,
    pub block: Vec<u8>,
    pub bulk: Vec<u8>,
    pub resets: u32,
    pub suspends: u32,
    pub wakeups: u32,
    /// Between a packet and the device's reaction.
    pub latency: Nanos,
}

impl Bench {
    pub fn new() -> Self {
        let clocks = Clocks {
            sysclk: 168_000_000,
            from_pll: true,
            hclk: 168_000_000,
            pclk1: 42_000_000,
            pclk2: 84_000_000,
            timers1: 84_000_000,
            timers2: 168_000_000,
            pll48: 48_000_000,
            lsi: 32_000,
            lse: 0,
            hse_rtc: 0,
            rtc: 0,
        };
        let mut pins = Pins::default();
        for pin in [DM, DP] {
            pins.function[usize::from(pin.port)][usize::from(pin.number)] = Function::Alternate(10);
        }
        let (effects, device) =
            (Effects::default(), Device { latency: Nanos::micros(2), ..Device::default() });
        Self { otg: OtgFs::new(&super::V1), now: Nanos(0), clocks, pins, effects, line: false, device }
    }

    pub fn with<R>(&mut self, act: impl FnOnce(&mut OtgFs, &mut Ctx) -> R) -> R {
        let mut ctx = Ctx {
            now: self.now,
            pc: None,
            clocks: &self.clocks,
            pins: &self.pins,
            effects: &mut self.effects,
        };
        let result = act(&mut self.otg, &mut ctx);
        for (line, _, level) in self.effects.lines.drain(..) {
            assert_eq!(line, super::IRQ);
            self.line = level;
        }
        result
    }

    pub fn read(&mut self, offset: u32) -> u32 {
        self.with(|otg, ctx| otg.read(offset, Width::Word, ctx))
    }

    pub fn write(&mut self, offset: u32, value: u32) {
        self.with(|otg, ctx| otg.write(offset, Width::Word, value, ctx));
    }

    pub fn set(&mut self, offset: u32, bits: u32) {
        let value = self.read(offset);
        self.write(offset, value | bits);
    }

    pub fn rules_broken(&mut self) -> Vec<Kind> {
        let kinds = self.effects.violations.list().iter().map(|violation| violation.kind).collect();
        self.effects.violations.clear();
        kinds
    }

    pub fn assert_clean(&self) {
        let list: Vec<String> = self.effects.violations.list().iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "{list:#?}");
    }

    /// Core and device initialisation, RM0090 34.17.1 and 34.17.3.
    pub fn connect(&mut self) {
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

    pub fn handle_interrupt(&mut self) {
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

    pub fn layout(&mut self) {
        self.write(GRXFSIZ, 64);
        self.write(DIEPTXF0, 32 << 16 | 64);
        self.write(DIEPTXF1, 32 << 16 | 96);
        self.write(GRSTCTL, grstctl::RXFFLSH | grstctl::TXFFLSH | grstctl::ALL << 6);
        while self.read(GRSTCTL) & (grstctl::RXFFLSH | grstctl::TXFFLSH) != 0 {}
    }

    pub fn arm_control(&mut self) {
        self.write(0xB00 + EP_TSIZ, 3 << 29 | 1 << 19 | 64);
        self.write(0xB00, epctl::EPENA | epctl::CNAK);
    }

    pub fn start_bulk(&mut self) {
        self.write(0x920, epctl::USBAEP | 2 << 18 | 1 << 22 | epctl::SNAK | epctl::SD0PID | 64);
        self.write(0xB20 + EP_TSIZ, 1 << 19 | 64);
        self.write(0xB20, epctl::USBAEP | 2 << 18 | epctl::SD0PID | 64 | epctl::EPENA | epctl::CNAK);
    }

    pub fn handle_status(&mut self) {
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

    pub fn handle_setup(&mut self) {
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

    pub fn send_next(&mut self) {
        let rest = self.device.sending.split_off(self.device.sending.len().min(64));
        let packet = std::mem::replace(&mut self.device.sending, rest);
        self.send(&packet);
    }

    pub fn send(&mut self, packet: &[u8]) {
        self.send_to(0, packet);
    }

    pub fn send_to(&mut self, endpoint: u32, packet: &[u8]) {
        let block = 0x900 + 0x20 * endpoint;
        self.write(block + EP_TSIZ, 1 << 19 | packet.len() as u32);
        self.set(block, epctl::EPENA | epctl::CNAK);
        for chunk in packet.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write(0x1000 + 0x1000 * endpoint, u32::from_le_bytes(word));
        }
    }

    pub fn handle_sent(&mut self) {
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
