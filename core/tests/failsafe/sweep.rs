//! Cuts at every operation of a scenario, second cuts in the recovery, and the verdict.
//!
//! A case that fails is named by the line that replays it alone: `SUREFOOT_CASE='...' cargo test
//! -p surefoot-core --test failsafe`.

use super::board::{Board, Kind};
use super::flash::{Cut, Leaves, Operation, POINTS, When};
use super::scenario::{self, SCENARIOS, Scenario};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use surefoot_core::config::{OWNER_JOURNAL, Strategy};

static TOTAL: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicBool = AtomicBool::new(false);

/// True when some test has found a failure: the others come to an end.
pub fn has_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

/// Draws of what a cut leaves of an erase or of a record.
const DRAWS: u64 = 1;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// One cut in so many is made ...
    pub one_in: u64,
    /// ... and in the middle of an image's bytes, one in so many times as many.
    pub middle: u64,
    /// Second cuts for each first one.
    pub seconds: usize,
    /// What a cut inside an operation leaves is drawn so often, where that matters most.
    pub draws: u64,
    /// What is left to chance.
    pub seed: u64,
}

impl Effort {
    /// `SUREFOOT_FULL` asks for every cut and more second ones, `SUREFOOT_SEED` for other chances,
    /// `SUREFOOT_QUICK` for fewer cuts and an end at the first failure.
    pub fn new(one_in: u64, seconds: usize) -> Self {
        let seed = std::env::var("SUREFOOT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        let full = std::env::var_os("SUREFOOT_FULL").is_some();
        let quick = std::env::var_os("SUREFOOT_QUICK").is_some();
        if quick {
            std::panic::set_hook(Box::new(|_| std::process::exit(1)));
        }
        let (one_in, middle, seconds, draws) = match (full, quick) {
            (true, _) => (1, 1, 12, 8),
            (_, true) => (4 * one_in, 8, seconds, DRAWS),
            _ => (one_in, 8, seconds, DRAWS),
        };
        Self { one_in, middle, seconds, draws, seed }
    }

    /// True when this cut is one of those that are made.
    fn takes(self, operations: &[Operation], kind: &Kind, Cut { at, when }: Cut) -> bool {
        // The first and the last of an image's operations are as good as those around them.
        let near = |i: usize| operations.get(i).is_none_or(|operation| matters(kind, operation));
        let middle = !(near(at) || near(at + 1) || at == 0 || near(at - 1));
        let one_in = if middle { self.middle * self.one_in } else { self.one_in };
        let point = POINTS.iter().position(|point| *point == when).unwrap_or(0);
        mix(self.seed ^ (8 * at + point) as u64).is_multiple_of(one_in)
    }
}

/// A number without a visible tie to `seed` (SplitMix64's last step).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A case: the first cut, the second, and the seed of what they leave.
#[derive(Clone, Copy)]
struct Case<'a> {
    kind: &'a Kind,
    scenario: &'a Scenario,
    first: Cut,
    second: Option<Cut>,
    seed: u64,
}

impl Case<'_> {
    fn name(&self) -> String {
        let mut name = format!("{}/{:?}/{}", self.kind.family.name, self.kind.strategy, self.scenario.name);
        for cut in [Some(self.first), self.second].into_iter().flatten() {
            let point = POINTS.iter().position(|when| *when == cut.when).unwrap_or(0);
            let _ = write!(name, "/{}.{point}", cut.at);
        }
        let _ = write!(name, "/seed {}", self.seed);
        name
    }

    /// Fails the test when a promise was broken.
    fn judge(&self, board: &Board) {
        if !board.broken.is_empty() {
            FAILED.store(true, Ordering::Relaxed);
            panic!(
                "{:?} then {:?}:\n  {}\nSUREFOOT_CASE='{}'",
                self.first,
                self.second,
                board.broken.join("\n  "),
                self.name()
            );
        }
    }
}

/// All scenarios of a board that this strategy and policy allow. The number of cuts.
pub fn all(family: &'static super::family::Family, strategy: Strategy, effort: Effort) -> u64 {
    let mut cuts = 0;
    for scenario in SCENARIOS.iter().filter(|s| s.strategies.contains(&strategy)) {
        let kind = Kind::new(family, strategy, scenario.policy);
        cuts += one(kind, scenario, effort);
    }
    let total = TOTAL.fetch_add(cuts, Ordering::Relaxed) + cuts;
    // Past the test's captured output: the figure is wanted from good runs too.
    let _ = writeln!(
        std::io::stderr(),
        "failsafe: {} {strategy:?}: {cuts} cuts, {total} so far, seed {}",
        family.name,
        effort.seed
    );
    cuts
}

/// The board before the scenario's acts.
pub fn before(kind: &'static Kind, scenario: &Scenario) -> Board {
    let mut board = Board::new(kind);
    scenario::act(&mut board, scenario.before);
    board.flash.reset();
    assert!(board.broken.is_empty(), "before {:?}: {:#?}", scenario.name, board.broken);
    board
}

/// One scenario without a cut, then with each.
pub fn one(kind: &'static Kind, scenario: &Scenario, effort: Effort) -> u64 {
    let only = std::env::var("SUREFOOT_CASE").ok();
    let start = before(kind, scenario);
    let mut whole = start.clone();
    whole.power_on(None, 0);
    scenario::act(&mut whole, scenario.acts);
    let name = format!("{} {:?} {:?}", kind.family.name, kind.strategy, scenario.name);
    let operations = whole.flash.done.clone();
    let end = scenario::confirmed(&whole);
    scenario::rescue(&mut whole);
    if !whole.broken.is_empty() || end != scenario.end {
        FAILED.store(true, Ordering::Relaxed);
        panic!("{name} ends with {end:?}: {:#?}", whole.broken);
    }
    let mut cuts = 0;
    for at in 0..operations.len() {
        for when in POINTS {
            if !effort.takes(&operations, kind, Cut { at, when }) {
                continue;
            }
            if has_failed() {
                return cuts;
            }
            let drawn = matches!(when, When::Inside(_)) && matters(kind, &operations[at]);
            for draw in 0..if drawn { effort.draws } else { 1 } {
                let seed = effort.seed.wrapping_add(1000 * at as u64 + 100 * draw);
                let case = Case { kind, scenario, first: Cut { at, when }, second: None, seed };
                let place = case.name();
                let place = place.split("/seed").next().unwrap_or("");
                if only.as_ref().is_none_or(|only| only.starts_with(place)) {
                    cuts += with_seconds(case, &start, effort);
                }
            }
        }
    }
    cuts
}

/// One first cut, and the second ones behind it. The number of cuts.
fn with_seconds(mut case: Case, start: &Board, effort: Effort) -> u64 {
    let mut cut = start.clone();
    cut.power_on(Some(case.first), case.seed);
    scenario::act(&mut cut, case.scenario.acts);
    assert!(cut.flash.off, "{}: no cut", case.name());
    case.judge(&cut);
    let operations = first(&case, &cut);
    let mut cuts = 1;
    for second in seconds(case.kind, &operations, effort, case.seed) {
        case.second = Some(second);
        again(&case, &cut);
        cuts += 1;
    }
    cuts
}

/// The recovery from one cut: its operations.
fn first(case: &Case, cut: &Board) -> Vec<Operation> {
    let mut board = cut.clone();
    board.power_on(None, case.seed + 1);
    recover(case, &mut board);
    let operations = board.flash.done.clone();
    scenario::rescue(&mut board);
    case.judge(&board);
    operations
}

/// The recovery from a second cut, in the recovery from the first.
fn again(case: &Case, cut: &Board) {
    let mut board = cut.clone();
    board.power_on(case.second, case.seed + 1);
    recover(case, &mut board);
    // With bits that waver the recovery may take another way, and have fewer operations.
    board.power_on(None, case.seed + 2);
    scenario::rest(&mut board, super::board::cause::POWER_ON);
    if case.first.at % 4 < 2 {
        scenario::rescue(&mut board);
    }
    case.judge(&board);
}

/// The board starts and applications do what they do; or a button is held, and a host updates it.
fn recover(case: &Case, board: &mut Board) {
    if case.first.at % 4 == 1 {
        scenario::rescue(board);
    } else {
        scenario::rest(board, super::board::cause::POWER_ON);
    }
}

/// Where the recovery is cut again: everywhere, or at a sample that prefers erases and the journal.
fn seconds(kind: &Kind, operations: &[Operation], effort: Effort, seed: u64) -> Vec<Cut> {
    let everywhere = (0..operations.len()).flat_map(|at| POINTS.map(|when| Cut { at, when }));
    if operations.len() * POINTS.len() <= effort.seconds {
        return everywhere.collect();
    }
    let (matter, others): (Vec<Cut>, Vec<Cut>) =
        everywhere.partition(|cut| matters(kind, &operations[cut.at]));
    // A copy back that has hardly begun: what is left may read as the image that was there.
    let begun = operations.iter().enumerate().filter(|(_, operation)| operation.erase);
    let begun = begun.map(|(at, _)| Cut { at, when: When::Inside(Leaves::Late) });
    let pick = |from: &[Cut], i: usize| from.get(mix(seed + i as u64) as usize % from.len().max(1)).copied();
    let some = (0..effort.seconds).filter_map(|i| pick(if i % 4 == 3 { &others } else { &matter }, i));
    begun.chain(some).collect()
}

/// Erases, and what is written to the journal.
fn matters(kind: &Kind, operation: &Operation) -> bool {
    operation.erase || kind.config.with_open(OWNER_JOURNAL).is_writable(operation.address, 1)
}
