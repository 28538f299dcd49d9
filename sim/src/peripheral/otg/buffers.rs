//! The FIFOs as software sees them: layout in the 320 words, status words, data windows (RM0090 34.11 to 34.13).

use super::fifo::{Entry, RAM_WORDS, SETUP_RESERVE};
use super::regs::*;
use super::{ENDPOINTS, OtgFs, fifo_of};
use crate::device::Ctx;
use crate::violation::Kind;

impl OtgFs {
    /// Depth of transmit FIFO `index` in words.
    pub(super) fn tx_depth(&self, index: usize) -> u32 {
        self.dieptxf.get(index).map_or(0, |register| register >> 16)
    }

    pub(super) fn free_words(&self, index: usize) -> u32 {
        let used = self.tx.get(index).map_or(0, |fifo| fifo.used() as u32);
        self.tx_depth(index).saturating_sub(used)
    }

    /// Sizes and places of the FIFOs in use (34.11, 34.12, 34.13): checked once per change.
    pub(super) fn check_fifos(&mut self, _endpoint: usize, ctx: &mut Ctx) {
        if !std::mem::replace(&mut self.layout_checked, true) {
            self.check_layout(ctx);
        }
    }

    pub(super) fn check_layout(&mut self, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.11, 34.13.1";
        let largest = (0..ENDPOINTS)
            .filter(|&i| self.outs[i].active())
            .map(|i| if i == 0 { self.ins[0].packet_size(0) } else { self.outs[i].packet_size(i) })
            .max()
            .unwrap_or(64);
        let least = SETUP_RESERVE as u32 + 1 + (largest / 4 + 1);
        if self.grxfsiz < least || self.grxfsiz > 256 {
            let what = format!("receive FIFO of {} words: {least} to 256 are needed", self.grxfsiz);
            ctx.violation(Kind::Range, SECTION, what);
        }
        let mut areas = vec![("receive".to_string(), 0, self.grxfsiz)];
        for endpoint in self.ins.iter().filter(|endpoint| endpoint.active()) {
            let fifo = fifo_of(endpoint);
            let Some(register) = self.dieptxf.get(fifo) else { continue };
            let (start, depth) = (register & 0xFFFF, register >> 16);
            if !(16..=256).contains(&depth) {
                let what = format!("transmit FIFO {fifo} of {depth} words: 16 to 256 are allowed");
                ctx.violation(Kind::Range, SECTION, what);
            }
            areas.push((format!("transmit {fifo}"), start, depth));
        }
        for (name, start, depth) in &areas {
            if start + depth > RAM_WORDS {
                let what = format!("{name} FIFO ends at word {} of {RAM_WORDS}", start + depth);
                ctx.violation(Kind::Range, SECTION, what);
            }
        }
        for (i, (name, start, depth)) in areas.iter().enumerate() {
            for (other, other_start, other_depth) in &areas[i + 1..] {
                if name != other && start < &(other_start + other_depth) && other_start < &(start + depth) {
                    ctx.violation(Kind::Range, SECTION, format!("{name} FIFO and {other} FIFO overlap"));
                }
            }
        }
    }

    pub(super) fn peek_status(&mut self, ctx: &mut Ctx) -> u32 {
        if self.rx.top().is_none() {
            let what = "GRXSTSR read while the receive FIFO is empty";
            ctx.violation(Kind::Overrun, "RM0090 34.16.2 GRXSTSR", what);
        }
        self.rx.top().map_or(0, Entry::register)
    }

    /// GRXSTSP: takes the entry; the completion entries have their effect now.
    pub(super) fn pop_status(&mut self, ctx: &mut Ctx) -> u32 {
        const SECTION: &str = "RM0090 34.16.2 GRXSTSP";
        let Some((entry, unread)) = self.rx.pop() else {
            ctx.violation(Kind::Overrun, SECTION, "GRXSTSP read while the receive FIFO is empty");
            return 0;
        };
        if unread != 0 {
            let what = format!("{unread} data words were not read before the next status word");
            ctx.violation(Kind::Overrun, SECTION, what);
        }
        let index = usize::from(entry.endpoint);
        match entry.status {
            grxsts::GLOBAL_OUT_NAK => {
                self.gintsts |= gint::GONAKEFF;
                self.dctl |= dctl::GONSTS;
            }
            grxsts::OUT_DONE => {
                let endpoint = &mut self.outs[index];
                endpoint.completing = false;
                endpoint.ctl &= !epctl::EPENA;
                endpoint.int |= epint::XFRC;
            }
            grxsts::SETUP_DONE => self.outs[index].int |= epint::STUP,
            _ => {}
        }
        entry.register()
    }

    pub(super) fn read_fifo(&mut self, ctx: &mut Ctx) -> u32 {
        match self.rx.word() {
            Some(word) => word,
            None => {
                let what = "receive FIFO read with no data behind the last status word";
                ctx.violation(Kind::Overrun, "RM0090 34.16.6 DFIFO", what);
                0
            }
        }
    }

    pub(super) fn write_fifo(&mut self, fifo: usize, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 34.16.6 DFIFO; 34.17.6 IN data transfers";
        if fifo >= ENDPOINTS {
            ctx.violation(Kind::Range, SECTION, format!("write to transmit FIFO {fifo}: there are four"));
            return;
        }
        if self.free_words(fifo) == 0 {
            ctx.violation(Kind::Overrun, SECTION, format!("transmit FIFO {fifo} is full"));
            return;
        }
        let user = (0..ENDPOINTS).find(|&i| self.ins[i].active() && fifo_of(&self.ins[i]) == fifo);
        let announced = user.filter(|&i| self.ins[i].enabled()).map(|i| self.ins[i].remaining(i).div_ceil(4));
        match announced {
            None => {
                let what = format!("data written to transmit FIFO {fifo} before its endpoint was enabled");
                ctx.violation(Kind::Sequence, SECTION, what);
            }
            Some(words) if self.tx[fifo].used() as u32 >= words => {
                let what = format!("more data written to transmit FIFO {fifo} than its transfer announced");
                ctx.violation(Kind::Overrun, SECTION, what);
            }
            Some(_) => {}
        }
        self.tx[fifo].push(value);
    }
}
