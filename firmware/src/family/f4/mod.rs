//! STM32F4: the ports of the core over its registers. RM0090 is revision 19, PM0214 revision 10.
//!
//! Polled, no interrupt is ever taken: PRIMASK stays set from start-up to the jump. A peripheral's
//! interrupt is still let pend, since with SEVONPEND that ends a WFE (PM0214, 2.5.2 and 4.4.6).

pub mod backup;
pub mod boot;
pub mod chip;
pub mod clock;
pub mod crc;
#[cfg(feature = "signature")]
pub mod crypto;
pub mod flash;
pub mod gpio;
pub mod mem;
pub mod memory;
#[cfg(feature = "signature")]
pub mod mpu;
pub mod second;
#[cfg(feature = "signature")]
pub mod sha256;
pub mod time;
pub mod usb;
pub mod watchdog;
