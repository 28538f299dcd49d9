//! The sweep: a million power cuts on the shipped binary.
//!
//! A [`scenarios::Scenario`] is a script of a real run, which is run forward once ([`bench`]). At
//! every flash and option byte operation of it a board goes on from what a cut before, inside or
//! after that operation leaves; inside with solid bits, with bits that change at each reset, and
//! with bits that change at each read. Then the board starts, and starts again, and at each
//! operation of its recovery it is cut once more ([`engine`]). After every start the promises of
//! docs/INVARIANTS.md must hold ([`checks`]). A failure names its [`case::Case`], which can be run
//! again by itself and be told as a timeline ([`trace`]).
//!
//! Counted are cuts that were run. Flash that fails without a cut ([`faults`], [`aging`]) is counted apart.

mod aging;
pub mod bench;
pub mod case;
pub mod checks;
pub mod depth;
pub mod engine;
mod faults;
pub mod scenarios;
pub mod trace;
mod tried;
mod updates;

use anyhow::{Context, Result, ensure};
use case::Case;
use checks::Failure;
use depth::{Depth, Every};
use engine::Recorded;
use scenarios::Scenario;
use std::fmt;
use std::time::Instant;
use surefoot_images::Image;
use surefoot_sim::random::Random;
use trace::Trace;
pub use tried::Tried;

/// What to sweep.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides all that is random.
    pub seed: u64,
    /// This part of all operations ...
    pub shard: usize,
    /// ... of so many.
    pub shards: usize,
    /// This thread of so many that share the shard.
    pub thread: (usize, usize),
    /// Seeds for each kind of torn operation of flash.
    pub seeds: u8,
    /// The same for the last words of the journal's records: such a word makes a record count, and one
    /// that reads well at first and badly later is rare.
    pub last_words: u8,
    /// How much is tried.
    pub effort: Effort,
    /// Ways of a second cut that are drawn at each place, of four, where every place is cut.
    pub draws: u8,
    /// The places of second cuts that were tried, by other threads too.
    pub tried: Tried,
    /// The states of the flash that boards were started with after a cut, likewise.
    pub states: Tried,
    /// Faults of the flash in each scenario's run, of which those that are sampled get a quarter.
    pub faults: usize,
    /// Only scenarios whose name contains this.
    pub only: Option<String>,
    /// The bootloader.
    pub firmware: Image,
    /// So many failures end it: a bootloader that hangs takes half a minute for each.
    pub most_failures: u64,
}

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// About so many cuts, spread over the scenarios.
    Spread(u64),
    /// Every first cut, and every second one after each of them, in the scenarios that are not
    /// sampled; in the others about so many, spread.
    Every(u64),
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Cuts run, second ones among them.
    pub cuts: u64,
    /// Second cuts.
    pub second_cuts: u64,
    /// Second cuts that were not run, since one before them found the same in the flash and had to keep
    /// the same promise.
    pub same: u64,
    /// Starts of a board that were checked.
    pub starts: u64,
    /// Updates taken afterwards.
    pub updates: u64,
    /// Faults of the flash, in the run or in the start after a cut.
    pub faults: u64,
    /// Starts that ended in update mode, in the confirmed image, in one on trial, in an image on a
    /// board without a journal, and in update mode since the image that was to run was misread.
    pub found: [u64; 5],
    /// Cases after which the board was of no use, or had lost what it must keep.
    pub bricked: u64,
    /// Cases after which it ran something that it must not run.
    pub unaccepted: u64,
    /// Those cases, the first of each scenario in words.
    pub failures: Vec<String>,
}

/// Failures told in words.
const MOST_TOLD: usize = 20;

impl Figures {
    /// Adds another part's.
    pub fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.second_cuts += other.second_cuts;
        self.same += other.same;
        self.starts += other.starts;
        self.updates += other.updates;
        self.faults += other.faults;
        self.bricked += other.bricked;
        self.unaccepted += other.unaccepted;
        self.found.iter_mut().zip(other.found).for_each(|(sum, n)| *sum += n);
        self.failures.extend(other.failures);
    }

    /// True when nothing failed and something was tried.
    pub fn passed(&self) -> bool {
        self.cuts + self.faults > 0 && self.bricked == 0 && self.unaccepted == 0
    }

    /// Cases that failed.
    pub fn failed(&self) -> u64 {
        self.bricked + self.unaccepted
    }

    fn fail(&mut self, case: &Case, failure: Failure) {
        match failure {
            Failure::Bricked(_) | Failure::NoSuchPlace(_) => self.bricked += 1,
            Failure::Unaccepted(_) => self.unaccepted += 1,
        }
        if self.failures.len() < MOST_TOLD {
            let again = format!("cargo xtask sweep --case {case} --trace");
            self.failures.push(format!("{case}: {}\n  again: {again}", failure.why()));
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, bricked, unaccepted, .. } = self;
        write!(f, "sweep: {cuts} cuts, {bricked} bricked, {unaccepted} unaccepted images")
    }
}

/// A scenario's part of the work, for a report.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub scenario: String,
    /// Its operations.
    pub operations: usize,
    /// What came out.
    pub figures: Figures,
    /// Seconds that it took, those of all threads together.
    pub seconds: f64,
}

/// How far a shard is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Cuts made.
    pub cuts: u64,
    /// Share of the operations that were gone through.
    pub share: f64,
}

/// Runs a shard. `progress` hears how far it is.
pub fn run(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Part>> {
    let wanted = |s: &Scenario| options.only.as_ref().is_none_or(|only| s.name.contains(only.as_str()));
    let mut board = bench::bare_board();
    let mut recorded = Vec::new();
    for scenario in scenarios::all().into_iter().filter(wanted) {
        let started = Instant::now();
        let mut one = Recorded::new(scenario, options.firmware, &mut board)?;
        one.swap_board(&mut board);
        one.pilot(options.seed);
        one.swap_board(&mut board);
        one.seconds = started.elapsed().as_secs_f64();
        one.states = options.states.clone();
        recorded.push(one);
    }
    ensure!(!recorded.is_empty(), "no scenario has such a name");
    let shares = shares(options, &recorded);
    let mut parts = Vec::new();
    let all: usize = recorded.iter().map(Recorded::operations).sum();
    let (mut done, mut gone) = (0, 0);
    for (mut one, (first, second)) in recorded.into_iter().zip(shares) {
        let started = Instant::now();
        one.swap_board(&mut board);
        let (first, second) = (parts_of(first), parts_of(second));
        let Options { seeds, last_words, draws, seed, .. } = *options;
        let every = Every { tried: options.tried.clone(), draws, seed };
        let every = options.tries_every(&one.scenario).then_some(every);
        let depth = Depth { seeds, last_words, first, second, every, most_failures: options.most_failures };
        let mut figures = Figures::default();
        let seed = Random::new(options.seed ^ hash(&one.scenario.name)).bits();
        for operation in (1..=one.operations()).filter(|n| options.works_on(*n)) {
            let before = figures.cuts;
            one.cuts_at(operation, &depth, seed, &mut figures);
            done += figures.cuts - before;
            progress(Progress { cuts: done, share: (gone + operation) as f64 / all as f64 });
            if options.is_enough(&figures) {
                break;
            }
        }
        let faults = if one.scenario.sampled { options.faults.div_ceil(4) } else { options.faults };
        for (number, fault) in one.list_of_faults(faults, seed).into_iter().enumerate() {
            if options.is_enough(&figures) {
                break;
            }
            if options.works_on(number) {
                one.try_fault(fault, &mut figures);
            }
        }
        gone += one.operations();
        let enough = options.is_enough(&figures);
        one.swap_board(&mut board);
        let seconds = one.seconds + started.elapsed().as_secs_f64();
        parts.push(Part {
            scenario: one.scenario.name.clone(),
            operations: one.operations(),
            figures,
            seconds,
        });
        if enough {
            break;
        }
    }
    Ok(parts)
}

/// The shares of first and of second cuts for each scenario, so that those that are spread come to what
/// was asked for. At most half of them are first cuts; a scenario has as many second cuts as the
/// others, by its weight, as far as it goes. Where every cut is tried the share says nothing.
fn shares(options: &Options, recorded: &[Recorded]) -> Vec<(f64, f64)> {
    let (Effort::Spread(cuts) | Effort::Every(cuts)) = options.effort;
    let kinds = Depth { seeds: options.seeds, ..Depth::default() }.first_cuts() as f64;
    // A start takes about as long as fifty operations; who copies much is tried less often.
    let weight = |r: &Recorded| match options.tries_every(&r.scenario) {
        true => 0.0,
        false => r.scenario.weight() * 50.0 / (50.0 + r.recovery),
    };
    let all: Vec<f64> = recorded.iter().map(|r| r.operations() as f64 * kinds * weight(r)).collect();
    let share = (cuts as f64 / 2.0 / all.iter().sum::<f64>()).min(1.0);
    let first: Vec<f64> = all.iter().map(|all| all * share).collect();
    let possible: Vec<f64> = recorded
        .iter()
        .zip(&first)
        .map(|(r, first)| first * r.recovery * (Depth::SECOND_CUTS - 1) as f64)
        .collect();
    let mut left = cuts as f64 - first.iter().sum::<f64>();
    let mut weights: f64 = recorded.iter().map(weight).sum();
    let mut second = vec![0.0; recorded.len()];
    let mut order: Vec<usize> = (0..recorded.len()).collect();
    // Who has the fewest takes all of them, and leaves the rest of its part to the others.
    let wealth = |n: usize| possible[n] / weight(&recorded[n]);
    order.sort_by(|&a, &b| wealth(a).total_cmp(&wealth(b)));
    for number in order {
        let part = (left * weight(&recorded[number]) / weights).max(0.0);
        let taken = part.min(possible[number]);
        second[number] = if possible[number] > 0.0 { taken / possible[number] } else { 1.0 };
        left -= taken;
        weights -= weight(&recorded[number]);
    }
    recorded.iter().map(|r| (share * weight(r)).min(1.0)).zip(second).collect()
}

impl Options {
    /// True for what is this shard's and this thread's. Not every so many-th: the words of a record are
    /// alike in cost. A shard's part is the same whatever the number of threads.
    fn works_on(&self, operation: usize) -> bool {
        let mut random = Random::new(operation as u64);
        [(self.shard, self.shards), self.thread]
            .into_iter()
            .all(|(n, of)| random.below(of as u64) == n as u64)
    }

    /// True when what was looked for is found.
    fn is_enough(&self, figures: &Figures) -> bool {
        figures.failed() >= self.most_failures
    }

    /// True when every cut of this scenario is tried, instead of a share of them.
    fn tries_every(&self, scenario: &Scenario) -> bool {
        matches!(self.effort, Effort::Every(_)) && !scenario.sampled
    }
}

/// In 2^32 parts.
fn parts_of(share: f64) -> u64 {
    (share * (1u64 << 32) as f64) as u64
}

fn hash(name: &str) -> u64 {
    name.bytes().fold(0, |hash, byte| Random::new(hash ^ u64::from(byte)).bits())
}

/// Runs one case on a board with this bootloader; with a timeline if that is wanted.
pub fn replay(case: &Case, firmware: Image, told: bool) -> Result<(Figures, Trace)> {
    let scenario =
        scenarios::find(&case.scenario).with_context(|| format!("no scenario {:?}", case.scenario))?;
    let mut figures = Figures::default();
    let mut board = bench::bare_board();
    let mut recorded = Recorded::new(scenario, firmware, &mut board)?;
    recorded.swap_board(&mut board);
    recorded.trace = told.then(Trace::default);
    recorded.replay(case, &mut figures)?;
    Ok((figures, recorded.trace.unwrap_or_default()))
}
