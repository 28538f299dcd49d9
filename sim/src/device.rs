//! What a peripheral model is and what it may touch.
//!
//! The board's bus decodes an access, checks that the peripheral's clock runs, and calls the model
//! with a [`Ctx`]: the time, the clocks and pins it sees, and what it can cause. A model's state is
//! plain data and `Clone`, so a snapshot of a board is a clone of its models. Models never reach
//! each other: what one does to another goes through [`Effects`] and is carried out by the bus.

use crate::time::Nanos;
use crate::violation::{Kind, Violation, Violations};

/// How wide an access is. The core splits unaligned and 64-bit accesses itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// 8 bits.
    Byte = 1,
    /// 16 bits.
    Half = 2,
    /// 32 bits.
    Word = 4,
}

impl Width {
    /// Bytes of an access.
    pub const fn bytes(self) -> u32 {
        self as u32
    }
    /// The bits an access carries.
    pub const fn mask(self) -> u32 {
        match self {
            Self::Byte => 0xFF,
            Self::Half => 0xFFFF,
            Self::Word => u32::MAX,
        }
    }
}

/// A peripheral model. `offset` is from the peripheral's base address and aligned to `width`.
pub trait Peripheral {
    /// A read at `ctx.now`; read side effects (FIFO pop, flag clear) happen here.
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32;
    /// A write at `ctx.now`. `value` has no bits above `width`.
    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx);
    /// Until when reads at this offset go on to show the same and change nothing, unless an event or an access
    /// comes before; `None` where a read has effects, or where the model does not say. Asked right after a read.
    fn steady_until(&self, offset: u32) -> Option<Nanos> {
        let _ = offset;
        None
    }
    /// The next instant at which something happens by itself, if nothing else happens before.
    fn next_event(&self) -> Option<Nanos> {
        None
    }
    /// Does everything that was due up to and including `ctx.now`.
    fn advance(&mut self, ctx: &mut Ctx) {
        let _ = ctx;
    }
    /// System reset, or the peripheral's bit in an RCC reset register. What lies outside the reset
    /// (a cable, a backup domain) stays.
    fn reset(&mut self, ctx: &mut Ctx);
}

/// The clock tree's present rates in hertz; zero means the clock does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// System clock.
    pub sysclk: u32,
    /// That is the PLL's output.
    pub from_pll: bool,
    /// Core, AHB, memory.
    pub hclk: u32,
    /// APB1.
    pub pclk1: u32,
    /// APB2.
    pub pclk2: u32,
    /// Timers on APB1.
    pub timers1: u32,
    /// Timers on APB2.
    pub timers2: u32,
    /// PLL output Q: USB OTG FS needs exactly 48 MHz.
    pub pll48: u32,
    /// The low-speed internal oscillator, which the independent watchdog runs on.
    pub lsi: u32,
    /// The 32.768 kHz crystal.
    pub lse: u32,
    /// The HSE divided by RTCPRE, for the RTC and for TIM11's channel 1.
    pub hse_rtc: u32,
    /// The RTC's, as RCC_BDCR chooses it.
    pub rtc: u32,
}

/// What a pin is set up to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Function {
    /// Digital input, also the state after reset.
    #[default]
    Input,
    /// General-purpose output.
    Output,
    /// Alternate function 0-15.
    Alternate(u8),
    /// Analogue.
    Analog,
}

/// A pin, by port (0 = A) and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin {
    /// 0 for port A to 8 for port I.
    pub port: u8,
    /// 0-15.
    pub number: u8,
}

impl Pin {
    /// A pin by its port letter and number, as in `Pin::new('D', 12)`.
    ///
    /// # Panics
    ///
    /// When there is no such port or number.
    pub const fn new(port: char, number: u8) -> Self {
        let port = port as u32;
        assert!(port >= 'A' as u32 && port <= 'I' as u32 && number < 16, "no such pin");
        Self { port: (port - 'A' as u32) as u8, number }
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "P{}{}", (b'A' + self.port) as char, self.number)
    }
}

/// Ports A to I.
pub const PORTS: usize = 9;

/// What other models see of the pins; the GPIO model keeps it up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// By port and pin number.
    pub function: [[Function; 16]; PORTS],
    /// Levels as an input reads them, one bit a pin.
    pub level: [u16; PORTS],
}

impl Pins {
    /// What `pin` is set up to be.
    pub fn function(&self, pin: Pin) -> Function {
        self.function[usize::from(pin.port)][usize::from(pin.number)]
    }
    /// The level at `pin`.
    pub fn level(&self, pin: Pin) -> bool {
        self.level[usize::from(pin.port)] & 1 << pin.number != 0
    }
}

/// Why the chip resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetCause {
    /// The supply came up.
    PowerOn,
    /// The supply fell below the brown-out level and came back.
    BrownOut,
    /// The NRST pin.
    Pin,
    /// SYSRESETREQ.
    Software,
    /// The independent watchdog ran out.
    IndependentWatchdog,
    /// The window watchdog. Not modelled; the flag is there for completeness of the causes.
    WindowWatchdog,
}

/// What a model causes outside itself. The bus carries it out after the access or the event.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Interrupt lines, which of their sources, and its new level, oldest first.
    pub(crate) lines: Vec<(u16, u8, bool)>,
    /// EXTI lines 16 and up with their new levels.
    pub(crate) exti: Vec<(u8, bool)>,
    /// Levels that peripherals drive onto pins as alternate functions.
    pub(crate) driven: Vec<(Pin, Option<bool>)>,
    /// A reset the model asks for.
    pub(crate) reset: Option<ResetCause>,
    /// Something changed that the outside can see.
    pub(crate) attention: bool,
    /// The core must go back to the board before its next instruction.
    pub(crate) stop: bool,
    /// The access ends in a bus fault.
    pub(crate) bus_error: bool,
    /// Broken rules.
    pub(crate) violations: Violations,
}

/// What a model gets with every call.
pub struct Ctx<'a> {
    /// The present.
    pub now: Nanos,
    /// The instruction making the access, if one does.
    pub pc: Option<u32>,
    /// The clock tree.
    pub clocks: &'a Clocks,
    /// The pins.
    pub pins: &'a Pins,
    /// What the call causes.
    pub(crate) effects: &'a mut Effects,
}

impl Ctx<'_> {
    /// Drives interrupt line `line` (position in RM0090 table 61/62). Lines are levels; the bus
    /// tells the core only of changes.
    pub fn irq(&mut self, line: u16, high: bool) {
        self.irq_shared(line, 0, high);
    }
    /// As [`Ctx::irq`], for a line that two peripherals share: it is high while any of its sources is.
    pub fn irq_shared(&mut self, line: u16, source: u8, high: bool) {
        self.effects.lines.push((line, source, high));
    }
    /// Drives EXTI line 16 or above (18: OTG FS wake-up, RM0090 section 12.2.5).
    pub fn exti(&mut self, line: u8, high: bool) {
        self.effects.exti.push((line, high));
    }
    /// The level a peripheral drives onto `pin` while that is set to the alternate function.
    pub fn drive(&mut self, pin: Pin, level: Option<bool>) {
        self.effects.driven.push((pin, level));
    }
    /// Says that the outside can see a change (a packet became ready, a pin moved), so that whoever
    /// waits in `Board::run_until` looks again.
    pub fn attention(&mut self) {
        self.effects.attention = true;
        self.effects.stop = true;
    }
    /// Asks for a chip reset.
    pub fn reset(&mut self, cause: ResetCause) {
        self.effects.reset = Some(cause);
        self.effects.stop = true;
    }
    /// Ends the access in a bus fault, as the silicon does.
    pub fn bus_error(&mut self) {
        self.effects.bus_error = true;
    }
    /// Records a broken rule with the manual's section.
    pub fn violation(&mut self, kind: Kind, section: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.effects.violations.push(Violation::new(self.now, self.pc, kind, section, what));
    }
    /// Something that the manual advises against, or that often goes wrong: records it.
    pub fn hint(&mut self, section: &'static str, what: impl Into<String>) {
        self.violation(Kind::Hint, section, what);
    }
    /// A write that sets reserved bits: records it. `allowed` are the bits that may be written.
    pub fn reserved(&mut self, value: u32, allowed: u32, section: &'static str, register: &str) {
        self.reserved_kept(value, 0, allowed, section, register);
    }
    /// As [`Ctx::reserved`], for a register whose reserved bits are not all zero: they must be
    /// written as `reset` has them.
    pub fn reserved_kept(
        &mut self,
        value: u32,
        reset: u32,
        allowed: u32,
        section: &'static str,
        register: &str,
    ) {
        let bits = (value ^ reset) & !allowed;
        if bits != 0 {
            self.violation(
                Kind::Reserved,
                section,
                format!("{register}: reserved bits {bits:#010x} changed"),
            );
        }
    }
    /// A write to a register that only reads: records it.
    pub fn read_only(&mut self, section: &'static str, register: &str) {
        self.violation(Kind::Access, section, format!("{register} is read-only"));
    }
    /// A feature that the model leaves out and will not pretend: records it.
    pub fn unmodelled(&mut self, section: &'static str, what: impl Into<String>) {
        self.violation(Kind::Unmodelled, section, what);
    }
    /// An access to an offset at which the peripheral has nothing: records it, reads as zero.
    pub fn nothing(&mut self, peripheral: &str, offset: u32, section: &'static str) -> u32 {
        self.violation(Kind::Reserved, section, format!("{peripheral}: no register at offset {offset:#x}"));
        0
    }
}

/// The part of `register` (at a word boundary) that a read at `offset` of `width` sees.
pub const fn lane(register: u32, offset: u32, width: Width) -> u32 {
    (register >> (8 * (offset & 3))) & width.mask()
}

/// `old` with the bytes that a write at `offset` of `width` reaches replaced by `value`.
pub const fn merged(old: u32, offset: u32, width: Width, value: u32) -> u32 {
    let shift = 8 * (offset & 3);
    old & !(width.mask() << shift) | (value & width.mask()) << shift
}
