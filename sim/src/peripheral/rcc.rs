//! Reset and clock control (RM0090 chapter 7, RM0383 and RM0390 chapter 6; what differs is in `version`).
//!
//! Covers: oscillators and PLL with their start-up times (7.2.1-7.2.6), a crystal that is missing
//! or dead, switch status, prescalers, limits of the PLL's factors and of every bus clock (7.3.2,
//! 7.3.3, DS8626 table 14), clock gates and peripheral resets (7.3.5-7.3.14), backup domain
//! control (7.3.20), reset flags (7.3.21), interrupts of the ready flags (7.3.4).
//!
//! Leaves out: the clock security system, the PLLI2S but for its ready flag, spread spectrum and the clock
//! outputs (their registers are stored), low-power clock enables (stored), drift and jitter; the PLLSAI and dedicated
//! clocks of the F411 and F446, which are told.

mod tree;
mod version;

use crate::decode::Enable;
use crate::device::{Ctx, Peripheral, ResetCause, Width, lane, merged};
use crate::time::Nanos;
use crate::violation::Kind;
pub(crate) use version::{F405, F411, F446, Version};

/// What is soldered to the OSC_IN/OSC_OUT pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hse {
    /// Nothing.
    None,
    /// A crystal of so many hertz.
    Crystal(u32),
    /// A crystal that never starts.
    DeadCrystal,
    /// A clock signal of so many hertz, for HSEBYP.
    Clock(u32),
}

/// The oscillators of a board.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Oscillators {
    pub(crate) hse: Hse,
    /// From HSEON to HSERDY with a crystal.
    pub(crate) hse_start: Nanos,
    /// A 32.768 kHz crystal is fitted.
    pub(crate) lse: bool,
    pub(crate) lsi_hz: u32,
}

/// HSI frequency (RM0090 section 7.2.2).
pub const HSI_HZ: u32 = 16_000_000;
/// LSE frequency (RM0090 section 7.2.4).
const LSE_HZ: u32 = 32_768;
/// DS8626 section 5.3.9: HSI start-up, typical.
const HSI_START: Nanos = Nanos(2_200);
/// DS8626 section 5.3.8: HSE start-up with a crystal, typical.
pub(crate) const HSE_START: Nanos = Nanos::millis(2);
/// DS8626 section 5.3.10: PLL lock time, between the figures for 1 and 2 MHz input.
const PLL_LOCK: Nanos = Nanos::micros(200);
/// DS8626 section 5.3.9: LSI start-up, typical.
const LSI_START: Nanos = Nanos::micros(15);
/// DS8626 section 5.3.8: LSE start-up, typical.
const LSE_START: Nanos = Nanos::secs(2);

const HSION: u32 = 1 << 0;
const HSIRDY: u32 = 1 << 1;
const HSEON: u32 = 1 << 16;
const HSERDY: u32 = 1 << 17;
const HSEBYP: u32 = 1 << 18;
const CSSON: u32 = 1 << 19;
const PLLON: u32 = 1 << 24;
const PLLRDY: u32 = 1 << 25;
const PLLI2SON: u32 = 1 << 26;
/// What of the reset value is stored: HSION and HSIRDY are the oscillator's. HSICAL is the factory's; this one is
/// the model's.
const CR_RESET: u32 = 0x0000_7880;
const CR_WRITABLE: u32 = 0xF8 | HSION | HSEON | HSEBYP | CSSON | PLLON | PLLI2SON;
/// PLLSAION of the F446.
const PLLSAION: u32 = 1 << 28;
const PLLCFGR_RESET: u32 = 0x2400_3010;
const PLLSRC_HSE: u32 = 1 << 22;
const LSION: u32 = 1 << 0;
const LSIRDY: u32 = 1 << 1;
const RMVF: u32 = 1 << 24;
const RESET_FLAGS: u32 = 0xFE00_0000;

/// Enable, reset and low-power registers: offsets from 0x10, 0x30 and 0x50 in steps of 4. Index 2
/// is AHB3, 3 and 4 are APB1 and APB2 after a gap.
const GATES: [(u32, usize); 5] = [(0x00, 0), (0x04, 1), (0x08, 2), (0x10, 3), (0x14, 4)];

/// An oscillator or PLL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Off,
    /// Ready at that instant; `NEVER` for a dead crystal, and for a PLL whose own source is not ready.
    Starting(Nanos),
    Ready,
    /// Switched off: its ready flag goes low at that instant.
    Stopping(Nanos),
}

impl Source {
    fn event(self) -> Option<Nanos> {
        match self {
            Self::Starting(at) | Self::Stopping(at) if at != Nanos::NEVER => Some(at),
            _ => None,
        }
    }
    fn bits(self, on: u32, ready: u32) -> u32 {
        match self {
            Self::Off => 0,
            Self::Starting(_) => on,
            Self::Ready => on | ready,
            Self::Stopping(_) => ready,
        }
    }
    /// Switched on or off; `start` is when it would be ready, `stop` when its flag goes low.
    fn switched(self, on: bool, start: Nanos, stop: Nanos) -> Self {
        match (self, on) {
            (Self::Off | Self::Stopping(_), true) => Self::Starting(start),
            (Self::Ready, false) => Self::Stopping(stop),
            (Self::Starting(_), false) => Self::Off,
            (other, _) => other,
        }
    }
    /// What was due by `now` happens. True when it is ready from now on.
    fn advance(&mut self, now: Nanos) -> bool {
        if self.event().is_none_or(|at| at > now) {
            return false;
        }
        let ready = matches!(self, Self::Starting(_));
        *self = if ready { Self::Ready } else { Self::Off };
        ready
    }
}

/// The model.
#[derive(Clone, Debug)]
pub struct Rcc {
    version: &'static Version,
    fitted: Oscillators,
    hsi: Source,
    hse: Source,
    pll: Source,
    pll_i2s: Source,
    lsi: Source,
    lse: Source,
    cr: u32,
    pllcfgr: u32,
    cfgr: u32,
    /// SWS: what the system runs on.
    running: u32,
    cir: u32,
    resets: [u32; 5],
    enables: [u32; 5],
    low_power: [u32; 5],
    bdcr: u32,
    csr: u32,
    others: [u32; 2], // SSCGR, PLLI2SCFGR
    lsi_forced: bool,
    /// Cycle count of the access that set each enable bit.
    since: [[u64; 32]; 5],
    new_enables: [u32; 5],
    new_resets: [u32; 5],
    changed: bool,
    backup_reset: bool,
    /// PWR_CR.DBP, kept up to date by the bus.
    pub(crate) backup_open: bool,
}

impl Rcc {
    /// After power-on with these oscillators fitted.
    pub(crate) fn new(version: &'static Version, fitted: Oscillators) -> Self {
        Self {
            version,
            fitted,
            hsi: Source::Ready,
            hse: Source::Off,
            pll: Source::Off,
            pll_i2s: Source::Off,
            lsi: Source::Off,
            lse: Source::Off,
            cr: CR_RESET,
            pllcfgr: PLLCFGR_RESET,
            cfgr: 0,
            running: 0,
            cir: 0,
            resets: [0; 5],
            enables: version.enables_reset,
            low_power: version.low_power,
            bdcr: 0,
            csr: 0,
            others: [0, version.plli2s],
            lsi_forced: false,
            since: [[0; 32]; 5],
            new_enables: [0; 5],
            new_resets: [0; 5],
            changed: true,
            backup_reset: false,
            backup_open: false,
        }
    }

    /// Sets the reset flags (RM0090 section 7.3.21). Every reset source pulls NRST low inside the
    /// chip, so PINRSTF is always among them (section 7.1.1).
    pub(crate) fn flag_reset(&mut self, cause: ResetCause) {
        const PIN: u32 = 1 << 26;
        self.csr |= PIN
            | match cause {
                ResetCause::PowerOn => 1 << 27 | 1 << 25,
                ResetCause::BrownOut => 1 << 25,
                ResetCause::Pin => 0,
                ResetCause::Software => 1 << 28,
                ResetCause::IndependentWatchdog => 1 << 29,
                ResetCause::WindowWatchdog => 1 << 30,
            };
    }

    /// The reset flags, bits 25-31 of RCC_CSR.
    pub fn reset_flags(&self) -> u32 {
        self.csr & RESET_FLAGS
    }

    /// Power was lost: everything but the backup domain, and that too without a battery.
    pub(crate) fn power_lost(&mut self, keep_backup: bool) {
        self.csr = 0;
        if !keep_backup {
            self.bdcr = 0;
            self.lse = Source::Off;
        }
    }

    /// Changes what is on the oscillator pins; for the next start of each.
    pub(crate) fn fit(&mut self, fitted: Oscillators) {
        self.fitted = fitted;
    }

    /// True when the PLL is on, locked or not.
    pub fn pll_on(&self) -> bool {
        self.pll != Source::Off
    }

    /// Since which cycle a peripheral's clock runs; `None` when it does not, or when the
    /// peripheral is held in reset.
    pub(crate) fn enabled_since(&self, enable: Enable) -> Option<u64> {
        let (bus, bit) = (enable.bus as usize, usize::from(enable.bit));
        let on = self.enables[bus] & !self.resets[bus] & 1 << bit != 0;
        on.then_some(self.since[bus][bit])
    }

    /// Notes at which cycle count the last access was, for the enables it set.
    pub(crate) fn note_cycles(&mut self, cycles: u64) {
        for (bus, new) in self.new_enables.iter_mut().enumerate() {
            while *new != 0 {
                self.since[bus][new.trailing_zeros() as usize] = cycles;
                *new &= *new - 1;
            }
        }
    }

    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Bits newly set in the reset registers since the last call, by bus.
    pub(crate) fn take_resets(&mut self) -> Option<[u32; 5]> {
        let new = std::mem::take(&mut self.new_resets);
        (new != [0; 5]).then_some(new)
    }

    /// True once after BDRST.
    pub(crate) fn take_backup_reset(&mut self) -> bool {
        std::mem::take(&mut self.backup_reset)
    }

    /// A running IWDG keeps the LSI on (RM0090 section 7.2.5).
    pub(crate) fn force_lsi(&mut self, now: Nanos) {
        if !self.lsi_forced {
            self.lsi_forced = true;
            self.lsi = self.lsi.switched(true, now + LSI_START, now);
        }
    }

    /// The bus of a register at an offset among those that begin at `base`.
    fn gate(&self, offset: u32, base: u32) -> Option<usize> {
        let bus = GATES.iter().find(|g| g.0 + base == offset)?.1;
        (self.version.enables[bus] != 0).then_some(bus)
    }

    fn register(&self, offset: u32) -> Option<u32> {
        Some(match offset {
            0x00 => {
                self.cr
                    | self.hsi.bits(HSION, HSIRDY)
                    | self.hse.bits(HSEON, HSERDY)
                    | self.pll.bits(PLLON, PLLRDY)
                    | self.pll_i2s.bits(PLLI2SON, PLLI2SON << 1)
            }
            0x04 => self.pllcfgr,
            0x08 => self.cfgr & !0xC | self.running << 2,
            0x0C => self.cir,
            0x70 => self.bdcr & !3 | self.lse.bits(1, 2),
            0x74 => self.csr & RESET_FLAGS | self.lsi.bits(self.csr & LSION, LSIRDY),
            0x80 => self.others[0],
            0x84 => self.others[1],
            _ => {
                if let Some(&(_, reset)) = self.version.more.iter().find(|m| m.0 == offset) {
                    return Some(reset);
                }
                match (self.gate(offset, 0x10), self.gate(offset, 0x30), self.gate(offset, 0x50)) {
                    (Some(bus), _, _) => self.resets[bus],
                    (_, Some(bus), _) => self.enables[bus],
                    (_, _, Some(bus)) => self.low_power[bus],
                    _ => return None,
                }
            }
        })
    }

    fn write_cr(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 7.3.1";
        ctx.reserved(value, self.version.cr, self.version.manual, "RCC_CR");
        if value & self.version.cr & PLLSAION != 0 {
            ctx.unmodelled(self.version.manual, "the PLLSAI (PLLSAION)");
        }
        let byp_changed = (value ^ self.cr) & HSEBYP != 0;
        if byp_changed && self.hse != Source::Off {
            ctx.violation(Kind::Sequence, SECTION, "HSEBYP changed while the HSE is on");
        }
        if value & CSSON != 0 {
            ctx.unmodelled(SECTION, "the clock security system (CSSON)");
        }
        self.cr = self.cr & !CR_WRITABLE | value & CR_WRITABLE & !(HSION | HSEON | PLLON | PLLI2SON);
        let (hsi, hse) = (value & HSION != 0, value & HSEON != 0);
        // Section 7.3.1: the ready flags go low six cycles after their oscillator was switched off.
        let start = ctx.now + HSI_START;
        let stop = ctx.now + Nanos::cycles(6, u64::from(HSI_HZ));
        self.hsi = self.switch(self.hsi, hsi, self.uses_hsi(), (start, stop), "HSI", ctx);
        let start = match (self.fitted.hse, value & HSEBYP != 0) {
            (Hse::Crystal(_), false) => ctx.now + self.fitted.hse_start,
            (Hse::Clock(_), true) => ctx.now + Nanos::micros(1),
            _ => Nanos::NEVER,
        };
        let stop = ctx.now + Nanos::cycles(6, u64::from(self.hse_hz()));
        self.hse = self.switch(self.hse, hse, self.uses_hse(), (start, stop), "HSE", ctx);
        if value & PLLON != 0 && self.pll == Source::Off {
            self.check_pll(ctx);
        }
        let times = (Nanos::NEVER, ctx.now);
        self.pll = self.switch(self.pll, value & PLLON != 0, self.running == 2, times, "PLL", ctx);
        self.pll_i2s = self.pll_i2s.switched(value & PLLI2SON != 0, Nanos::NEVER, ctx.now);
        self.settle_plls(ctx.now);
        self.changed = true;
    }

    /// A PLL locks once its source is ready, however early it was switched on, and never without.
    fn settle_plls(&mut self, now: Nanos) {
        let source = if self.pllcfgr & PLLSRC_HSE != 0 { self.hse } else { self.hsi };
        for pll in [&mut self.pll, &mut self.pll_i2s] {
            match (*pll, source) {
                (Source::Starting(Nanos::NEVER), Source::Ready) => *pll = Source::Starting(now + PLL_LOCK),
                (Source::Starting(_) | Source::Ready, Source::Off | Source::Stopping(_)) => {
                    *pll = Source::Starting(Nanos::NEVER);
                }
                (Source::Stopping(_), _) => *pll = Source::Off,
                _ => {}
            }
        }
    }

    fn switch(
        &self,
        source: Source,
        on: bool,
        in_use: bool,
        (start, stop): (Nanos, Nanos),
        name: &str,
        ctx: &mut Ctx,
    ) -> Source {
        if !on && in_use && matches!(source, Source::Starting(_) | Source::Ready) {
            let what = format!("{name} switched off while the system clock depends on it");
            ctx.violation(Kind::Sequence, "RM0090 7.3.1", what);
            return source;
        }
        source.switched(on, start, stop)
    }

    fn uses_hsi(&self) -> bool {
        self.running == 0 || self.running == 2 && self.pllcfgr & PLLSRC_HSE == 0
    }

    fn uses_hse(&self) -> bool {
        self.running == 1 || self.running == 2 && self.pllcfgr & PLLSRC_HSE != 0
    }

    fn write_cfgr(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 7.3.3";
        let Version { manual, cfgr, pll_r, .. } = *self.version;
        ctx.reserved(value, cfgr, manual, "RCC_CFGR");
        match (value & 3, pll_r) {
            (3, true) => ctx.unmodelled(manual, "the PLL's output R as the system clock (SW is 3)"),
            (3, false) => ctx.violation(Kind::Range, SECTION, "SW is 3"),
            _ => {}
        }
        self.cfgr = value & cfgr;
        self.try_switch();
        self.changed = true;
    }

    /// The switch waits until its target is ready (RM0090 section 7.2.6).
    fn try_switch(&mut self) {
        let target = self.cfgr & 3;
        let source = match target {
            0 => self.hsi,
            1 => self.hse,
            2 => self.pll,
            _ => return,
        };
        if source == Source::Ready {
            self.running = target;
        }
    }

    fn write_gate(&mut self, offset: u32, value: u32, ctx: &mut Ctx) -> bool {
        let Version { manual, enables, resets, low_power, more, .. } = *self.version;
        if let Some(bus) = self.gate(offset, 0x10) {
            ctx.reserved(value, resets[bus], manual, "RCC reset register");
            let value = value & resets[bus];
            self.new_resets[bus] |= value & !self.resets[bus];
            self.resets[bus] = value;
        } else if let Some(bus) = self.gate(offset, 0x30) {
            ctx.reserved(value, enables[bus], manual, "RCC enable register");
            self.new_enables[bus] |= value & !self.enables[bus];
            self.enables[bus] = value & enables[bus];
        } else if let Some(bus) = self.gate(offset, 0x50) {
            self.low_power[bus] = value & low_power[bus];
        } else if more.iter().any(|m| m.0 == offset && m.1 != value) {
            ctx.unmodelled(manual, format!("the clock choice of the RCC register at offset {offset:#x}"));
        } else {
            return false;
        }
        self.changed = true;
        true
    }

    fn write_bdcr(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 7.3.20";
        if !self.backup_open {
            let what = "RCC_BDCR written while PWR_CR.DBP is clear";
            return ctx.violation(Kind::Protected, SECTION, what);
        }
        ctx.reserved(value, self.version.bdcr, self.version.manual, "RCC_BDCR");
        if value & 1 << 16 != 0 {
            (self.bdcr, self.lse, self.backup_reset) = (1 << 16, Source::Off, true);
            self.changed = true;
            return;
        }
        let select = self.bdcr & 0x300;
        if select != 0 && value & 0x300 != select {
            ctx.violation(Kind::Sequence, SECTION, "RTCSEL changed without a backup domain reset");
        }
        self.bdcr = value & 0x8304 | select;
        if select == 0 {
            self.bdcr |= value & 0x300;
        }
        let start = if self.fitted.lse { ctx.now + LSE_START } else { Nanos::NEVER };
        // Section 7.3.20: LSERDY goes low six cycles after LSEON.
        let stop = ctx.now + Nanos::cycles(6, u64::from(LSE_HZ));
        self.lse = self.lse.switched(value & 1 != 0, start, stop);
        self.changed = true;
    }

    fn write_csr(&mut self, value: u32, ctx: &mut Ctx) {
        ctx.reserved(value, RESET_FLAGS | RMVF | 3, "RM0090 7.3.21", "RCC_CSR");
        if value & RMVF != 0 {
            self.csr &= !RESET_FLAGS;
        }
        self.csr = self.csr & !LSION | value & LSION;
        // Section 7.3.21: LSIRDY goes low three cycles after LSION.
        let stop = ctx.now + Nanos::cycles(3, u64::from(self.fitted.lsi_hz));
        let on = value & LSION != 0 || self.lsi_forced;
        self.lsi = self.lsi.switched(on, ctx.now + LSI_START, stop);
        self.changed = true;
    }

    /// RM0090 section 7.3.4: ready flags appear only where their interrupt is enabled.
    fn interrupt(&self, ctx: &mut Ctx) {
        ctx.irq(5, self.cir & self.cir >> 8 & 0x3F != 0);
    }

    fn ready(&mut self, bit: u32) {
        self.cir |= self.cir >> 8 & 1 << bit;
    }
}

impl Peripheral for Rcc {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        match self.register(offset & !3) {
            Some(value) => lane(value, offset, width),
            None => ctx.nothing("RCC", offset, "RM0090 7.3.24"),
        }
    }

    fn steady_until(&self, _offset: u32) -> Option<Nanos> {
        Some(Nanos::NEVER)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        let at = offset & !3;
        let Some(old) = self.register(at) else {
            ctx.nothing("RCC", offset, "RM0090 7.3.24");
            return;
        };
        let value = merged(old, offset, width, value);
        match at {
            0x00 => self.write_cr(value, ctx),
            0x04 => {
                const SECTION: &str = "RM0090 7.3.2";
                let Version { manual, pllcfgr: known, .. } = *self.version;
                ctx.reserved_kept(value, PLLCFGR_RESET, known, manual, "RCC_PLLCFGR");
                if self.pll != Source::Off {
                    ctx.violation(Kind::Sequence, SECTION, "RCC_PLLCFGR written while the PLL is on");
                } else {
                    self.pllcfgr = value & known | PLLCFGR_RESET & !known;
                }
            }
            0x08 => self.write_cfgr(value, ctx),
            0x0C => {
                ctx.reserved(value, self.version.cir, self.version.manual, "RCC_CIR");
                self.cir = self.cir & !(value >> 16) & 0xBF | value & 0x3F00;
                self.interrupt(ctx);
            }
            0x70 => self.write_bdcr(value, ctx),
            0x74 => self.write_csr(value, ctx),
            0x80 => self.others[0] = value,
            0x84 => self.others[1] = value,
            _ => {
                self.write_gate(at, value, ctx);
            }
        }
    }

    fn next_event(&self) -> Option<Nanos> {
        let sources = [self.hsi, self.hse, self.pll, self.pll_i2s, self.lsi, self.lse];
        sources.into_iter().filter_map(Source::event).min()
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        let mut done = 0u32;
        let Self { lsi, lse, hsi, hse, pll, pll_i2s, .. } = self;
        let sources = [lsi, lse, hsi, hse, pll, pll_i2s];
        for (bit, source) in sources.into_iter().enumerate() {
            done |= u32::from(source.advance(ctx.now)) << bit;
        }
        self.settle_plls(ctx.now);
        for bit in 0..6 {
            if done & 1 << bit != 0 {
                self.ready(bit);
            }
        }
        self.try_switch();
        self.interrupt(ctx);
        self.changed = true;
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        let (bdcr, lse, csr) = (self.bdcr, self.lse, self.csr & RESET_FLAGS);
        *self = Self::new(self.version, self.fitted);
        (self.bdcr, self.lse, self.csr) = (bdcr, lse, csr);
        ctx.irq(5, false);
    }
}
