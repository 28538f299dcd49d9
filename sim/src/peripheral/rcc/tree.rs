//! The clock tree: what the registers add up to in hertz, and the limits it must keep.

use super::{HSI_HZ, Hse, LSE_HZ, PLLSRC_HSE, Rcc, Source};
use crate::chip::Speeds;
use crate::device::{Clocks, Ctx};
use crate::violation::Kind;

impl Rcc {
    /// The present clocks (RM0090 figure 21).
    pub fn clocks(&self) -> Clocks {
        let sysclk = match self.running {
            0 => HSI_HZ,
            1 => self.hse_hz(),
            _ => self.vco_hz() / self.pll_p(),
        };
        let hclk = sysclk >> ahb_shift(self.cfgr >> 4);
        let (s1, s2) = (apb_shift(self.cfgr >> 10), apb_shift(self.cfgr >> 13));
        let q = self.pllcfgr >> 24 & 15;
        let pll48 = if self.pll == Source::Ready { self.vco_hz() / q.max(1) } else { 0 };
        let lsi = if self.lsi == Source::Ready { self.fitted.lsi_hz } else { 0 };
        let lse = if self.lse == Source::Ready { LSE_HZ } else { 0 };
        // Section 7.3.3: RTCPRE 0 and 1 give no clock.
        let hse_rtc = match (self.hse, self.cfgr >> 16 & 31) {
            (Source::Ready, divider @ 2..) => self.hse_hz() / divider,
            _ => 0,
        };
        // Section 7.3.20: RTCEN, and RTCSEL.
        let rtc = match (self.bdcr & 1 << 15 != 0, self.bdcr >> 8 & 3) {
            (true, 1) => lse,
            (true, 2) => lsi,
            (true, 3) => hse_rtc,
            _ => 0,
        };
        Clocks {
            sysclk,
            from_pll: self.running == 2,
            hclk,
            pclk1: hclk >> s1,
            pclk2: hclk >> s2,
            // Section 7.2: timers run at PCLK when its prescaler is 1, else at twice PCLK.
            timers1: hclk >> s1.saturating_sub(1),
            timers2: hclk >> s2.saturating_sub(1),
            pll48,
            lsi,
            lse,
            hse_rtc,
            rtc,
        }
    }

    /// Clocks above their limits; called after each change.
    pub(crate) fn check_limits(&self, speeds: Speeds, ctx: &mut Ctx) {
        let c = *ctx.clocks;
        for (name, hz, most) in [
            ("HCLK", c.hclk, speeds.hclk),
            ("PCLK1", c.pclk1, speeds.pclk1),
            ("PCLK2", c.pclk2, speeds.pclk2),
        ] {
            if hz > most {
                let what = format!("{name} is {hz} Hz, above {most} Hz");
                ctx.violation(Kind::Range, "DS8626 table 14, RM0090 5.1.3, RM0383 5.1.3, RM0390 5.1.3", what);
            }
        }
    }

    pub(super) fn hse_hz(&self) -> u32 {
        match self.fitted.hse {
            Hse::Crystal(hz) | Hse::Clock(hz) => hz,
            Hse::None | Hse::DeadCrystal => 0,
        }
    }

    fn pll_input(&self) -> u32 {
        if self.pllcfgr & PLLSRC_HSE != 0 { self.hse_hz() } else { HSI_HZ }
    }

    fn vco_hz(&self) -> u32 {
        let (m, n) = (u64::from(self.pllcfgr & 0x3F), u64::from(self.pllcfgr >> 6 & 0x1FF));
        (u64::from(self.pll_input()) * n / m.max(1)) as u32
    }

    fn pll_p(&self) -> u32 {
        2 * (self.pllcfgr >> 16 & 3) + 2
    }

    /// The PLL's limits (RM0090 section 7.3.2), when it is switched on.
    pub(super) fn check_pll(&self, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 7.3.2";
        let (m, n, q) = (self.pllcfgr & 0x3F, self.pllcfgr >> 6 & 0x1FF, self.pllcfgr >> 24 & 15);
        let mut range = |name: &str, value: u32, least: u32, most: u32| {
            if value < least || value > most {
                let what = format!("{name} is {value}, not in {least}..={most}");
                ctx.violation(Kind::Range, SECTION, what);
            }
        };
        range("PLLM", m, 2, 63);
        range("PLLN", n, 50, 432);
        range("PLLQ", q, 2, 15);
        if self.pll_input() == 0 {
            return;
        }
        range("the VCO's input in Hz", self.pll_input() / m.max(1), 950_000, 2_100_000);
        range("the VCO's output in Hz", self.vco_hz(), 100_000_000, 432_000_000);
        range("the PLL's output in Hz", self.vco_hz() / self.pll_p(), 24_000_000, self.version.pll_max);
    }
}

/// HPRE: 0xxx is 1, then 2, 4, 8, 16, 64, 128, 256, 512.
fn ahb_shift(hpre: u32) -> u32 {
    match hpre & 15 {
        0..8 => 0,
        n @ 8..12 => n - 7,
        n => n - 6,
    }
}

/// PPRE: 0xx is 1, then 2, 4, 8, 16.
fn apb_shift(ppre: u32) -> u32 {
    match ppre & 7 {
        0..4 => 0,
        n => n - 3,
    }
}
