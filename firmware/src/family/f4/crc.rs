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
            feed(four);
        }
        feed(rest);
    }

    fn value(&self) -> u32 {
        CRC.dr().read()
    }
}

/// Unrolled where the length is known.
#[inline(always)]
fn feed(bytes: &[u8]) {
    for word in bytes.as_chunks().0 {
        CRC.dr().write_value(u32::from_le_bytes(*word));
    }
}
