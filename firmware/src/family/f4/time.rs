//! Time: SysTick counts milliseconds and wakes the sleeping core; nobody handles its exception.
//!
//! A tick is a pending SysTick exception that [`now`] takes back. While the core stalls on its own
//! flash (an erase) at most one tick is kept, so time is never ahead of the clock, only behind.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use cortex_m::peripheral::{SCB, SYST};
use stm32_metapac::RCC;
use stm32_metapac::common::{Access, Reg};

static MILLISECONDS: AtomicU32 = AtomicU32::new(0);

/// ICSR: SysTick exception pending, and the bit that takes it back (PM0214, 4.4.3).
const PENDSTSET: u32 = 1 << 26;
const PENDSTCLR: u32 = 1 << 25;
/// SCR: every exception that becomes pending ends a WFE (PM0214, 4.4.6).
const SEVONPEND: u32 = 1 << 4;
/// CTRL: core clock, exception, counter on (PM0214, 4.5.1).
const CTRL_ON: u32 = 0b111;

/// Masks all interrupts and lets their becoming pending wake the core.
pub fn init() {
    cortex_m::interrupt::disable();
    // SAFETY: one core, no handlers: nobody else is in the middle of a change of SCR.
    unsafe { (*SCB::PTR).scr.write(SEVONPEND) };
}

/// Starts the ticks for a core clock of `hclk_hz`, at most 16.7 GHz. Time goes on where it was.
pub fn start(hclk_hz: u32) {
    // SAFETY: as in `init`; writing VAL clears it (PM0214, 4.5.3).
    unsafe {
        let tick = &*SYST::PTR;
        tick.rvr.write(hclk_hz / 1000 - 1);
        tick.cvr.write(0);
        tick.csr.write(CTRL_ON);
    }
}

/// Milliseconds since start-up; wraps after 49 days.
pub fn now() -> u32 {
    // SAFETY: ICSR's write bits act alone, zeros change nothing.
    unsafe {
        let scb = &*SCB::PTR;
        if scb.icsr.read() & PENDSTSET != 0 {
            scb.icsr.write(PENDSTCLR);
            MILLISECONDS.store(MILLISECONDS.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }
    MILLISECONDS.load(Relaxed)
}

/// Sleeps until a tick or a peripheral wakes the core; returns at once when one did since the last sleep.
pub fn sleep() {
    cortex_m::asm::wfe();
}

/// Waits until the bits `mask` of a register read as `value`, at most `limit_ms`. False: they never did.
pub fn until<T: Copy, A: Access>(limit_ms: u32, register: Reg<T, A>, mask: u32, value: u32) -> bool {
    const { assert!(size_of::<T>() == 4) };
    wait_for(limit_ms, register.as_ptr().cast(), mask, value)
}

/// One function for all registers, however they are typed.
#[inline(never)]
fn wait_for(limit_ms: u32, register: *const u32, mask: u32, value: u32) -> bool {
    let start = now();
    loop {
        // SAFETY: a register's address, from `until`, of a word.
        if unsafe { register.read_volatile() } & mask == value {
            return true;
        }
        if now().wrapping_sub(start) > limit_ms {
            return false;
        }
        sleep();
    }
}

/// Waits at least `ms` milliseconds.
pub fn wait(ms: u32) {
    // No bits of any register are ever one.
    until(ms, RCC.cr(), 0, 1);
}

/// Takes back a peripheral's pending interrupt, before its flags are looked at.
pub fn unpend(interrupt: u8) {
    // SAFETY: writing one bit of ICPR clears that pending bit, zeros change nothing (PM0214, 4.3.5).
    unsafe {
        (*cortex_m::peripheral::NVIC::PTR).icpr[usize::from(interrupt / 32)].write(1 << (interrupt % 32));
    }
}

/// SysTick back to reset.
pub fn stop() {
    // SAFETY: as in `init`.
    unsafe {
        let tick = &*SYST::PTR;
        tick.csr.write(0);
        tick.rvr.write(0);
        tick.cvr.write(0);
    }
}
