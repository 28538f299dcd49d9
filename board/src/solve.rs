//! The layout solver: chip, application and strategy to slots and journal, or a proof that none fit.
//!
//! Slots are gapless runs of whole sectors, and sectors of an F4 are uneven, so where the journal and
//! the boundary between two slots stand decides how big an application can get. [`solve`] looks at
//! every place of the journal and of the slot that limits the application, with the smallest run for
//! the other slot, so nothing better exists; the order of preference is [`Rank`]'s. What an update
//! then takes is in [`effort`], the words are in [`words`], a board file around it in [`mod@file`].

pub mod effort;
pub mod file;
pub mod words;

use crate::layout::{Layout, LayoutError, Request, Span};
use std::cmp::Reverse;
use std::ops::Range;
use surefoot_chips::{Banks, Chip, Flash, Sector, Timing};
use surefoot_core::config::{MAX_REGIONS, OWNER_JOURNAL, OWNER_SLOT0, OWNER_SLOT1, Strategy};
use surefoot_core::image::manifest;
use surefoot_core::journal::{MIN_RECORDS, RECORD_LEN};

/// What a layout has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// One bank or two, on parts that can be both; the factory's setting otherwise.
    pub banks: Option<Banks>,
    /// Bytes of the bootloader.
    pub bootloader: u32,
    /// What an update does with the slots.
    pub strategy: Strategy,
    /// A journal, which only the strategy `single` can do without.
    pub journal: bool,
    /// Bytes of the application without its manifest; `None`: as many as can be had.
    pub application: Option<u32>,
}

impl Task {
    /// A bootloader of 16K, a journal, and the biggest application.
    pub const fn new(strategy: Strategy) -> Self {
        Self { banks: None, bootloader: 16 * 1024, strategy, journal: true, application: None }
    }

    const fn has_journal(&self) -> bool {
        self.journal || !matches!(self.strategy, Strategy::Single)
    }

    const fn slots(&self) -> usize {
        if matches!(self.strategy, Strategy::Single) { 1 } else { 2 }
    }
}

/// An answer: the best layout there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What was asked for.
    pub task: Task,
    /// As a board file says it, every region with its size.
    pub request: Request,
    /// The same, checked.
    pub layout: Layout,
    /// Bytes of the biggest image, its manifest included, that every slot holds.
    pub capacity: u32,
}

impl Plan {
    /// Bytes of the biggest application, without its manifest.
    pub const fn room(&self) -> u32 {
        self.capacity.saturating_sub(manifest::LEN as u32)
    }
}

/// Why there is no layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// The chip's flash cannot be arranged so.
    Arrangement(LayoutError),
    /// The bootloader's sectors leave too few for journal and slots.
    NoSectors {
        /// What was asked for.
        task: Task,
        /// The flash.
        flash: Flash,
    },
    /// The application is bigger than what the best layout holds.
    TooBig {
        /// The best layout; its task says what was asked for.
        best: Box<Plan>,
    },
}

/// Sectors by their index.
type Run = Range<usize>;

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Places {
    bootloader: Run,
    journal: Option<Run>,
    /// Slot 0 and slot 1.
    slots: [Option<Run>; 2],
}

/// The order of preference, the greatest is the best.
///
/// Room comes first, for a slot cannot be made bigger on a board that is sold. Then slots inside one
/// bank: an application goes on running while the other bank is written, and stalls where it shares
/// one. Then what stays free, the time of an update, and low addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    capacity: u32,
    slots_over_both_banks: Reverse<usize>,
    taken: Reverse<u32>,
    update_ms: Reverse<u64>,
    order: Reverse<[usize; 3]>,
}

/// The best layout of `chip` for `task`; times count with `timing`.
pub fn solve(chip: &Chip, task: &Task, timing: Option<&Timing>) -> Result<Plan, Impossible> {
    // The layout check knows how to refuse an arrangement.
    let flash = match task.banks {
        None => chip.default_flash(),
        Some(banks) => chip.flash_with(banks).ok_or(Impossible::Arrangement(LayoutError::Banks {
            chip: chip.name,
            dual: banks == Banks::Dual,
        }))?,
    };
    let search = Search { sectors: flash.sectors().collect(), task, timing };
    let Some((capacity, places)) = search.best() else {
        return Err(Impossible::NoSectors { task: *task, flash: flash.clone() });
    };
    let request = search.request(&places);
    let layout = Layout::check(chip, &request).map_err(Impossible::Arrangement)?;
    let plan = Plan { task: *task, request, layout, capacity };
    match task.application {
        Some(bytes) if effort::image_len(bytes) > u64::from(capacity) => {
            Err(Impossible::TooBig { best: Box::new(plan) })
        }
        _ => Ok(plan),
    }
}

struct Search<'a> {
    sectors: Vec<Sector>,
    task: &'a Task,
    timing: Option<&'a Timing>,
}

impl Search<'_> {
    fn best(&self) -> Option<(u32, Places)> {
        let bootloader = self.bootloader()?;
        let mut best: Option<(Rank, Places)> = None;
        for journal in self.journals(bootloader.end) {
            for limiting in self.runs(bootloader.end) {
                for other in self.others(bootloader.end, &journal, &limiting) {
                    let places = self.places(&bootloader, &journal, &limiting, other);
                    if !self.is_whole(&places) {
                        continue;
                    }
                    let rank = self.rank(&places);
                    if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                        best = Some((rank, places));
                    }
                }
            }
        }
        best.map(|(rank, places)| (rank.capacity, places))
    }

    /// The fewest sectors from the start.
    fn bootloader(&self) -> Option<Run> {
        let run = self.smallest_run(0, self.task.bootloader.max(1))?;
        (run.end < self.sectors.len()).then_some(run)
    }

    /// Every place of the journal.
    fn journals(&self, from: usize) -> Vec<Option<Run>> {
        if !self.task.has_journal() {
            return vec![None];
        }
        let fits = |i: usize| self.sectors[i].size >= MIN_RECORDS * RECORD_LEN;
        let starts = (from..self.sectors.len().saturating_sub(1)).filter(|&i| fits(i) && fits(i + 1));
        starts.map(|i| i..i + 2).filter(|run| self.is_gapless(run)).map(Some).collect()
    }

    /// Every gapless run of sectors.
    fn runs(&self, from: usize) -> impl Iterator<Item = Run> + '_ {
        let to = self.sectors.len();
        (from..to).flat_map(move |i| (i + 1..=to).map(move |end| i..end)).filter(|run| self.is_gapless(run))
    }

    /// For the other slot the smallest run from every sector on that is not smaller than the one that
    /// limits the application. With one slot there is one answer: none.
    fn others(&self, from: usize, journal: &Option<Run>, limiting: &Run) -> Vec<Option<Run>> {
        let apart = |a: &Run, b: &Run| a.end <= b.start || b.end <= a.start;
        if journal.as_ref().is_some_and(|j| !apart(j, limiting)) {
            return Vec::new();
        }
        if self.task.slots() == 1 {
            return vec![None];
        }
        let size = self.size(limiting);
        (from..self.sectors.len())
            .filter_map(|i| self.smallest_run(i, size))
            .filter(|run| apart(run, limiting) && journal.as_ref().is_none_or(|j| apart(j, run)))
            .map(Some)
            .collect()
    }

    /// The smallest gapless run from sector `start` on with at least `size` bytes.
    fn smallest_run(&self, start: usize, size: u32) -> Option<Run> {
        let ends = start + 1..=self.sectors.len();
        let run = ends.map(|end| start..end).find(|run| self.size(run) >= size)?;
        self.is_gapless(&run).then_some(run)
    }

    fn places(&self, bootloader: &Run, journal: &Option<Run>, limiting: &Run, other: Option<Run>) -> Places {
        let slots = match (self.task.strategy, other) {
            // Slot A is the lower one. A backup slot is never smaller than what it is a backup of.
            (Strategy::Ab, Some(other)) if other.start < limiting.start => {
                [Some(other), Some(limiting.clone())]
            }
            (_, other) => [Some(limiting.clone()), other],
        };
        Places { bootloader: bootloader.clone(), journal: journal.clone(), slots }
    }

    /// The block has room for the flash map.
    fn is_whole(&self, places: &Places) -> bool {
        let owner = |i: &usize| match places {
            Places { journal: Some(run), .. } if run.contains(i) => OWNER_JOURNAL,
            Places { slots: [Some(run), _], .. } if run.contains(i) => OWNER_SLOT0,
            Places { slots: [_, Some(run)], .. } if run.contains(i) => OWNER_SLOT1,
            _ => 0,
        };
        let alike = |i: usize| {
            let (a, b) = (&self.sectors[i], &self.sectors[i + 1]);
            (a.size, a.end(), a.number + 1, owner(&i)) == (b.size, b.base, b.number, owner(&(i + 1)))
        };
        let seams = (0..self.sectors.len() - 1).filter(|&i| !alike(i)).count();
        seams < MAX_REGIONS
    }

    fn rank(&self, places: &Places) -> Rank {
        let slots = || places.slots.iter().flatten();
        let capacity = slots().map(|run| self.size(run)).min().unwrap_or(0);
        let banks = |run: &Run| (self.sectors[run.start].bank, self.sectors[run.end - 1].bank);
        let over = slots().map(banks).filter(|(first, last)| first != last).count();
        let all = places.journal.iter().chain(slots());
        let sizes = |run: &Run| self.sectors[run.clone()].iter().map(|s| s.size).collect::<Vec<_>>();
        let image = self.task.application.map_or(capacity.into(), effort::image_len);
        let update_ms = self.timing.map_or(0, |timing| {
            let slots: Vec<Vec<u32>> = slots().map(sizes).collect();
            let journal = places.journal.iter().flat_map(sizes).map(|s| effort::erase_ms(s, timing).max);
            let slots = effort::slots_worst_us(self.task.strategy, &slots, image, timing) / 1000;
            slots + u64::from(journal.max().unwrap_or(0))
        });
        let start = |run: &Option<Run>| run.as_ref().map_or(0, |r| r.start);
        Rank {
            capacity,
            slots_over_both_banks: Reverse(over),
            taken: Reverse(all.map(|run| self.size(run)).sum()),
            update_ms: Reverse(update_ms),
            order: Reverse([start(&places.journal), start(&places.slots[0]), start(&places.slots[1])]),
        }
    }

    fn size(&self, run: &Run) -> u32 {
        self.sectors[run.clone()].iter().map(|s| s.size).sum()
    }

    fn is_gapless(&self, run: &Run) -> bool {
        self.sectors[run.clone()].windows(2).all(|pair| pair[0].end() == pair[1].base)
    }

    fn request(&self, places: &Places) -> Request {
        let span = |run: &Run| Span { base: self.sectors[run.start].base, size: Some(self.size(run)) };
        let [first, second] = &places.slots;
        let application = first.as_ref().map_or(Span { base: 0, size: None }, span);
        let second = second.as_ref().map(span);
        let ab = self.task.strategy == Strategy::Ab;
        Request {
            banks: self.task.banks,
            journal: places.journal.as_ref().map(span),
            second: second.filter(|_| ab),
            backup: second.filter(|_| !ab),
            ..Request::new(self.size(&places.bootloader), application)
        }
    }
}
