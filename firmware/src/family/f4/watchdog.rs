//! The independent watchdog: given room for a sector erase, and fed on progress of the main loop.

use super::time;
use stm32_metapac::{FLASH, IWDG, iwdg::vals::Key};

/// Prescaler /256 (RM0090, 21.4.2): with the reload value of a reset, the longest, 32.8 s at 32 kHz, and
/// 22.3 s at the 47 kHz that LSI can reach. The longest stall, the erase of a 128K sector by bytes,
/// takes 4 s (DS8626).
const PRESCALER: u8 = 6;
/// SR: PVU, the prescaler is on its way (RM0090, 21.4.4).
const PVU: u32 = 1 << 0;
/// Five periods of an LSI at its slowest, 17 kHz (DS8626), are 0.3 ms.
const UPDATE_LIMIT_MS: u32 = 1;

/// Gives a watchdog that runs since reset (option bit WDG_SW = 0, RM0090 3.9.9) its room, and starts
/// one when the board asks for it (`wanted`). The application inherits it and has to feed it.
///
/// Waits until the prescaler has arrived, within five LSI periods, and reloads then: whoever comes next,
/// the application of a trial too, has all of the time, whatever it does first. While the update is under
/// way, a prescaler of the application's own would be lost (RM0090, 21.4.4).
pub fn init(wanted: bool) {
    if !wanted && FLASH.optcr().read().wdg_sw() {
        return;
    }
    // Started first: the update goes through only while LSI runs (RM0090, 21.3.1).
    IWDG.kr().write(|w| w.set_key(Key::START));
    IWDG.kr().write(|w| w.set_key(Key::ENABLE));
    IWDG.pr().write(|w| w.set_pr(PRESCALER.into()));
    time::until(UPDATE_LIMIT_MS, IWDG.sr(), PVU, 0);
    feed();
}

/// Reloads the counter; harmless when the watchdog is not running.
pub fn feed() {
    IWDG.kr().write(|w| w.set_key(Key::RESET));
}
