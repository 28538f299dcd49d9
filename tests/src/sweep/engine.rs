//! Runs cases: a board goes on from a fork of the tape with its supply cut, and is checked.
//!
//! For each first cut the board starts, and once or twice more by two kinds of reset. The operations
//! of the first of these starts are the places of the second cuts, after some of which it starts twice.
//! After some first cuts a host comes again, and its update is cut as well. Of some cases it is also tried
//! whether trials come to an end and whether an update is taken.

use super::Figures;
use super::bench::{App, Bench, DECISION, Seen, Tape};
use super::case::{Blow, Case, CutAt, How, Second};
use super::checks::{Failure, Kind, Promise, State, check, entered};
use super::depth::{Depth, Every, MORE, Places};
use super::scenarios::Scenario;
use super::trace::Trace;
use super::tried::Tried;
use crate::rig::Moment;
use anyhow::{Result, bail};
use surefoot_core::config::Strategy;
use surefoot_core::journal::{RECORD_LEN, REJECTED, Record};
use surefoot_images::Image;
use surefoot_sim::random::Random;
use surefoot_sim::{Board, Nanos, Remains, Started as Operation};

/// Cuts of the pilot that estimates how many second cuts there are.
const PILOT: usize = 24;
/// Of one in so many cases trials are brought to their end ...
const TRIALS: u64 = 8;
/// ... and of one in so many of those the board takes an update.
const UPDATES: u64 = 8;
/// After one in so many second cuts the board starts once more ...
const AGAIN: u64 = 4;
/// ... and after one in so many it takes an update.
const SECOND_UPDATES: u64 = 1024;
/// Seeds for each kind of torn option byte operation.
const OPTION_SEEDS: u8 = 32;
/// Torn draws of each kind where a slot is erased while a newer record may yet come to light: few of them leave an
/// image that reads as whole.
const OUTDONE: usize = 128;
/// Draws of a forged id that was torn: few make it read now as that of the confirmed image, now as none.
const FORGED: u8 = 16;
/// More draws of it are looked for that read as none many times and then as that of the confirmed image: so many ...
const RARE: usize = 24;
/// ... among so many, with so many unstable bits at least.
const RARE_AMONG: u64 = 4096;
const RARE_BITS: u64 = 4;
/// Most starts until a trial must be over: two boots are allowed.
const MOST_TRIALS: u32 = 8;
/// Most starts, and most tries of an update, that may fail in succession for a word that reads now so, now so.
pub(super) const PATIENCE: u32 = 32;

/// A scenario that was run forward.
pub struct Recorded {
    /// What it is.
    pub scenario: Scenario,
    /// Its board.
    pub bench: Bench,
    /// Its operations.
    pub tape: Tape,
    /// What must hold after a cut at each.
    pub(super) promises: Vec<Promise>,
    /// The board when the tape began.
    pub(super) start: Moment,
    /// What is left when it ends.
    pub(super) end: Remains,
    /// Mean number of operations of a recovery.
    pub recovery: f64,
    /// The board and the images of the run, see [`Bench::world`].
    world: u64,
    /// Seconds that its run and the pilot took.
    pub seconds: f64,
    /// The states of the flash that boards were started with.
    pub states: Tried,
    /// Tells what happens, when somebody wants to know.
    pub trace: Option<Trace>,
}

/// What starts a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The supply comes on.
    PowerOn,
    /// The supply goes off and on.
    PowerCycle,
    /// A pulse on NRST.
    Pin,
    /// The application goes on, until the watchdog ends it if it hangs.
    Wait,
    /// Whatever goes on already.
    Look,
}

/// What a word makes whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completes {
    Nothing,
    /// The first record of a state.
    State,
    /// The second one.
    Record,
    /// A forged manifest, which has an id from then on.
    Id,
}

/// What a first cut led to.
pub(super) struct Started {
    pub(super) tape: Tape,
    pub(super) promises: Vec<Promise>,
}

impl Started {
    /// The flash before the operation of this number.
    pub(super) fn fork(&self, operation: usize) -> Result<&Remains, Failure> {
        let forks = &self.tape.forks;
        let lacks =
            || Failure::NoSuchPlace(format!("after the first cut there are {} operations", forks.len()));
        forks.get(operation.wrapping_sub(1)).ok_or_else(lacks)
    }
}

impl Recorded {
    /// Runs a scenario forward, on a board that has the bootloader translated already.
    pub fn new(scenario: Scenario, firmware: Image, board: &mut Board) -> Result<Self> {
        let mut bench = scenario.bench(firmware)?;
        let fresh = bench.rig.board.snapshot();
        board.restore(&fresh);
        std::mem::swap(&mut bench.rig.board, board);
        let result = Self::record(scenario, &mut bench);
        let world = bench.world();
        let made = result.map(|(scenario, start, tape, promises, end)| Self {
            scenario,
            world,
            bench,
            start,
            end,
            tape,
            promises,
            recovery: 0.0,
            seconds: 0.0,
            states: Tried::default(),
            trace: None,
        });
        let mut made = made?;
        made.swap_board(board);
        Ok(made)
    }

    fn record(
        scenario: Scenario,
        bench: &mut Bench,
    ) -> Result<(Scenario, Moment, Tape, Vec<Promise>, Remains)> {
        scenario.prepare(bench)?;
        let start = bench.rig.moment();
        bench.record();
        scenario.run(bench)?;
        let tape = bench.stop();
        bench.rig.board.assert_no_violations(|_| false);
        let end = State::of(&bench.rig.board, &bench.journal);
        let promises = Promise::along(&tape.forks, end, &bench.journal);
        let end = bench.rig.board.remains();
        Ok((scenario, start, tape, promises, end))
    }

    /// Works on this board from now on, or gives it back. What it holds does not matter: every case
    /// begins with what a fork left.
    pub fn swap_board(&mut self, board: &mut Board) {
        std::mem::swap(&mut self.bench.rig.board, board);
    }

    /// Operations of the run.
    pub fn operations(&self) -> usize {
        self.tape.forks.len()
    }

    /// Tries some cuts, to know how long recoveries are. Failures are found again later.
    pub fn pilot(&mut self, seed: u64) {
        let step = (self.operations() / PILOT).max(1);
        let (mut cuts, mut operations) = (0usize, 0usize);
        for operation in (1..=self.operations()).step_by(step) {
            let how = [How::TORN, How::AFTER][cuts % 2];
            let cut = CutAt { operation, how, seed };
            cuts += 1;
            operations += self.first(cut, &mut Figures::default()).map_or(0, |s| s.tape.forks.len());
        }
        self.recovery = operations as f64 / cuts.max(1) as f64;
    }

    /// All first cuts at one operation, each with its share of second cuts.
    pub fn cuts_at(&mut self, operation: usize, depth: &Depth, seed: u64, figures: &mut Figures) {
        let completes = self.completes(operation);
        let seeds = match (self.tape.forks[operation - 1].operation(), completes) {
            // Few, and torn ones come out in many ways.
            (Some(Operation::Options { .. }), _) => OPTION_SEEDS,
            (_, Completes::Record) => depth.last_words,
            // What is copied back because it does not read is erased first, and may read well afterwards.
            (_, Completes::State) if self.bench.strategy() == Strategy::Backup => MORE * depth.last_words,
            (_, Completes::State) => depth.last_words,
            (_, Completes::Id) => FORGED * depth.seeds,
            _ => depth.seeds,
        };
        for (kind, how) in Depth::first_kinds(seeds).enumerate() {
            let mut random = Random::new(seed ^ (operation as u64) << 20 ^ (kind as u64) << 56);
            let left_out = random.bits() >> 32 >= depth.first;
            if depth.every.is_none() && left_out && completes != Completes::Id {
                continue;
            }
            let cut = CutAt { operation, how, seed: random.bits() };
            figures.cuts += 1;
            match self.whole_case(cut, depth, &mut random, figures) {
                Ok(started) => {
                    let more = completes == Completes::State;
                    let places = Places::of(depth, kind as u64, more, seed ^ operation as u64);
                    self.second_cuts(cut, &started, places, &mut random, depth, figures);
                    self.second_faults(cut, &started, &mut random, figures);
                    self.cuts_of_an_update(cut, completes == Completes::Id, &mut random, depth, figures);
                }
                Err(failure) => figures.fail(&self.case(Blow::Cut(cut), None), failure),
            }
            if figures.failed() >= depth.most_failures {
                return;
            }
        }
        if completes == Completes::Id && self.bench.strategy() == Strategy::Ab {
            self.rare_ids(operation, depth, seed, figures);
        }
    }

    /// Where the slots' ids are asked for what a host may write: a board looks for an id more than once, so one that is hidden from all looks and then found has several
    /// unstable bits, and all others as they should be. Few draws leave that, and only those are tried, with a host
    /// that comes again.
    fn rare_ids(&mut self, operation: usize, depth: &Depth, seed: u64, figures: &mut Figures) {
        let fork = self.tape.forks[operation - 1].clone();
        let Some(Operation::Program { address, .. }) = fork.operation() else { return };
        let at = address & !3;
        let Some(id) = self.bench.forged_id_at(at) else { return };
        let mut random = Random::new(seed ^ (operation as u64) << 20 ^ RARE_AMONG);
        let mut found = 0;
        for _ in 0..RARE_AMONG {
            if found == RARE || figures.failed() >= depth.most_failures {
                return;
            }
            let cut = CutAt { operation, how: How::RESTLESS, seed: random.bits() };
            self.bench.rig.board.revive(&fork, cut.how.when, cut.how.left, cut.seed);
            let board = &self.bench.rig.board;
            let word = board.read_memory(at, 4).and_then(|word| word.first_chunk()).copied();
            let masks: [u8; 4] = std::array::from_fn(|n| board.unstable_mask(at + n as u32));
            let programmed = word.map(|word| u32::from_le_bytes(word) & !u32::from_le_bytes(masks));
            if programmed == Some(id) && board.unstable_bits(at, 4) >= RARE_BITS {
                found += 1;
                figures.cuts += 1;
                self.cuts_of_an_update(cut, true, &mut random, depth, figures);
            }
        }
    }

    /// What the word that this operation of the run programs makes whole.
    fn completes(&self, operation: usize) -> Completes {
        let Some(Operation::Program { address, .. }) = self.tape.forks[operation - 1].operation() else {
            return Completes::Nothing;
        };
        let at = address & !3;
        if self.bench.in_journal(at) && at % RECORD_LEN == RECORD_LEN - 4 {
            let first = |fork: &Remains| {
                let number = fork.flash(at & !(RECORD_LEN - 1), 4).and_then(|word| word.first_chunk());
                number.is_some_and(|word| u32::from_le_bytes(*word) % 2 == 1)
            };
            return if first(&self.tape.forks[operation - 1]) { Completes::State } else { Completes::Record };
        }
        if self.bench.forged_id_at(at).is_some() { Completes::Id } else { Completes::Nothing }
    }

    pub(super) fn case(&self, first: Blow, second: Option<Second>) -> Case {
        Case { scenario: self.scenario.name.clone(), first, second }
    }

    /// One case, as its name says; the end of trials and an update are always tried.
    ///
    /// # Errors
    /// The name is of an operation that is not there.
    pub fn replay(&mut self, case: &Case, figures: &mut Figures) -> Result<()> {
        match self.try_replay(case, figures) {
            Err(Failure::NoSuchPlace(why)) => bail!("{case}: {why}"),
            Err(failure) => figures.fail(case, failure),
            Ok(()) => {}
        }
        Ok(())
    }

    fn try_replay(&mut self, case: &Case, figures: &mut Figures) -> Result<(), Failure> {
        let cut = match case.first {
            Blow::Fault(fault) => return self.fault(fault, figures),
            Blow::Cut(cut) => cut,
        };
        figures.cuts += 1;
        let started = self.first(cut, figures)?;
        match case.second {
            None => {
                self.restarts(&started, 2, figures)?;
                self.trials_end(figures)?;
                self.refuses_an_update(&mut Random::new(cut.seed), figures)?;
                self.takes_an_update(figures)?;
                self.trials_end(figures)
            }
            Some(Second::Start(Blow::Fault(fault))) => self.fault_in_recovery(cut, &started, fault, figures),
            Some(Second::Start(Blow::Cut(second))) => self.second(&started, second, figures),
            Some(Second::Update(second)) => {
                let updated = self.updated(&started, figures)?;
                self.second(&updated, second, figures)
            }
        }
    }

    fn whole_case(
        &mut self,
        cut: CutAt,
        depth: &Depth,
        random: &mut Random,
        figures: &mut Figures,
    ) -> Result<Started, Failure> {
        let started = self.first(cut, figures)?;
        let mut resets = 1 + random.below(2) as usize;
        if let Some(every) = depth.every.as_ref().filter(|_| self.scenario.kind.is_signed()) {
            resets *= usize::from(!every.leaves_out(random));
        }
        self.restarts(&started, resets, figures)?;
        if random.below(TRIALS) == 0 {
            self.trials_end(figures)?;
            if random.below(UPDATES) == 0 {
                // As when it is replayed.
                self.refuses_an_update(&mut Random::new(cut.seed), figures)?;
                self.takes_an_update(figures)?;
                // And gives it up for the image that was confirmed, since it does not confirm itself.
                self.trials_end(figures)?;
            }
        }
        Ok(started)
    }

    /// The run has no operation of such a number.
    pub(super) fn lacks(&self) -> Failure {
        Failure::NoSuchPlace(format!("the run has the operations 1 to {}", self.operations()))
    }

    /// The first cut and the start after it.
    pub(super) fn first(&mut self, cut: CutAt, figures: &mut Figures) -> Result<Started, Failure> {
        let Some(fork) = self.tape.forks.get(cut.operation.wrapping_sub(1)).cloned() else {
            return Err(self.lacks());
        };
        let promise = self.promises[cut.operation - 1].clone();
        if let Some(trace) = &mut self.trace {
            trace.introduce(&self.bench);
            trace.say("--- the run");
            trace.tape(&self.bench, &self.tape, cut.operation);
        }
        self.revive(&fork, cut);
        self.bench.record();
        let seen = self.bench.power_on();
        let tape = self.bench.stop();
        self.tell(Start::PowerOn, &tape, seen);
        entered(&self.bench, seen)?;
        self.judge(&promise, seen, figures)?;
        Ok(self.started(tape, &promise))
    }

    /// What the board did since `before` was promised.
    pub(super) fn started(&self, tape: Tape, before: &Promise) -> Started {
        let state = State::of(&self.bench.rig.board, &self.bench.journal);
        let mut promises = Promise::along(&tape.forks, state, &self.bench.journal);
        let confirms = |id: &&u32| {
            let mut images = self.bench.images.iter();
            images.any(|known| known.id == **id && known.recipe.app == App::Confirms)
        };
        // Nothing that held before is forgotten by another cut, and a record by which an image was confirming
        // itself when it was torn may read as whole until a newer one stands.
        let torn: Vec<u32> = before.confirmed.iter().filter(confirms).copied().collect();
        for later in &mut promises {
            later.floor = later.floor.max(before.floor);
            later.revoked |= before.revoked;
            let more = torn.iter().filter(|id| !later.confirmed.contains(id)).copied();
            later.confirmed.extend(more.collect::<Vec<_>>());
        }
        promises.pop();
        promises.push(Promise::after(&state));
        Started { tape, promises }
    }

    /// Starts the board and holds it against the promise. An image that one start misses must run by another.
    pub(super) fn start(
        &mut self,
        how: Start,
        promise: &Promise,
        figures: &mut Figures,
    ) -> Result<(Kind, State), Failure> {
        let (mut kind, mut state) = self.start_once(how, promise, figures)?;
        for _ in 1..PATIENCE {
            if kind != Kind::Missed {
                return Ok((kind, state));
            }
            (kind, state) = self.start_once(Start::PowerCycle, &self.after(&state), figures)?;
        }
        Err(Failure::Bricked(format!("{PATIENCE} starts in succession have missed the image that is to run")))
    }

    /// What is promised of a board that shows this state; where nothing settles how its journal reads, what either
    /// way of reading it promises.
    pub(super) fn after(&self, state: &State) -> Promise {
        let mut promise = Promise::after(state);
        if self.bench.mute {
            let read_otherwise = State::otherwise(&self.bench.rig.board, &self.bench.journal);
            read_otherwise.iter().for_each(|state| promise.relax(&Promise::after(state)));
        }
        promise
    }

    fn start_once(
        &mut self,
        how: Start,
        promise: &Promise,
        figures: &mut Figures,
    ) -> Result<(Kind, State), Failure> {
        if self.trace.is_some() {
            self.bench.record();
        }
        let seen = match how {
            Start::PowerOn => self.bench.power_on(),
            Start::PowerCycle => self.bench.power_cycle(),
            Start::Pin => self.bench.reset(),
            Start::Look => self.bench.look(DECISION),
            Start::Wait => {
                self.bench.run_for(Nanos::secs(1));
                self.bench.look(DECISION)
            }
        };
        if self.trace.is_some() {
            let tape = self.bench.stop();
            self.tell(how, &tape, seen);
        }
        if matches!(how, Start::PowerOn | Start::PowerCycle | Start::Pin) {
            entered(&self.bench, seen)?;
        }
        self.judge(promise, seen, figures)
    }

    pub(super) fn tell(&mut self, how: Start, tape: &Tape, seen: Seen) {
        let Some(trace) = &mut self.trace else { return };
        trace.say(format!(
            "--- {}",
            match how {
                Start::PowerOn => "the supply comes on",
                Start::PowerCycle => "the supply goes off and on",
                Start::Pin => "a pulse on NRST",
                Start::Wait => "a second passes",
                Start::Look => "the board goes on",
            }
        ));
        trace.tape(&self.bench, tape, usize::MAX);
        trace.seen(&self.bench, seen);
        trace.state(&self.bench);
    }

    /// More resets, one of each kind at most: the state does not fall back.
    pub(super) fn restarts(
        &mut self,
        started: &Started,
        resets: usize,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let mut promise = started.promises.last().cloned().unwrap_or_default();
        for how in [Start::Pin, Start::PowerCycle].into_iter().take(resets) {
            let (_, state) = self.start(how, &promise, figures)?;
            promise = Promise::after(&state);
        }
        Ok(())
    }

    fn second_cuts(
        &mut self,
        first: CutAt,
        started: &Started,
        places: Places,
        random: &mut Random,
        depth: &Depth,
        figures: &mut Figures,
    ) {
        let operations = started.tape.forks.len();
        for operation in 1..=operations {
            // What stands after an operation stands before the next, where more is promised.
            let follows = operation < operations && self.bench.every == 1;
            // An erase in a slot is that of a copy back; one that has hardly begun is one of five draws.
            let fork = &started.tape.forks[operation - 1];
            let erases = match fork.operation() {
                Some(Operation::Erase { address, .. }) => !self.bench.in_journal(address),
                _ => false,
            };
            if !places.has(operation, erases) {
                continue;
            }
            let mut of_the_place = None;
            if let Some(every @ Every { tried, seed, .. }) = &depth.every {
                let place = Tried::place(self.world, fork, &started.promises[operation - 1]);
                let mut random = Random::new(place ^ seed);
                if self.scenario.kind.is_signed() && every.leaves_out(&mut random) {
                    continue;
                }
                if !tried.is_new(place) {
                    figures.same += depth.second_ways(follows, &mut Random::new(0)).len() as u64;
                    continue;
                }
                // Whoever comes here first tries the same cuts.
                of_the_place = Some(random);
            }
            let random = of_the_place.as_mut().unwrap_or(&mut *random);
            let outdone = erases && State::may_be_outdone(fork, &self.bench.journal);
            let torn = if outdone { OUTDONE } else { 0 };
            let torn = std::iter::repeat_n([How::DRIFTING, How::RESTLESS], torn).flatten();
            for how in depth.second_ways(follows, random).into_iter().chain(torn) {
                if figures.failed() >= depth.most_failures {
                    return;
                }
                if depth.every.is_none() && random.bits() >> 32 >= depth.second && !outdone {
                    continue;
                }
                let cut = CutAt { operation, how, seed: random.bits() };
                if let Err(failure) = self.second(started, cut, figures) {
                    figures.fail(&self.case(Blow::Cut(first), Some(Second::Start(Blow::Cut(cut)))), failure);
                }
            }
        }
    }

    pub(super) fn second(
        &mut self,
        started: &Started,
        cut: CutAt,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let fork = started.fork(cut.operation)?;
        figures.cuts += 1;
        figures.second_cuts += 1;
        let promise = &started.promises[cut.operation - 1];
        self.revive(fork, cut);
        let (_, state) = self.start(Start::PowerOn, promise, figures)?;
        if cut.seed.is_multiple_of(AGAIN) || self.trace.is_some() {
            self.start(Start::Pin, &Promise::after(&state), figures)?;
        }
        if cut.seed.is_multiple_of(SECOND_UPDATES) || self.trace.is_some() {
            self.trials_end(figures)?;
            self.takes_an_update(figures)?;
            self.trials_end(figures)?;
        }
        Ok(())
    }

    pub(super) fn revive(&mut self, fork: &Remains, cut: CutAt) {
        self.bench.rig.board.revive(fork, cut.how.when, cut.how.left, cut.seed);
        self.states.is_new(self.bench.rig.board.flash_print());
        self.bench.rig.board.set_pin(crate::rig::BUTTON, Some(false));
        if let Some(trace) = &mut self.trace {
            trace.cut(&self.bench, cut);
        }
    }

    pub(super) fn judge(
        &self,
        promise: &Promise,
        seen: Seen,
        figures: &mut Figures,
    ) -> Result<(Kind, State), Failure> {
        figures.starts += 1;
        let result = check(&self.bench, promise, seen)?;
        figures.found[result.0 as usize] += 1;
        Ok(result)
    }

    /// Whatever is on trial now confirms itself or goes away, and then the confirmed image runs.
    pub(super) fn trials_end(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        if self.bench.journal.is_empty() {
            return Ok(());
        }
        for _ in 0..MOST_TRIALS {
            // Long enough to confirm.
            let promise = Promise::after(&State::of(&self.bench.rig.board, &self.bench.journal));
            let (kind, state) = self.start(Start::Wait, &promise, figures)?;
            let record = state.newest.unwrap_or(Record::EMPTY);
            match kind {
                Kind::Trial | Kind::Missed => {}
                Kind::Confirmed | Kind::Plain => return Ok(()),
                Kind::UpdateMode if record.confirmed() == 0 || self.bench.strategy() == Strategy::Single => {
                    return Ok(());
                }
                Kind::UpdateMode => {
                    let why = format!("a trial ended in update mode, tries {}/{REJECTED}", record.tries());
                    return Err(Failure::Bricked(why));
                }
            }
            let promise = Promise::after(&state);
            self.start(Start::Pin, &promise, figures)?;
        }
        Err(Failure::Bricked(format!("a trial is not over after {MOST_TRIALS} starts")))
    }
}
