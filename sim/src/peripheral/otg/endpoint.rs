//! The four IN and four OUT endpoints of OTG_FS: control, transfer size and interrupt registers (RM0090 34.16.4).
//!
//! The wire's view of an endpoint (tokens, handshakes, toggles) is in `wire.rs`.

use super::OtgFs;
use super::regs::{EP_CTL, EP_INT, EP_TSIZ, EP_TXFSTS, epctl, epint, eptsiz, gahbcfg, gint};
use crate::device::Ctx;
use crate::violation::Kind;

/// State of one endpoint in one direction.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// DIEPCTLx or DOEPCTLx without the bits that only trigger something.
    pub ctl: u32,
    pub int: u32,
    pub tsiz: u32,
    /// OUT: the transfer is over and its completion entry waits in the receive FIFO.
    pub completing: bool,
    /// OUT endpoint 0: armed by software since the last SETUP (or since reset).
    pub armed: bool,
}

impl Endpoint {
    pub fn enabled(&self) -> bool {
        self.ctl & epctl::EPENA != 0
    }

    pub fn active(&self) -> bool {
        self.ctl & epctl::USBAEP != 0
    }

    pub fn nak(&self) -> bool {
        self.ctl & epctl::NAKSTS != 0
    }

    pub fn stalled(&self) -> bool {
        self.ctl & epctl::STALL != 0
    }

    /// Next data PID: DATA1 when true.
    pub fn toggle(&self) -> bool {
        self.ctl & epctl::DPID != 0
    }

    pub fn set_toggle(&mut self, data1: bool) {
        self.put(epctl::DPID, data1);
    }

    /// The control register as it reads: endpoint 0 does not show its data PID.
    fn visible(&self, index: usize) -> u32 {
        self.ctl & if index == 0 { !epctl::DPID } else { u32::MAX }
    }

    pub fn put(&mut self, bit: u32, on: bool) {
        self.ctl = if on { self.ctl | bit } else { self.ctl & !bit };
    }

    pub fn kind(&self) -> u32 {
        (self.ctl & epctl::EPTYP) >> 18
    }

    pub fn remaining(&self, index: usize) -> u32 {
        self.tsiz & if index == 0 { 0x7F } else { 0x7_FFFF }
    }

    pub fn packets(&self, index: usize) -> u32 {
        self.tsiz >> 19 & if index == 0 { 0x3 } else { 0x3FF }
    }

    /// SETUP packets that may still come (OUT endpoint 0).
    pub fn setups(&self) -> u32 {
        self.tsiz >> 29 & 0b11
    }

    pub fn set_remaining(&mut self, index: usize, bytes: u32) {
        let mask = if index == 0 { 0x7F } else { 0x7_FFFF };
        self.tsiz = self.tsiz & !mask | bytes & mask;
    }

    pub fn set_packets(&mut self, packets: u32) {
        self.tsiz = self.tsiz & !(0x3FF << 19) | (packets & 0x3FF) << 19;
    }

    pub fn set_setups(&mut self, setups: u32) {
        self.tsiz = self.tsiz & !(0b11 << 29) | (setups & 0b11) << 29;
    }

    /// Largest packet in bytes; endpoint 0 has a code (34.16.4, DIEPCTL0).
    pub fn packet_size(&self, index: usize) -> u32 {
        if index == 0 { 64 >> (self.ctl & 0b11) } else { self.ctl & 0x7FF }
    }
}

/// Number of the transmit FIFO that an IN endpoint uses.
pub fn fifo_of(endpoint: &Endpoint) -> usize {
    ((endpoint.ctl & epctl::TXFNUM) >> 22) as usize
}

impl OtgFs {
    pub(super) fn read_in(&mut self, index: usize, register: u32, ctx: &mut Ctx) -> u32 {
        match register {
            EP_CTL => self.ins[index].visible(index),
            EP_INT => self.diepint(index),
            EP_TSIZ => self.ins[index].tsiz,
            EP_TXFSTS => self.free_words(fifo_of(&self.ins[index])),
            _ => ctx.nothing("OTG_FS IN endpoint", register, "RM0090 34.16.6"),
        }
    }

    pub(super) fn read_out(&mut self, index: usize, register: u32, ctx: &mut Ctx) -> u32 {
        match register {
            EP_CTL => self.outs[index].visible(index) | self.out0_size(index),
            EP_INT => self.outs[index].int,
            EP_TSIZ => self.outs[index].tsiz,
            _ => ctx.nothing("OTG_FS OUT endpoint", register, "RM0090 34.16.6"),
        }
    }

    /// DOEPCTL0.MPSIZ mirrors what was written to DIEPCTL0.
    fn out0_size(&self, index: usize) -> u32 {
        if index == 0 { self.ins[0].ctl & 0b11 } else { 0 }
    }

    /// DIEPINTx with its level bit TXFE, which GAHBCFG.TXFELVL sets to half or completely empty.
    pub(super) fn diepint(&self, index: usize) -> u32 {
        let fifo = fifo_of(&self.ins[index]);
        let free = self.free_words(fifo);
        let depth = self.tx_depth(fifo);
        let empty = if self.gahbcfg & gahbcfg::TXFELVL != 0 { free == depth } else { free * 2 >= depth };
        self.ins[index].int | if empty { epint::TXFE } else { 0 }
    }

    pub(super) fn write_in(&mut self, index: usize, register: u32, value: u32, ctx: &mut Ctx) {
        match register {
            EP_CTL => self.write_diepctl(index, value, ctx),
            EP_INT => self.ins[index].int &= !value,
            EP_TSIZ => {
                let defined = if index == 0 { eptsiz::IN0_DEFINED } else { eptsiz::DEFINED };
                ctx.reserved(value, defined, "RM0090 34.16.4 DIEPTSIZx", "DIEPTSIZx");
                self.transfer_size_while_running(self.ins[index].enabled() && !self.ins[index].nak(), ctx);
                self.ins[index].tsiz = value & defined;
            }
            _ => {
                ctx.nothing("OTG_FS IN endpoint", register, "RM0090 34.16.6");
            }
        }
    }

    pub(super) fn write_out(&mut self, index: usize, register: u32, value: u32, ctx: &mut Ctx) {
        match register {
            EP_CTL => self.write_doepctl(index, value, ctx),
            EP_INT => self.outs[index].int &= !value,
            EP_TSIZ => {
                let defined = if index == 0 { eptsiz::OUT0_DEFINED } else { eptsiz::DEFINED };
                ctx.reserved(value, defined, "RM0090 34.16.4 DOEPTSIZx", "DOEPTSIZx");
                self.outs[index].tsiz = value & defined;
            }
            _ => {
                ctx.nothing("OTG_FS OUT endpoint", register, "RM0090 34.16.6");
            }
        }
    }

    /// The transfer size belongs to the core while a transfer runs (34.16.4, DIEPTSIZx).
    fn transfer_size_while_running(&self, running: bool, ctx: &mut Ctx) {
        if running && self.tokens_seen {
            let what = "DIEPTSIZx written while its transfer runs";
            ctx.violation(Kind::Busy, "RM0090 34.16.4 DIEPTSIZx", what);
        }
    }

    fn write_diepctl(&mut self, index: usize, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.4 DIEPCTLx";
        let defined = if index == 0 { epctl::IN0_DEFINED } else { epctl::IN_DEFINED };
        ctx.reserved(value, defined, SECTION, "DIEPCTLx");
        let fifo = (value & epctl::TXFNUM) >> 22;
        if fifo > 3 {
            ctx.violation(
                Kind::Range,
                SECTION,
                format!("IN endpoint {index} names transmit FIFO {fifo} of 0 to 3"),
            );
        }
        let stored = if index == 0 { epctl::TXFNUM | 0b11 } else { epctl::TXFNUM | epctl::EPTYP | 0x7FF };
        self.store_control(true, index, value, stored, ctx);
        let endpoint = &mut self.ins[index];
        if value & epctl::SNAK != 0 {
            endpoint.ctl |= epctl::NAKSTS;
            endpoint.int |= epint::INEPNE;
        }
        if value & epctl::CNAK != 0 && self.dctl & super::regs::dctl::GINSTS == 0 {
            endpoint.ctl &= !epctl::NAKSTS;
            endpoint.int &= !epint::INEPNE;
        }
        if value & epctl::EPDIS != 0 {
            self.disable_in(index, ctx);
        }
        if value & epctl::EPENA != 0 && value & epctl::EPDIS == 0 {
            self.enable_in(index, ctx);
        }
    }

    fn write_doepctl(&mut self, index: usize, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.4 DOEPCTLx";
        let defined = if index == 0 { epctl::OUT0_DEFINED } else { epctl::OUT_DEFINED };
        ctx.reserved(value, defined, SECTION, "DOEPCTLx");
        let stored = if index == 0 { epctl::SNPM } else { epctl::SNPM | epctl::EPTYP | 0x7FF };
        self.store_control(false, index, value, stored, ctx);
        let endpoint = &mut self.outs[index];
        if value & epctl::SNAK != 0 {
            endpoint.ctl |= epctl::NAKSTS;
        }
        if value & epctl::CNAK != 0 {
            endpoint.ctl &= !epctl::NAKSTS;
        }
        if value & epctl::EPDIS != 0 {
            self.disable_out(index, ctx);
        }
        if value & epctl::EPENA != 0 && value & epctl::EPDIS == 0 {
            self.enable_out(index, ctx);
        }
    }

    /// What both directions share: stored fields, activation, STALL, the data PID.
    fn store_control(&mut self, is_in: bool, index: usize, value: u32, stored: u32, ctx: &mut Ctx) {
        let endpoint = if is_in { &mut self.ins[index] } else { &mut self.outs[index] };
        endpoint.ctl = endpoint.ctl & !stored | value & stored;
        if index == 0 {
            // "rs" on a control endpoint: software sets STALL, the next SETUP clears it.
            endpoint.ctl |= value & epctl::STALL;
            return;
        }
        let was_active = endpoint.active();
        endpoint.put(epctl::USBAEP, value & epctl::USBAEP != 0);
        endpoint.put(epctl::STALL, value & epctl::STALL != 0);
        if value & epctl::SD0PID != 0 {
            endpoint.set_toggle(false);
        }
        if value & epctl::SD1PID != 0 {
            endpoint.set_toggle(true);
        }
        let (kind, size, active) = (endpoint.kind(), endpoint.packet_size(index), endpoint.active());
        let iso = kind == 1;
        if active && !was_active && iso {
            let what = format!("endpoint {index} is isochronous: not modelled");
            ctx.violation(Kind::Unmodelled, "RM0090 34.17.6", what);
        }
        if active && !was_active && !iso && (size == 0 || size > 64) {
            let what = format!("endpoint {index} has packets of {size} bytes: full speed allows 64");
            ctx.violation(Kind::Range, "RM0090 34.16.4 DIEPCTLx.MPSIZ; USB 2.0 5.8.3", what);
        }
    }

    fn enable_in(&mut self, index: usize, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.17.6 IN data transfers";
        self.check_fifos(index, ctx);
        let endpoint = &self.ins[index];
        let (bytes, packets) = (endpoint.remaining(index), endpoint.packets(index));
        let size = endpoint.packet_size(index).max(1);
        let needed = bytes.div_ceil(size).max(1);
        if packets == 0 || packets < needed || packets > needed + 1 {
            let what =
                format!("IN endpoint {index} enabled with {packets} packets for {bytes} bytes of {size}");
            ctx.violation(Kind::Range, SECTION, what);
        }
        if !endpoint.active() {
            ctx.violation(Kind::Sequence, SECTION, format!("IN endpoint {index} enabled while inactive"));
        }
        self.ins[index].ctl |= epctl::EPENA;
    }

    fn enable_out(&mut self, index: usize, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.17.6 OUT data transfers";
        self.check_fifos(index, ctx);
        let endpoint = &self.outs[index];
        let (bytes, packets) = (endpoint.remaining(index), endpoint.packets(index));
        let size = endpoint.packet_size(index).max(1);
        let nothing = packets == 0 && (index != 0 || endpoint.setups() == 0);
        // Endpoint 0 may be armed for SETUP packets alone (ST's own drivers give 3 x 8 bytes).
        let odd = index != 0 && (bytes == 0 || !bytes.is_multiple_of(size) || bytes > packets * size);
        if nothing || odd {
            let what =
                format!("OUT endpoint {index} enabled with {packets} packets for {bytes} bytes of {size}");
            ctx.violation(Kind::Range, SECTION, what);
        }
        if !endpoint.active() {
            ctx.violation(Kind::Sequence, SECTION, format!("OUT endpoint {index} enabled while inactive"));
        }
        let endpoint = &mut self.outs[index];
        endpoint.ctl |= epctl::EPENA;
        endpoint.armed = true;
    }

    /// EPDIS on an IN endpoint: only after NAK took effect (34.17.6, "IN endpoint disable").
    fn disable_in(&mut self, index: usize, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.17.6 IN endpoint disable";
        if !self.ins[index].enabled() {
            ctx.violation(
                Kind::Sequence,
                SECTION,
                format!("EPDIS on IN endpoint {index}, which is not enabled"),
            );
            return;
        }
        if !self.ins[index].nak() && self.tokens_seen {
            ctx.violation(
                Kind::Sequence,
                SECTION,
                format!("EPDIS on IN endpoint {index} before its NAK took effect"),
            );
        }
        let endpoint = &mut self.ins[index];
        endpoint.ctl &= !epctl::EPENA;
        endpoint.ctl |= epctl::NAKSTS;
        endpoint.int |= epint::EPDISD;
    }

    /// EPDIS on an OUT endpoint: the core obeys only under the global OUT NAK (34.17.6, "OUT endpoint disable").
    fn disable_out(&mut self, index: usize, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.17.6 disabling an OUT endpoint";
        if index == 0 {
            ctx.violation(Kind::Access, SECTION, "EPDIS on OUT endpoint 0, which cannot be disabled");
            return;
        }
        if !self.outs[index].enabled() {
            ctx.violation(
                Kind::Sequence,
                SECTION,
                format!("EPDIS on OUT endpoint {index}, which is not enabled"),
            );
            return;
        }
        if self.gintsts & gint::GONAKEFF == 0 {
            if self.tokens_seen {
                let what = format!("EPDIS on OUT endpoint {index} without the global OUT NAK");
                ctx.violation(Kind::Sequence, SECTION, what);
            }
            return;
        }
        let endpoint = &mut self.outs[index];
        endpoint.ctl &= !epctl::EPENA;
        endpoint.int |= epint::EPDISD;
    }
}
