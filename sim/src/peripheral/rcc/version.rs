//! The RCC's registers where the lines differ: which bits there are, and so which peripherals.

/// A version of the block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Where its registers are described.
    pub(super) manual: &'static str,
    /// Bits that there are.
    pub(super) cr: u32,
    pub(super) pllcfgr: u32,
    pub(super) cfgr: u32,
    pub(super) cir: u32,
    pub(super) bdcr: u32,
    /// Clock enables for AHB1, AHB2, AHB3, APB1 and APB2: a peripheral without one is not there.
    pub(crate) enables: [u32; 5],
    /// Their values after reset.
    pub(super) enables_reset: [u32; 5],
    /// Peripheral resets.
    pub(super) resets: [u32; 5],
    /// Enables in sleep mode, which all are set after reset.
    pub(super) low_power: [u32; 5],
    /// PLLI2SCFGR after reset.
    pub(super) plli2s: u32,
    /// Registers behind it with their values after reset, which choose clocks that have no model.
    pub(super) more: &'static [(u32, u32)],
    /// Fastest output of the PLL in hertz.
    pub(super) pll_max: u32,
    /// SW 3 runs the system from the PLL's output R.
    pub(super) pll_r: bool,
}

/// STM32F405/407 (RM0090 chapter 7).
pub(crate) static F405: Version = Version {
    manual: "RM0090 7.3",
    cr: 0x0F0F_FFFB,
    pllcfgr: 0x0F43_7FFF,
    cfgr: 0xFFFF_FCFF,
    cir: 0x00BF_3FBF,
    bdcr: 0x0001_8307,
    enables: [0x7E74_11FF, 0x0000_00F1, 0x0000_0001, 0x36FE_C9FF, 0x0007_5F33],
    enables_reset: [0x0010_0000, 0, 0, 0, 0],
    resets: [0x2260_11FF, 0x0000_00F1, 0x0000_0001, 0x36FE_C9FF, 0x0007_5933],
    low_power: [0x7E67_91FF, 0x0000_00F1, 0x0000_0001, 0x36FE_C9FF, 0x0007_5F33],
    plli2s: 0x2000_3000,
    more: &[],
    pll_max: 168_000_000,
    pll_r: false,
};

/// STM32F411 (RM0383 chapter 6).
///
/// Doubtful: the values of the low-power enables and of PLLI2SCFGR after reset.
pub(crate) static F411: Version = Version {
    manual: "RM0383 6.3",
    cr: 0x0F0F_FFFB,
    pllcfgr: 0x0F43_7FFF,
    cfgr: 0xFFFF_FCFF,
    cir: 0x00BF_3FBF,
    // LSEMOD is bit 3.
    bdcr: 0x0001_830F,
    // GPIOA-E, GPIOH, CRC, DMA1, DMA2; OTG FS; TIM2-5, WWDG, SPI2, SPI3, USART2, I2C1-3, PWR; TIM1, USART1,
    // USART6, ADC1, SDIO, SPI1, SPI4, SYSCFG, TIM9-11, SPI5.
    enables: [0x0060_109F, 0x0000_0080, 0, 0x10E2_C80F, 0x0017_7931],
    enables_reset: [0; 5],
    resets: [0x0060_109F, 0x0000_0080, 0, 0x10E2_C80F, 0x0017_7931],
    low_power: [0x0061_909F, 0x0000_0080, 0, 0x10E2_C80F, 0x0017_7931],
    plli2s: 0x2400_3000,
    // DCKCFGR: TIMPRE.
    more: &[(0x8C, 0)],
    // DS10314, main PLL characteristics.
    pll_max: 100_000_000,
    pll_r: false,
};

/// STM32F446 (RM0390 chapter 6).
///
/// Doubtful: the values of the low-power enables, of PLLI2SCFGR and of PLLSAICFGR after reset, and that of AHB1ENR,
/// for which manuals of the family give 0x00100000, the enable of a core-coupled memory that this line has not.
pub(crate) static F446: Version = Version {
    manual: "RM0390 6.3",
    // PLLSAION and PLLSAIRDY are bits 28 and 29.
    cr: 0x3F0F_FFFB,
    // PLLR is in bits 28-30.
    pllcfgr: 0x7F43_7FFF,
    // There is no I2SSRC.
    cfgr: 0xFF7F_FCFF,
    // PLLSAI's flag is bit 6.
    cir: 0x00FF_7FFF,
    bdcr: 0x0001_830F,
    // GPIOA-H, CRC, backup SRAM, DMA1, DMA2, OTG HS; DCMI, OTG FS; FMC, QUADSPI; TIM2-7, TIM12-14, WWDG, SPI2,
    // SPI3, SPDIFRX, USART2-3, UART4-5, I2C1-3, FMPI2C1, CAN1-2, CEC, PWR, DAC; TIM1, TIM8, USART1, USART6,
    // ADC1-3, SDIO, SPI1, SPI4, SYSCFG, TIM9-11, SAI1-2.
    enables: [0x6064_10FF, 0x0000_0081, 0x0000_0003, 0x3FFF_C9FF, 0x00C7_7F33],
    enables_reset: [0; 5],
    resets: [0x2060_10FF, 0x0000_0081, 0x0000_0003, 0x3FFF_C9FF, 0x00C7_7933],
    low_power: [0x6067_90FF, 0x0000_0081, 0x0000_0003, 0x3FFF_C9FF, 0x00C7_7F33],
    plli2s: 0x2400_3010,
    // PLLSAICFGR, DCKCFGR, CKGATENR, DCKCFGR2.
    more: &[(0x88, 0x2400_3010), (0x8C, 0), (0x90, 0), (0x94, 0)],
    // DS10693, main PLL characteristics.
    pll_max: 180_000_000,
    pll_r: true,
};
