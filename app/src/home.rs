//! Where the program is at home: the bootloader's own configuration in flash, and the running slot.
//!
//! Nothing of it is written down a second time: what the library writes to, and how, is read from the
//! block that the bootloader itself goes by.

use surefoot_core::config::{BLOCK_LEN, BinaryHeader, Config, HEADER_LEN, OWNER_SLOT0, Slot};
use surefoot_core::handoff::Record;

use crate::board::{Board, Family};
use crate::flash::{self, FlashF4};
use crate::registers::{flash, read};
use crate::rom::VTOR;

/// Where the header stands in a bootloader: right behind the core's sixteen vectors.
const HEADER: u32 = flash::BASE + 16 * 4;

/// What the library needs for its work on slots and journal.
pub(crate) struct Home {
    pub(crate) config: Config<'static>,
    /// The running slot ...
    pub(crate) slot: Slot,
    /// ... and its owner mask.
    pub(crate) owner: u8,
    pub(crate) flash: FlashF4,
}

impl Home {
    /// `None`: no bootloader with a sealed block stands at the start of flash, or what runs is in none
    /// of its slots.
    pub(crate) fn find(board: &Board) -> Option<Self> {
        let Family::F4 = board.family;
        let place = flash(HEADER, (HEADER_LEN + BLOCK_LEN) as u32);
        let (header, at) = BinaryHeader::find(place)?;
        let config = Config::parse(place[at..].first_chunk()?, board.family as u16).ok()?;
        if header.family != board.family as u16 {
            return None;
        }
        // The vector table tells, unless the application has moved it to RAM.
        let running = |address| {
            let mut slots = config.slots().zip([OWNER_SLOT0, OWNER_SLOT0 << 1]);
            slots.find(|(slot, _)| slot.contains(address, 4))
        };
        let (slot, owner) = running(read(VTOR))
            .or_else(|| running(crate::status::record(board).map(|record: Record| record.slot)?))?;
        Some(Self { config, slot, owner, flash: FlashF4::new(config) })
    }

    /// The chip's unique id (RM0090 Rev 19, 39.1).
    pub(crate) fn device(&self) -> [u8; 12] {
        let mut id = [0; 12];
        for (word, at) in id.as_chunks_mut().0.iter_mut().zip((self.config.uid_address()..).step_by(4)) {
            *word = read(at).to_le_bytes();
        }
        id
    }
}
