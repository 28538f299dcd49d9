//! Why an update that the application writes cannot go on, with the numbers that C sees.

use surefoot_core::image::ImageFault;
use surefoot_core::port::FlashFault;

/// Why a call of the [`crate::Updater`] or a confirmation failed, or the state could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No bootloader with a sealed block stands at the start of flash, or what runs is in none of its
    /// slots.
    NoBootloader,
    /// The board has no journal: nothing is known of trials and updates.
    NoJournal,
    /// The board's strategy is not `ab`: there is no slot that the application could write while it
    /// runs. Ask for update mode instead ([`crate::request_update`]).
    Strategy,
    /// The running image is on trial. It confirms itself first ([`crate::confirm`]): until then the
    /// other slot holds the image to go back to.
    OnTrial,
    /// The other slot holds the confirmed image.
    NotOpen,
    /// The bytes begin before the end of those that were written already.
    Order,
    /// The bytes end behind the slot.
    TooLong,
    /// The vector table in force (VTOR) is neither in the running slot nor in RAM.
    VectorTable,
    /// The flash failed. The update is over; another one may begin.
    Flash(FlashFault),
    /// What was written is no image for this slot of this board, or it is not whole.
    Image(ImageFault),
}

impl Error {
    /// The number in `surefoot.h`: 0x100 and 0x200 and above carry a fault's own number.
    pub const fn number(self) -> u32 {
        match self {
            Self::NoBootloader => 1,
            Self::NoJournal => 2,
            Self::Strategy => 3,
            Self::OnTrial => 4,
            Self::NotOpen => 5,
            Self::Order => 6,
            Self::TooLong => 7,
            // 8 to 10 are the C library's own.
            Self::VectorTable => 11,
            Self::Flash(fault) => 0x100 | fault as u32,
            Self::Image(fault) => 0x200 | fault as u32,
        }
    }
}

impl From<FlashFault> for Error {
    fn from(fault: FlashFault) -> Self {
        Self::Flash(fault)
    }
}
