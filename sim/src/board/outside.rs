//! The board's connections to what is outside the chip: pins, serial lines, USB.

use super::Board;
use crate::device::{Ctx, Pin};
use crate::gpio::Edge;
use crate::otg::OtgFs;
use crate::usart::{Line, Sent};

impl Board {
    /// Drives a pin from outside, or lets go of it.
    pub fn set_pin(&mut self, pin: Pin, level: Option<bool>) {
        let now = self.now();
        self.bus.with(now, |models, _| models.gpio.drive(pin, level));
    }

    /// The level at a pin.
    pub fn pin(&self, pin: Pin) -> bool {
        self.bus.pins.level(pin)
    }

    /// What the chip itself drives onto a pin.
    pub fn pin_output(&self, pin: Pin) -> Option<bool> {
        self.bus.models.gpio.output(pin).filter(|_| self.powered)
    }

    /// Edges of a pin that the chip drove, since the board was made.
    pub fn pin_trace(&self, pin: Pin) -> Vec<Edge> {
        self.bus.models.gpio.edges().iter().filter(|e| e.pin == pin).copied().collect()
    }

    /// The peer of a USART or UART (by its number, 1 to 6) sends bytes, behind what it is still sending.
    pub fn uart_rx(&mut self, usart: usize, line: Line, bytes: &[u8]) {
        let now = self.now();
        self.bus.with(now, |models, ctx| models.usarts.send_to_chip(usart, bytes, line, ctx.now));
    }

    /// What a USART or UART (by its number) sent since the last call.
    pub fn uart_tx(&mut self, usart: usize) -> Vec<Sent> {
        self.bus.models.usarts.take_sent(usart)
    }

    /// True when some USART or UART sent bytes that nobody has taken yet.
    pub fn uart_spoke(&self) -> bool {
        self.bus.models.usarts.spoke()
    }

    /// How the line of a USART or UART (by number) is set up, once it receives.
    pub fn uart_line(&self, usart: usize) -> Option<Line> {
        self.bus.models.usarts.one(usart).receiving(&self.bus.clocks)
    }

    /// The USB device block with a context at the present, for the host end of the cable.
    pub fn usb<R>(&mut self, f: impl FnOnce(&mut OtgFs, &mut Ctx) -> R) -> R {
        let now = self.now();
        self.bus.with(now, |models, ctx| f(&mut models.otg, ctx))
    }

    /// The USB device block, to look at.
    pub fn usb_ref(&self) -> &OtgFs {
        &self.bus.models.otg
    }
}
