//! The manifest: what an image says of itself, signed.
//!
//! It follows the image, at a multiple of four bytes. Reserved vectors 8, 9 and 10 (offsets 0x20,
//! 0x24, 0x28) hold [`VECTOR_MAGIC`], the manifest's offset and that offset's complement, so a raw
//! `.bin` written by any tool carries everything. Integers are little-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0x00 | 4 | magic "SFM1" |
//! | 0x04 | 2, 2 | format 1, length of the manifest 0xC0 |
//! | 0x08 | 4 | image length: bytes from the slot's base to the manifest |
//! | 0x0C | 4 | address the image is linked for |
//! | 0x10 | 2, 2, 2 | version: major, minor, patch |
//! | 0x16 | 2 | device id of the chip (DBGMCU), 0: any |
//! | 0x18 | 4 | security counter |
//! | 0x1C | 4 | board id, 0: any |
//! | 0x20 | 4 | CRC-32 of the image |
//! | 0x24 | 4 | signature algorithm: 0 none, 1 Ed25519 |
//! | 0x28 | 32 | SHA-256 of the image |
//! | 0x48 | 4 | key id: first four bytes of the public key's SHA-256 |
//! | 0x4C | 1 | encryption, 0: none |
//! | 0x4D | 1 | keys revoked once the image is confirmed: bit i is the board's key i |
//! | 0x4E | 2 | reserved, 0 |
//! | 0x50 | 4 | override of the security counter: 0 none, 1 for this image, 2 on one device only |
//! | 0x54 | 12 | that device's unique id, or 0 |
//! | 0x60 | 64 | signature over bytes 0x00-0x5F |
//! | 0xA0 | 4 | CRC-32 of bytes 0x00-0x9F |
//! | 0xA4 | 28 | 0xFF |

use super::crc32;

/// In reserved vector 8: "SFV1".
pub const VECTOR_MAGIC: u32 = u32::from_le_bytes(*b"SFV1");
/// Offset of reserved vector 8 in the image.
pub const VECTOR_OFFSET: usize = 0x20;
/// First word: "SFM1".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SFM1");
/// Version of the layout.
pub const FORMAT: u16 = 1;
/// Bytes of a manifest.
pub const LEN: usize = 0xC0;
/// Bytes that the signature covers.
pub const SIGNED_LEN: usize = 0x60;

const SIGNATURE: usize = 0x60;
const CRC: usize = 0xA0;

/// Semantic version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Incompatible changes.
    pub major: u16,
    /// Additions.
    pub minor: u16,
    /// Corrections.
    pub patch: u16,
}

/// Signature algorithm of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Not signed.
    None = 0,
    /// Ed25519 (RFC 8032).
    Ed25519 = 1,
}

/// The manufacturer's leave to run an image whose security counter is too low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Override {
    /// None is given.
    #[default]
    None,
    /// For this image, on any device.
    Image,
    /// For this image on the device with this 96-bit unique id.
    Device([u8; 12]),
}

impl Override {
    const IMAGE: u32 = 1;
    const DEVICE: u32 = 2;
}

/// The values of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Bytes from the slot's base to the manifest.
    pub image_length: u32,
    /// The slot's base that the image is linked for.
    pub load_address: u32,
    /// Its version.
    pub version: Version,
    /// DEV_ID of the chip, 0 for any.
    pub device_id: u16,
    /// Rises when older images must not come back.
    pub security_counter: u32,
    /// The board's id, 0 for any.
    pub board_id: u32,
    /// CRC-32 of the image.
    pub crc: u32,
    /// How it is signed.
    pub algorithm: Algorithm,
    /// SHA-256 of the image.
    pub sha256: [u8; 32],
    /// First four bytes of the signing key's SHA-256, as stored.
    pub key_id: [u8; 4],
    /// Mask of the board's keys that are revoked once this image is confirmed.
    pub revokes: u8,
    /// Leave to run although the security counter is too low.
    pub overrides: Override,
    /// The signature, zeros when there is none.
    pub signature: [u8; 64],
}

/// Why bytes are not a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestFault {
    /// Too short, or another magic.
    Missing,
    /// A format or a length this code does not know.
    Format,
    /// Its own CRC-32 does not match.
    Checksum,
    /// A field has no meaning: an unknown algorithm, encryption, or something in a reserved place.
    Field,
}

/// A manifest whose own CRC, format and reserved fields were checked, read in place.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8; LEN],
    /// The checksum as it was worked out, which is not read again.
    crc: u32,
}

impl<'a> View<'a> {
    /// Checks the manifest at the start of `bytes`.
    pub fn check(bytes: &'a [u8]) -> Result<Self, ManifestFault> {
        let mut view = Self { bytes: bytes.first_chunk().ok_or(ManifestFault::Missing)?, crc: 0 };
        if view.word(0) != MAGIC {
            return Err(ManifestFault::Missing);
        }
        if view.word(4) != u32::from(FORMAT) | (LEN as u32) << 16 {
            return Err(ManifestFault::Format);
        }
        view.crc = crc32(&view.bytes[..CRC]);
        if view.word(CRC) != view.crc {
            return Err(ManifestFault::Checksum);
        }
        // Without slots and counters nothing is known of revocation and override.
        #[cfg(feature = "failsafe")]
        let reserved_is_clear = {
            let used = match view.word(0x50) {
                Override::IMAGE => 0x54,
                Override::DEVICE => SIGNATURE,
                _ => 0x50,
            };
            view.word(0x4C) & !0xFF00 == 0 && view.bytes[used..SIGNATURE].iter().all(|&x| x == 0)
        };
        #[cfg(not(feature = "failsafe"))]
        let reserved_is_clear = view.bytes[0x4C..SIGNATURE].iter().all(|&x| x == 0);
        let padding_is_erased = view.bytes[CRC + 4..].iter().all(|&x| x == 0xFF);
        if !reserved_is_clear || !padding_is_erased || view.word(0x24) > Algorithm::Ed25519 as u32 {
            return Err(ManifestFault::Field);
        }
        Ok(view)
    }

    fn word(self, at: usize) -> u32 {
        let b = self.bytes;
        u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }

    /// See [`Manifest::image_length`].
    pub fn image_length(self) -> u32 {
        self.word(0x08)
    }
    /// See [`Manifest::load_address`].
    pub fn load_address(self) -> u32 {
        self.word(0x0C)
    }
    /// Major, minor, patch.
    pub fn version(self) -> [u16; 3] {
        let (low, high) = (self.word(0x10), self.word(0x14));
        [low as u16, (low >> 16) as u16, high as u16]
    }
    /// See [`Manifest::device_id`].
    pub fn device_id(self) -> u16 {
        (self.word(0x14) >> 16) as u16
    }
    /// See [`Manifest::security_counter`].
    pub fn security_counter(self) -> u32 {
        self.word(0x18)
    }
    /// See [`Manifest::board_id`].
    pub fn board_id(self) -> u32 {
        self.word(0x1C)
    }
    /// See [`Manifest::crc`].
    pub fn crc(self) -> u32 {
        self.word(0x20)
    }
    /// See [`Manifest::algorithm`].
    pub fn algorithm(self) -> Algorithm {
        if self.word(0x24) == Algorithm::Ed25519 as u32 { Algorithm::Ed25519 } else { Algorithm::None }
    }
    /// See [`Manifest::sha256`].
    pub fn sha256(self) -> &'a [u8; 32] {
        self.part(0x28)
    }
    /// See [`Manifest::key_id`].
    pub fn key_id(self) -> &'a [u8; 4] {
        self.part(0x48)
    }
    /// See [`Manifest::revokes`].
    pub fn revokes(self) -> u8 {
        self.bytes[0x4D]
    }
    /// True when the image may run on the device with this unique id although its security counter
    /// is too low.
    pub fn overrides(self, device: &[u8; 12]) -> bool {
        match self.word(0x50) {
            Override::IMAGE => true,
            Override::DEVICE => self.part(0x54) == device,
            _ => false,
        }
    }
    /// All of it.
    pub fn bytes(self) -> &'a [u8; LEN] {
        self.bytes
    }
    /// Names the image, signature and all: the manifest's own CRC-32.
    pub fn id(self) -> u32 {
        self.crc
    }
    /// What the signature covers.
    pub fn signed(self) -> &'a [u8; SIGNED_LEN] {
        self.part(0)
    }
    /// See [`Manifest::signature`].
    pub fn signature(self) -> &'a [u8; 64] {
        self.part(SIGNATURE)
    }

    /// `N` bytes from `at`, a constant that leaves room for them.
    fn part<const N: usize>(self, at: usize) -> &'a [u8; N] {
        self.bytes[at..].first_chunk().unwrap_or(&[0; N])
    }
}

impl Manifest {
    /// Checks `bytes` and reads the manifest.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let view = View::check(bytes)?;
        let [major, minor, patch] = view.version();
        Ok(Self {
            image_length: view.image_length(),
            load_address: view.load_address(),
            version: Version { major, minor, patch },
            device_id: view.device_id(),
            security_counter: view.security_counter(),
            board_id: view.board_id(),
            crc: view.crc(),
            algorithm: view.algorithm(),
            sha256: *view.sha256(),
            key_id: *view.key_id(),
            revokes: view.revokes(),
            overrides: match view.word(0x50) {
                Override::IMAGE => Override::Image,
                Override::DEVICE => Override::Device(*view.part(0x54)),
                _ => Override::None,
            },
            signature: *view.signature(),
        })
    }

    /// The manifest's bytes. Sign the first [`SIGNED_LEN`], then encode again with the signature.
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[CRC + 4..].fill(0xFF);
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x00, &MAGIC.to_le_bytes());
        put(0x04, &FORMAT.to_le_bytes());
        put(0x06, &(LEN as u16).to_le_bytes());
        put(0x08, &self.image_length.to_le_bytes());
        put(0x0C, &self.load_address.to_le_bytes());
        put(0x10, &self.version.major.to_le_bytes());
        put(0x12, &self.version.minor.to_le_bytes());
        put(0x14, &self.version.patch.to_le_bytes());
        put(0x16, &self.device_id.to_le_bytes());
        put(0x18, &self.security_counter.to_le_bytes());
        put(0x1C, &self.board_id.to_le_bytes());
        put(0x20, &self.crc.to_le_bytes());
        put(0x24, &(self.algorithm as u32).to_le_bytes());
        put(0x28, &self.sha256);
        put(0x48, &self.key_id);
        put(0x4D, &[self.revokes]);
        match self.overrides {
            Override::None => {}
            Override::Image => put(0x50, &Override::IMAGE.to_le_bytes()),
            Override::Device(id) => {
                put(0x50, &Override::DEVICE.to_le_bytes());
                put(0x54, &id);
            }
        }
        put(SIGNATURE, &self.signature);
        let crc = crc32(&out[..CRC]);
        out[CRC..CRC + 4].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

/// The manifest's offset by the image's reserved vectors, or `None` when they name none.
///
/// Not `None` does not mean that a manifest is there: that is for [`Manifest::decode`] to say.
pub fn offset(image: &[u8]) -> Option<u32> {
    let word = |i: usize| {
        let at = VECTOR_OFFSET + 4 * i;
        image.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let offset = word(1)?;
    (word(0)? == VECTOR_MAGIC && word(2)? == !offset && offset.is_multiple_of(4)).then_some(offset)
}

/// The three words for reserved vectors 8-10 of an image whose manifest is at `offset`.
pub fn vectors(offset: u32) -> [u8; 12] {
    let mut out = [0; 12];
    out[0..4].copy_from_slice(&VECTOR_MAGIC.to_le_bytes());
    out[4..8].copy_from_slice(&offset.to_le_bytes());
    out[8..12].copy_from_slice(&(!offset).to_le_bytes());
    out
}
