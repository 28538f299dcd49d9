//! A checked board: everything a bootloader, a linker script or a document needs to know of it.

use crate::clock::Clocks;
use crate::disk::{self, Files, Folder};
use crate::error::BoardError;
use crate::file;
use crate::layout::{Layout, Use};
use std::path::Path;
use surefoot_chips::{Chip, Supply};
use surefoot_core::config::{Key, Pin, Policy, Slot, Strategy};
use surefoot_core::image::manifest;

/// A board whose file was checked.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its name.
    pub name: String,
    /// Its id, which images name: from the file, or the CRC-32 (STM32 unit) of the name in UTF-8,
    /// padded with zero bytes to whole words. Never 0, which stands for any board.
    pub id: u32,
    /// Its chip.
    pub chip: Chip,
    /// [`surefoot_core::config::BinaryHeader::family`] of the bootloader it takes.
    pub binary_family: u16,
    /// Its supply voltage.
    pub supply: &'static Supply,
    /// The flash.
    pub layout: Layout,
    /// What an update does with the slots.
    pub strategy: Strategy,
    /// The clocks.
    pub clocks: Clocks,
    /// USB.
    pub usb: Usb,
    /// The LED, if there is one.
    pub led: Option<Pin>,
    /// The button, if there is one.
    pub button: Option<Pin>,
    /// The boot decision.
    pub boot: Boot,
    /// What an image must bring.
    pub policy: Policy,
    /// Public keys, revoked ones included.
    pub keys: Vec<Key>,
    /// What is legal, but worth a second look.
    pub warnings: Vec<String>,
}

/// The USB side of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usb {
    /// idVendor.
    pub vid: u16,
    /// idProduct.
    pub pid: u16,
    /// bcdDevice.
    pub bcd_device: u16,
    /// iManufacturer.
    pub manufacturer: String,
    /// iProduct.
    pub product: String,
    /// wTransferSize.
    pub transfer_size: u16,
    /// DfuSe read unprotect is allowed.
    pub read_unprotect: bool,
}

/// How a board decides what to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The magic word.
    pub magic: u32,
    /// The RTC backup register with the magic word.
    pub backup_register: u8,
    /// Double-tap window in milliseconds, 0: off.
    pub double_tap_ms: u32,
    /// Milliseconds in update mode without traffic, 0: for ever.
    pub timeout_ms: u32,
    /// The bootloader starts the independent watchdog.
    pub watchdog: bool,
    /// Who may change the option bytes.
    pub option_bytes: OptionBytes,
    /// Boots in which a new image has to confirm itself; 0: it need not.
    pub trial_boots: u8,
}

/// Who may change the option bytes: write protection, read protection, brown-out level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionBytes {
    /// A host, in update mode, as far as it takes no protection away. They are locked before an application
    /// starts.
    Host,
    /// The application, too.
    Application,
    /// Neither.
    Locked,
}

impl Board {
    /// Reads and checks the board file at `path`; names of key files are relative to it.
    pub fn load(path: &Path) -> Result<Self, BoardError> {
        disk::load(path)
    }

    /// Checks the text of a board file; names of key files are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, BoardError> {
        file::parse(text, &Folder(folder))
    }

    /// Checks the text of a board file whose key files are among `files`; opens none itself.
    pub fn parse_with(text: &str, files: &dyn Files) -> Result<Self, BoardError> {
        file::parse(text, files)
    }

    /// The application's slot, the first of two where there are two.
    pub fn slot(&self) -> Slot {
        let area = self.layout.application();
        Slot { base: area.base, length: area.size }
    }

    /// The slots by their numbers: one, or two.
    pub fn slots(&self) -> Vec<Slot> {
        self.layout.slots().map(|area| Slot { base: area.base, length: area.size }).collect()
    }

    /// The slots that an image can be linked for: both under the strategy `ab`, the first otherwise.
    pub fn running_slots(&self) -> Vec<Slot> {
        let mut slots = self.slots();
        slots.truncate(if self.strategy == Strategy::Ab { 2 } else { 1 });
        slots
    }

    /// True when updates and boots are recorded, so that images need a manifest.
    pub fn has_journal(&self) -> bool {
        self.layout.area(Use::Journal).is_some()
    }

    /// The bootloader's region.
    pub fn bootloader(&self) -> Slot {
        let area = self.layout.bootloader();
        Slot { base: area.base, length: area.size }
    }

    /// DEV_ID of the chip.
    pub fn device_id(&self) -> u16 {
        self.chip.device_id.unwrap_or(0)
    }

    /// Bytes at the slot's end that the linker keeps free: for the manifest, or the CRC-32 word.
    /// Under the policy `none` an image may fill its slot.
    pub fn reserved(&self) -> u32 {
        if self.policy == Policy::None { 0 } else { manifest::LEN as u32 }
    }

    /// VECT_TAB_OFFSET: from the start of flash to the application's vector table.
    pub fn vector_table_offset(&self) -> u32 {
        self.slot().base - self.layout.flash.base()
    }

    /// The key under which a board file says where a region is.
    pub(crate) fn layout_key(what: Use) -> &'static str {
        match what {
            Use::Free => "dual-bank",
            other => other.name(),
        }
    }
}
