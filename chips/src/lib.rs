//! What is known of each STM32 chip: one generated table and hand-kept overlays.
//!
//! `src/table.in` comes from stm32-metapac's metadata (`cargo xtask chips`): memories, pins, USB
//! blocks, the unique id's address. `overlay/*.toml` adds by hand what the metadata lack (ROM
//! address, device id, timing, clock limits), each with its source. [`find`] joins the two.
//! What a board makes of it is `surefoot-board`'s work.
#![forbid(unsafe_code)]

mod chip;
mod find;
mod overlay;
mod table;

pub use chip::{Banks, Chip, Flash, Ram, Sector, SectorGroup, UsbBlock, UsbKind};
pub use find::{NotFound, find};
pub use overlay::{Clock, EraseTime, Scale, Supply, Time, Timing};

/// The names of all chips, in the table's order (by name).
pub fn names() -> impl Iterator<Item = &'static str> {
    table::GROUPS.iter().flat_map(|g| g.chips.iter().map(|(name, _)| *name))
}

/// DEV_ID of the chips that the virtual board has a model of: STM32F405, F407, F415, F417; F446; F411.
const MODELLED: [u16; 3] = [0x413, 0x421, 0x431];

/// True for a DEV_ID whose chips have a model on the virtual board. The bootloader has run on no others.
pub fn has_model(device_id: u16) -> bool {
    MODELLED.contains(&device_id)
}

/// Every chip.
pub fn all() -> impl Iterator<Item = Chip> {
    table::GROUPS.iter().flat_map(|g| g.chips.iter().map(|(name, pins)| Chip::new(g, name, pins)))
}
