//! The second look at an image, right before the jump, for a processor that skipped an instruction of the
//! first one.
//!
//! It reads block, manifest and vectors where they stand, word by word, and shares neither code nor
//! intermediate values with [`surefoot_core::image::verify()`]; what was computed over the image (CRC-32, the R
//! of its signature) is taken from where the computation left it. It only ever stops a start, and gives no
//! reason: the reset behind it leads to a start that finds it.

#[cfg(feature = "failsafe")]
use super::chip;
use super::crc;
#[cfg(feature = "signature")]
use super::crypto;
use super::mem::apart;
use crate::sealed;
#[cfg(feature = "failsafe")]
use surefoot_core::config::OWNER_JOURNAL;
use surefoot_core::config::{Policy, at};
#[cfg(feature = "signature")]
use surefoot_core::image::manifest::SIGNED_LEN;

#[cfg(feature = "failsafe")]
use surefoot_core::journal::RECORD_LEN;

/// What the board knows of older images.
#[cfg(feature = "failsafe")]
struct Known {
    /// Its journal's newest sequence number, or one more; 0: it has no journal.
    sequence: i32,
    /// Its newest record.
    record: *const [u32; 8],
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
        let policy = block(at::POLICY).read_volatile();
        if policy == Policy::None as u8 {
            return false;
        }
        let fits = |at: usize| stack.wrapping_sub(setting(at)).wrapping_sub(1) < setting(at + 4);
        if stack << 29 != 0 || !fits(at::RAM_BASE) && !fits(at::STACK_RAM_BASE) {
            return true;
        }
        let computed = crc::proved();
        #[cfg(feature = "failsafe")]
        let known = newest(start);
        #[cfg(feature = "signature")]
        let signed = policy != Policy::Crc as u8;
        #[cfg(not(feature = "signature"))]
        let signed = false;
        let mut manifest = 0;
        let mut length = 0;
        #[cfg(feature = "signature")]
        if signed {
            manifest = (&raw const crypto::LAST.signed) as u32;
            length = word(manifest + 0x08);
        }
        if !signed {
            length = word(base + 0x24);
            manifest = base + length;
            if word(base + 0x28) != !length {
                #[cfg(feature = "failsafe")]
                if known.sequence != 0 {
                    return true;
                }
                return last_word(base) != computed;
            }
        }
        if reset.wrapping_sub(base) >= length || word(manifest + 0x0C) != base {
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
        if word(manifest + 0x18) < (*known.record)[1] && !overrides(manifest + 0x50) {
            return true;
        }
        #[cfg(feature = "signature")]
        if signed {
            #[cfg(feature = "failsafe")]
            let revoked = ((*known.record)[4] | word(manifest + 0x4C)) >> 8;
            #[cfg(not(feature = "failsafe"))]
            let revoked = 0;
            return unsigned(revoked);
        }
        computed != word(manifest + 0x20)
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

/// Looks for the newest record on its own: by the flash map, with the CRC unit, and in every place.
#[cfg(feature = "failsafe")]
#[inline(never)]
unsafe fn newest(block: *const u8) -> Known {
    static NOTHING: [u32; RECORD_LEN as usize / 4] = [0; RECORD_LEN as usize / 4];
    let mut newest = Known { sequence: 0, record: &raw const NOTHING };
    // SAFETY: as in `stops`; the regions' sectors are flash.
    unsafe {
        let mut region = block.add(at::REGIONS + 11);
        for _ in 0..block.add(at::REGION_COUNT).read_volatile() {
            if region.read_volatile() == OWNER_JOURNAL {
                newest.sequence |= 1;
                let base = region.sub(11).cast::<*const [u32; 8]>().read_volatile();
                let count = u32::from(region.sub(3).cast::<u16>().read_volatile());
                let mut at = base.byte_add((region.sub(7).cast::<u32>().read_volatile() * count) as usize);
                while at != base {
                    at = at.sub(1);
                    let sequence = at.cast::<i32>().read_volatile();
                    // Erased, and what no log comes to, is below zero.
                    if sequence >= newest.sequence {
                        // With its own CRC behind it a record comes to zero.
                        if crc::surefoot_crc32(at.cast(), RECORD_LEN as usize) == 0 {
                            newest = Known { sequence, record: at };
                        }
                    }
                }
            }
            region = region.add(16);
        }
    }
    newest
}

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

/// True unless the manifest that was copied has the signature that was computed, with a key of the board's that
/// is not among the `revoked`.
#[cfg(feature = "signature")]
#[inline(always)]
unsafe fn unsigned(mut revoked: u32) -> bool {
    // SAFETY: as in `stops`; nobody changes what was computed now.
    unsafe {
        let last = apart(&raw const crypto::LAST);
        let own = (&raw const (*last).sum).cast::<u32>();
        let said = |at: usize| (&raw const (*last).signed).cast::<u32>().add(at / 4).read_volatile();
        for i in 0..8 {
            if own.add(i).read_volatile() != said(SIGNED_LEN + 4 * i)
                || own.add(8 + i).read_volatile() != said(0x28 + 4 * i)
            {
                return true;
            }
        }
        for key in sealed::keys() {
            // The word before a key says whether it was sealed as revoked.
            if core::ptr::eq(&key[4], (*last).key.cast()) {
                return revoked & 1 != 0 || key[0] != 0;
            }
            revoked >>= 1;
        }
        true
    }
}
