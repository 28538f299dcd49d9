//! The handoff: eight words at the start of RAM through which bootloader and application talk.
//!
//! They survive a reset but not a loss of the supply. The application writes the request words
//! and resets; the bootloader writes the record before it jumps. Linker scripts that Surefoot
//! writes keep these 32 bytes free; an application without one can still ask for an update, it
//! only cannot read the record.

use crate::image::crc32_words;

/// Bytes of the handoff words.
pub const LEN: u32 = 32;
/// Offset of the request word: the board's magic word asks for update mode.
pub const REQUEST: u32 = 0;
/// Offset of the request's complement; both must match.
pub const REQUEST_COMPLEMENT: u32 = 4;
/// Offset of the double-tap word.
pub const DOUBLE_TAP: u32 = 8;
/// Offset of the record, [`RECORD_WORDS`] words.
pub const RECORD: u32 = 12;
/// Words of the record: magic, version, causes, slot, CRC-32 of the four before.
pub const RECORD_WORDS: usize = 5;
/// First word of a record: "SFH1".
pub const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"SFH1");
/// The magic word unless the board says otherwise.
pub const DEFAULT_MAGIC_WORD: u32 = 0xDEAD_BEEF;
/// In the double-tap word between the first and the second reset.
pub const TAPPED: u32 = 0x7A9E_D0C5;

/// What the bootloader tells the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Bootloader version: major, minor, patch.
    pub version: [u8; 3],
    /// Reset flags: bits 25-31 of the F4's RCC_CSR as bits 0-6
    /// (BOR, PIN, POR, software, independent watchdog, window watchdog, low power).
    pub reset_cause: u8,
    /// [`crate::decide::Reason`] of the last stay in update mode since power came on, or 0. A stay
    /// that a reset ended does not count.
    pub reason: u8,
    /// First address of the running slot.
    pub slot: u32,
}

impl Record {
    /// The record's words.
    pub fn encode(&self) -> [u32; RECORD_WORDS] {
        let mut words = [0; RECORD_WORDS];
        self.write(&mut words);
        words
    }

    /// [`Record::encode`] into its place.
    #[inline(always)]
    pub fn write(&self, words: &mut [u32; RECORD_WORDS]) {
        let [a, b, c] = self.version;
        words[0] = RECORD_MAGIC;
        words[1] = u32::from_le_bytes([a, b, c, 0]);
        words[2] = u32::from_le_bytes([self.reset_cause, self.reason, 0, 0]);
        words[3] = self.slot;
        words[4] = checksum(words);
    }

    /// The record in `words`, or `None` when they hold none.
    pub fn decode(words: &[u32; RECORD_WORDS]) -> Option<Self> {
        if words[0] != RECORD_MAGIC || words[4] != checksum(words) {
            return None;
        }
        let [a, b, c, _] = words[1].to_le_bytes();
        let [reset_cause, reason, _, _] = words[2].to_le_bytes();
        Some(Self { version: [a, b, c], reset_cause, reason, slot: words[3] })
    }
}

fn checksum([words @ .., _]: &[u32; RECORD_WORDS]) -> u32 {
    crc32_words(words)
}
