//! Flash of several families in memory, with what a cut of the supply leaves in it.
//!
//! The model knows nothing of slots and records. It is stricter than silicon: whatever a family's
//! manual leaves open, the worst is done. What unstable bits read as is [`super::unstable`]'s.

use super::unstable::Unstable;
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use surefoot_core::config::{Config, Sector};
use surefoot_core::port::{Flash as Port, FlashFault, Memory};

/// First address.
pub const BASE: u32 = 0x0800_0000;

/// What may be programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Bits can be cleared at any time (F4: RM0090 Rev 21, 3.6.4).
    Bits,
    /// A half-word is written when it is erased, or to zero (F1: PM0075, 2.3.3).
    HalfWords,
    /// Units with ECC: written once per erase, and a torn one traps when it is read (L4: RM0351,
    /// 3.3.7; G4, U5, H5 and H7 alike).
    Ecc,
}

/// Where in an operation the supply is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    Inside(Leaves),
    After,
}

/// What an operation leaves that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Each bit has its old or its new value.
    Random,
    /// Each bit has its old or its new value, or wavers.
    Weak,
    /// Nothing to be seen, but a bit wavers.
    Faint,
    /// All but done: a bit wavers.
    Nearly,
    /// It reads as hardly begun at the next power-on, and as done (a program) or as begun (an erase) later.
    Late,
    /// It reads as done at the next power-on, and as not quite later.
    Early,
}

/// Every point of a cut.
pub const POINTS: [When; 8] = [
    When::Before,
    When::Inside(Leaves::Random),
    When::Inside(Leaves::Weak),
    When::Inside(Leaves::Faint),
    When::Inside(Leaves::Nearly),
    When::Inside(Leaves::Late),
    When::Inside(Leaves::Early),
    When::After,
];

/// A cut of the supply at an operation, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub at: usize,
    pub when: When,
}

/// One operation as it was asked for, for the choice of second cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    pub address: u32,
    pub erase: bool,
}

/// Bits that read wrong now and then.
#[derive(Clone)]
struct Slip {
    at: usize,
    mask: u8,
    /// So many reads are wrong first ...
    first: u32,
    /// ... or so many are right.
    after: u32,
    /// Bit i: they do in the read after `i` others of the rest.
    wrong: u128,
    reads: Cell<u32>,
    /// The cells as a wrong read shows them.
    shown: OnceCell<Vec<u8>>,
}

impl Slip {
    /// Its pattern from the read after `read` others on.
    fn left(&self, read: u32) -> u128 {
        self.wrong.checked_shr(read.saturating_sub(self.after)).unwrap_or(0)
    }
}

/// The flash of one board.
#[derive(Clone)]
pub struct Flash {
    cells: Vec<u8>,
    rule: Cells,
    unit: usize,
    /// Bits and units that read one way or the other.
    unstable: Unstable,
    /// Units that trap, by number.
    traps: BTreeSet<usize>,
    /// The supply is cut here.
    cut: Option<Cut>,
    /// The supply is off: nothing is done and nothing is answered.
    pub off: bool,
    /// Operations since power came on.
    pub done: Vec<Operation>,
    /// Erases of each sector since the chip was made.
    pub erased: BTreeMap<u32, u32>,
    /// The sector at this address does not get erased.
    pub stuck_sector: Option<u32>,
    /// The unit at this address does not get programmed.
    pub stuck_unit: Option<u32>,
    /// That sector or unit fails once and never again.
    pub passing: bool,
    /// These bits read wrong until the next power-on.
    glitch: Option<(usize, u8)>,
    /// These bits read wrong in some reads.
    slip: Option<Slip>,
    random: u64,
}

impl Flash {
    pub fn new(size: u32, unit: u32, rule: Cells) -> Self {
        Self {
            cells: vec![0xFF; size as usize],
            rule,
            unit: unit as usize,
            unstable: Unstable::default(),
            traps: BTreeSet::new(),
            cut: None,
            off: false,
            done: Vec::new(),
            erased: BTreeMap::new(),
            stuck_sector: None,
            stuck_unit: None,
            passing: false,
            glitch: None,
            slip: None,
            random: 1,
        }
    }

    /// A reset or a return of the supply; the next cut, and the seed of what is left to chance.
    pub fn power_on(&mut self, cut: Option<Cut>, seed: u64) {
        self.heal();
        (self.off, self.cut, self.random) = (false, cut, seed);
        self.done.clear();
        let (bits, units) = self.unstable.power_on();
        bits.into_iter().for_each(|(at, mask)| self.cells[at] ^= mask);
        for unit in units {
            if !self.traps.remove(&unit) {
                self.traps.insert(unit);
            }
        }
        self.waver();
    }

    /// A reset: the same, but the cut that was set stays, and operations are counted on.
    pub fn reset(&mut self) {
        self.heal();
        self.waver();
    }

    /// These bits read wrong until the next reset.
    pub fn misread(&mut self, address: u32, mask: u8) {
        let at = (address - BASE) as usize;
        self.glitch = Some((at, mask));
        self.cells[at] ^= mask;
    }

    /// These bits read wrong in some of the next reads: bit i of `wrong` is for the read after `i` others.
    pub fn slip(&mut self, address: u32, mask: u8, wrong: u128) {
        self.slip_after(0, address, mask, wrong);
    }

    /// The same after so many reads that are right.
    pub fn slip_after(&mut self, after: u32, address: u32, mask: u8, wrong: u128) {
        let at = (address - BASE) as usize;
        let (reads, shown) = (Cell::new(0), OnceCell::new());
        self.slip = Some(Slip { at, mask, first: 0, after, wrong, reads, shown });
    }

    /// They read wrong so many times.
    pub fn slip_first(&mut self, address: u32, mask: u8, first: u32) {
        let at = (address - BASE) as usize;
        let (reads, shown) = (Cell::new(0), OnceCell::new());
        self.slip = Some(Slip { at, mask, first, after: 0, wrong: 0, reads, shown });
    }

    /// True when they did for the last time.
    pub fn has_slipped(&self) -> bool {
        self.slip.as_ref().is_some_and(|slip| slip.left(slip.reads.get()) == 0)
    }

    /// A programmer writes `bytes` to erased cells; that is no operation of the board's.
    pub fn put(&mut self, address: u32, bytes: &[u8]) {
        let start = (address - BASE) as usize;
        self.settle_range(start, bytes.len());
        self.cells[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// These bytes come to be read in erased cells at the second power-on from now, as if a cut had left them so.
    pub fn comes_later(&mut self, address: u32, bytes: &[u8]) {
        let start = (address - BASE) as usize;
        for (at, byte) in (start..).zip(bytes) {
            self.unstable.turn_bits(at, !byte);
        }
    }

    /// This range holds nothing that can be used, as after a cut.
    pub fn scribble(&mut self, address: u32, length: u32) {
        let start = (address - BASE) as usize;
        let end = start + length as usize;
        self.cells[start..end].fill(0);
        if self.rule == Cells::Ecc {
            self.traps.extend(start / self.unit..end / self.unit);
        }
    }

    /// What the cells hold, without a slip: for onlookers.
    pub fn held(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.cells.get(self.readable(address, length)?)
    }

    fn readable(&self, address: u32, length: u32) -> Option<Range<usize>> {
        let start = address.checked_sub(BASE)? as usize;
        let end = start.checked_add(length as usize)?;
        let units = start / self.unit..end.div_ceil(self.unit);
        let traps = self.off || !self.traps.is_empty() && self.traps.range(units).next().is_some();
        (!traps).then_some(start..end)
    }

    /// What a read shows that touches the bits of `slip`.
    fn shown<'a>(&'a self, slip: &'a Slip) -> &'a [u8] {
        let read = slip.reads.replace(slip.reads.get() + 1);
        if read >= slip.first && (read < slip.after || slip.left(read) & 1 == 0) {
            return &self.cells;
        }
        slip.shown.get_or_init(|| {
            let mut cells = self.cells.clone();
            cells[slip.at] ^= slip.mask;
            cells
        })
    }

    fn heal(&mut self) {
        if let Some((at, mask)) = self.glitch.take() {
            self.cells[at] ^= mask;
        }
    }

    /// True when nothing in this range wavers or traps.
    pub fn is_solid(&self, address: u32, length: u32) -> bool {
        let start = (address - BASE) as usize;
        let range = start..start + length as usize;
        let units = start / self.unit..range.end.div_ceil(self.unit);
        self.unstable.is_solid(&range, &units) && self.traps.range(units).next().is_none()
    }

    fn draw(&mut self) -> u64 {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn waver(&mut self) {
        self.unstable.forget_draws();
        for i in 0..self.unstable.wavering.len() {
            let (at, mask) = self.unstable.wavering[i];
            self.cells[at] ^= self.draw() as u8 & mask;
        }
        for i in 0..self.unstable.flaky.len() {
            let unit = self.unstable.flaky[i];
            if self.draw() & 1 == 0 {
                self.traps.remove(&unit);
            } else {
                self.traps.insert(unit);
            }
        }
    }

    /// Counts an operation. `None`: it is not done. Otherwise where the supply goes off in it.
    fn begin(&mut self, operation: Operation) -> Option<When> {
        if self.off {
            return None;
        }
        self.waver();
        self.slip.as_mut().map(|slip| slip.shown.take());
        let here = self.cut.filter(|cut| cut.at == self.done.len()).map(|cut| cut.when);
        self.done.push(operation);
        self.off = here.is_some();
        match here {
            Some(When::Before) => None,
            Some(when) => Some(when),
            // An end that is not cut.
            None => Some(When::After),
        }
    }

    /// Some of the bits in `mask`, each by chance.
    fn some(&mut self, mask: u8) -> u8 {
        self.draw() as u8 & mask
    }

    /// One bit of those in which a unit changes from `old` to `new`.
    fn one_of(&mut self, start: usize, old: &[u8], new: &[u8]) -> Option<(usize, u8)> {
        let changes: Vec<(usize, u8)> = (0..old.len())
            .flat_map(|i| (0..8).map(move |bit| (i, 1u8 << bit)))
            .filter(|&(i, bit)| (old[i] ^ new[i]) & bit != 0)
            .collect();
        let number = self.draw() as usize;
        (!changes.is_empty()).then(|| changes[number % changes.len()]).map(|(i, bit)| (start + i, bit))
    }

    fn one_wavers(&mut self, start: usize, old: &[u8], new: &[u8]) {
        let one = self.one_of(start, old, new);
        self.unstable.wavering.extend(one);
    }

    fn program_unit(&mut self, start: usize, new: &[u8]) -> Result<(), FlashFault> {
        let old = self.cells[start..start + new.len()].to_vec();
        let address = BASE + start as u32;
        let when = self.begin(Operation { address, erase: false }).ok_or(FlashFault::Timeout)?;
        if self.stuck_unit == Some(address) {
            self.stuck_unit = self.stuck_unit.filter(|_| !self.passing);
            return Err(FlashFault::ReadBack);
        }
        let allowed = match self.rule {
            Cells::Bits => old.iter().zip(new).all(|(old, new)| old & new == *new),
            Cells::HalfWords => old.iter().all(|b| *b == 0xFF) || new.iter().all(|b| *b == 0),
            Cells::Ecc => old.iter().all(|b| *b == 0xFF) && !self.traps.contains(&(start / self.unit)),
        };
        if !allowed {
            return Err(FlashFault::Operation);
        }
        match when {
            When::Inside(leaves) => self.tear(start, &old, new, leaves),
            _ => {
                self.cells[start..start + new.len()].copy_from_slice(new);
                self.unstable.program(start, new);
            }
        }
        if self.off { Err(FlashFault::Timeout) } else { Ok(()) }
    }

    fn tear(&mut self, start: usize, old: &[u8], new: &[u8], leaves: Leaves) {
        if self.rule == Cells::Ecc {
            if leaves != Leaves::Faint {
                self.cells[start..start + new.len()].copy_from_slice(new);
            }
            let unit = start / self.unit;
            match leaves {
                Leaves::Random => drop(self.traps.insert(unit)),
                Leaves::Late | Leaves::Early => {
                    if leaves == Leaves::Late {
                        self.traps.insert(unit);
                    }
                    self.unstable.turn_unit(unit);
                }
                _ => self.unstable.flaky.push(unit),
            }
            return;
        }
        match leaves {
            Leaves::Random | Leaves::Weak => {
                for i in 0..new.len() {
                    self.cells[start + i] = old[i] ^ self.some(old[i] ^ new[i]);
                    let wavers = if leaves == Leaves::Weak { self.some(old[i] ^ new[i]) } else { 0 };
                    if wavers != 0 {
                        self.unstable.wavering.push((start + i, wavers));
                    }
                }
                self.unstable.restless |= leaves == Leaves::Weak && self.draw() & 1 == 0;
            }
            Leaves::Faint => self.one_wavers(start, old, new),
            Leaves::Nearly => {
                self.cells[start..start + new.len()].copy_from_slice(new);
                self.one_wavers(start, old, new);
            }
            // The rest of it is as `new` says: a unit that nearly came to be.
            Leaves::Late | Leaves::Early => {
                self.cells[start..start + new.len()].copy_from_slice(new);
                if let Some((at, mask)) = self.one_of(start, old, new) {
                    if leaves == Leaves::Late {
                        self.cells[at] ^= mask;
                    }
                    self.unstable.turn_bits(at, mask);
                }
            }
        }
    }

    fn erase_sector(&mut self, start: usize, length: usize) -> Result<(), FlashFault> {
        let address = BASE + start as u32;
        let when = self.begin(Operation { address, erase: true }).ok_or(FlashFault::Timeout)?;
        *self.erased.entry(address).or_default() += 1;
        if self.stuck_sector == Some(address) {
            self.stuck_sector = self.stuck_sector.filter(|_| !self.passing);
            return Err(FlashFault::NotErased);
        }
        match when {
            When::Inside(leaves) => self.half_erase(start, length, leaves),
            _ => {
                self.settle_range(start, length);
                self.cells[start..start + length].fill(0xFF);
            }
        }
        if self.off { Err(FlashFault::Timeout) } else { Ok(()) }
    }

    /// Nothing of the past wavers in this range.
    fn settle_range(&mut self, start: usize, length: usize) {
        let units = start / self.unit..(start + length) / self.unit;
        self.unstable.settle(&(start..start + length), &units);
        self.traps.retain(|unit| !units.contains(unit));
    }

    fn half_erase(&mut self, start: usize, length: usize, leaves: Leaves) {
        let old = self.cells[start..start + length].to_vec();
        let used: Vec<usize> = (0..length).filter(|&i| old[i] != 0xFF).collect();
        match leaves {
            Leaves::Random | Leaves::Weak if self.rule == Cells::Ecc => {
                for unit in (0..length).step_by(self.unit) {
                    match self.draw() % 4 {
                        0 => {}
                        1 => self.cells[start + unit..start + unit + self.unit].fill(0xFF),
                        2 => drop(self.traps.insert((start + unit) / self.unit)),
                        _ if leaves == Leaves::Weak => self.unstable.flaky.push((start + unit) / self.unit),
                        _ => {}
                    }
                }
            }
            Leaves::Random | Leaves::Weak => {
                // Some controllers program all to zero first, so any bit may be anything.
                for chunk in self.cells[start..start + length].chunks_mut(8) {
                    self.random = self.random.wrapping_mul(0xD129_42F0_1B3C_8E25).wrapping_add(0x9E37_79B9);
                    let [.., kind] = self.random.to_be_bytes();
                    match kind & 3 {
                        0 => {}
                        1 => chunk.fill(0xFF),
                        2 => chunk.fill(0),
                        _ => chunk.iter_mut().zip(self.random.to_be_bytes()).for_each(|(b, r)| *b = r),
                    }
                }
                for _ in 0..if leaves == Leaves::Weak { 64 } else { 0 } {
                    let at = start + self.draw() as usize % length;
                    self.unstable.wavering.push((at, 1 << (at % 8)));
                }
                self.unstable.restless |= leaves == Leaves::Weak && self.draw() & 1 == 0;
            }
            // All but over, or hardly begun: a real F103's page erase that is stopped at once leaves 4.5 % of the old
            // 0 bits, after 15 us 0.35 %, after 50 us none. The few bits that are between the two are what counts.
            Leaves::Faint | Leaves::Nearly | Leaves::Late | Leaves::Early => {
                if matches!(leaves, Leaves::Nearly | Leaves::Early) {
                    self.cells[start..start + length].fill(0xFF);
                }
                let turns = matches!(leaves, Leaves::Late | Leaves::Early);
                // An even number would turn a unit back.
                for number in 0..8 {
                    let Some(&i) = used.get(self.draw() as usize % used.len().max(1)) else { break };
                    let unit = (start + i) / self.unit;
                    let mask = self.some(!old[i]);
                    match (self.rule, turns) {
                        (Cells::Ecc, true) if number == 0 => self.unstable.turn_unit(unit),
                        (Cells::Ecc, true) => {}
                        (Cells::Ecc, false) => self.unstable.flaky.push(unit),
                        (_, true) => self.unstable.turn_bits(start + i, mask),
                        (_, false) => self.unstable.wavering.push((start + i, mask)),
                    }
                }
            }
        }
    }
}

impl Memory for Flash {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let range = self.readable(address, length)?;
        if let Some(shown) = self.unstable.shown(&range, &self.cells) {
            return shown.get(range);
        }
        let slip = self.slip.as_ref().filter(|slip| range.contains(&slip.at));
        slip.map_or(&self.cells[..], |slip| self.shown(slip)).get(range)
    }
}

impl Port for Flash {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        if !config.is_writable(sector.base, sector.size) {
            return Err(FlashFault::WriteProtected);
        }
        let start = (sector.base - BASE) as usize;
        self.erase_sector(start, sector.size as usize)?;
        let blank = |bytes: &[u8]| bytes.chunks(64).all(|chunk| chunk == &[0xFF; 64][..chunk.len()]);
        if self.bytes(sector.base, sector.size).is_some_and(blank) {
            Ok(())
        } else {
            Err(FlashFault::NotErased)
        }
    }

    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        let length = data.len() as u32;
        if !config.is_writable(address, length) {
            return Err(FlashFault::WriteProtected);
        }
        if !(address as usize).is_multiple_of(self.unit) || !data.len().is_multiple_of(self.unit) {
            return Err(FlashFault::Alignment);
        }
        let Some(old) = self.bytes(address, length) else { return Err(FlashFault::NotErased) };
        if old.iter().zip(data).any(|(old, new)| *old != 0xFF && old != new) {
            return Err(FlashFault::NotErased);
        }
        let start = (address - BASE) as usize;
        for (i, new) in data.chunks_exact(self.unit).enumerate() {
            let at = start + i * self.unit;
            // A unit that reads as wanted is left alone, as the firmware's driver does it.
            if &self.cells[at..at + self.unit] != new {
                self.program_unit(at, new)?;
            }
        }
        if self.bytes(address, length) == Some(data) { Ok(()) } else { Err(FlashFault::ReadBack) }
    }
}
