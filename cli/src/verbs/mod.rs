//! One file per verb.

pub mod bootloader;
pub mod completions;
pub mod image;
pub mod layout;
pub mod new;
