//! The board's plain memories, which the core's translated code reads and writes in place.
//!
//! All unsafe code of the simulator that concerns memory is here. Flash is mapped read-only, so
//! every store to it reaches the flash model; what the array then does (bits only go from 1 to 0,
//! an erase sets all) is `array`'s. Which operation is legal and how long it takes is
//! [`crate::flash`]'s.

mod array;
mod weak;

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

pub(crate) use array::{Flash, SavedFlash};

use crate::chip::ChipModel;
use crate::cpu::{Cpu, Order, PAGE, ROUTED};
use crate::random::Random;

/// Page-aligned bytes at a fixed place, shared with translated code.
#[derive(Debug)]
pub(crate) struct Pages {
    host: NonNull<u8>,
    length: usize,
}

// SAFETY: `Pages` owns its bytes like a `Box<[u8]>`; translated code reaches them only inside
// `Cpu::run`, which the board calls through `&mut`, on whatever thread the board is on.
unsafe impl Send for Pages {}

impl Pages {
    fn new(length: usize, fill: u8) -> Self {
        let layout = Self::layout(length);
        // SAFETY: the layout's size is not zero; `layout` checks it.
        let host = NonNull::new(unsafe { alloc_zeroed(layout) });
        let mut pages = Self { host: host.unwrap_or_else(|| handle_alloc_error(layout)), length };
        if fill != 0 {
            pages.bytes_mut().fill(fill);
        }
        pages
    }

    fn layout(length: usize) -> Layout {
        assert!(length > 0 && length.is_multiple_of(PAGE), "memory comes in pages");
        Layout::from_size_align(length, PAGE).expect("a few megabytes at most")
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `host` is valid for `length` initialised bytes. The core writes them only inside
        // `Cpu::run`; there the bus, which owns this, makes such a slice only within one call of
        // its own, during which the core touches nothing.
        unsafe { std::slice::from_raw_parts(self.host.as_ptr(), self.length) }
    }

    /// The bytes, to change. Whoever changes bytes that may be code tells the core to invalidate.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and `&mut self` makes this the only slice.
        unsafe { std::slice::from_raw_parts_mut(self.host.as_ptr(), self.length) }
    }

    fn map(&self, cpu: &mut dyn Cpu, start: u32, writable: bool) {
        self.map_first(cpu, start, self.length, writable);
    }

    fn map_first(&self, cpu: &mut dyn Cpu, start: u32, length: usize, writable: bool) {
        assert!(length <= self.length && length.is_multiple_of(ROUTED), "memory comes in pages");
        // SAFETY: `Pages` is page-aligned, at least that long, and never moves its bytes. The board
        // drops its core before its memory (field order in `Board`), and the core runs only while
        // no slice of these bytes is alive (see `bytes`).
        unsafe { cpu.map(start, length as u32, self.host.as_ptr(), writable) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with the same layout.
        unsafe { dealloc(self.host.as_ptr(), Self::layout(self.length)) }
    }
}

/// A RAM.
#[derive(Debug)]
pub(crate) struct Ram {
    /// First address.
    pub(crate) base: u32,
    pages: Pages,
}

impl Ram {
    fn new(base: u32, length: u32) -> Self {
        Self { base, pages: Pages::new(length as usize, 0) }
    }
    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.bytes()
    }
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.pages.bytes_mut()
    }
    /// What a RAM holds after it had no supply: noise, the same for the same seed. To draw each word takes long,
    /// so pages are one page of noise, each with another number over it.
    fn scramble(&mut self, noise: &[u64; PAGE / 8], random: &mut Random) {
        for page in self.pages.bytes_mut().as_chunks_mut::<PAGE>().0 {
            let over = random.bits();
            for (word, bits) in page.as_chunks_mut::<8>().0.iter_mut().zip(noise) {
                *word = (bits ^ over).to_le_bytes();
            }
        }
    }
    /// Puts bytes back page by page and calls `changed` with the address of each that differed.
    fn restore(&mut self, saved: &[u8], mut changed: impl FnMut(u32)) {
        let base = self.base;
        let saved = saved.as_chunks::<PAGE>().0;
        let pages = self.pages.bytes_mut().as_chunks_mut::<PAGE>().0.iter_mut().zip(saved);
        for (i, (now, then)) in pages.enumerate() {
            if now != then {
                now.copy_from_slice(then);
                changed(base + (i * PAGE) as u32);
            }
        }
    }
}

/// What address 0 shows (RM0090 section 2.4 and SYSCFG_MEMRMP, section 9.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootMemory {
    /// Main flash.
    Flash,
    /// System memory: ST's ROM.
    System,
    /// SRAM1.
    Sram,
}

/// All plain memories.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) flash: Flash,
    /// SRAM first, then the core-coupled memory if the chip has one.
    pub(crate) rams: Vec<Ram>,
    system: Pages,
    /// The one-time programmable area, its lock bytes, and behind them the factory's information: the core reads
    /// them in place, since programs ask for the size of the flash over and over.
    information: Pages,
    at_zero: BootMemory,
}

/// First address of the flash array.
pub const FLASH: u32 = 0x0800_0000;
/// First address of SRAM1.
pub const SRAM: u32 = 0x2000_0000;
/// First address of the system memory.
pub const SYSTEM_MEMORY: u32 = 0x1FFF_0000;
/// The system memory as mapped for execution, up to the page that it shares with the OTP area.
pub(crate) const SYSTEM_LENGTH: u32 = 0x7000;
/// First address of the OTP area (RM0090 section 3.9).
pub const OTP: u32 = 0x1FFF_7800;
/// 512 bytes and 16 lock bytes.
pub(crate) const OTP_LENGTH: usize = 528;
/// With the factory's information behind them.
const INFORMATION_LENGTH: usize = 1024;
const _: () = assert!(INFORMATION_LENGTH.is_multiple_of(ROUTED));

impl Memory {
    pub(crate) fn new(chip: &ChipModel, cpu: &mut dyn Cpu) -> Self {
        let rams: Vec<Ram> = chip.rams.iter().map(|r| Ram::new(r.base, r.length)).collect();
        let mut system = Pages::new(SYSTEM_LENGTH as usize, 0xFF);
        let stub = rom_stub(chip.rom_stack);
        system.bytes_mut()[..stub.len()].copy_from_slice(&stub);
        let mut information = Pages::new(PAGE, 0xFF);
        let words = information.bytes_mut()[OTP_LENGTH..INFORMATION_LENGTH].as_chunks_mut::<4>().0;
        for (word, offset) in words.iter_mut().zip((0..).step_by(4)) {
            *word = chip.information(offset).to_le_bytes();
        }
        let memory = Self {
            flash: Flash::new(chip.flash_length() as usize),
            rams,
            system,
            information,
            at_zero: BootMemory::Flash,
        };
        memory.flash.pages.map(cpu, FLASH, false);
        memory.flash.pages.map(cpu, 0, false);
        memory.system.map(cpu, SYSTEM_MEMORY, false);
        memory.information.map_first(cpu, OTP, INFORMATION_LENGTH, false);
        for ram in &memory.rams {
            ram.pages.map(cpu, ram.base, true);
        }
        memory
    }

    /// What address 0 shows now.
    pub(crate) fn at_zero(&self) -> BootMemory {
        self.at_zero
    }

    /// Shows another memory at address 0. Where it is shorter than the one before it, the rest of
    /// the old one stays visible behind it; the reference manual reserves those addresses.
    pub(crate) fn show_at_zero(&mut self, what: BootMemory, cpu: &mut dyn Cpu) {
        if what == self.at_zero {
            return;
        }
        match what {
            BootMemory::Flash => self.flash.pages.map(cpu, 0, false),
            BootMemory::System => self.system.map(cpu, 0, false),
            BootMemory::Sram => self.rams[0].pages.map(cpu, 0, true),
        }
        self.at_zero = what;
        cpu.order(Order::Invalidate(0, self.flash.bytes().len() as u32));
    }

    /// The bytes at an address of plain memory, if `length` bytes there are one memory's.
    pub(crate) fn bytes(&self, address: u32, length: usize) -> Option<&[u8]> {
        let (bytes, offset) = if let Some(ram) = self.ram(address) {
            (ram.bytes(), address - ram.base)
        } else if let Some(offset) = self.flash_offset(address) {
            (self.flash.bytes(), offset)
        } else {
            (self.system.bytes(), address.checked_sub(SYSTEM_MEMORY)?)
        };
        bytes.get(offset as usize..)?.get(..length)
    }

    /// The RAM at an address.
    pub(crate) fn ram(&self, address: u32) -> Option<&Ram> {
        self.rams.iter().find(|r| address >= r.base && address - r.base < r.bytes().len() as u32)
    }

    /// The RAM at an address, to change.
    pub(crate) fn ram_mut(&mut self, address: u32) -> Option<&mut Ram> {
        self.rams.iter_mut().find(|r| address >= r.base && address - r.base < r.bytes().len() as u32)
    }

    /// The offset in flash of an address in it.
    pub(crate) fn flash_offset(&self, address: u32) -> Option<u32> {
        let offset = address.checked_sub(FLASH)?;
        ((offset as usize) < self.flash.bytes().len()).then_some(offset)
    }

    /// The one-time programmable area and its lock bytes.
    pub(crate) fn otp(&self) -> &[u8; OTP_LENGTH] {
        self.information.bytes().first_chunk().expect("a page is longer")
    }

    /// Programs it: bits that are 0 in `value` go to 0.
    pub(crate) fn program_otp(&mut self, offset: usize, bytes: usize, value: u64) {
        let cells = &mut self.information.bytes_mut()[..OTP_LENGTH][offset..][..bytes];
        cells.iter_mut().zip(value.to_le_bytes()).for_each(|(cell, bits)| *cell &= bits);
    }

    /// Puts it back.
    pub(crate) fn restore_otp(&mut self, saved: &[u8; OTP_LENGTH], cpu: &mut dyn Cpu) {
        if self.otp() != saved {
            self.information.bytes_mut()[..OTP_LENGTH].copy_from_slice(saved);
            cpu.order(Order::Invalidate(OTP, OTP + OTP_LENGTH as u32));
        }
    }

    /// The supply is gone: the RAMs are noise.
    pub(crate) fn scramble_rams(&mut self, seed: u64, cpu: &mut dyn Cpu) {
        let mut random = Random::new(seed);
        let noise = std::array::from_fn(|_| random.bits());
        for ram in &mut self.rams {
            ram.scramble(&noise, &mut random);
            cpu.order(Order::Invalidate(ram.base, ram.base + ram.bytes().len() as u32));
        }
    }

    pub(crate) fn save(&mut self) -> SavedMemory {
        SavedMemory {
            flash: self.flash.save(),
            rams: self.rams.iter().map(|r| r.bytes().to_vec()).collect(),
            otp: *self.otp(),
            at_zero: self.at_zero,
        }
    }

    pub(crate) fn restore(&mut self, saved: &SavedMemory, cpu: &mut dyn Cpu) {
        let page = PAGE as u32;
        self.flash.restore(&saved.flash, cpu);
        for (ram, saved) in self.rams.iter_mut().zip(&saved.rams) {
            ram.restore(saved, |address| cpu.order(Order::Invalidate(address, address + page)));
        }
        self.restore_otp(&saved.otp, cpu);
        self.show_at_zero(saved.at_zero, cpu);
    }
}

/// A snapshot of the memories.
#[derive(Clone, Debug)]
pub(crate) struct SavedMemory {
    flash: SavedFlash,
    rams: Vec<Vec<u8>>,
    otp: [u8; OTP_LENGTH],
    at_zero: BootMemory,
}

/// A stand-in for ST's ROM, which is not ours to ship: a vector table and `b .`. An application
/// that jumps there is seen to arrive, and nothing more.
fn rom_stub(stack: u32) -> [u8; 12] {
    let mut stub = [0; 12];
    stub[..4].copy_from_slice(&stack.to_le_bytes());
    stub[4..8].copy_from_slice(&(SYSTEM_MEMORY + 9).to_le_bytes());
    stub[8..10].copy_from_slice(&[0xFE, 0xE7]); // b .
    stub
}

/// Up to four bytes as a little-endian number.
pub(crate) fn little(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, &b| value << 8 | u32::from(b))
}
