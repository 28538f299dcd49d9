//! What is at the other end: what the device says of itself, and what was read from its flash.

use super::Refusal;
use super::state::State;
use crate::protocol::{Device, Kind, SectorInfo};
use surefoot_core::config::{BLOCK_LEN, BinaryHeader, Config, Slot};
use surefoot_core::info::Info;

/// The vector table, the binary's header and its block are within these first bytes of a bootloader.
pub(crate) const HEAD: usize = 2048;

/// A device that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it says of itself.
    pub device: Device,
    /// The configuration block that its own bootloader holds, where it can be read.
    pub sealed: Option<[u8; BLOCK_LEN]>,
    /// Slots and journal, once [`super::Session::look`] has read them.
    pub state: Option<State>,
}

impl Target {
    /// Nothing but what the device said was read so far.
    pub(super) fn new(device: Device) -> Self {
        Self { device, sealed: None, state: None }
    }

    /// Where our own bootloader begins, when it can be read.
    pub(super) fn head(&self) -> Option<u32> {
        let first = self.device.sectors.first().filter(|s| s.readable && s.size as usize >= HEAD);
        first.filter(|_| self.info().is_some() && self.device.can_read).map(|first| first.base)
    }

    /// The configuration by which the device itself proves images, where it could be read.
    pub fn config(&self) -> Option<Config<'_>> {
        let (info, block) = (self.info()?, self.sealed.as_ref()?);
        Config::parse(block, info.family).ok().filter(|config| config.board_id() == info.board_id)
    }

    /// Whether the board's configuration lets a host change the option bytes; the board asks itself, too.
    ///
    /// # Errors
    /// [`Refusal::OptionsFixed`].
    pub fn allows_options(&self) -> Result<(), Refusal> {
        let fixed = self.config().is_some_and(|config| config.options_fixed());
        if fixed { Err(Refusal::OptionsFixed) } else { Ok(()) }
    }

    /// The bootloader's own words, when it is ours.
    pub fn info(&self) -> Option<&Info> {
        match &self.device.kind {
            Kind::Surefoot(info) => Some(info),
            Kind::Rom => None,
        }
    }

    /// The application's slot, when the bootloader is ours.
    pub fn slot(&self) -> Option<Slot> {
        let info = self.info().filter(|i| i.slot_length != 0)?;
        Some(Slot { base: info.slot_base, length: info.slot_length })
    }

    /// The sector around `address`.
    pub fn sector(&self, address: u32) -> Option<&SectorInfo> {
        self.device.sectors.iter().find(|s| (s.base..s.end()).contains(&address))
    }

    /// The sector is of a slot that updates do not go to now. Its memory string may offer it all the
    /// same: our bootloader's does not change with the slots, but it refuses what is closed.
    pub fn is_closed(&self, sector: &SectorInfo) -> bool {
        let open = self.slot();
        let closed = |slot: Slot| Some(slot) != open && slot.contains(sector.base, sector.size);
        self.config().is_some_and(|config| config.slots().any(closed))
    }
}

/// The block behind the binary's header in the first bytes of a bootloader.
pub(crate) fn sealed_in(head: &[u8]) -> Option<(BinaryHeader, [u8; BLOCK_LEN])> {
    let (header, block) = BinaryHeader::find(head)?;
    Some((header, head.get(block..)?.first_chunk().copied()?))
}
