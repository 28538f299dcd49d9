//! Finds a program that waits in a loop for a register to change, so that its turns need not be run one by one.
//!
//! The bus tells of each access here; after enough turns that read one register and saw one value, the board's
//! loop compares all of the core's state and all of RAM at the ends of two turns. Where they are equal and
//! nothing else went on in between, the machine repeats itself until an event, and the board jumps over whole
//! periods up to there ([`crate::board`]).
//!
//! Does not look for loops that change anything, a counter in a register say: those are run as ever.

use crate::memory::Ram;
use crate::time::Nanos;

/// Turns that are run before the first look at the core's state.
const FIRST_LOOK: u32 = 2;
/// Looks at consecutive turns for a state seen before: a helper that two places in a loop call returns to two.
const LONGEST: u32 = 4;
/// Turns until the next attempt after one in vain, which doubles each time.
const WAIT: u32 = 16;
const LONGEST_WAIT: u32 = 1 << 16;
/// Reads of other registers in a turn, after which another one is taken for the loop's.
const MOST_READS: u32 = 64;

/// A count of cycles and one of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) cycles: u64,
    pub(crate) instructions: u64,
}

/// The state of the core at the end of a turn.
struct Seen {
    core: Vec<u8>,
    at: Counts,
    /// RAM was copied then too.
    with_ram: bool,
}

/// The read whose return is the end of a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Poll {
    pub(crate) pc: u32,
    pub(crate) address: u32,
    pub(crate) value: u32,
}

/// What is known of a loop.
pub(crate) struct Polling {
    on: bool,
    poll: Option<Poll>,
    turns: u32,
    look_at: u32,
    wait: u32,
    looks: u32,
    others: u32,
    until: Nanos,
    /// The bus has answered the access that the core asks about next whether to carry on.
    answered: bool,
    due: bool,
    seen: Option<Seen>,
    rams: Vec<u8>,
}

impl Polling {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on,
            poll: None,
            turns: 0,
            look_at: FIRST_LOOK,
            wait: WAIT,
            looks: 0,
            others: 0,
            until: Nanos::NEVER,
            answered: false,
            due: false,
            seen: None,
            rams: Vec::new(),
        }
    }

    /// Loops are looked for.
    pub(crate) fn on(&self) -> bool {
        self.on
    }

    /// Something happened that is no turn of a quiet loop.
    pub(crate) fn disturbed(&mut self) {
        if self.poll.take().is_some() {
            (self.turns, self.look_at, self.wait) = (0, FIRST_LOOK, WAIT);
            (self.others, self.until, self.due, self.seen) = (0, Nanos::NEVER, false, None);
        }
    }

    /// The core begins a stretch.
    pub(crate) fn stretch(&mut self) {
        self.answered = false;
    }

    /// The bus answers an access.
    pub(crate) fn answers(&mut self) {
        self.answered = true;
    }

    /// The core asks whether to carry on after an access. Where the bus has answered none, the core did: with
    /// SysTick's counter say, which is another one each time.
    pub(crate) fn asked(&mut self) {
        if !std::mem::replace(&mut self.answered, false) {
            self.disturbed();
        }
    }

    /// A read without effects; what it shows stays until the given instant or the next event.
    pub(crate) fn read(&mut self, read: Poll, until: Nanos) {
        match self.poll {
            Some(poll) if poll == read => {
                self.turns = self.turns.saturating_add(1);
                self.others = 0;
                self.due = self.turns >= self.look_at;
            }
            Some(poll) if (poll.pc, poll.address) != (read.pc, read.address) && self.others < MOST_READS => {
                self.others += 1;
            }
            _ => {
                self.disturbed();
                self.poll = Some(read);
            }
        }
        self.until = self.until.min(until);
    }

    /// What the loop reads stays until then, or the next event.
    pub(crate) fn until(&self) -> Nanos {
        self.until
    }

    /// A turn is over at which the board wants to look.
    pub(crate) fn due(&self) -> bool {
        self.due
    }

    /// [`Polling::due`], once.
    pub(crate) fn take_due(&mut self) -> bool {
        std::mem::take(&mut self.due)
    }

    /// No more looks at this loop until something happens.
    pub(crate) fn rest(&mut self) {
        (self.look_at, self.seen) = (u32::MAX, None);
    }

    /// The state at the end of a turn. The loop's period, if it is the same as at the end of one before.
    pub(crate) fn look(&mut self, core: Vec<u8>, at: Counts, rams: &[Ram]) -> Option<Counts> {
        self.look_at = self.turns + 1;
        self.looks += 1;
        let Some(seen) = &mut self.seen else {
            (self.seen, self.looks) = (Some(Seen { core, at, with_ram: false }), 0);
            return None;
        };
        if seen.core != core {
            if self.looks >= LONGEST {
                self.in_vain();
            }
            return None;
        }
        if !seen.with_ram {
            // Most loops that are none end before this: only now it is worth the copy.
            self.rams.clear();
            rams.iter().for_each(|ram| self.rams.extend_from_slice(ram.bytes()));
            (seen.at, seen.with_ram, self.looks) = (at, true, 0);
            return None;
        }
        let mut copy = self.rams.as_slice();
        let same = rams.iter().all(|ram| {
            let (then, rest) = copy.split_at(ram.bytes().len());
            copy = rest;
            ram.bytes() == then
        });
        if !same {
            self.in_vain();
            return None;
        }
        let Counts { cycles, instructions } = seen.at;
        Some(Counts { cycles: at.cycles - cycles, instructions: at.instructions - instructions })
    }

    fn in_vain(&mut self) {
        self.seen = None;
        self.look_at = self.turns.saturating_add(self.wait);
        self.wait = (2 * self.wait).min(LONGEST_WAIT);
    }
}
