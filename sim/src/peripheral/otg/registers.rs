//! Global and device registers of OTG_FS: what a read shows and what a write does (RM0090 34.16.2, 34.16.4, 34.16.5).
//!
//! Endpoint registers are in `endpoint.rs`, the FIFOs' windows in `buffers.rs`.

use super::regs::*;
use super::{ENDPOINTS, Entry, OtgFs, fifo_of, split};
use crate::device::Ctx;
use crate::violation::Kind;

impl OtgFs {
    pub(super) fn read_register(&mut self, offset: u32, ctx: &mut Ctx) -> u32 {
        self.catch_up_frames(ctx.now);
        match offset {
            GOTGCTL => {
                let session = self.session() && self.gccfg & gccfg::PWRDWN != 0;
                self.gotgctl | gotgctl::CIDSTS | if session { gotgctl::BSVLD } else { 0 }
            }
            GOTGINT => self.gotgint,
            GAHBCFG => self.gahbcfg,
            GUSBCFG => self.gusbcfg | gusbcfg::PHYSEL,
            GRSTCTL => self.grstctl | grstctl::AHBIDL,
            GINTSTS => self.gintsts(),
            GINTMSK => self.gintmsk,
            GRXSTSR => self.peek_status(ctx),
            GRXSTSP => self.pop_status(ctx),
            GRXFSIZ => self.grxfsiz,
            DIEPTXF0 => self.dieptxf[0],
            GNPTXSTS => self.free_words(0) | 8 << 16,
            GCCFG => self.gccfg,
            CID => self.cid,
            offset if HWCFG.contains(&offset) => {
                self.version.identity.get(((offset - HWCFG.start()) / 4) as usize).copied().unwrap_or(0)
            }
            HPTXFSIZ => 0x0200_0600,
            DIEPTXF1..=DIEPTXF3 => self.dieptxf[1 + ((offset - DIEPTXF1) / 4) as usize],
            DCFG => self.dcfg,
            DCTL => self.dctl,
            DSTS => {
                let speed =
                    if self.gintsts & gint::USBRST != 0 && self.bus.reset { 0 } else { dsts::FULL_SPEED };
                speed
                    | (u32::from(self.suspended) * dsts::SUSPSTS)
                    | u32::from(self.frame(ctx.now) & 0x3FFF) << 8
            }
            DIEPMSK => self.diepmsk,
            DOEPMSK => self.doepmsk,
            DAINT => self.daint(),
            DAINTMSK => self.daintmsk,
            DVBUSDIS => self.dvbusdis,
            DVBUSPULSE => self.dvbuspulse,
            DIEPEMPMSK => self.diepempmsk,
            PCGCCTL => self.pcgcctl | u32::from(self.suspended) << 4,
            _ => self.nothing_there(offset, ctx),
        }
    }

    pub(super) fn nothing_there(&self, offset: u32, ctx: &mut Ctx) -> u32 {
        if HOST.contains(&offset) {
            ctx.violation(
                Kind::Unmodelled,
                "RM0090 34.16.3",
                "host mode register: the host role is not modelled",
            );
            return 0;
        }
        let endpoint = match offset {
            DIEPTXF1..=0x11C => 1 + (offset - DIEPTXF1) as usize / 4,
            o if IN_ENDPOINTS.contains(&o) || OUT_ENDPOINTS.contains(&o) => split(o - 0x900).0,
            _ => self.version.endpoints,
        };
        if endpoint < self.version.endpoints {
            ctx.unmodelled(self.version.manual, format!("endpoint {endpoint}"));
            return 0;
        }
        ctx.nothing("OTG_FS", offset, "RM0090 34.16.6")
    }

    pub(super) fn write_register(&mut self, offset: u32, value: u32, ctx: &mut Ctx) {
        self.catch_up_frames(ctx.now);
        const GLOBAL: &str = "RM0090 34.16.2";
        const DEVICE: &str = "RM0090 34.16.4";
        match offset {
            GOTGCTL => {
                ctx.reserved(value, self.version.gotgctl, self.version.manual, "GOTGCTL");
                let was = self.session();
                self.gotgctl = value & self.version.gotgctl_written;
                self.settle_session(was);
            }
            GOTGINT => self.gotgint &= !value,
            GAHBCFG => {
                ctx.reserved(value, gahbcfg::DEFINED, GLOBAL, "GAHBCFG");
                self.gahbcfg = value & gahbcfg::DEFINED;
            }
            GUSBCFG => self.write_gusbcfg(value, ctx),
            GRSTCTL => self.write_grstctl(value, ctx),
            GINTSTS => self.gintsts &= !(value & gint::CLEARED_BY_ONE),
            GINTMSK => {
                ctx.reserved(value, self.version.gintmsk, GLOBAL, "GINTMSK");
                self.gintmsk = value & self.version.gintmsk;
            }
            GRXFSIZ => {
                ctx.reserved(value, 0xFFFF, GLOBAL, "GRXFSIZ");
                self.grxfsiz = value & 0xFFFF;
                self.layout_checked = false;
            }
            DIEPTXF0 => {
                self.dieptxf[0] = value;
                self.layout_checked = false;
            }
            DIEPTXF1..=DIEPTXF3 => {
                let fifo = 1 + ((offset - DIEPTXF1) / 4) as usize;
                self.dieptxf[fifo] = value;
                self.layout_checked = false;
            }
            GCCFG => self.write_gccfg(value, ctx),
            CID => self.cid = value,
            DCFG => self.write_dcfg(value, ctx),
            DCTL => self.write_dctl(value, ctx),
            DIEPMSK => {
                ctx.reserved(value, epint::IN_MASK, DEVICE, "DIEPMSK");
                self.diepmsk = value & epint::IN_MASK;
            }
            DOEPMSK => {
                ctx.reserved(value, epint::OUT_MASK, DEVICE, "DOEPMSK");
                self.doepmsk = value & epint::OUT_MASK;
            }
            DAINTMSK => self.daintmsk = value,
            DVBUSDIS => self.dvbusdis = value & 0xFFFF,
            DVBUSPULSE => self.dvbuspulse = value & 0xFFF,
            DIEPEMPMSK => {
                ctx.reserved(value, 0xFFFF, DEVICE, "DIEPEMPMSK");
                self.diepempmsk = value & 0xFFFF;
            }
            PCGCCTL => self.write_pcgcctl(value, ctx),
            GRXSTSR | GRXSTSP | GNPTXSTS | DSTS | DAINT => {
                let what = format!("write to the read-only register at {offset:#x}");
                ctx.violation(Kind::Access, "RM0090 34.16.6", what);
            }
            _ => {
                self.nothing_there(offset, ctx);
            }
        }
    }

    pub(super) fn write_dcfg(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.4 DCFG";
        ctx.reserved(value & !dcfg::RESET, dcfg::DEFINED, SECTION, "DCFG");
        if value & dcfg::NZLSOHSK != 0 {
            ctx.violation(Kind::Unmodelled, SECTION, "NZLSOHSK is not modelled");
        }
        self.dcfg = value & dcfg::DEFINED | dcfg::RESET;
        let address = ((value & dcfg::DAD) >> 4) as u8;
        if address == 0 {
            self.address = 0;
        } else if address != self.address && !self.control_open {
            // 34.17.5: program DCFG, then send the status packet. The core changes over behind that packet.
            let what = "device address written after the status stage of SET_ADDRESS";
            ctx.violation(Kind::Sequence, "RM0090 34.17.5 SetAddress", what);
            self.address = address;
        }
    }

    /// The status stage of a control transfer is over; a new address counts from here.
    pub(super) fn close_control(&mut self) {
        self.control_open = false;
        self.address = ((self.dcfg & dcfg::DAD) >> 4) as u8;
    }

    pub(super) fn write_dctl(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.4 DCTL";
        ctx.reserved(value, dctl::DEFINED, SECTION, "DCTL");
        if value & dctl::TCTL != 0 {
            ctx.violation(Kind::Unmodelled, SECTION, "test modes are not modelled");
        }
        let statuses = self.dctl & (dctl::GINSTS | dctl::GONSTS);
        let was_off = self.dctl & dctl::SDIS != 0;
        self.dctl = value & dctl::STORED | statuses;
        if value & dctl::SGINAK != 0 {
            self.dctl |= dctl::GINSTS;
            self.gintsts |= gint::GINAKEFF;
        }
        if value & dctl::CGINAK != 0 {
            self.dctl &= !dctl::GINSTS;
            self.gintsts &= !gint::GINAKEFF;
        }
        if value & dctl::SGONAK != 0 {
            if self.gintsts & gint::GONAKEFF != 0 {
                ctx.violation(Kind::Sequence, SECTION, "SGONAK while the global OUT NAK is in effect");
            } else {
                self.rx.push(Entry::status(grxsts::GLOBAL_OUT_NAK, 0));
            }
        }
        if value & dctl::CGONAK != 0 {
            self.dctl &= !dctl::GONSTS;
            self.gintsts &= !gint::GONAKEFF;
        }
        if was_off && value & dctl::SDIS == 0 {
            self.check_clock(ctx);
        }
        if value & dctl::RWUSIG != 0 && !self.suspended {
            ctx.violation(Kind::Sequence, SECTION, "remote wake-up signalled while the bus is not suspended");
        }
    }

    pub(super) fn write_pcgcctl(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.5 PCGCCTL";
        ctx.reserved(value, 0b1_0011, SECTION, "PCGCCTL");
        self.pcgcctl = value & 0b11;
        if self.pcgcctl != 0 && !self.suspended && self.bus.pulled_up && self.bus.vbus {
            ctx.violation(Kind::Sequence, SECTION, "the PHY clock is stopped while the bus is not suspended");
        }
    }

    pub(super) fn write_gusbcfg(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.2 GUSBCFG";
        let defined = self.version.gusbcfg;
        ctx.reserved(value, defined, self.version.manual, "GUSBCFG");
        if value & gusbcfg::FHMOD != 0 {
            ctx.violation(Kind::Unmodelled, SECTION, "host mode forced: the host role is not modelled");
        }
        if value & defined & gusbcfg::CTXPKT != 0 {
            ctx.violation(Kind::Range, SECTION, "CTXPKT is for debugging and must never be set");
        }
        self.gusbcfg = value & defined & !gusbcfg::PHYSEL;
    }

    pub(super) fn write_gccfg(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.2 GCCFG";
        ctx.reserved(value, self.version.gccfg, self.version.manual, "GCCFG");
        let was = self.session();
        self.gccfg = value & self.version.gccfg;
        self.settle_session(was);
        if self.gccfg & gccfg::VBUSASEN != 0 {
            ctx.violation(
                Kind::Unmodelled,
                SECTION,
                "VBUS sensing as an A device: the host role is not modelled",
            );
        }
        if self.gccfg & gccfg::PWRDWN != 0 {
            self.check_clock(ctx);
        }
    }

    pub(super) fn check_clock(&mut self, ctx: &mut Ctx) {
        if !Self::clock_is_right(ctx) {
            let what = format!("the 48 MHz clock runs at {} Hz", ctx.clocks.pll48);
            ctx.violation(Kind::Unclocked, "RM0090 6.3.2 PLLQ, USB 2.0 7.1.11", what);
        }
    }

    pub(super) fn write_grstctl(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.2 GRSTCTL";
        ctx.reserved(value, grstctl::DEFINED, SECTION, "GRSTCTL");
        self.grstctl = value & grstctl::TXFNUM;
        if value & grstctl::FCRST != 0 {
            ctx.violation(Kind::Unmodelled, SECTION, "FCRST is for hosts: the host role is not modelled");
        }
        if value & grstctl::RXFFLSH != 0 {
            if self.rx.holds_setup() && self.tokens_seen {
                ctx.violation(Kind::Sequence, SECTION, "receive FIFO flushed with a SETUP packet in it");
            }
            self.rx.clear();
        }
        if value & grstctl::TXFFLSH != 0 {
            self.flush_transmit((value & grstctl::TXFNUM) >> 6, ctx);
        }
        if value & grstctl::CSRST != 0 {
            self.soft_reset(ctx);
        }
    }

    pub(super) fn flush_transmit(&mut self, number: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.2 GRSTCTL.TXFFLSH";
        let fifos = match number {
            grstctl::ALL => 0..ENDPOINTS,
            0..=3 => number as usize..number as usize + 1,
            _ => {
                ctx.violation(Kind::Range, SECTION, format!("TXFNUM {number} names no FIFO"));
                return;
            }
        };
        for fifo in fifos {
            let moving =
                self.ins.iter().any(|ep| ep.active() && fifo_of(ep) == fifo && ep.enabled() && !ep.nak());
            if moving && self.tokens_seen {
                let what =
                    format!("transmit FIFO {fifo} flushed while its endpoint is enabled and does not NAK");
                ctx.violation(Kind::Sequence, SECTION, what);
            }
            self.tx[fifo].clear();
        }
    }

    /// CSRST (34.16.2): all registers but DCFG.DSPD, PCGCCTL and GUSBCFG.PHYSEL; never ends without the PHY clock.
    pub(super) fn soft_reset(&mut self, ctx: &mut Ctx) {
        if ctx.clocks.pll48 == 0 {
            self.check_clock(ctx);
            self.grstctl |= grstctl::CSRST;
            return;
        }
        let kept = self.clone();
        self.reset_registers();
        self.dcfg |= kept.dcfg & dcfg::DSPD;
        self.pcgcctl = kept.pcgcctl;
    }
}
