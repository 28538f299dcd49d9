//! The CRC unit (RM0090, section 4), fed by a loop of its own: 960K have 15 ms.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use stm32_metapac::{CRC, RCC};
use surefoot_core::port::Crc32;

/// The one unit.
pub struct Unit;

/// What was computed over the image that was proved last.
static PROVED: AtomicU32 = AtomicU32::new(0);

/// For the second look: the last [`Unit::value`].
pub fn proved() -> u32 {
    PROVED.load(Relaxed)
}

/// The unit's clock (RM0090, 7.3.10).
pub fn init() {
    RCC.ahb1enr().write(|w| w.set_crcen(true));
}

/// For images, piece by piece.
impl Crc32 for Unit {
    fn start(&mut self) {
        // SAFETY: no words.
        unsafe { surefoot_crc32(core::ptr::null(), 0) };
    }

    fn update(&mut self, bytes: &[u8]) {
        // SAFETY: they are the slice's.
        unsafe { surefoot_crc32_more(bytes.as_ptr(), bytes.len()) };
    }

    fn value(&self) -> u32 {
        let value = CRC.dr().read();
        PROVED.store(value, Relaxed);
        value
    }
}

unsafe extern "C" {
    /// CRC-32 of the whole words of `length` bytes, which need not be aligned: the core's, for the block,
    /// manifests and records.
    pub fn surefoot_crc32(from: *const u8, length: usize) -> u32;
    /// The same, with those that were fed before.
    fn surefoot_crc32_more(from: *const u8, length: usize) -> u32;
}

// By hand, without the frames that the compiler builds. Four instructions a word, in which the unit works at
// the word before (RM0090, 4.2).
// SAFETY: C's calling convention. CR is written with RESET, which brings DR back to 0xFFFFFFFF, or with zero,
// which does nothing (RM0090, 4.4.3).
core::arch::global_asm!(
    ".syntax unified",
    ".section .text.crc, \"ax\"",
    ".thumb",
    ".balign 4",
    ".global surefoot_crc32, surefoot_crc32_more",
    ".thumb_func",
    "surefoot_crc32_more:",
    "movs r2, #0",
    "b 1f",
    ".thumb_func",
    "surefoot_crc32:",
    "movs r2, #1",
    "1: ldr r3, ={unit}",
    "str r2, [r3, #8]",
    "b 3f",
    "2: ldr r2, [r0], #4",
    "str r2, [r3]",
    "3: subs r1, #4",
    "bcs 2b",
    "ldr r0, [r3]",
    "bx lr",
    ".pool",
    unit = const 0x4002_3000,
);
