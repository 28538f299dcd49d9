//! Flash that fails without a cut: sectors that do not erase, words that do not program, words that hold no
//! clear level.
//!
//! In the run: the scenario is run once more from its start on a board one of whose operations'
//! sectors or words fails, once or for good. In a recovery: the part that one operation of the
//! start after a cut works on fails. What the host is told does not matter here; what the board
//! is afterwards does.
//!
//! The limit of a backup slot: with a place in the slot that the image runs in bad for good, the
//! image cannot come back there, and update mode is all that is left.
//!
//! The limit of a journal: where a sector takes no word any more, nothing settles a record of it that a cut has left
//! in part. Each start goes by what it reads, one time as if the change was made and one time as if not; where a backup slot was
//! copied back meanwhile, what is confirmed is not there every time.

use super::Figures;
use super::aging;
use super::case::{Blow, CutAt, Fault, FaultAt, Second};
use super::checks::{Failure, Promise, State};
use super::engine::{Recorded, Start, Started};
use surefoot_core::config::Strategy;
use surefoot_sim::random::Random;
use surefoot_sim::{Bits, Board, Defect, Failing, Leaves, Remains, Started as Operation, Told};

/// Of one in so many first cuts something fails in the start after it.
const RECOVERIES: u64 = 12;

impl Recorded {
    /// What fails where this operation works, by the seed.
    fn defect(&self, fork: &Remains, fault: FaultAt) -> Option<Defect> {
        let board = &self.bench.rig.board;
        let mut random = Random::new(fault.seed);
        let told =
            [Told::Nothing, Told::Nothing, Told::WriteProtected, Told::Operation][random.below(4) as usize];
        let what = match fork.operation()? {
            Operation::Erase { address, .. } => {
                let leaves = match random.below(3) {
                    0 => Leaves::Old,
                    1 => Leaves::Torn(Bits::Solid, random.bits()),
                    _ => Leaves::Torn(Bits::Restless, random.bits()),
                };
                Failing::Erase { sector: board.chip().sector_at(address - super::bench::FLASH)?, leaves }
            }
            Operation::Program { address, .. } => {
                let (address, bit) = (address & !3, 1 << random.below(32));
                let sector = board.chip().sector_at(address - super::bench::FLASH)?;
                match random.below(5) {
                    4 => Failing::Program { sector },
                    0 => Failing::Word { address, ones: u32::MAX, zeros: 0 },
                    1 => Failing::Word { address, ones: bit, zeros: 0 },
                    // What a program does with an instruction that changes is not the bootloader's.
                    2 if !self.is_executed(address) => Failing::Weak { address, bits: bit },
                    _ => Failing::Word { address, ones: 0, zeros: bit },
                }
            }
            // Their cells are a matter of cuts.
            Operation::Options { .. } => return None,
        };
        Some(Defect { what, told, times: (fault.fault != Fault::Always).then_some(1) })
    }
}

/// The word whose bits read now so, now so.
fn weak(defect: Defect) -> Option<u32> {
    match defect.what {
        Failing::Weak { address, .. } => Some(address),
        _ => None,
    }
}

/// The first address that fails.
fn place(board: &Board, defect: Defect) -> u32 {
    match defect.what {
        Failing::Word { address, .. } | Failing::Weak { address, .. } => address,
        Failing::Erase { sector, .. } | Failing::Program { sector } => {
            super::bench::FLASH + board.chip().sector(sector).map_or(0, |(offset, _)| offset)
        }
    }
}

impl Recorded {
    /// Faults in the run, spread over its operations, and words that age.
    pub fn list_of_faults(&self, count: usize, seed: u64) -> Vec<FaultAt> {
        let mut random = Random::new(seed ^ 0xFA);
        let operations = self.operations();
        let in_the_run = |random: &mut Random| {
            let fault = if random.below(2) == 0 { Fault::Always } else { Fault::Once };
            FaultAt { operation: 1 + random.below(operations as u64) as usize, fault, seed: random.bits() }
        };
        let one = |number| match number < count {
            true => in_the_run(&mut random),
            false => aging::somewhere(operations, &mut random),
        };
        (0..count + count * aging::WORDS).map(one).collect()
    }

    /// One of these.
    pub fn try_fault(&mut self, fault: FaultAt, figures: &mut Figures) {
        if let Err(failure) = self.fault(fault, figures) {
            figures.fail(&self.case(Blow::Fault(fault), None), failure);
        }
    }

    /// A fault in the run, or a word that ages in it or after it.
    pub(super) fn fault(&mut self, fault: FaultAt, figures: &mut Figures) -> Result<(), Failure> {
        self.bench.fails = true;
        let result = match fault.fault {
            Fault::Ages => self.aged(fault, figures),
            Fault::Once | Fault::Always => self.fault_in_run(fault, figures),
        };
        (self.bench.weak, self.bench.fails) = (None, false);
        result
    }

    /// The run with a part of the flash that fails.
    fn fault_in_run(&mut self, fault: FaultAt, figures: &mut Figures) -> Result<(), Failure> {
        let Some(fork) = self.tape.forks.get(fault.operation.wrapping_sub(1)).cloned() else {
            return Err(self.lacks());
        };
        let Some(defect) = self.defect(&fork, fault) else { return Ok(()) };
        figures.faults += 1;
        self.bench.rig.back_to(&self.start);
        self.bench.rig.board.add_defect(defect);
        self.bench.weak = weak(defect);
        self.bench.record();
        // It may well fail.
        let ended = self.scenario.clone().run(&mut self.bench);
        let tape = self.bench.stop();
        if let Some(trace) = &mut self.trace {
            trace.introduce(&self.bench);
            trace.say(format!("--- the run, with {defect:?}"));
            trace.tape(&self.bench, &tape, usize::MAX);
            let ended = ended.map_or_else(|error| format!("{error:#}"), |()| "well".into());
            trace.say(format!("            the run ended: {ended}"));
            trace.state(&self.bench);
        }
        self.bench.rig.board.set_pin(crate::rig::BUTTON, Some(false));
        let promise = self.lenient(defect, &self.promised_by(tape));
        let (_, mut state) = self.start(Start::PowerCycle, &promise, figures)?;
        for how in [Start::Pin, Start::PowerCycle] {
            let promise = self.lenient(defect, &Promise::after(&state));
            (_, state) = self.start(how, &promise, figures)?;
        }
        if self.hopeless(defect) {
            return Ok(());
        }
        self.trials_end(figures)?;
        // For good, the journal passes over places that do not take a record. A sector of it that does
        // not erase is the end of updates, though not of what is confirmed.
        let passed_over = matches!(defect.what, Failing::Word { zeros: 0, .. }) && self.in_journal(defect);
        if fault.fault == Fault::Always && !passed_over { Ok(()) } else { self.takes_an_update(figures) }
    }

    /// What holds at the end of a run, however it went: what its journal says, no less than at its start, and
    /// with an image confirmed that the run may have confirmed.
    fn promised_by(&self, tape: super::bench::Tape) -> Promise {
        let before = &self.promises[0];
        let end = State::of(&self.bench.rig.board, &self.bench.journal);
        let mut promise = Promise::along(&tape.forks, end, &self.bench.journal).pop().unwrap_or_default();
        promise.floor = promise.floor.max(before.floor);
        promise.revoked |= before.revoked;
        promise.confirmed.retain(|id| self.promises.iter().any(|one| one.confirmed.contains(id)));
        promise
    }

    pub(super) fn second_faults(
        &mut self,
        first: CutAt,
        started: &Started,
        random: &mut Random,
        figures: &mut Figures,
    ) {
        let operations = started.tape.forks.len() as u64;
        if operations == 0 || random.below(RECOVERIES) != 0 {
            return;
        }
        let operation = 1 + random.below(operations) as usize;
        let fault = if random.below(2) == 0 { Fault::Always } else { Fault::Once };
        let fault = FaultAt { operation, fault, seed: random.bits() };
        if let Err(failure) = self.fault_in_recovery(first, started, fault, figures) {
            figures.fail(&self.case(Blow::Cut(first), Some(Second::Start(Blow::Fault(fault)))), failure);
        }
    }

    /// The start after a cut with a part of the flash that fails.
    pub(super) fn fault_in_recovery(
        &mut self,
        first: CutAt,
        started: &Started,
        fault: FaultAt,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let defect = self.defect(started.fork(fault.operation)?, fault);
        let (Some(defect), Some(whole)) = (defect, self.tape.forks.get(first.operation - 1).cloned()) else {
            return Ok(());
        };
        figures.faults += 1;
        self.revive(&whole, first);
        self.bench.rig.board.add_defect(defect);
        if let Some(trace) = &mut self.trace {
            trace.say(format!("            from here on: {defect:?}"));
        }
        (self.bench.weak, self.bench.fails) = (weak(defect), true);
        let no_word = matches!(defect.what, Failing::Program { .. }) && defect.times.is_none();
        self.bench.mute = no_word && self.in_journal(defect);
        let result = self.starts_with_a_defect(first, defect, figures);
        (self.bench.weak, self.bench.fails, self.bench.mute) = (None, false, false);
        result
    }

    fn starts_with_a_defect(
        &mut self,
        first: CutAt,
        defect: Defect,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let promise = self.lenient(defect, &self.promises[first.operation - 1].clone());
        let (_, mut state) = self.start(Start::PowerOn, &promise, figures)?;
        for how in [Start::Pin, Start::PowerCycle] {
            let promise = self.lenient(defect, &self.after(&state));
            (_, state) = self.start(how, &promise, figures)?;
        }
        Ok(())
    }

    fn in_journal(&self, defect: Defect) -> bool {
        self.bench.in_journal(place(&self.bench.rig.board, defect))
    }

    /// The slot that runs is bad for good, and there is no other to run in.
    fn hopeless(&self, defect: Defect) -> bool {
        let place = place(&self.bench.rig.board, defect);
        self.bench.strategy() == Strategy::Backup
            && defect.times.is_none()
            && self.bench.slots[0].contains(place, 1)
    }

    /// What can still be promised with this defect.
    fn lenient(&self, defect: Defect, promise: &Promise) -> Promise {
        let mut promise = promise.clone();
        if self.hopeless(defect) {
            promise.confirmed.push(0);
        }
        promise
    }
}
