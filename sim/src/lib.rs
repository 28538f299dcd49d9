//! The virtual board: the shipped ARM binary runs on it, register by register.
//!
//! [`Board`] is one board: a core ([`cpu`]), memories, and one model for each peripheral. Each
//! model's file opens with what it covers and what it leaves out, and cites the manual: RM0090 is
//! ST's reference manual of the STM32F405/407 (Rev 19), DS8626 their data sheet, ES0182 their errata sheet; RM0383 (Rev 3)
//! and DS10314 are those of the STM32F411, RM0390 (Rev 6) and DS10693 of the STM32F446. What all of them have in common
//! is cited from RM0090. [`chip`] has a table for each line.
//!
//! The models are stricter than silicon: what the manual forbids is recorded as a [`Violation`].
//!
//! Unsafe code is in [`memory`] and [`cpu`] only, which hand mapped memory to the core.

#![deny(unsafe_code)]

pub mod bench;
pub mod board;
mod bus;
pub mod chip;
mod clock;
#[allow(unsafe_code)] // hands mapped memory to the core
pub mod cpu;
mod decode;
pub mod device;
pub mod fault;
#[allow(unsafe_code)] // the bytes that translated code reads and writes in place
pub mod memory;
mod models;
mod peripheral;
mod polling;
pub mod random;
pub mod time;
pub mod usb;
pub mod violation;

use peripheral::rtc;
pub use peripheral::{backup, crc, debug, exti, flash, gpio, iwdg, otg, pwr, rcc, rng, timer, usart};

pub use board::{Board, BoardOptions, Faults, LoadError, Remains, Snapshot, Stop};
pub use chip::ChipModel;
pub use device::{Pin, ResetCause};
pub use fault::{Bits, Cut, Defect, Failing, Leaves, Told, When};
pub use flash::Started;
pub use gpio::Edge;
pub use rcc::Hse;
pub use time::Nanos;
pub use usart::{Line, Parity, Sent};
pub use violation::{Grade, Kind, Violation};
