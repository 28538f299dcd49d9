//! A board in memory: the flash with its rules, its faults and its cuts, images, and a bootloader that
//! proves by CRC-32.

use std::cell::Cell;
use std::rc::Rc;

use surefoot_core::config::{
    self, BLOCK_LEN, Config, FAMILY_F4, Fields, OWNER_JOURNAL, Policy, Region, Sector, Slot, Strategy,
};
use surefoot_core::image::manifest::{self, Algorithm, LEN, Manifest, Override, Version};
use surefoot_core::image::verify::Kept;
use surefoot_core::image::verify::NoCrypto;
use surefoot_core::image::{Demand, ImageFault, SoftCrc32, VerifiedImage, crc32, verify};
use surefoot_core::journal::{Journal, Record};
use surefoot_core::port::{Flash, FlashFault, Memory};
use surefoot_core::slot::{self, Machine};

pub const A: Slot = Slot { base: 0x0800_8000, length: 0x2000 };
pub const B: Slot = Slot { base: 0x0801_0000, length: 0x2800 };
pub const SLOT_A: u8 = config::OWNER_SLOT0;
pub const SLOT_B: u8 = config::OWNER_SLOT1;
pub const DEVICE: [u8; 12] = *b"this device.";
pub const BOARD: u32 = 0xB0A2_D002;
const START: u32 = 0x0800_0000;
const POWER_ON: u8 = 0b111;

const fn region(base: u32, sector_size: u32, count: u16, first: u8, owner: u8) -> Region {
    Region { base, sector_size, count, first, owner, erase_ms: 250 }
}

const REGIONS: [Region; 6] = [
    region(START, 0x4000, 1, 0, 0),
    region(0x0800_4000, 0x400, 2, 1, OWNER_JOURNAL),
    region(0x0800_4800, 0x3800, 1, 3, 0),
    region(A.base, 0x800, 4, 4, SLOT_A),
    region(A.end(), 0x6000, 1, 8, 0),
    region(B.base, 0x1400, 2, 9, SLOT_B),
];

/// The configuration of a board with this strategy; slot B is the backup or runs too.
pub fn block(strategy: Strategy) -> [u8; BLOCK_LEN] {
    let mut regions = REGIONS;
    let slots = [A, B];
    let slots = if strategy == Strategy::Single { &slots[..1] } else { &slots };
    if strategy == Strategy::Single {
        regions[5].owner = 0;
    }
    let fields = Fields {
        device_id: 0x413,
        family: FAMILY_F4,
        board_id: BOARD,
        policy: Policy::Crc,
        backup_register: 0,
        psize: 2,
        strategy,
        trial_boots: 3,
        ram_base: 0x2000_0000,
        ram_size: 0x2_0000,
        stack_ram_base: 0x1000_0000,
        stack_ram_size: 0x1_0000,
        handoff: 0x2000_0000,
        magic_word: 0xDEAD_BEEF,
        update_timeout_ms: 0,
        double_tap_ms: 0,
        button: None,
        led: None,
        hse_hz: 0,
        hse_bypass: false,
        pll_hse: 0,
        pll_hsi: 0,
        rcc_cfgr: 0,
        flash_acr: 0,
        pwr_cr: 0,
        sysclk_hz: 16_000_000,
        vid: 0,
        pid: 0,
        bcd_device: 0,
        transfer_size: 64,
        program_ns: 16_000,
        uid_address: 0x1FFF_7A10,
        flash_size_address: 0x1FFF_7A22,
        watchdog: false,
        read_unprotect: false,
        options_open: false,
        options_fixed: false,
        slots,
        regions: &regions,
        keys: &[],
        manufacturer: "",
        product: "",
        memory: "",
    };
    let mut block = [0; BLOCK_LEN];
    config::encode(&fields, &mut block).expect("the fields fit");
    block
}

/// An image for `slot`: `length` bytes that differ with `version`, and its manifest.
pub fn image(slot: Slot, version: u16, length: u32) -> Vec<u8> {
    image_with(slot, version, length, |_| {})
}

/// The same with a manifest that was changed.
pub fn image_with(slot: Slot, version: u16, length: u32, change: impl Fn(&mut Manifest)) -> Vec<u8> {
    let mut body: Vec<u8> = (0..length).map(|i| (i * 7 + u32::from(version)) as u8).collect();
    body[0..4].copy_from_slice(&0x2002_0000_u32.to_le_bytes());
    body[4..8].copy_from_slice(&(slot.base + 0x101).to_le_bytes());
    body[manifest::VECTOR_OFFSET..][..12].copy_from_slice(&manifest::vectors(length));
    let mut manifest = Manifest {
        image_length: length,
        load_address: slot.base,
        version: Version { major: version, minor: 0, patch: 0 },
        device_id: 0x413,
        security_counter: version.into(),
        board_id: BOARD,
        crc: crc32(&body),
        algorithm: Algorithm::None,
        sha256: [0; 32],
        key_id: [0; 4],
        revokes: 0,
        overrides: Override::None,
        signature: [0; 64],
    };
    change(&mut manifest);
    body.extend(manifest.encode());
    body
}

/// Id of an image.
pub fn id_of(image: &[u8]) -> u32 {
    manifest::View::check(&image[image.len() - LEN..]).expect("a manifest").id()
}

/// What an operation of the flash does instead of what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// This fault, and half of what it should do.
    Fault(FlashFault),
    /// The supply fails in the middle of it: from then on nothing is done.
    Cut,
}

/// The flash of a board.
#[derive(Clone, Debug)]
pub struct Model {
    bytes: Vec<u8>,
    operations: Rc<Cell<u64>>,
    trouble: Option<(u64, Trouble)>,
    off: bool,
}

impl Model {
    pub fn new() -> Self {
        let bytes = vec![0xFF; (B.end() - START) as usize];
        Self { bytes, operations: Rc::default(), trouble: None, off: false }
    }

    /// A flash of its own with the same contents, without trouble.
    pub fn copy(&self) -> Self {
        Self { bytes: self.bytes.clone(), ..Self::new() }
    }

    /// Trouble in the operation with this number, the next being 0.
    pub fn trouble(&mut self, number: u64, trouble: Trouble) {
        self.trouble = Some((self.operations.get() + number, trouble));
    }

    /// Operations so far; can be watched while somebody else has the flash.
    pub fn operations(&self) -> Rc<Cell<u64>> {
        self.operations.clone()
    }

    /// As a programmer writes it.
    pub fn load(&mut self, slot: Slot, image: &[u8]) {
        let cells = self.cells(slot.base, slot.length);
        cells.fill(0xFF);
        cells[..image.len()].copy_from_slice(image);
    }

    pub fn read(&self, slot: Slot) -> &[u8] {
        &self.bytes[(slot.base - START) as usize..][..slot.length as usize]
    }

    fn cells(&mut self, address: u32, length: u32) -> &mut [u8] {
        &mut self.bytes[(address - START) as usize..][..length as usize]
    }

    /// Counts an operation on this range and says how much of it is done, and what is told.
    fn operate(&mut self, config: Config, address: u32, length: u32) -> (u32, Result<(), FlashFault>) {
        assert!(config.is_writable(address, length), "{address:#x} is not open");
        let number = self.operations.replace(self.operations.get() + 1);
        match self.trouble {
            _ if self.off => (0, Err(FlashFault::Timeout)),
            Some((at, Trouble::Cut)) if at == number => {
                self.off = true;
                (length / 2, Err(FlashFault::Timeout))
            }
            Some((at, Trouble::Fault(fault))) if at == number => (length / 2, Err(fault)),
            _ => (length, Ok(())),
        }
    }

    /// What the bootloader starts after the supply came back: an owner mask. It proves by CRC-32.
    pub fn boot(&mut self, block: &[u8; BLOCK_LEN]) -> Result<u8, ImageFault> {
        let config = Config::parse(block, FAMILY_F4).expect("encoded");
        (self.off, self.trouble) = (false, None);
        let mut bootloader = Bootloader(self, Kept::new());
        let mut journal = Journal::load(config, &bootloader);
        let _ = journal.settle(&mut bootloader);
        let image = slot::boot(&mut journal, &mut bootloader, POWER_ON);
        image.map(|_| if bootloader.1.base == A.base { SLOT_A } else { SLOT_B })
    }

    /// The state on record.
    pub fn state(&self, block: &[u8; BLOCK_LEN]) -> Record {
        Journal::load(Config::parse(block, FAMILY_F4).expect("encoded"), self).state
    }

    /// The image that runs in `slot` confirms itself.
    pub fn confirm(&mut self, block: &[u8; BLOCK_LEN], slot: Slot) -> bool {
        let mut journal = Journal::load(Config::parse(block, FAMILY_F4).expect("encoded"), self);
        slot::confirm(&mut journal, self, slot).expect("no trouble")
    }
}

impl Memory for Model {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.bytes.get(address.checked_sub(START)? as usize..)?.get(..length as usize)
    }
}

impl Flash for Model {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        let (done, told) = self.operate(config, sector.base, sector.size);
        self.cells(sector.base, done).fill(0xFF);
        told
    }

    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        let length = data.len() as u32;
        assert!(address.is_multiple_of(32) && length.is_multiple_of(32), "program units of every family");
        let (done, told) = self.operate(config, address, length);
        let cells = self.cells(address, done);
        assert!(cells.iter().all(|byte| *byte == 0xFF), "{address:#x} is programmed a second time");
        cells.copy_from_slice(&data[..done as usize]);
        told
    }
}

impl Memory for &mut Model {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        Model::bytes(self, address, length)
    }
}

impl Flash for &mut Model {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        Model::erase(self, config, sector)
    }
    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        Model::program(self, config, address, data)
    }
}

/// Who proves by CRC-32.
struct Bootloader<'a>(&'a mut Model, Kept);

impl Memory for Bootloader<'_> {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.0.bytes(address, length)
    }
}

impl Flash for Bootloader<'_> {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        self.0.erase(config, sector)
    }
    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        self.0.program(config, address, data)
    }
}

impl Machine for Bootloader<'_> {
    fn prove(&mut self, config: Config, slot: Slot, state: &Record) -> Result<VerifiedImage, ImageFault> {
        let demand = Demand { config, slot, floor: state.floor(), revoked: state.revoked(), device: &DEVICE };
        verify(demand, &*self.0, &mut SoftCrc32::default(), &mut NoCrypto, &mut self.1)
    }
    fn watch(&mut self) {}
}
