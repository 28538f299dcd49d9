//! The clocks of an F4: PLL, bus prescalers, flash wait states and voltage scale.
//!
//! One solution gives SYSCLK as the board asks for it and exactly 48 MHz for USB (RM0090 Rev 21,
//! sections 7.3.2 and 6.3.2): from the crystal, and from HSI with the same result as a fall-back.
//! Writing the registers is the firmware's work.

use crate::units::show_frequency;
use surefoot_chips::{Chip, Clock, Supply};

/// HSI of every F4.
pub const HSI_HZ: u32 = 16_000_000;
/// What the USB block needs.
pub const USB_HZ: u32 = 48_000_000;
/// PLL output: at least this (DS8626, table "Main PLL characteristics"); OTG FS wants 14.2 MHz.
const PLL_OUT_MIN_HZ: u32 = 24_000_000;
/// VCO input (RM0090, section 7.3.2): 1 to 2 MHz, best 2 MHz.
const VCO_IN_HZ: [u64; 2] = [1_000_000, 2_000_000];
/// Reset value of RCC_PLLCFGR's bits 28-31: reserved on F405, PLLR = 2 on F446 and later.
const PLLCFGR_KEEP: u32 = 0x2000_0000;
/// Below this VCO output older revisions of the data sheets give no guarantee.
const VCO_PREFERRED_HZ: u64 = 192_000_000;

/// A setting of the main PLL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pll {
    /// Input in hertz.
    pub input_hz: u32,
    /// The input is HSE.
    pub from_hse: bool,
    /// Input divider, 2-63.
    pub m: u32,
    /// Multiplier, 50-432.
    pub n: u32,
    /// SYSCLK divider, 2, 4, 6, 8.
    pub p: u32,
    /// USB divider, 2-15.
    pub q: u32,
}

impl Pll {
    /// RCC_PLLCFGR.
    pub const fn register(&self) -> u32 {
        PLLCFGR_KEEP
            | self.q << 24
            | (self.from_hse as u32) << 22
            | (self.p / 2 - 1) << 16
            | self.n << 6
            | self.m
    }
    /// VCO output in hertz.
    pub const fn vco_hz(&self) -> u64 {
        self.input_hz as u64 * self.n as u64 / self.m as u64
    }
}

/// Everything about a board's clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// From the crystal, if the board has one.
    pub hse: Option<Pll>,
    /// From HSI.
    pub hsi: Pll,
    /// HSE is a clock, not a crystal.
    pub bypass: bool,
    /// SYSCLK = HCLK.
    pub sysclk_hz: u32,
    /// PCLK1.
    pub apb1_hz: u32,
    /// PCLK2.
    pub apb2_hz: u32,
    /// RCC_CFGR with SW = PLL.
    pub rcc_cfgr: u32,
    /// FLASH_ACR.
    pub flash_acr: u32,
    /// VOS bits of PWR_CR.
    pub pwr_cr: u32,
    /// Flash wait states.
    pub wait_states: u32,
}

/// Why the clocks cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// There are no clock limits for this chip.
    #[error("the clocks of {0} are not known here yet; F4 parts with USB are")]
    Chip(&'static str),
    /// The crystal is out of range.
    #[error("a crystal of {} is outside {low}-{high} MHz; fit one in this range, 8 MHz is common", show_frequency(*.hse))]
    Hse {
        /// In hertz.
        hse: u32,
        /// Lowest, MHz.
        low: u32,
        /// Highest, MHz.
        high: u32,
    },
    /// No PLL setting makes 48 MHz out of it.
    #[error("no PLL setting makes 48 MHz for USB from {}; use a crystal like {}", show_frequency(*.hse), list(.nearest))]
    NoUsb {
        /// In hertz.
        hse: u32,
        /// The nearest crystals in steps of 0.5 MHz that do.
        nearest: Vec<u32>,
    },
    /// SYSCLK cannot be had together with 48 MHz.
    #[error("{} cannot be had together with 48 MHz for USB{}; use {}", show_frequency(*.wanted), limit(.wanted, .max), list(.nearest))]
    Sysclk {
        /// In hertz.
        wanted: u32,
        /// The chip's highest at this supply, in hertz.
        max: u32,
        /// The nearest that can be had.
        nearest: Vec<u32>,
    },
}

fn list(hertz: &[u32]) -> String {
    hertz.iter().map(|h| show_frequency(*h)).collect::<Vec<_>>().join(" or ")
}

fn limit(wanted: &u32, max: &u32) -> String {
    if wanted > max {
        format!(" (the chip's limit at this supply, without over-drive, is {})", show_frequency(*max))
    } else {
        String::new()
    }
}

/// Solves the clocks of `chip` at `supply`, one of its supply ranges. `hse_hz` is the crystal.
pub fn solve(
    chip: &Chip,
    supply: &Supply,
    hse_hz: Option<u32>,
    bypass: bool,
    sysclk_hz: u32,
) -> Result<Clocks, ClockError> {
    let clock = chip.clock.ok_or(ClockError::Chip(chip.name))?;
    let range = chip.supplies.iter().position(|s| s == supply).ok_or(ClockError::Chip(chip.name))?;
    let max = max_hz(clock, range);
    if let Some(hse) = hse_hz {
        crystal(clock, hse, max)?;
    }
    let hse = hse_hz.map(|hz| pll(clock, hz, true, sysclk_hz));
    let hsi = pll(clock, HSI_HZ, false, sysclk_hz);
    let in_range = (PLL_OUT_MIN_HZ..=max).contains(&sysclk_hz);
    let (Some(hsi), true, false) = (hsi, in_range, hse == Some(None)) else {
        let input = hse_hz.unwrap_or(HSI_HZ);
        return Err(ClockError::Sysclk {
            wanted: sysclk_hz,
            max,
            nearest: nearest(reachable(clock, input, max), sysclk_hz),
        });
    };
    let (apb1, ppre1) = prescaler(sysclk_hz, clock.apb1_mhz);
    let (apb2, ppre2) = prescaler(sysclk_hz, clock.apb2_mhz);
    let wait_states = sysclk_hz.div_ceil(clock.wait_mhz[range] * 1_000_000) - 1;
    // The highest core voltage is legal at every frequency, and contains the bits of the reset
    // value on every part, so that setting bits is enough to write it.
    let scale = clock.scales.last();
    Ok(Clocks {
        hse: hse.flatten(),
        hsi,
        bypass: bypass && hse_hz.is_some(),
        sysclk_hz,
        apb1_hz: apb1,
        apb2_hz: apb2,
        // HPRE = 1; SW = 0b10 (RM0090, section 7.3.3).
        rcc_cfgr: ppre2 << 13 | ppre1 << 10 | 0b10,
        // DCEN, ICEN, PRFTEN, LATENCY (RM0090, section 3.9.1).
        flash_acr: 1 << 10 | 1 << 9 | u32::from(supply.prefetch) << 8 | wait_states,
        pwr_cr: scale.map_or(0, |s| s.pwr_cr),
        wait_states,
    })
}

/// Highest SYSCLK in the supply range with this index.
pub fn max_hz(clock: &Clock, range: usize) -> u32 {
    clock.max_mhz.min(clock.supply_max_mhz[range]) * 1_000_000
}

fn crystal(clock: &Clock, hse: u32, max: u32) -> Result<(), ClockError> {
    let [low, high] = clock.hse_mhz;
    if !(low * 1_000_000..=high * 1_000_000).contains(&hse) {
        return Err(ClockError::Hse { hse, low, high });
    }
    if reachable(clock, hse, max).is_empty() {
        let steps = (low * 2..=high * 2).map(|half| half * 500_000);
        let good = steps.filter(|&hz| !reachable(clock, hz, max).is_empty()).collect();
        return Err(ClockError::NoUsb { hse, nearest: nearest(good, hse) });
    }
    Ok(())
}

/// The setting for `sysclk` and 48 MHz from `input`: the VCO's input as near to 2 MHz as it can
/// be, its output as low as the data sheets always guaranteed.
fn pll(clock: &Clock, input: u32, from_hse: bool, sysclk: u32) -> Option<Pll> {
    settings(clock, input, from_hse)
        .filter(|pll| pll.vco_hz() == u64::from(sysclk) * u64::from(pll.p))
        .min_by_key(|pll| (pll.vco_hz() < VCO_PREFERRED_HZ, pll.vco_hz(), pll.m))
}

/// Every SYSCLK that can be had with exactly 48 MHz from `input`, ascending.
fn reachable(clock: &Clock, input: u32, max: u32) -> Vec<u32> {
    let mut all: Vec<u32> = settings(clock, input, true)
        .map(|pll| (pll.vco_hz() / u64::from(pll.p)) as u32)
        .filter(|hz| (PLL_OUT_MIN_HZ..=max).contains(hz))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Every setting within the PLL's limits that gives exactly 48 MHz.
fn settings(clock: &Clock, input: u32, from_hse: bool) -> impl Iterator<Item = Pll> {
    let [vco_low, vco_high] = clock.vco_mhz.map(|mhz| u64::from(mhz) * 1_000_000);
    let [in_low, in_high] = VCO_IN_HZ;
    (2..=15u32).flat_map(move |q| {
        let vco = u64::from(USB_HZ) * u64::from(q);
        let m_range = (2..=63u32).filter(move |&m| {
            let (input, m) = (u64::from(input), u64::from(m));
            (vco_low..=vco_high).contains(&vco) && input >= in_low * m && input <= in_high * m
        });
        m_range.flat_map(move |m| {
            let product = vco * u64::from(m);
            let n = (product / u64::from(input)) as u32;
            let exact = product.is_multiple_of(u64::from(input)) && (50..=432).contains(&n);
            let ps: &[u32] = if exact { &[2, 4, 6, 8] } else { &[] };
            // A SYSCLK that is no whole number of hertz is none.
            ps.iter().filter(move |&&p| vco.is_multiple_of(u64::from(p))).map(move |&p| Pll {
                input_hz: input,
                from_hse,
                m,
                n,
                p,
                q,
            })
        })
    })
}

/// The two values of `all` nearest to `wanted`, ascending.
fn nearest(mut all: Vec<u32>, wanted: u32) -> Vec<u32> {
    all.sort_by_key(|hz| hz.abs_diff(wanted));
    all.truncate(2);
    all.sort_unstable();
    all
}

/// PCLK and the PPRE bits for the smallest divider within the limit.
fn prescaler(hclk: u32, max_mhz: u32) -> (u32, u32) {
    let (divider, bits) = [(1, 0), (2, 4), (4, 5), (8, 6)]
        .into_iter()
        .find(|(divider, _)| hclk <= max_mhz * 1_000_000 * divider)
        .unwrap_or((16, 7));
    (hclk / divider, bits)
}
