//! The memory-mapped flash as the core reads it.

use super::chip;
#[cfg(feature = "failsafe")]
use core::hint::black_box;
#[cfg(any(feature = "failsafe", feature = "signature"))]
use surefoot_core::image::manifest;
use surefoot_core::port::Memory;

/// Main flash: starts here, and no F4 has more than 2 MB of it (RM0090, tables 5 and 6).
const FLASH_BASE: u32 = 0x0800_0000;
const FLASH_MAX: u32 = 0x0020_0000;

/// For what is a stranger's and used at once, so that it is not on the stack.
#[cfg(any(feature = "failsafe", feature = "signature"))]
pub static mut SCRATCH: Scratch = [0; _];

/// Its size: that of a manifest, and a word more for what a hash works with.
#[cfg(any(feature = "failsafe", feature = "signature"))]
pub type Scratch = [u32; manifest::LEN / 4 + 1];

/// Flash without ECC: every byte that the chip has can be read at any time.
pub struct Flash;

impl Flash {
    /// As [`Memory::bytes`], for as long as nothing is stored there.
    pub fn read(address: u32, length: u32) -> Option<&'static [u8]> {
        let offset = address.checked_sub(FLASH_BASE)?;
        let size = (u32::from(chip::flash_kib()) * 1024).min(FLASH_MAX);
        (offset <= size && length <= size - offset).then(|| {
            // SAFETY: flash that this chip has; it changes only by the driver's volatile stores, which
            // happen while no slice is held (`bytes` borrows, the main loop drops before a job).
            unsafe { core::slice::from_raw_parts(address as *const u8, length as usize) }
        })
    }
}

impl Memory for Flash {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        Self::read(address, length)
    }

    #[cfg(feature = "failsafe")]
    fn copied<T>(&self, bytes: &[u8; manifest::LEN], see: impl FnOnce(&[u8; manifest::LEN]) -> T) -> T {
        // SAFETY: one thread, and `see` looks at nothing else in here.
        let copy = unsafe { &mut *(&raw mut SCRATCH).cast() };
        *copy = *bytes;
        see(black_box(copy))
    }
}
