//! Bits that an operation without supply left between 0 and 1: which ones, and what they read as when.
//!
//! [`super::flash::Flash`] holds the cells; here is what makes them read otherwise. A bit *wavers*: it is drawn
//! anew at each power-on, reset and operation, or, where the flash is *restless*, for each read. Or it *turns*,
//! once: a record reads badly at the next start and well at the one after it, or the other way round. That is what
//! draws alone hardly ever come to, and what is hardest on a state that was acted on in between.

use std::cell::{Cell, OnceCell};
use std::ops::Range;

/// Power-ons until a bit has turned: the recovery from the cut sees the one, that from a second cut the other.
const TURNS_AT: u8 = 2;
/// Draws that restless bits go through; no multiple of what the core reads in a row.
const DRAWS: usize = 5;

/// Something that reads otherwise from some power-on on.
#[derive(Clone, Copy, Debug)]
struct Turning<T> {
    what: T,
    power_ons: u8,
}

/// The unstable bits and units of one flash.
#[derive(Clone, Default)]
pub struct Unstable {
    /// Bits that read one way or the other: offset and mask.
    pub wavering: Vec<(usize, u8)>,
    /// Units that trap or do not.
    pub flaky: Vec<usize>,
    /// Bits that turn: offset and mask.
    bits: Vec<Turning<(usize, u8)>>,
    /// Units that trap from then on, or do so no more.
    units: Vec<Turning<usize>>,
    /// Reads differ without a reset between them.
    pub restless: bool,
    /// The cells as each draw shows them.
    draws: [OnceCell<Vec<u8>>; DRAWS],
    reads: Cell<usize>,
}

impl Unstable {
    /// These bits of a byte turn.
    pub fn turn_bits(&mut self, at: usize, mask: u8) {
        self.bits.push(Turning { what: (at, mask), power_ons: 0 });
    }

    /// This unit turns.
    pub fn turn_unit(&mut self, unit: usize) {
        self.units.push(Turning { what: unit, power_ons: 0 });
    }

    /// The supply comes on: the bits and the units that turn now.
    pub fn power_on(&mut self) -> (Vec<(usize, u8)>, Vec<usize>) {
        fn due<T: Copy>(all: &mut [Turning<T>]) -> Vec<T> {
            all.iter_mut()
                .filter_map(|turning| {
                    turning.power_ons = turning.power_ons.saturating_add(1);
                    (turning.power_ons == TURNS_AT).then_some(turning.what)
                })
                .collect()
        }
        (due(&mut self.bits), due(&mut self.units))
    }

    /// What the draws showed is not so any more.
    pub fn forget_draws(&mut self) {
        if self.restless {
            self.draws = Default::default();
        }
    }

    /// What a read of this range shows of `cells`, where it is not what they hold.
    pub fn shown(&self, range: &Range<usize>, cells: &[u8]) -> Option<&[u8]> {
        if !self.restless || !self.wavering.iter().any(|(at, _)| range.contains(at)) {
            return None;
        }
        let read = self.reads.replace(self.reads.get() + 1);
        let drawn = self.draws[read % DRAWS].get_or_init(|| {
            let mut cells = cells.to_vec();
            for (number, &(at, mask)) in self.wavering.iter().enumerate() {
                let noise = (read + 1).wrapping_mul(0x9E37_79B9).wrapping_add(number * 0x85EB_CA6B);
                cells[at] ^= (noise >> 13) as u8 & mask;
            }
            cells
        });
        Some(drawn)
    }

    /// Programmed: what is driven to zero is stable.
    pub fn program(&mut self, start: usize, new: &[u8]) {
        let keep = |(at, mask): &mut (usize, u8)| {
            if let Some(byte) = at.checked_sub(start).and_then(|i| new.get(i)) {
                *mask &= byte;
            }
            *mask != 0
        };
        self.wavering.retain_mut(keep);
        self.bits.retain_mut(|turning| keep(&mut turning.what));
    }

    /// Nothing of the past is unstable in this range.
    pub fn settle(&mut self, range: &Range<usize>, units: &Range<usize>) {
        self.wavering.retain(|(at, _)| !range.contains(at));
        self.bits.retain(|turning| !range.contains(&turning.what.0));
        self.flaky.retain(|unit| !units.contains(unit));
        self.units.retain(|turning| !units.contains(&turning.what));
    }

    /// True when nothing in this range is unstable.
    pub fn is_solid(&self, range: &Range<usize>, units: &Range<usize>) -> bool {
        !self.wavering.iter().any(|(at, _)| range.contains(at))
            && !self.bits.iter().any(|turning| range.contains(&turning.what.0))
            && !self.flaky.iter().any(|unit| units.contains(unit))
            && !self.units.iter().any(|turning| units.contains(&turning.what))
    }
}
