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

/// [`Info::flags`]: the crystal did not start, the clocks run from HSI.
pub const FLAG_HSE_FAILED: u8 = 1 << 0;
/// [`Info::flags`]: the chip's DEV_ID is not the one the block was sealed for.
pub const FLAG_WRONG_CHIP: u8 = 1 << 1;

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
    /// The slot.
    pub slot_base: u32,
    /// Bytes of the slot.
    pub slot_length: u32,
    /// Version of the image in the slot, from its manifest if it has a readable one.
    pub image_version: [u16; 3],
    /// Its security counter.
    pub security_counter: u32,
    /// Its length in bytes without the manifest.
    pub image_length: u32,
}

impl Info {
    /// The answer's bytes.
    pub fn encode(&self) -> [u8; LEN] {
        let [a, b, c] = self.version;
        let [major, minor, patch] = self.image_version.map(u32::from);
        let pair = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
        let words = [
            MAGIC,
            u32::from_le_bytes([a, b, c, 0]),
            pair(self.family, self.features),
            u32::from_le_bytes([self.config_fault, self.reason, self.image_fault, self.policy]),
            u32::from_le_bytes([self.reset_cause, self.flags, self.last_fault, 0]),
            pair(self.device_id, self.flash_kib),
            self.board_id,
            self.slot_base,
            self.slot_length,
            major | minor << 16,
            patch,
            self.security_counter,
            self.image_length,
        ];
        let mut out = [0; LEN];
        for (to, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        out
    }

    /// The answer in `bytes`, or `None` when they are not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let b: &[u8; LEN] = bytes.first_chunk()?;
        let u16_at = |at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        (u32_at(0) == MAGIC).then(|| Self {
            version: [b[4], b[5], b[6]],
            family: u16_at(8),
            features: u16_at(10),
            config_fault: b[12],
            reason: b[13],
            image_fault: b[14],
            policy: b[15],
            reset_cause: b[16],
            flags: b[17],
            last_fault: b[18],
            device_id: u16_at(20),
            flash_kib: u16_at(22),
            board_id: u32_at(24),
            slot_base: u32_at(28),
            slot_length: u32_at(32),
            image_version: [u16_at(36), u16_at(38), u16_at(40)],
            security_counter: u32_at(44),
            image_length: u32_at(48),
        })
    }
}
