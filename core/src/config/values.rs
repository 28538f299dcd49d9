//! What a block speaks of: policy, slots, sectors and their owners, pins, keys. None of it knows where
//! in the block it stands.

/// What the board demands of an image before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Policy {
    /// A plausible vector table is enough.
    None = 0,
    /// CRC-32, in a manifest or as the image's last word.
    Crc = 1,
    /// A manifest with the signature of one of the block's keys.
    Signature = 2,
}

/// What an update does with the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Strategy {
    /// One slot, written in place.
    Single = 0,
    /// Slot 0 runs; slot 1 holds a copy of the confirmed image, which is copied back when a trial fails.
    Backup = 1,
    /// Both slots run, each image linked for its own; an update goes to the slot that is not in use.
    Ab = 2,
}

/// [`Region::owner`]: slot 0.
pub const OWNER_SLOT0: u8 = 1 << 0;
/// [`Region::owner`]: slot 1.
pub const OWNER_SLOT1: u8 = 1 << 1;
/// [`Region::owner`]: the [`crate::journal`].
pub const OWNER_JOURNAL: u8 = 1 << 2;

/// A pin with its level and pull: bits 0-3 pin, 4-7 port (0 = A), 8 active high, 9-10 pull (0 none, 1 up, 2 down).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin(pub u16);

impl Pin {
    /// Port number, 0 for A.
    pub const fn port(self) -> u8 {
        (self.0 >> 4) as u8 & 15
    }
    /// Pin number in the port, 0-15.
    pub const fn pin(self) -> u8 {
        self.0 as u8 & 15
    }
    /// True when a high level means pressed or lit.
    pub const fn active_high(self) -> bool {
        self.0 & 1 << 8 != 0
    }
    /// The value of the pin's two PUPDR bits.
    pub const fn pull(self) -> u8 {
        (self.0 >> 9) as u8 & 3
    }
}

/// A slot: where an application lives. Its vector table is at `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Slot {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub length: u32,
}

impl Slot {
    /// The first address behind the slot.
    pub const fn end(self) -> u32 {
        self.base + self.length
    }
    /// True when all of `address .. address + length` is in the slot.
    pub const fn contains(self, address: u32, length: u32) -> bool {
        address >= self.base
            && address - self.base <= self.length
            && length <= self.length - (address - self.base)
    }
}

/// A run of equal sectors, in ascending order of address, covering all of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Region {
    /// First address.
    pub base: u32,
    /// Bytes of each sector.
    pub sector_size: u32,
    /// Number of sectors.
    pub count: u16,
    /// The first sector's number as the flash controller counts (F4: SNB).
    pub first: u8,
    /// Whose it is: an OWNER_ constant, or 0 for the bootloader and for what nobody writes. Each
    /// sector of a slot is inside that slot ([`encode`](super::encode()) sees to it).
    pub owner: u8,
    /// Erase time of one sector in milliseconds, rounded up; the poll time-out of an erase.
    pub erase_ms: u32,
}

impl Region {
    /// Bytes of all its sectors.
    pub const fn length(&self) -> u32 {
        self.sector_size.wrapping_mul(self.count as u32)
    }
}

/// One sector that may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// Its number as the flash controller counts.
    pub number: u8,
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// Erase time in milliseconds.
    pub erase_ms: u32,
}

impl Sector {
    /// The first address behind it. A sector of a slot ends in the address space.
    pub const fn end(&self) -> u32 {
        self.base.wrapping_add(self.size)
    }
}

/// One public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Key {
    /// Ed25519 public key (RFC 8032).
    pub bytes: [u8; 32],
    /// A revoked key verifies nothing.
    pub revoked: bool,
}
