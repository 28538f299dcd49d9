//! USART1 to USART3, UART4, UART5 and USART6 in asynchronous mode (RM0090 chapter 30).
//!
//! Covers: transmit and receive with bit timing from the bus clock and BRR, 8 data bits, 8 and parity, 7 and
//! parity, stop bits, TXE/TC/RXNE/IDLE/ORE/FE/NF/PE with the sequences that clear
//! them, interrupts, pins (a byte reaches the line only through a pin set to its alternate function).
//!
//! Leaves out: 9 data bits, DMA, LIN, IrDA, smart card, synchronous mode, half duplex, flow control, multi-
//! processor mute mode, break; setting their bits is recorded. A frame whose baud rate is more than
//! 3.75 % off (table 141) arrives as noise with FE.

use std::collections::VecDeque;

use crate::decode::{BusEnable, Enable};
use crate::device::{Clocks, Ctx, Function, Peripheral, Pin, Width, lane, merged};
use crate::time::Nanos;
use crate::violation::Kind;

/// Parity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// No parity bit.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// How a line is driven, with one stop bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Bits a second.
    pub baud: u32,
    /// Data bits before the parity: 8, or 7.
    pub data_bits: u8,
    /// Parity bit behind the data.
    pub parity: Parity,
}

impl Line {
    /// Nanoseconds of one frame.
    fn frame(self) -> Nanos {
        Nanos::cycles(2 + u64::from(self.bits()), u64::from(self.baud))
    }

    /// Bits between start and stop.
    fn bits(self) -> u8 {
        self.data_bits + u8::from(self.parity != Parity::None)
    }

    /// The parity bit behind these data bits.
    fn parity_of(self, data: u32) -> u32 {
        let ones = (data & ((1 << self.data_bits) - 1)).count_ones() % 2;
        match self.parity {
            Parity::None => 0,
            Parity::Even => ones,
            Parity::Odd => ones ^ 1,
        }
    }

    /// A byte as it is on the wire, the first bit lowest: data, parity, then the line at rest.
    fn wire(self, byte: u8) -> u32 {
        let data = u32::from(byte) & ((1 << self.data_bits) - 1);
        data | self.parity_of(data) << self.data_bits | u32::MAX << self.bits()
    }

    /// True when a receiver set to `self` understands a sender set to `other`.
    fn hears(self, other: Self) -> bool {
        let off = u64::from(self.baud.abs_diff(other.baud)) * 10_000;
        (self.parity, self.data_bits) == (other.parity, other.data_bits) && off <= u64::from(self.baud) * 375
    }
}

/// A byte that left the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// End of its stop bit.
    pub at: Nanos,
    /// The data bits.
    pub byte: u8,
    /// How it was sent.
    pub line: Line,
}

impl Sent {
    /// The byte as a receiver set to `line` sees it; `None` when it sees noise.
    pub fn seen_by(&self, line: Line) -> Option<u8> {
        line.hears(self.line).then_some(self.byte)
    }
}

const PE: u32 = 1 << 0;
const FE: u32 = 1 << 1;
const NF: u32 = 1 << 2;
const ORE: u32 = 1 << 3;
const IDLE: u32 = 1 << 4;
const RXNE: u32 = 1 << 5;
const TC: u32 = 1 << 6;
const TXE: u32 = 1 << 7;
const SR_WRITE_ZERO: u32 = RXNE | TC;

const RE: u32 = 1 << 2;
const TE: u32 = 1 << 3;
const PS: u32 = 1 << 9;
const PCE: u32 = 1 << 10;
const M: u32 = 1 << 12;
const UE: u32 = 1 << 13;
const OVER8: u32 = 1 << 15;
const CR1_KNOWN: u32 = 0xBFFF;
/// SBK, RWU and WAKE.
const CR1_UNMODELLED: u32 = 0x803;

/// How many there are.
pub const COUNT: usize = 6;
/// Pins (DS8626 table 9): transmit, then receive.
const PINS: [(&[Pin], &[Pin]); COUNT] = [
    (&[Pin::new('A', 9), Pin::new('B', 6)], &[Pin::new('A', 10), Pin::new('B', 7)]),
    (&[Pin::new('A', 2), Pin::new('D', 5)], &[Pin::new('A', 3), Pin::new('D', 6)]),
    (
        &[Pin::new('B', 10), Pin::new('C', 10), Pin::new('D', 8)],
        &[Pin::new('B', 11), Pin::new('C', 11), Pin::new('D', 9)],
    ),
    (&[Pin::new('A', 0), Pin::new('C', 10)], &[Pin::new('A', 1), Pin::new('C', 11)]),
    (&[Pin::new('C', 12)], &[Pin::new('D', 2)]),
    (&[Pin::new('C', 6), Pin::new('G', 14)], &[Pin::new('C', 7), Pin::new('G', 9)]),
];
/// The alternate function of those pins.
const FUNCTION: [u8; COUNT] = [7, 7, 7, 8, 8, 8];
/// RM0090 table 61.
const IRQ: [u16; COUNT] = [37, 38, 39, 52, 53, 71];
/// By number, from 1.
pub const NAMES: [&str; COUNT] = ["USART1", "USART2", "USART3", "UART4", "UART5", "USART6"];
/// Clock enables (RM0090 sections 7.3.13, 7.3.14).
pub(crate) const ENABLES: [Enable; COUNT] = [
    Enable { bus: BusEnable::Apb2, bit: 4 },
    Enable { bus: BusEnable::Apb1, bit: 17 },
    Enable { bus: BusEnable::Apb1, bit: 18 },
    Enable { bus: BusEnable::Apb1, bit: 19 },
    Enable { bus: BusEnable::Apb1, bit: 20 },
    Enable { bus: BusEnable::Apb2, bit: 5 },
];

/// All of them; a register's offset counts on in steps of 0x400 from USART1.
#[derive(Clone, Debug)]
pub struct Usarts {
    all: [Usart; COUNT],
    /// The earliest of their events.
    next: Option<Nanos>,
}

impl Usarts {
    pub(crate) fn new() -> Self {
        Self { all: std::array::from_fn(Usart::new), next: None }
    }

    fn schedule(&mut self) {
        self.next = self.all.iter().filter_map(Usart::next_event).min();
    }

    /// One of them, by its number from 1.
    pub(crate) fn one(&self, number: usize) -> &Usart {
        &self.all[number - 1]
    }

    /// True when one of them sent what nobody has taken.
    pub(crate) fn spoke(&self) -> bool {
        self.all.iter().any(|usart| !usart.sent.is_empty())
    }

    /// The peer of one of them sends these bytes, behind what it is still sending.
    pub(crate) fn send_to_chip(&mut self, number: usize, bytes: &[u8], line: Line, now: Nanos) {
        self.all[number - 1].send_to_chip(bytes, line, now);
        self.schedule();
    }

    /// What the chip sent since the last call.
    pub(crate) fn take_sent(&mut self, number: usize) -> Vec<Sent> {
        std::mem::take(&mut self.all[number - 1].sent)
    }

    /// One's bit in an RCC reset register.
    pub(crate) fn reset_one(&mut self, index: usize, ctx: &mut Ctx) {
        self.all[index].reset(ctx);
        self.schedule();
    }
}

impl Peripheral for Usarts {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = self.all[offset as usize >> 10].read(offset & 0x3FF, width, ctx);
        self.schedule();
        value
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        self.all[offset as usize >> 10].write(offset & 0x3FF, width, value, ctx);
        self.schedule();
    }

    /// A read of DR clears flags; one of SR is noted for that, the first time.
    fn steady_until(&self, offset: u32) -> Option<Nanos> {
        (offset & 0x3FC != 0x04).then_some(Nanos::NEVER)
    }

    fn next_event(&self) -> Option<Nanos> {
        self.next
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        for usart in &mut self.all {
            if usart.next_event().is_some_and(|at| at <= ctx.now) {
                usart.advance(ctx);
            }
        }
        self.schedule();
    }

    fn reset(&mut self, ctx: &mut Ctx) {
        self.all.iter_mut().for_each(|usart| usart.reset(ctx));
        self.schedule();
    }
}

/// The model of one.
#[derive(Clone, Debug)]
pub(crate) struct Usart {
    index: usize,
    sr: u32,
    /// SR as last read: what the next access to DR clears.
    sr_seen: u32,
    received: u32,
    brr: u32,
    cr: [u32; 3],
    gtpr: u32,
    /// The transmit data register, when full.
    waiting: Option<u8>,
    /// The byte in the shift register and when it is out.
    shifting: Option<(u8, Nanos)>,
    /// The line before it is free: the preamble after TE.
    line_free: Nanos,
    sent: Vec<Sent>,
    incoming: VecDeque<(u8, Line)>,
    /// When the frame now on the wire ends.
    arrives: Option<Nanos>,
    idle_at: Option<Nanos>,
}

impl Usart {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            sr: TC | TXE,
            sr_seen: 0,
            received: 0,
            brr: 0,
            cr: [0; 3],
            gtpr: 0,
            waiting: None,
            shifting: None,
            line_free: Nanos(0),
            sent: Vec::new(),
            incoming: VecDeque::new(),
            arrives: None,
            idle_at: None,
        }
    }

    /// The peer sends these bytes, behind what it is still sending.
    pub(crate) fn send_to_chip(&mut self, bytes: &[u8], line: Line, now: Nanos) {
        self.incoming.extend(bytes.iter().map(|&b| (b, line)));
        if self.arrives.is_none() && !bytes.is_empty() {
            self.arrives = Some(now + line.frame());
        }
    }

    /// The line's set-up while the receiver is on.
    pub(crate) fn receiving(&self, clocks: &Clocks) -> Option<Line> {
        self.line(clocks).filter(|_| self.on(RE))
    }

    /// How the chip's end of the line is set up; `None` without a usable baud rate.
    fn line(&self, clocks: &Clocks) -> Option<Line> {
        let clock = if ENABLES[self.index].bus == BusEnable::Apb2 { clocks.pclk2 } else { clocks.pclk1 };
        // Section 30.3.4: BRR is the divider in sixteenths, or in eighths with OVER8.
        let divider = if self.cr[0] & OVER8 != 0 { (self.brr >> 4) * 8 + (self.brr & 7) } else { self.brr };
        let least = if self.cr[0] & OVER8 != 0 { 8 } else { 16 };
        let parity = match (self.cr[0] & PCE != 0, self.cr[0] & PS != 0) {
            (false, _) => Parity::None,
            (true, false) => Parity::Even,
            (true, true) => Parity::Odd,
        };
        // Section 30.6.4: the parity bit takes the place of the highest of 8 or 9 bits.
        let data_bits = if self.cr[0] & M == 0 && parity != Parity::None { 7 } else { 8 };
        (divider >= least).then(|| Line { baud: (clock + divider / 2) / divider, data_bits, parity })
    }

    fn on(&self, enable: u32) -> bool {
        self.cr[0] & (UE | enable) == UE | enable
    }

    fn routed(&self, pins: &[Pin], ctx: &Ctx) -> bool {
        pins.iter().any(|&pin| ctx.pins.function(pin) == Function::Alternate(FUNCTION[self.index]))
    }

    fn write_data(&mut self, value: u32, ctx: &mut Ctx) {
        const SECTION: &str = "RM0090 30.3.2";
        let name = NAMES[self.index];
        if !self.on(TE) {
            let what = format!("{name}_DR written while the transmitter is off");
            return ctx.violation(Kind::Sequence, SECTION, what);
        }
        if self.waiting.is_some() {
            let what = format!("{name}_DR written while it is full");
            ctx.violation(Kind::Overrun, SECTION, what);
        }
        if !self.routed(PINS[self.index].0, ctx) {
            ctx.violation(Kind::Sequence, "DS8626 table 9", format!("{name} sends, and no pin is its TX"));
        }
        if self.sr_seen & TC != 0 {
            self.sr &= !TC;
        }
        self.waiting = Some(value as u8);
        self.sr &= !TXE;
        self.load_shifter(ctx);
    }

    /// Moves a waiting byte on when the shift register is free.
    fn load_shifter(&mut self, ctx: &mut Ctx) {
        if self.shifting.is_some() {
            return;
        }
        let Some(byte) = self.waiting.take() else { return };
        let Some(line) = self.line(ctx.clocks) else {
            let what = format!("{} sends with BRR {:#x}", NAMES[self.index], self.brr);
            return ctx.violation(Kind::Range, "RM0090 30.3.4", what);
        };
        let two_stops = self.cr[1] >> 12 & 3 == 2;
        let more = if two_stops { Nanos::cycles(1, u64::from(line.baud)) } else { Nanos(0) };
        let start = self.line_free.max(ctx.now);
        self.shifting = Some((byte, start + line.frame() + more));
        self.sr = self.sr & !TC | TXE;
    }

    fn shifted_out(&mut self, ctx: &mut Ctx) {
        let Some((byte, at)) = self.shifting.filter(|s| s.1 <= ctx.now) else { return };
        self.shifting = None;
        self.line_free = at;
        if let Some(line) = self.line(ctx.clocks).filter(|_| self.routed(PINS[self.index].0, ctx)) {
            let byte = byte & (u8::MAX >> (8 - line.data_bits));
            self.sent.push(Sent { at, byte, line });
            ctx.attention();
        }
        self.load_shifter(ctx);
        if self.shifting.is_none() {
            self.sr |= TC;
        }
    }

    fn frame_arrived(&mut self, ctx: &mut Ctx) {
        let Some(at) = self.arrives.filter(|&at| at <= ctx.now) else { return };
        let Some((byte, line)) = self.incoming.pop_front() else { return };
        self.arrives = self.incoming.front().map(|next| at + next.1.frame());
        let Some(own) = self.line(ctx.clocks) else { return };
        if !self.on(RE) || !self.routed(PINS[self.index].1, ctx) {
            return;
        }
        self.idle_at = self.arrives.is_none().then(|| at + own.frame());
        if self.sr & RXNE != 0 {
            let what = format!("{} lost a byte: the one before was not read", NAMES[self.index]);
            ctx.violation(Kind::Overrun, "RM0090 30.3.3", what);
            self.sr |= ORE;
            return;
        }
        self.sr |= RXNE;
        self.received = u32::from(byte);
        if own.baud.abs_diff(line.baud) as u64 * 10_000 > u64::from(own.baud) * 375 {
            self.sr |= FE | NF;
            self.received = u32::from(byte.rotate_left(3) ^ 0x5A);
        } else {
            // The parity bit is the top bit of what DR shows (section 30.6.2). Where the ends are set up
            // differently, the receiver takes one bit for another.
            let wire = line.wire(byte);
            self.received = wire & ((1 << own.bits()) - 1);
            let parity = self.received >> own.data_bits;
            self.sr |= if own.parity_of(self.received) != parity { PE } else { 0 };
            self.sr |= if wire >> own.bits() & 1 == 0 { FE } else { 0 };
        }
        ctx.attention();
    }

    fn interrupt(&self, ctx: &mut Ctx) {
        let ie = self.cr[0];
        let errors = self.cr[2] & 1 != 0 && self.cr[2] & 1 << 6 != 0 && self.sr & (FE | NF | ORE) != 0;
        // Table 148: RXNEIE covers ORE as well.
        let on = self.sr & (TXE | TC | RXNE | IDLE) & ie & 0xF0 != 0
            || self.sr & ORE != 0 && ie & RXNE != 0
            || self.sr & PE != 0 && ie & 1 << 8 != 0
            || errors;
        ctx.irq(IRQ[self.index], on);
    }

    fn write_control(&mut self, index: usize, value: u32, ctx: &mut Ctx) {
        let (known, left_out) = [(CR1_KNOWN, CR1_UNMODELLED), (0x7F6F, 0x4F60), (0x0FFF, 0x07FE)][index];
        ctx.reserved(value, known, "RM0090 30.6", "USART_CR1-CR3");
        if value & left_out != 0 {
            let what = format!("{}_CR{}: bits {:#x}", NAMES[self.index], index + 1, value & left_out);
            ctx.unmodelled("RM0090 30.6", what);
        }
        if index == 0 {
            if value & PCE == 0 && value & M != 0 {
                ctx.unmodelled("RM0090 30.6.4", "9 data bits without parity");
            }
            let te_set = value & !self.cr[0] & TE != 0;
            if te_set && let Some(line) = self.line(ctx.clocks) {
                // Section 30.3.2: an idle frame goes out first.
                self.line_free = self.line_free.max(ctx.now + line.frame());
            }
        }
        self.cr[index] = value & known;
    }
}

impl Usart {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = match offset & !3 {
            0x00 => {
                self.sr_seen = self.sr;
                self.sr
            }
            0x04 => {
                // Sequence of reading SR and then DR (section 30.6.1).
                self.sr &= !(RXNE | self.sr_seen & (PE | FE | NF | ORE | IDLE));
                self.sr_seen = 0;
                self.interrupt(ctx);
                self.received
            }
            0x08 => self.brr,
            at @ (0x0C | 0x10 | 0x14) => self.cr[(at as usize - 0x0C) / 4],
            0x18 => self.gtpr,
            _ => return ctx.nothing(NAMES[self.index], offset, "RM0090 30.6.8"),
        };
        lane(value, offset, width)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        if width == Width::Byte {
            let what = "USART registers take half-words and words";
            ctx.violation(Kind::Width, "RM0090 30.6", what);
        }
        match offset & !3 {
            0x00 => self.sr &= value | !SR_WRITE_ZERO,
            0x04 => self.write_data(value, ctx),
            0x08 => {
                ctx.reserved(value, 0xFFFF, "RM0090 30.6.3", "USART_BRR");
                self.brr = value & 0xFFFF;
            }
            at @ (0x0C | 0x10 | 0x14) => {
                let index = (at as usize - 0x0C) / 4;
                self.write_control(index, merged(self.cr[index], offset, width, value), ctx);
            }
            0x18 => self.gtpr = value & 0xFFFF,
            _ => {
                ctx.nothing(NAMES[self.index], offset, "RM0090 30.6.8");
            }
        }
        self.interrupt(ctx);
    }

    fn next_event(&self) -> Option<Nanos> {
        [self.shifting.map(|s| s.1), self.arrives, self.idle_at].into_iter().flatten().min()
    }

    fn advance(&mut self, ctx: &mut Ctx) {
        self.shifted_out(ctx);
        self.frame_arrived(ctx);
        if self.idle_at.is_some_and(|at| at <= ctx.now) {
            self.idle_at = None;
            self.sr |= IDLE;
        }
        self.interrupt(ctx);
    }

    /// The line's other end stays as it is.
    fn reset(&mut self, ctx: &mut Ctx) {
        let fresh = Self::new(self.index);
        let old = std::mem::replace(self, fresh);
        (self.sent, self.incoming, self.arrives) = (old.sent, old.incoming, old.arrives);
        ctx.irq(IRQ[self.index], false);
    }
}
