//! OTG_FS, device side: the Synopsys core of STM32F4 as RM0090 Rev 19 chapter 34 describes it, and its later version
//! in the F446 (RM0390 chapter 31; what differs is in `version`).
//!
//! Stands between the firmware's register accesses ([`Peripheral`]) and a host end ([`Wire`]).
//!
//! Covers: global, device and endpoint registers, the power and clock gate, endpoints 0 to 3 in both directions,
//! the FIFO memory (sizes, overlaps, reserve for SETUP, flush), SETUP with STUPCNT, OUT and IN transfers, NAK,
//! STALL, data toggles, global NAKs, endpoint disable, bus reset and end of enumeration, suspend, resume, remote
//! wake-up, SOF and frame number, soft disconnect, VBUS sensing and its absence, core soft reset, interrupt line 67
//! and EXTI line 18. Stricter than silicon: sequences that the manual forbids are recorded, and the pins, the 48 MHz
//! clock, the turnaround time and the FIFO layout are checked when the firmware relies on them.
//!
//! Leaves out: endpoints 4 and 5 of the later version and its link power management, host role, OTG role change, SRP and HNP, isochronous transfers (refused), test modes, the end of
//! periodic frame interrupt, DCFG.NZLSOHSK, direct access to the FIFO RAM.

#[cfg(test)]
pub(crate) mod bench;
mod buffers;
mod endpoint;
mod fifo;
mod registers;
mod regs;
#[cfg(test)]
mod tests;
mod version;
mod wire;

use crate::device::{Ctx, Function, Peripheral, Pin, Width};
use crate::time::Nanos;
use crate::usb::Wire;
use crate::violation::Kind;
use endpoint::{Endpoint, fifo_of};
use fifo::{Entry, RxFifo, TxFifo};
use regs::*;
pub(crate) use version::{V1, V2, Version};

/// Interrupt line of OTG_FS (RM0090 table 62).
pub const IRQ: u16 = 67;
/// EXTI line of the OTG_FS wake-up (RM0090 12.2.5).
pub const EXTI_WAKEUP: u8 = 18;
/// Endpoints in each direction.
pub const ENDPOINTS: usize = 4;
/// Idle time after which the bus counts as suspended (USB 2.0 7.1.7.6).
const SUSPEND_AFTER: Nanos = Nanos::millis(3);
/// Length of a full-speed frame.
const FRAME: Nanos = Nanos::millis(1);
/// A pull-up there, or away, for less is not seen by a host (USB 2.0 7.1.7.3, TDCNN and TDDIS).
const SHORTEST_PULSE: Nanos = Nanos(2_500);
const DM: Pin = Pin::new('A', 11);
const DP: Pin = Pin::new('A', 12);

/// What the cable does to the device.
#[derive(Clone, Debug, Default)]
struct Bus {
    /// VBUS is there: a host is plugged in.
    vbus: bool,
    /// The host holds SE0.
    reset: bool,
    /// Frames run since this instant, which has the given frame number.
    frames: Option<(Nanos, u16)>,
    /// Frame number of the last SOF when frames stopped.
    last_frame: u16,
    /// The bus is idle since then; `None` while it is not or while nothing is attached.
    idle_since: Option<Nanos>,
    /// The pull-up as the host sees it, and since when it is so.
    pulled_up: bool,
    pulled_since: Nanos,
    /// Software asks for the pull-up; clock and pins may still forbid it.
    wanted: bool,
    /// Times the pull-up went away after a host could have seen it.
    departures: u64,
    /// The last time it went away counted.
    departed: bool,
}

/// The model. Made once per board; `reset` is the chip's reset, the cable stays.
#[derive(Clone, Debug)]
pub struct OtgFs {
    version: &'static Version,
    gotgctl: u32,
    gotgint: u32,
    gahbcfg: u32,
    gusbcfg: u32,
    grstctl: u32,
    /// Bits that stay until they are cleared; the level bits are computed.
    gintsts: u32,
    gintmsk: u32,
    grxfsiz: u32,
    dieptxf: [u32; ENDPOINTS],
    gccfg: u32,
    cid: u32,
    dcfg: u32,
    dctl: u32,
    diepmsk: u32,
    doepmsk: u32,
    daintmsk: u32,
    diepempmsk: u32,
    dvbusdis: u32,
    dvbuspulse: u32,
    pcgcctl: u32,
    suspended: bool,
    ins: [Endpoint; ENDPOINTS],
    outs: [Endpoint; ENDPOINTS],
    rx: RxFifo,
    tx: [TxFifo; ENDPOINTS],
    /// FIFO layout was checked since its last change.
    layout_checked: bool,
    /// The clock, the pins and the turnaround time were checked since the last bus reset.
    wiring_checked: bool,
    /// A token reached this device since the last bus reset.
    tokens_seen: bool,
    /// A SETUP came and its completion entry is not in the FIFO yet.
    setup_open: bool,
    /// Between a SETUP packet and the end of its status stage.
    control_open: bool,
    /// The address the device answers to: DCFG.DAD after the status stage of SET_ADDRESS.
    address: u8,
    bus: Bus,
    /// Frame number up to which SOF was signalled.
    sof_seen: u64,
    /// Level of the interrupt line as last told.
    line: bool,
    exti: bool,
    /// What a host would be answered, as last told, and how often that changed.
    ready: u32,
    changes: u64,
}

impl OtgFs {
    /// The block after power-on, no cable plugged in.
    pub(crate) fn new(version: &'static Version) -> Self {
        let mut otg = Self {
            version,
            gotgctl: 0,
            gotgint: 0,
            gahbcfg: 0,
            gusbcfg: 0,
            grstctl: 0,
            gintsts: 0,
            gintmsk: 0,
            grxfsiz: 0,
            dieptxf: [0; ENDPOINTS],
            gccfg: 0,
            cid: 0,
            dcfg: 0,
            dctl: 0,
            diepmsk: 0,
            doepmsk: 0,
            daintmsk: 0,
            diepempmsk: 0,
            dvbusdis: 0,
            dvbuspulse: 0,
            pcgcctl: 0,
            suspended: false,
            ins: Default::default(),
            outs: Default::default(),
            rx: RxFifo::default(),
            tx: Default::default(),
            layout_checked: false,
            wiring_checked: false,
            tokens_seen: false,
            setup_open: false,
            control_open: false,
            address: 0,
            bus: Bus::default(),
            sof_seen: 0,
            line: false,
            exti: false,
            ready: 0,
            changes: 0,
        };
        otg.reset_registers();
        otg.cid = version.cid;
        otg
    }

    /// Reset values of RM0090 34.16; GCCFG, CID and the cable are not touched.
    fn reset_registers(&mut self) {
        self.gotgctl = 0;
        self.gotgint = 0;
        self.gahbcfg = 0;
        self.gusbcfg = self.version.gusbcfg_reset;
        self.grstctl = 0;
        self.gintsts = 0;
        self.gintmsk = 0;
        self.grxfsiz = 0x200;
        self.dieptxf = [0x0200_0200, 0x0200_0400, 0x0200_0400, 0x0200_0400];
        self.dcfg = dcfg::RESET;
        self.dctl = self.version.dctl_reset;
        self.diepmsk = 0;
        self.doepmsk = 0;
        self.daintmsk = 0;
        self.diepempmsk = 0;
        self.dvbusdis = 0x17D7;
        self.dvbuspulse = 0x5B8;
        self.pcgcctl = 0;
        self.suspended = false;
        self.ins = Default::default();
        self.outs = Default::default();
        self.ins[0].ctl = epctl::USBAEP;
        self.outs[0].ctl = epctl::USBAEP;
        self.rx = RxFifo::default();
        self.tx = Default::default();
        self.layout_checked = false;
        self.wiring_checked = false;
        self.tokens_seen = false;
        self.setup_open = false;
        self.control_open = false;
        self.address = 0;
    }

    /// GINTSTS as it reads: sticky bits and levels.
    fn gintsts(&self) -> u32 {
        let mut status = self.gintsts | gint::NPTXFE | gint::PTXFE;
        if !self.rx.is_empty() {
            status |= gint::RXFLVL;
        }
        if self.gotgint != 0 {
            status |= gint::OTGINT;
        }
        let daint = self.daint() & self.daintmsk;
        if daint & 0xFFFF != 0 {
            status |= gint::IEPINT;
        }
        if daint >> 16 != 0 {
            status |= gint::OEPINT;
        }
        status
    }

    /// DAINT: endpoints with an event that their mask lets through.
    fn daint(&self) -> u32 {
        let mut all = 0;
        for index in 0..ENDPOINTS {
            let int = self.diepint(index);
            let empty = int & epint::TXFE != 0 && self.diepempmsk & 1 << index != 0;
            if int & self.diepmsk & epint::IN_MASK != 0 || empty {
                all |= 1 << index;
            }
            if self.outs[index].int & self.doepmsk & epint::OUT_MASK != 0 {
                all |= 1 << (16 + index);
            }
        }
        all
    }

    /// Everything that follows from a change: pull-up, interrupt line, wake-up line.
    fn settle(&mut self, ctx: &mut Ctx) {
        self.settle_pull_up(ctx);
        let line = self.gahbcfg & gahbcfg::GINT != 0 && self.gintsts() & self.gintmsk != 0;
        if line != self.line {
            self.line = line;
            ctx.irq(IRQ, line);
        }
        let wakeup = self.gintsts & gint::WKUPINT != 0;
        if wakeup != self.exti {
            self.exti = wakeup;
            ctx.exti(EXTI_WAKEUP, wakeup);
        }
        let ready = self.readiness();
        if ready != self.ready {
            self.ready = ready;
            self.changes += 1;
            ctx.attention();
        }
    }

    /// The 48 MHz clock runs at 48 MHz within the 0.25 % of USB 2.0 7.1.11.
    fn clock_is_right(ctx: &Ctx) -> bool {
        ctx.clocks.pll48.abs_diff(48_000_000) <= 120_000
    }

    fn pins_are_right(ctx: &Ctx) -> bool {
        ctx.pins.function(DM) == Function::Alternate(10) && ctx.pins.function(DP) == Function::Alternate(10)
    }

    /// A host is plugged in.
    pub(crate) fn plugged(&self) -> bool {
        self.bus.vbus
    }

    /// A session is valid: VBUS sensed on PA9, or sensing switched off (34.16.2, GCCFG); or what software says in
    /// its place (RM0390 section 31.15, GOTGCTL).
    fn session(&self) -> bool {
        if self.version.overrides {
            return match self.gotgctl & gotgctl::BVALOEN {
                0 => self.gccfg & gccfg::VBDEN != 0 && self.bus.vbus,
                _ => self.gotgctl & gotgctl::BVALOVAL != 0,
            };
        }
        let sensed = self.gccfg & gccfg::VBUSBSEN != 0 && self.bus.vbus;
        sensed || self.gccfg & gccfg::NOVBUSSENS != 0
    }

    fn settle_pull_up(&mut self, ctx: &mut Ctx) {
        let wanted = self.gccfg & gccfg::PWRDWN != 0 && self.session() && self.dctl & dctl::SDIS == 0;
        if wanted && !self.bus.wanted && !Self::pins_are_right(ctx) {
            let what = "connected while PA11 and PA12 are not in alternate function 10";
            ctx.violation(Kind::Sequence, "RM0090 34.4.1, DS8626 table 9", what);
        }
        self.bus.wanted = wanted;
        let up = wanted && Self::clock_is_right(ctx) && Self::pins_are_right(ctx);
        if up == self.bus.pulled_up {
            return;
        }
        let seen = ctx.now.since(self.bus.pulled_since) >= SHORTEST_PULSE;
        if up && self.bus.departed && !seen {
            let what = "soft disconnect shorter than 2.5 us: a host does not see it";
            ctx.violation(Kind::Range, "RM0090 34.16.4 DCTL.SDIS", what);
        }
        if !up {
            self.bus.departed = seen;
            self.bus.departures += u64::from(seen);
            self.bus.frames = None;
            self.bus.reset = false;
        }
        self.bus.pulled_up = up;
        self.bus.pulled_since = ctx.now;
        self.bus.idle_since = (up && self.bus.frames.is_none()).then_some(ctx.now);
        ctx.attention();
    }

    /// What a host would be answered, one bit a case: a change is worth its attention.
    fn readiness(&self) -> u32 {
        let mut ready = u32::from(self.bus.pulled_up) | u32::from(self.wakes_host()) << 1;
        for index in 0..ENDPOINTS {
            let (input, output) = (&self.ins[index], &self.outs[index]);
            let sends = input.enabled() && !input.nak() && self.has_packet(index);
            let takes = output.active() && !output.nak() && !output.completing && self.has_room();
            let bits = [sends, takes, input.stalled(), output.stalled(), input.active(), output.active()];
            for (bit, on) in bits.into_iter().enumerate() {
                ready |= u32::from(on) << (2 + 6 * index + bit);
            }
        }
        ready
            | u32::from(self.gintsts & gint::GONAKEFF != 0) << 30
            | u32::from(self.dctl & dctl::GINSTS != 0) << 31
    }

    /// Session events of a VBUS change (34.16.2: SRQINT and SEDET).
    fn settle_session(&mut self, was: bool) {
        match (was, self.session()) {
            (false, true) => self.gintsts |= gint::SRQINT,
            (true, false) => self.gotgint |= gotgint::SEDET,
            _ => {}
        }
    }

    /// Frame number at `now`, 11 bits.
    fn frame(&self, now: Nanos) -> u16 {
        let Some((origin, first)) = self.bus.frames else { return self.bus.last_frame };
        ((u64::from(first) + now.since(origin).0 / FRAME.0) & 0x7FF) as u16
    }

    /// Sets GINTSTS.SOF when a frame began since it was looked at last.
    fn catch_up_frames(&mut self, now: Nanos) {
        let Some((origin, _)) = self.bus.frames else { return };
        let count = now.since(origin).0 / FRAME.0 + 1;
        if count > self.sof_seen {
            self.sof_seen = count;
            self.gintsts |= gint::SOF;
        }
    }
}

/// The endpoint and register offset inside an endpoint block.
fn split(offset: u32) -> (usize, u32) {
    (((offset & 0x1FF) / 0x20) as usize, offset & 0x1F)
}

impl Peripheral for OtgFs {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        check_width(offset, width, ctx);
        let value = match offset & !3 {
            o if FIFO.contains(&o) => self.read_fifo(ctx),
            o if IN_ENDPOINTS.contains(&o) => {
                let (index, register) = split(o - 0x900);
                if index < ENDPOINTS {
                    self.read_in(index, register, ctx)
                } else {
                    self.nothing_there(o, ctx)
                }
            }
            o if OUT_ENDPOINTS.contains(&o) => {
                let (index, register) = split(o - 0xB00);
                if index < ENDPOINTS {
                    self.read_out(index, register, ctx)
                } else {
                    self.nothing_there(o, ctx)
                }
            }
            o => self.read_register(o, ctx),
        };
        self.settle(ctx);
        crate::device::lane(value, offset, width)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        check_width(offset, width, ctx);
        match offset & !3 {
            o if FIFO.contains(&o) => self.write_fifo(((o - 0x1000) / 0x1000) as usize, value, ctx),
            o if IN_ENDPOINTS.contains(&o) => {
                let (index, register) = split(o - 0x900);
                if index < ENDPOINTS {
                    self.write_in(index, register, value, ctx);
                } else {
                    self.nothing_there(o, ctx);
                }
            }
            o if OUT_ENDPOINTS.contains(&o) => {
                let (index, register) = split(o - 0xB00);
                if index < ENDPOINTS {
                    self.write_out(index, register, value, ctx);
                } else {
                    self.nothing_there(o, ctx);
                }
            }
            o => self.write_register(o, value, ctx),
        }
        self.settle(ctx);
    }

    /// The interrupt flags, until SOF.
    fn steady_until(&self, offset: u32) -> Option<Nanos> {
        let sof = match self.bus.frames {
            Some((origin, _)) if self.gintsts & gint::SOF == 0 => origin + Nanos(self.sof_seen * FRAME.0),
            _ => Nanos::NEVER,
        };
        (offset == GINTSTS).then_some(sof)
    }

    fn next_event(&self) -> Option<Nanos> {
        if let Some((origin, _)) = self.bus.frames {
            // Frames cost nothing while nobody asked to be told of them.
            let told = self.gintmsk & gint::SOF != 0 && self.gintsts & gint::SOF == 0;
            return told.then(|| origin + Nanos(self.sof_seen * FRAME.0));
        }
        let idle = self.bus.idle_since.filter(|_| self.bus.pulled_up && !self.suspended)?;
        Some(idle + SUSPEND_AFTER)
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        self.catch_up_frames(ctx.now);
        if let Some(idle) = self.bus.idle_since
            && !self.suspended
            && self.bus.pulled_up
            && ctx.now >= idle + SUSPEND_AFTER
        {
            self.suspended = true;
            self.gintsts |= gint::ESUSP | gint::USBSUSP;
        }
        self.settle(ctx);
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        self.reset_registers();
        self.gccfg = 0;
        self.cid = self.version.cid;
        self.settle(ctx);
    }
}

/// "CSRs can be accessed as words only" (34.16).
fn check_width(offset: u32, width: Width, ctx: &mut Ctx) {
    if width != Width::Word {
        let what = format!("{} byte access at offset {offset:#x}", width.bytes());
        ctx.violation(Kind::Width, "RM0090 34.16", what);
    }
}
