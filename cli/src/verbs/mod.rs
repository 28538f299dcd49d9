//! One file per verb.

pub mod boot;
pub mod bootloader;
pub mod completions;
#[cfg(feature = "sim")]
pub mod demo;
pub mod erase;
pub mod flash;
pub mod image;
pub mod info;
pub mod layout;
pub mod list;
pub mod man;
pub mod merge;
#[cfg(not(feature = "sim"))]
pub mod missing;
pub mod new;
pub mod protect;
pub mod read;
#[cfg(feature = "sim")]
pub mod run;
#[cfg(feature = "sim")]
pub mod sim;
pub mod talk;
pub mod verify;
