//! For applications: confirm, write an update, request one, read the status, jump to ST's ROM bootloader.
//!
//! ```text
//! application --request_update--> handoff words, backup register --reset--> bootloader
//! application <-----status------- handoff record <-----jump---------------- bootloader
//! application --confirm---------> journal <-----reads, writes-------------- bootloader
//! application --Updater---------> the other slot, journal --reset---------> bootloader
//! ```
//!
//! Every function is polled and needs no set-up; an application pays for those that it calls. What
//! [`confirm`], [`state`], [`events`] and [`Updater`] must know of the board they read from the
//! bootloader's own block in flash, into RAM: 672 bytes, on the stack, or for good once an [`Updater`] has
//! begun. What they record is the bootloader's own code
//! ([`surefoot_core::slot`], [`surefoot_core::journal`]); for the rest there is one [`Board`] value.
//! The same functions stand in `include/surefoot.h` for C, built from `app/c`.
//!
//! Call them from thread mode, privileged, and not from two threads at once. They have no cryptography:
//! whether an image may run is the bootloader's to say.
#![no_std]

mod board;
mod confirm;
mod error;
mod flash;
mod home;
mod quiet;
mod registers;
mod request;
mod rom;
mod state;
mod status;
mod updater;
mod vectors;

pub use board::{Backup, Board, Family};
pub use confirm::confirm;
pub use error::Error;
pub use flash::FlashF4;
pub use request::{request_update, reset};
pub use rom::{KNOWN, Quiet, Rom, jump_to_rom};
pub use state::{Standing, State, events, state, version};
pub use status::{ResetCause, Status, status};
pub use surefoot_core::decide::Reason;
pub use surefoot_core::image::{ImageFault, Version};
pub use surefoot_core::journal::{Event, Record};
pub use surefoot_core::port::FlashFault;
pub use updater::Updater;
pub use vectors::set_vector_table;
