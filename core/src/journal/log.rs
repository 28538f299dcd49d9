//! Finding the newest record and writing the next.

use super::{END, Event, MIN_RECORDS, RECORD_LEN, Record, words};
use crate::config::{Config, OWNER_JOURNAL};
use crate::port::{Flash, FlashFault, Memory, is_blank};

/// Bytes that are looked at in one piece.
const BLANK: u32 = MIN_RECORDS * RECORD_LEN;

/// The log of one board, with its newest state at hand.
#[derive(Clone, Debug)]
pub struct Journal<'a> {
    /// The newest state. Change it, then [`Journal::commit`] it.
    pub state: Record,
    /// With the journal's sectors open.
    config: Config<'a>,
    /// Sequence number of the newest record that was written; before that a higher one, which is odd where the
    /// state is to be settled.
    sequence: u32,
    /// Where the next record goes ...
    next: u32,
    /// ... unless that is here, at the end of the sector.
    limit: u32,
    /// End of the sector with the newest record, which is not erased.
    home: u32,
}

impl<'a> Journal<'a> {
    /// Looks for the newest record. A board without a journal has none, and writes to nowhere.
    #[inline(always)]
    pub fn load(config: Config<'a>, memory: &impl Memory) -> Self {
        // Without a record the first one goes to the first sector, which is erased for it.
        let (state, config) = (Record::EMPTY, config.with_open(OWNER_JOURNAL));
        let mut journal = Self { state, config, sequence: 0, next: 0, limit: 0, home: u32::MAX };
        journal.find(memory);
        journal
    }

    #[inline(never)]
    fn find(&mut self, memory: &impl Memory) {
        let (mut end, mut behind, mut lost) = (0, false, false);
        'sectors: while let Some(sector) = &self.config.sector_from(end) {
            end = sector.end();
            let mut at = end;
            // Most of a sector is free most of the time, and each start reads it: in few instructions.
            while at - sector.base >= BLANK && memory.bytes(at - BLANK, BLANK).is_some_and(is_blank) {
                at -= BLANK;
            }
            let mut free = at;
            while at != sector.base {
                let tail = free == at;
                at -= RECORD_LEN;
                // What cannot be read is neither blank nor a record.
                let Some(words) = memory.bytes(at, RECORD_LEN).and_then(words) else { continue };
                if tail && is_blank(words.as_flattened()) {
                    free = at;
                } else if let Some(record) = Record::whole(words) {
                    if record.sequence() > self.state.sequence() {
                        self.state = record;
                        (self.next, self.limit, self.home) = (free, end, end);
                        behind = free != at + RECORD_LEN;
                    }
                    // Those before it are older.
                    continue 'sectors;
                }
            }
            lost |= free != at;
        }
        // A place behind the newest record that is used and no record may be one at the next start, so the state is
        // settled first, with a higher number. Behind a full sector that place is in the other one.
        self.sequence = (self.state.sequence() + 2) | u32::from(behind | lost);
    }

    /// The board.
    pub fn config(&self) -> Config<'a> {
        self.config
    }

    /// True when the next state can be written without an erase, be it the first one since a reset.
    pub fn has_room(&self) -> bool {
        self.limit - self.next >= 3 * RECORD_LEN
    }

    /// Writes the newest state once more, unless both of its records are there and no place behind them is
    /// used. To be called before anything is done because of the state that [`Journal::load`] found.
    #[inline(never)]
    pub fn settle(&mut self, flash: &mut impl Flash) -> Result<(), FlashFault> {
        if self.sequence.is_multiple_of(2) { Ok(()) } else { self.twice(flash) }
    }

    /// Writes the state, twice. After an error it is uncertain whether the next start finds it.
    #[inline(never)]
    pub fn commit(&mut self, flash: &mut impl Flash, event: Event, detail: u8) -> Result<(), FlashFault> {
        self.state.set_event(event, detail);
        self.twice(flash)
    }

    /// Writes the newest state once more, twice.
    #[inline(never)]
    pub(crate) fn twice(&mut self, flash: &mut impl Flash) -> Result<(), FlashFault> {
        let untouched = self.sequence != self.state.sequence();
        // An odd number that stands alone may turn bad, and so may its twin after another cut: both
        // records of what counts are written in one go.
        self.sequence = self.sequence.next_multiple_of(2);
        if self.sequence + 2 >= END {
            return Err(FlashFault::Sequence);
        }
        self.write(flash)?;
        // A write that a cut ended as it began may have left weak bits in a place that reads as free: what goes
        // there first does not count as one of the two.
        if untouched {
            self.sequence -= 1;
            self.write(flash)?;
        }
        self.write(flash)
    }

    #[inline(never)]
    fn write(&mut self, flash: &mut impl Flash) -> Result<(), FlashFault> {
        self.state.seal(self.sequence + 1);
        if flash.takes_back(self.state.bytes()) {
            return Err(FlashFault::Sequence);
        }
        let mut result = Ok(());
        // Places that cannot be written are passed over.
        for _ in 0..MIN_RECORDS {
            if self.next == self.limit {
                let mut other = self.config.sector_from(self.home);
                if other.is_none() {
                    other = self.config.sector_from(0);
                }
                let Some(sector) = &other else { break };
                // Never the newest record's own, whatever a core skipped.
                if sector.end() == self.home {
                    return Err(FlashFault::Sequence);
                }
                flash.erase(self.config, sector)?;
                self.next = sector.base;
                self.limit = sector.end();
            }
            let at = self.next;
            self.next += RECORD_LEN;
            result = flash.program(self.config, at, self.state.bytes());
            if result.is_ok() {
                self.sequence += 1;
                self.home = self.limit;
                break;
            }
        }
        result
    }
}
