//! A board to its configuration block: flash map, memory string, every field.

use crate::board::{Board, OptionBytes};
use surefoot_core::config::{
    self, BLOCK_LEN, EncodeError, Fields, MAX_REGIONS, OWNER_SLOT0, OWNER_SLOT1, Region, Strategy,
};
use surefoot_core::dfu::memory::{self, Access, Group};

impl Board {
    /// The sealed configuration block.
    pub fn block(&self) -> [u8; BLOCK_LEN] {
        // `file::parse` hands out no board whose block cannot be made.
        self.try_block().unwrap_or([0xFF; BLOCK_LEN])
    }

    /// The block, or the key that is in its way, what is wrong with it, and the remedy.
    pub(crate) fn try_block(&self) -> Result<[u8; BLOCK_LEN], (&'static str, String, String)> {
        let regions = self.regions();
        if regions.len() > MAX_REGIONS {
            return Err((
                "layout",
                format!(
                    "the layout cuts the flash into {} runs of equal sectors, {MAX_REGIONS} fit",
                    regions.len()
                ),
                "move boundaries to where the sector size changes".to_string(),
            ));
        }
        let unit = self.supply.unit;
        let timing = self.chip.timing(unit);
        let memory = self.memory_string();
        let slots = self.slots();
        let stack_ram = self.other_ram().next();
        let fields = Fields {
            device_id: self.device_id(),
            family: self.binary_family,
            board_id: self.id,
            policy: self.policy,
            backup_register: self.boot.backup_register,
            psize: unit.trailing_zeros() as u8,
            strategy: self.strategy,
            trial_boots: self.boot.trial_boots,
            ram_base: self.chip.ram.base,
            ram_size: self.chip.ram.size,
            stack_ram_base: stack_ram.map_or(0, |ram| ram.base),
            stack_ram_size: stack_ram.map_or(0, |ram| ram.size),
            handoff: self.chip.ram.base,
            magic_word: self.boot.magic,
            update_timeout_ms: self.boot.timeout_ms,
            double_tap_ms: self.boot.double_tap_ms,
            button: self.button,
            led: self.led,
            hse_hz: self.clocks.hse.map_or(0, |pll| pll.input_hz),
            hse_bypass: self.clocks.bypass,
            pll_hse: self.clocks.hse.map_or(0, |pll| pll.register()),
            pll_hsi: self.clocks.hsi.register(),
            rcc_cfgr: self.clocks.rcc_cfgr,
            flash_acr: self.clocks.flash_acr,
            pwr_cr: self.clocks.pwr_cr,
            sysclk_hz: self.clocks.sysclk_hz,
            vid: self.usb.vid,
            pid: self.usb.pid,
            bcd_device: self.usb.bcd_device,
            transfer_size: self.usb.transfer_size,
            program_ns: timing.map_or(0, |t| t.program_us.typical * 1000),
            uid_address: self.chip.uid_address.unwrap_or(0),
            flash_size_address: self.chip.flash_size_address.unwrap_or(0),
            watchdog: self.boot.watchdog,
            read_unprotect: self.usb.read_unprotect,
            options_open: self.boot.option_bytes == OptionBytes::Application,
            options_fixed: self.boot.option_bytes == OptionBytes::Locked,
            slots: &slots,
            regions: &regions,
            keys: &self.keys,
            manufacturer: &self.usb.manufacturer,
            product: &self.usb.product,
            memory: &memory,
        };
        let mut block = [0; BLOCK_LEN];
        match config::encode(&fields, &mut block) {
            Ok(()) => Ok(block),
            Err(EncodeError::Text) => Err((
                "usb",
                format!("the USB texts and the memory string \"{memory}\" together are too long"),
                "shorten `manufacturer` or `product` in [usb]".to_string(),
            )),
            Err(error) => Err((
                "",
                format!("the configuration block cannot be made ({error:?})"),
                "please report this board file".to_string(),
            )),
        }
    }

    /// The flash map of the block: runs of sectors alike in size, owner and numbering.
    pub fn regions(&self) -> Vec<Region> {
        let timing = self.chip.timing(self.supply.unit);
        let mut regions: Vec<Region> = Vec::new();
        for area in &self.layout.areas {
            for sector in self.layout.sectors_of(area) {
                let next = Region {
                    base: sector.base,
                    sector_size: sector.size,
                    count: 1,
                    first: sector.number as u8,
                    owner: area.what.owner(),
                    erase_ms: timing.and_then(|t| t.erase(sector.size)).map_or(0, |t| t.typical),
                };
                match regions.last_mut().filter(|last| continues(last, &next)) {
                    Some(last) => last.count += 1,
                    None => regions.push(next),
                }
            }
        }
        regions
    }

    /// The DfuSe memory string: `a` readable, `g` readable, erasable and writable. It cannot change
    /// while the board runs, so with two slots that run both are `g`; a write to the one in use is refused.
    pub fn memory_string(&self) -> String {
        let writable = if self.strategy == Strategy::Ab { OWNER_SLOT0 | OWNER_SLOT1 } else { OWNER_SLOT0 };
        let mut groups: Vec<Group> = Vec::new();
        for region in self.regions() {
            let group = Group {
                base: region.base,
                sector_size: region.sector_size,
                count: region.count.into(),
                access: if region.owner & writable != 0 { Access::ALL } else { Access::READABLE },
            };
            let alike = |last: &&mut Group| {
                (last.sector_size, last.access, last.end())
                    == (group.sector_size, group.access, group.base.into())
            };
            match groups.last_mut().filter(alike) {
                Some(last) => last.count += group.count,
                None => groups.push(group),
            }
        }
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = memory::write(&mut text, "Internal Flash   ", groups);
        text
    }
}

fn continues(last: &Region, next: &Region) -> bool {
    last.sector_size == next.sector_size
        && last.owner == next.owner
        && last.base + last.sector_size * u32::from(last.count) == next.base
        && u16::from(last.first) + last.count == u16::from(next.first)
}
