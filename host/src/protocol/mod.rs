//! Protocols: what a host asks of a bootloader, whatever link it speaks over.
//!
//! [`Programmer`] is what a job knows of them; [`dfuse`] is the first. A link moves bytes and knows no
//! protocol; a protocol knows no job. Nothing here blocks: see [`Wire`]. What each says of itself beyond
//! [`Device`], and its errors, are its own.

pub mod dfuse;
mod wire;

pub use wire::{Carry, Event, Step, Steps, Wire, carry_out};

use crate::explain::Explain;
use crate::link::{Departure, LinkError};
use std::pin::Pin;
use std::time::Duration;
use surefoot_core::info::Info;

/// How long a board may take to come back after it left: verification, start-up, attach.
pub const COME_BACK: Duration = Duration::from_secs(2);

/// One operation on its way; it waits for nothing but its [`Wire`].
pub type Work<'w, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + 'w>>;

/// Hears of bytes done, as a difference.
pub type Advance<'a> = &'a mut dyn FnMut(u64);

/// One end of a protocol: the operations that every bootloader offers in some way.
///
/// Addresses are the chip's. [`Self::identify`] comes first; the others may take what it learnt for
/// granted. An operation that failed leaves the device ready for another one, where it lets itself.
pub trait Programmer {
    /// Asks who is there and for its memory map. With `fast` the quickest way of the protocol is taken even
    /// for a device that is not known to offer it.
    fn identify<'w>(&'w mut self, wire: &'w Wire, fast: bool) -> Work<'w, Device>;

    /// Asks our own bootloader how it is; nothing from any other.
    fn info<'w>(&'w mut self, wire: &'w Wire) -> Work<'w, Option<Info>>;

    /// Reads until `buffer` is full.
    fn read<'w>(
        &'w mut self,
        wire: &'w Wire,
        address: u32,
        buffer: &'w mut [u8],
        advance: Advance<'w>,
    ) -> Work<'w, ()>;

    /// Erases sectors that follow one another without a gap.
    fn erase<'w>(
        &'w mut self,
        wire: &'w Wire,
        sectors: &'w [SectorInfo],
        advance: Advance<'w>,
    ) -> Work<'w, ()>;

    /// Writes to erased flash.
    fn write<'w>(
        &'w mut self,
        wire: &'w Wire,
        address: u32,
        data: &'w [u8],
        advance: Advance<'w>,
    ) -> Work<'w, ()>;

    /// Programs the option bytes, as our own bootloader tells them.
    fn options<'w>(&'w mut self, wire: &'w Wire, value: u32) -> Work<'w, ()>;

    /// Ends update mode and sees what becomes of the board. `start` is where a bootloader that does not
    /// choose by itself is to jump.
    fn leave<'w>(&'w mut self, wire: &'w Wire, start: u32) -> Work<'w, Departure>;
}

/// A link with the protocol that is spoken over it.
pub struct Connection<'l> {
    /// Carries the protocol's steps out.
    pub link: &'l mut dyn Carry,
    /// The protocol.
    pub programmer: Box<dyn Programmer>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Surefoot bootloader.
    Surefoot(Info),
    /// ST's ROM bootloader, or another device without the info request.
    Rom,
}

/// One sector of the memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorInfo {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// It can be read.
    pub readable: bool,
    /// It can be erased.
    pub erasable: bool,
    /// It can be written.
    pub writable: bool,
}

impl SectorInfo {
    /// The first address past it.
    pub const fn end(&self) -> u32 {
        self.base.saturating_add(self.size)
    }
    /// Erase and write.
    pub const fn changeable(&self) -> bool {
        self.erasable && self.writable
    }
}

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Who it is.
    pub kind: Kind,
    /// The sectors of the internal flash, ascending.
    pub sectors: Vec<SectorInfo>,
    /// Its serial number, empty where it tells none.
    pub serial: String,
    /// It lets a host read at all.
    pub can_read: bool,
    /// Bytes that are written at once, at least 1.
    pub block: usize,
    /// What of its words was read over, when that was not all of them.
    pub note: Option<String>,
    /// Its descriptors, where it is a USB device.
    pub usb: Option<dfuse::Descriptors>,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Nothing was sent: the device does not offer this address for that.
    #[error("the device has no flash at 0x{0:08X}")]
    NotOffered(u32),
    /// In the words of DfuSe.
    #[error(transparent)]
    DfuSe(#[from] dfuse::DfuseFault),
}

impl Explain for Fault {
    fn code(&self) -> String {
        match self {
            Self::Link(e) => e.code(),
            Self::NotOffered(_) => "plan.no-memory".into(),
            Self::DfuSe(e) => e.code(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Link(e) => e.why(),
            Self::NotOffered(_) => "Its memory map ends before it.".into(),
            Self::DfuSe(e) => e.why(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Link(e) => e.remedy(),
            Self::NotOffered(_) => "Check the chip, the address and the length.".into(),
            Self::DfuSe(e) => e.remedy(),
        }
    }
}
