//! The flash array: what program and erase operations leave in it, whole, torn or failed.
//!
//! Bits only go from 1 to 0 when programmed; an erase sets all of a sector.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::weak::Weak;
use super::{FLASH, Pages, little};
use crate::cpu::{Cpu, Order, PAGE, ROUTED};
use crate::fault::Bits;
use crate::random::Random;

/// Bytes that are put back together: few, since code that changed is translated anew.
const PART: usize = 64;
/// Ways to draw how many bits a hardly begun or nearly finished erase has on their way: one in 64, 128 ... 65,536.
const FEWEST: u64 = 11;

/// Pages that snapshots share as one, while none of them has changed.
const GROUP: usize = 16;

/// A page of flash in a snapshot; pages that did not change are shared between snapshots.
type SharedPage = Arc<[u8; PAGE]>;
/// The pages of a group.
type SharedGroup = Arc<[SharedPage]>;

/// What was worked out of a page, while it has not changed since.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// The page as of the last snapshot or restore.
    shared: Option<SharedPage>,
    /// A hash of its cells and of which are unstable.
    print: Option<u64>,
}

/// The flash array.
#[derive(Debug)]
pub(crate) struct Flash {
    pub(super) pages: Pages,
    kept: Vec<Kept>,
    /// The groups as of the last snapshot or restore, where no page of them has changed since.
    groups: Vec<Option<SharedGroup>>,
    weak: Weak,
    /// What unstable bits read as.
    noise: Random,
    /// Parts of pages whose data reads the core makes over the bus, by number.
    routed: BTreeSet<usize>,
}

/// The array in a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct SavedFlash {
    groups: Vec<SharedGroup>,
    weak: Weak,
    noise: Random,
}

impl Flash {
    pub(super) fn new(length: usize) -> Self {
        Self {
            pages: Pages::new(length, 0xFF),
            kept: vec![Kept::default(); length / PAGE],
            groups: vec![None; (length / PAGE).div_ceil(GROUP)],
            weak: Weak::default(),
            noise: Random::new(0),
            routed: BTreeSet::new(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.bytes()
    }

    /// What is stored; unstable bits as they were drawn last.
    pub(crate) fn read(&self, offset: usize, bytes: usize) -> u32 {
        little(&self.bytes()[offset..offset + bytes])
    }

    /// A read over the bus: unstable bits read as they like.
    pub(crate) fn sense(&mut self, offset: usize, bytes: usize) -> u32 {
        let stored = self.read(offset, bytes);
        self.weak.disturb(offset, bytes, stored, &mut self.noise)
    }

    /// Bits of the `bytes` at `offset` that are unstable.
    pub(crate) fn unstable(&self, offset: usize, bytes: usize) -> u32 {
        if self.weak.is_empty() {
            return 0;
        }
        (0..bytes).rev().fold(0, |mask, i| mask << 8 | u32::from(self.weak.bits(offset + i)))
    }

    /// How many bits in `range` are unstable.
    pub(crate) fn count_unstable(&self, range: Range<usize>) -> u64 {
        self.weak.count(range)
    }

    /// Puts `data` there as a programmer with its own algorithm would, NOR rules aside.
    pub(crate) fn load(&mut self, offset: usize, data: &[u8]) {
        let range = offset..offset + data.len();
        self.changed(range.clone());
        self.weak.clear(range.clone());
        self.pages.bytes_mut()[range].copy_from_slice(data);
    }

    /// Programs: bits that are 0 in `value` go to 0, no bit goes to 1.
    pub(crate) fn program(&mut self, offset: usize, bytes: usize, value: u64) {
        self.changed(offset..offset + bytes);
        for (at, bits) in (offset..offset + bytes).zip(value.to_le_bytes()) {
            self.pages.bytes_mut()[at] &= bits;
            self.weak.keep(at, bits);
        }
    }

    /// A program operation that the supply did not last through: any subset of the bits that
    /// should have gone to 0 did, and of the others any subset is unstable, if `left` says so. Most of
    /// them did where the supply failed late, few where it failed early: a word that reads well once, or
    /// as erased, and otherwise later, is what is hardest on the reader.
    pub(crate) fn tear(&mut self, offset: usize, bytes: usize, value: u64, left: Bits, random: &mut Random) {
        let (half, few) = (random.bits(), random.bits() & random.bits() & random.bits());
        let (done, weak) = match random.below(4) {
            0 => (!few, few),
            1 => (few & half, few),
            _ => (half, random.bits()),
        };
        let weak = if left == Bits::Solid { 0 } else { weak };
        self.changed(offset..offset + bytes);
        let each = value.to_le_bytes().into_iter().zip(done.to_le_bytes()).zip(weak.to_le_bytes());
        for (at, ((value, done), weak)) in (offset..offset + bytes).zip(each) {
            let cell = self.pages.bytes()[at];
            // What was unstable before may be 1, whatever it reads as.
            let torn = !value & weak & (cell | self.weak.bits(at));
            let cleared = !value & done & !weak;
            self.weak.keep(at, !cleared);
            self.leave(at, torn, left, cell & !cleared);
        }
    }

    /// Erases all of `range`.
    pub(crate) fn erase(&mut self, range: Range<usize>) {
        self.changed(range.clone());
        self.weak.clear(range.clone());
        self.pages.bytes_mut()[range].fill(0xFF);
    }

    /// An erase that stopped half-way. The manual does not say how the array erases, so any of:
    ///
    /// - the cells were being programmed before they are erased together, as NOR flash does: a
    ///   prefix is 0, then a stretch where bits are on the way there, the rest is as it was;
    /// - a prefix is erased, behind it a stretch has some bits set, the rest is as it was;
    /// - every bit of the sector may be set or not;
    /// - nearly all is erased, or hardly anything: few bits are on their way.
    pub(crate) fn half_erase(&mut self, range: Range<usize>, left: Bits, random: &mut Random) {
        self.changed(range.clone());
        let length = range.len() as u64;
        let first = random.below(length + 1);
        let second = first + random.below(length - first + 1);
        let [first, second] = [first, second].map(|at| range.start + at as usize);
        match random.below(5) {
            0 => {
                self.weak.clear(range.start..first);
                self.pages.bytes_mut()[range.start..first].fill(0);
                self.mix(first..second, left, random, |cell, on| cell & !on, |cell| cell);
            }
            1 => {
                self.weak.clear(range.start..first);
                self.pages.bytes_mut()[range.start..first].fill(0xFF);
                self.mix(first..second, left, random, |cell, on| cell | on, |cell| !cell);
            }
            2 => self.mix(range, left, random, |cell, on| cell | on, |cell| !cell),
            3 => {
                for (at, bit) in self.few_to_erase(range, random) {
                    let cell = self.pages.bytes()[at];
                    self.leave(at, bit, left, cell | bit);
                }
            }
            _ => {
                let few = self.few_to_erase(range.clone(), random);
                self.weak.clear(range.clone());
                self.pages.bytes_mut()[range].fill(0xFF);
                for (at, bit) in few {
                    let cell = self.pages.bytes()[at];
                    self.leave(at, bit, left, cell & !bit);
                }
            }
        }
    }

    /// Few of the bits of `range` that an erase changes, as byte and mask: one in 64 to one in 65,536. The
    /// fewest leave an image that may well read as whole.
    fn few_to_erase(&self, range: Range<usize>, random: &mut Random) -> Vec<(usize, u8)> {
        let bits = range.len() as u64 * 8;
        let few = (bits >> 6 >> random.below(FEWEST)).max(1);
        let any = (0..few).map(|_| random.below(bits) as usize);
        any.map(|bit| (range.start + bit / 8, 1 << (bit % 8)))
            .filter(|&(at, bit)| self.pages.bytes()[at] & bit == 0)
            .collect()
    }

    /// Every bit of `range` that `moving` names goes the way of `moved`, stays, or is unstable.
    fn mix(
        &mut self,
        range: Range<usize>,
        left: Bits,
        random: &mut Random,
        moved: impl Fn(u8, u8) -> u8,
        moving: impl Fn(u8) -> u8,
    ) {
        for start in range.clone().step_by(8) {
            let on = random.bits().to_le_bytes();
            let weak = if left == Bits::Solid { [0; 8] } else { random.bits().to_le_bytes() };
            for (at, (on, weak)) in (start..range.end.min(start + 8)).zip(on.into_iter().zip(weak)) {
                let cell = self.pages.bytes()[at];
                self.leave(at, moving(cell) & weak, left, moved(cell, on));
            }
        }
    }

    /// A byte as a torn erase leaves it.
    fn leave(&mut self, at: usize, weak: u8, left: Bits, cell: u8) {
        self.pages.bytes_mut()[at] = cell;
        if left != Bits::Solid {
            self.weak.mark(at, weak, left == Bits::Restless);
        }
    }

    /// Sets and clears bits of a word that do not do what they are told.
    pub(crate) fn force(&mut self, offset: usize, ones: u32, zeros: u32) {
        self.changed(offset..offset + 4);
        let word = (self.read(offset, 4) | ones) & !zeros;
        self.pages.bytes_mut()[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    }

    /// These bits of a byte are unstable, if `left` says so.
    pub(crate) fn weaken(&mut self, at: usize, bits: u8, left: Bits) {
        self.changed(at..at + 1);
        if left != Bits::Solid {
            self.weak.mark(at, bits, left == Bits::Restless);
        }
    }

    /// A reset: every unstable bit reads as it likes from now on.
    pub(crate) fn redraw(&mut self, seed: u64, orders: &mut Vec<Order>) {
        self.noise = Random::new(seed);
        let Self { pages, kept, groups, weak, noise, .. } = self;
        weak.redraw(pages.bytes_mut(), noise, |changed| {
            kept[changed.start / PAGE] = Kept::default();
            groups[changed.start / PAGE / GROUP] = None;
            orders.push(invalid(changed));
        });
    }

    /// Has the core make the reads of restless parts of pages over the bus, and no others. Right before
    /// the core's next instruction after any change.
    pub(crate) fn route(&mut self, order: &mut dyn FnMut(Order)) {
        if self.weak.is_empty() && self.routed.is_empty() {
            return;
        }
        let wanted: BTreeSet<usize> = self.weak.restless().collect();
        let address = |number: &usize| FLASH + (number * ROUTED) as u32;
        wanted.difference(&self.routed).for_each(|number| order(Order::Route(address(number), true)));
        self.routed.difference(&wanted).for_each(|number| order(Order::Route(address(number), false)));
        self.routed = wanted;
    }

    fn changed(&mut self, range: Range<usize>) {
        for page in range.start / PAGE..range.end.div_ceil(PAGE) {
            self.kept[page] = Kept::default();
            self.groups[page / GROUP] = None;
        }
    }

    /// The array for a snapshot; only pages that changed since the last one are copied.
    pub(crate) fn save(&mut self) -> SavedFlash {
        let Self { pages, kept, groups, .. } = self;
        let pages = pages.bytes().chunks(GROUP * PAGE);
        let shared = |(bytes, kept): (&[u8], &mut Kept)| {
            let copy = || Arc::new(bytes.try_into().expect("a page"));
            kept.shared.get_or_insert_with(copy).clone()
        };
        let each = groups.iter_mut().zip(pages).zip(kept.chunks_mut(GROUP));
        let groups = each.map(|((group, bytes), kept)| {
            let made = || bytes.chunks(PAGE).zip(kept).map(shared).collect();
            group.get_or_insert_with(made).clone()
        });
        SavedFlash { groups: groups.collect(), weak: self.weak.clone(), noise: self.noise.clone() }
    }

    /// A hash of all cells and of which of them are unstable: two arrays with the same one behave alike
    /// from the next loss of the supply on.
    pub(crate) fn print(&mut self) -> u64 {
        let Self { pages, kept, weak, .. } = self;
        let pages = pages.bytes().as_chunks::<PAGE>().0.iter().enumerate();
        let prints = pages.zip(kept).map(|((number, page), kept)| {
            *kept.print.get_or_insert_with(|| FxBuildHasher.hash_one((page, weak.page(number))))
        });
        prints.fold(0, |all, page| FxBuildHasher.hash_one((all, page)))
    }

    /// Puts a snapshot's array back, page by page where it differs.
    pub(crate) fn restore(&mut self, saved: &SavedFlash, cpu: &mut dyn Cpu) {
        let Self { pages, kept, groups, .. } = self;
        let each = groups.iter_mut().zip(&saved.groups).zip(kept.chunks_mut(GROUP)).zip((0..).step_by(GROUP));
        for (((group, saved), kept), first) in each {
            if group.as_ref().is_some_and(|g| Arc::ptr_eq(g, saved)) {
                continue;
            }
            for (i, (page, kept)) in (first..).zip(saved.iter().zip(kept)) {
                if kept.shared.as_ref().is_some_and(|s| Arc::ptr_eq(s, page)) {
                    continue;
                }
                let bytes = &mut pages.bytes_mut()[i * PAGE..][..PAGE];
                // What the core has translated of the rest stays.
                for (part, at) in bytes.chunks_mut(PART).zip((i * PAGE..).step_by(PART)) {
                    let saved = &page[at % PAGE..][..PART];
                    if part != saved {
                        part.copy_from_slice(saved);
                        cpu.order(invalid(at..at + PART));
                    }
                }
                *kept = Kept { shared: Some(page.clone()), print: None };
            }
            *group = Some(saved.clone());
        }
        self.weak = saved.weak.clone();
        self.noise = saved.noise.clone();
        self.route(&mut |order| cpu.order(order));
    }
}

/// What the core has translated of these offsets is not so any more.
fn invalid(changed: Range<usize>) -> Order {
    let [start, end] = [changed.start, changed.end].map(|at| FLASH + at as u32);
    Order::Invalidate(start, end)
}

impl SavedFlash {
    /// The bytes at an offset; `None` where they cross a page or the end.
    pub(crate) fn read(&self, offset: usize, bytes: usize) -> Option<&[u8]> {
        let page = self.groups.get(offset / PAGE / GROUP)?.get(offset / PAGE % GROUP)?;
        page.get(offset % PAGE..)?.get(..bytes)
    }

    /// Which bits of the byte at an offset are unstable.
    pub(crate) fn unstable(&self, offset: usize) -> u8 {
        self.weak.bits(offset)
    }
}
