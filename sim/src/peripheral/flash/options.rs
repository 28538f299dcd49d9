//! The option bytes' own cells: two half-words with their complements (RM0090 section 3.7.1).
//!
//! RM0090 section 3.7.2: a change first erases all of them, then programs all of them. So a change
//! that the supply does not last through leaves them half erased, erased, or half programmed, and
//! an erased read protection byte is level 1 (section 3.7.3: every value but 0xAA and 0xCC).
//!
//! Assumed: the manual does not say what the F405/407 loads when a half-word and its complement do
//! not match. Other families force all ones or a secure configuration (RM0008, RM0444 section
//! 3.4.2), and boards in the field came back with all ones. Here it loads either what is stored or
//! all ones, and not the same each time.
//!
//! Leaves out: code read-out protection (PCROP), which the F405/407 does not have. On parts that do (F411, F446),
//! all ones take the flash away from the core: no bootloader survives that.

use super::OPTIONS;
use crate::fault::Bits;
use crate::random::Random;

/// The cells: RDP and USER in the first word, nWRP in the second; the complement is the upper half.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct OptionCells {
    words: [u32; 2],
    unstable: [u32; 2],
    /// What the bits of `unstable` read as may change without a reset; there is no such read.
    noise: u64,
}

impl OptionCells {
    /// The cells for a value in the layout of FLASH_OPTCR.
    pub(super) fn new(options: u32) -> Self {
        let word = |half: u32| !half << 16 | half;
        let words = [word(options & 0xFFEC), word(options >> 16 & 0xFFF)];
        Self { words, unstable: [0; 2], noise: 0 }
    }

    /// A word as it is stored.
    pub(super) fn word(&self, index: usize) -> u32 {
        self.words[index]
    }

    /// What is stored, complements aside, in the layout of FLASH_OPTCR.
    pub(super) fn stored(&self) -> u32 {
        (self.words[0] & 0xFFEC | self.words[1] << 16) & OPTIONS
    }

    /// What a reset loads into FLASH_OPTCR.
    pub(super) fn load(&mut self, seed: u64) -> u32 {
        let mut random = Random::new(seed ^ self.noise);
        let mut half = |i: usize| {
            let word = self.words[i] & !self.unstable[i] | random.bits() as u32 & self.unstable[i];
            let matches = word >> 16 == !word & 0xFFFF;
            if matches || random.below(2) == 0 { word & 0xFFFF } else { 0xFFFF }
        };
        let (low, high) = (half(0), half(1));
        (low | high << 16) & OPTIONS
    }

    /// The supply fails during the change to `value`.
    pub(super) fn tear(&mut self, value: u32, left: Bits, random: &mut Random) {
        let wanted = Self::new(value).words;
        let stage = random.below(3);
        self.noise = random.bits();
        for (i, wanted) in wanted.into_iter().enumerate() {
            let (done, weak) = (random.bits() as u32, random.bits() as u32);
            let (from, moving) = match stage {
                // On the way to all ones, there, or on the way to what is wanted.
                0 => (self.words[i], !self.words[i]),
                1 => (u32::MAX, 0),
                _ => (u32::MAX, !wanted),
            };
            self.words[i] = from ^ moving & done;
            self.unstable[i] = if left == Bits::Solid { 0 } else { moving & weak };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTORY: u32 = 0x0FFF_AAEC;

    #[test]
    fn what_is_programmed_is_loaded() {
        for options in [FACTORY, 0x0000_AAEC, 0x0FFE_55E0] {
            let mut cells = OptionCells::new(options);
            assert_eq!((cells.load(1), cells.stored()), (options, options));
        }
    }

    #[test]
    fn a_torn_change_ends_in_read_protection_level_0_or_1_but_never_in_2() {
        let (mut level_1, mut unprotected, mut differed) = (0, 0, 0);
        for seed in 0..2_000 {
            let mut cells = OptionCells::new(FACTORY);
            let left = if seed % 2 == 0 { Bits::Solid } else { Bits::Drifting };
            cells.tear(0x0FFE_55EC, left, &mut Random::new(seed));
            let [one, two] = [cells.load(seed), cells.load(seed + 1)];
            for options in [one, two] {
                assert_ne!(options >> 8 & 0xFF, 0xCC, "seed {seed}");
            }
            level_1 += u32::from(one >> 8 & 0xFF != 0xAA);
            unprotected += u32::from(one >> 16 & 1 != 0);
            differed += u32::from(one != two);
        }
        assert!(level_1 > 500 && unprotected > 500 && differed > 500, "{level_1} {unprotected} {differed}");
    }

    #[test]
    fn a_level_1_value_that_contains_no_bit_outside_level_2s_can_end_there() {
        let level_2 = |rdp: u32| {
            (0..20_000).any(|seed| {
                let mut cells = OptionCells::new(FACTORY);
                cells.tear(0x0FFF_00EC | rdp << 8, Bits::Solid, &mut Random::new(seed));
                cells.load(seed) >> 8 & 0xFF == 0xCC
            })
        };
        assert!(level_2(0x00), "0x00 on its way passes 0xCC");
        assert!(!level_2(0x55), "0x55 never does");
    }
}
