//! Starts ST's ROM bootloader when the blue button (PA0) is pressed.
//!
//! The blue LED (PD15) is on until then. Runs the core from the PLL at 48 MHz and leaves SysTick
//! ticking, so that there is something to put back before the jump.
#![no_std]
#![no_main]

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use stm32_metapac::gpio::vals::{Idr, Moder};
use stm32_metapac::rcc::vals::{Pllm, Plln, Pllp, Pllq, Pllsrc, Ppre, Sw};
use stm32_metapac::{FLASH, GPIOA, GPIOD, IWDG, RCC};
use surefoot_app::{Rom, jump_to_rom};

const ROM: Rom = Rom::of("STM32F407VG").expect("a chip that surefoot-app knows");
/// Reads until the PLL counts as broken; it locks within 300 us (DS8626 Rev 9, table 36).
const PATIENCE: u32 = 10_000;
const BUTTON: usize = 0;
const BLUE: usize = 15;

#[exception]
fn SysTick() {}

#[entry]
fn main() -> ! {
    RCC.ahb1enr().modify(|w| {
        w.set_gpioaen(true);
        w.set_gpioden(true);
    });
    // A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13).
    RCC.ahb1enr().read();
    GPIOD.bsrr().write(|w| w.set_bs(BLUE, true));
    GPIOD.moder().modify(|w| w.set_moder(BLUE, Moder::OUTPUT));
    run_at_48_mhz();
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(48_000 - 1);
        core.SYST.clear_current();
        core.SYST.enable_interrupt();
        core.SYST.enable_counter();
    }
    while GPIOA.idr().read().idr(BUTTON) == Idr::LOW {
        // The board's watchdog may be running: the bootloader starts it, only a reset stops it.
        IWDG.kr().write(|w| w.0 = 0xAAAA);
        cortex_m::asm::wfi();
    }
    jump_to_rom(ROM)
}

/// HSI 16 MHz / 16 * 192 / 4 (RM0090 Rev 19, 7.3.2); one wait state (3.5.1, table 10).
fn run_at_48_mhz() {
    // The reserved bits of PLLCFGR are not all zero and stay as they are (7.3.2).
    RCC.pllcfgr().modify(|w| {
        w.set_pllsrc(Pllsrc::HSI);
        w.set_pllm(Pllm::DIV16);
        w.set_plln(Plln::MUL192);
        w.set_pllp(Pllp::DIV4);
        w.set_pllq(Pllq::DIV4);
    });
    RCC.cr().modify(|w| w.set_pllon(true));
    FLASH.acr().modify(|w| w.set_latency(stm32_metapac::flash::vals::Latency::WS1));
    // Without a PLL the program stays on HSI, which is as good for what it shows.
    if (0..PATIENCE).any(|_| RCC.cr().read().pllrdy()) {
        // APB1 goes up to 42 MHz.
        RCC.cfgr().modify(|w| w.set_ppre1(Ppre::DIV2));
        RCC.cfgr().modify(|w| w.set_sw(Sw::PLL1_P));
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
