//! Pins: the button, the LED, and USB's two.

use super::time;
use stm32_metapac::{RCC, gpio, rcc};
use surefoot_core::config::Pin;

/// GPIOA, and the distance to the next port (RM0090, table 1).
const GPIOA: usize = 0x4002_0000;
const PORT_STEP: usize = 0x400;
/// AHB1ENR and AHB1RSTR: GPIOA to GPIOK, and the CRC unit (RM0090, 7.3.5 and 7.3.10).
const OURS: u32 = 0x7FF | 1 << 12;
/// The button counts as pressed when it never reads as released for so long.
const DEBOUNCE_MS: u32 = 16;

/// The port's registers, its clock running. Port K is the last one that any F4 has.
fn port(number: u8) -> gpio::Gpio {
    let number = number.min(10);
    RCC.ahb1enr().modify(|w| w.0 |= 1 << number);
    // SAFETY: one of the eleven ports' addresses; a port that this chip lacks reads as zero.
    unsafe { gpio::Gpio::from_ptr((GPIOA + PORT_STEP * usize::from(number)) as *mut ()) }
}

/// True when the button is pressed: false as soon as it reads as released, true after the debounce time.
pub fn pressed(button: Pin) -> bool {
    let port = port(button.port());
    let pin = usize::from(button.pin());
    // A pin is an input after reset or, as one of the debug port's, can be read like one (RM0090, 8.3.1).
    port.pupdr().modify(|w| w.set_pupdr(pin, button.pull().into()));
    let mask = 1 << pin;
    let released = if button.active_high() { 0 } else { mask };
    // A pull has settled long before (40 kOhm at 50 pF: 10 us), a contact has stopped to bounce.
    !time::until(DEBOUNCE_MS, port.idr(), mask, released)
}

/// The LED.
pub struct Led(Option<Pin>);

impl Led {
    /// Takes the pin as an output and leaves the LED dark.
    pub fn new(pin: Option<Pin>) -> Self {
        let led = Self(pin);
        led.set(false);
        if let Some(pin) = pin {
            port(pin.port())
                .moder()
                .modify(|w| w.set_moder(usize::from(pin.pin()), gpio::vals::Moder::OUTPUT));
        }
        led
    }

    /// Lights it or not.
    pub fn set(&self, lit: bool) {
        if let Some(pin) = self.0 {
            let reset = if lit == pin.active_high() { 0 } else { 16 };
            port(pin.port()).bsrr().write(|w| w.0 = 1 << (u32::from(pin.pin()) + reset));
        }
    }
}

/// PA11 and PA12 to OTG FS: alternate function 10, fastest edges, nothing else in these fields after
/// reset (DS8626, table 9; RM0090, 8.4).
pub fn usb_pins() {
    let a = port(0);
    a.afr(1).write_value(gpio::regs::Afr(0xAA << 12));
    a.ospeedr().modify(|w| w.0 |= 0b1111 << 22);
    a.moder().modify(|w| w.0 |= 0b1010 << 22);
}

/// Every port that has its clock, and the CRC unit, as after reset, clocks off (RM0090, 7.3.5 and
/// 7.3.10).
pub fn reset() {
    let enabled = RCC.ahb1enr().read().0;
    RCC.ahb1rstr().write_value(rcc::regs::Ahb1rstr(enabled & OURS));
    RCC.ahb1rstr().write_value(rcc::regs::Ahb1rstr(0));
    RCC.ahb1enr().write_value(rcc::regs::Ahb1enr(enabled & !OURS));
}
