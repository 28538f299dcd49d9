//! What the bootloader of a virtual board did at a start, told from the journal in its flash.
//!
//! Stands beside a running board and looks into its flash as a debugger does, so it costs the board nothing.
//! Boards without a bootloader of ours, or without a journal, have nothing to tell but which image runs.

use surefoot_core::config::{BLOCK_LEN, BinaryHeader, Config, FAMILY_F4, OWNER_JOURNAL, Slot};
use surefoot_core::image::manifest::{self, LEN, Manifest, VECTOR_OFFSET, View};
use surefoot_core::journal::{self, Event, Record};
use surefoot_core::slot::CHARGE;
use surefoot_sim::Board;

/// Where a bootloader ends at the latest.
const LARGEST_BOOTLOADER: usize = 64 << 10;

/// Remembers what was told.
#[derive(Clone, Debug)]
pub struct Boots {
    block: Option<[u8; BLOCK_LEN]>,
    /// The newest record when somebody looked last.
    sequence: u32,
    /// Records since the last start was told.
    pending: Vec<Record>,
    /// Ids and versions of images that a slot held when somebody looked; a rejected one may be gone.
    known: Vec<(u32, String)>,
}

impl Boots {
    /// From now on.
    pub fn new(board: &Board) -> Self {
        let start = &board.flash()[..board.flash().len().min(LARGEST_BOOTLOADER)];
        let block = BinaryHeader::find(start)
            .and_then(|(_, offset)| start.get(offset..)?.first_chunk())
            .copied()
            .filter(|block| Config::parse(block, FAMILY_F4).is_ok());
        let mut boots = Self { block, sequence: 0, pending: Vec::new(), known: Vec::new() };
        boots.sequence = boots.records(board).last().map_or(0, Record::sequence);
        boots
    }

    /// True where a bootloader of ours runs first.
    pub fn has_bootloader(&self) -> bool {
        self.block.is_some()
    }

    /// Takes note of new records. What the application did (it confirmed itself) is told at once.
    pub fn look(&mut self, board: &Board) -> Option<String> {
        let mut confirmed = None;
        let last = self.sequence;
        let records = self.records(board);
        if records.last().is_some_and(|newest| newest.sequence() > last) {
            self.remember(board);
        }
        for record in records.into_iter().filter(|r| r.sequence() > last) {
            self.sequence = record.sequence();
            // A state is written twice, with an odd and the even number behind it; the first one since a
            // start has the odd one twice.
            if record.sequence() % 2 == 1 {
                continue;
            }
            match Event::from_number(record.event()) {
                Some(Event::Confirmed) => {
                    confirmed = Some(format!("{} confirmed itself", self.name(board, record.confirmed())));
                }
                _ => self.pending.push(record),
            }
        }
        confirmed
    }

    /// What the bootloader did since the last start; `running` is the slot it started, `None` when it stays.
    pub fn start(&mut self, board: &Board, running: Option<Slot>) -> String {
        let pending = std::mem::take(&mut self.pending);
        let mut told = Vec::new();
        let (mut trial, mut back) = (None, false);
        for record in &pending {
            let candidate = || self.name(board, record.candidate());
            match Event::from_number(record.event()) {
                Some(Event::Trial) => trial = Some(record.tries().div_ceil(CHARGE)),
                Some(Event::Rejected) => {
                    let text = format!("{} was rejected", candidate());
                    // Recorded again when the copy back begins.
                    if told.last() != Some(&text) {
                        told.push(text);
                    }
                    back = true;
                }
                Some(Event::Restored) => told.push("the old image was copied back".to_owned()),
                Some(Event::BackedUp) if record.detail() == 0 => {
                    told.push("the confirmed image was copied to the backup slot".to_owned());
                }
                Some(Event::Refused) => told.push("the image of an update was refused".to_owned()),
                _ => {}
            }
        }
        told.push(match running {
            None => "in update mode".to_owned(),
            Some(slot) => {
                let version = self.version_in(board, slot);
                let of = self.config().map_or(0, |config| config.trial_boots());
                match trial {
                    Some(number) => format!("trial {number} of {of} of {version}"),
                    None if back => format!("rolled back to {version}"),
                    None => format!("started {version}"),
                }
            }
        });
        told.join(", ")
    }

    fn config(&self) -> Option<Config<'_>> {
        Config::parse(self.block.as_ref()?, FAMILY_F4).ok()
    }

    /// All whole records, oldest first.
    fn records(&self, board: &Board) -> Vec<Record> {
        let Some(config) = self.config() else { return Vec::new() };
        let config = config.with_open(OWNER_JOURNAL);
        let (mut records, mut end) = (Vec::new(), 0);
        while let Some(sector) = config.sector_from(end) {
            let bytes = board.read_memory(sector.base, sector.size as usize).unwrap_or(&[]);
            records.extend(journal::history(bytes));
            end = sector.end();
        }
        records.sort_by_key(Record::sequence);
        records
    }

    /// The version of the image with this id, if a slot holds it or held it.
    fn name(&self, board: &Board, id: u32) -> String {
        let found = self.held(board).into_iter().find(|found| found.0 == id);
        let found = found.or_else(|| self.known.iter().find(|known| known.0 == id).cloned());
        found.map_or_else(|| format!("image {id:08x}"), |found| found.1)
    }

    fn remember(&mut self, board: &Board) {
        for image in self.held(board) {
            if !self.known.contains(&image) {
                self.known.push(image);
            }
        }
    }

    /// The images in the slots, with id and version.
    fn held(&self, board: &Board) -> Vec<(u32, String)> {
        self.config()
            .map_or(Vec::new(), |config| config.slots().filter_map(|slot| image(board, slot)).collect())
    }

    fn version_in(&self, board: &Board, slot: Slot) -> String {
        image(board, slot).map_or_else(|| "an image without a manifest".to_owned(), |found| found.1)
    }
}

/// Id and version of the image in a slot.
fn image(board: &Board, slot: Slot) -> Option<(u32, String)> {
    let head = board.read_memory(slot.base, VECTOR_OFFSET + 12)?;
    let offset = manifest::offset(head).filter(|o| o.saturating_add(LEN as u32) <= slot.length)?;
    let bytes = board.read_memory(slot.base + offset, LEN)?;
    let (view, manifest) = (View::check(bytes).ok()?, Manifest::decode(bytes).ok()?);
    let v = manifest.version;
    Some((view.id(), format!("{}.{}.{}", v.major, v.minor, v.patch)))
}
