//! The journal: the state of updates in two flash sectors, kept through a cut at any moment.
//!
//! It is an append-only log of [`Record`]s, each of which is the whole state; the newest is the one
//! with the highest sequence number and a good CRC-32. When a sector is full the other is erased
//! and the log goes on there, so the newest record is never in a sector that is being erased.
//!
//! **Weak bits.** A cut in the middle of a record can leave bits that read well once and badly the
//! next time. So each state is written twice, as an odd and an even sequence number, and nobody
//! acts on a state whose newest record is odd before `Journal::settle` has written it
//! anew, twice: whichever of the two turns bad, the other says the same.
//!
//! A record is 32 bytes: a whole number of program units on every family, written once per erase.
//! What cannot be read (an ECC part's torn unit), does not add up or has a number that no log comes to
//! counts as used up: the record before it stands.

use crate::image::crc32;
use core::hint::black_box;

#[cfg(feature = "failsafe")]
mod log;
#[cfg(feature = "failsafe")]
pub use log::Journal;

/// Bytes of a record.
pub const RECORD_LEN: u32 = 32;
/// Fewest records of a sector: so many places may fail in a row before an append gives up.
pub const MIN_RECORDS: u32 = 16;
/// The first sequence number that makes no record: it could not be followed for ever. No log gets so
/// far, its sectors are worn out long before; what has such a number was not written by one. Addresses are above it:
/// no record is one that was stored a word too early, with what a register held as its number.
const END: u32 = 1 << 27;
/// [`Record::tries`] of a candidate that is not tried any more.
pub const REJECTED: u8 = 0xFF;
/// [`Record::tries`] from the begin of an update until it ends well: the candidate is not tried any more, nor is
/// what the update leaves.
pub const BEGUN: u8 = 0xFE;

/// A record's words.
mod at {
    pub const SEQUENCE: usize = 0;
    pub const FLOOR: usize = 1;
    pub const CONFIRMED: usize = 2;
    pub const CANDIDATE: usize = 3;
    /// Tries, revoked keys, event, detail.
    pub const BYTES: usize = 4;
    /// Its first byte; the others are 0.
    pub const CAUSE: usize = 5;
    pub const BACKUP: usize = 6;
    pub const CRC: usize = 7;
}

/// Why a record was written. The numbers are in flash; they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// The confirmed image was started, after another reset cause than the last time or by a watchdog.
    Boot = 1,
    /// An image on trial was started.
    Trial = 2,
    /// The candidate is not tried any more; the detail is the [`crate::image::ImageFault`],
    /// `Rejected` when it did not confirm itself in time.
    Rejected = 3,
    /// The application confirmed itself.
    Confirmed = 4,
    /// A complete new image was proved: it is the candidate now.
    Installed = 5,
    /// The confirmed image was copied back from the backup slot.
    Restored = 6,
    /// The confirmed image is about to be copied to the backup slot (detail 1), or was (0).
    BackedUp = 7,
    /// The first erase or program operation of an update is about to begin.
    UpdateBegun = 8,
    /// A flash operation of an update failed; the detail is the [`crate::port::FlashFault`].
    UpdateFault = 9,
    /// The host ended an update with an image that was refused; the detail is the
    /// [`crate::image::ImageFault`].
    Refused = 10,
}

impl Event {
    /// The event with this number, `None` for numbers of later versions.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Boot,
            2 => Self::Trial,
            3 => Self::Rejected,
            4 => Self::Confirmed,
            5 => Self::Installed,
            6 => Self::Restored,
            7 => Self::BackedUp,
            8 => Self::UpdateBegun,
            9 => Self::UpdateFault,
            10 => Self::Refused,
            _ => return None,
        })
    }
}

/// The whole state, as it stands in flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record(Words);

type Words = [[u8; 4]; RECORD_LEN as usize / 4];

/// A record's words where it stands.
fn words(bytes: &[u8]) -> Option<&Words> {
    bytes.as_chunks().0.first_chunk()
}

fn crc(words: &Words) -> u32 {
    crc32(words[..at::CRC].as_flattened())
}

fn is_whole(words: &Words) -> bool {
    u32::from_le_bytes(words[at::SEQUENCE]) < END && crc(words) == u32::from_le_bytes(words[at::CRC])
}

impl Record {
    /// The state of a board whose journal holds no record.
    pub const EMPTY: Self = Self([[0; 4]; RECORD_LEN as usize / 4]);

    /// The record in `bytes`, or `None` when they are not one.
    pub fn check(bytes: &[u8]) -> Option<Self> {
        words(bytes).and_then(Self::whole)
    }

    /// The record in these words of flash. What is checked is the copy, which is what is used: flash may
    /// read otherwise the next time.
    fn whole(words: &Words) -> Option<Self> {
        let record = Self(black_box(*words));
        is_whole(&record.0).then_some(record)
    }

    /// The bytes as they stand in flash.
    pub const fn bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at])
    }

    fn set(&mut self, at: usize, value: u32) {
        self.0[at] = value.to_le_bytes();
    }

    /// Counts the records; odd in the first of a state's two. 0: there is no record.
    pub fn sequence(&self) -> u32 {
        self.word(at::SEQUENCE)
    }
    /// The security counter below which no image is accepted.
    pub fn floor(&self) -> u32 {
        self.word(at::FLOOR)
    }
    /// Id of the confirmed image, 0: none.
    pub fn confirmed(&self) -> u32 {
        self.word(at::CONFIRMED)
    }
    /// Id of the image on trial, or of the one that was rejected last; 0: none.
    pub fn candidate(&self) -> u32 {
        self.word(at::CANDIDATE)
    }
    /// What the candidate's boots were charged, see [`crate::slot`]; [`REJECTED`], [`BEGUN`].
    pub fn tries(&self) -> u8 {
        self.0[at::BYTES][0]
    }
    /// Mask of the board's keys that a confirmed image has revoked.
    pub fn revoked(&self) -> u8 {
        self.0[at::BYTES][1]
    }
    /// [`Event`] as a number: why this record was written.
    pub fn event(&self) -> u8 {
        self.0[at::BYTES][2]
    }
    /// What belongs to the event, 0: nothing.
    pub fn detail(&self) -> u8 {
        self.0[at::BYTES][3]
    }
    /// Reset cause of the last boot that was recorded, as in [`crate::handoff::Record::reset_cause`].
    pub fn cause(&self) -> u8 {
        self.0[at::CAUSE][0]
    }
    /// Id of the image that the backup slot holds completely, 0: none.
    pub fn backup(&self) -> u32 {
        self.word(at::BACKUP)
    }
    /// True when the candidate is not tried any more: it was rejected, or an update has begun since.
    pub fn given_up(&self) -> bool {
        self.tries() >= BEGUN
    }
    /// True when the candidate is to be booted.
    pub fn on_trial(&self) -> bool {
        self.candidate() != 0 && !self.given_up()
    }

    /// Another candidate, not tried yet; 0: none.
    pub fn set_candidate(&mut self, id: u32) {
        self.set(at::CANDIDATE, id);
        self.set_tries(0);
    }
    /// Another charge for the candidate.
    pub fn set_tries(&mut self, tries: u8) {
        self.0[at::BYTES][0] = tries;
    }
    /// The reset cause of a boot.
    pub fn set_cause(&mut self, cause: u8) {
        self.0[at::CAUSE][0] = cause;
    }
    /// Another image in the backup slot; 0: none.
    pub fn set_backup(&mut self, id: u32) {
        self.set(at::BACKUP, id);
    }
    /// The candidate `id` is confirmed, its security counter taken over if it is higher, and these
    /// keys are revoked.
    pub fn set_confirmed(&mut self, id: u32, counter: u32, revokes: u8) {
        self.set(at::CONFIRMED, id);
        self.set(at::FLOOR, self.floor().max(counter));
        self.0[at::BYTES][1] |= revokes;
        self.set_candidate(0);
    }
    /// Why it is written.
    #[cfg(feature = "failsafe")]
    fn set_event(&mut self, event: Event, detail: u8) {
        [_, _, self.0[at::BYTES][2], self.0[at::BYTES][3]] = [0, 0, event as u8, detail];
    }
    /// What makes it a record of the log.
    #[cfg(feature = "failsafe")]
    fn seal(&mut self, sequence: u32) {
        self.set(at::SEQUENCE, sequence);
        self.set(at::CRC, crc(&self.0));
    }
}

/// The records in a journal sector's `bytes`, oldest first; what is no record is left out.
pub fn history(bytes: &[u8]) -> impl Iterator<Item = Record> + '_ {
    bytes.as_chunks::<{ RECORD_LEN as usize }>().0.iter().filter_map(|bytes| Record::check(bytes))
}
