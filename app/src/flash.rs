//! The STM32F4's flash controller, driven by a program that runs from that very flash.
//!
//! RM0090 Rev 21, section 3. Erases and programs what the given configuration holds open, and proves
//! both by reading back. Interrupts are off while the controller is unlocked. On a chip with one bank
//! the core stands still for as long as an operation takes, whatever runs (3.4): about 16 us for each
//! program operation, and for an erase the time that [`Sector::erase_ms`] says.

use surefoot_core::config::{Config, Sector};
use surefoot_core::port::{Flash, FlashFault, Memory};

use crate::registers::{flash, modify, read, read_half, store, write};

/// Main flash starts here, and no F4 has more than 2 MB of it (RM0090, tables 5 and 6).
pub(crate) const BASE: u32 = 0x0800_0000;
const MOST: u32 = 0x0020_0000;

// RM0090, 3.9.1-3.9.7.
const ACR: u32 = 0x4002_3C00;
const KEYR: u32 = 0x4002_3C04;
const SR: u32 = 0x4002_3C0C;
const CR: u32 = 0x4002_3C10;
const KEYS: [u32; 2] = [0x4567_0123, 0xCDEF_89AB];
/// ACR: caches on, caches reset.
const CACHES: u32 = 0b11 << 9;
const CACHES_RESET: u32 = 0b11 << 11;
/// SR: RDERR, PGSERR, PGPERR, PGAERR, WRPERR, OPERR.
const ERRORS: u32 = 0x1F2;
const BSY: u32 = 1 << 16;
/// CR.
const PG: u32 = 1 << 0;
const SER: u32 = 1 << 1;
const SNB_AT: u32 = 3;
const PSIZE_AT: u32 = 8;
const STRT: u32 = 1 << 16;
const LOCK: u32 = 1 << 31;

/// Polls until an operation counts as hung, at no less than four cycles each. They pass only where the
/// core does not stand still meanwhile, as on a chip with two banks. An erase takes up to 4 s (128K by
/// bytes), a program operation 100 us (DS8626, "Flash memory programming"): twice that at 180 MHz.
const ERASE_POLLS: u32 = 360_000_000;
const PROGRAM_POLLS: u32 = 9_000;

/// The controller and what it writes. Whoever has it is the only one to use the controller.
#[derive(Debug)]
pub struct FlashF4 {
    length: u32,
}

impl FlashF4 {
    /// The flash of the chip that `config` is for.
    pub(crate) fn new(config: Config) -> Self {
        let kib = u32::from(read_half(config.flash_size_address()));
        Self { length: (kib * 1024).min(MOST) }
    }
}

impl Memory for FlashF4 {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let offset = address.checked_sub(BASE)?;
        let inside = offset <= self.length && length <= self.length - offset;
        inside.then(|| flash(address, length))
    }
}

impl Flash for FlashF4 {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        let control = SER | u32::from(sector.number) << SNB_AT;
        unlocked(config, sector.base, sector.size, control, &mut || {
            // 3.6.3: SER and SNB stand, then STRT.
            modify(CR, 0, STRT);
            finish(ERASE_POLLS)
        })?;
        let found = self.bytes(sector.base, sector.size).ok_or(FlashFault::NotErased)?;
        let blank = found.as_chunks().0.iter().all(|word| *word == [0xFF; 4]);
        if blank { Ok(()) } else { Err(FlashFault::NotErased) }
    }

    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        let length = data.len() as u32;
        let found = self.bytes(address, length).ok_or(FlashFault::ReadBack)?;
        if found.iter().zip(data).any(|(old, new)| *old != 0xFF && old != new) {
            return Err(FlashFault::NotErased);
        }
        let width = 1 << config.psize();
        unlocked(config, address, length, PG, &mut || {
            for (at, unit) in (address..).step_by(width).zip(data.chunks_exact(width)) {
                // An erased unit stays one.
                if unit.iter().any(|byte| *byte != 0xFF) {
                    store(at, unit);
                    finish(PROGRAM_POLLS)?;
                }
            }
            Ok(())
        })?;
        // Byte by byte: an application may have no other use for memcmp.
        let found = self.bytes(address, length).unwrap_or(&[]);
        if found.iter().eq(data) { Ok(()) } else { Err(FlashFault::ReadBack) }
    }
}

/// Does `work` with the controller unlocked for this range and set up in CR, and locks it again.
#[inline(never)]
fn unlocked(
    config: Config,
    address: u32,
    length: u32,
    control: u32,
    work: &mut dyn FnMut() -> Result<(), FlashFault>,
) -> Result<(), FlashFault> {
    if !config.is_writable(address, length) {
        return Err(FlashFault::WriteProtected);
    }
    cortex_m::interrupt::free(|_| {
        // A key while it is unlocked, as another driver may have left it, is one key too many (3.6.1).
        if read(CR) & LOCK != 0 {
            write(KEYR, KEYS[0]);
            write(KEYR, KEYS[1]);
        }
        // Flags that stand from before are cleared by writing them (3.9.5).
        write(SR, read(SR));
        // No interrupts: their bits only add OPERR, which goes with one of the other flags.
        write(CR, control | u32::from(config.psize()) << PSIZE_AT);
        if read(CR) & LOCK != 0 {
            return Err(FlashFault::Locked);
        }
        // The caches are off meanwhile, so that what is read back afterwards is the array, and reset,
        // as an erase wants it; that works only while they are off (3.5.2, 3.6.3 and 3.9.1).
        let caches = read(ACR);
        let without = caches & !(CACHES | CACHES_RESET);
        write(ACR, without);
        let result = work();
        write(CR, LOCK);
        write(ACR, without | CACHES_RESET);
        write(ACR, without);
        write(ACR, caches);
        result
    })
}

/// Waits for the end of an operation, then reads and clears its flags.
#[inline(never)]
fn finish(polls: u32) -> Result<(), FlashFault> {
    // SR is read only after the store has left the core (PM0214 Rev 10, 2.2.4).
    cortex_m::asm::dsb();
    let over = (0..polls).any(|_| read(SR) & BSY == 0);
    let flags = read(SR);
    write(SR, flags);
    if !over {
        return Err(FlashFault::Timeout);
    }
    // OPERR goes with any of the others, which tell more: so from the top.
    match (flags & ERRORS).checked_ilog2() {
        None => Ok(()),
        Some(8) => Err(FlashFault::ReadProtected),
        Some(7) => Err(FlashFault::Sequence),
        Some(6) => Err(FlashFault::Parallelism),
        Some(5) => Err(FlashFault::Alignment),
        Some(4) => Err(FlashFault::WriteProtected),
        Some(_) => Err(FlashFault::Operation),
    }
}
