//! The vector table's address: told to the core, for code that starts without a bootloader's help.
//!
//! Surefoot's bootloader sets VTOR before it jumps. An application needs this after something
//! else changed it (ST's SystemInit writes VECT_TAB_OFFSET) or to move its table to RAM.
//! Cortex-M0 has no VTOR: there is nothing for it here.

/// Points VTOR at `table` (PM0214 Rev 10, 4.4.4).
///
/// # Safety
/// A vector table of this chip stands at `table` as long as the program runs. It is aligned to its
/// own size rounded up to a power of two, at least 128 bytes; 512 is enough for every STM32F4.
pub unsafe fn set_vector_table(table: *const u32) {
    // SAFETY: VTOR is a plain register of the core's own; the table is the caller's promise.
    // Barriers: no exception may be taken through the old table once this returns.
    unsafe {
        cortex_m::asm::dsb();
        (*cortex_m::peripheral::SCB::PTR).vtor.write(table.addr() as u32);
        cortex_m::asm::dsb();
        cortex_m::asm::isb();
    }
}
