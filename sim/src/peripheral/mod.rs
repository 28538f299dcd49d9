//! The peripheral models, one file or folder for each block.
//!
//! What differs between the versions of a block is data beside its model.

pub mod backup;
pub mod crc;
pub mod debug;
pub mod exti;
pub mod flash;
pub mod gpio;
pub mod iwdg;
pub mod otg;
pub mod pwr;
pub mod rcc;
pub mod rng;
pub(crate) mod rtc;
pub mod timer;
pub mod usart;
