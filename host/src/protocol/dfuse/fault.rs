//! What a DfuSe device can say no with, in words and with a remedy.

use crate::explain::{Explain, sentence};
use crate::texts;
use surefoot_core::dfu::Status;
use surefoot_core::port::FlashFault;

/// Why a DfuSe device did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DfuseFault {
    /// The memory string cannot be read.
    #[error("the device's memory string {0:?} cannot be read")]
    Memory(String),
    /// The device reported an error.
    #[error("the device reported {} while {doing}", status_name(*.status))]
    Refused {
        /// Its status.
        status: Status,
        /// What was being done.
        doing: String,
        /// What our bootloader says of the flash.
        fault: Option<FlashFault>,
    },
    /// The device broke the protocol.
    #[error("the device broke the DFU protocol while {doing}: {what}")]
    Broken {
        /// What was being done.
        doing: String,
        /// What it did.
        what: String,
    },
}

impl Explain for DfuseFault {
    fn code(&self) -> String {
        match self {
            Self::Memory(_) => "device.memory-string".into(),
            Self::Refused { status, .. } => format!("device.{}", status_name(*status)),
            Self::Broken { .. } => "device.protocol".into(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Memory(_) => "Without it the sectors of the flash are not known.".into(),
            Self::Refused { fault: Some(fault), .. } => sentence(texts::flash_fault(*fault).what),
            Self::Refused { status, .. } => sentence(status_text(*status)),
            Self::Broken { .. } => "It may be a bootloader that follows another version of DFU.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Memory(_) => "Update the bootloader; ST's and ours begin with @Internal Flash.".into(),
            Self::Refused { fault: Some(fault), .. } => sentence(texts::flash_fault(*fault).remedy),
            Self::Refused { status: Status::Vendor, .. } => {
                "Readout protection is on: take it off, which erases the chip.".into()
            }
            Self::Refused { status: Status::Address, .. } => {
                "Link the image for the slot that an update goes to now; `surefoot info` shows it and draws what is \
                 writable."
                    .into()
            }
            Self::Refused { status: Status::Target | Status::File, .. } => {
                "Give the file that was made for this device; `surefoot info` shows which one it is.".into()
            }
            Self::Refused { .. } | Self::Broken { .. } => {
                "Reset the board into update mode and flash again; the bootloader itself is untouched.".into()
            }
        }
    }
}

/// A DFU status by its name in the standard.
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Ok => "OK",
        Status::Target => "errTARGET",
        Status::File => "errFILE",
        Status::Write => "errWRITE",
        Status::Erase => "errERASE",
        Status::CheckErased => "errCHECK_ERASED",
        Status::Program => "errPROG",
        Status::Verify => "errVERIFY",
        Status::Address => "errADDRESS",
        Status::NotDone => "errNOTDONE",
        Status::Firmware => "errFIRMWARE",
        Status::Vendor => "errVENDOR",
        Status::UsbReset => "errUSBR",
        Status::PowerOnReset => "errPOR",
        Status::Unknown => "errUNKNOWN",
        Status::StalledPacket => "errSTALLEDPKT",
    }
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::Target => "the file is not for this device",
        Status::File => "the file failed a check of the device",
        Status::Write => "the memory cannot be written",
        Status::Erase => "the erase failed",
        Status::CheckErased => "the place was not erased before the write",
        Status::Program => "programming failed",
        Status::Verify => "what the device read back is not what was sent",
        Status::Address => "the address is not one that a host may write",
        Status::Firmware => "its firmware is damaged",
        Status::Vendor => "ST's bootloader says so when the chip is read-protected",
        Status::StalledPacket => "a request came that it does not know in its state",
        _ => "it gives no further reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_fits_the_status_that_the_device_reported() {
        let told = |status| DfuseFault::Refused { status, doing: "erasing".into(), fault: None }.remedy();
        for (status, part) in [
            (Status::Address, "the slot that an update goes to"),
            (Status::File, "the file that was made for this device"),
            (Status::Vendor, "Readout protection"),
            (Status::Program, "flash again"),
        ] {
            assert!(told(status).contains(part), "{status:?}: {}", told(status));
        }
    }
}
