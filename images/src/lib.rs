//! The bootloader binaries, built from the firmware workspace and embedded.
//!
//! `build.rs` builds them, so what a test runs, what `surefoot bootloader` seals and what a device
//! carries are the same bytes. Nothing here changes them; sealing is `surefoot-board`'s.

pub mod make;

/// A bootloader binary for one family of chips, not yet sealed.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// What it is called in messages and file names.
    pub name: &'static str,
    /// The bytes from the start of flash.
    pub binary: &'static [u8],
    /// The ELF file it was taken from, for symbols and sections.
    pub elf: &'static [u8],
}

/// STM32F4 with Ed25519.
pub static F4_FULL: Image = Image {
    name: "surefoot-f4",
    binary: include_bytes!(concat!(env!("OUT_DIR"), "/f4-full.bin")),
    elf: include_bytes!(concat!(env!("OUT_DIR"), "/f4-full.elf")),
};

/// STM32F4 without signatures: the policies `none` and `crc`.
pub static F4_CRC: Image = Image {
    name: "surefoot-f4-crc",
    binary: include_bytes!(concat!(env!("OUT_DIR"), "/f4-crc.bin")),
    elf: include_bytes!(concat!(env!("OUT_DIR"), "/f4-crc.elf")),
};
