//! The host end of a USB cable: packets on the wire, and who sends them.
//!
//! [`Wire`] is what a USB device block (the OTG_FS model, later others) offers to a host: tokens and handshakes, bus
//! reset, frames, suspend, attach state. Hosts on top of it: [`host::UsbHost`], an in-process host controller with
//! full-speed timing; [`redir`], a usbredir server for QEMU; and the libusb shim in its own crate.
//! Leaves out low and high speed, hubs, isochronous transfers and line errors.

use crate::Board;
use crate::device::Ctx;
use crate::time::Nanos;

pub mod host;
pub mod redir;
pub mod timing;
mod transaction;

/// A SETUP packet: bmRequestType, bRequest, wValue, wIndex, wLength as they are on the wire.
pub type Setup = [u8; 8];

/// A device's answer to a SETUP or OUT transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Taken.
    Ack,
    /// Not now; the host sends it again.
    Nak,
    /// The endpoint is halted or the request refused.
    Stall,
    /// No handshake: nobody has this address or endpoint, or the device was reset.
    Silent,
}

/// A device's answer to an IN token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InReply {
    /// A data packet; `toggle` is true for DATA1. The host acknowledges with [`Wire::acknowledge`].
    Data {
        /// DATA1 rather than DATA0.
        toggle: bool,
        /// At most one packet of data.
        bytes: Vec<u8>,
    },
    /// Nothing to send now.
    Nak,
    /// The endpoint is halted or the request refused.
    Stall,
    /// No answer.
    Silent,
}

/// The device's side of the cable. Every call happens at `ctx.now`.
pub trait Wire {
    /// VBUS goes on or off: the cable is plugged in or pulled.
    fn set_vbus(&mut self, on: bool, ctx: &mut Ctx);
    /// The device pulls D+ up: it wants to be seen.
    fn pulled_up(&self) -> bool;
    /// A number that changes whenever the device may answer otherwise than before.
    fn changes(&self) -> u64;
    /// How often the pull-up went away. A host that remembers an older number must enumerate anew.
    fn departures(&self) -> u64;
    /// The host starts (true) or ends (false) a bus reset. Frames stop; the host starts them again.
    fn set_reset(&mut self, on: bool, ctx: &mut Ctx);
    /// The host starts or stops its frames. While they run the device sees an SOF each millisecond from now on; while
    /// they do not it suspends after 3 ms.
    fn set_frames(&mut self, on: bool, ctx: &mut Ctx);
    /// The host drives resume signalling; frames follow.
    fn resume(&mut self, ctx: &mut Ctx);
    /// The device signals remote wake-up.
    fn wakes_host(&self) -> bool;
    /// A SETUP transaction to endpoint 0.
    fn setup(&mut self, address: u8, setup: &Setup, ctx: &mut Ctx) -> Reply;
    /// An OUT transaction; `toggle` is true for DATA1.
    fn out(&mut self, address: u8, endpoint: u8, toggle: bool, data: &[u8], ctx: &mut Ctx) -> Reply;
    /// An IN token.
    fn data_in(&mut self, address: u8, endpoint: u8, ctx: &mut Ctx) -> InReply;
    /// The host's ACK of the data packet that [`Wire::data_in`] gave. Without it the device sends it again.
    fn acknowledge(&mut self, address: u8, endpoint: u8, ctx: &mut Ctx);
}

/// A board's USB connector.
impl host::Port for Board {
    fn now(&self) -> Nanos {
        Self::now(self)
    }

    fn run_to(&mut self, at: Nanos, watch: bool) {
        if watch {
            let before = self.usb_ref().changes();
            let span = at.since(Self::now(self));
            self.run_until(|board| board.usb_ref().changes() != before, span);
        } else {
            Self::run_to(self, at);
        }
    }

    fn with_wire(&mut self, act: &mut dyn FnMut(&mut dyn Wire, &mut Ctx)) {
        self.usb(|otg, ctx| act(otg, ctx));
    }
}
