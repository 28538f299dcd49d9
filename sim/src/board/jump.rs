//! Jumping over the turns of a loop that waits for a register.
//!
//! [`crate::polling`] says which loops those are. What a jump leaves is what the turns would have: the same
//! state of the core, of RAM and of the models, at the time at which the last of them would have ended. It ends
//! before the next event, so that the turn that sees it is run.

use super::Board;
use crate::polling::Counts;
use crate::time::Nanos;

/// Cycles that a jump must save to be worth the copy of RAM that it takes to be sure.
const WORTH: u64 = 1_000;
/// Most cycles of one jump.
const FARTHEST: u64 = 1 << 40;

impl Board {
    /// Instructions among [`Board::instructions`] that were not run one by one, as [`BoardOptions::jump_polls`]
    /// allows.
    ///
    /// [`BoardOptions::jump_polls`]: super::BoardOptions::jump_polls
    pub fn jumped(&self) -> u64 {
        self.bus.clock.jumped()
    }

    /// Looks at a turn of a loop that has just ended, and jumps where it is known to repeat itself.
    pub(super) fn look_at_poll(&mut self, limit: Nanos) {
        let at = Counts { cycles: self.cycles(), instructions: self.cpu.retired() };
        let next = self.bus.next_event.min(limit).min(self.bus.polling.until());
        let own = self.cpu.next_event().unwrap_or(u64::MAX);
        let left = self.bus.clock.cycles_at(next).min(own).saturating_sub(at.cycles);
        // Who counts instructions wants to be there for each.
        if left < WORTH || self.bus.last != u64::MAX {
            return self.bus.polling.rest();
        }
        let core = self.cpu.state();
        let Some(period) = self.bus.polling.look(core, at, &self.bus.memory.rams) else { return };
        let turns = left.min(FARTHEST) / period.cycles;
        self.bus.clock.jump(turns * period.cycles, turns * period.instructions);
        self.bus.polling.disturbed();
    }
}
