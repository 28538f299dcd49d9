//! Images: what they carry and how they are proved.
//!
//! An image stands in a slot with its vector table first. Reserved vectors 8-10 may point at a
//! [`manifest`] behind it; [`verify`] holds an image against the board's policy and gives out a
//! [`VerifiedImage`], the only thing the firmware can jump to.

mod crc;
pub mod manifest;
pub mod verify;

pub use crc::{SoftCrc32, crc32, crc32_word, crc32_words};
pub use manifest::{Manifest, Version};
pub use verify::{Demand, ImageFault, VerifiedImage, verify};
