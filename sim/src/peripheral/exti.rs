//! External interrupts (RM0090 section 12.2) and the system configuration (chapter 9).
//!
//! Covers: EXTI lines 0-15 from the pins that SYSCFG_EXTICR selects, lines 16-22 from models,
//! edge selection, software triggers, pending bits and their interrupt lines; SYSCFG_MEMRMP.
//!
//! Leaves out: event mode (EMR), the compensation cell and the Ethernet interface choice (stored).

use crate::device::{Ctx, PORTS, Peripheral, Pins, Width, lane, merged};
use crate::time::Nanos;
use crate::violation::Kind;

const LINES: u32 = 0x007F_FFFF;

/// The model of EXTI.
#[derive(Clone, Debug)]
pub struct Exti {
    imr: u32,
    emr: u32,
    rtsr: u32,
    ftsr: u32,
    pr: u32,
    levels: u32,
}

impl Exti {
    pub(crate) fn new() -> Self {
        Self { imr: 0, emr: 0, rtsr: 0, ftsr: 0, pr: 0, levels: 0 }
    }

    /// The pins' levels may have changed.
    pub(crate) fn pins(&mut self, syscfg: &Syscfg, pins: &Pins, ctx: &mut Ctx) {
        let mut levels = self.levels & !0xFFFF;
        for line in 0..16 {
            let port = syscfg.port(line);
            if port < PORTS {
                levels |= u32::from(pins.level[port]) & 1 << line;
            }
        }
        self.inputs(levels, ctx);
    }

    /// A model drives line 16 or above.
    pub(crate) fn drive(&mut self, line: u8, high: bool, ctx: &mut Ctx) {
        let bit = 1 << line;
        self.inputs(self.levels & !bit | if high { bit } else { 0 }, ctx);
    }

    fn inputs(&mut self, levels: u32, ctx: &mut Ctx) {
        let (rose, fell) = (levels & !self.levels, self.levels & !levels);
        self.levels = levels;
        let hit = rose & self.rtsr | fell & self.ftsr;
        if hit != 0 {
            self.pr |= hit & (self.imr | self.emr);
            self.interrupts(ctx);
        }
    }

    /// RM0090 table 61: positions of the EXTI interrupts.
    fn interrupts(&self, ctx: &mut Ctx) {
        let pending = self.pr & self.imr;
        for line in 0..5 {
            ctx.irq(6 + line, pending & 1 << line != 0);
        }
        ctx.irq(23, pending & 0x03E0 != 0);
        ctx.irq(40, pending & 0xFC00 != 0);
        for (line, irq) in [(16, 1), (17, 41), (18, 42), (19, 62), (20, 76), (21, 2), (22, 3)] {
            ctx.irq(irq, pending & 1 << line != 0);
        }
    }

    fn register(&self, offset: u32) -> Option<u32> {
        Some(match offset {
            0x00 => self.imr,
            0x04 => self.emr,
            0x08 => self.rtsr,
            0x0C => self.ftsr,
            0x10 => 0,
            0x14 => self.pr,
            _ => return None,
        })
    }
}

impl Peripheral for Exti {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        match self.register(offset & !3) {
            Some(value) => lane(value, offset, width),
            None => ctx.nothing("EXTI", offset, "RM0090 12.3.7"),
        }
    }

    fn steady_until(&self, _offset: u32) -> Option<Nanos> {
        Some(Nanos::NEVER)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 12.3";
        if width != Width::Word {
            ctx.violation(Kind::Width, SECTION, "EXTI registers take words only");
        }
        let at = offset & !3;
        let Some(old) = self.register(at) else {
            ctx.nothing("EXTI", offset, "RM0090 12.3.7");
            return;
        };
        // Writing ones clears: bytes that the write does not reach are zero.
        let value = merged(if at == 0x14 { 0 } else { old }, offset, width, value);
        ctx.reserved(value, LINES, SECTION, "EXTI");
        match at {
            0x00 => self.imr = value & LINES,
            0x04 => {
                if value & LINES != 0 {
                    ctx.unmodelled("RM0090 12.3.2", "EXTI event mode");
                }
                self.emr = value & LINES;
            }
            0x08 => self.rtsr = value & LINES,
            0x0C => self.ftsr = value & LINES,
            0x10 => self.pr |= value & self.imr & LINES,
            _ => self.pr &= !value,
        }
        self.interrupts(ctx);
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        *self = Self { levels: self.levels, ..Self::new() };
        self.interrupts(ctx);
    }
}

/// The model of SYSCFG.
#[derive(Clone, Debug)]
pub struct Syscfg {
    memory: u32,
    pmc: u32,
    exticr: [u32; 4],
    remapped: bool,
    changed: bool,
}

impl Syscfg {
    pub(crate) fn new() -> Self {
        Self { memory: 0, pmc: 0, exticr: [0; 4], remapped: false, changed: false }
    }

    /// The port that EXTI line 0-15 listens to.
    fn port(&self, line: usize) -> usize {
        (self.exticr[line / 4] >> (4 * (line % 4)) & 15) as usize
    }

    /// MEM_MODE.
    pub(crate) fn memory_mode(&self) -> u32 {
        self.memory & 3
    }

    /// The boot pins set MEM_MODE at reset.
    pub(crate) fn set_memory_mode(&mut self, mode: u32) {
        self.memory = mode;
    }

    /// True from a change of MEM_MODE until the board has carried it out.
    pub(crate) fn remapped(&self) -> bool {
        self.remapped
    }

    pub(crate) fn remap_done(&mut self) {
        self.remapped = false;
    }

    /// True once after EXTICR changed.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl Peripheral for Syscfg {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = match offset & !3 {
            0x00 => self.memory,
            0x04 => self.pmc,
            at @ 0x08..=0x14 => self.exticr[(at as usize - 8) / 4],
            0x20 => 0,
            _ => return ctx.nothing("SYSCFG", offset, "RM0090 9.2.9"),
        };
        lane(value, offset, width)
    }

    fn steady_until(&self, _offset: u32) -> Option<Nanos> {
        Some(Nanos::NEVER)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        match offset & !3 {
            0x00 => {
                let value = merged(self.memory, offset, width, value);
                ctx.reserved(value, 3, "RM0090 9.2.1", "SYSCFG_MEMRMP");
                self.remapped = value & 3 != self.memory;
                self.memory = value & 3;
                if self.memory == 2 {
                    ctx.unmodelled("RM0090 9.2.1", "FSMC at address 0");
                }
            }
            0x04 => self.pmc = merged(self.pmc, offset, width, value) & 1 << 23,
            at @ 0x08..=0x14 => {
                let register = &mut self.exticr[(at as usize - 8) / 4];
                let value = merged(*register, offset, width, value);
                ctx.reserved(value, 0xFFFF, "RM0090 9.2.3", "SYSCFG_EXTICR");
                *register = value & 0xFFFF;
                self.changed = true;
            }
            0x20 => ctx.unmodelled("RM0090 9.2.7", "the I/O compensation cell"),
            _ => {
                ctx.nothing("SYSCFG", offset, "RM0090 9.2.9");
            }
        }
    }

    fn reset(&mut self, _ctx: &mut Ctx) {
        *self = Self { memory: self.memory, ..Self::new() };
    }
}
