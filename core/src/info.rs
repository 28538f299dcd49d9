//! What a running bootloader tells the host about itself, in one vendor request.
//!
//! `bmRequestType` 0xC0, `bRequest` [`REQUEST`], `wValue` 0, `wIndex` 0, at most [`LEN`] bytes in.
//! A board without it (ST's ROM bootloader) stalls, which tells the two apart.

/// bRequest of the info request ("S").
pub const REQUEST: u8 = 0x53;
/// Bytes of the answer.
pub const LEN: usize = 64;
/// First word: "SFI1".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SFI1");

/// [`Info::flags`]: the crystal did not start, or has another frequency than the
/// block says ([`Info::hse_ticks`]); the clocks run from HSI.
pub const FLAG_HSE_FAILED: u8 = 1 << 0;
/// [`Info::flags`]: the chip's DEV_ID is not the one the block was sealed for.
pub const FLAG_WRONG_CHIP: u8 = 1 << 1;

/// OPTSTRT and OPTLOCK, which the answer may carry with the option bytes (RM0090, 3.9.9).
const OPTCR_CONTROL: u32 = 0b11;

/// [`Info::hse_ticks`] times the frequency of HSE in hertz: HSI's 16 MHz over eight edges of HSE / 31.
pub const HSE_TICKS_HZ: u32 = 16_000_000 * 8 * 31;

/// The answer. Zero stands for "nothing to report" in every field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Bootloader version: major, minor, patch.
    pub version: [u8; 3],
    /// [`crate::config::BinaryHeader::family`].
    pub family: u16,
    /// [`crate::config::BinaryHeader::features`].
    pub features: u16,
    /// [`crate::config::ConfigFault`] as a number, 0 when the block is good.
    pub config_fault: u8,
    /// [`crate::decide::Reason`] as a number.
    pub reason: u8,
    /// [`crate::image::ImageFault`] as a number: why the slot's image is not bootable, 0 if it is.
    pub image_fault: u8,
    /// [`crate::config::Policy`] as a number.
    pub policy: u8,
    /// As [`crate::handoff::Record::reset_cause`].
    pub reset_cause: u8,
    /// The FLAG_ constants.
    pub flags: u8,
    /// [`crate::port::FlashFault`] of the last failed flash operation, 0 when none failed.
    pub last_fault: u8,
    /// DEV_ID that the chip itself reports.
    pub device_id: u16,
    /// Flash size in KiB that the chip itself reports.
    pub flash_kib: u16,
    /// From the block.
    pub board_id: u32,
    /// The slot that an update goes to; the other fields on images are about this one.
    pub slot_base: u32,
    /// Bytes of the slot.
    pub slot_length: u32,
    /// The option bytes as the chip has loaded them, in the order of FLASH_OPTCR (RM0090, 3.9.9).
    pub options: u32,
    /// The chip's 96-bit unique id, as its bytes stand in memory.
    pub unique_id: [u8; 12],
    /// What HSE measured, by HSI: [`HSE_TICKS_HZ`] over its frequency. 0: it was not measured.
    pub hse_ticks: u16,
}

/// Offsets of the answer's fields, the one place that knows them.
pub mod at {
    #![allow(missing_docs)]
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 4;
    pub const FAMILY: usize = 8;
    pub const FEATURES: usize = 10;
    pub const CONFIG_FAULT: usize = 12;
    pub const REASON: usize = 13;
    pub const IMAGE_FAULT: usize = 14;
    pub const POLICY: usize = 15;
    pub const RESET_CAUSE: usize = 16;
    pub const FLAGS: usize = 17;
    pub const LAST_FAULT: usize = 18;
    pub const DEVICE_ID: usize = 20;
    pub const FLASH_KIB: usize = 22;
    pub const BOARD_ID: usize = 24;
    pub const SLOT_BASE: usize = 28;
    pub const SLOT_LENGTH: usize = 32;
    pub const OPTIONS: usize = 36;
    pub const UNIQUE_ID: usize = 40;
    pub const HSE_TICKS: usize = 52;
}

/// The answer's bytes, filled in field by field where they are sent from: the firmware has no room
/// for an [`Info`] beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer([u8; LEN]);

impl Answer {
    /// Zeros: not an answer before the magic is in it.
    pub const EMPTY: Self = Self([0; LEN]);

    /// The bytes as they travel.
    pub const fn bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// Sets a field of one byte.
    #[inline(always)]
    pub fn u8(&mut self, at: usize, value: u8) {
        self.0[at] = value;
    }

    /// Sets a field of two bytes.
    #[inline(always)]
    pub fn u16(&mut self, at: usize, value: u16) {
        [self.0[at], self.0[at + 1]] = value.to_le_bytes();
    }

    /// Sets a field of four bytes.
    #[inline(always)]
    pub fn u32(&mut self, at: usize, value: u32) {
        [self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]] = value.to_le_bytes();
    }

    /// Sets the unique id.
    #[inline(always)]
    pub fn unique_id(&mut self, id: &[u8; 12]) {
        self.0[at::UNIQUE_ID..at::UNIQUE_ID + 12].copy_from_slice(id);
    }

    /// Sets the three bytes of a bootloader's version.
    #[inline(always)]
    pub fn version(&mut self, [major, minor, patch]: [u8; 3]) {
        self.u32(at::VERSION, u32::from_le_bytes([major, minor, patch, 0]));
    }
}

impl Info {
    /// What HSE measured, in hertz, as exact as HSI is (DS8626, table 41: 1 % at 25 degrees, 8 % from -40 on).
    pub fn hse_hz(&self) -> Option<u32> {
        HSE_TICKS_HZ.checked_div(self.hse_ticks.into())
    }

    /// The answer's bytes.
    pub fn encode(&self) -> [u8; LEN] {
        self.answer().0
    }

    /// The answer.
    pub fn answer(&self) -> Answer {
        let mut out = Answer::EMPTY;
        out.u32(at::MAGIC, MAGIC);
        out.version(self.version);
        out.u16(at::FAMILY, self.family);
        out.u16(at::FEATURES, self.features);
        out.u8(at::CONFIG_FAULT, self.config_fault);
        out.u8(at::REASON, self.reason);
        out.u8(at::IMAGE_FAULT, self.image_fault);
        out.u8(at::POLICY, self.policy);
        out.u8(at::RESET_CAUSE, self.reset_cause);
        out.u8(at::FLAGS, self.flags);
        out.u8(at::LAST_FAULT, self.last_fault);
        out.u16(at::DEVICE_ID, self.device_id);
        out.u16(at::FLASH_KIB, self.flash_kib);
        out.u32(at::BOARD_ID, self.board_id);
        out.u32(at::SLOT_BASE, self.slot_base);
        out.u32(at::SLOT_LENGTH, self.slot_length);
        out.u32(at::OPTIONS, self.options);
        out.unique_id(&self.unique_id);
        out.u16(at::HSE_TICKS, self.hse_ticks);
        out
    }

    /// The answer in `bytes`, or `None` when they are not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let b: &[u8; LEN] = bytes.first_chunk()?;
        let u16_at = |at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        (u32_at(at::MAGIC) == MAGIC).then(|| Self {
            version: [b[at::VERSION], b[at::VERSION + 1], b[at::VERSION + 2]],
            family: u16_at(at::FAMILY),
            features: u16_at(at::FEATURES),
            config_fault: b[at::CONFIG_FAULT],
            reason: b[at::REASON],
            image_fault: b[at::IMAGE_FAULT],
            policy: b[at::POLICY],
            reset_cause: b[at::RESET_CAUSE],
            flags: b[at::FLAGS],
            last_fault: b[at::LAST_FAULT],
            device_id: u16_at(at::DEVICE_ID),
            flash_kib: u16_at(at::FLASH_KIB),
            board_id: u32_at(at::BOARD_ID),
            slot_base: u32_at(at::SLOT_BASE),
            slot_length: u32_at(at::SLOT_LENGTH),
            options: u32_at(at::OPTIONS) & !OPTCR_CONTROL,
            unique_id: core::array::from_fn(|i| b[at::UNIQUE_ID + i]),
            hse_ticks: u16_at(at::HSE_TICKS),
        })
    }
}
