//! Volatile access to words at addresses that are data: the one place of raw reads and writes.
//!
//! Callers pass only addresses from this crate's tables, from a [`crate::Board`] or from a
//! [`crate::Rom`]; what such an address must be is said there.

/// Reads the word at `address`.
pub(crate) fn read(address: u32) -> u32 {
    // SAFETY: a register or RAM word of the chip by the caller's tables, 4-byte aligned; reading
    // it has no effect on memory that Rust owns.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address as usize).read_volatile() }
}

/// Writes the word at `address`.
pub(crate) fn write(address: u32, value: u32) {
    // SAFETY: a register, or a handoff word that no Rust object occupies because the linker script
    // keeps it free or because the program ends with the reset that follows.
    unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address as usize).write_volatile(value) }
}

/// Sets and clears bits of the word at `address`.
pub(crate) fn modify(address: u32, clear: u32, set: u32) {
    write(address, read(address) & !clear | set);
}
