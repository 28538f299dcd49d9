//! Unstable cells: bits that an operation without supply left between 0 and 1.
//!
//! Such a bit reads as 0 or as 1, and not always the same, until its sector is erased or it is
//! programmed to 0 in full. [`Weak`] knows which bits those are; the array holds what they read as
//! at present. A page is redrawn with every reset; a *restless* page also with every read, for
//! which data reads of the parts with such bits take the slow way over the bus.
//!
//! Leaves out: instruction fetches and reads through the copy of flash at address 0 see what the
//! last reset drew, since the core makes them in place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::cpu::{PAGE, ROUTED};
use crate::random::Random;

/// Which bits of a page are unstable.
#[derive(Clone, Debug, Hash)]
pub(super) struct Page {
    mask: Arc<[u8; PAGE]>,
    restless: bool,
}

/// The unstable bits of a flash array.
#[derive(Clone, Debug, Default)]
pub(super) struct Weak {
    pages: BTreeMap<usize, Page>,
}

impl Weak {
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Makes `bits` of the byte at `offset` unstable.
    pub(super) fn mark(&mut self, offset: usize, bits: u8, restless: bool) {
        if bits == 0 {
            return;
        }
        let fresh = || Page { mask: Arc::new([0; PAGE]), restless: false };
        let page = self.pages.entry(offset / PAGE).or_insert_with(fresh);
        Arc::make_mut(&mut page.mask)[offset % PAGE] |= bits;
        page.restless |= restless;
    }

    /// Only `bits` of the byte at `offset` stay unstable, if they were.
    pub(super) fn keep(&mut self, offset: usize, bits: u8) {
        let Some(page) = self.pages.get_mut(&(offset / PAGE)) else { return };
        if page.mask[offset % PAGE] & !bits == 0 {
            return;
        }
        Arc::make_mut(&mut page.mask)[offset % PAGE] &= bits;
        self.drop_solid(offset / PAGE);
    }

    /// Every bit in `range` is solid.
    pub(super) fn clear(&mut self, range: Range<usize>) {
        if self.pages.is_empty() || range.is_empty() {
            return;
        }
        let numbers = range.start / PAGE..(range.end - 1) / PAGE + 1;
        let touched: Vec<usize> = self.pages.range(numbers).map(|(&number, _)| number).collect();
        for number in touched {
            let base = number * PAGE;
            let part = range.start.max(base) - base..range.end.min(base + PAGE) - base;
            if let Some(page) = self.pages.get_mut(&number) {
                Arc::make_mut(&mut page.mask)[part].fill(0);
            }
            self.drop_solid(number);
        }
    }

    fn drop_solid(&mut self, number: usize) {
        if self.pages.get(&number).is_some_and(|p| p.mask.iter().all(|&m| m == 0)) {
            self.pages.remove(&number);
        }
    }

    /// The unstable bits of the page of this number, if it has any.
    pub(super) fn page(&self, number: usize) -> Option<&Page> {
        self.pages.get(&number)
    }

    /// The unstable bits of the byte at `offset`.
    pub(super) fn bits(&self, offset: usize) -> u8 {
        self.pages.get(&(offset / PAGE)).map_or(0, |p| p.mask[offset % PAGE])
    }

    /// What a read of `bytes` that hold `value` gives this time.
    pub(super) fn disturb(&self, offset: usize, bytes: usize, value: u32, noise: &mut Random) -> u32 {
        let Some(page) = self.pages.get(&(offset / PAGE)).filter(|p| p.restless) else { return value };
        let mask = super::little(&page.mask[offset % PAGE..][..bytes]);
        if mask == 0 { value } else { value & !mask | noise.bits() as u32 & mask }
    }

    /// Draws every unstable bit anew and calls `changed` with each part of the array that is not as it was.
    pub(super) fn redraw(&self, cells: &mut [u8], noise: &mut Random, mut changed: impl FnMut(Range<usize>)) {
        for (&number, page) in &self.pages {
            let cells = &mut cells[number * PAGE..][..PAGE];
            let masks = page.mask.as_chunks::<8>().0;
            for ((cells, mask), at) in
                cells.as_chunks_mut::<8>().0.iter_mut().zip(masks).zip(number * PAGE / 8..)
            {
                if *mask != [0; 8] {
                    let (was, bits) = (*cells, noise.bits().to_le_bytes());
                    cells.iter_mut().zip(mask).zip(bits).for_each(|((c, m), b)| *c = *c & !m | b & m);
                    if *cells != was {
                        changed(at * 8..(at + 1) * 8);
                    }
                }
            }
        }
    }

    /// Numbers of the parts, of [`ROUTED`] bytes each, whose reads take the slow way.
    pub(super) fn restless(&self) -> impl Iterator<Item = usize> {
        let pages = self.pages.iter().filter(|(_, page)| page.restless);
        pages.flat_map(|(&number, page)| {
            let parts = page.mask.as_chunks::<ROUTED>().0.iter().enumerate();
            parts
                .filter(|(_, part)| **part != [0; ROUTED])
                .map(move |(part, _)| number * (PAGE / ROUTED) + part)
        })
    }

    /// How many bits in `range` are unstable.
    pub(super) fn count(&self, range: Range<usize>) -> u64 {
        if self.pages.is_empty() {
            return 0;
        }
        range.map(|at| u64::from(self.bits(at).count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_stays_unstable_until_it_is_cleared_or_programmed() {
        let mut weak = Weak::default();
        weak.mark(PAGE + 3, 0b1010, true);
        weak.mark(5 * PAGE, 1, false);
        assert_eq!(weak.restless().collect::<Vec<_>>(), [4]);
        weak.mark(PAGE + 2 * ROUTED - 1, 1, true);
        assert_eq!(weak.restless().collect::<Vec<_>>(), [4, 5]);
        weak.clear(PAGE + 2 * ROUTED - 1..PAGE + 2 * ROUTED);
        assert_eq!(weak.count(0..6 * PAGE), 3);
        weak.keep(PAGE + 3, 0b1000);
        assert_eq!((weak.bits(PAGE + 3), weak.count(0..6 * PAGE)), (0b1000, 2));
        weak.clear(0..PAGE + 4);
        weak.clear(5 * PAGE + 1..6 * PAGE);
        assert_eq!((weak.count(0..6 * PAGE), weak.is_empty()), (1, false));
        weak.keep(5 * PAGE, 0);
        assert!(weak.is_empty());
    }

    #[test]
    fn only_unstable_bits_are_redrawn_and_disturbed() {
        let (mut weak, mut noise) = (Weak::default(), Random::new(1));
        weak.mark(8, 0x0F, true);
        let mut cells = vec![0xFF; PAGE];
        let (mut drawn, mut read) = ([0u8; 2], [0u8; 2]);
        for i in 0..64 {
            weak.redraw(&mut cells, &mut noise, |changed| assert_eq!(changed, 8..16));
            let value = weak.disturb(8, 4, 0xFFFF_FFFF, &mut noise);
            assert_eq!((cells[8] & 0xF0, value & !0x0F), (0xF0, !0x0F));
            assert!(cells.iter().enumerate().all(|(at, &c)| at == 8 || c == 0xFF));
            let (cell, byte) = (cells[8], value as u8);
            (drawn, read) = if i == 0 {
                ([cell; 2], [byte; 2])
            } else {
                ([drawn[0] & cell, drawn[1] | cell], [read[0] & byte, read[1] | byte])
            };
        }
        assert_eq!((drawn, read), ([0xF0, 0xFF], [0xF0, 0xFF]), "each bit was seen as 0 and as 1");
    }
}
