//! The boot decision: facts in, decision out, and nothing else.
//!
//! The firmware asks at reset, in the order of the reasons; the first that calls for update mode wins
//! and is what the host can read. An image is only looked at when nothing else keeps the board in
//! update mode.

use crate::image::{ImageFault, VerifiedImage};

/// Why the board is in update mode. The numbers travel in [`crate::info::Info`] and
/// [`crate::handoff::Record`]; they never change. 0 means: it is not, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The magic word in the RTC backup register.
    MagicWord = 1,
    /// The magic word in retained RAM.
    MagicRam = 2,
    /// The button was held.
    Button = 3,
    /// Two resets inside the window.
    DoubleTap = 4,
    /// No slot holds an image that the policy accepts.
    NoValidImage = 5,
    /// The configuration block cannot be used.
    Configuration = 6,
    /// The host ended an update with an image that was refused.
    Refused = 7,
}

impl Reason {
    /// The reason with this number, `None` for 0 and for numbers of later versions.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::MagicWord,
            2 => Self::MagicRam,
            3 => Self::Button,
            4 => Self::DoubleTap,
            5 => Self::NoValidImage,
            6 => Self::Configuration,
            7 => Self::Refused,
            _ => return None,
        })
    }
}

/// Where to go.
#[derive(Debug)]
pub enum Decision {
    /// Jump to this image.
    Boot(VerifiedImage),
    /// Stay, for this reason; with the image's fault when that is the reason.
    Update(Reason, Option<ImageFault>),
}

/// Decides. `verify` proves the best image; it is called only when nothing has `asked` for update mode.
pub fn decide(asked: Option<Reason>, verify: impl FnOnce() -> Result<VerifiedImage, ImageFault>) -> Decision {
    if let Some(reason) = asked {
        return Decision::Update(reason, None);
    }
    match verify() {
        Ok(image) => Decision::Boot(image),
        Err(fault) => Decision::Update(Reason::NoValidImage, Some(fault)),
    }
}
