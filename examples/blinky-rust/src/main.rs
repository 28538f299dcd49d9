//! Blinks the green LED (PD12); the blue button (PA0), held for 50 ms, asks for an update.
//!
//! After four changes of the LED it knows that it works, and confirms itself. Where there are two
//! slots to run from it takes an update while it runs: see [`serial`].
//!
//! `BLINKY_PERIOD_MS` at build time is the time between two changes of the LED: 500 for version 1,
//! 250 for version 2. The orange LED (PD13) is on when Surefoot's bootloader started the program.
#![no_std]
#![no_main]

mod serial;

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use stm32_metapac::gpio::vals::{Idr, Moder};
use stm32_metapac::{GPIOA, GPIOD, IWDG, RCC};
use surefoot_app::{Board, confirm, request_update, status};

const PERIOD_MS: u32 = match option_env!("BLINKY_PERIOD_MS") {
    Some(text) => match u32::from_str_radix(text, 10) {
        Ok(period) if period > 0 => period,
        _ => panic!("BLINKY_PERIOD_MS: whole milliseconds"),
    },
    None => 500,
};
const BUTTON_MS: u32 = 50;
/// Changes of the LED that have to be seen before the program trusts itself.
const PROOF: u32 = 4;
/// After reset, and after Surefoot's jump, the chip runs from HSI.
const HSI_HZ: u32 = 16_000_000;
const BUTTON: usize = 0;
const GREEN: usize = 12;
const ORANGE: usize = 13;

static MILLISECONDS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // The core has no atomic addition that costs less; nobody else writes.
    MILLISECONDS.store(MILLISECONDS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

#[entry]
fn main() -> ! {
    RCC.ahb1enr().modify(|w| {
        w.set_gpioaen(true);
        w.set_gpioden(true);
    });
    // A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13).
    RCC.ahb1enr().read();
    GPIOD.moder().modify(|w| {
        w.set_moder(GREEN, Moder::OUTPUT);
        w.set_moder(ORANGE, Moder::OUTPUT);
    });
    GPIOD.bsrr().write(|w| w.set_bs(ORANGE, status(&Board::F4).is_some()));
    serial::init();
    start_systick();
    run()
}

fn start_systick() {
    // `main` is entered once, so nobody else holds the core's peripherals.
    let Some(mut core) = cortex_m::Peripherals::take() else { return };
    core.SYST.set_clock_source(SystClkSource::Core);
    core.SYST.set_reload(HSI_HZ / 1000 - 1);
    core.SYST.clear_current();
    core.SYST.enable_interrupt();
    core.SYST.enable_counter();
}

fn run() -> ! {
    let mut changed = 0;
    let mut released = 0;
    let mut on = false;
    let mut seen = 0;
    loop {
        cortex_m::asm::wfi();
        // The board's watchdog may be running: the bootloader starts it, only a reset stops it.
        IWDG.kr().write(|w| w.0 = 0xAAAA);
        let now = MILLISECONDS.load(Ordering::Relaxed);
        if now.wrapping_sub(changed) >= PERIOD_MS {
            changed = now;
            let works = (GPIOD.idr().read().idr(GREEN) == Idr::HIGH) == on;
            on = !on;
            GPIOD.bsrr().write(|w| if on { w.set_bs(GREEN, true) } else { w.set_br(GREEN, true) });
            // The self-test: the pin did what it was told. Without it the bootloader goes back to the
            // image before, as it does when the confirmation cannot be written: then nothing is lost.
            if works && seen < PROOF {
                seen += 1;
                if seen == PROOF {
                    let _ = confirm(&Board::F4);
                }
            }
        }
        if GPIOA.idr().read().idr(BUTTON) == Idr::LOW {
            released = now;
        } else if now.wrapping_sub(released) >= BUTTON_MS {
            request_update(&Board::F4);
        }
        serial::serve(&MILLISECONDS);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
