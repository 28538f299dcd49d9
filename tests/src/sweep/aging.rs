//! Flash that ages: a word that was whole has bits that read as 0 or as 1, without an operation or a cut that
//! did it: from one read to the next, or from one reset to the next.
//!
//! The supply goes off somewhere in the run, or after it, and when it comes on again a word of the journal,
//! of a slot or of the sealed block is weak. What it belongs to may be missed by a start, never by every
//! start; nothing runs that must not, and what the journal says holds.

use super::Figures;
use super::bench::{DECISION, Known, Seen};
use super::case::{CutAt, Fault, FaultAt, How};
use super::checks::{Failure, Promise, State, image_in};
use super::engine::{Recorded, Start};
use anyhow::Context;
use surefoot_core::config::{BLOCK_LEN, Slot};
use surefoot_core::image::manifest;
use surefoot_core::journal::{RECORD_LEN, Record};
use surefoot_sim::random::Random;
use surefoot_sim::{Bits, Board};

/// Words that age in each scenario, for each fault in its run: they cost less.
pub const WORDS: usize = 10;
/// Of one in so many cases the board takes an update.
const UPDATES: u64 = 4;
/// So often a host offers what is there.
const OFFERS: usize = 2;

/// A word that has aged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aged {
    word: u32,
    bits: u32,
    left: Bits,
}

impl Aged {
    fn weaken(self, board: &mut Board) {
        for (address, bits) in (self.word..).zip(self.bits.to_le_bytes()) {
            board.weaken(address, bits, self.left);
        }
    }
}

impl Recorded {
    /// The flash before an operation of the run, or behind it, with a word that has aged.
    pub(super) fn aged(&mut self, fault: FaultAt, figures: &mut Figures) -> Result<(), Failure> {
        let at = fault.operation.wrapping_sub(1);
        let fork = match self.tape.forks.get(at) {
            Some(fork) => fork.clone(),
            None if at == self.operations() => self.end.clone(),
            None => return Err(self.lacks()),
        };
        let mut random = Random::new(fault.seed);
        if let Some(trace) = &mut self.trace {
            trace.introduce(&self.bench);
            trace.say("--- the run");
            trace.tape(&self.bench, &self.tape, at);
        }
        let cut = CutAt { operation: fault.operation, how: How::BEFORE, seed: random.bits() };
        self.revive(&fork, cut);
        let Some(word) = self.word(&mut random) else { return Ok(()) };
        figures.faults += 1;
        // One bit, or two that change with each read.
        let [one, two] = [(); 2].map(|()| 1u32 << random.below(32));
        let (bits, left, by) = match random.below(4) {
            0 => (one, Bits::Drifting, "reset"),
            1 => (one | two, Bits::Restless, "read"),
            _ => (one, Bits::Restless, "read"),
        };
        Aged { word, bits, left }.weaken(&mut self.bench.rig.board);
        if let Some(trace) = &mut self.trace {
            trace.say(format!("            {word:#010x} ages: {bits:#010x} of it changes from {by} to {by}"));
        }
        self.bench.weak = Some(word);
        let aged = Aged { word, bits, left };
        let ended = self.starts_with_an_aged_word(aged, self.promises[at].clone(), &mut random, figures);
        self.bench.weak = None;
        ended
    }

    fn starts_with_an_aged_word(
        &mut self,
        aged: Aged,
        mut promise: Promise,
        random: &mut Random,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        for how in [Start::PowerOn, Start::Pin, Start::PowerCycle, Start::Pin] {
            let (_, state) = self.start(how, &promise, figures)?;
            promise = Promise::after(&state);
        }
        // What a program does with an instruction that changes is not the bootloader's.
        if !self.is_executed(aged.word) {
            self.trials_end(figures)?;
            self.told("what is there is offered once more", |this| this.is_offered_again(aged, figures))?;
            if random.below(UPDATES) == 0 || self.trace.is_some() {
                self.told("the host comes with an update", |this| this.takes_an_update(figures))?;
                // What is confirmed is there for the case that the new image is no good, unless it read wrong as
                // long as the session went on: then there was none to be seen.
                if aged.left != Bits::Drifting {
                    self.trials_end(figures)?;
                }
            }
        }
        Ok(())
    }

    /// Puts what happens on a timeline, if there is one.
    fn told<T>(&mut self, what: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        self.bench.record();
        let result = act(self);
        let tape = self.bench.stop();
        if let Some(trace) = &mut self.trace {
            trace.say(format!("--- {what}"));
            trace.tape(&self.bench, &tape, usize::MAX);
        }
        result
    }

    /// What stands in the slot that is open is written once more and ages anew, again and again: it is no better
    /// for being misread.
    fn is_offered_again(&mut self, aged: Aged, figures: &mut Figures) -> Result<(), Failure> {
        for _ in 0..OFFERS {
            let state = State::of(&self.bench.rig.board, &self.bench.journal);
            let offered = self.bench.target_slot().and_then(|slot| {
                let image =
                    image_in(&self.bench, slot).context("only what is there can be written once more")?;
                let Known { bytes, slot: Slot { base, length }, .. } = self.bench.images[image].clone();
                let ages = |board: &mut Board| {
                    if (base..base + length).contains(&aged.word) {
                        aged.weaken(board);
                    }
                };
                self.bench.offer(slot, &bytes, ages)
            });
            // A board that refuses it waits for the host's next try.
            let runs = offered.is_ok() && self.bench.look(DECISION) != Seen::UpdateMode;
            let how = if runs { Start::Look } else { Start::PowerCycle };
            if let (Err(why), Some(trace)) = (offered, &mut self.trace) {
                trace.say(format!("            not offered: {why:#}"));
            }
            // It is on trial now, if it is good, though it may have been rejected, or left by an update.
            let promise = Promise { rejected: None, begun: false, ..Promise::after(&state) };
            self.start(how, &promise, figures)?;
        }
        Ok(())
    }

    /// A word of the journal, of a slot or of the sealed block: more likely than others one of a record that
    /// counts, or will be written next, and of what a start looks at in an image.
    fn word(&self, random: &mut Random) -> Option<u32> {
        let has_journal = !self.bench.journal.is_empty();
        let (start, length) = match random.below(16) {
            0 => (self.bench.block, BLOCK_LEN as u32),
            1..=8 if has_journal => self.some_record(random)?,
            _ => self.part_of_an_image(random),
        };
        Some(start + 4 * random.below(u64::from(length / 4)) as u32)
    }

    /// Where a record stands, or the next one will.
    fn some_record(&self, random: &mut Random) -> Option<(u32, u32)> {
        let board = &self.bench.rig.board;
        let mut records = Vec::new();
        for &(base, length) in &self.bench.journal {
            for address in (base..base + length).step_by(RECORD_LEN as usize) {
                let record = Record::check(board.read_memory(address, RECORD_LEN as usize)?);
                records.extend(record.map(|record| (record.sequence(), address)));
            }
        }
        records.sort_unstable();
        let newest = records.last()?.1;
        let back = random.below(4).min(records.len() as u64 - 1) as usize;
        Some(match random.below(8) {
            0 => (newest + RECORD_LEN, RECORD_LEN),
            1 => (records[random.below(records.len() as u64) as usize].1, RECORD_LEN),
            _ => (records[records.len() - 1 - back].1, RECORD_LEN),
        })
        .filter(|(address, _)| self.bench.in_journal(*address))
    }

    fn part_of_an_image(&self, random: &mut Random) -> (u32, u32) {
        let slot = random.below(self.bench.slots.len() as u64) as usize;
        let base = self.bench.slots[slot].base;
        // A copy in a backup slot is linked for the other one.
        let known = |known: &&Known| {
            let there = self.bench.rig.board.read_memory(base, known.bytes.len());
            there.is_some_and(|bytes| bytes == known.bytes)
        };
        let Some(known) = self.bench.images.iter().find(known) else { return (base, 1024) };
        let length = known.bytes.len() as u32;
        let manifest = base + length - manifest::LEN as u32;
        match random.below(8) {
            0 => (base, 12),
            1 => (base, length),
            // The security counter, and the leave to run below the floor.
            2 => (manifest + 0x18, 4),
            3 => (manifest + 0x50, 4),
            _ => (manifest, manifest::LEN as u32),
        }
    }

    /// True where a program of the scenario's images is executed, with what it reads of itself: not its first
    /// two vectors.
    pub(super) fn is_executed(&self, address: u32) -> bool {
        let mut images = self.bench.images.iter();
        images.any(|known| (known.slot.base + 8..known.slot.base + known.program).contains(&address))
    }
}

/// Somewhere in a scenario of so many operations.
pub(super) fn somewhere(operations: usize, random: &mut Random) -> FaultAt {
    // Often behind the run: most of it is there then.
    let operation = match random.below(4) {
        0 => operations + 1,
        _ => 1 + random.below(operations as u64 + 1) as usize,
    };
    FaultAt { operation, fault: Fault::Ages, seed: random.bits() }
}
