//! The configuration block: everything that depends on a board, sealed into the bootloader.
//!
//! The host works it out (`surefoot-board`), [`encode`] writes it, the firmware reads it in place
//! through [`Config`]. A block that is missing or broken is an own, reported case ([`ConfigFault`]):
//! nothing is guessed from it. Integers are little-endian.
//!
//! In the binary it stands behind a [`BinaryHeader`], by which the host tool finds it.

mod encode;
mod header;
mod values;

pub use encode::{EncodeError, Fields, encode};
pub use header::{BinaryHeader, FAMILY_F4, FEATURE_FAILSAFE, FEATURE_SIGNATURE, HEADER_LEN, HEADER_MAGIC};
pub use values::{Key, OWNER_JOURNAL, OWNER_SLOT0, OWNER_SLOT1, Pin, Policy, Region, Sector, Slot, Strategy};

use crate::image::crc32;

/// Bytes of a block.
pub const BLOCK_LEN: usize = 0x280;
/// First word of a block: "SFCB".
pub const BLOCK_MAGIC: u32 = u32::from_le_bytes(*b"SFCB");
/// The version of the block's layout.
pub const BLOCK_FORMAT: u16 = 1;

/// Most slots a block can name.
pub const MAX_SLOTS: usize = 2;
/// Most groups of equal sectors.
pub const MAX_REGIONS: usize = 8;
/// Most public keys.
pub const MAX_KEYS: usize = 4;
/// Most trial boots: the charge for them fits one byte, see [`crate::slot`].
pub const MAX_TRIAL_BOOTS: u8 = 30;

/// Offsets of the block's fields, the one place that knows them.
pub mod at {
    #![allow(missing_docs)] // their names are those of [`super::Fields`]
    pub const MAGIC: usize = 0x00;
    pub const FORMAT: usize = 0x04;
    pub const LENGTH: usize = 0x06;
    pub const CRC: usize = 0x08;
    pub const FLAGS: usize = 0x0C;
    pub const DEVICE_ID: usize = 0x10;
    pub const FAMILY: usize = 0x12;
    pub const BOARD_ID: usize = 0x14;
    pub const POLICY: usize = 0x18;
    pub const BACKUP_REGISTER: usize = 0x19;
    pub const PSIZE: usize = 0x1A;
    pub const TRIAL_BOOTS: usize = 0x1B;
    pub const RAM_BASE: usize = 0x1C;
    pub const RAM_SIZE: usize = 0x20;
    pub const HANDOFF: usize = 0x24;
    pub const MAGIC_WORD: usize = 0x28;
    pub const UPDATE_TIMEOUT: usize = 0x2C;
    pub const DOUBLE_TAP: usize = 0x30;
    pub const BUTTON: usize = 0x34;
    pub const LED: usize = 0x36;
    pub const HSE_HZ: usize = 0x38;
    pub const PLL_HSE: usize = 0x3C;
    pub const PLL_HSI: usize = 0x40;
    pub const RCC_CFGR: usize = 0x44;
    pub const FLASH_ACR: usize = 0x48;
    pub const SYSCLK_HZ: usize = 0x4C;
    pub const VID: usize = 0x50;
    pub const PID: usize = 0x52;
    pub const BCD_DEVICE: usize = 0x54;
    pub const TRANSFER_SIZE: usize = 0x56;
    pub const PROGRAM_NS: usize = 0x58;
    pub const UID_ADDRESS: usize = 0x5C;
    pub const FLASH_SIZE_ADDRESS: usize = 0x60;
    pub const PWR_CR: usize = 0x64;
    pub const STACK_RAM_BASE: usize = 0x68;
    pub const STACK_RAM_SIZE: usize = 0x6C;
    pub const SLOT_COUNT: usize = 0x7C;
    pub const REGION_COUNT: usize = 0x7D;
    pub const KEY_COUNT: usize = 0x7E;
    pub const STRATEGY: usize = 0x7F;
    pub const SLOTS: usize = 0x80; // 8 bytes each: base, length
    pub const REGIONS: usize = 0xA0; // 16 bytes each
    pub const KEYS: usize = 0x120; // 36 bytes each: flags word, key
    pub const STRINGS: usize = 0x1B0; // one length byte, then ASCII; see `Text`
}

/// Offset, least and greatest value of the fields of one byte that have limits.
const LIMITS: [(u8, u8, u8); if cfg!(feature = "failsafe") { 7 } else { 6 }] = [
    #[cfg(feature = "failsafe")]
    (at::STRATEGY as u8, 0, Strategy::Ab as u8),
    (at::POLICY as u8, 0, Policy::Signature as u8),
    (at::BACKUP_REGISTER as u8, 0, 31),
    (at::PSIZE as u8, 0, 3),
    (at::SLOT_COUNT as u8, 1, MAX_SLOTS as u8),
    (at::REGION_COUNT as u8, 1, MAX_REGIONS as u8),
    (at::KEY_COUNT as u8, 0, MAX_KEYS as u8),
];

/// Bit 0 of the flags: the button pin is used.
const FLAG_BUTTON: u32 = 1 << 0;
/// Bit 1: the LED pin is used.
const FLAG_LED: u32 = 1 << 1;
/// Bit 2: the bootloader starts the independent watchdog.
const FLAG_WATCHDOG: u32 = 1 << 2;
/// Bit 3: DfuSe read unprotect is allowed (it erases the chip).
const FLAG_READ_UNPROTECT: u32 = 1 << 3;
/// Bit 4: the HSE is an external clock, not a crystal.
const FLAG_HSE_BYPASS: u32 = 1 << 4;
/// Bit 5: an application may change the option bytes.
const FLAG_OPTIONS_OPEN: u32 = 1 << 5;
/// Bit 6: a host may not.
const FLAG_OPTIONS_FIXED: u32 = 1 << 6;

/// Why a configuration block cannot be used. The numbers travel in [`crate::info::Info`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConfigFault {
    /// The place of the block is erased or holds something else: the binary was never sealed.
    Missing = 1,
    /// Another version of the layout.
    Format = 2,
    /// The CRC-32 does not match.
    Checksum = 3,
    /// The CRC-32 matches, but a field has no meaning.
    Field = 4,
    /// Sealed for another family of chips than the binary's.
    Family = 5,
    /// The policy asks for what this build does not have (signatures in the CRC-only build).
    Policy = 6,
    /// Sealed for another chip of the family: DEV_ID is not the one in the block.
    Chip = 7,
}

/// The block's strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// iManufacturer.
    Manufacturer = 0,
    /// iProduct.
    Product = 1,
    /// The DfuSe memory string, iInterface.
    Memory = 2,
}

/// A checked block, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    block: &'a [u8; BLOCK_LEN],
    /// Mask of the owners whose sectors may be written now.
    #[cfg(feature = "failsafe")]
    open: u8,
}

impl<'a> Config<'a> {
    /// Checks `block` once; afterwards every accessor has a meaning.
    ///
    /// `family` is the binary's own ([`BinaryHeader::family`]).
    pub fn parse(block: &'a [u8; BLOCK_LEN], family: u16) -> Result<Self, ConfigFault> {
        let c = Self::of(block);
        if c.u32(at::MAGIC) != BLOCK_MAGIC {
            return Err(ConfigFault::Missing);
        }
        if c.u16(at::FORMAT) != BLOCK_FORMAT || usize::from(c.u16(at::LENGTH)) != BLOCK_LEN {
            return Err(ConfigFault::Format);
        }
        if c.u32(at::CRC) != crc32(&block[at::FLAGS..]) {
            return Err(ConfigFault::Checksum);
        }
        if c.u16(at::FAMILY) != family {
            return Err(ConfigFault::Family);
        }
        let size = u32::from(c.transfer_size());
        let fits = LIMITS.iter().all(|&(at, least, most)| (least..=most).contains(&block[usize::from(at)]))
            && size.is_multiple_of(64)
            && (size / 64).wrapping_sub(1) < 64;
        if !fits {
            return Err(ConfigFault::Field);
        }
        Ok(c)
    }

    /// Of a block that [`Config::parse`] has found good; by any other every accessor goes astray.
    pub fn of(block: &'a [u8; BLOCK_LEN]) -> Self {
        Self {
            block,
            #[cfg(feature = "failsafe")]
            open: OWNER_SLOT0,
        }
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.block[at], self.block[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        let b = self.block;
        u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }

    fn flag(&self, bit: u32) -> bool {
        self.u32(at::FLAGS) & bit != 0
    }

    /// See [`Fields::device_id`].
    pub fn device_id(&self) -> u16 {
        self.u16(at::DEVICE_ID)
    }
    /// See [`Fields::board_id`].
    pub fn board_id(&self) -> u32 {
        self.u32(at::BOARD_ID)
    }
    /// See [`Fields::policy`].
    pub fn policy(&self) -> Policy {
        match self.block[at::POLICY] {
            0 => Policy::None,
            1 => Policy::Crc,
            _ => Policy::Signature,
        }
    }
    /// See [`Fields::backup_register`].
    pub fn backup_register(&self) -> u8 {
        self.block[at::BACKUP_REGISTER]
    }
    /// See [`Fields::psize`].
    pub fn psize(&self) -> u8 {
        self.block[at::PSIZE]
    }
    /// See [`Fields::trial_boots`].
    pub fn trial_boots(&self) -> u8 {
        self.block[at::TRIAL_BOOTS]
    }
    /// See [`Fields::strategy`].
    pub fn strategy(&self) -> Strategy {
        match self.block[at::STRATEGY] {
            0 => Strategy::Single,
            1 => Strategy::Backup,
            _ => Strategy::Ab,
        }
    }
    /// See [`Fields::ram_base`].
    pub fn ram_base(&self) -> u32 {
        self.u32(at::RAM_BASE)
    }
    /// See [`Fields::ram_size`].
    pub fn ram_size(&self) -> u32 {
        self.u32(at::RAM_SIZE)
    }
    /// True for a stack pointer that an image may begin with: 8-byte aligned, in one of the chip's RAMs for
    /// data, whose top is legal.
    pub fn is_stack(&self, stack_pointer: u32) -> bool {
        let fits = |at: usize| stack_pointer.wrapping_sub(self.u32(at)).wrapping_sub(1) < self.u32(at + 4);
        const { assert!(at::RAM_SIZE == at::RAM_BASE + 4 && at::STACK_RAM_SIZE == at::STACK_RAM_BASE + 4) };
        stack_pointer.is_multiple_of(8) && (fits(at::RAM_BASE) || fits(at::STACK_RAM_BASE))
    }
    /// See [`Fields::handoff`].
    pub fn handoff(&self) -> u32 {
        self.u32(at::HANDOFF)
    }
    /// See [`Fields::magic_word`].
    pub fn magic_word(&self) -> u32 {
        self.u32(at::MAGIC_WORD)
    }
    /// See [`Fields::update_timeout_ms`].
    pub fn update_timeout_ms(&self) -> u32 {
        self.u32(at::UPDATE_TIMEOUT)
    }
    /// See [`Fields::double_tap_ms`].
    pub fn double_tap_ms(&self) -> u32 {
        self.u32(at::DOUBLE_TAP)
    }
    /// See [`Fields::button`].
    pub fn button(&self) -> Option<Pin> {
        self.flag(FLAG_BUTTON).then(|| Pin(self.u16(at::BUTTON)))
    }
    /// See [`Fields::led`].
    pub fn led(&self) -> Option<Pin> {
        self.flag(FLAG_LED).then(|| Pin(self.u16(at::LED)))
    }
    /// See [`Fields::hse_hz`].
    pub fn hse_hz(&self) -> u32 {
        self.u32(at::HSE_HZ)
    }
    /// See [`Fields::hse_bypass`].
    pub fn hse_bypass(&self) -> bool {
        self.flag(FLAG_HSE_BYPASS)
    }
    /// See [`Fields::pll_hse`].
    pub fn pll_hse(&self) -> u32 {
        self.u32(at::PLL_HSE)
    }
    /// See [`Fields::pll_hsi`].
    pub fn pll_hsi(&self) -> u32 {
        self.u32(at::PLL_HSI)
    }
    /// See [`Fields::rcc_cfgr`].
    pub fn rcc_cfgr(&self) -> u32 {
        self.u32(at::RCC_CFGR)
    }
    /// See [`Fields::flash_acr`].
    pub fn flash_acr(&self) -> u32 {
        self.u32(at::FLASH_ACR)
    }
    /// See [`Fields::pwr_cr`].
    pub fn pwr_cr(&self) -> u32 {
        self.u32(at::PWR_CR)
    }
    /// See [`Fields::sysclk_hz`].
    pub fn sysclk_hz(&self) -> u32 {
        self.u32(at::SYSCLK_HZ)
    }
    /// See [`Fields::vid`].
    pub fn vid(&self) -> u16 {
        self.u16(at::VID)
    }
    /// See [`Fields::pid`].
    pub fn pid(&self) -> u16 {
        self.u16(at::PID)
    }
    /// See [`Fields::bcd_device`].
    pub fn bcd_device(&self) -> u16 {
        self.u16(at::BCD_DEVICE)
    }
    /// See [`Fields::transfer_size`].
    pub fn transfer_size(&self) -> u16 {
        self.u16(at::TRANSFER_SIZE)
    }
    /// See [`Fields::program_ns`].
    pub fn program_ns(&self) -> u32 {
        self.u32(at::PROGRAM_NS)
    }
    /// See [`Fields::uid_address`].
    pub fn uid_address(&self) -> u32 {
        self.u32(at::UID_ADDRESS)
    }
    /// See [`Fields::flash_size_address`].
    pub fn flash_size_address(&self) -> u32 {
        self.u32(at::FLASH_SIZE_ADDRESS)
    }
    /// See [`Fields::watchdog`].
    pub fn watchdog(&self) -> bool {
        self.flag(FLAG_WATCHDOG)
    }
    /// See [`Fields::read_unprotect`].
    pub fn read_unprotect(&self) -> bool {
        self.flag(FLAG_READ_UNPROTECT)
    }
    /// See [`Fields::options_open`].
    pub fn options_open(&self) -> bool {
        self.flag(FLAG_OPTIONS_OPEN)
    }
    /// See [`Fields::options_fixed`].
    pub fn options_fixed(&self) -> bool {
        self.flag(FLAG_OPTIONS_FIXED)
    }
    /// The first slot, which every block has.
    pub fn first_slot(&self) -> Slot {
        self.slot(0)
    }
    /// The slot that an update goes to: the one that is open.
    pub fn target_slot(&self) -> Slot {
        self.slot(usize::from(self.open() == OWNER_SLOT1))
    }
    /// Slot 0 or slot 1; for 1 on a board with one slot, nothing.
    pub fn slot(&self, number: usize) -> Slot {
        let at = at::SLOTS + 8 * (number & 1);
        Slot { base: self.u32(at), length: self.u32(at + 4) }
    }
    /// The slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<'a> {
        let slots = self.block[at::SLOTS..at::REGIONS].as_chunks::<8>().0;
        slots
            .iter()
            .take(self.block[at::SLOT_COUNT].into())
            .map(|s| Slot { base: word(s, 0), length: word(s, 4) })
    }
    /// The flash map.
    pub fn regions(&self) -> impl Iterator<Item = Region> + use<'a> {
        let regions = self.block[at::REGIONS..at::KEYS].as_chunks::<16>().0;
        regions.iter().take(self.block[at::REGION_COUNT].into()).map(|r| Region {
            base: word(r, 0),
            sector_size: word(r, 4),
            count: u16::from_le_bytes([r[8], r[9]]),
            first: r[10],
            owner: r[11],
            erase_ms: word(r, 12),
        })
    }
    /// The same board with the sectors of these owners open for writing, and no others. At first
    /// that is slot 0.
    #[cfg(feature = "failsafe")]
    pub fn with_open(self, open: u8) -> Self {
        Self { open, ..self }
    }
    /// Mask of the owners whose sectors may be written now.
    pub fn open(&self) -> u8 {
        #[cfg(feature = "failsafe")]
        return self.open;
        #[cfg(not(feature = "failsafe"))]
        OWNER_SLOT0
    }
    /// True when there is a journal: images need a manifest then.
    pub fn has_journal(&self) -> bool {
        #[cfg(feature = "failsafe")]
        return self.with_open(OWNER_JOURNAL).sector_from(0).is_some();
        #[cfg(not(feature = "failsafe"))]
        false
    }
    /// True when all of `address .. address + length` is in sectors that are open.
    ///
    /// The engine asks before it hands out a job, the driver once more before it touches the flash.
    #[inline(never)]
    pub fn is_writable(&self, address: u32, length: u32) -> bool {
        let (mut at, mut left) = (address, length);
        while left != 0 {
            match self.sector_from(at) {
                Some(sector) if sector.base <= at => {
                    let here = left.min(sector.end() - at);
                    at += here;
                    left -= here;
                }
                _ => return false,
            }
        }
        length != 0
    }
    /// The first open sector that ends behind `from`.
    #[inline(never)]
    pub fn sector_from(&self, from: u32) -> Option<Sector> {
        let open = self.open();
        // For a processor that skips one comparison: the other one is not known to be the same.
        let again = if cfg!(feature = "failsafe") { core::hint::black_box(open) } else { open };
        for region in self.regions() {
            let mut base = region.base;
            for number in 0..region.count {
                let end = base.wrapping_add(region.sector_size);
                // The smallest build has one owner. Nobody's sectors are open to nobody.
                let is_open = if cfg!(feature = "failsafe") {
                    region.owner == open && region.owner & again != 0
                } else {
                    region.owner != 0
                };
                if is_open && from < end {
                    return Some(Sector {
                        number: region.first.wrapping_add(number as u8),
                        base,
                        size: region.sector_size,
                        erase_ms: region.erase_ms,
                    });
                }
                base = end;
            }
        }
        None
    }
    /// The public keys, revoked ones included.
    pub fn keys(&self) -> impl Iterator<Item = (&'a [u8; 32], bool)> + use<'a> {
        let keys = self.block[at::KEYS..at::STRINGS].as_chunks::<36>().0;
        keys.iter()
            .take(self.block[at::KEY_COUNT].into())
            .filter_map(|k| Some((k.last_chunk::<32>()?, k[0] != 0)))
    }
    /// idVendor, idProduct, bcdDevice and wTransferSize as they stand in descriptors.
    pub fn usb(&self) -> &'a [u8; 8] {
        // From the end, where the compiler sees that there are so many.
        let rest = self.block.last_chunk::<{ BLOCK_LEN - at::VID }>();
        rest.and_then(|rest| rest.first_chunk()).unwrap_or(&[0; 8])
    }
    /// The strings one behind the other, each with its length before it; [`text`] tells them apart.
    pub fn strings(&self) -> &'a [u8] {
        self.block.last_chunk::<{ BLOCK_LEN - at::STRINGS }>().map_or(&[], |strings| strings)
    }
    /// One of the strings, ASCII. Empty when the block's text is cut short.
    pub fn text(&self, which: Text) -> &'a [u8] {
        text(self.strings(), which as u8)
    }
}

/// One of the strings that stand one behind the other, each with its length before it. Empty when
/// there is none with this number.
pub fn text(mut strings: &[u8], number: u8) -> &[u8] {
    for left in (0..=number).rev() {
        let Some((text, rest)) =
            strings.split_first().and_then(|(n, rest)| rest.split_at_checked(usize::from(*n)))
        else {
            break;
        };
        if left == 0 {
            return text;
        }
        strings = rest;
    }
    &[]
}

/// The little-endian word at an offset that is known to be inside.
#[inline(always)]
fn word<const N: usize>(record: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]])
}
