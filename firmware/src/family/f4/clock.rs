//! Clocks: the PLL by the block's register values, with a fall-back to HSI; and back to reset.
//!
//! What the values mean the host worked out and checked; here is only the order of the writes.

use super::time;
use core::sync::atomic::{AtomicU16, Ordering::Relaxed};
use stm32_metapac::{FLASH, PWR, RCC, TIM11, flash, rcc, timer};
use surefoot_core::config::Config;
use surefoot_core::info::HSE_TICKS_HZ;

/// A crystal that has not started by then is broken: fifty times the typical 2 ms (DS8626, HSE).
const HSE_LIMIT_MS: u32 = 100;
/// PLL lock time is at most 300 us (DS8626, main PLL characteristics).
const PLL_LIMIT_MS: u32 = 5;
/// HSI after reset.
const HSI_HZ: u32 = 16_000_000;
/// CR: HSEON, HSERDY, PLLON, PLLRDY, and all that is HSI's (RM0090, 7.3.1).
const HSEON: u32 = 1 << 16;
const HSERDY: u32 = 1 << 17;
const HSI_BITS: u32 = 0xFFFF;
const PLLON: u32 = 1 << 24;
const PLLRDY: u32 = 1 << 25;
/// CFGR: RTCPRE, HSE_RTC is HSE divided by 31 (RM0090, 7.3.3).
const RTCPRE_31: u32 = 31 << 16;
/// APB2ENR and APB2RSTR: TIM11 (RM0090, 7.3.9 and 7.3.14).
const TIM11_BIT: u32 = 1 << 18;
/// OR: TI1_RMP; CCMR1: IC1PSC and CC1S; SR: CC1IF (RM0090, 19.5).
const TI1_IS_HSE_RTC: u32 = 2;
const CAPTURE_EVERY_8TH: u32 = 0b11 << 2 | 1;
const CC1IF: u32 = 1 << 1;
/// A capture of the slowest HSE, 4 MHz, comes after 62 us: 1,000 cycles of HSI.
const CAPTURE_LOOKS: u32 = 4096;

static HSE_TICKS: AtomicU16 = AtomicU16::new(0);

/// CFGR: SW and SWS (RM0090, 7.3.3).
const SW: u32 = 0b11;
const SWS: u32 = 0b11 << 2;
const SWS_PLL: u32 = 0b10 << 2;
/// PLLCFGR: PLLSRC = HSE; its value after reset (RM0090, 7.3.2).
const PLLSRC_HSE: u32 = 1 << 22;
const PLLCFGR_RESET: u32 = 0x2400_3010;
/// CIR: HSERDYC and PLLRDYC; HSERDYIE and PLLRDYIE (RM0090, 7.3.4).
const CIR_CLEAR: u32 = 1 << 19 | 1 << 20;
const CIR_READY: u32 = 1 << 11 | 1 << 12;
/// The RCC's line in the NVIC (RM0090, table 61).
const RCC_INTERRUPT: u8 = 5;

/// Without a usable block: USB from HSI and nothing board-specific. HSI 16 MHz / 8 * 96 / 4 = 48 MHz,
/// Q = 4; APB1 at half of it; two wait states are enough down to 1.8 V (RM0090, table 10). PLLCFGR's
/// reserved bits keep their value after reset (RM0090, 7.3.2).
const FALLBACK_PLL: u32 = 8 | 96 << 6 | 1 << 16 | 4 << 24 | PLLCFGR_RESET & 0xF000_0000;
const FALLBACK_CFGR: u32 = 0b100 << 10 | 0b10;
const FALLBACK_ACR: u32 = 2;
const FALLBACK_HZ: u32 = 48_000_000;

/// The ticks of [`time`] for the clock after reset, and the clock of PWR, which guards the backup
/// registers and the voltage scale (RM0090, 5.1.2 and 7.3.13).
pub fn init() {
    time::start(HSI_HZ);
    RCC.apb1enr().write(|w| w.set_pwren(true));
    super::crc::init();
}

/// Runs the core from the PLL; does nothing when it does already. Gives back HCLK in hertz.
///
/// When the PLL does not lock the core stays on HSI: everything but USB works there.
#[inline(never)]
pub fn start(config: Option<Config>) -> u32 {
    let (hse_hz, bypass, pll_hse, pll_hsi, cfgr, acr, pwr, hclk_hz) = match config {
        Some(c) => (
            c.hse_hz(),
            c.hse_bypass(),
            c.pll_hse(),
            c.pll_hsi(),
            c.rcc_cfgr(),
            c.flash_acr(),
            c.pwr_cr(),
            c.sysclk_hz(),
        ),
        None => (0, false, 0, FALLBACK_PLL, FALLBACK_CFGR, FALLBACK_ACR, 0, FALLBACK_HZ),
    };
    if RCC.cfgr().read().0 & SWS == SWS_PLL {
        return hclk_hz;
    }
    // VOS changes only while the PLL is off (RM0090, 5.1.3 and 5.4.1).
    PWR.cr1().modify(|w| w.0 |= pwr);
    let mut pll = pll_hsi;
    if hse_hz != 0 {
        // HSEBYP may be written only while HSE is off (RM0090, 7.3.1).
        RCC.cr().modify(|w| w.set_hsebyp(bypass));
        if switch_on(HSEON, HSERDY, HSE_LIMIT_MS) && as_sealed(hse_hz) {
            pll = pll_hse;
        } else {
            RCC.cr().modify(|w| w.0 &= !HSEON);
        }
    }
    RCC.pllcfgr().write_value(rcc::regs::Pllcfgr(pll));
    if switch_on(PLLON, PLLRDY, PLL_LIMIT_MS) {
        // More wait states before the clock rises, and read back that they count (RM0090, 3.5.1).
        FLASH.acr().write_value(flash::regs::Acr(acr));
        if FLASH.acr().read().0 == acr {
            // Bus prescalers first, so that no bus is ever too fast (RM0090, 7.3.3).
            RCC.cfgr().write_value(rcc::regs::Cfgr(cfgr & !SW));
            RCC.cfgr().write_value(rcc::regs::Cfgr(cfgr));
            if time::until(PLL_LIMIT_MS, RCC.cfgr(), SWS, SWS_PLL) {
                time::start(hclk_hz);
            }
        }
    }
    RCC.cir().write_value(rcc::regs::Cir(CIR_CLEAR));
    hclk_hz
}

/// Measures HSE, while the core runs from HSI, before a PLL multiplies it: true when it is what the block says,
/// give or take an eighth. HSI is off by 8 % at most (DS8626, table 41), so a crystal that is nearer than that
/// is not told from the right one.
///
/// TIM11 counts HSI and captures every eighth edge of HSE_RTC (RM0090, 7.2.11 and 19.5). Where nothing is
/// captured the block is believed.
fn as_sealed(hse_hz: u32) -> bool {
    RCC.cfgr().write_value(rcc::regs::Cfgr(RTCPRE_31));
    RCC.apb2enr().write_value(rcc::regs::Apb2enr(TIM11_BIT));
    // Two bus cycles until the clock has arrived (ES0182, 2.1.13).
    RCC.apb2enr().read();
    TIM11.or().write_value(TI1_IS_HSE_RTC);
    TIM11.ccmr_input(0).write_value(timer::regs::CcmrInput1ch(CAPTURE_EVERY_8TH));
    TIM11.ccer().write_value(timer::regs::Ccer1ch(1));
    TIM11.cr1().write_value(timer::regs::Cr11ch(1));
    let from = captured();
    let ticks = captured().wrapping_sub(from) as u16;
    RCC.apb2rstr().write_value(rcc::regs::Apb2rstr(TIM11_BIT));
    RCC.apb2rstr().write_value(rcc::regs::Apb2rstr(0));
    RCC.apb2enr().write_value(rcc::regs::Apb2enr(0));
    HSE_TICKS.store(ticks, Relaxed);
    let expected = HSE_TICKS_HZ / hse_hz;
    ticks == 0 || expected.abs_diff(ticks.into()) <= expected / 8
}

/// The counter at the next capture; what was captured last where none comes within a millisecond and more.
fn captured() -> u32 {
    for _ in 0..CAPTURE_LOOKS {
        if TIM11.sr().read().0 & CC1IF != 0 {
            break;
        }
    }
    // Clears the flag (RM0090, 19.5.4).
    TIM11.ccr(0).read().0
}

/// Ticks between two captures of HSE, 0: it was not measured. See [`surefoot_core::info::Info::hse_ticks`].
pub fn hse_ticks() -> u16 {
    HSE_TICKS.load(Relaxed)
}

/// True when the board has a crystal and the PLL runs from HSI instead.
pub fn hse_failed(config: Config) -> bool {
    config.hse_hz() != 0 && RCC.pllcfgr().read().0 & PLLSRC_HSE == 0
}

/// Switches an oscillator on and waits for it. Its ready flag pends the RCC's interrupt, so the wait
/// sleeps (RM0090, 7.3.4).
fn switch_on(on: u32, ready: u32, limit_ms: u32) -> bool {
    RCC.cir().write_value(rcc::regs::Cir(CIR_CLEAR | CIR_READY));
    time::unpend(RCC_INTERRUPT);
    RCC.cr().modify(|w| w.0 |= on);
    time::until(limit_ms, RCC.cr(), ready, ready)
}

/// Clocks as after reset: HSI, which never was off, no PLL, no wait states (RM0090, 7.3.1-7.3.4 and
/// 3.9.1).
pub fn reset() {
    RCC.cfgr().write_value(rcc::regs::Cfgr(0));
    time::until(PLL_LIMIT_MS, RCC.cfgr(), SWS, 0);
    // Everything but HSI off; once more for HSEBYP, which counts only while HSE is off.
    RCC.cr().modify(|w| w.0 &= HSI_BITS);
    RCC.cr().modify(|w| w.0 &= HSI_BITS);
    RCC.pllcfgr().write_value(rcc::regs::Pllcfgr(PLLCFGR_RESET));
    FLASH.acr().write_value(flash::regs::Acr(0));
    // Resets PWR_CR: the voltage scale, and the backup domain's write access (RM0090, 7.3.8).
    RCC.apb1rstr().write(|w| w.set_pwrrst(true));
    RCC.apb1rstr().write_value(rcc::regs::Apb1rstr(0));
    RCC.apb1enr().write_value(rcc::regs::Apb1enr(0));
}
