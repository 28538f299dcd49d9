//! The generated table, as `cargo xtask chips` writes it: raw, with the metadata's own mistakes.
//!
//! Only [`crate::Chip`] reads it, and corrects it.

use Kind::{Eeprom, Flash, Ram};

/// All groups, in the order of their first chip's name.
pub static GROUPS: &[Group] = &include!("table.in");

/// Chips that are alike in everything but their pins.
pub struct Group {
    /// "STM32F4".
    pub family: &'static str,
    /// Address of the unique id, 0 when the metadata name none.
    pub uid: u32,
    /// USB device blocks: name, base address, kind and version.
    pub usb: &'static [(&'static str, u32, &'static str)],
    /// One list of regions for each arrangement of banks.
    pub memory: &'static [&'static [R]],
    /// Name, and the pins as words of a port's letter and its 16-bit mask in hex.
    pub chips: &'static [(&'static str, &'static str)],
}

/// One region: name, kind, first address, bytes, erase size, write size, value of an erased byte.
pub struct R(pub &'static str, pub Kind, pub u32, pub u32, pub u32, pub u32, pub u8);

/// What a region is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Flash; with an erase size of 0 it is one-time programmable.
    Flash,
    /// RAM, or the window of an external memory.
    Ram,
    /// Data EEPROM.
    Eeprom,
}
