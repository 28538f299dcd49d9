//! The CRC unit (RM0090, section 4), fed four words at a time: 960K have 15 ms.

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
        let (fours, rest) = bytes.as_chunks::<16>();
        for four in fours {
            // Written out: at this optimisation level no loop is unrolled.
            let words = four.as_chunks().0;
            feed(&words[0]);
            feed(&words[1]);
            feed(&words[2]);
            feed(&words[3]);
        }
        for word in rest.as_chunks().0 {
            feed(word);
        }
    }

    fn value(&self) -> u32 {
        CRC.dr().read()
    }
}

#[inline(always)]
fn feed(word: &[u8; 4]) {
    CRC.dr().write_value(u32::from_le_bytes(*word));
}
