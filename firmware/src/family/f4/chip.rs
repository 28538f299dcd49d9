//! What the chip says of itself: identity, size, and why it was reset.

use stm32_metapac::{DBGMCU, RCC, UID};

/// DEV_ID that revision A of STM32F405/407 reports in error: that of STM32F2 (ES0182, "MCU device ID
/// is incorrect").
const REV_A_ID: u16 = 0x411;
/// The right one.
const F405_ID: u16 = 0x413;
/// CPUID: part number of a Cortex-M4, which STM32F2 does not have (PM0214, 4.4.2).
const CORTEX_M4: u32 = 0xC24;

/// DEV_ID (RM0090, 38.6.1).
pub fn device_id() -> u16 {
    let id = DBGMCU.idcode().read().dev_id();
    // SAFETY: CPUID is read-only and always there.
    let cpuid = unsafe { (*cortex_m::peripheral::CPUID::PTR).base.read() };
    if id == REV_A_ID && cpuid >> 4 & 0xFFF == CORTEX_M4 { F405_ID } else { id }
}

/// Flash size in KiB (RM0090, 39.2).
pub fn flash_kib() -> u16 {
    // SAFETY: a read-only half-word of system memory that every F4 has.
    unsafe { (0x1FFF_7A22 as *const u16).read_volatile() }
}

/// The unique id, as its bytes stand in memory (RM0090, 39.1; the same address on every F4).
pub fn unique_id() -> &'static [u8; 12] {
    // SAFETY: read-only system memory that every F4 has.
    unsafe { &*UID.as_ptr().cast() }
}

/// Reset flags as [`surefoot_core::handoff::Record::reset_cause`] wants them (RM0090, 7.3.21).
pub fn reset_cause() -> u8 {
    (RCC.csr().read().0 >> 25) as u8
}

/// Clears the reset flags.
pub fn forget_reset_cause() {
    RCC.csr().modify(|w| w.set_rmvf(true));
}
