//! The families: each implements the same few calls over its chips' registers.
//!
//! All unsafe code of the firmware is below here and in [`crate::sealed`].

pub mod f4;
