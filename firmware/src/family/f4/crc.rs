//! The CRC unit (RM0090, section 4), fed by a loop of its own: 960K have 15 ms.

use stm32_metapac::{CRC, RCC};
use surefoot_core::port::Crc32;

/// The one unit.
pub struct Unit;

impl Crc32 for Unit {
    fn start(&mut self) {
        RCC.ahb1enr().modify(|w| w.set_crcen(true));
        // DR back to 0xFFFFFFFF (RM0090, 4.4.3).
        CRC.cr().write(|w| w.set_reset(true));
    }

    fn update(&mut self, bytes: &[u8]) {
        let mut words = bytes.len() / 4;
        if words != 0 {
            // Four instructions a word, in which the unit works at the word before (RM0090, 4.2).
            // SAFETY: reads whole words of `bytes`, which need not be aligned, and feeds them to the unit.
            unsafe {
                core::arch::asm!(
                    "2:",
                    "ldr {word}, [{from}], #4",
                    "str {word}, [{unit}]",
                    "subs {words}, #1",
                    "bne 2b",
                    word = out(reg) _,
                    from = inout(reg) bytes.as_ptr() => _,
                    unit = in(reg) CRC.dr().as_ptr(),
                    words = inout(reg) words,
                    options(nostack),
                );
            }
        }
        let _ = words;
    }

    fn value(&self) -> u32 {
        CRC.dr().read()
    }
}
