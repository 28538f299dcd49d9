//! What becomes of a host that comes after a cut: its update is taken, refused, or cut as well.

use super::Figures;
use super::bench::{App, DECISION, Recipe, Seen};
use super::case::{Blow, CutAt, Second};
use super::checks::{Failure, Promise, State};
use super::depth::Depth;
use super::engine::{PATIENCE, Recorded, Start, Started};
use anyhow::Result;
use surefoot_sim::random::Random;

/// After one in so many first cuts an update is cut, where all cuts are tried and where a share of them is ...
const UPDATES_CUT: [u64; 2] = [16, 64];
/// ... at so many of its operations.
const CUTS_OF_AN_UPDATE: usize = 8;
impl Recorded {
    /// A host comes after a cut, `always` or after some, and the supply fails in its update.
    pub(super) fn cuts_of_an_update(
        &mut self,
        first: CutAt,
        always: bool,
        random: &mut Random,
        depth: &Depth,
        figures: &mut Figures,
    ) {
        if random.below(UPDATES_CUT[usize::from(depth.every.is_none())]) != 0 && !always {
            return;
        }
        // As when it is replayed: the board is right behind the start after the cut.
        let updated = self.first(first, figures).and_then(|started| self.updated(&started, figures));
        let updated = match updated {
            Ok(updated) => updated,
            Err(failure) => return figures.fail(&self.case(Blow::Cut(first), None), failure),
        };
        for _ in 0..CUTS_OF_AN_UPDATE {
            let operation = 1 + random.below(updated.tape.forks.len() as u64) as usize;
            let how = Depth::second_kinds(random)[random.below(3) as usize];
            let cut = CutAt { operation, how, seed: random.bits() };
            if let Err(failure) = self.second(&updated, cut, figures) {
                figures.fail(&self.case(Blow::Cut(first), Some(Second::Update(cut))), failure);
            }
        }
    }

    /// An update after the start that `started` is about, whose board this still is.
    pub(super) fn updated(&mut self, started: &Started, figures: &mut Figures) -> Result<Started, Failure> {
        let before = started.promises.last().cloned().unwrap_or_default();
        self.bench.record();
        let taken = self.takes_an_update(figures);
        let tape = self.bench.stop();
        taken?;
        if let Some(trace) = &mut self.trace {
            trace.say("--- the host comes again");
            trace.tape(&self.bench, &tape, usize::MAX);
        }
        Ok(self.started(tape, &before))
    }

    /// The host sends another image, and it runs.
    pub(super) fn takes_an_update(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        figures.updates += 1;
        let tries = if self.bench.weak.is_some() { PATIENCE } else { 1 };
        let mut update = || -> Result<usize> {
            let slot = self.bench.target_slot()?;
            let name = ["again", "again-b"][slot & 1];
            let image = self.bench.image(Recipe { slot, counter: 9, ..Recipe::new(name, App::Silent, 9) })?;
            self.bench.send_to_run(image)?;
            Ok(slot)
        };
        // What is misread ends an update as well as a start.
        let mut taken = update();
        for _ in 1..tries {
            taken = taken.or_else(|_| update());
        }
        let slot = taken.map_err(|e| Failure::Bricked(format!("an update is not taken: {e:#}")))?;
        let state = State::of(&self.bench.rig.board, &self.bench.journal);
        self.judge(&Promise::after(&state), Seen::Application(slot), figures)?;
        Ok(())
    }

    /// The host sends an image that is no good, or too old, without looking at it first: it does not run.
    pub(super) fn refuses_an_update(
        &mut self,
        random: &mut Random,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let before = State::of(&self.bench.rig.board, &self.bench.journal);
        let stale = before.newest.is_some_and(|record| record.floor() > 0) && random.below(2) == 0;
        let mut update = || -> Result<bool> {
            let slot = self.bench.target_slot()?;
            let name = [["broken", "broken-b"], ["stale", "stale-b"]][usize::from(stale)][slot & 1];
            let known = self.bench.images.len();
            let recipe = Recipe { slot, counter: 0, good: stale, ..Recipe::new(name, App::Silent, 8) };
            let image = self.bench.image(recipe)?;
            if !stale && image == known {
                self.bench.damage(image);
            }
            Ok(self.bench.send(image)?.is_ok())
        };
        if update().map_err(|e| Failure::Bricked(format!("the host cannot send an update: {e:#}")))? {
            return Err(Failure::Unaccepted("an image was taken that must be refused".into()));
        }
        // It waits for the host's next try.
        if self.bench.look(DECISION) != Seen::UpdateMode {
            return Err(Failure::Bricked("the board left the host that it had refused".into()));
        }
        self.start(Start::PowerCycle, &Promise::after(&before), figures)?;
        Ok(())
    }
}
