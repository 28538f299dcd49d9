//! The sweep of power cuts over an update of a single slot.
//!
//! A board runs application 1, is brought into update mode, and takes application 2. The supply
//! fails before, inside or after one flash operation of that. Then, each time:
//!
//! - the board comes back in update mode, or in an application that the policy accepts;
//! - the bootloader's own sectors are as they were;
//! - the board takes the update again and boots it (on a full image: for every n-th case);
//! - no rule of the chip was broken that the cut does not explain.
//!
//! Leaves out second cuts during the recovery, and faults of the flash other than cuts.

use crate::fixtures::{SLOT, blinky_rust};
use crate::rig::{Found, Moment, Rig, example_key};
use anyhow::{Context, Result, ensure};
use std::fmt;
use surefoot_core::config::Policy;
use surefoot_host::files::Segments;
use surefoot_host::image;
use surefoot_host::job::{Finish, Plan};
use surefoot_images::F4_FULL;
use surefoot_sim::{Cut, Nanos, Violation, When};

/// Longest time from power-on to a decision that can be seen.
const DECISION: Nanos = Nanos::secs(3);

/// What to sweep.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides what torn words and half erases leave.
    pub seed: u64,
    /// This part of all cases ...
    pub shard: u64,
    /// ... of so many.
    pub shards: u64,
    /// An image that fills the slot, instead of the blinky.
    pub full: bool,
    /// Only every n-th operation.
    pub stride: u64,
    /// Only this operation.
    pub only: Option<(u64, When)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, shard: 0, shards: 1, full: false, stride: 1, only: None }
    }
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Cases run.
    pub cuts: u64,
    /// Cases after which the board was neither in update mode nor in an application, did not take
    /// the update again, or had a changed bootloader.
    pub bricked: u64,
    /// Cases after which it ran something that the policy does not accept.
    pub unaccepted: u64,
    /// Where the board was found: in update mode, in application 1, in application 2.
    pub found: [u64; 3],
    /// The first failures, in words.
    pub failures: Vec<String>,
    /// Time of the cuts with their reboots alone, and how many were timed.
    pub reboot: std::time::Duration,
}

impl Outcome {
    /// Adds another part's.
    pub fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.bricked += other.bricked;
        self.unaccepted += other.unaccepted;
        self.reboot += other.reboot;
        for (sum, n) in self.found.iter_mut().zip(other.found) {
            *sum += n;
        }
        self.failures.extend(other.failures);
    }

    /// True when nothing failed and something was tried.
    pub fn passed(&self) -> bool {
        self.cuts > 0 && self.bricked == 0 && self.unaccepted == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, bricked, unaccepted, .. } = self;
        write!(f, "sweep: {cuts} cuts, {bricked} bricked, {unaccepted} unaccepted images")
    }
}

/// Why a case failed.
enum Failure {
    Bricked(String),
    Unaccepted(String),
}

struct Sweep {
    rig: Rig,
    /// In update mode with application 1 in the slot, enumerated.
    ready: Moment,
    plan: Plan,
    old: Vec<u8>,
    new: Vec<u8>,
    seed: u64,
}

/// Runs the shard. `progress` hears of each case done, with the number of all in this shard.
pub fn run(options: Options, progress: &mut dyn FnMut(u64, u64)) -> Result<Outcome> {
    let mut sweep = Sweep::new(options)?;
    let operations = sweep.operations()?;
    let cases: Vec<(u64, When)> = (1..=operations)
        .step_by(options.stride.max(1) as usize)
        .flat_map(|n| [(n, When::Before), (n, When::Inside), (n, When::After)])
        .enumerate()
        .filter(|(i, case)| match options.only {
            Some(only) => only == *case,
            None => *i as u64 % options.shards == options.shard,
        })
        .map(|(_, case)| case)
        .collect();
    let mut outcome = Outcome::default();
    let total = cases.len() as u64;
    for (operation, when) in cases {
        match sweep.case(operation, when, &mut outcome) {
            Ok(()) => {}
            Err(Failure::Bricked(why)) => {
                outcome.bricked += 1;
                outcome.failures.push(replay(options, operation, when, &why));
            }
            Err(Failure::Unaccepted(why)) => {
                outcome.unaccepted += 1;
                outcome.failures.push(replay(options, operation, when, &why));
            }
        }
        outcome.cuts += 1;
        progress(outcome.cuts, total);
    }
    Ok(outcome)
}

/// A failure with the command that shows it again.
fn replay(options: Options, operation: u64, when: When, why: &str) -> String {
    let full = if options.full { " --full" } else { "" };
    let when = format!("{when:?}").to_lowercase();
    format!("{why}\n  again: cargo xtask sweep{full} --seed {} --case {operation}:{when}", options.seed)
}

impl Sweep {
    fn new(options: Options) -> Result<Self> {
        let mut rig = Rig::new(F4_FULL, Policy::Signature)?;
        let key = example_key()?;
        let old = rig.image(&blinky_rust(500, SLOT)?, [1, 0, 0], Some(&key))?;
        let new = if options.full {
            let room = rig.slot().length - surefoot_core::image::manifest::LEN as u32;
            rig.manifest(rig.filler(room), [2, 0, 0], Some(&key))?
        } else {
            rig.image(&blinky_rust(250, SLOT)?, [2, 0, 0], Some(&key))?
        };
        rig.power_on(DECISION);
        rig.attach()?;
        ensure!(rig.flash(&old)? == Finish::Application, "application 1 does not boot");
        rig.into_update_mode()?;
        rig.board.assert_no_violations(|_| false);
        let plan = rig.plan(&new)?;
        let (old, new) = (bytes(&old), bytes(&new));
        Ok(Self { ready: rig.moment(), rig, plan, old, new, seed: options.seed })
    }

    /// Flash operations of one undisturbed update.
    fn operations(&mut self) -> Result<u64> {
        self.rig.back_to(&self.ready);
        let before = self.rig.board.operations();
        let finish = self.rig.update(&self.plan)?;
        ensure!(finish == Finish::Application, "application 2 does not boot: {finish:?}");
        self.rig.board.assert_no_violations(|_| false);
        Ok(self.rig.board.operations() - before)
    }

    fn case(&mut self, operation: u64, when: When, outcome: &mut Outcome) -> Result<(), Failure> {
        self.rig.back_to(&self.ready);
        let number = self.rig.board.operations() + operation;
        let seed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ operation << 2 ^ when as u64;
        self.rig.board.cut(Cut::new(number, when, seed));
        let bricked = |why: String| Failure::Bricked(format!("cut {when:?} operation {operation}: {why}"));
        if self.rig.update(&self.plan).is_ok() || self.rig.board.is_powered() {
            return Err(bricked("the supply did not fail where it should".into()));
        }
        let start = std::time::Instant::now();
        let found = self.rig.power_on(DECISION);
        outcome.reboot += start.elapsed();
        let which = match found {
            Found::UpdateMode => 0,
            Found::Application => self
                .application()
                .map_err(|why| Failure::Unaccepted(format!("cut {when:?} operation {operation}: {why}")))?,
            Found::Nothing => {
                return Err(bricked(format!("nothing after power-on, pc 0x{:08X}", self.rig.board.pc())));
            }
        };
        outcome.found[which] += 1;
        if let Some(first) = self.broken_rules().first() {
            return Err(bricked(format!("a rule of the chip was broken: {first}")));
        }
        self.takes_the_update(found).map_err(|e| bricked(format!("{e:#}")))
    }

    /// Which of the two applications runs; an error when the policy accepts neither.
    fn application(&self) -> Result<usize> {
        let flash = self.rig.board.flash();
        let at = (SLOT - 0x0800_0000) as usize;
        let holds = |image: &[u8]| flash[at..].starts_with(image);
        let config = self.rig.config();
        let slot = self.rig.slot();
        let segments = Segments::one(slot.base, flash[at..].to_vec())?;
        image::check(config, slot, &segments).context("an image runs that the policy does not accept")?;
        ensure!(holds(&self.old) || holds(&self.new), "an image runs that nobody sent");
        Ok(if holds(&self.old) { 1 } else { 2 })
    }

    fn broken_rules(&self) -> Vec<Violation> {
        self.rig.board.violations().to_vec()
    }

    /// The bootloader is whole, and the update goes in now.
    fn takes_the_update(&mut self, found: Found) -> Result<()> {
        let sealed = &self.rig.sealed;
        ensure!(self.rig.board.flash().starts_with(sealed), "the bootloader has changed");
        match found {
            Found::UpdateMode => self.rig.attach()?,
            _ => self.rig.into_update_mode()?,
        }
        let finish = self.rig.update(&self.plan).context("the update is not taken again")?;
        ensure!(finish == Finish::Application, "after the second update: {finish:?}");
        ensure!(self.application()? == 2, "the old application is back");
        ensure!(self.rig.board.flash().starts_with(&self.rig.sealed), "the bootloader has changed");
        Ok(())
    }
}

fn bytes(image: &Segments) -> Vec<u8> {
    image.flat(image.start(), image.end())
}
