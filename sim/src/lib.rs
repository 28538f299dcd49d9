//! The virtual board: the shipped ARM binary runs on it, register by register.
//!
//! [`device`] says what a peripheral model is.

pub mod device;
pub mod otg;
pub mod time;
pub mod usb;
pub mod violation;

pub use time::Nanos;
pub use violation::{Kind, Violation};
