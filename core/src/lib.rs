//! Protocols, images and the boot decision: plain state machines without hardware.
//!
//! Bytes and time come in, one step comes out; nothing here waits, allocates or touches a
//! register. The firmware, the host tool and the tests carry the steps out.
//! The way of a byte: [`usb`] -> [`dfu`] -> flash ([`port`]) -> [`image`] -> [`slot`] with its
//! [`journal`] -> [`decide`].
#![no_std]
// The call of the chip's unit is the only unsafe code, see `image::crc`.
#![cfg_attr(not(feature = "crc-unit"), forbid(unsafe_code))]
#![deny(unsafe_code)]

pub mod config;
pub mod decide;
pub mod dfu;
pub mod handoff;
pub mod image;
pub mod info;
pub mod journal;
pub mod port;
#[cfg(feature = "failsafe")]
pub mod slot;
pub mod usb;
