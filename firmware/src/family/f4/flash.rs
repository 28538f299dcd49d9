//! The flash controller: erase a sector, program a block, prove both by reading back.
//!
//! RM0090, section 3. Only sectors that the block marks writable are touched, whatever was asked:
//! checked here once more (DESIGN, promise 4). Times: data sheet DS8626, "Flash memory programming".

use super::time;
use stm32_metapac::{FLASH, flash::regs};
use surefoot_core::config::Config;
use surefoot_core::dfu::device::Sector;
use surefoot_core::port::FlashFault;

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
/// CR: PG, SER, SNB, PSIZE, STRT, EOPIE, ERRIE, LOCK (RM0090, 3.9.5).
const PG: u32 = 1 << 0;
const SER: u32 = 1 << 1;
const SNB_AT: u32 = 3;
const PSIZE_AT: u32 = 8;
const STRT: u32 = 1 << 16;
/// End and errors as interrupts: they wake the core, and OPERR is only reported with ERRIE.
const EOPIE_ERRIE: u32 = 0b11 << 24;
const LOCK: u32 = 1 << 31;
/// SR: BSY, and every flag that is cleared by writing one (RM0090, 3.9.4; RDERR on F42x).
const BSY: u32 = 1 << 16;
const FLAGS: u32 = 0x1F3;
/// ACR: caches on, caches reset (RM0090, 3.9.1).
const CACHES: u32 = 0b11 << 9;
const CACHES_RESET: u32 = 0b11 << 11;
/// The controller's line in the NVIC (RM0090, table 61).
const FLASH_INTERRUPT: u8 = 4;

/// The error flags of SR, the plainest cause first.
const FAULTS: [(u32, FlashFault); 6] = [
    (1 << 4, FlashFault::WriteProtected),
    (1 << 5, FlashFault::Alignment),
    (1 << 6, FlashFault::Parallelism),
    (1 << 7, FlashFault::Sequence),
    (1 << 8, FlashFault::ReadProtected),
    (1 << 1, FlashFault::Operation),
];

/// Erases `sector` and checks that it is blank.
pub fn erase(config: &Config, sector: &Sector) -> Result<(), FlashFault> {
    allowed(config, sector.base, sector.size)?;
    let blank = |word: &u32| *word == u32::MAX;
    unlocked(|| {
        let select = SER | u32::from(sector.number) << SNB_AT | u32::from(config.psize()) << PSIZE_AT;
        // RM0090, 3.6.3: SER and SNB, then STRT.
        FLASH.cr().write_value(regs::Cr(select | EOPIE_ERRIE));
        start();
        FLASH.cr().write_value(regs::Cr(select | EOPIE_ERRIE | STRT));
        finish(ERASE_LIMIT_MS)
    })?;
    // SAFETY: a whole sector of flash, which nothing changes now; every bit pattern is a u32.
    let words = unsafe { core::slice::from_raw_parts(sector.base as *const u32, sector.size as usize / 4) };
    if words.iter().all(blank) { Ok(()) } else { Err(FlashFault::NotErased) }
}

/// Programs `data` at `address`, reads it back and compares. Both are aligned to the program unit.
/// What already reads as wanted is left alone; what is not erased is not touched at all.
pub fn program(config: &Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
    allowed(config, address, data.len() as u32)?;
    let width = 1 << config.psize();
    let units = || (address..).step_by(width).zip(data.chunks_exact(width));
    if !units().all(|(at, wanted)| is(at, wanted) || is(at, &[0xFF; 8][..width])) {
        return Err(FlashFault::NotErased);
    }
    unlocked(|| {
        let control = PG | u32::from(config.psize()) << PSIZE_AT | EOPIE_ERRIE;
        FLASH.cr().write_value(regs::Cr(control));
        for (at, wanted) in units() {
            if !is(at, wanted) {
                start();
                store(at, wanted);
                finish(PROGRAM_LIMIT_MS)?;
            }
        }
        Ok(())
    })?;
    if units().all(|(at, wanted)| is(at, wanted)) { Ok(()) } else { Err(FlashFault::ReadBack) }
}

/// Takes the read protection off (RM0090, 3.7.3): from level 1 the chip erases itself, this bootloader
/// included, and starts anew; at level 0 there is nothing to do.
pub fn read_unprotect() -> Result<(), FlashFault> {
    const LEVEL_0: u8 = 0xAA;
    if FLASH.optcr().read().rdp() == LEVEL_0 {
        return Ok(());
    }
    for key in OPTION_KEYS {
        FLASH.optkeyr().write_value(key);
    }
    // RM0090, 3.7.2: the value first, then OPTSTRT.
    FLASH.optcr().modify(|w| w.set_rdp(LEVEL_0));
    FLASH.optcr().modify(|w| w.set_optstrt(true));
    finish(MASS_ERASE_LIMIT_MS)
}

/// Promise 4: the whole range is in writable sectors.
fn allowed(config: &Config, address: u32, length: u32) -> Result<(), FlashFault> {
    let end = address.wrapping_add(length);
    let mut at = address;
    for region in config.regions().filter(|r| r.writable) {
        let region_end = region.base.wrapping_add(region.sector_size.wrapping_mul(region.count.into()));
        if (region.base..region_end).contains(&at) {
            at = region_end.min(end);
        }
    }
    if at == end && length != 0 { Ok(()) } else { Err(FlashFault::WriteProtected) }
}

/// Runs `work` with the controller unlocked and the caches off, and locks it again in any case.
///
/// The caches are off so that what is read back is the array, and flushed behind, as RM0090 wants
/// it after an erase (3.5.2, 3.6.3); they can be reset only while off.
fn unlocked(work: impl FnOnce() -> Result<(), FlashFault>) -> Result<(), FlashFault> {
    for key in KEYS {
        FLASH.keyr().write_value(key);
    }
    if FLASH.cr().read().0 & LOCK != 0 {
        return Err(FlashFault::Locked);
    }
    let acr = FLASH.acr().read().0;
    FLASH.acr().write_value(regs::Acr(acr & !CACHES));
    let result = work();
    FLASH.cr().write_value(regs::Cr(LOCK));
    FLASH.acr().write_value(regs::Acr(acr & !CACHES | CACHES_RESET));
    FLASH.acr().write_value(regs::Acr(acr & !CACHES));
    FLASH.acr().write_value(regs::Acr(acr));
    result
}

/// True when the flash holds `wanted` at `address`.
fn is(address: u32, wanted: &[u8]) -> bool {
    // SAFETY: inside a range that `allowed` has passed; the borrow ends before the next store.
    wanted == unsafe { core::slice::from_raw_parts(address as *const u8, wanted.len()) }
}

/// Stores one program unit in one access of its width (RM0090, 3.6.2 and 3.6.4).
fn store(address: u32, unit: &[u8]) {
    let word = |at: usize| u32::from_le_bytes(core::array::from_fn(|i| unit[at + i]));
    // SAFETY: as in `is`, and aligned to the unit's width; PG is set.
    unsafe {
        match *unit {
            [a] => (address as *mut u8).write_volatile(a),
            [a, b] => (address as *mut u16).write_volatile(u16::from_le_bytes([a, b])),
            [_, _, _, _] => (address as *mut u32).write_volatile(word(0)),
            // Two words, low one first, with nothing in between: x64 begins with the second.
            _ => {
                let (low, high) = (word(0), word(4));
                (address as *mut u32).write_volatile(low);
                (address as *mut u32).add(1).write_volatile(high);
            }
        }
    }
    // SR is read only after the store has left the core (PM0214, 2.2.4).
    cortex_m::asm::dsb();
}

/// Clears old flags, so that what is pending afterwards belongs to the operation.
fn start() {
    FLASH.sr().write_value(regs::Sr(FLAGS));
    time::unpend(FLASH_INTERRUPT);
}

/// Waits for the end of an operation and reads its flags.
fn finish(limit_ms: u32) -> Result<(), FlashFault> {
    if !time::until(limit_ms, || FLASH.sr().read().0 & BSY == 0) {
        return Err(FlashFault::Timeout);
    }
    let sr = FLASH.sr().read().0;
    match FAULTS.iter().find(|(flag, _)| sr & flag != 0) {
        Some(&(_, fault)) => Err(fault),
        None => Ok(()),
    }
}
