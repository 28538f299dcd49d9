//! The CRC unit (RM0090, section 4), fed eight words at a time: 960K have 15 ms.

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
        // SAFETY: every bit pattern is a u32; alignment and length are `align_to`'s to keep.
        let (head, words, tail) = unsafe { bytes.align_to::<[u32; 8]>() };
        feed(head);
        for &[a, b, c, d, e, f, g, h] in words {
            CRC.dr().write_value(a);
            CRC.dr().write_value(b);
            CRC.dr().write_value(c);
            CRC.dr().write_value(d);
            CRC.dr().write_value(e);
            CRC.dr().write_value(f);
            CRC.dr().write_value(g);
            CRC.dr().write_value(h);
        }
        feed(tail);
    }

    fn value(&self) -> u32 {
        CRC.dr().read()
    }
}

/// What does not fill eight words.
fn feed(bytes: &[u8]) {
    for word in bytes.chunks_exact(4) {
        CRC.dr().write_value(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    }
}
