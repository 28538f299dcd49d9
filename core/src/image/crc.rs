//! CRC-32 in software, bit for bit what the STM32 unit computes ("CRC-32/MPEG-2" on words).
//!
//! For the configuration block and records where the program has no unit to offer (feature `crc-unit`), and the
//! host; images go through [`Crc32`].

use crate::port::Crc32;

/// Polynomial (RM0090 Rev 21, section 4.2).
const POLY: u32 = 0x04C1_1DB7;

/// The software unit.
#[derive(Clone, Copy, Debug)]
pub struct SoftCrc32(u32);

impl Default for SoftCrc32 {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32 for SoftCrc32 {
    fn start(&mut self) {
        self.0 = u32::MAX;
    }

    fn update(&mut self, bytes: &[u8]) {
        for word in bytes.as_chunks().0 {
            self.0 = crc32_word(self.0, u32::from_le_bytes(*word));
        }
    }

    fn value(&self) -> u32 {
        self.0
    }
}

/// Bits in a step. Four: eight steps a word instead of 32, at the clock of the internal oscillator, for 64
/// bytes of flash. The smallest build checks one block at its start and no more.
const BITS: u32 = if cfg!(feature = "failsafe") { 4 } else { 2 };

/// The CRC of the bits in front, each of them worked out at compile time.
const STEPS: [u32; 1 << BITS] = {
    let mut table = [0; 1 << BITS];
    let mut bits = 0;
    while bits < 1 << BITS {
        let mut crc = (bits as u32) << (32 - BITS);
        let mut bit = 0;
        while bit < BITS {
            crc = (crc << 1) ^ (POLY & 0u32.wrapping_sub(crc >> 31));
            bit += 1;
        }
        table[bits] = crc;
        bits += 1;
    }
    table
};

/// The CRC after one more word.
#[inline(never)]
pub fn crc32_word(crc: u32, word: u32) -> u32 {
    (0..32 / BITS).fold(crc ^ word, |crc, _| (crc << BITS) ^ STEPS[(crc >> (32 - BITS)) as usize])
}

/// CRC-32 of `bytes`, whose length is a multiple of four.
#[cfg(not(feature = "crc-unit"))]
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut unit = SoftCrc32::default();
    unit.update(bytes);
    unit.value()
}

/// CRC-32 of `words`.
#[cfg(not(feature = "crc-unit"))]
pub fn crc32_words(words: &[u32]) -> u32 {
    words.iter().fold(u32::MAX, |crc, word| crc32_word(crc, *word))
}

#[cfg(feature = "crc-unit")]
pub use unit::{crc32, crc32_words};

/// The same by the chip's unit.
#[cfg(feature = "crc-unit")]
mod unit {
    #![allow(unsafe_code)]

    unsafe extern "C" {
        /// Of the whole words of `length` bytes. The program that asks for the feature defines it.
        fn surefoot_crc32(from: *const u8, length: usize) -> u32;
    }

    pub fn crc32(bytes: &[u8]) -> u32 {
        // SAFETY: the slice's bytes, which it reads.
        unsafe { surefoot_crc32(bytes.as_ptr(), bytes.len()) }
    }

    pub fn crc32_words(words: &[u32]) -> u32 {
        // SAFETY: the slice's words, which it reads.
        unsafe { surefoot_crc32(words.as_ptr().cast(), words.len() * 4) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc_32_mpeg_2_in_word_order() {
        // "12345678" with each word's bytes turned round is CRC-32/MPEG-2 of "12345678" bytewise.
        assert_eq!(crc32(b"43218765"), 0x49E3_C2FB);
        // AN4187: 0xFFFFFFFF after reset, one word of zero.
        assert_eq!(crc32(&[0; 4]), 0xC704_DD7B);
    }
}
