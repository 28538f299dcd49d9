//! STM32F405, F407, F415 and F417: RM0090 Rev 19, DS8626.

use super::{Blocks, ChipModel, Line, RamModel, Scale, UNIQUE_ID, mhz, sectors};
use crate::peripheral::{flash, otg, pwr, rcc};

/// DS8626 table 96: ordering information.
pub(super) const LINE: Line = Line {
    names: &["STM32F405", "STM32F407", "STM32F415", "STM32F417"],
    packages: "ORVZI",
    sizes: &[('E', 3), ('G', 7)],
    chip,
};

/// RM0090 section 5.1.3 and PWR_CR in 5.4.1: VOS is one bit; DS8626 table 14.
const SCALES: &[Scale] = &[
    Scale { vos: 0, speeds: mhz(144, 42, 84), over_drive: None },
    Scale { vos: 1 << 14, speeds: mhz(168, 42, 84), over_drive: None },
];

/// The STM32F407VG.
pub(super) fn chip() -> ChipModel {
    ChipModel {
        name: "STM32F407VG".to_owned(),
        device_id: 0x413,
        revision: 0x100F,
        sectors: sectors(7),
        // RM0090 section 2.3.1.
        rams: vec![
            RamModel { base: 0x2000_0000, length: 128 << 10 },
            RamModel { base: 0x1000_0000, length: 64 << 10 },
        ],
        unique_id: UNIQUE_ID,
        // RM0090 table 61.
        interrupts: 82,
        scales: SCALES,
        // RM0090 table 10.
        wait_state_hz: 30_000_000,
        rom_stack: 0x2000_2D40,
        blocks: Blocks { rcc: &rcc::F405, pwr: &pwr::F405, flash: &flash::F405, otg: &otg::V1 },
    }
}
