//! Why a job stopped, with its remedy.

use super::protection::Level;
use crate::explain::{Explain, sentence};
use crate::image::{ImageError, Refused};
use crate::link::LinkError;
use crate::protocol::{Fault, SectorInfo};
use crate::texts;
use surefoot_core::config::{ConfigFault, Policy, Slot};
use surefoot_core::image::ImageFault;
use surefoot_core::port::FlashFault;

/// What sets write protection of sector 0 and read protection from outside; the names are those that `-ob displ` shows.
const OPTION_BYTES: &str = "`STM32_Programmer_CLI -c port=SWD -ob nWRP0=0` write-protects the bootloader's sector 0, \
    and after that `STM32_Programmer_CLI -c port=SWD -ob RDP=0xBB` sets read protection level 1 (`-ob displ` shows \
    the names for the chip; some call it WRP0)";

/// Why a job stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The image does not go into the slot.
    #[error(transparent)]
    Image(ImageError),
    /// The board would not boot it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// File and device do not go together.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// In the words of the protocol.
    #[error(transparent)]
    Protocol(Fault),
    /// What was read back is not what was written.
    #[error("at 0x{address:08X} the flash holds 0x{found:02X}, and 0x{wanted:02X} was written")]
    Mismatch {
        /// The first byte that differs.
        address: u32,
        /// In the file.
        wanted: u8,
        /// In the flash.
        found: u8,
    },
    /// The option bytes are others than were asked for.
    #[error("the option bytes are 0x{found:08X}, and 0x{wanted:08X} was asked for")]
    Options {
        /// Asked for.
        wanted: u32,
        /// Told afterwards.
        found: u32,
    },
    /// The board is back in update mode because it refused the image.
    #[error("the board refused the image{}", after(.0))]
    NotBooted(Option<ImageFault>),
    /// The same, because its security counter is too low.
    #[error("the board refused the image: {}", texts::downgrade(*.counter, *.floor))]
    Downgrade {
        /// The image's.
        counter: u32,
        /// The lowest that the board accepts.
        floor: u32,
    },
    /// The board did not leave update mode.
    #[error("the board did not leave update mode")]
    StillThere,
}

impl From<Fault> for JobError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Link(error) => Self::Link(error),
            Fault::NotOffered(address) => Refusal::NoMemory { address }.into(),
            other => Self::Protocol(other),
        }
    }
}

/// What does not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bootloader's configuration cannot be used.
    #[error("the bootloader's configuration block cannot be used: {}", config_text(*.fault, *.number))]
    Configuration {
        /// Why, when this version knows it.
        fault: Option<ConfigFault>,
        /// The number on the wire.
        number: u8,
    },
    /// Another chip.
    #[error("the board file is for device id 0x{file:03X}, the connected chip is 0x{device:03X}")]
    Chip {
        /// The chip's.
        device: u16,
        /// The file's.
        file: u16,
    },
    /// Another board.
    #[error("the board file is for board 0x{file:08X}, the connected board is 0x{device:08X}")]
    Board {
        /// The board's.
        device: u32,
        /// The file's.
        file: u32,
    },
    /// Another policy.
    #[error("the connected board's policy is \"{}\", the board file's \"{}\"",
        policy_text(*.device), texts::policy(*.file))]
    Policy {
        /// The board's, as it travels.
        device: u8,
        /// The file's.
        file: Policy,
    },
    /// Another layout.
    #[error("the connected board's slot is 0x{:08X} with {} bytes, the board file's 0x{:08X} with {}",
        .device.base, .device.length, .file.base, .file.length)]
    Layout {
        /// The board's.
        device: Slot,
        /// The file's.
        file: Slot,
    },
    /// The device does not let a host write there.
    #[error("0x{address:08X} lies in 0x{:08X}..0x{:08X}, which the device does not let a host write",
        .sector.base, .sector.end())]
    Protected {
        /// The first such byte.
        address: u32,
        /// Its sector.
        sector: SectorInfo,
    },
    /// The device has no memory there.
    #[error("the device has no flash at 0x{address:08X}")]
    NoMemory {
        /// The first such byte.
        address: u32,
    },
    /// Linked for the slot whose image the board keeps to go back to.
    #[error("the image is linked for {linked_name} at 0x{:08X}, the one that is free is {open_name} at 0x{:08X}",
        .linked.base, .open.base)]
    OtherSlot {
        /// The slot that the image is linked for.
        linked: Slot,
        /// Its name.
        linked_name: &'static str,
        /// The slot that an update goes to.
        open: Slot,
        /// Its name.
        open_name: &'static str,
    },
    /// None of several files is linked for the slot.
    #[error("none of the files is linked for {open_name} at 0x{:08X}, which is the one that is free", .open.base)]
    NoneFits {
        /// The slot that an update goes to.
        open: Slot,
        /// Its name.
        open_name: &'static str,
    },
    /// More than one file could go there.
    #[error("{count} files could go to the same place")]
    Ambiguous {
        /// So many.
        count: usize,
    },
    /// The image in use was not copied to the backup slot, so nothing is open.
    #[error("the board could not copy its image to the backup slot, and takes no update before that")]
    NoBackup {
        /// What our bootloader says of the flash.
        fault: Option<FlashFault>,
    },
    /// A lower level of read protection.
    #[error("read protection level {} cannot be brought back to level {}", *.from as u8, *.to as u8)]
    Lowers {
        /// In force.
        from: Level,
        /// Wanted.
        to: Level,
    },
    /// Level 2: the option bytes are as they are.
    #[error("read protection level 2 is in force: the option bytes cannot be changed any more")]
    Locked,
    /// The board file says `option-bytes = "locked"`.
    #[error("the board was sealed with `option-bytes = \"locked\"`: a host changes none of them")]
    OptionsFixed,
    /// Nobody tells the option bytes.
    #[error("this bootloader neither tells nor changes the option bytes")]
    NoOptions,
    /// It cannot be read back.
    #[error("the device does not let a host read 0x{address:08X}")]
    Unreadable {
        /// The first such byte.
        address: u32,
    },
}

fn config_text(fault: Option<ConfigFault>, number: u8) -> String {
    fault.map_or(format!("fault {number}"), |f| texts::config_fault(f).what.to_owned())
}

fn policy_text(number: u8) -> &'static str {
    texts::policy_by_number(number).map_or("unknown", texts::policy)
}

fn after(fault: &Option<ImageFault>) -> String {
    fault.map_or(String::new(), |f| format!(": {}", texts::image_fault(f).what))
}

impl Explain for JobError {
    fn code(&self) -> String {
        match self {
            Self::Link(e) => e.code(),
            Self::Image(e) => e.code(),
            Self::Refused(e) => e.code(),
            Self::Refusal(e) => e.code(),
            Self::Protocol(e) => e.code(),
            Self::Mismatch { .. } => "verify.mismatch".into(),
            Self::Options { .. } => "protect.mismatch".into(),
            Self::NotBooted(Some(fault)) => format!("image.{}", texts::image_fault(*fault).name),
            Self::NotBooted(None) => "image.refused".into(),
            Self::Downgrade { .. } => format!("image.{}", texts::image_fault(ImageFault::Downgrade).name),
            Self::StillThere => "device.still-there".into(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Link(e) => e.why(),
            Self::Image(e) => e.why(),
            Self::Refused(e) => e.why(),
            Self::Refusal(e) => e.why(),
            Self::Protocol(e) => e.why(),
            Self::Mismatch { .. } => "A byte was lost on the way, or the flash did not take it.".into(),
            Self::Options { .. } => "The chip did not take the change, or only a part of it.".into(),
            Self::NotBooted(_) | Self::Downgrade { .. } => {
                "The bootloader verifies each image before it starts it; nothing was started.".into()
            }
            Self::StillThere => "It answered the leave request but stayed on the bus.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Link(e) => e.remedy(),
            Self::Image(e) => e.remedy(),
            Self::Refused(e) => e.remedy(),
            Self::Refusal(e) => e.remedy(),
            Self::Protocol(e) => e.remedy(),
            Self::StillThere => {
                "Reset the board; if it stays in update mode, `surefoot info` tells why. What was written is complete."
                    .into()
            }
            Self::Mismatch { .. } => {
                "Flash again; if it happens at the same address, the flash is worn out or the supply too low."
                    .into()
            }
            Self::Options { .. } => {
                "Look at them with `surefoot protect`; if it stays so, use a debug probe.".into()
            }
            Self::NotBooted(Some(fault)) => sentence(texts::image_fault(*fault).remedy),
            Self::Downgrade { .. } => sentence(texts::image_fault(ImageFault::Downgrade).remedy),
            Self::NotBooted(None) => "Look at it with `surefoot info` and flash another image.".into(),
        }
    }
}

impl Explain for Refusal {
    fn code(&self) -> String {
        let name = match self {
            Self::Configuration { .. } => "configuration",
            Self::Chip { .. } => "other-chip",
            Self::Board { .. } => "other-board",
            Self::Policy { .. } => "other-policy",
            Self::Layout { .. } => "other-layout",
            Self::Protected { .. } => "protected",
            Self::NoMemory { .. } => "no-memory",
            Self::Unreadable { .. } => "unreadable",
            Self::OtherSlot { .. } => "other-slot",
            Self::NoneFits { .. } => "none-fits",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NoBackup { .. } => "no-backup",
            Self::Lowers { .. } => return "protect.lowers".into(),
            Self::Locked => return "protect.locked".into(),
            Self::OptionsFixed => return "protect.fixed".into(),
            Self::NoOptions => return "protect.not-offered".into(),
        };
        format!("plan.{name}")
    }

    fn why(&self) -> String {
        match self {
            Self::Configuration { .. } => {
                "Without it the bootloader knows neither its flash nor its keys.".into()
            }
            Self::Chip { .. } | Self::Board { .. } => "The image would be for other hardware.".into(),
            Self::Policy { .. } | Self::Layout { .. } => {
                "The bootloader was sealed from another version of the board file.".into()
            }
            Self::Protected { .. } => {
                "The bootloader and its records are there, or the board keeps it free.".into()
            }
            Self::NoMemory { .. } => {
                "The flash that the device names ends before it, or the address is for another chip.".into()
            }
            Self::Unreadable { .. } => "The memory string says so.".into(),
            Self::OtherSlot { open_name, .. } => format!(
                "An update goes to {open_name} now; the other slot is kept for the image that the board goes back to."
            ),
            Self::NoneFits { .. } => {
                "An image runs only where it is linked for, and the other slot holds the confirmed one."
                    .into()
            }
            Self::Ambiguous { .. } => {
                "Several files are for builds of one image, each linked for another slot.".into()
            }
            Self::NoBackup { fault: Some(fault) } => sentence(texts::flash_fault(*fault).what),
            Self::NoBackup { fault: None } => "The copy began and was not completed.".into(),
            Self::Lowers { .. } => {
                "Going back to level 0 erases the whole chip, the bootloader too (RM0090, 3.7.3).".into()
            }
            Self::Locked => "Level 2 cannot be undone (RM0090, 3.7.3).".into(),
            Self::OptionsFixed => {
                "Whoever reaches the USB port is not to change write protection, read protection or brown-out level.".into()
            }
            Self::NoOptions => {
                "ST's ROM bootloader and Surefoot's small build have no request for it.".into()
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Configuration { fault: Some(fault), .. } => sentence(texts::config_fault(*fault).remedy),
            Self::Configuration { fault: None, .. } => "Update this tool to the bootloader's version.".into(),
            Self::Chip { .. } | Self::Board { .. } => {
                "Give the board file of the connected board with --board, or connect the other one.".into()
            }
            Self::Policy { .. } | Self::Layout { .. } => "Take that version, or seal and write the bootloader again.".into(),
            Self::Protected { .. } => {
                "Link the application for its slot (see `surefoot layout`); `surefoot info` draws what is writable."
                    .into()
            }
            Self::NoMemory { .. } => "Check the chip, the address and the length.".into(),
            Self::Unreadable { .. } => "Read a range that the device offers; `surefoot info` draws it.".into(),
            Self::OtherSlot { open, open_name, .. } | Self::NoneFits { open, open_name } => format!(
                "Link it for {open_name}: {} `surefoot layout --out` writes the linker scripts of both slots; \
                 give both builds to `surefoot flash A B` and it takes the one that fits.",
                crate::explain::link_address(open.base)
            ),
            Self::Ambiguous { .. } => "Give one file for each slot; for ST's ROM bootloader give a single file.".into(),
            Self::NoBackup { .. } => texts::NO_BACKUP.into(),
            Self::Lowers { .. } => {
                "Only a debug probe takes the protection back, which erases the flash; write bootloader and application again then.".into()
            }
            Self::Locked => "No change is possible on this chip any more; the protection stays as it is.".into(),
            Self::OptionsFixed => {
                format!(
                    "Use a debug probe: {OPTION_BYTES}; or seal a bootloader from a board file with \
                     `option-bytes = \"host\"`."
                )
            }
            Self::NoOptions => {
                "Use a debug probe or ST's tools, or seal the full build; on ST's ROM bootloader this comes with a later version.".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_that_stays_holds_a_whole_image_and_only_has_to_be_started() {
        assert!(!JobError::StillThere.remedy().contains("flash again"), "{}", JobError::StillThere.remedy());
        assert!(JobError::StillThere.remedy().contains("Reset the board"));
    }
}
