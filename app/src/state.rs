//! What the journal says: which image is confirmed, which is on trial, and what happened last.
//!
//! Read-only; it costs an application more than [`crate::status`], which only reads RAM, and is apart
//! from it for that reason.

use surefoot_core::config::OWNER_JOURNAL;
use surefoot_core::image::manifest::{self, View};
use surefoot_core::image::{ImageFault, Version};
use surefoot_core::journal::{Journal, RECORD_LEN, Record};
use surefoot_core::port::Memory;
use surefoot_core::slot::{self, CHARGE};

use crate::board::Board;
use crate::error::Error;
use crate::home::{self, Home};

/// What the running image is to the bootloader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// It did not come through the bootloader: neither confirmed nor on trial.
    Unknown = 0,
    /// It is confirmed: the bootloader starts it, and goes back to it.
    Confirmed = 1,
    /// It is on trial: without [`crate::confirm`] the bootloader gives it up.
    OnTrial = 2,
}

/// The journal's word on the images. Ids are those of [`surefoot_core::image::manifest::View::id`];
/// 0 is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The running image.
    pub running: Standing,
    /// Its id.
    pub id: u32,
    /// Id of the confirmed image.
    pub confirmed: u32,
    /// Id of the image on trial, or of the one that was rejected last.
    pub candidate: u32,
    /// True when that candidate is not tried any more: it did not confirm itself, was no good, or an update
    /// has begun since.
    pub rejected: bool,
    /// What the candidate's boots were charged so far, in eighths of a boot: eight for each, but one
    /// when the supply was lost before it.
    pub charged: u8,
    /// How much may be charged before it is rejected; 0: trials are not counted on this board.
    pub allowed: u8,
    /// Security counter below which no image is accepted.
    pub floor: u32,
    /// Mask of the board's keys that confirmed images have revoked.
    pub revoked: u8,
}

/// Reads the journal.
///
/// # Errors
/// [`Error::NoBootloader`] and [`Error::NoJournal`].
pub fn state(board: &Board) -> Result<State, Error> {
    let mut copy = home::NONE;
    let home = Home::find(board, &mut copy).ok_or(Error::NoBootloader)?;
    if !home.config.has_journal() {
        return Err(Error::NoJournal);
    }
    let known = Journal::load(home.config, &home.flash).state;
    let id = slot::id(&home.flash, home.slot);
    let rejected = known.given_up();
    let running = match id {
        0 => Standing::Unknown,
        id if known.on_trial() && known.candidate() == id => Standing::OnTrial,
        id if known.confirmed() == id => Standing::Confirmed,
        _ => Standing::Unknown,
    };
    Ok(State {
        running,
        id,
        confirmed: known.confirmed(),
        candidate: known.candidate(),
        rejected,
        charged: if rejected { 0 } else { known.tries() },
        allowed: home.config.trial_boots().saturating_mul(CHARGE),
        floor: known.floor(),
        revoked: known.revoked(),
    })
}

/// The running image's own version, as it was signed.
///
/// # Errors
/// [`Error::NoBootloader`]; [`Error::Image`] with [`ImageFault::NoManifest`] where the image has none.
pub fn version(board: &Board) -> Result<Version, Error> {
    let mut copy = home::NONE;
    let home = Home::find(board, &mut copy).ok_or(Error::NoBootloader)?;
    let image = home.flash.bytes(home.slot.base, home.slot.length).unwrap_or(&[]);
    let manifest = manifest::offset(image).and_then(|offset| image.get(offset as usize..));
    let view = manifest.and_then(|bytes| View::check(bytes).ok());
    let [major, minor, patch] = view.ok_or(Error::Image(ImageFault::NoManifest))?.version();
    Ok(Version { major, minor, patch })
}

/// Fills `into` with the newest records of the journal, the newest first, and says how many they are.
/// Each tells why it was written ([`Record::event`], [`Record::detail`], [`Record::cause`]) and what
/// the state was from then on. The journal keeps a few hundred.
///
/// # Errors
/// As [`state`].
pub fn events(board: &Board, into: &mut [Record]) -> Result<usize, Error> {
    let mut copy = home::NONE;
    let home = Home::find(board, &mut copy).ok_or(Error::NoBootloader)?;
    let config = home.config.with_open(OWNER_JOURNAL);
    let mut sectors = 0;
    let mut count = 0;
    let mut end = 0;
    while let Some(sector) = config.sector_from(end) {
        end = sector.end();
        sectors += 1;
        let bytes = home.flash.bytes(sector.base, sector.size).unwrap_or(&[]);
        for bytes in bytes.as_chunks::<{ RECORD_LEN as usize }>().0 {
            // What is still erased is told at a glance; the checksum of each place would take 0.1 s.
            if bytes.starts_with(&[0xFF; 4]) {
                continue;
            }
            if let Some(record) = Record::check(bytes) {
                count = insert(into, count, record);
            }
        }
    }
    if sectors == 0 { Err(Error::NoJournal) } else { Ok(count) }
}

/// Puts `record` in its place among the first `count` of `into`, newest first. Each state is recorded
/// twice, as an odd and the even sequence number after it (the first since a start three times, the odd
/// one twice), and counts once.
fn insert(into: &mut [Record], count: usize, record: Record) -> usize {
    let number = |record: &Record| record.sequence().next_multiple_of(2);
    let known = &into[..count];
    let place = known.iter().position(|k| number(k) <= number(&record)).unwrap_or(count);
    if known.get(place).is_some_and(|k| number(k) == number(&record)) || place == into.len() {
        return count;
    }
    let count = (count + 1).min(into.len());
    into[place..count].rotate_right(1);
    into[place] = record;
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;
    use surefoot_core::image::crc32;

    fn record(sequence: u32) -> Record {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&sequence.to_le_bytes());
        let crc = crc32(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        Record::check(&bytes).unwrap()
    }

    fn newest(sequences: &[u32], room: usize) -> Vec<u32> {
        let mut into = std::vec![Record::EMPTY; room];
        let count = sequences.iter().fold(0, |count, s| insert(&mut into, count, record(*s)));
        into[..count].iter().map(|r| r.sequence().div_ceil(2)).collect()
    }

    #[test]
    fn the_newest_records_come_first_and_each_state_once() {
        assert_eq!(newest(&[1, 2, 3, 4, 5, 6], 8), [3, 2, 1]);
        // The log went on in the first sector, and its newest state was written only once.
        assert_eq!(newest(&[7, 8, 9, 1, 2, 3, 4, 5, 6], 8), [5, 4, 3, 2, 1]);
        assert_eq!(newest(&[7, 8, 9, 1, 2, 3, 4, 5, 6], 3), [5, 4, 3]);
        assert_eq!(newest(&[1, 2, 3, 4, 5, 6, 7, 8], 2), [4, 3]);
        assert_eq!(newest(&[1, 2], 0), []);
        assert_eq!(newest(&[], 2), []);
    }
}
