//! One file per verb.

pub mod boot;
pub mod bootloader;
pub mod completions;
pub mod erase;
pub mod flash;
pub mod image;
pub mod info;
pub mod layout;
pub mod list;
pub mod new;
pub mod protect;
pub mod read;
pub mod run;
pub mod sim;
pub mod talk;
pub mod verify;
