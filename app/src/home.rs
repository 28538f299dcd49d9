//! Where the program is at home: the bootloader's own configuration in flash, and the running slot.
//!
//! Nothing of it is written down a second time: what the library writes to, and how, is read from the
//! block that the bootloader itself goes by.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use surefoot_core::config::{BLOCK_LEN, BinaryHeader, Config, HEADER_LEN, HEADER_MAGIC, OWNER_SLOT0, Slot};
use surefoot_core::handoff::Record;

use crate::board::{Board, Family};
use crate::flash::{self, FlashF4};
use crate::registers::read;
use crate::rom::VTOR;

/// Where the header stands in a bootloader: right behind the core's sixteen vectors.
const HEADER: u32 = flash::BASE + 16 * 4;
/// Looks at header and block before there is no bootloader: a bit that reads wrong hides them.
const LOOKS: usize = 32;

/// Header and block as they read when they were checked: what is obeyed must not read otherwise by then, or
/// the wrong sector is erased.
pub(crate) type Copy = [u8; HEADER_LEN + BLOCK_LEN];

/// No copy yet.
pub(crate) const NONE: Copy = [0; HEADER_LEN + BLOCK_LEN];

/// The configuration, if a bootloader for this family stands at the start of flash.
fn look(copy: &mut Copy, family: u16) -> Option<Config<'_>> {
    for _ in 0..LOOKS {
        for (word, at) in copy.as_chunks_mut().0.iter_mut().zip((HEADER..).step_by(4)) {
            *word = read(at).to_le_bytes();
        }
        // A bit that reads wrong spoils one half of the header's first bytes at most.
        let [one, two] = [0..8, 8..16].map(|half| copy[half.clone()] == HEADER_MAGIC[half]);
        if checked(copy, family).is_some() || !(one || two) {
            break;
        }
    }
    checked(copy, family)
}

fn checked(copy: &Copy, family: u16) -> Option<Config<'_>> {
    let (header, at) = BinaryHeader::find(copy)?;
    let config = Config::parse(copy[at..].first_chunk()?, family).ok()?;
    (header.family == family).then_some(config)
}

/// A copy for good.
struct Kept {
    whole: AtomicBool,
    copy: UnsafeCell<Copy>,
}

// SAFETY: the copy is written with interrupts off, on chips with one core, and only until it is whole; it is
// referred to only afterwards.
unsafe impl Sync for Kept {}

impl Kept {
    fn config(&'static self, family: u16) -> Option<Config<'static>> {
        cortex_m::interrupt::free(|_| {
            if !self.whole.load(Ordering::Relaxed) {
                // SAFETY: interrupts are off, and what is not whole nobody refers to.
                let whole = look(unsafe { &mut *self.copy.get() }, family).is_some();
                self.whole.store(whole, Ordering::Relaxed);
            }
        });
        // SAFETY: once it is whole nobody writes it.
        let copy = self.whole.load(Ordering::Relaxed).then(|| unsafe { &*self.copy.get() })?;
        checked(copy, family)
    }
}

/// What the library needs for its work on slots and journal.
pub(crate) struct Home<'a> {
    pub(crate) config: Config<'a>,
    /// The running slot ...
    pub(crate) slot: Slot,
    /// ... and its owner mask.
    pub(crate) owner: u8,
    pub(crate) flash: FlashF4,
}

impl Home<'static> {
    /// [`Home::find`] for whoever needs it for long. It costs 672 bytes of RAM.
    pub(crate) fn keep(board: &Board) -> Option<Self> {
        static KEPT: Kept = Kept { whole: AtomicBool::new(false), copy: UnsafeCell::new(NONE) };
        let Family::F4 = board.family;
        Self::of(board, KEPT.config(board.family as u16)?)
    }
}

impl<'a> Home<'a> {
    /// `None`: no bootloader with a sealed block stands at the start of flash, or what runs is in none
    /// of its slots.
    pub(crate) fn find(board: &Board, copy: &'a mut Copy) -> Option<Self> {
        let Family::F4 = board.family;
        Self::of(board, look(copy, board.family as u16)?)
    }

    fn of(board: &Board, config: Config<'a>) -> Option<Self> {
        // Where this very code stands; if that is in RAM, the vector table tells, unless it was moved there too.
        let here = look as for<'c> fn(&'c mut Copy, u16) -> Option<Config<'c>> as usize as u32;
        let running = |address| {
            let mut slots = config.slots().zip([OWNER_SLOT0, OWNER_SLOT0 << 1]);
            slots.find(|(slot, _)| slot.contains(address, 4))
        };
        let (slot, owner) = running(here & !1)
            .or_else(|| running(read(VTOR)))
            .or_else(|| running(crate::status::record(board).map(|record: Record| record.slot)?))?;
        Some(Self { config, slot, owner, flash: FlashF4::new(config) })
    }

    /// True when the vector table in force is in the running slot or in RAM: not in the other slot, nor the
    /// bootloader's, where a start-up file puts it that knows of neither.
    pub(crate) fn has_vector_table(&self) -> bool {
        let table = read(VTOR);
        let ram = Slot { base: self.config.ram_base(), length: self.config.ram_size() };
        self.slot.contains(table, 4) || ram.contains(table, 4)
    }

    /// The chip's unique id (RM0090 Rev 21, 39.1).
    pub(crate) fn device(&self) -> [u8; 12] {
        let mut id = [0; 12];
        for (word, at) in id.as_chunks_mut().0.iter_mut().zip((self.config.uid_address()..).step_by(4)) {
            *word = read(at).to_le_bytes();
        }
        id
    }
}
