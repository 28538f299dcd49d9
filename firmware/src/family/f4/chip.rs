//! What the chip says of itself: identity, size, and why it was reset.

use stm32_metapac::{DBGMCU, RCC, UID};

/// DEV_ID as the chip reports it (RM0090, 38.6.1).
pub fn device_id() -> u16 {
    DBGMCU.idcode().read().dev_id()
}

/// True when this is the chip that a block for `device_id` is meant for.
///
/// Revision A of STM32F405/407 reports STM32F2's number (ES0182, "MCU device ID is incorrect"), so
/// that one is taken for theirs: an STM32F2 has no Cortex-M4 to run this.
pub fn is(device_id: u16) -> bool {
    const F405: u16 = 0x413;
    const REVISION_A: u16 = 0x411;
    let reported = self::device_id();
    reported == device_id || (reported == REVISION_A && device_id == F405)
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
