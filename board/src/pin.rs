//! Pins: "PD12" to the configuration block's encoding, checked against the chip's package.

use surefoot_chips::Chip;
use surefoot_core::config::Pin;

/// Why a pin cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Not a pin's name.
    #[error("\"{0}\" is not a pin; write port and number as in \"PD12\"")]
    Syntax(String),
    /// The package does not bring it out.
    #[error("{chip} has no pin {pin} in this package; {}", brought_out(.port_pins, .ports))]
    Package {
        /// The pin.
        pin: String,
        /// The chip.
        chip: &'static str,
        /// The pins of that port, if there are any.
        port_pins: Option<String>,
        /// All ports.
        ports: String,
    },
    /// USB needs it.
    #[error("{0} carries USB; choose another pin")]
    Usb(String),
    /// The crystal is on it.
    #[error("{0} carries the crystal; choose another pin or take `hse` out of [clock]")]
    Crystal(String),
    /// LED and button are the same pin.
    #[error("{0} is the LED already; choose another pin for one of them")]
    Twice(String),
}

fn brought_out(port_pins: &Option<String>, ports: &String) -> String {
    match port_pins {
        Some(pins) => format!("it brings out {pins}"),
        None => format!("its ports are {ports}"),
    }
}

/// Level that means pressed or lit.
const ACTIVE_HIGH: u16 = 1 << 8;

/// The pin called `name` with level and pull, if a bootloader on `chip` may use it.
pub fn check(name: &str, chip: &Chip, crystal: bool) -> Result<(char, u8), PinError> {
    let (port, pin) = parse(name).ok_or_else(|| PinError::Syntax(name.to_string()))?;
    let pin_name = format!("P{port}{pin}");
    if !chip.has_pin(port, pin) {
        return Err(PinError::Package {
            pin: pin_name,
            chip: chip.name,
            port_pins: chip.port(port).map(|mask| runs(port, mask)),
            ports: chip.ports().map(|p| format!("P{p}")).collect::<Vec<_>>().join(", "),
        });
    }
    if (port, pin) == ('A', 11) || (port, pin) == ('A', 12) {
        return Err(PinError::Usb(pin_name));
    }
    if crystal && port == 'H' && pin < 2 {
        return Err(PinError::Crystal(pin_name));
    }
    Ok((port, pin))
}

/// The block's encoding. `pull`: 0 none, 1 up, 2 down.
pub fn encode((port, pin): (char, u8), active_high: bool, pull: u16) -> Pin {
    let port = (port as u8 - b'A') as u16;
    Pin(u16::from(pin) | port << 4 | if active_high { ACTIVE_HIGH } else { 0 } | pull << 9)
}

/// The name of an encoded pin.
pub fn name(pin: Pin) -> String {
    format!("P{}{}", (b'A' + pin.port()) as char, pin.pin())
}

fn parse(name: &str) -> Option<(char, u8)> {
    let upper = name.trim().to_ascii_uppercase();
    let mut letters = upper.strip_prefix('P')?.chars();
    let port = letters.next().filter(|c| ('A'..='P').contains(c))?;
    let digits = letters.as_str();
    let pin: u8 = digits.parse().ok().filter(|p| *p < 16)?;
    // "PA+1" and "PA01" parse as numbers, but nobody means them.
    (pin.to_string() == digits).then_some((port, pin))
}

/// "PB0-PB10, PB12".
fn runs(port: char, mask: u16) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for pin in (0..16u8).filter(|p| mask & 1 << p != 0) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == pin => *last = pin,
            _ => runs.push((pin, pin)),
        }
    }
    let one = |(from, to): &(u8, u8)| {
        if from == to { format!("P{port}{from}") } else { format!("P{port}{from}-P{port}{to}") }
    };
    runs.iter().map(one).collect::<Vec<_>>().join(", ")
}
