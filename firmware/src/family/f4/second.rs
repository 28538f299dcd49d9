//! The second look at an image, right before the jump, for a processor that skipped an instruction of the
//! first one.
//!
//! It judges the block, the head and the manifest that the first look has read, word by word, and shares neither
//! code nor intermediate values with [`surefoot_core::image::verify()`]; what was computed over the image (CRC-32,
//! SHA-256, the R of its signature) is taken from where the computation left it. The journal it reads by itself.
//! It only ever stops a start, and gives no reason: the reset behind it leads to a start that finds it.

#[cfg(feature = "failsafe")]
use super::chip;
use super::crc;
use super::mem::apart;
#[cfg(feature = "signature")]
use super::{crypto, sha256};
#[cfg(feature = "signature")]
use crate::LOOKS;
use crate::{sealed, slots};
use core::mem::offset_of;
#[cfg(feature = "signature")]
use surefoot_core::config::BLOCK_LEN;
#[cfg(feature = "failsafe")]
use surefoot_core::config::OWNER_JOURNAL;
use surefoot_core::config::{Policy, at};
use surefoot_core::image::manifest;
#[cfg(feature = "signature")]
use surefoot_core::image::manifest::SIGNED_LEN;
use surefoot_core::image::verify::Kept;
#[cfg(feature = "failsafe")]
use surefoot_core::journal::{RECORD_LEN, Record};

/// False when the state that the journal found is not what is found here. Acting on another one, and writing it,
/// could take a floor or a revocation back for good.
#[cfg(feature = "failsafe")]
pub fn is_newest(state: &Record) -> bool {
    // SAFETY: the record is in flash, or zeros.
    unsafe {
        let record = newest(sealed::obeyed()) as u32 as *const u8;
        core::slice::from_raw_parts(record, RECORD_LEN as usize) == state.bytes()
    }
}

/// True when this record takes the floor or a revocation back. None does, but where a core skipped an instruction.
#[cfg(feature = "failsafe")]
pub fn is_lower(record: &[u8]) -> bool {
    // SAFETY: reads of flash, or of zeros, and of a record.
    unsafe {
        let (old, new) = (newest(sealed::obeyed()) as u32 as *const u8, record.as_ptr());
        let floor = |record: *const u8| record.add(0x04).cast::<u32>().read_volatile();
        let revoked = |record: *const u8| record.add(0x11).read_volatile();
        floor(new) < floor(old) || revoked(old) & !revoked(new) != 0
    }
}

/// True when anything speaks against the start of the image that begins with these vectors.
#[inline(always)]
pub fn stops(stack: u32, reset: u32, base: u32) -> bool {
    // SAFETY: reads of flash and of the registers of the CRC unit. An offset that leads elsewhere is an image's
    // that the first look has refused; a fault is as good a stop as any.
    unsafe {
        // One base for all of them, or each would be an address of its own.
        let start = apart(sealed::obeyed());
        let block = |at: usize| start.add(at);
        let half = |at: usize| u32::from(block(at).cast::<u16>().read_volatile());
        let setting = |at: usize| block(at).cast::<u32>().read_volatile();
        let word = |at: u32| (at as *const u32).read_volatile();
        let kept = apart(&raw const slots::KEPT) as u32;
        let kept = |at: usize| kept + at as u32;
        // Both looks obey the copy of the block: one skipped instruction may write over it, for a later look that is
        // not disturbed. A bit of the block that reads wrong now and then is no reason to stop.
        #[cfg(feature = "signature")]
        if !(0..LOOKS).any(|_| is_same(start, sealed::sealed(), BLOCK_LEN)) {
            return true;
        }
        let policy = block(at::POLICY).read_volatile();
        if policy == Policy::None as u8 {
            // A block that was never copied is all zeros.
            return cfg!(feature = "signature") && block(0).read_volatile() == 0;
        }
        let fits = |at: usize| stack.wrapping_sub(setting(at)).wrapping_sub(1) < setting(at + 4);
        if stack << 29 != 0 || !fits(at::RAM_BASE) && !fits(at::STACK_RAM_BASE) {
            return true;
        }
        #[cfg(feature = "failsafe")]
        let (record, sequence) = {
            let newest = newest(start);
            (newest as u32, (newest >> 32) as i32)
        };
        let manifest = kept(offset_of!(Kept, manifest));
        let length = word(manifest + 0x08);
        let offset = word(kept(0x24));
        if word(kept(0x20)) != manifest::VECTOR_MAGIC || word(kept(0x28)) != !offset {
            #[cfg(feature = "failsafe")]
            if sequence >= 0 {
                return true;
            }
            return policy != Policy::Crc as u8 || last_word(base) != crc::proved();
        }
        if reset.wrapping_sub(base) >= length || word(manifest + 0x0C) != base || length != offset {
            return true;
        }
        let device = word(manifest + 0x14) >> 16;
        if device != 0 && device != half(at::DEVICE_ID) {
            return true;
        }
        let board = word(manifest + 0x1C);
        if board != 0 && board != setting(at::BOARD_ID) {
            return true;
        }
        #[cfg(feature = "failsafe")]
        if word(manifest + 0x18) < word(record + 0x04) && !overrides(manifest + 0x50) {
            return true;
        }
        #[cfg(feature = "signature")]
        if policy != Policy::Crc as u8 {
            #[cfg(feature = "failsafe")]
            let revoked = (word(record + 0x10) | word(manifest + 0x4C)) >> 8;
            #[cfg(not(feature = "failsafe"))]
            let revoked = 0;
            return unsigned(manifest as *const u8, revoked) || elsewhere(kept(0) as *const u8, base, length);
        }
        crc::proved() != word(manifest + 0x20)
    }
}

/// The last word of slot 0 that is not erased. A slot that is erased as a whole has no such image, and there
/// are words before it.
#[inline(always)]
unsafe fn last_word(base: u32) -> u32 {
    // SAFETY: as in `stops`.
    unsafe {
        let length = sealed::obeyed().add(at::SLOTS + 4).cast::<u32>().read_volatile();
        let mut last = (base + length) as *const u32;
        loop {
            last = last.sub(1);
            let word = last.read_volatile();
            if word != u32::MAX {
                return word;
            }
        }
    }
}

#[cfg(feature = "failsafe")]
unsafe extern "C" {
    /// Looks for the newest record on its own, by the flash map of the block and with the CRC unit: as the journal
    /// defines it, the one with the highest number among the last whole records of the sectors. Its address is in
    /// the low word, zeros where there is none, and its sequence number in the high one,
    /// 0 where there is none, -1 where there is no journal.
    #[link_name = "surefoot_newest"]
    fn newest(block: *const u8) -> u64;
}

/// What there is without a record; in RAM, where zeros take no flash.
#[cfg(feature = "failsafe")]
static mut NOTHING: [u8; RECORD_LEN as usize] = [0; _];

// By hand, 30 bytes less than the compiler's. What is erased, and what no log comes to, is 2^27 or more; with its
// own CRC behind it a record comes to zero (RM0090, 4.2).
// SAFETY: C's calling convention. It reads the block and the regions' sectors, which are flash, and writes to the
// CRC unit.
#[cfg(feature = "failsafe")]
core::arch::global_asm!(
    ".syntax unified",
    ".section .text.newest, \"ax\"",
    ".thumb",
    ".balign 4",
    ".global surefoot_newest",
    ".thumb_func",
    "surefoot_newest:",
    "push {{r4-r7, lr}}",
    "ldrb r4, [r0, #{count}]",
    "add r5, r0, #{regions}",
    "ldr r0, ={nothing}",
    "mov r1, #-1",
    "ldr r6, ={unit}",
    // The next region, if it is a journal's: its first sector, and how many there are.
    "1: subs r4, #1",
    "bmi 5f",
    "ldrb r7, [r5, #11]",
    "cmp r7, #{journal}",
    "bne 4f",
    "bic r1, r1, r1, asr #31",
    "ldr r2, [r5]",
    "ldrh lr, [r5, #8]",
    // Its end, which is the next one's start.
    "6: ldr r3, [r5, #4]",
    "add r3, r2",
    "mov r12, r3",
    // The last whole record of the sector: eight words; each begins and ends at a multiple of 32.
    "2: cmp r3, r2",
    "beq 7f",
    "ldr r7, [r3, #-32]!",
    "lsrs r7, r7, #27",
    "bne 2b",
    "movs r7, #1",
    "str r7, [r6, #8]",
    "3: ldmia r3!, {{r7}}",
    "str r7, [r6]",
    "lsls r7, r3, #27",
    "bne 3b",
    "subs r3, #32",
    "ldr r7, [r6]",
    "cmp r7, #0",
    "bne 2b",
    // Is its number the highest so far?
    "ldr r7, [r3]",
    "cmp r7, r1",
    "ble 7f",
    "mov r1, r7",
    "mov r0, r3",
    "7: mov r2, r12",
    "subs lr, #1",
    "bne 6b",
    "4: adds r5, #16",
    "b 1b",
    "5: pop {{r4-r7, pc}}",
    ".pool",
    count = const at::REGION_COUNT,
    regions = const at::REGIONS,
    journal = const OWNER_JOURNAL,
    nothing = sym NOTHING,
    unit = const 0x4002_3000,
);
#[cfg(feature = "failsafe")]
const _: () = assert!(RECORD_LEN == 32);

/// True when the manifest here may be below the floor on this chip.
#[cfg(feature = "failsafe")]
unsafe fn overrides(at: u32) -> bool {
    // SAFETY: as in `stops`.
    unsafe {
        let word = |at: u32| (at as *const u32).read_volatile();
        let device = chip::unique_id().as_ptr() as u32;
        match word(at) {
            1 => true,
            2 => (4..16).step_by(4).all(|i| word(at + i) == word(device + i - 4)),
            _ => false,
        }
    }
}

/// True when these are the same bytes.
#[cfg(feature = "signature")]
#[inline(always)]
unsafe fn is_same(one: *const u8, other: *const u8, length: usize) -> bool {
    // SAFETY: the caller's.
    unsafe { core::slice::from_raw_parts(one, length) == core::slice::from_raw_parts(other, length) }
}

/// True when what was hashed is not what is here: the head and the end are there as they were copied, and what is
/// between them was hashed where it is.
#[cfg(feature = "signature")]
#[inline(always)]
unsafe fn elsewhere(head: *const u8, base: u32, length: u32) -> bool {
    // SAFETY: as in `stops`.
    unsafe {
        let work = &raw const (*sha256::work());
        let end = (&raw const (*work).tail).cast::<u8>();
        let (from, rest) = (base + (length & !63), length & 63);
        (*work).state.walked != head as u32 + base + 64 + end as u32
            || !is_same(head, base as *const u8, 64)
            || !is_same(end, from as *const u8, rest as usize)
    }
}

/// True unless the manifest that was copied has the SHA-256 and the signature that are computed, with a key of the
/// board's that is not among the `revoked`. The signature is computed once more: the first time the core may have
/// skipped an instruction for which it was made.
#[cfg(feature = "signature")]
#[inline(always)]
unsafe fn unsigned(manifest: *const u8, mut revoked: u32) -> bool {
    // SAFETY: as in `stops`; nobody changes what was computed now.
    unsafe {
        let signed = apart(&raw const crypto::SIGNED).cast::<u8>();
        for key in sealed::keys() {
            // What was hashed for the signature; of that only R is compared below.
            if is_same(signed.add(32), key.as_ptr().add(4), 32) {
                // The word before a key says whether it was sealed as revoked.
                if revoked & 1 != 0 || key[0] != 0 || !is_same(signed.add(64), manifest, SIGNED_LEN) {
                    return true;
                }
                let signature = &*manifest.add(0x60).cast();
                let sum = crypto::expected(&*key.as_ptr().add(4).cast(), &*manifest.cast(), signature)
                    .cast::<u32>();
                if sum.is_null() {
                    return true;
                }
                let digest = (&raw const (*sha256::work()).state).cast::<u32>();
                let said = |at: usize| manifest.add(at).cast::<u32>().read_volatile();
                // S is below 2^252, or so little above it that none is ever.
                return said(0x9C) >> 28 != 0
                    || (0..8).any(|i| {
                        sum.add(i).read_volatile() != said(0x60 + 4 * i)
                            || digest.add(i).read_volatile() != said(0x28 + 4 * i)
                    });
            }
            revoked >>= 1;
        }
        true
    }
}
