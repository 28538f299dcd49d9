//! The independent watchdog: given room for a sector erase, and fed on progress of the main loop.

use stm32_metapac::{FLASH, IWDG, iwdg::vals::Key};

/// Prescaler /256 (RM0090, 21.4.2): with the reload value of a reset, the longest, 32.8 s at 32 kHz, and
/// 22.3 s at the 47 kHz that LSI can reach. The longest stall, the erase of a 128K sector by bytes,
/// takes 4 s (DS8626).
const PRESCALER: u8 = 6;

/// Gives a watchdog that runs since reset (option bit WDG_SW = 0, RM0090 3.9.6) its room, and starts
/// one when the board asks for it (`wanted`). The application inherits it and has to feed it.
///
/// The prescaler takes effect within five LSI periods (RM0090, 21.4.4); nothing needs to wait for it.
pub fn init(wanted: bool) {
    if !wanted && FLASH.optcr().read().wdg_sw() {
        return;
    }
    // Started first: the update goes through only while LSI runs (RM0090, 21.3.1).
    IWDG.kr().write(|w| w.set_key(Key::START));
    IWDG.kr().write(|w| w.set_key(Key::ENABLE));
    IWDG.pr().write(|w| w.set_pr(PRESCALER.into()));
    feed();
}

/// Reloads the counter; harmless when the watchdog is not running.
pub fn feed() {
    IWDG.kr().write(|w| w.set_key(Key::RESET));
}
