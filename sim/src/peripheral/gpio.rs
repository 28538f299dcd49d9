//! GPIO ports A to I (RM0090 chapter 8).
//!
//! Covers: modes, output type, pulls, alternate functions, ODR, BSRR, the lock sequence, IDR from
//! what drives the pin (the port itself, a peripheral, the outside, a pull); a trace of output
//! edges with their times.
//!
//! Leaves out: output speed (stored), the analogue side, drive strength. An output that the outside
//! drives against is a violation, the outside wins. A floating input reads as low.

use crate::device::{Ctx, Effects, Function, PORTS, Peripheral, Pin, Pins, Width, lane, merged};
use crate::time::Nanos;
use crate::violation::{Kind, Violation};

/// An edge on a pin that the chip drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: Nanos,
    /// Which pin.
    pub pin: Pin,
    /// The level from then on.
    pub high: bool,
}

/// Edges kept; a pin toggled in a tight loop must not eat the memory.
const MOST_EDGES: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
struct Port {
    moder: u32,
    otyper: u32,
    ospeedr: u32,
    pupdr: u32,
    odr: u32,
    afr: [u32; 2],
    locked: u32,
    /// Writes of the lock sequence done right so far, and the pins it names.
    lock_step: u8,
    lock_pins: u32,
}

impl Port {
    /// Reset values (RM0090 sections 8.4.1 to 8.4.4): port A and B have the debug pins.
    const fn new(port: usize) -> Self {
        let (moder, ospeedr, pupdr) = match port {
            0 => (0xA800_0000, 0x0C00_0000, 0x6400_0000),
            1 => (0x0000_0280, 0x0000_00C0, 0x0000_0100),
            _ => (0, 0, 0),
        };
        Self { moder, otyper: 0, ospeedr, pupdr, odr: 0, afr: [0; 2], locked: 0, lock_step: 0, lock_pins: 0 }
    }

    fn function(&self, pin: usize) -> Function {
        match self.moder >> (2 * pin) & 3 {
            0 => Function::Input,
            1 => Function::Output,
            2 => Function::Alternate((self.afr[pin / 8] >> (4 * (pin % 8)) & 15) as u8),
            _ => Function::Analog,
        }
    }

    /// The two-bit fields of locked pins keep their value.
    fn keep_locked(&self, old: u32, new: u32) -> u32 {
        let mut kept = 0;
        for pin in 0..16 {
            kept |= if self.locked & 1 << pin != 0 { 3 << (2 * pin) } else { 0 };
        }
        old & kept | new & !kept
    }
}

/// All ports.
#[derive(Clone, Debug)]
pub struct Gpio {
    ports: [Port; PORTS],
    /// What the outside drives.
    outside: [[Option<bool>; 16]; PORTS],
    /// What peripherals drive.
    driven: [[Option<bool>; 16]; PORTS],
    edges: Vec<Edge>,
    /// Levels of driven outputs at the last look, to find edges.
    last_driven: [[Option<bool>; 16]; PORTS],
    changed: bool,
}

impl Gpio {
    pub(crate) fn new() -> Self {
        Self {
            ports: std::array::from_fn(Port::new),
            outside: [[None; 16]; PORTS],
            driven: [[None; 16]; PORTS],
            edges: Vec::new(),
            last_driven: [[None; 16]; PORTS],
            changed: true,
        }
    }

    /// What the outside drives onto a pin, or lets go of it.
    pub(crate) fn drive(&mut self, pin: Pin, level: Option<bool>) {
        self.outside[usize::from(pin.port)][usize::from(pin.number)] = level;
        self.changed = true;
    }

    /// What a peripheral drives as an alternate function.
    pub(crate) fn drive_function(&mut self, pin: Pin, level: Option<bool>) {
        self.driven[usize::from(pin.port)][usize::from(pin.number)] = level;
        self.changed = true;
    }

    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The level the chip itself drives onto a pin; `None` when it does not drive it.
    pub(crate) fn output(&self, pin: Pin) -> Option<bool> {
        let (port, number) = (usize::from(pin.port), usize::from(pin.number));
        let p = &self.ports[port];
        let open_drain = p.otyper & 1 << number != 0;
        let level = match p.function(number) {
            Function::Output => Some(p.odr & 1 << number != 0),
            Function::Alternate(_) => self.driven[port][number],
            Function::Input | Function::Analog => None,
        };
        level.filter(|&high| !(open_drain && high))
    }

    /// Edges since the board was made, oldest first.
    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Fresh ports with the same surroundings.
    pub(crate) fn anew(&self) -> Self {
        Self { outside: self.outside, ..Self::new() }
    }

    /// The supply is gone: nothing drives. Edges stay.
    pub(crate) fn power_lost(&mut self, now: Nanos) {
        for (port, last) in self.last_driven.iter_mut().enumerate() {
            for (number, last) in last.iter_mut().enumerate() {
                if last.take() == Some(true) && self.edges.len() < MOST_EDGES {
                    let pin = Pin { port: port as u8, number: number as u8 };
                    self.edges.push(Edge { at: now, pin, high: false });
                }
            }
        }
    }

    /// Works the pins out anew.
    pub(crate) fn settle(&mut self, pins: &mut Pins, now: Nanos, effects: &mut Effects) {
        for port in 0..PORTS {
            let mut levels = 0;
            for number in 0..16 {
                let pin = Pin { port: port as u8, number: number as u8 };
                let function = self.ports[port].function(number);
                pins.function[port][number] = function;
                let output = self.output(pin);
                self.note_edge(pin, output, now, effects);
                let outside = self.outside[port][number];
                if let (Some(ours), Some(theirs)) = (output, outside)
                    && ours != theirs
                {
                    let what = format!("{pin} driven against the outside");
                    let (kind, section) = (Kind::Range, "RM0090 8.3.10");
                    effects.violations.push(Violation::new(now, None, kind, section, what));
                }
                let pulled = self.ports[port].pupdr >> (2 * number) & 3 == 1;
                let level = outside.or(output).unwrap_or(pulled) && function != Function::Analog;
                levels |= u16::from(level) << number;
            }
            pins.level[port] = levels;
        }
    }

    fn note_edge(&mut self, pin: Pin, output: Option<bool>, now: Nanos, effects: &mut Effects) {
        let last = &mut self.last_driven[usize::from(pin.port)][usize::from(pin.number)];
        if *last == output {
            return;
        }
        // A pin that starts to be driven low has no edge: it was not high before.
        let before = last.unwrap_or(false);
        *last = output;
        let high = output.unwrap_or(false);
        if before != high {
            if self.edges.len() < MOST_EDGES {
                self.edges.push(Edge { at: now, pin, high });
            }
            effects.attention = true;
            effects.stop = true;
        }
    }

    fn write_lock(&mut self, port: usize, value: u32) {
        // Section 8.4.8: 1, 0, 1 in bit 16 with the same pins, then a read.
        let p = &mut self.ports[port];
        let (key, pins) = (value >> 16 & 1, value & 0xFFFF);
        let right = match p.lock_step {
            0 => key == 1,
            1 => key == 0 && pins == p.lock_pins,
            2 => key == 1 && pins == p.lock_pins,
            _ => false,
        };
        if p.locked != 0 {
            return;
        }
        p.lock_pins = pins;
        p.lock_step = if right { p.lock_step + 1 } else { 0 };
        if p.lock_step == 3 {
            p.locked = pins;
        }
    }

    fn write_port(&mut self, port: usize, register: u32, value: u32, ctx: &mut Ctx) {
        if matches!(register, 0x04 | 0x14) {
            ctx.reserved(value, 0xFFFF, "RM0090 8.4", "GPIO_OTYPER/ODR");
        }
        let p = &mut self.ports[port];
        let half = |old: u32, locked: u32| old & locked | value & !locked & 0xFFFF;
        match register {
            0x00 => p.moder = p.keep_locked(p.moder, value),
            0x04 => p.otyper = half(p.otyper, p.locked),
            0x08 => p.ospeedr = p.keep_locked(p.ospeedr, value),
            0x0C => {
                if value & value >> 1 & 0x5555_5555 != 0 {
                    ctx.violation(Kind::Reserved, "RM0090 8.4.4", "GPIO_PUPDR: 11 is reserved");
                }
                p.pupdr = p.keep_locked(p.pupdr, value);
            }
            0x10 => ctx.read_only("RM0090 8.4.5", "GPIO_IDR"),
            0x14 => p.odr = value & 0xFFFF,
            // Section 8.4.7: setting wins over resetting.
            0x18 => p.odr = p.odr & !(value >> 16) | value & 0xFFFF,
            0x1C => self.write_lock(port, value),
            0x20 | 0x24 => p.afr[(register as usize - 0x20) / 4] = value,
            _ => {
                ctx.nothing("GPIO", register, "RM0090 8.4.11");
            }
        }
        self.changed = true;
    }
}

impl Peripheral for Gpio {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let port = (offset >> 10) as usize;
        let p = &mut self.ports[port];
        let value = match offset & 0x3FC {
            0x00 => p.moder,
            0x04 => p.otyper,
            0x08 => p.ospeedr,
            0x0C => p.pupdr,
            0x10 => u32::from(ctx.pins.level[port]),
            0x14 => p.odr,
            0x18 => 0,
            0x1C => p.locked | if p.locked != 0 { 1 << 16 } else { 0 },
            0x20 => p.afr[0],
            0x24 => p.afr[1],
            register => return ctx.nothing("GPIO", register, "RM0090 8.4.11"),
        };
        lane(value, offset, width)
    }

    fn steady_until(&self, _offset: u32) -> Option<Nanos> {
        Some(Nanos::NEVER)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        let (port, register) = ((offset >> 10) as usize, offset & 0x3FC);
        let p = &self.ports[port];
        let old = match register {
            0x00 => p.moder,
            0x04 => p.otyper,
            0x08 => p.ospeedr,
            0x0C => p.pupdr,
            0x14 => p.odr,
            0x20 => p.afr[0],
            0x24 => p.afr[1],
            _ => 0,
        };
        self.write_port(port, register, merged(old, offset, width, value), ctx);
    }

    /// The whole GPIO: a system reset. One port's reset bit is `reset_port`.
    fn reset(&mut self, _ctx: &mut Ctx) {
        self.ports = std::array::from_fn(Port::new);
        self.driven = [[None; 16]; PORTS];
        self.changed = true;
    }
}

impl Gpio {
    /// A port's bit in RCC_AHB1RSTR.
    pub(crate) fn reset_port(&mut self, port: usize) {
        self.ports[port] = Port::new(port);
        self.changed = true;
    }
}
