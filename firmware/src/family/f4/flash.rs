//! The flash controller: erase a sector, program a block, prove both by reading back.
//!
//! RM0090, section 3. Only sectors that the block marks writable are touched, whatever was asked:
//! checked here once more (DESIGN, promise 4). Times: data sheet DS8626, "Flash memory programming".

use super::mem::apart;
use super::memory::Flash;
use super::time;
use cortex_m::peripheral::SCB;
use stm32_metapac::{FLASH, flash::regs};
use surefoot_core::config::Config;
use surefoot_core::dfu::device::Sector;
use surefoot_core::port::{FlashFault, is_blank};

/// FLASH_KEYR (RM0090, 3.6.1).
const KEYS: [u32; 2] = [0x4567_0123, 0xCDEF_89AB];
/// FLASH_OPTKEYR (RM0090, 3.6.1).
const OPTION_KEYS: [u32; 2] = [0x0819_2A3B, 0x4C5D_6E7F];
/// The slowest erase takes 4 s (128K, x8), doubled. Ticks stand still while the core stalls, so the
/// bound is for the case that it does not: code in another bank or in the cache.
const ERASE_LIMIT_MS: u32 = 8_000;
/// The slowest mass erase takes 32 s.
const MASS_ERASE_LIMIT_MS: u32 = 64_000;
/// The slowest program operation takes 100 us.
const PROGRAM_LIMIT_MS: u32 = 2;
/// CR: PG, SER, SNB, PSIZE, STRT, EOPIE, ERRIE, LOCK (RM0090, 3.9.7).
const PG: u32 = 1 << 0;
const SER: u32 = 1 << 1;
const SNB_AT: u32 = 3;
const SNB: u32 = 0x1F;
const PSIZE_AT: u32 = 8;
const STRT: u32 = 1 << 16;
/// OPTCR: OPTSTRT; RDP with its levels 0 and 2, every other value is level 1; nWRP of sector 0, low
/// when it is protected; and of what may change BOR_LEV, WDG_SW, RDP and nWRP (RM0090, 3.9.9).
const OPTSTRT: u32 = 1 << 1;
const RDP: u32 = 0xFF00;
const RDP_LEVEL_0: u32 = 0xAA00;
#[cfg(feature = "options")]
const RDP_LEVEL_2: u32 = 0xCC00;
#[cfg(feature = "options")]
const NWRP_0: u32 = 1 << 16;
#[cfg(feature = "options")]
const NWRP_OTHERS: u32 = 0x0FFE_0000;
/// Brown-out level; the highest, 0, wants 2.7 V, from which on words are programmed (RM0090, table 10).
#[cfg(feature = "options")]
const BOR_LEV: u32 = 0b11 << 2;
#[cfg(feature = "options")]
const MAY_CHANGE: u32 = NWRP_0 | NWRP_OTHERS | RDP | BOR_LEV;
/// End and errors as interrupts: they wake the core, and OPERR is only reported with ERRIE.
const EOPIE_ERRIE: u32 = 0b11 << 24;
const LOCK: u32 = 1 << 31;
/// SR: RDERR (F42x), PGSERR, PGPERR, PGAERR, WRPERR, OPERR; BSY; the others are cleared by writing what was read (RM0090, 3.9.5).
const ERRORS: u32 = 0x1F2;
const BSY: u32 = 1 << 16;
/// ACR: caches on, caches reset (RM0090, 3.9.1).
const CACHES: u32 = 0b11 << 9;
const CACHES_RESET: u32 = 0b11 << 11;
/// The controller's line in the NVIC (RM0090, table 61).
const FLASH_INTERRUPT: u8 = 4;

/// Erases `sector` and checks that it is blank.
pub fn erase(config: Config, sector: &Sector) -> Result<(), FlashFault> {
    // A value that is kept, not loaded again.
    let base = apart(sector.base as *const u8) as u32;
    open(config, base, sector.size, SER | u32::from(sector.number) << SNB_AT)?;
    // RM0090, 3.6.3: SER and SNB first, then STRT. Base and number are read once more: where a core skipped a load of
    // one of them, or of the sector's own address, another sector would be erased than the one that was checked.
    let set_up = FLASH.cr().read().0;
    // SAFETY: a reference.
    let again = unsafe { &*apart(sector) };
    let is_same = cfg!(not(feature = "failsafe")) || again.base == base;
    let result = if is_same && set_up >> SNB_AT & SNB == again.number.into() {
        FLASH.cr().write_value(regs::Cr(set_up | STRT));
        finish(ERASE_LIMIT_MS)
    } else {
        Err(FlashFault::Sequence)
    };
    close(config);
    result?;
    if is_blank(stored(sector.base, sector.size)) { Ok(()) } else { Err(FlashFault::NotErased) }
}

/// Programs `data` at `address`, reads it back and compares. Both are aligned to the program unit.
/// A unit that already reads as wanted is left alone.
pub fn program(config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
    let (length, from) = (data.len() as u32, apart(data.as_ptr()));
    if stored(address, length).iter().zip(data).any(|(old, new)| *old != 0xFF && old != new) {
        return Err(FlashFault::NotErased);
    }
    open(config, address, length, PG)?;
    // Where a core skipped what puts the data's address in its place, another one's data would be stored: a host's
    // block as a record of the journal.
    let mut result = if from == data.as_ptr() { Ok(()) } else { Err(FlashFault::Sequence) };
    let width = 1 << config.psize();
    let mut done = 0;
    while done < length && result.is_ok() {
        result = store(address + done, data.as_ptr().wrapping_add(done as usize), width);
        done += width;
    }
    close(config);
    result?;
    if stored(address, length) == data { Ok(()) } else { Err(FlashFault::ReadBack) }
}

/// Takes the read protection off (RM0090, 3.7.3): from level 1 the chip erases itself, this bootloader
/// included, and starts anew; at level 0 there is nothing to do.
pub fn read_unprotect() -> Result<(), FlashFault> {
    let old = options();
    program_options(old, old & !RDP | RDP_LEVEL_0)
}

/// The option bytes as FLASH_OPTCR shows them, its lock and start bits too (RM0090, 3.9.9).
pub fn optcr() -> u32 {
    FLASH.optcr().read().0
}

/// The same with lock and start bits 0.
fn options() -> u32 {
    optcr() & !0b11
}

/// Programs the option bytes, if that takes no protection from this bootloader: its sector stays
/// protected when it is, the read protection level never falls (RM0090, 3.7.3 to 3.7.5), and what has
/// to do with banks and proprietary code stays as it is.
#[cfg(feature = "options")]
pub fn set_options(config: Config, new: u32) -> Result<(), FlashFault> {
    let old = options();
    let changed = old ^ new;
    let unprotects = changed & new & NWRP_0 != 0;
    // A host must not lock the slots or the journal, nor ask for more volts than the board has.
    let locks = changed & old & NWRP_OTHERS != 0;
    let starves = changed & BOR_LEV != 0 && config.psize() < 2;
    let lowers = changed & RDP != 0 && old & RDP != RDP_LEVEL_0 && new & RDP != RDP_LEVEL_2;
    if unprotects || locks || starves || lowers || changed & !MAY_CHANGE != 0 || config.options_fixed() {
        return Err(FlashFault::WriteProtected);
    }
    program_options(old, new)
}

/// Locks the option bytes until the next reset: the application cannot take the write protection from the
/// bootloader's sector.
///
/// A word in FLASH_OPTKEYR that is no key does that, and ends in a bus error (RM0402, 3.6.2; RM0090, 3.6.1
/// and 3.9.9, OPTLOCK), which is ignored: a precise one at priority -1 with BFHFNMIGN, one that the write
/// buffer reports later pends as a BusFault, and its pending bit is cleared (PM0214, 4.4.7, 4.4.9 and 4.4.11).
pub fn lock_options() {
    /// SHCSR: BUSFAULTENA, so that no late error becomes a HardFault.
    const BUSFAULTENA: u32 = 1 << 17;
    /// CCR: as after reset, and BFHFNMIGN.
    const CCR_RESET: u32 = 0x200;
    const BFHFNMIGN: u32 = 1 << 8;
    const NO_KEY: u32 = 0;
    // SAFETY: one core, no handlers but HardFault's, which FAULTMASK holds off; all is as before afterwards.
    unsafe {
        let scb = &*SCB::PTR;
        scb.shcsr.write(BUSFAULTENA);
        scb.ccr.write(CCR_RESET | BFHFNMIGN);
        core::arch::asm!("cpsid f");
        FLASH.optkeyr().write_value(NO_KEY);
        cortex_m::asm::dsb();
        scb.shcsr.write(0);
        scb.cfsr.write(u32::MAX);
        core::arch::asm!("cpsie f");
        scb.ccr.write(CCR_RESET);
    }
}

#[inline(never)]
fn program_options(old: u32, new: u32) -> Result<(), FlashFault> {
    if old == new {
        return Ok(());
    }
    FLASH.optkeyr().write_value(OPTION_KEYS[0]);
    FLASH.optkeyr().write_value(OPTION_KEYS[1]);
    // RM0090, 3.7.2: the value first, then OPTSTRT.
    FLASH.optcr().write_value(regs::Optcr(new));
    FLASH.optcr().write_value(regs::Optcr(new | OPTSTRT));
    let result = finish(MASS_ERASE_LIMIT_MS);
    FLASH.optcr().modify(|w| w.set_optlock(true));
    result?;
    // At level 2 the bytes cannot be written (RM0090, 3.7.3).
    if options() == new { Ok(()) } else { Err(FlashFault::WriteProtected) }
}

/// Unlocks the controller for work on this range, which has to be writable (promise 4), and sets CR
/// up for it. The caches are off until [`close`], so that what is read back is the array.
#[inline(never)]
fn open(config: Config, address: u32, length: u32, control: u32) -> Result<(), FlashFault> {
    if !config.is_writable(address, length) {
        return Err(FlashFault::WriteProtected);
    }
    FLASH.keyr().write_value(KEYS[0]);
    FLASH.keyr().write_value(KEYS[1]);
    FLASH.sr().modify(|_| ());
    FLASH.cr().write_value(regs::Cr(control | u32::from(config.psize()) << PSIZE_AT | EOPIE_ERRIE));
    if FLASH.cr().read().0 & LOCK != 0 {
        return Err(FlashFault::Locked);
    }
    FLASH.acr().write_value(regs::Acr(config.flash_acr() & !CACHES));
    Ok(())
}

/// Locks the controller, flushes the caches, as RM0090 wants it after an erase (3.5.2 and 3.6.3; only
/// while they are off), and switches them on again.
#[inline(never)]
fn close(config: Config) {
    let acr = config.flash_acr();
    FLASH.cr().write_value(regs::Cr(LOCK));
    FLASH.acr().write_value(regs::Acr(acr & !CACHES | CACHES_RESET));
    FLASH.acr().write_value(regs::Acr(acr & !CACHES));
    FLASH.acr().write_value(regs::Acr(acr));
}

/// What the flash holds.
fn stored(address: u32, length: u32) -> &'static [u8] {
    Flash::read(address, length).unwrap_or(&[])
}

/// Stores one program unit in one access of its width (RM0090, 3.6.2 and 3.6.4), unless it reads as wanted.
fn store(to: u32, from: *const u8, width: u32) -> Result<(), FlashFault> {
    /// True when it was stored.
    ///
    /// # Safety
    /// `from` has a `T`, and `to` may be stored to.
    unsafe fn put<T: Copy + PartialEq>(to: u32, from: *const u8) -> bool {
        let (to, new) = (to as *mut T, unsafe { from.cast::<T>().read_unaligned() });
        let differs = unsafe { to.read_volatile() } != new;
        if differs {
            unsafe { to.write_volatile(new) };
        }
        differs
    }
    // SAFETY: `from` has as many bytes as are read; the address is in a range that `open` has passed,
    // aligned to the unit's width, and PG is set.
    let stored = unsafe {
        match width {
            1 => put::<u8>(to, from),
            2 => put::<u16>(to, from),
            4 => put::<u32>(to, from),
            // x64: the high word right behind the low one, with which the operation begins.
            _ => put::<u64>(to, from),
        }
    };
    // SR is read only after the store has left the core (PM0214, 2.2.4).
    cortex_m::asm::dsb();
    if stored { finish(PROGRAM_LIMIT_MS) } else { Ok(()) }
}

/// Waits for the end of an operation, then reads and clears its flags.
#[inline(never)]
fn finish(limit_ms: u32) -> Result<(), FlashFault> {
    let over = time::until(limit_ms, FLASH.sr(), BSY, 0);
    let sr = FLASH.sr().read().0;
    FLASH.sr().write_value(regs::Sr(sr));
    time::unpend(FLASH_INTERRUPT);
    if !over {
        return Err(FlashFault::Timeout);
    }
    // OPERR goes with any of the others, which tell more: so from the top.
    match (sr & ERRORS).checked_ilog2() {
        None => Ok(()),
        Some(8) => Err(FlashFault::ReadProtected),
        Some(7) => Err(FlashFault::Sequence),
        Some(6) => Err(FlashFault::Parallelism),
        Some(5) => Err(FlashFault::Alignment),
        Some(4) => Err(FlashFault::WriteProtected),
        Some(_) => Err(FlashFault::Operation),
    }
}
