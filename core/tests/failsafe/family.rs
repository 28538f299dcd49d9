//! The families whose flash rules are tried: program unit, cells, and a chip's map with its layout.

use super::flash::{BASE, Cells};
use surefoot_core::config::{
    BLOCK_LEN, Config, FAMILY_F4, Fields, Key, OWNER_JOURNAL, OWNER_SLOT0, OWNER_SLOT1, Policy, Region, Slot,
    Strategy, encode,
};

const K: u32 = 1024;
/// Bootloader, journal (two sectors), slot 0, slot 1: sectors of each.
type Layout = [&'static [u32]; 4];

/// One flash rule set.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub name: &'static str,
    /// Bytes that are programmed at once.
    pub unit: u32,
    pub cells: Cells,
    layout: Layout,
    /// Bytes of a test image without its manifest.
    pub body: u32,
}

pub const FAMILIES: [Family; 8] = [
    Family {
        name: "f4",
        unit: 4,
        cells: Cells::Bits,
        layout: [&[16 * K], &[16 * K, 16 * K], &[16 * K, 64 * K], &[128 * K]],
        body: 256,
    },
    // At a supply below 2.1 V an F4 programs bytes (RM0090 Rev 21, table 13).
    Family {
        name: "f4-bytes",
        unit: 1,
        cells: Cells::Bits,
        layout: [&[16 * K], &[16 * K, 16 * K], &[16 * K], &[16 * K, 64 * K]],
        body: 128,
    },
    Family {
        name: "f1",
        unit: 2,
        cells: Cells::HalfWords,
        layout: [&[K; 8], &[K, K], &[K; 3], &[K; 3]],
        body: 1100,
    },
    Family {
        name: "f1-2k",
        unit: 2,
        cells: Cells::HalfWords,
        layout: [&[2 * K; 4], &[2 * K; 2], &[2 * K; 2], &[2 * K; 2]],
        body: 128,
    },
    Family {
        name: "l4",
        unit: 8,
        cells: Cells::Ecc,
        layout: [&[2 * K; 8], &[2 * K; 2], &[2 * K; 3], &[2 * K; 3]],
        body: 2200,
    },
    Family {
        name: "u5",
        unit: 16,
        cells: Cells::Ecc,
        layout: [&[8 * K; 2], &[8 * K; 2], &[8 * K; 2], &[8 * K; 2]],
        body: 512,
    },
    Family {
        name: "h7",
        unit: 32,
        cells: Cells::Ecc,
        layout: [&[128 * K], &[128 * K; 2], &[128 * K], &[128 * K]],
        body: 512,
    },
    Family {
        name: "f7",
        unit: 4,
        cells: Cells::Bits,
        layout: [&[32 * K], &[32 * K, 32 * K], &[32 * K, 128 * K], &[256 * K]],
        body: 256,
    },
];

/// The journal in the largest sectors there are, an F7's.
pub const LARGE_JOURNAL: Family = Family {
    name: "f7-large-journal",
    unit: 4,
    cells: Cells::Bits,
    layout: [&[32 * K], &[256 * K, 256 * K], &[32 * K], &[32 * K]],
    body: 256,
};

/// The smallest sectors, with an image to match: an F1 of medium density.
pub const SMALLEST: Family = Family { body: 128, ..FAMILIES[2] };

impl Family {
    /// First address and bytes of bootloader, journal, slot 0 and slot 1.
    fn areas(&self) -> [(u32, u32); 4] {
        let mut base = BASE;
        self.layout.map(|sectors| {
            let area = (base, sectors.iter().sum());
            base += area.1;
            area
        })
    }

    /// Bytes of the chip's flash.
    pub fn size(&self) -> u32 {
        self.layout.iter().flat_map(|sectors| sectors.iter()).sum()
    }

    /// Where the bootloader ends.
    pub fn bootloader_end(&self) -> u32 {
        BASE + self.areas()[0].1
    }

    pub fn slot(&self, number: usize) -> Slot {
        let (base, length) = self.areas()[2 + number];
        Slot { base, length }
    }

    /// First address and bytes of every sector behind the bootloader.
    pub fn sectors(&self) -> Vec<(u32, u32)> {
        let mut base = self.bootloader_end();
        let sizes = self.layout[1..].iter().flat_map(|sectors| sectors.iter());
        sizes
            .map(|&size| {
                base += size;
                (base - size, size)
            })
            .collect()
    }

    /// Places for records in the first journal sector.
    pub fn records(&self) -> u32 {
        self.layout[1][0] / surefoot_core::journal::RECORD_LEN
    }

    /// The sealed block of a board with one slot and no journal.
    pub fn without_journal(&self) -> Config<'static> {
        self.seal(Strategy::Single, Policy::Crc, 0, 0)
    }

    /// The board's sealed block.
    pub fn config(&self, strategy: Strategy, policy: Policy, trial_boots: u8) -> Config<'static> {
        self.seal(strategy, policy, trial_boots, OWNER_JOURNAL)
    }

    fn seal(&self, strategy: Strategy, policy: Policy, trial_boots: u8, journal: u8) -> Config<'static> {
        let slots = [self.slot(0), self.slot(1)];
        let slots = if strategy == Strategy::Single { &slots[..1] } else { &slots };
        let mut regions: Vec<Region> = Vec::new();
        let (mut base, mut first) = (BASE, 0);
        for (sectors, owner) in self.layout.iter().zip([0, journal, OWNER_SLOT0, OWNER_SLOT1]) {
            let owner = if owner == OWNER_SLOT1 && slots.len() == 1 { 0 } else { owner };
            for &sector_size in *sectors {
                match regions.last_mut() {
                    Some(last) if (last.sector_size, last.owner) == (sector_size, owner) => last.count += 1,
                    _ => regions.push(Region { base, sector_size, count: 1, first, owner, erase_ms: 1 }),
                }
                base += sector_size;
                first += 1;
            }
        }
        let keys = [1, 2].map(|number| Key { bytes: [number; 32], revoked: false });
        let fields = Fields {
            device_id: 0x413,
            family: FAMILY_F4,
            board_id: 0xB0A2_D001,
            policy,
            backup_register: 0,
            psize: 0,
            strategy,
            trial_boots,
            ram_base: 0x2000_0000,
            ram_size: 0x1_0000,
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
            vid: 0x0483,
            pid: 0xDF11,
            bcd_device: 0x0100,
            transfer_size: 2048,
            program_ns: 16_000,
            uid_address: 0,
            flash_size_address: 0,
            watchdog: true,
            read_unprotect: false,
            options_open: false,
            options_fixed: false,
            slots,
            regions: &regions,
            keys: &keys,
            manufacturer: "",
            product: "",
            memory: "",
        };
        let block: &'static mut [u8; BLOCK_LEN] = Box::leak(Box::new([0; BLOCK_LEN]));
        encode(&fields, block).expect("the layout is good");
        Config::parse(block, FAMILY_F4).expect("the block is good")
    }
}
