//! The fourteen timers of the STM32F405/407: what tells one from another, as data.
//!
//! RM0090 has a chapter for each kind: 17 (TIM1, TIM8), 18 (TIM2 to TIM5), 19 (TIM9 to TIM14), 20 (TIM6,
//! TIM7). Clock enables are those of sections 7.3.13 and 7.3.14, interrupt lines those of table 61.

use crate::decode::{BusEnable, Enable};

/// What tells a timer from another.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) enable: Enable,
    /// The counter is 32 bits wide.
    pub(super) wide: bool,
    /// Capture/compare channels.
    pub(super) channels: usize,
    /// Interrupt line of the update event.
    pub(super) update_line: u16,
    /// Interrupt line of the channels; the same one on most.
    pub(super) channel_line: u16,
    /// Which of the two timers that share a line this is.
    pub(super) source: u8,
    /// Repetition counter, break and dead time: TIM1 and TIM8.
    pub(super) advanced: bool,
}

const fn timer(name: &'static str, bus: BusEnable, bit: u8, channels: usize, line: u16) -> Kind {
    Kind {
        name,
        enable: Enable { bus, bit },
        wide: false,
        channels,
        update_line: line,
        channel_line: line,
        source: 0,
        advanced: false,
    }
}

const fn advanced(name: &'static str, bit: u8, update_line: u16, channel_line: u16) -> Kind {
    let one = timer(name, BusEnable::Apb2, bit, 4, update_line);
    Kind { channel_line, advanced: true, ..one }
}

const fn wide(name: &'static str, bit: u8, line: u16) -> Kind {
    Kind { wide: true, ..timer(name, BusEnable::Apb1, bit, 4, line) }
}

/// A small timer, whose line a big one has too.
const fn sharing(name: &'static str, bus: BusEnable, bit: u8, channels: usize, line: u16) -> Kind {
    Kind { source: 1, ..timer(name, bus, bit, channels, line) }
}

/// How many there are.
pub(crate) const COUNT: usize = 14;

/// TIM1 to TIM14.
pub(crate) static KINDS: [Kind; COUNT] = {
    use BusEnable::{Apb1, Apb2};
    [
        advanced("TIM1", 0, 25, 27),
        wide("TIM2", 0, 28),
        timer("TIM3", Apb1, 1, 4, 29),
        timer("TIM4", Apb1, 2, 4, 30),
        wide("TIM5", 3, 50),
        timer("TIM6", Apb1, 4, 0, 54),
        timer("TIM7", Apb1, 5, 0, 55),
        advanced("TIM8", 1, 44, 46),
        sharing("TIM9", Apb2, 16, 2, 24),
        sharing("TIM10", Apb2, 17, 1, 25),
        sharing("TIM11", Apb2, 18, 1, 26),
        sharing("TIM12", Apb1, 6, 2, 43),
        sharing("TIM13", Apb1, 7, 1, 44),
        sharing("TIM14", Apb1, 8, 1, 45),
    ]
};

impl Kind {
    /// The counter's largest value.
    pub(super) const fn most(&self) -> u32 {
        if self.wide { u32::MAX } else { 0xFFFF }
    }

    /// Timers on APB2 have that bus's timer clock.
    pub(crate) fn on_apb2(&self) -> bool {
        self.enable.bus == BusEnable::Apb2
    }

    /// True when there is a register at an offset.
    pub(super) fn has(&self, offset: u32) -> bool {
        match offset {
            0x00 | 0x0C | 0x10 | 0x14 | 0x24 | 0x28 | 0x2C => true,
            0x04 => self.channels == 0 || self.channels == 4,
            0x08 => self.channels >= 2,
            0x18 | 0x20 => self.channels >= 1,
            0x1C | 0x48 | 0x4C => self.channels == 4,
            0x30 | 0x44 => self.advanced,
            0x34..=0x40 => (offset as usize - 0x34) / 4 < self.channels,
            0x50 => matches!(self.name, "TIM2" | "TIM5" | "TIM11"),
            _ => false,
        }
    }

    /// The bits of CR1 that there are: no direction and alignment but on TIM1 to TIM5 and TIM8.
    pub(super) fn cr1_known(&self) -> u32 {
        match self.channels {
            0 => 0x8F,
            4 => 0x3FF,
            _ => 0x38F,
        }
    }
}
