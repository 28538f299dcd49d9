//! What is at the other end of a link: descriptors, memory, and what our bootloader tells of itself.

use super::state::State;
use super::{JobError, Refusal, driver};
use crate::link::descriptors::Descriptors;
use crate::link::{LinkError, Usb};
use std::time::Duration;
use surefoot_core::config::{BLOCK_LEN, BinaryHeader, Config, Slot};
use surefoot_core::dfu::host::Task;
use surefoot_core::dfu::memory;
use surefoot_core::info::{self, Info};

const TIMEOUT: Duration = Duration::from_secs(5);
/// The vector table, the binary's header and its block are within these first bytes of a bootloader.
pub(crate) const HEAD: usize = 2048;
/// No STM32 has as many; a string that says so is damaged.
const MOST_SECTORS: usize = 16_384;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Surefoot bootloader.
    Surefoot(Info),
    /// ST's ROM bootloader, or another DfuSe device without the info request.
    Rom,
}

/// One sector of the memory string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorInfo {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// It can be read.
    pub readable: bool,
    /// It can be erased.
    pub erasable: bool,
    /// It can be written.
    pub writable: bool,
}

impl SectorInfo {
    /// The first address behind it.
    pub const fn end(&self) -> u32 {
        self.base.saturating_add(self.size)
    }
    /// Erase and write.
    pub const fn changeable(&self) -> bool {
        self.erasable && self.writable
    }
}

/// A device that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// From its descriptors.
    pub descriptors: Descriptors,
    /// Who it is.
    pub kind: Kind,
    /// The sectors of the internal flash, ascending.
    pub sectors: Vec<SectorInfo>,
    /// The configuration block that its own bootloader holds, where it can be read.
    pub sealed: Option<[u8; BLOCK_LEN]>,
    /// Slots and journal, once [`super::Session::look`] has read them.
    pub state: Option<State>,
}

impl Target {
    /// Asks the device at the other end of `link`.
    ///
    /// # Errors
    /// [`JobError::Link`], [`JobError::Memory`].
    pub fn read(link: &mut dyn Usb) -> Result<Self, JobError> {
        let descriptors = Descriptors::read(link)?;
        let kind = match read_info(link)? {
            Some(info) => Kind::Surefoot(info),
            None => Kind::Rom,
        };
        // A bootloader with a broken configuration block has no memory to offer.
        let broken = matches!(kind, Kind::Surefoot(info) if info.config_fault != 0);
        let sectors = if broken { Vec::new() } else { sectors(descriptors.memory())? };
        let mut target = Self { descriptors, kind, sectors, sealed: None, state: None };
        target.sealed = target.read_sealed(link)?;
        Ok(target)
    }

    /// Reads the block out of our own bootloader, which stands at the start of the flash.
    fn read_sealed(&self, link: &mut dyn Usb) -> Result<Option<[u8; BLOCK_LEN]>, LinkError> {
        let start = self.sectors.first().filter(|s| s.readable && s.size as usize >= HEAD);
        let Some(first) = start.filter(|_| self.info().is_some() && self.can_upload()) else {
            return Ok(None);
        };
        let mut head = vec![0; HEAD];
        let (interface, size) = (self.descriptors.interface, self.descriptors.transfer_size);
        let task = Task::Upload { address: first.base, buffer: &mut head };
        match driver::run(link, interface, size, task, &mut |_| ()) {
            Ok(()) => Ok(sealed_in(&head).map(|(_, block)| block)),
            Err(JobError::Link(error @ (LinkError::Gone | LinkError::Timeout))) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// What of the memory string was read over, when that was not all of it.
    pub fn memory_note(&self) -> Option<String> {
        let text = self.descriptors.memory();
        let (_, fault) = memory::parse_front(text).ok().filter(|_| !self.sectors.is_empty())?;
        let behind = text.get(fault?.position..).unwrap_or_default();
        Some(format!(
            "the device's memory string is not whole: {behind:?} was read over, and what is before it counts"
        ))
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
        match &self.kind {
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
        self.sectors.iter().find(|s| (s.base..s.end()).contains(&address))
    }

    /// The sector is of a slot that updates do not go to now. Its memory string may offer it all the
    /// same: our bootloader's does not change with the slots, but it refuses what is closed.
    pub fn is_closed(&self, sector: &SectorInfo) -> bool {
        let open = self.slot();
        let closed = |slot: Slot| Some(slot) != open && slot.contains(sector.base, sector.size);
        self.config().is_some_and(|config| config.slots().any(closed))
    }

    /// True for DFU's "can upload" bit.
    pub fn can_upload(&self) -> bool {
        self.descriptors.attributes & 2 != 0
    }
}

/// The block behind the binary's header in the first bytes of a bootloader.
pub(crate) fn sealed_in(head: &[u8]) -> Option<(BinaryHeader, [u8; BLOCK_LEN])> {
    let (header, block) = BinaryHeader::find(head)?;
    Some((header, head.get(block..)?.first_chunk().copied()?))
}

/// The info request; `None` when the device stalls it or answers something else.
pub(super) fn read_info(link: &mut dyn Usb) -> Result<Option<Info>, LinkError> {
    let setup = [0xC0, info::REQUEST, 0, 0, 0, 0, info::LEN as u8, 0];
    let mut bytes = [0; info::LEN];
    match link.control_in(setup, &mut bytes, TIMEOUT) {
        Ok(length) => Ok(Info::decode(&bytes[..length])),
        Err(LinkError::Stall) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The sectors of a memory string, one by one.
fn sectors(text: &str) -> Result<Vec<SectorInfo>, JobError> {
    let bad = || JobError::Memory(text.to_owned());
    let (string, _) = memory::parse_front(text).map_err(|_| bad())?;
    let mut sectors = Vec::new();
    for group in string.groups() {
        for index in 0..group.count {
            sectors.push(SectorInfo {
                // The parser keeps a group inside the address space.
                base: group.base.wrapping_add(index.wrapping_mul(group.sector_size)),
                size: group.sector_size,
                readable: group.access.is_readable(),
                erasable: group.access.is_erasable(),
                writable: group.access.is_writable(),
            });
            if sectors.len() > MOST_SECTORS {
                return Err(bad());
            }
        }
    }
    sectors.sort_by_key(|s| s.base);
    Ok(sectors)
}
