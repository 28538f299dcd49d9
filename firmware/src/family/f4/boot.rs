//! The jump to an application: everything as after reset, then its stack and its first instruction.

use super::mem::apart;
use super::{clock, gpio, second, time, usb, watchdog};
use crate::slots;
use cortex_m::peripheral::{NVIC, SCB};
use surefoot_core::image::VerifiedImage;

/// ICSR: takes back pending SysTick and PendSV (PM0214, 4.4.3).
const PEND_CLEAR: u32 = 1 << 25 | 1 << 27;

/// Starts `image`, the proof that it may run, as if it came straight from reset; unless
/// a second look stops it.
pub fn jump(_: VerifiedImage) -> ! {
    start()
}

/// The second look is taken here, so that no way leads past it.
#[inline(never)]
fn start() -> ! {
    let kept = apart(&raw const slots::KEPT);
    // SAFETY: one thread, and nothing refers to it now.
    let vector = |number: usize| unsafe { kept.cast::<u32>().add(number).read_volatile() };
    let base = slots::proved();
    if second::stops(vector(0), vector(1), base) {
        reset();
    }
    watchdog::feed();
    usb::reset();
    gpio::reset();
    clock::reset();
    time::stop();
    // SAFETY: interrupts are masked and nothing of this program runs afterwards. VTOR's alignment is
    // the slot's, a sector. The stack pointer is loaded last, from a checked vector table.
    unsafe {
        let nvic = &*NVIC::PTR;
        for (disable, clear) in nvic.icer.iter().zip(&nvic.icpr).take(8) {
            disable.write(u32::MAX);
            clear.write(u32::MAX);
        }
        let scb = &*SCB::PTR;
        scb.icsr.write(PEND_CLEAR);
        scb.scr.write(0);
        scb.vtor.write(base);
        #[cfg(feature = "signature")]
        super::mpu::off();
        cortex_m::asm::dsb();
        cortex_m::asm::isb();
        core::arch::asm!(
            "msr msp, {stack}",
            "mov lr, #-1",
            "cpsie i",
            "bx {entry}",
            stack = in(reg) vector(0),
            entry = in(reg) vector(1),
            options(noreturn, nostack),
        )
    }
}

/// Resets the whole chip.
pub fn reset() -> ! {
    /// AIRCR: VECTKEY and SYSRESETREQ (PM0214, 4.4.5).
    const RESET: u32 = 0x05FA_0004;
    // SAFETY: nothing of this program runs afterwards.
    unsafe { (*SCB::PTR).aircr.write(RESET) };
    loop {
        cortex_m::asm::nop();
    }
}
