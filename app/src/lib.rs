//! For applications: request an update, read the status, jump to ST's ROM bootloader.
//!
//! ```text
//! application --request_update--> handoff words, backup register --reset--> bootloader
//! application <-----status------- handoff record <-----jump---------------- bootloader
//! ```
//!
//! Every function is small, polled and needs no set-up; none of them touches flash. What the
//! library must know of the board is one [`Board`] value. The same functions stand in
//! `include/surefoot.h` for C, built from `app/c`.
//!
//! It does not confirm a trial boot and does not receive an update: with this version, updates
//! are the bootloader's work.
#![no_std]

mod board;
mod confirm;
mod flash;
mod home;
mod quiet;
mod registers;
mod request;
mod rom;
mod status;
mod vectors;

pub use board::{Backup, Board, Family};
pub use confirm::confirm;
pub use request::request_update;
pub use rom::{KNOWN, Quiet, Rom, jump_to_rom};
pub use status::{ResetCause, Status, status};
pub use surefoot_core::decide::Reason;
pub use vectors::set_vector_table;
