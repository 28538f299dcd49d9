//! Finding the newest record and writing the next.

use super::{MIN_RECORDS, RECORD_LEN, Record};
use crate::config::{Config, OWNER_JOURNAL};
use crate::port::{Flash, FlashFault, Memory};

/// The log of one board, with its newest record at hand.
#[derive(Clone, Debug)]
pub struct Journal<'a> {
    /// With the journal's sectors open.
    config: Config<'a>,
    record: Record,
    /// Where the next record goes ...
    next: u32,
    /// ... unless that is here, at the end of the sector.
    limit: u32,
    /// End of the sector that holds `record`, which is not erased.
    home: u32,
}

impl<'a> Journal<'a> {
    /// Looks for the newest record. A board without a journal has none, and appends to nowhere.
    #[inline(never)]
    pub fn load(config: Config<'a>, memory: &impl Memory) -> Self {
        let config = config.with_open(OWNER_JOURNAL);
        // Without a record the first append goes to the first sector, and erases it.
        let mut journal = Self { config, record: Record::EMPTY, next: 0, limit: 0, home: u32::MAX };
        let mut end = 0;
        while let Some(sector) = config.sector_from(end) {
            end = sector.end();
            let mut free = end;
            let mut at = end;
            while at != sector.base {
                at -= RECORD_LEN;
                let bytes = memory.bytes(at, RECORD_LEN);
                if bytes.is_some_and(|b| b.as_chunks().0.iter().all(|word| *word == [0xFF; 4]))
                    && free == at + RECORD_LEN
                {
                    free = at;
                    continue;
                }
                if let Some(record) = bytes.and_then(Record::check) {
                    if record.sequence() > journal.record.sequence() {
                        journal = Self { config, record, next: free, limit: end, home: end };
                    }
                    // Those before it are older.
                    break;
                }
            }
        }
        journal
    }

    /// The newest state.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The board.
    pub fn config(&self) -> Config<'a> {
        self.config
    }

    /// True when the next state can be written without an erase.
    pub fn has_room(&self) -> bool {
        self.limit.wrapping_sub(self.next) >= 2 * RECORD_LEN
    }

    /// Writes the second record of the newest state, unless it is there. Before this nothing is
    /// done that cannot be taken back.
    #[inline(never)]
    pub fn settle(&mut self, flash: &mut impl Flash) -> Result<(), FlashFault> {
        if self.record.sequence() % 2 == 0 {
            return Ok(());
        }
        let record = self.record;
        self.write(flash, record)
    }

    /// Writes a new state. After an error it is uncertain which one the next start finds.
    #[inline(never)]
    pub fn append(&mut self, flash: &mut impl Flash, state: Record) -> Result<(), FlashFault> {
        self.settle(flash)?;
        self.write(flash, state)?;
        self.settle(flash)
    }

    #[inline(never)]
    fn write(&mut self, flash: &mut impl Flash, state: Record) -> Result<(), FlashFault> {
        let record = state.following(self.record.sequence());
        let mut result = Ok(());
        // Places that cannot be written are passed over.
        for _ in 0..MIN_RECORDS {
            if self.next == self.limit {
                let other = self.config.sector_from(self.home).or_else(|| self.config.sector_from(0));
                let Some(sector) = other else { return Ok(()) };
                flash.erase(self.config, &sector)?;
                self.next = sector.base;
                self.limit = sector.end();
            }
            let at = self.next;
            self.next += RECORD_LEN;
            result = flash.program(self.config, at, record.bytes());
            if result.is_ok() {
                self.record = record;
                self.home = self.limit;
                break;
            }
        }
        result
    }
}
