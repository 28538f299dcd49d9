//! Access to addresses that are data: the one place of raw reads and writes.
//!
//! Callers pass only addresses from this crate's tables, from a [`crate::Board`], from the
//! bootloader's configuration block or from a [`crate::Rom`]; what such an address must be is said there.

use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

/// Reads the word at `address`.
pub(crate) fn read(address: u32) -> u32 {
    // SAFETY: a register or RAM word of the chip by the caller's tables, 4-byte aligned; reading
    // it has no effect on memory that Rust owns.
    unsafe { with_exposed_provenance::<u32>(address as usize).read_volatile() }
}

/// Reads the half-word at `address`.
pub(crate) fn read_half(address: u32) -> u16 {
    // SAFETY: as in `read`, 2-byte aligned.
    unsafe { with_exposed_provenance::<u16>(address as usize).read_volatile() }
}

/// Writes the word at `address`.
pub(crate) fn write(address: u32, value: u32) {
    // SAFETY: a register, or a handoff word that no Rust object occupies because the linker script
    // keeps it free or because the program ends with the reset that follows.
    unsafe { with_exposed_provenance_mut::<u32>(address as usize).write_volatile(value) }
}

/// Sets and clears bits of the word at `address`.
pub(crate) fn modify(address: u32, clear: u32, set: u32) {
    write(address, read(address) & !clear | set);
}

/// Stores 1, 2, 4 or 8 bytes as one program operation of the flash wants them: in one access, eight
/// as two words, the low one first (RM0090 Rev 21, 3.6.2).
pub(crate) fn store(address: u32, unit: &[u8]) {
    let at = address as usize;
    // SAFETY: flash that the caller's configuration holds open and that the controller is set up
    // for: outside this program's own image. Aligned to the unit's width.
    unsafe {
        match *unit {
            [byte] => with_exposed_provenance_mut::<u8>(at).write_volatile(byte),
            [a, b] => with_exposed_provenance_mut::<u16>(at).write_volatile(u16::from_le_bytes([a, b])),
            _ => {
                for (word, at) in unit.as_chunks().0.iter().zip((at..).step_by(4)) {
                    with_exposed_provenance_mut::<u32>(at).write_volatile(u32::from_le_bytes(*word));
                }
            }
        }
    }
}

/// The flash at `address`, which the chip has to have.
pub(crate) fn flash<'a>(address: u32, length: u32) -> &'a [u8] {
    // SAFETY: memory-mapped flash of this chip. It changes only by `store` and by an erase, both in
    // `crate::flash`, which takes the driver for itself meanwhile: `bytes` borrows it.
    unsafe { core::slice::from_raw_parts(with_exposed_provenance(address as usize), length as usize) }
}
