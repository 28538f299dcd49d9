//! STM32F411: RM0383 Rev 3, DS10314.
//!
//! What it lacks beside the F405 follows from [`rcc::F411`]: no RNG, no USART3, UART4 and UART5, no OTG HS, no TIM6
//! to TIM8 and TIM12 to TIM14, no GPIOF, G and I, no backup SRAM, no FSMC. Nor has it core-coupled memory.

use super::{Blocks, ChipModel, Line, RamModel, Scale, UNIQUE_ID, mhz, sectors};
use crate::peripheral::{flash, otg, pwr, rcc};

/// DS10314, ordering information.
pub(super) const LINE: Line =
    Line { names: &["STM32F411"], packages: "CRV", sizes: &[('C', 1), ('E', 3)], chip };

/// RM0383 section 5.1.3 and PWR_CR's VOS in 5.4.1; the buses: RCC_CFGR in 6.3.3, PPRE1 and PPRE2.
const SCALES: &[Scale] = &[
    Scale { vos: 1 << 14, speeds: mhz(64, 50, 100), over_drive: None },
    Scale { vos: 2 << 14, speeds: mhz(84, 50, 100), over_drive: None },
    Scale { vos: 3 << 14, speeds: mhz(100, 50, 100), over_drive: None },
];

/// The STM32F411VE.
pub(super) fn chip() -> ChipModel {
    ChipModel {
        name: "STM32F411VE".to_owned(),
        // RM0383, DBGMCU_IDCODE.
        device_id: 0x431,
        revision: 0x1000,
        sectors: sectors(3),
        rams: vec![RamModel { base: 0x2000_0000, length: 128 << 10 }],
        unique_id: UNIQUE_ID,
        // RM0383 table 37: SPI5 is the last one, 85.
        interrupts: 86,
        scales: SCALES,
        // RM0383 table 5, which allows 64 MHz with one wait state: the other steps are 30 MHz and less.
        wait_state_hz: 30_000_000,
        // AN2606: the ROM uses the first 12 KB of RAM. Doubtful; nothing reads it but a jump to the ROM.
        rom_stack: 0x2000_3000,
        blocks: Blocks { rcc: &rcc::F411, pwr: &pwr::F411, flash: &flash::F411, otg: &otg::V1 },
    }
}
