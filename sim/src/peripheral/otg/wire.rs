//! What the host sees of OTG_FS: tokens, handshakes, reset, frames, suspend (RM0090 34.17.6, USB 2.0 chapter 8).

use super::fifo::{Entry, SETUP_RESERVE};
use super::regs::*;
use super::{ENDPOINTS, OtgFs, fifo_of};
use crate::device::Ctx;
use crate::usb::{InReply, Reply, Setup, Wire};
use crate::violation::Kind;

impl OtgFs {
    /// The device listens: connected, not in reset, clocked, and addressed.
    fn listens(&mut self, address: u8, ctx: &mut Ctx) -> bool {
        self.settle_pull_up(ctx);
        let there = self.bus.vbus && self.bus.pulled_up && !self.bus.reset && self.pcgcctl == 0;
        if !there || self.address != address {
            return false;
        }
        self.tokens_seen = true;
        if !std::mem::replace(&mut self.wiring_checked, true) {
            self.check_turnaround(ctx);
            self.check_speed(ctx);
        }
        true
    }

    /// DCFG.DSPD, by the time it counts: 0b11 is full speed with the internal transceiver, the rest reserved.
    fn check_speed(&self, ctx: &mut Ctx) {
        if self.dcfg & dcfg::DSPD != dcfg::DSPD {
            let what = "DSPD is not 0b11, full speed with the internal transceiver";
            ctx.violation(Kind::Range, "RM0090 34.16.4 DCFG", what);
        }
    }

    /// GUSBCFG.TRDT against the AHB clock (RM0090 34.17.7, table of TRDT values).
    fn check_turnaround(&self, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.17.7 TRDT values";
        let least = match ctx.clocks.hclk {
            0..14_200_000 => {
                let what = format!("AHB at {} Hz: USB needs 14.2 MHz", ctx.clocks.hclk);
                ctx.violation(Kind::Range, SECTION, what);
                return;
            }
            14_200_000..15_000_000 => 0xF,
            15_000_000..16_000_000 => 0xE,
            16_000_000..17_200_000 => 0xD,
            17_200_000..18_500_000 => 0xC,
            18_500_000..20_000_000 => 0xB,
            20_000_000..21_800_000 => 0xA,
            21_800_000..24_000_000 => 0x9,
            24_000_000..27_500_000 => 0x8,
            27_500_000..32_000_000 => 0x7,
            _ => 0x6,
        };
        let trdt = gusbcfg::trdt(self.gusbcfg);
        if trdt < least {
            let what = format!("TRDT {trdt} with AHB at {} Hz: at least {least}", ctx.clocks.hclk);
            ctx.violation(Kind::Range, SECTION, what);
        }
    }

    /// The entry that says a SETUP stage is over goes into the FIFO with the next IN or OUT token (34.17.6).
    fn close_setup(&mut self) {
        if std::mem::take(&mut self.setup_open) {
            self.rx.push(Entry::status(grxsts::SETUP_DONE, 0));
        }
    }

    /// The receive FIFO takes a packet of any size and its completion, and still a SETUP (34.13.1).
    pub(super) fn has_room(&self) -> bool {
        let largest = self.ins[0].packet_size(0).max(64) as usize;
        self.rx.used() + 2 + largest / 4 + SETUP_RESERVE <= self.grxfsiz as usize
    }

    fn out_transaction(&mut self, index: usize, toggle: bool, data: &[u8], ctx: &mut Ctx) -> Reply {
        const SECTION: &str = "RM0090 34.17.6 OUT data transfers";
        let size = if index == 0 { self.ins[0].packet_size(0) } else { self.outs[index].packet_size(index) };
        let endpoint = &self.outs[index];
        if endpoint.stalled() {
            return Reply::Stall;
        }
        if endpoint.nak() || endpoint.completing || !self.has_room() || self.gintsts & gint::GONAKEFF != 0 {
            if !endpoint.enabled() {
                self.outs[index].int |= epint::OTEPDIS;
            }
            return Reply::Nak;
        }
        if data.len() as u32 > size {
            return Reply::Silent;
        }
        if toggle != endpoint.toggle() {
            // The host did not see our ACK and sends again: acknowledge and drop (USB 2.0 8.6.3).
            return Reply::Ack;
        }
        // The manual wants EPENA; the core of the F4 takes a packet once its NAK is clear: drivers that set only CNAK
        // on OUT endpoints work on silicon.
        if !endpoint.enabled() {
            let what = format!("OUT endpoint {index} takes a packet without EPENA, its NAK being clear");
            ctx.violation(Kind::Sequence, "RM0090 34.16.4 DOEPCTLx.EPENA", what);
        } else if index == 0 && !endpoint.armed {
            let what = "OUT endpoint 0 was not enabled again after the SETUP packet";
            ctx.violation(Kind::Sequence, "RM0090 34.17.6 SETUP transfers", what);
        }
        let (bytes, packets) = (endpoint.remaining(index), endpoint.packets(index));
        if packets == 0 || data.len() as u32 > bytes {
            let length = data.len();
            let what = format!(
                "{length} bytes came to OUT endpoint {index}, armed for {packets} packets, {bytes} bytes"
            );
            ctx.violation(Kind::Range, SECTION, what);
        }
        let frame = self.frame(ctx.now);
        self.rx.push(Entry::data(grxsts::OUT_DATA, index as u8, toggle, frame, data));
        let endpoint = &mut self.outs[index];
        endpoint.set_toggle(!toggle);
        let (bytes, packets) = (bytes.saturating_sub(data.len() as u32), packets.saturating_sub(1));
        endpoint.set_remaining(index, bytes);
        endpoint.set_packets(packets);
        if index == 0 && data.is_empty() {
            self.close_control();
        }
        let endpoint = &mut self.outs[index];
        if packets == 0 || (data.len() as u32) < size {
            endpoint.ctl |= epctl::NAKSTS;
            endpoint.completing = true;
            self.rx.push(Entry::status(grxsts::OUT_DONE, index as u8));
        }
        Reply::Ack
    }

    /// The packet that IN endpoint `index` sends next is complete in its FIFO.
    pub(super) fn has_packet(&self, index: usize) -> bool {
        let endpoint = &self.ins[index];
        let length = endpoint.remaining(index).min(endpoint.packet_size(index));
        self.tx.get(fifo_of(endpoint)).is_some_and(|fifo| fifo.used() >= length.div_ceil(4) as usize)
    }

    /// Bytes of the packet that IN endpoint `index` sends next, when all of it is in its FIFO.
    fn next_packet(&self, index: usize) -> Option<Vec<u8>> {
        let endpoint = &self.ins[index];
        let length = endpoint.remaining(index).min(endpoint.packet_size(index));
        self.tx.get(fifo_of(endpoint))?.peek(length as usize)
    }

    fn in_transaction(&mut self, index: usize) -> InReply {
        let endpoint = &self.ins[index];
        if endpoint.stalled() {
            return InReply::Stall;
        }
        if !endpoint.enabled() || endpoint.nak() || self.dctl & dctl::GINSTS != 0 {
            self.ins[index].int |= epint::ITTXFE;
            return InReply::Nak;
        }
        match self.next_packet(index) {
            Some(bytes) => InReply::Data { toggle: self.ins[index].toggle(), bytes },
            None => {
                self.ins[index].int |= epint::ITTXFE;
                InReply::Nak
            }
        }
    }
}

impl Wire for OtgFs {
    fn set_vbus(&mut self, on: bool, ctx: &mut Ctx) {
        if on == self.bus.vbus {
            return;
        }
        let was = self.session();
        self.bus.vbus = on;
        self.settle_session(was);
        if !on {
            self.bus.last_frame = self.frame(ctx.now);
            self.bus.frames = None;
            self.bus.reset = false;
        }
        self.bus.idle_since = self.bus.pulled_up.then_some(ctx.now);
        self.settle(ctx);
    }

    fn pulled_up(&self) -> bool {
        self.bus.vbus && self.bus.pulled_up
    }

    fn changes(&self) -> u64 {
        self.changes
    }

    fn departures(&self) -> u64 {
        self.bus.departures
    }

    fn set_reset(&mut self, on: bool, ctx: &mut Ctx) {
        if on == self.bus.reset || !self.pulled_up() {
            return;
        }
        self.bus.last_frame = self.frame(ctx.now);
        self.bus.frames = None;
        self.bus.reset = on;
        self.suspended = false;
        self.tokens_seen = false;
        self.wiring_checked = false;
        self.setup_open = false;
        self.control_open = false;
        if on {
            self.gintsts |= gint::USBRST;
            self.bus.idle_since = None;
            // "The core clears this bit for all endpoints (other than EP 0) after detecting a USB reset" (34.16.4).
            for index in 1..ENDPOINTS {
                self.ins[index].ctl &= !epctl::USBAEP;
                self.outs[index].ctl &= !epctl::USBAEP;
            }
        } else {
            self.gintsts |= gint::ENUMDNE;
            self.bus.idle_since = Some(ctx.now);
        }
        self.settle(ctx);
    }

    fn set_frames(&mut self, on: bool, ctx: &mut Ctx) {
        if on == self.bus.frames.is_some() || !self.pulled_up() {
            return;
        }
        self.bus.last_frame = self.frame(ctx.now);
        self.sof_seen = 0;
        if on {
            self.bus.frames = Some((ctx.now, (self.bus.last_frame + 1) & 0x7FF));
            self.bus.idle_since = None;
            self.suspended = false;
            self.catch_up_frames(ctx.now);
        } else {
            self.bus.frames = None;
            self.bus.idle_since = Some(ctx.now);
        }
        self.settle(ctx);
    }

    fn resume(&mut self, ctx: &mut Ctx) {
        if self.suspended && self.pulled_up() {
            self.gintsts |= gint::WKUPINT;
            self.suspended = false;
            self.bus.idle_since = None;
            self.settle(ctx);
        }
    }

    fn wakes_host(&self) -> bool {
        self.pulled_up() && self.suspended && self.dctl & dctl::RWUSIG != 0
    }

    fn setup(&mut self, address: u8, setup: &Setup, ctx: &mut Ctx) -> Reply {
        if !self.listens(address, ctx) {
            return Reply::Silent;
        }
        // Two words and a status word; the reserve is for them (34.13.1).
        if self.rx.used() + 3 > self.grxfsiz as usize {
            let what = "no room in the receive FIFO for a SETUP packet";
            ctx.violation(Kind::Overrun, "RM0090 34.13.1", what);
            return Reply::Silent;
        }
        let frame = self.frame(ctx.now);
        if self.setup_open {
            self.outs[0].int |= epint::B2BSTUP;
        }
        self.rx.push(Entry::data(grxsts::SETUP_DATA, 0, false, frame, setup));
        self.setup_open = true;
        self.control_open = true;
        let left = self.outs[0].setups();
        if left == 0 {
            // The core takes it all the same; how many came is not told then.
            ctx.hint("RM0090 34.17.6 SETUP transfers", "a SETUP packet came while DOEPTSIZ0.STUPCNT is 0");
        }
        self.outs[0].set_setups(left.saturating_sub(1));
        self.outs[0].armed = false;
        for endpoint in [&mut self.ins[0], &mut self.outs[0]] {
            endpoint.ctl |= epctl::NAKSTS;
            endpoint.ctl &= !epctl::STALL;
            endpoint.set_toggle(true);
        }
        self.settle(ctx);
        Reply::Ack
    }

    fn out(&mut self, address: u8, endpoint: u8, toggle: bool, data: &[u8], ctx: &mut Ctx) -> Reply {
        let index = usize::from(endpoint);
        if !self.listens(address, ctx) || index >= ENDPOINTS || !self.outs[index].active() {
            return Reply::Silent;
        }
        if index == 0 {
            self.close_setup();
        }
        let reply = self.out_transaction(index, toggle, data, ctx);
        self.settle(ctx);
        reply
    }

    fn data_in(&mut self, address: u8, endpoint: u8, ctx: &mut Ctx) -> InReply {
        let index = usize::from(endpoint);
        if !self.listens(address, ctx) || index >= ENDPOINTS || !self.ins[index].active() {
            return InReply::Silent;
        }
        if index == 0 {
            self.close_setup();
        }
        let reply = self.in_transaction(index);
        self.settle(ctx);
        reply
    }

    fn acknowledge(&mut self, address: u8, endpoint: u8, ctx: &mut Ctx) {
        let index = usize::from(endpoint);
        if !self.listens(address, ctx) || index >= ENDPOINTS {
            return;
        }
        let Some(packet) = self.next_packet(index) else { return };
        let fifo = fifo_of(&self.ins[index]);
        self.tx[fifo].discard(packet.len());
        let endpoint = &mut self.ins[index];
        let toggle = endpoint.toggle();
        endpoint.set_toggle(!toggle);
        let bytes = endpoint.remaining(index) - packet.len() as u32;
        endpoint.set_remaining(index, bytes);
        let packets = endpoint.packets(index).saturating_sub(1);
        endpoint.set_packets(packets);
        if packets == 0 {
            endpoint.ctl &= !epctl::EPENA;
            endpoint.int |= epint::XFRC;
        }
        if index == 0 && packet.is_empty() {
            self.close_control();
        }
        self.settle(ctx);
    }
}
