//! The STM32F4 back at its reset state, as the ROM bootloader expects it after BOOT0.
//!
//! Called between "interrupts off" and the jump. The backup domain, the watchdog and RAM stay as
//! they are.

use crate::registers::{modify, read, write};

// RM0090 Rev 21, table 1 and 7.3.24: RCC; 3.9.1: FLASH_ACR; 9.2.1: SYSCFG_MEMRMP.
const RCC_CR: u32 = 0x4002_3800;
const RCC_PLLCFGR: u32 = 0x4002_3804;
const RCC_CFGR: u32 = 0x4002_3808;
const RCC_APB2ENR: u32 = 0x4002_3844;
const FLASH_ACR: u32 = 0x4002_3C00;
const SYSCFG_MEMRMP: u32 = 0x4001_3800;

const HSION: u32 = 1 << 0;
const HSIRDY: u32 = 1 << 1;
const HSEON: u32 = 1 << 16;
const CSSON: u32 = 1 << 19;
const PLLON: u32 = 1 << 24;
const PLLI2SON: u32 = 1 << 26;
const SWS: u32 = 0b11 << 2;
const PLLCFGR_RESET: u32 = 0x2400_3010;
const SYSCFGEN: u32 = 1 << 14;
const MEM_MODE_SYSTEM_FLASH: u32 = 0b01;

/// A bus: its clock enable register, that register's reset value, its reset register, and the bits
/// which mean the same peripheral in both, over all F4 (RM0090 Rev 21, 7.3.5-7.3.14).
static BUSES: [(u32, u32, u32, u32); 5] = [
    (0x4002_3830, 0x0010_0000, 0x4002_3810, 0x22E0_17FF),
    (0x4002_3834, 0, 0x4002_3814, 0x0000_00F1),
    (0x4002_3838, 0, 0x4002_3818, 0x0000_0003),
    (0x4002_3840, 0, 0x4002_3820, 0xFFFF_C9FF),
    (RCC_APB2ENR, 0, 0x4002_3824, 0x0CF7_7933),
];

/// Reads before an answer from the clock control is given up: HSI takes 4 us to start (DS8626).
const PATIENCE: u32 = 10_000;

/// Clocks from HSI, every peripheral that was in use reset, the ROM mapped to address 0.
pub(crate) fn f4() {
    modify(RCC_CR, 0, HSION);
    wait(RCC_CR, HSIRDY, HSIRDY);
    write(RCC_CFGR, 0);
    wait(RCC_CFGR, SWS, 0);
    modify(RCC_CR, HSEON | CSSON | PLLON | PLLI2SON, 0);
    write(RCC_PLLCFGR, PLLCFGR_RESET);
    // Without wait states only now that the core is slow (3.5.1).
    write(FLASH_ACR, 0);
    for &(enable, at_reset, reset, both) in &BUSES {
        write(reset, read(enable) & both);
        write(reset, 0);
        write(enable, at_reset);
    }
    modify(RCC_APB2ENR, 0, SYSCFGEN);
    // A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13).
    read(RCC_APB2ENR);
    write(SYSCFG_MEMRMP, MEM_MODE_SYSTEM_FLASH);
}

fn wait(register: u32, mask: u32, value: u32) {
    for _ in 0..PATIENCE {
        if read(register) & mask == value {
            return;
        }
    }
}
