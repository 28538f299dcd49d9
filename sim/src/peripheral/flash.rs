//! The flash interface of F4 chips with one bank (RM0090 chapter 3, the F405/407 variants; RM0383 and RM0390
//! chapter 3).
//!
//! Covers: unlock sequences with the bus error and lock-up that follow a wrong key (3.6.1, 3.7.2),
//! PG/SER/MER/SNB/STRT/PSIZE (3.6.2-3.6.4), every error flag (3.9.5), EOP and OPERR with their
//! enables, BSY for the data sheet's typical times (DS8626 section 5.3.12), write protection
//! (3.7.4), the OTP area (3.8), option bytes (3.7.1) with read-out protection levels (3.7.3) and
//! what a change that was cut short leaves, parts of the array that fail ([`crate::fault::Defect`]),
//! wait states against HCLK (table 10), the rules of the cache resets (3.9.1). Programming over
//! bits that are not erased is done as the array does it, and is a violation.
//!
//! Leaves out: proprietary code read-out protection (SPRMOD of the F411 and F446, which is told), the caches and the prefetch themselves, 64-bit parallelism (it needs an external
//! voltage that a board in use does not have), what a debugger may read under protection. Code in
//! RAM that reads flash during an operation sees the old contents at once instead of stalling.
//! Typical times only; option byte writes are taken to last as long as a 16 KB erase, for which
//! the data sheet has no figure.

mod keys;
mod operation;
mod options;

use crate::chip::ChipModel;
use crate::device::{Ctx, Width, lane, merged};
use crate::fault::Defect;
use crate::memory::{Memory, little};
use crate::time::Nanos;
use crate::violation::Kind;
use keys::{KEYS, Lock, OPTION_KEYS, key};
use operation::{MASS_ERASE_MS, OPTION_TIME, Operation};
pub use operation::{PROGRAM_TIME, Started, erase_time};
pub(crate) use operation::{Pending, Target};
pub(crate) use options::OptionCells;

const PG: u32 = 1 << 0;
const SER: u32 = 1 << 1;
const MER: u32 = 1 << 2;
const STRT: u32 = 1 << 16;
const EOPIE: u32 = 1 << 24;
const ERRIE: u32 = 1 << 25;
const LOCK: u32 = 1 << 31;
const CR_KNOWN: u32 = LOCK | ERRIE | EOPIE | STRT | 0x37F;

const EOP: u32 = 1 << 0;
const OPERR: u32 = 1 << 1;
const WRPERR: u32 = 1 << 4;
const PGAERR: u32 = 1 << 5;
const PGPERR: u32 = 1 << 6;
const PGSERR: u32 = 1 << 7;
const BSY: u32 = 1 << 16;
const SR_CLEARABLE: u32 = EOP | OPERR | WRPERR | PGAERR | PGPERR | PGSERR;

const OPTLOCK: u32 = 1 << 0;
const OPTSTRT: u32 = 1 << 1;
const OPTIONS: u32 = 0x0FFF_FFEC;
/// Option bytes as they leave the factory (RM0090 section 3.9.9).
const OPTIONS_FACTORY: u32 = 0x0FFF_AAEC;

const ICEN: u32 = 1 << 9;
const DCEN: u32 = 1 << 10;
const ICRST: u32 = 1 << 11;
const DCRST: u32 = 1 << 12;
const ACR_KNOWN: u32 = 0x1F00;
/// nWRP and what else fills the upper half of OPTCR but SPRMOD.
const OPTIONS_HIGH: u32 = 0x0FFF_0000;
const SPRMOD: u32 = 1 << 31;

/// A version of the block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Where its registers are described.
    manual: &'static str,
    /// FLASH_ACR's field LATENCY.
    latency: u32,
    /// Flags in FLASH_SR beside those that all have.
    more_flags: u32,
    /// OPTCR's field nWRP, a bit for each sector.
    nwrp: u32,
    /// OPTCR has SPRMOD.
    sprmod: bool,
}

/// STM32F405/407 (RM0090 section 3.9): twelve sectors.
pub(crate) static F405: Version =
    Version { manual: "RM0090 3.9", latency: 7, more_flags: 0, nwrp: 0x0FFF_0000, sprmod: false };

/// STM32F411 (RM0383 section 3.8): eight sectors, RDERR in FLASH_SR.
///
/// Doubtful: that the reserved bits 24-27 of OPTCR read as ones.
pub(crate) static F411: Version =
    Version { manual: "RM0383 3.8", latency: 15, more_flags: 1 << 8, nwrp: 0x00FF_0000, sprmod: true };

/// STM32F446 (RM0390 section 3.8): as the F411's, with the same doubt.
pub(crate) static F446: Version =
    Version { manual: "RM0390 3.8", latency: 15, more_flags: 1 << 8, nwrp: 0x00FF_0000, sprmod: true };

/// The model.
#[derive(Clone, Debug)]
pub struct FlashInterface {
    version: &'static Version,
    acr: u32,
    sr: u32,
    cr: u32,
    lock: Lock,
    option_lock: Lock,
    /// OPTCR's option bits as written; they count once programmed.
    option_register: u32,
    /// The option bytes that count, as the last reset or operation loaded them.
    options: u32,
    /// Their cells. Survive everything.
    cells: OptionCells,
    /// What is wrong with this specimen.
    defects: Vec<Defect>,
    pending: Option<(Operation, Nanos)>,
    started: Option<Nanos>,
    latency_told: u32,
}

impl FlashInterface {
    pub(crate) fn new(version: &'static Version) -> Self {
        Self {
            version,
            acr: 0,
            sr: 0,
            cr: 0,
            lock: Lock::Locked(0),
            option_lock: Lock::Locked(0),
            option_register: OPTIONS_FACTORY,
            options: OPTIONS_FACTORY,
            cells: OptionCells::new(OPTIONS_FACTORY),
            defects: Vec::new(),
            pending: None,
            started: None,
            latency_told: 0,
        }
    }

    /// The option bytes in the layout of FLASH_OPTCR.
    pub fn options(&self) -> u32 {
        self.options
    }

    pub(crate) fn set_options(&mut self, options: u32) {
        self.cells = OptionCells::new(options);
        self.options = self.cells.stored();
        self.option_register = self.options;
    }

    /// The option bytes at 0x1FFFC000 (RM0090 table 15): RDP and USER in the first word, nWRP in
    /// the third; 16 bits each with the complement behind.
    pub(crate) fn option_word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.cells.word(0),
            8 => self.cells.word(1),
            _ => 0xFFFF_FFFF,
        }
    }

    /// A reset loads the option bytes (RM0090 section 3.9.9).
    pub(crate) fn load_options(&mut self, seed: u64) {
        self.options = self.cells.load(seed);
        self.option_register = self.options;
    }

    /// Something of this specimen fails from now on.
    pub(crate) fn add_defect(&mut self, defect: Defect) {
        self.defects.push(defect);
    }

    /// What fails and has not yet failed as often as it is to.
    pub(crate) fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// The option bytes' cells.
    pub(crate) fn option_cells(&self) -> OptionCells {
        self.cells
    }

    /// Another specimen's cells and defects.
    pub(crate) fn set_cells(&mut self, cells: OptionCells, defects: Vec<Defect>) {
        (self.cells, self.defects) = (cells, defects);
        self.options = cells.stored();
        self.option_register = self.options;
    }

    /// The specimen is whole again.
    pub(crate) fn clear_defects(&mut self) {
        self.defects.clear();
    }

    /// WDG_SW clear: the watchdog starts by itself.
    pub(crate) fn hardware_watchdog(&self) -> bool {
        self.options & 1 << 5 == 0
    }

    /// True while BSY is set.
    pub fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// When BSY clears.
    pub(crate) fn busy_until(&self) -> Option<Nanos> {
        self.pending.map(|p| p.1)
    }

    /// The end of an operation that has just started.
    pub(crate) fn take_started(&mut self) -> Option<Nanos> {
        self.started.take()
    }

    /// The operation under way.
    pub(crate) fn pending(&self) -> Option<Pending> {
        self.pending.map(|(operation, _)| Pending(operation))
    }

    /// The supply failed before the operation did anything.
    pub(crate) fn forget_operation(&mut self) {
        self.pending = None;
    }

    /// Too few wait states for HCLK (RM0090 table 10), told once per frequency and latency.
    pub(crate) fn check_latency(&mut self, chip: &ChipModel, ctx: &mut Ctx) {
        let (latency, hclk) = (self.acr & self.version.latency, ctx.clocks.hclk);
        let needed = hclk.div_ceil(chip.wait_state_hz).saturating_sub(1);
        if latency >= needed {
            self.latency_told = 0;
        } else if self.latency_told != hclk {
            self.latency_told = hclk;
            let what = format!("HCLK {hclk} Hz needs {needed} wait states, there are {latency}");
            ctx.violation(Kind::Range, "RM0090 table 10, RM0383 table 5, RM0390 table 5", what);
        }
    }

    /// A store to the flash array or the OTP area.
    pub(crate) fn store(
        &mut self,
        target: Target,
        width: Width,
        value: u32,
        ctx: &mut Ctx,
        chip: &ChipModel,
        memory: &Memory,
    ) {
        const SECTION: &str = "RM0090 3.6.4";
        if self.is_busy() {
            return ctx.violation(Kind::Busy, SECTION, "store to flash while BSY is set");
        }
        if self.cr & (PG | SER | MER) != PG {
            let what = "store to flash without PG alone set (PGSERR)";
            return self.fail(PGSERR, Kind::Sequence, SECTION, what, ctx);
        }
        match (self.cr >> 8 & 3, width) {
            (0, Width::Byte) | (1, Width::Half) | (2, Width::Word) => {}
            (3, _) => {
                let what = "64-bit parallelism needs an external voltage (PGPERR)";
                return self.fail(PGPERR, Kind::Range, "RM0090 3.6.2", what, ctx);
            }
            _ => {
                let what = "store of another width than PSIZE (PGPERR)";
                return self.fail(PGPERR, Kind::Width, SECTION, what, ctx);
            }
        }
        let protected = match target {
            Target::Main(offset) => self.write_protected(chip.sector_at(offset).unwrap_or(0)),
            // Section 3.8: each of the 16 blocks of 32 bytes has a lock byte behind them.
            Target::Otp(offset) => offset < 512 && memory.otp()[512 + offset as usize / 32] == 0,
        };
        if protected {
            let what = "store to a write-protected place (WRPERR)";
            return self.fail(WRPERR, Kind::Protected, "RM0090 3.7.4", what, ctx);
        }
        let old = match target {
            Target::Main(offset) => memory.flash.read(offset as usize, width.bytes() as usize),
            Target::Otp(offset) => little(&memory.otp()[offset as usize..][..width.bytes() as usize]),
        };
        let unstable = match target {
            Target::Main(offset) => memory.flash.unstable(offset as usize, width.bytes() as usize),
            Target::Otp(_) => 0,
        };
        // What is unstable may have read as erased.
        if value & !(old | unstable) != 0 {
            let what = format!("{value:#x} programmed over {old:#x}, which cannot set bits");
            ctx.violation(Kind::Unerased, SECTION, what);
        }
        self.start(Operation::Program { target, width, value }, PROGRAM_TIME, ctx);
    }

    fn write_protected(&self, sector: u8) -> bool {
        self.options >> 16 & 1 << sector == 0
    }

    fn fail(&mut self, flag: u32, kind: Kind, section: &'static str, what: &str, ctx: &mut Ctx) {
        ctx.violation(kind, section, what);
        self.sr |= flag;
        if self.cr & ERRIE != 0 {
            self.sr |= OPERR;
        }
        self.interrupt(ctx);
    }

    fn start(&mut self, operation: Operation, lasts: Nanos, ctx: &mut Ctx) {
        // Section 3.6: HCLK of at least 1 MHz.
        if ctx.clocks.hclk < 1_000_000 {
            ctx.violation(Kind::Range, "RM0090 3.6", "flash operation with HCLK below 1 MHz");
        }
        let ends = ctx.now + lasts;
        self.pending = Some((operation, ends));
        self.started = Some(ends);
    }

    fn interrupt(&self, ctx: &mut Ctx) {
        ctx.irq(
            4,
            self.sr & EOP != 0 && self.cr & EOPIE != 0 || self.sr & OPERR != 0 && self.cr & ERRIE != 0,
        );
    }

    fn write_key(&mut self, value: u32, ctx: &mut Ctx) {
        self.lock = key(self.lock, value, KEYS, "FLASH_KEYR", "RM0090 3.6.1", ctx);
    }

    fn write_option_key(&mut self, value: u32, ctx: &mut Ctx) {
        let register = "FLASH_OPTKEYR";
        self.option_lock = key(self.option_lock, value, OPTION_KEYS, register, "RM0090 3.7.2", ctx);
    }

    fn write_acr(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 3.9.1";
        let known = ACR_KNOWN | self.version.latency;
        ctx.reserved(value, known, SECTION, "FLASH_ACR");
        for (reset, enable, name) in [(ICRST, ICEN, "ICRST"), (DCRST, DCEN, "DCRST")] {
            if value & reset != 0 && self.acr & enable != 0 {
                ctx.violation(Kind::Sequence, SECTION, format!("{name} set while the cache is on"));
            }
        }
        self.acr = value & known & !ICRST;
        // Hertz per wait state are the chip's; the bus checks with them.
        self.latency_told = 0;
    }

    fn write_cr(&mut self, value: u32, ctx: &mut Ctx, chip: &ChipModel) {
        const SECTION: &str = "RM0090 3.9.7";
        if self.is_busy() {
            return ctx.violation(Kind::Busy, SECTION, "FLASH_CR written while BSY is set");
        }
        if self.lock != Lock::Open {
            if value & !LOCK != self.cr {
                ctx.violation(Kind::Locked, "RM0090 3.6.1", "FLASH_CR written while locked");
            }
            return;
        }
        ctx.reserved(value, CR_KNOWN, SECTION, "FLASH_CR");
        self.cr = value & CR_KNOWN & !LOCK & !STRT;
        if value & LOCK != 0 {
            self.lock = Lock::Locked(0);
        }
        if value & STRT != 0 {
            self.start_erase(chip, ctx);
        }
        self.interrupt(ctx);
    }

    fn start_erase(&mut self, chip: &ChipModel, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 3.6.3";
        let psize = (self.cr >> 8 & 3) as usize;
        if psize == 3 {
            let what = "64-bit parallelism needs an external voltage";
            return ctx.violation(Kind::Range, "RM0090 3.6.2", what);
        }
        match self.cr & (PG | SER | MER) {
            SER => {
                let number = self.cr >> 3 & 15;
                let Some((offset, length)) = chip.sector(number as u8) else {
                    let what = format!("SNB {number} is no sector of this chip (WRPERR)");
                    return self.fail(WRPERR, Kind::Range, "RM0090 3.9.7", &what, ctx);
                };
                if self.write_protected(number as u8) {
                    let what = "erase of a write-protected sector (WRPERR)";
                    return self.fail(WRPERR, Kind::Protected, "RM0090 3.7.4", what, ctx);
                }
                self.cr |= STRT;
                self.start(Operation::Erase { offset, length }, erase_time(length, psize), ctx);
            }
            MER => {
                if (0..chip.sector_count()).any(|n| self.write_protected(n)) {
                    let what = "mass erase with a write-protected sector (WRPERR)";
                    return self.fail(WRPERR, Kind::Protected, "RM0090 3.7.4", what, ctx);
                }
                self.cr |= STRT;
                let erase = Operation::Erase { offset: 0, length: chip.flash_length() };
                self.start(erase, Nanos::millis(MASS_ERASE_MS[psize]), ctx);
            }
            _ => {
                let what = "STRT without exactly one of SER and MER, or with PG (PGSERR)";
                self.fail(PGSERR, Kind::Sequence, SECTION, what, ctx);
            }
        }
    }

    fn write_options(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 3.9.9";
        if self.is_busy() {
            return ctx.violation(Kind::Busy, SECTION, "FLASH_OPTCR written while BSY is set");
        }
        if self.option_lock != Lock::Open {
            if value & OPTIONS != self.option_register || value & OPTSTRT != 0 {
                ctx.violation(Kind::Locked, "RM0090 3.7.2", "FLASH_OPTCR written while locked");
            }
            return;
        }
        let Version { manual, nwrp, sprmod, .. } = *self.version;
        let known = OPTIONS & !OPTIONS_HIGH | nwrp | OPTSTRT | OPTLOCK | if sprmod { SPRMOD } else { 0 };
        ctx.reserved_kept(value, OPTIONS_HIGH & !nwrp, known, manual, "FLASH_OPTCR");
        if sprmod && value & SPRMOD != 0 {
            ctx.unmodelled(manual, "proprietary code read-out protection (SPRMOD)");
        }
        self.option_register = value & OPTIONS;
        if value & OPTLOCK != 0 {
            self.option_lock = Lock::Locked(0);
        }
        if value & OPTSTRT == 0 {
            return;
        }
        let (old, new) = (self.options >> 8 & 0xFF, value >> 8 & 0xFF);
        if old == 0xCC {
            let what = "option bytes cannot change at read protection level 2";
            return ctx.violation(Kind::Protected, "RM0090 3.7.3", what);
        }
        // Section 3.7.3: from level 1 to level 0 the main memory is erased first.
        let mass_erase = old != 0xAA && new == 0xAA;
        let more = if mass_erase { MASS_ERASE_MS[2] } else { 0 };
        let options = Operation::Options { value: value & OPTIONS, mass_erase };
        self.start(options, OPTION_TIME + Nanos::millis(more), ctx);
    }

    pub(crate) fn write_register(
        &mut self,
        offset: u32,
        width: Width,
        value: u32,
        ctx: &mut Ctx,
        chip: &ChipModel,
    ) {
        match offset & !3 {
            0x00 => {
                self.write_acr(merged(self.acr, offset, width, value), ctx);
                self.check_latency(chip, ctx);
            }
            0x04 | 0x08 if width != Width::Word => {
                ctx.violation(Kind::Width, "RM0090 3.9.3", "key registers take words only");
            }
            0x04 => self.write_key(value, ctx),
            0x08 => self.write_option_key(value, ctx),
            0x0C => {
                let value = merged(0, offset, width, value);
                let Version { manual, more_flags, .. } = *self.version;
                ctx.reserved(value, SR_CLEARABLE | more_flags | BSY, manual, "FLASH_SR");
                self.sr &= !(value & SR_CLEARABLE);
                self.interrupt(ctx);
            }
            0x10 => self.write_cr(merged(self.control(), offset, width, value), ctx, chip),
            0x14 => self.write_options(merged(self.option_control(), offset, width, value), ctx),
            _ => {
                ctx.nothing("FLASH", offset, "RM0090 3.9.12");
            }
        }
    }

    fn control(&self) -> u32 {
        self.cr | if self.lock == Lock::Open { 0 } else { LOCK }
    }

    fn option_control(&self) -> u32 {
        let busy = matches!(self.pending, Some((Operation::Options { .. }, _)));
        let lock = if self.option_lock == Lock::Open { 0 } else { OPTLOCK };
        self.option_register | lock | if busy { OPTSTRT } else { 0 }
    }

    pub(crate) fn read_register(&self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = match offset & !3 {
            0x00 => self.acr,
            0x04 | 0x08 => 0,
            0x0C => self.sr | if self.is_busy() { BSY } else { 0 },
            0x10 => self.control(),
            0x14 => self.option_control(),
            _ => return ctx.nothing("FLASH", offset, "RM0090 3.9.12"),
        };
        lane(value, offset, width)
    }

    /// System reset: registers go back, option bytes are loaded, an operation under way is torn
    /// by the board before this.
    pub(crate) fn reset(&mut self, ctx: &mut Ctx) {
        let (options, cells) = (self.options, self.cells);
        let defects = std::mem::take(&mut self.defects);
        *self = Self { options, option_register: options, cells, defects, ..Self::new(self.version) };
        ctx.irq(4, false);
    }
}
