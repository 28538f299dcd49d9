//! Clocks: the PLL by the block's register values, with a fall-back to HSI; and back to reset.
//!
//! What the values mean the host worked out and checked; here is only the order of the writes.

use super::time;
use stm32_metapac::{FLASH, PWR, RCC, flash, rcc};
use surefoot_core::config::Config;

/// A crystal that has not started by then is broken: 100 times the data sheet's typical 2 ms, halved.
const HSE_LIMIT_MS: u32 = 100;
/// PLL lock time is at most 300 us (DS8626, main PLL characteristics).
const PLL_LIMIT_MS: u32 = 5;
/// HSI after reset.
const HSI_HZ: u32 = 16_000_000;
/// CFGR: SW and SWS (RM0090, 7.3.3).
const SW: u32 = 0b11;
const SWS_PLL: u32 = 0b10 << 2;
const SWS: u32 = 0b11 << 2;
/// PLLCFGR: PLLSRC = HSE (RM0090, 7.3.2).
const PLLSRC_HSE: u32 = 1 << 22;
/// Value of PLLCFGR after reset (RM0090, 7.3.2).
const PLLCFGR_RESET: u32 = 0x2400_3010;
/// CIR: clears every flag but CSS; HSERDYIE and PLLRDYIE (RM0090, 7.3.4).
const CIR_CLEAR: u32 = 0x7F << 16;
const CIR_READY: u32 = 1 << 11 | 1 << 12;
/// The RCC's line in the NVIC (RM0090, table 61).
const RCC_INTERRUPT: u8 = 5;

/// Register values for a run from the PLL.
#[derive(Clone, Copy)]
pub struct Setup {
    hse: bool,
    hse_bypass: bool,
    pll_hse: u32,
    pll_hsi: u32,
    cfgr: u32,
    acr: u32,
    pwr_cr: u32,
    /// HCLK in hertz.
    pub hclk_hz: u32,
}

impl Setup {
    /// Without a usable block: USB from HSI and nothing board-specific. HSI 16 MHz / 8 * 96 / 4 = 48 MHz,
    /// Q = 4; APB1 at half of it; two wait states are enough down to 1.8 V (RM0090, table 10).
    pub const FALLBACK: Self = Self {
        hse: false,
        hse_bypass: false,
        pll_hse: 0,
        pll_hsi: 8 | 96 << 6 | 1 << 16 | 4 << 24,
        cfgr: 0b100 << 10 | 0b10,
        acr: 2,
        pwr_cr: 0,
        hclk_hz: 48_000_000,
    };

    /// The block's.
    pub fn new(config: &Config) -> Self {
        Self {
            hse: config.hse_hz() != 0,
            hse_bypass: config.hse_bypass(),
            pll_hse: config.pll_hse(),
            pll_hsi: config.pll_hsi(),
            cfgr: config.rcc_cfgr(),
            acr: config.flash_acr(),
            pwr_cr: config.pwr_cr(),
            hclk_hz: config.sysclk_hz(),
        }
    }
}

/// The ticks of [`time`] for the clock after reset.
pub fn init() {
    time::start(HSI_HZ);
}

/// Runs the core from the PLL; does nothing when it does already. When the PLL does not lock the
/// core stays on HSI: everything but USB works there.
pub fn start(setup: &Setup) {
    if RCC.cfgr().read().0 & SWS == SWS_PLL {
        return;
    }
    // VOS changes only while the PLL is off (RM0090, 5.1.3 and 5.4.1).
    RCC.apb1enr().modify(|w| w.set_pwren(true));
    PWR.cr1().modify(|w| w.0 |= setup.pwr_cr);
    let hse = setup.hse && start_hse(setup.hse_bypass);
    RCC.pllcfgr().write_value(rcc::regs::Pllcfgr(if hse { setup.pll_hse } else { setup.pll_hsi }));
    RCC.cr().modify(|w| w.set_pllon(true));
    if ready(PLL_LIMIT_MS, |cr| cr.pllrdy()) {
        // More wait states before the clock rises; read back that they count (RM0090, 3.5.1).
        FLASH.acr().write_value(flash::regs::Acr(setup.acr));
        if FLASH.acr().read().0 == setup.acr {
            // Bus prescalers first, so that no bus is ever too fast (RM0090, 7.3.3).
            RCC.cfgr().write_value(rcc::regs::Cfgr(setup.cfgr & !SW));
            RCC.cfgr().write_value(rcc::regs::Cfgr(setup.cfgr));
            if time::until(PLL_LIMIT_MS, || RCC.cfgr().read().0 & SWS == SWS_PLL) {
                time::start(setup.hclk_hz);
            }
        }
    }
    RCC.cir().write_value(rcc::regs::Cir(CIR_CLEAR));
}

/// True when the board has a crystal and the PLL runs from HSI instead.
pub fn hse_failed(setup: &Setup) -> bool {
    setup.hse && RCC.pllcfgr().read().0 & PLLSRC_HSE == 0
}

fn start_hse(bypass: bool) -> bool {
    // HSEBYP may be written only while HSE is off (RM0090, 7.3.1).
    RCC.cr().modify(|w| w.set_hsebyp(bypass));
    RCC.cr().modify(|w| w.set_hseon(true));
    let started = ready(HSE_LIMIT_MS, |cr| cr.hserdy());
    if !started {
        RCC.cr().modify(|w| w.set_hseon(false));
    }
    started
}

fn ready(limit_ms: u32, flag: impl Fn(rcc::regs::Cr) -> bool) -> bool {
    // The ready flags pend the RCC's interrupt, so that the wait sleeps (RM0090, 7.3.4).
    RCC.cir().write_value(rcc::regs::Cir(CIR_CLEAR | CIR_READY));
    time::unpend(RCC_INTERRUPT);
    time::until(limit_ms, || flag(RCC.cr().read()))
}

/// Clocks as after reset: HSI, no PLL, no wait states (RM0090, 7.3.1-7.3.4 and 3.9.1).
pub fn reset() {
    RCC.cr().modify(|w| w.set_hsion(true));
    RCC.cfgr().write_value(rcc::regs::Cfgr(0));
    time::until(PLL_LIMIT_MS, || RCC.cfgr().read().0 & SWS == 0);
    RCC.cr().modify(|w| {
        w.set_pllon(false);
        w.set_hseon(false);
    });
    RCC.cr().modify(|w| w.set_hsebyp(false));
    RCC.pllcfgr().write_value(rcc::regs::Pllcfgr(PLLCFGR_RESET));
    FLASH.acr().write_value(flash::regs::Acr(0));
    // Resets PWR_CR, the voltage scale and the backup domain's write access in it (RM0090, 7.3.8).
    RCC.apb1rstr().modify(|w| w.set_pwrrst(true));
    RCC.apb1rstr().modify(|w| w.set_pwrrst(false));
    RCC.apb1enr().modify(|w| w.set_pwren(false));
}
