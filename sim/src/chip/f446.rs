//! STM32F446: RM0390 Rev 6, DS10693.
//!
//! What it lacks beside the F405 follows from [`rcc::F446`]: no RNG, no Ethernet, no GPIOI, no core-coupled memory.
//! SAI, SPDIFRX, QUADSPI, HDMI-CEC, FMPI2C and the PLLSAI, which it has beyond it, have no model.

use super::{Blocks, ChipModel, Line, RamModel, Scale, UNIQUE_ID, mhz, sectors};
use crate::peripheral::{flash, otg, pwr, rcc};

/// DS10693, ordering information.
pub(super) const LINE: Line =
    Line { names: &["STM32F446"], packages: "MRVZ", sizes: &[('C', 1), ('E', 3)], chip };

/// RM0390 section 5.1.3 and PWR_CR's VOS in 5.4.1; DS10693, general operating conditions: the buses too are faster
/// with over-drive only.
const SCALES: &[Scale] = &[
    Scale { vos: 1 << 14, speeds: mhz(120, 42, 84), over_drive: None },
    Scale { vos: 2 << 14, speeds: mhz(144, 42, 84), over_drive: Some(mhz(168, 45, 90)) },
    Scale { vos: 3 << 14, speeds: mhz(168, 42, 84), over_drive: Some(mhz(180, 45, 90)) },
];

/// The STM32F446ZE.
pub(super) fn chip() -> ChipModel {
    ChipModel {
        name: "STM32F446ZE".to_owned(),
        // RM0390, DBGMCU_IDCODE.
        device_id: 0x421,
        revision: 0x1000,
        sectors: sectors(3),
        // 112 KB and 16 KB (RM0390 section 2.3.1).
        rams: vec![RamModel { base: 0x2000_0000, length: 128 << 10 }],
        unique_id: UNIQUE_ID,
        // RM0390 table 38: FMPI2C1's error is the last one, 96.
        interrupts: 97,
        scales: SCALES,
        // RM0390 table 5.
        wait_state_hz: 30_000_000,
        // AN2606: the ROM uses the first 12 KB of RAM. Doubtful; nothing reads it but a jump to the ROM.
        rom_stack: 0x2000_3000,
        blocks: Blocks { rcc: &rcc::F446, pwr: &pwr::F446, flash: &flash::F446, otg: &otg::V2 },
    }
}
