//! What a binary says of itself, and where the host finds its block.

use super::BLOCK_LEN;

/// Bytes of the header before the block.
pub const HEADER_LEN: usize = 32;
/// First bytes of the header.
pub const HEADER_MAGIC: [u8; 16] = *b"SUREFOOT BINARY\x01";

/// What stands before the block in a binary: 32 bytes, by which the host tool finds the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryHeader {
    /// Version of the bootloader: major, minor, patch.
    pub version: [u8; 3],
    /// The family, as in 0x00F4 for STM32F4.
    pub family: u16,
    /// The FEATURE_ constants.
    pub features: u16,
}

/// [`BinaryHeader::features`]: signatures can be verified.
pub const FEATURE_SIGNATURE: u16 = 1 << 0;
/// [`BinaryHeader::features`]: slots, trial boots, rollback and the journal are built in.
pub const FEATURE_FAILSAFE: u16 = 1 << 1;
/// [`BinaryHeader::family`] of the STM32F4 binaries.
pub const FAMILY_F4: u16 = 0x00F4;

impl BinaryHeader {
    /// The header's bytes.
    pub const fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let mut i = 0;
        while i < 16 {
            out[i] = HEADER_MAGIC[i];
            i += 1;
        }
        out[16] = self.version[0];
        out[17] = self.version[1];
        out[18] = self.version[2];
        let (f, t, l) =
            (self.family.to_le_bytes(), self.features.to_le_bytes(), (BLOCK_LEN as u16).to_le_bytes());
        (out[20], out[21], out[22], out[23], out[24], out[25]) = (f[0], f[1], t[0], t[1], l[0], l[1]);
        out
    }

    /// Finds the one header in a binary and the offset of the block behind it.
    ///
    /// `None` when there is no header, more than one, or no room for the block.
    pub fn find(binary: &[u8]) -> Option<(Self, usize)> {
        let mut places = (0..binary.len().saturating_sub(HEADER_LEN + BLOCK_LEN - 1))
            .step_by(4)
            .filter(|&o| binary[o..].starts_with(&HEADER_MAGIC));
        let o = places.next()?;
        if places.next().is_some() {
            return None;
        }
        let h = &binary[o..o + HEADER_LEN];
        let header = Self {
            version: [h[16], h[17], h[18]],
            family: u16::from_le_bytes([h[20], h[21]]),
            features: u16::from_le_bytes([h[22], h[23]]),
        };
        (u16::from_le_bytes([h[24], h[25]]) == BLOCK_LEN as u16).then_some((header, o + HEADER_LEN))
    }
}
