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

    /// The peer of USART1-3 (by that number) sends bytes, behind what it is still sending.
    pub fn uart_rx(&mut self, usart: usize, line: Line, bytes: &[u8]) {
        let now = self.now();
        self.bus.with(now, |models, ctx| models.usart[usart - 1].send_to_chip(bytes, line, ctx.now));
    }

    /// What USART1-3 (by that number) sent since the last call.
    pub fn uart_tx(&mut self, usart: usize) -> Vec<Sent> {
        self.bus.models.usart[usart - 1].take_sent()
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
