//! Writing a block: the host's side. What the chip takes the block's word for is checked here.

use super::{
    BLOCK_FORMAT, BLOCK_LEN, BLOCK_MAGIC, Config, FLAG_BUTTON, FLAG_HSE_BYPASS, FLAG_LED, FLAG_OPTIONS_FIXED,
    FLAG_OPTIONS_OPEN, FLAG_READ_UNPROTECT, FLAG_WATCHDOG, Key, MAX_KEYS, MAX_REGIONS, MAX_SLOTS,
    MAX_TRIAL_BOOTS, OWNER_JOURNAL, OWNER_SLOT0, OWNER_SLOT1, Pin, Policy, Region, Slot, Strategy, at,
};
use crate::image::crc32;
use crate::journal::{MIN_RECORDS, RECORD_LEN};

/// The plain values of a block, as the host fills them in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// DEV_ID of DBGMCU_IDCODE, 12 bits.
    pub device_id: u16,
    /// [`BinaryHeader::family`] of the binary that this block is for.
    pub family: u16,
    /// The board's id; images name it.
    pub board_id: u32,
    /// What an image must bring.
    pub policy: Policy,
    /// Number of the RTC backup register with the magic word.
    pub backup_register: u8,
    /// PSIZE of FLASH_CR, 0-3 for 1, 2, 4, 8 bytes (by supply voltage).
    pub psize: u8,
    /// What an update does with the slots.
    pub strategy: Strategy,
    /// Boots in which a new image has to confirm itself, at most [`MAX_TRIAL_BOOTS`]; 0: it need not.
    pub trial_boots: u8,
    /// Main RAM.
    pub ram_base: u32,
    /// Bytes of main RAM.
    pub ram_size: u32,
    /// More RAM for the core's data, in which a stack may begin (CCM).
    pub stack_ram_base: u32,
    /// Its bytes; 0: there is none.
    pub stack_ram_size: u32,
    /// Address of the [`crate::handoff`] words.
    pub handoff: u32,
    /// The magic word.
    pub magic_word: u32,
    /// Milliseconds in update mode without host traffic before a valid application boots; 0: never.
    pub update_timeout_ms: u32,
    /// Double-tap window in milliseconds; 0: off.
    pub double_tap_ms: u32,
    /// The button, if there is one.
    pub button: Option<Pin>,
    /// The LED, if there is one.
    pub led: Option<Pin>,
    /// HSE in hertz; 0: none, HSI only.
    pub hse_hz: u32,
    /// HSE is a clock, not a crystal.
    pub hse_bypass: bool,
    /// RCC_PLLCFGR from HSE.
    pub pll_hse: u32,
    /// RCC_PLLCFGR from HSI, the fall-back.
    pub pll_hsi: u32,
    /// RCC_CFGR with the bus prescalers and SW = PLL.
    pub rcc_cfgr: u32,
    /// FLASH_ACR.
    pub flash_acr: u32,
    /// PWR_CR bits for the voltage scale, set while the PLL is off.
    pub pwr_cr: u32,
    /// SYSCLK = HCLK from the PLL, in hertz.
    pub sysclk_hz: u32,
    /// idVendor.
    pub vid: u16,
    /// idProduct.
    pub pid: u16,
    /// bcdDevice.
    pub bcd_device: u16,
    /// wTransferSize, 64-4096, a multiple of 64.
    pub transfer_size: u16,
    /// Typical time of one program operation (of PSIZE width) in nanoseconds.
    pub program_ns: u32,
    /// Address of the 96-bit unique id.
    pub uid_address: u32,
    /// Address of the 16-bit flash size in KiB.
    pub flash_size_address: u32,
    /// The bootloader starts the independent watchdog.
    pub watchdog: bool,
    /// DfuSe read unprotect is allowed.
    pub read_unprotect: bool,
    /// An application may change the option bytes; otherwise they are locked when it starts.
    pub options_open: bool,
    /// A host may not change the option bytes.
    pub options_fixed: bool,
    /// One or two slots.
    pub slots: &'a [Slot],
    /// The flash map.
    pub regions: &'a [Region],
    /// Public keys.
    pub keys: &'a [Key],
    /// iManufacturer, ASCII.
    pub manufacturer: &'a str,
    /// iProduct, ASCII.
    pub product: &'a str,
    /// The DfuSe memory string, ASCII.
    pub memory: &'a str,
}

/// The values do not fit a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// More slots, regions or keys than there is room for, or none of slots or regions.
    Count,
    /// The three strings together are longer than the block's text, or one is not ASCII.
    Text,
    /// What was written would not be accepted by [`Config::parse`].
    Field,
}

/// Writes `fields` as a sealed block. `parse` accepts what this writes, or it is an error.
pub fn encode(fields: &Fields, block: &mut [u8; BLOCK_LEN]) -> Result<(), EncodeError> {
    let f = fields;
    if f.slots.is_empty() || f.slots.len() > MAX_SLOTS || f.regions.is_empty() {
        return Err(EncodeError::Count);
    }
    if f.regions.len() > MAX_REGIONS || f.keys.len() > MAX_KEYS {
        return Err(EncodeError::Count);
    }
    block.fill(0);
    let mut w = Writer(block);
    w.u32(at::MAGIC, BLOCK_MAGIC);
    w.u16(at::FORMAT, BLOCK_FORMAT);
    w.u16(at::LENGTH, BLOCK_LEN as u16);
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    w.u32(
        at::FLAGS,
        flag(f.button.is_some(), FLAG_BUTTON)
            | flag(f.led.is_some(), FLAG_LED)
            | flag(f.watchdog, FLAG_WATCHDOG)
            | flag(f.read_unprotect, FLAG_READ_UNPROTECT)
            | flag(f.hse_bypass, FLAG_HSE_BYPASS)
            | flag(f.options_open, FLAG_OPTIONS_OPEN)
            | flag(f.options_fixed, FLAG_OPTIONS_FIXED),
    );
    w.u16(at::DEVICE_ID, f.device_id);
    w.u16(at::FAMILY, f.family);
    w.u32(at::BOARD_ID, f.board_id);
    w.u8(at::POLICY, f.policy as u8);
    w.u8(at::BACKUP_REGISTER, f.backup_register);
    w.u8(at::PSIZE, f.psize);
    w.u8(at::TRIAL_BOOTS, f.trial_boots);
    w.u8(at::STRATEGY, f.strategy as u8);
    w.u32(at::RAM_BASE, f.ram_base);
    w.u32(at::RAM_SIZE, f.ram_size);
    w.u32(at::STACK_RAM_BASE, f.stack_ram_base);
    w.u32(at::STACK_RAM_SIZE, f.stack_ram_size);
    w.u32(at::HANDOFF, f.handoff);
    w.u32(at::MAGIC_WORD, f.magic_word);
    w.u32(at::UPDATE_TIMEOUT, f.update_timeout_ms);
    w.u32(at::DOUBLE_TAP, f.double_tap_ms);
    w.u16(at::BUTTON, f.button.map_or(0, |p| p.0));
    w.u16(at::LED, f.led.map_or(0, |p| p.0));
    w.u32(at::HSE_HZ, f.hse_hz);
    w.u32(at::PLL_HSE, f.pll_hse);
    w.u32(at::PLL_HSI, f.pll_hsi);
    w.u32(at::RCC_CFGR, f.rcc_cfgr);
    w.u32(at::FLASH_ACR, f.flash_acr);
    w.u32(at::PWR_CR, f.pwr_cr);
    w.u32(at::SYSCLK_HZ, f.sysclk_hz);
    w.u16(at::VID, f.vid);
    w.u16(at::PID, f.pid);
    w.u16(at::BCD_DEVICE, f.bcd_device);
    w.u16(at::TRANSFER_SIZE, f.transfer_size);
    w.u32(at::PROGRAM_NS, f.program_ns);
    w.u32(at::UID_ADDRESS, f.uid_address);
    w.u32(at::FLASH_SIZE_ADDRESS, f.flash_size_address);
    w.u8(at::SLOT_COUNT, f.slots.len() as u8);
    w.u8(at::REGION_COUNT, f.regions.len() as u8);
    w.u8(at::KEY_COUNT, f.keys.len() as u8);
    for (i, slot) in f.slots.iter().enumerate() {
        w.u32(at::SLOTS + 8 * i, slot.base);
        w.u32(at::SLOTS + 8 * i + 4, slot.length);
    }
    for (i, r) in f.regions.iter().enumerate() {
        let o = at::REGIONS + 16 * i;
        w.u32(o, r.base);
        w.u32(o + 4, r.sector_size);
        w.u16(o + 8, r.count);
        w.u8(o + 10, r.first);
        w.u8(o + 11, r.owner);
        w.u32(o + 12, r.erase_ms);
    }
    for (i, k) in f.keys.iter().enumerate() {
        let o = at::KEYS + 36 * i;
        w.u32(o, k.revoked as u32);
        w.0[o + 4..o + 36].copy_from_slice(&k.bytes);
    }
    let mut o = at::STRINGS;
    for text in [f.manufacturer, f.product, f.memory] {
        let end = o + 1 + text.len();
        // A USB string descriptor holds at most 126 UTF-16 units.
        if end > BLOCK_LEN || text.len() > 126 || !text.is_ascii() {
            return Err(EncodeError::Text);
        }
        w.u8(o, text.len() as u8);
        w.0[o + 1..end].copy_from_slice(text.as_bytes());
        o = end;
    }
    // What the chip takes the block's word for.
    let slots_fit =
        f.slots.iter().all(|s| s.base.checked_add(s.length).is_some() && s.base.is_multiple_of(4));
    if !slots_fit || f.sysclk_hz < 14_000_000 || f.regions.iter().any(|r| r.sector_size == 0) {
        return Err(EncodeError::Field);
    }
    if f.trial_boots > MAX_TRIAL_BOOTS || !owners_fit(f) || !strategy_fits(f) {
        return Err(EncodeError::Field);
    }
    let crc = crc32(&w.0[at::FLAGS..]);
    w.u32(at::CRC, crc);
    Config::parse(block, f.family).map(|_| ()).map_err(|_| EncodeError::Field)
}

/// Each region has at most one owner, and one of a slot is inside that slot, sector by sector.
fn owners_fit(f: &Fields) -> bool {
    f.regions.iter().all(|r| {
        let slot = match r.owner {
            0 | OWNER_JOURNAL => return true,
            OWNER_SLOT0 => f.slots.first(),
            OWNER_SLOT1 => f.slots.get(1),
            _ => return false,
        };
        let inside = |base| slot.is_some_and(|slot| slot.contains(base, r.sector_size));
        (0..u32::from(r.count)).all(|i| inside(r.base.wrapping_add(r.sector_size.wrapping_mul(i))))
    })
}

/// The strategy has its slots and its journal: two sectors with enough room each.
fn strategy_fits(f: &Fields) -> bool {
    let journal = f.regions.iter().filter(|r| r.owner == OWNER_JOURNAL);
    let sectors: u32 = journal.clone().map(|r| u32::from(r.count)).sum();
    let records_fit = journal
        .clone()
        .all(|r| r.sector_size.is_multiple_of(RECORD_LEN) && r.sector_size >= MIN_RECORDS * RECORD_LEN);
    let with_journal = sectors == 2 && records_fit && f.policy != Policy::None;
    match (f.strategy, f.slots) {
        (Strategy::Single, [_]) => with_journal || sectors == 0 && f.trial_boots == 0,
        (Strategy::Backup, [runs, backup]) => {
            with_journal && backup.length >= runs.length && !overlap(runs, backup)
        }
        (Strategy::Ab, [a, b]) => with_journal && !overlap(a, b),
        _ => false,
    }
}

fn overlap(a: &Slot, b: &Slot) -> bool {
    a.base < b.end() && b.base < a.end()
}

struct Writer<'a>(&'a mut [u8; BLOCK_LEN]);

impl Writer<'_> {
    fn u8(&mut self, at: usize, v: u8) {
        self.0[at] = v;
    }
    fn u16(&mut self, at: usize, v: u16) {
        self.0[at..at + 2].copy_from_slice(&v.to_le_bytes());
    }
    fn u32(&mut self, at: usize, v: u32) {
        self.0[at..at + 4].copy_from_slice(&v.to_le_bytes());
    }
}
