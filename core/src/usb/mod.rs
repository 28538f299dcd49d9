//! Endpoint 0: standard requests and descriptors, without hardware.
//!
//! The hardware's packets go into [`Control`] and come out as [`Step`]s; DFU requests go on to
//! [`crate::dfu::device`]. Not here: FIFOs, registers, and the flash jobs themselves.

mod control;
mod descriptor;

pub use control::{Control, Step};
pub use descriptor::Reply;

/// Bytes of a packet on endpoint 0 (bMaxPacketSize0), full speed.
pub const PACKET: usize = 64;

/// A SETUP packet (USB 2.0, table 9-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// bmRequestType: direction, type, recipient.
    pub request_type: u8,
    /// bRequest.
    pub request: u8,
    /// wValue.
    pub value: u16,
    /// wIndex.
    pub index: u16,
    /// wLength: bytes of the data stage.
    pub length: u16,
}

impl Setup {
    /// Reads the eight bytes of a SETUP packet.
    pub const fn decode(bytes: &[u8; 8]) -> Self {
        let [request_type, request, v0, v1, i0, i1, l0, l1] = *bytes;
        Self {
            request_type,
            request,
            value: u16::from_le_bytes([v0, v1]),
            index: u16::from_le_bytes([i0, i1]),
            length: u16::from_le_bytes([l0, l1]),
        }
    }

    /// The eight bytes as they travel.
    pub const fn encode(&self) -> [u8; 8] {
        let (v, i, l) = (self.value.to_le_bytes(), self.index.to_le_bytes(), self.length.to_le_bytes());
        [self.request_type, self.request, v[0], v[1], i[0], i[1], l[0], l[1]]
    }

    /// True when the data stage goes from device to host.
    pub const fn is_in(&self) -> bool {
        self.request_type & 0x80 != 0
    }
}
