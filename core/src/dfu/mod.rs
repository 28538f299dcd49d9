//! DFU 1.1 with DfuSe: device engine, host engine, memory string.
//!
//! Here are the numbers that both ends share. The device end stands behind [`crate::usb::Control`]
//! and hands out flash jobs; the host end tells its driver which control transfers to make.

pub mod device;
pub mod host;
pub mod memory;

/// bRequest values (DFU 1.1, table 3.2).
pub mod request {
    /// DFU_DETACH, out.
    pub const DETACH: u8 = 0;
    /// DFU_DNLOAD, out.
    pub const DNLOAD: u8 = 1;
    /// DFU_UPLOAD, in.
    pub const UPLOAD: u8 = 2;
    /// DFU_GETSTATUS, in, six bytes.
    pub const GETSTATUS: u8 = 3;
    /// DFU_CLRSTATUS, out.
    pub const CLRSTATUS: u8 = 4;
    /// DFU_GETSTATE, in, one byte.
    pub const GETSTATE: u8 = 5;
    /// DFU_ABORT, out.
    pub const ABORT: u8 = 6;
    /// bmRequestType of the requests that go out.
    pub const OUT: u8 = 0x21;
    /// bmRequestType of the requests that come in.
    pub const IN: u8 = 0xA1;
}

/// First byte of a DNLOAD with block number 0 (DfuSe 1.1a, ST UM0424 and AN3156).
pub mod command {
    /// Answered by UPLOAD of block 0: the list of commands.
    pub const GET: u8 = 0x00;
    /// Set address pointer; four bytes, little-endian, follow.
    pub const SET_ADDRESS: u8 = 0x21;
    /// Erase the sector at the address that follows, or, alone, everything writable.
    pub const ERASE: u8 = 0x41;
    /// Take the read protection off, which erases the chip.
    pub const READ_UNPROTECT: u8 = 0x92;
    /// Ours, unlisted: program the option bytes with the value that follows, as FLASH_OPTCR holds them.
    /// Refused where it would take protection from the bootloader.
    pub const OPTIONS: u8 = 0x50;
}

/// bState (DFU 1.1, section 6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// appIDLE: an application with a DFU interface runs.
    AppIdle = 0,
    /// appDETACH: it waits for the bus reset.
    AppDetach = 1,
    /// dfuIDLE.
    Idle = 2,
    /// dfuDNLOAD-SYNC: a block came, the host has not asked for the status yet.
    DownloadSync = 3,
    /// dfuDNBUSY: the block is being worked on.
    DownloadBusy = 4,
    /// dfuDNLOAD-IDLE: ready for the next block.
    DownloadIdle = 5,
    /// dfuMANIFEST-SYNC: the last block came, the host has not asked for the status yet.
    ManifestSync = 6,
    /// dfuMANIFEST.
    Manifest = 7,
    /// dfuMANIFEST-WAIT-RESET.
    ManifestWaitReset = 8,
    /// dfuUPLOAD-IDLE: ready for the next UPLOAD.
    UploadIdle = 9,
    /// dfuERROR: until CLRSTATUS.
    Error = 10,
}

impl State {
    /// The state with this number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::AppIdle,
            1 => Self::AppDetach,
            2 => Self::Idle,
            3 => Self::DownloadSync,
            4 => Self::DownloadBusy,
            5 => Self::DownloadIdle,
            6 => Self::ManifestSync,
            7 => Self::Manifest,
            8 => Self::ManifestWaitReset,
            9 => Self::UploadIdle,
            10 => Self::Error,
            _ => return None,
        })
    }
}

/// bStatus (DFU 1.1, section 6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// OK.
    Ok = 0x00,
    /// errTARGET: not for this device.
    Target = 0x01,
    /// errFILE: fails a check of the device's vendor.
    File = 0x02,
    /// errWRITE: memory cannot be written.
    Write = 0x03,
    /// errERASE: the erase failed.
    Erase = 0x04,
    /// errCHECK_ERASED: not erased after an erase.
    CheckErased = 0x05,
    /// errPROG: programming failed.
    Program = 0x06,
    /// errVERIFY: what was read back is not what was programmed.
    Verify = 0x07,
    /// errADDRESS: the address is out of range.
    Address = 0x08,
    /// errNOTDONE: the end came before all data.
    NotDone = 0x09,
    /// errFIRMWARE: the firmware is corrupt.
    Firmware = 0x0A,
    /// errVENDOR.
    Vendor = 0x0B,
    /// errUSBR: an unexpected bus reset.
    UsbReset = 0x0C,
    /// errPOR: an unexpected power-on reset.
    PowerOnReset = 0x0D,
    /// errUNKNOWN.
    Unknown = 0x0E,
    /// errSTALLEDPKT: an unexpected request was stalled.
    StalledPacket = 0x0F,
}

impl Status {
    /// The status with this number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0x00 => Self::Ok,
            0x01 => Self::Target,
            0x02 => Self::File,
            0x03 => Self::Write,
            0x04 => Self::Erase,
            0x05 => Self::CheckErased,
            0x06 => Self::Program,
            0x07 => Self::Verify,
            0x08 => Self::Address,
            0x09 => Self::NotDone,
            0x0A => Self::Firmware,
            0x0B => Self::Vendor,
            0x0C => Self::UsbReset,
            0x0D => Self::PowerOnReset,
            0x0E => Self::Unknown,
            0x0F => Self::StalledPacket,
            _ => return None,
        })
    }
}
