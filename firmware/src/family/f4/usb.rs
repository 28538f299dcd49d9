//! OTG FS as a full-speed device with endpoint 0 only, packet by packet, polled.
//!
//! RM0090, section 34. [`Usb::poll`] turns the core's flags and FIFO entries into [`Event`]s; what
//! they mean is [`surefoot_core::usb::Control`]'s. Suspend and resume need nothing: the clocks stay on.

use super::{gpio, time};
use stm32_metapac::{RCC, USB_OTG_FS as OTG, otg::regs, rcc};
use surefoot_core::usb::PACKET;

/// The core's line in the NVIC (RM0090, table 61).
const OTG_INTERRUPT: u8 = 67;
/// 320 words of FIFO RAM (RM0090, 34.2.3): receive (three SETUPs, one packet and their status words
/// need 32) and transmit 0.
const RX_WORDS: u32 = 128;
const TX_WORDS: u32 = 64;
/// Bounds of waits for the core itself, which take microseconds.
const CORE_LIMIT_MS: u32 = 2;
/// After FDMOD the core needs 25 ms (RM0090, 34.16.2, FDMOD).
const MODE_MS: u32 = 25;
/// GRXSTSP: PKTSTS (RM0090, 34.16.2).
const OUT_DATA: u32 = 2;
const OUT_DONE: u32 = 3;
const SETUP_DONE: u32 = 4;
const SETUP_DATA: u32 = 6;
/// GRSTCTL: flush of the receive FIFO, of transmit FIFO 0 (TXFNUM 0).
const RXFFLSH: u32 = 1 << 4;
const TXFFLSH: u32 = 1 << 5;
/// GUSBCFG: internal PHY, device mode.
const PHYSEL: u32 = 1 << 6;
const FDMOD: u32 = 1 << 30;
/// Its turnaround time from 32 MHz HCLK on, and the longest, which is enough below (RM0090, 34.16.2,
/// TRDT: more than the table's value only stretches the response).
const TRDT: u32 = 6 << 10;
const TRDT_SLOW: u32 = 15 << 10;
/// DCTL: soft disconnect.
const SDIS: u32 = 1 << 1;
/// GINTSTS and GINTMSK.
const RXFLVL: u32 = 1 << 4;
const USBRST: u32 = 1 << 12;
const IEPINT: u32 = 1 << 18;
/// DIEPCTL0 and DOEPCTL0.
const STALL: u32 = 1 << 21;
const CNAK: u32 = 1 << 26;
const SNAK: u32 = 1 << 27;
const EPDIS: u32 = 1 << 30;
const EPENA: u32 = 1 << 31;
/// DIEPINT0 and DOEPINT0: transfer completed; every flag.
const XFRC: u32 = 1 << 0;
const EP_FLAGS: u32 = 0xFF;
/// DOEPTSIZ0: three SETUPs in a row, one packet of 64 bytes (RM0090, 34.16.4).
const ONE_PACKET: u32 = 3 << 29 | 1 << 19 | PACKET as u32;
/// What happened on the bus.
pub enum Event {
    /// Bus reset: the device is back at address 0.
    Reset,
    /// A SETUP packet: [`Usb::request`].
    Setup,
    /// A packet that [`Usb::receive`] asked for: [`Usb::packet`].
    Received,
    /// The host has taken the packet of [`Usb::send`].
    Sent,
}

/// The device end.
pub struct Usb {
    packet: [u8; PACKET],
    length: usize,
}

impl Usb {
    /// Switches the core on and connects. HCLK in hertz.
    pub fn start(hclk_hz: u32) -> Self {
        // A fresh core, in place of the core reset of RM0090, 34.17.1.
        pulse_reset();
        RCC.ahb2enr().write(|w| w.set_usb_otg_fsen(true));
        gpio::usb_pins();
        // A device whatever its ID pin says.
        let turnaround = if hclk_hz < 32_000_000 { TRDT_SLOW } else { TRDT };
        OTG.gusbcfg().write_value(regs::Gusbcfg(FDMOD | PHYSEL | turnaround));
        time::wait(MODE_MS);
        // Not connected before everything is set (RM0090, 34.16.4, SDIS).
        OTG.dctl().write_value(regs::Dctl(SDIS));
        session_is_valid();
        // Full speed with the internal PHY (RM0090, 34.16.4, DSPD).
        OTG.dcfg().modify(|w| w.0 |= 0b11);
        OTG.grxfsiz().write_value(regs::Grxfsiz(RX_WORDS));
        OTG.dieptxf0().write_value(regs::Fsiz(TX_WORDS << 16 | RX_WORDS));
        flush(RXFFLSH | TXFFLSH);
        OTG.daintmsk().write_value(regs::Daintmsk(1));
        OTG.diepmsk().write_value(regs::Diepmsk(XFRC));
        OTG.gintmsk().write_value(regs::Gintmsk(RXFLVL | USBRST | IEPINT));
        OTG.gahbcfg().write(|w| w.set_gint(true));
        OTG.dctl().write_value(regs::Dctl(0));
        Self { packet: [0; PACKET], length: 0 }
    }

    /// The next event, or `None` when the core can sleep until an interrupt pends.
    #[inline(never)]
    pub fn poll(&mut self) -> Option<Event> {
        let mut quiet = false;
        loop {
            let flags = OTG.gintsts().read().0;
            if flags & USBRST != 0 {
                self.bus_reset();
                return Some(Event::Reset);
            }
            if flags & RXFLVL != 0 {
                if let Some(event) = self.pop() {
                    return Some(event);
                }
            } else if flags & IEPINT != 0 {
                let done = OTG.diepint(0).read().0;
                OTG.diepint(0).write_value(regs::Diepint(done & EP_FLAGS));
                if done & XFRC != 0 {
                    return Some(Event::Sent);
                }
            } else if quiet {
                return None;
            } else {
                // The line is low only now. While it is high the NVIC pends again what is cleared, and what is
                // pending already does not wake the core when the next packet comes (PM0214, 4.3.9).
                time::unpend(OTG_INTERRUPT);
                quiet = true;
            }
        }
    }

    /// The request after [`Event::Setup`].
    pub fn request(&self) -> &[u8; 8] {
        self.packet.first_chunk().unwrap_or(&[0; 8])
    }

    /// The last received packet.
    pub fn packet(&self) -> &[u8] {
        &self.packet[..self.length.min(PACKET)]
    }

    /// Hands the host one packet, at most [`PACKET`] bytes, as the answer to its next IN.
    pub fn send(&mut self, packet: &[u8]) {
        OTG.dieptsiz(0).write_value(regs::Dieptsiz(1 << 19 | packet.len() as u32));
        // MPSIZ 0 is 64 bytes; the other bits of this register act where they are one.
        OTG.diepctl(0).write_value(regs::Diepctl(EPENA | CNAK));
        // The FIFO takes words.
        self.packet.iter_mut().zip(packet).for_each(|(to, from)| *to = *from);
        for word in self.packet.as_chunks().0.iter().take(packet.len().div_ceil(4)) {
            OTG.fifo(0).write_value(regs::Fifo(u32::from_le_bytes(*word)));
        }
    }

    /// Takes one OUT packet; until then the host's are refused with NAK.
    pub fn receive(&mut self) {
        OTG.doeptsiz(0).write_value(regs::Doeptsiz(ONE_PACKET));
        OTG.doepctl(0).write_value(regs::Doepctl(EPENA | CNAK));
    }

    /// Refuses the request; the next SETUP ends that (RM0090, 34.16.4, STALL).
    pub fn stall(&mut self) {
        OTG.diepctl(0).write_value(regs::Diepctl(STALL));
        OTG.doepctl(0).write_value(regs::Doepctl(STALL));
    }

    /// Takes the address; before the status stage, which the core still answers at the old one
    /// (RM0090, 34.17.5, "Initialization on SetAddress command").
    pub fn set_address(&mut self, address: u8) {
        OTG.dcfg().modify(|w| w.set_dad(address));
    }

    /// Leaves the bus.
    pub fn detach(&mut self) {
        OTG.dctl().write_value(regs::Dctl(SDIS));
    }

    /// RM0090, 34.17.5, "Initialization on USB reset".
    fn bus_reset(&mut self) {
        OTG.gintsts().write_value(regs::Gintsts(USBRST));
        OTG.doepctl(0).write_value(regs::Doepctl(SNAK));
        flush(TXFFLSH);
        OTG.dcfg().modify(|w| w.set_dad(0));
        OTG.doeptsiz(0).write_value(regs::Doeptsiz(ONE_PACKET));
        self.length = 0;
    }

    /// Takes one entry from the receive FIFO (RM0090, 34.17.6, "Packet read").
    fn pop(&mut self) -> Option<Event> {
        let entry = OTG.grxstsp().read();
        match entry.0 >> 17 & 0xF {
            OUT_DATA | SETUP_DATA => {
                self.length = entry.bcnt().into();
                for word in self.packet.as_chunks_mut().0.iter_mut().take(self.length.div_ceil(4)) {
                    *word = OTG.fifo(0).read().0.to_le_bytes();
                }
                None
            }
            OUT_DONE => Some(Event::Received),
            SETUP_DONE => {
                // An answer to an older request that the host never took is dropped.
                if OTG.diepctl(0).read().0 & EPENA != 0 {
                    OTG.diepctl(0).write_value(regs::Diepctl(EPDIS | SNAK));
                    time::until(CORE_LIMIT_MS, OTG.diepctl(0), EPENA, 0);
                    flush(TXFFLSH);
                }
                OTG.diepint(0).write_value(regs::Diepint(EP_FLAGS));
                // Room for the next SETUP packets (RM0090, 34.17.6, "SETUP transactions").
                OTG.doeptsiz(0).write_value(regs::Doeptsiz(ONE_PACKET));
                Some(Event::Setup)
            }
            _ => None,
        }
    }
}

/// Empties FIFOs (RM0090, 34.16.2).
#[inline(never)]
fn flush(fifos: u32) {
    OTG.grstctl().write_value(regs::Grstctl(fifos));
    time::until(CORE_LIMIT_MS, OTG.grstctl(), fifos, 0);
}

/// PHY on; VBUS counts as present, since PA9 may be wired to something else. Where the bits are
/// depends on the core: CID 1.x in F405/F407/F42x, 2.x and later in F446, F412, F413
/// (RM0090, 34.16.2, GCCFG; RM0390, 31.15.2, GCCFG and GOTGCTL).
fn session_is_valid() {
    if OTG.cid().read().0 < 0x2000 {
        OTG.gccfg_v1().write(|w| {
            w.set_pwrdwn(true);
            w.set_novbussens(true);
        });
    } else {
        OTG.gccfg_v2().write(|w| w.set_pwrdwn(true));
        OTG.gotgctl().write(|w| {
            w.set_bvaloen(true);
            w.set_bvaloval(true);
        });
    }
}

/// The core as after reset (RM0090, 7.3.6).
fn pulse_reset() {
    RCC.ahb2rstr().write(|w| w.set_usb_otg_fsrst(true));
    RCC.ahb2rstr().write_value(rcc::regs::Ahb2rstr(0));
}

/// The same, and its clock off: the host sees the device go (RM0090, 7.3.11).
pub fn reset() {
    pulse_reset();
    RCC.ahb2enr().write_value(rcc::regs::Ahb2enr(0));
}
