//! Board file and chip data to a checked layout, configuration block and linker scripts.
//!
//! The way of a board file: [`Board::load`] reads the TOML (`read`), looks the chip up
//! (`surefoot-chips`), checks the flash layout ([`layout`]), solves the clocks ([`clock`]) and
//! gives a [`Board`], in which nothing is illegal any more. From it come the configuration block
//! and the sealed bootloader ([`mod@seal`]), the DfuSe memory string, linker scripts and the
//! memory map. [`mod@solve`] goes the other way: from an application's size to the best layout. No hardware and no USB
//! here, and a disk only in `disk`: [`Board::parse_with`] needs none. Errors carry line, column and remedy.
#![forbid(unsafe_code)]

mod block;
mod board;
pub mod clock;
mod disk;
mod error;
mod file;
mod keeps;
mod keys;
pub mod layout;
mod linker;
mod map;
mod pin;
mod read;
pub mod seal;
pub mod solve;
pub mod units;

pub use board::{Board, Boot, OptionBytes, Usb};
pub use disk::{Files, Folder};
pub use error::{BoardError, Fault, Place};
pub use keeps::{does_not_keep, untried};
pub use keys::EXAMPLE as PUBLISHED_KEY;
pub use linker::Scripts;
pub use map::{MapRow, draw};
pub use pin::PinError;
pub use seal::{SealError, Sealed, seal};
