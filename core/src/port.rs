//! The ports: what the core asks of the hardware, and the numbers that go with it.
//!
//! The firmware implements them over registers, the tests over memory.
//! They do not wait on their own account: each call has a bound which the implementer keeps.

use core::hint::black_box;

use crate::config::{Config, Sector};
use crate::image::manifest;

/// Why a flash operation failed, told apart as the F4's FLASH_SR tells them (RM0090 Rev 21, 3.9.5).
///
/// The numbers travel in [`crate::info::Info::last_fault`]; they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FlashFault {
    /// The controller did not unlock.
    Locked = 1,
    /// The operation was not over within its bound.
    Timeout = 2,
    /// WRPERR: the sector is write-protected by its option bit.
    WriteProtected = 3,
    /// PGAERR: the data crossed an alignment boundary.
    Alignment = 4,
    /// PGPERR: the width of the store did not match PSIZE.
    Parallelism = 5,
    /// PGSERR: control register and store did not go together.
    Sequence = 6,
    /// OPERR or another error flag without a name here.
    Operation = 7,
    /// What was read back is not what was programmed.
    ReadBack = 8,
    /// The sector is not erased after its erase.
    NotErased = 9,
    /// RDERR (F42x and others): read protection of a sector.
    ReadProtected = 10,
}

/// Reads of memory-mapped flash, in one piece. ECC parts may refuse a word.
pub trait Memory {
    /// The `length` bytes at `address`, or `None` when they are not all readable.
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]>;

    /// What `see` makes of a copy of these bytes: flash may read otherwise the next time. The copy is on the stack; a
    /// bootloader has another place for it, since it takes return addresses from there.
    fn copied<T>(&self, bytes: &[u8; manifest::LEN], see: impl FnOnce(&[u8; manifest::LEN]) -> T) -> T {
        let copy = *bytes;
        see(black_box(&copy))
    }
}

/// True for flash that can be programmed, a whole number of 16 bytes. Starts and erases look at much of
/// it, so it takes few instructions.
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.as_chunks().0.iter().all(|quarter| u128::from_ne_bytes(*quarter) == u128::MAX)
}

/// Flash that can be written. Each call ends when its operation is over, within a bound.
///
/// Only sectors are touched that `config` holds open ([`Config::with_open`]).
pub trait Flash: Memory {
    /// Erases the sector and checks that it reads as erased.
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault>;
    /// True when this record would take the floor or a revocation back. A bootloader that expects faults from outside
    /// looks by itself; the journal alone stores none such.
    fn takes_back(&self, _record: &[u8]) -> bool {
        false
    }
    /// Programs `data` at `address`, reads it back and compares. Both are aligned to the program
    /// unit. Refuses what would need an erase first.
    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault>;
}

/// CRC-32 as the STM32 unit computes it: poly 0x04C11DB7, initial 0xFFFFFFFF, little-endian
/// words, no reflection, no final XOR (RM0090, section 4).
pub trait Crc32 {
    /// Sets the unit to its initial value.
    fn start(&mut self);
    /// Feeds `bytes`, whose length is a multiple of four.
    fn update(&mut self, bytes: &[u8]);
    /// The value so far.
    fn value(&self) -> u32;
}
