//! Links, files and the flash job on the host side.
//!
//! The way of a byte: [`files`] -> [`image`] -> [`job`] -> [`protocol`] -> [`link`] -> the board. Everything that can be
//! checked is checked before the first erase. Board files and layouts are `surefoot-board`'s; what
//! the user sees is the command line's, but every error says here what happened, why, and what
//! to do ([`explain`]).
#![forbid(unsafe_code)]

pub mod explain;
pub mod files;
pub mod image;
pub mod job;
pub mod link;
pub mod protocol;
pub mod texts;
