//! The address map (RM0090 section 2.3, table 1): what answers where, and which clock it needs.
//!
//! It is one for all lines: a peripheral is where it is on each line that has it, and it is there if the chip's RCC has
//! a clock enable for it (RM0383 and RM0390, table 1).

use crate::memory::{FLASH, OTP, OTP_LENGTH};
use crate::rcc;
use crate::timer::KINDS;
use crate::usart::{ENABLES, NAMES};

/// A model in [`crate::models::Models`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// TIM1 to TIM14; the offset counts on in steps of 0x400.
    Timers,
    Rtc,
    Iwdg,
    /// USART1 to USART6; the offset counts on in steps of 0x400.
    Usarts,
    Pwr,
    Syscfg,
    Exti,
    /// All ports; the offset counts on from port A.
    Gpio,
    Crc,
    Rcc,
    Flash,
    Otg,
    Rng,
    Debug,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A register at an offset from its peripheral's base.
    Peripheral(Id, u32),
    /// The flash array, by its own address or the alias at 0.
    Flash(u32),
    Otp(u32),
    /// The factory's information block behind the OTP area: unique id, flash size, calibration.
    Signature(u32),
    OptionBytes(u32),
    BackupSram(u32),
    /// The chip has it, the simulator does not.
    Unmodelled(&'static str, Enable),
    /// RAM, system memory or nothing.
    Other,
}

/// An enable register of the RCC and a bit in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enable {
    pub(crate) bus: BusEnable,
    pub(crate) bit: u8,
}

/// The RCC's enable registers, in the order of their offsets (0x30-0x44).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BusEnable {
    Ahb1 = 0,
    Ahb2 = 1,
    Ahb3 = 2,
    Apb1 = 3,
    Apb2 = 4,
}

/// The place of an address on a chip with that RCC.
pub(crate) fn decode(address: u32, rcc: &rcc::Version) -> Place {
    let place = everywhere(address);
    let enable = match place {
        Place::Unmodelled(_, enable) => Some(enable),
        _ => place.gate().map(|gate| gate.0),
    };
    match enable {
        Some(Enable { bus, bit }) if rcc.enables[bus as usize] & 1 << bit == 0 => Place::Other,
        _ => place,
    }
}

/// A peripheral without a model, by the clock that it would need.
const fn without(name: &'static str, bus: BusEnable, bit: u8) -> Place {
    Place::Unmodelled(name, Enable { bus, bit })
}

fn everywhere(address: u32) -> Place {
    use BusEnable::{Ahb1, Ahb2, Ahb3};
    const SIGNATURE: u32 = OTP + OTP_LENGTH as u32;
    match address {
        0x0000_0000..0x0010_0000 => Place::Flash(address),
        FLASH..0x0820_0000 => Place::Flash(address - FLASH),
        OTP..SIGNATURE => Place::Otp(address - OTP),
        SIGNATURE..0x1FFF_7C00 => Place::Signature(address - SIGNATURE),
        0x1FFF_C000..0x1FFF_C010 => Place::OptionBytes(address - 0x1FFF_C000),
        0x4000_0000..0x4003_0000 => peripheral(address),
        0x4004_0000..0x4008_0000 => without("USB OTG HS", Ahb1, 29),
        0x5000_0000..0x5004_0000 => Place::Peripheral(Id::Otg, address - 0x5000_0000),
        0x5005_0000..0x5005_0400 => without("DCMI", Ahb2, 0),
        0x5006_0800..0x5006_0C00 => Place::Peripheral(Id::Rng, address - 0x5006_0800),
        0x6000_0000..0xA000_0000 => without("external memory", Ahb3, 0),
        0xA000_0000..0xA000_1000 => without("FSMC or FMC", Ahb3, 0),
        0xA000_1000..0xA000_2000 => without("QUADSPI", Ahb3, 1),
        0xE000_1000..0xE000_1008 | 0xE000_E01C..0xE000_E020 | 0xE004_2000..0xE004_2010 => {
            Place::Peripheral(Id::Debug, address - 0xE000_0000)
        }
        _ => Place::Other,
    }
}

fn peripheral(address: u32) -> Place {
    use BusEnable::{Ahb1, Apb1, Apb2};
    let offset = address & 0x3FF;
    let at = |id| Place::Peripheral(id, offset);
    let usart = |index: u32| Place::Peripheral(Id::Usarts, index << 10 | offset);
    let timer = |index: u32| Place::Peripheral(Id::Timers, index << 10 | offset);
    match address & !0x3FF {
        0x4000_0000..=0x4000_1400 => timer(1 + ((address - 0x4000_0000) >> 10)),
        0x4000_1800..=0x4000_2000 => timer(11 + ((address - 0x4000_1800) >> 10)),
        0x4000_2800 => at(Id::Rtc),
        0x4000_2C00 => without("WWDG", Apb1, 11),
        0x4000_3000 => at(Id::Iwdg),
        0x4000_3400 | 0x4000_3800 => without("SPI2/I2S2", Apb1, 14),
        0x4000_3C00 => without("SPI3/I2S3", Apb1, 15),
        // SPDIFRX on the F446.
        0x4000_4000 => without("I2S3ext or SPDIFRX", Apb1, 15),
        0x4000_4400..=0x4000_5000 => usart(1 + ((address - 0x4000_4400) >> 10)),
        0x4000_5400..=0x4000_5C00 => without("I2C1-I2C3", Apb1, 21),
        0x4000_6000 => without("FMPI2C1", Apb1, 24),
        0x4000_6400 | 0x4000_6800 => without("CAN", Apb1, 25),
        0x4000_6C00 => without("HDMI-CEC", Apb1, 27),
        0x4000_7000 => at(Id::Pwr),
        0x4000_7400 => without("DAC", Apb1, 29),
        0x4001_0000 => timer(0),
        0x4001_0400 => timer(7),
        0x4001_1000 => usart(0),
        0x4001_1400 => usart(5),
        0x4001_2000 => without("ADC", Apb2, 8),
        0x4001_2C00 => without("SDIO", Apb2, 11),
        0x4001_3000 => without("SPI1", Apb2, 12),
        0x4001_3400 => without("SPI4", Apb2, 13),
        0x4001_3800 => at(Id::Syscfg),
        0x4001_3C00 => at(Id::Exti),
        0x4001_4000..=0x4001_4800 => timer(8 + ((address - 0x4001_4000) >> 10)),
        0x4001_5000 => without("SPI5", Apb2, 20),
        0x4001_5800 => without("SAI1", Apb2, 22),
        0x4001_5C00 => without("SAI2", Apb2, 23),
        0x4002_0000..=0x4002_2000 => Place::Peripheral(Id::Gpio, address - 0x4002_0000),
        0x4002_3000 => at(Id::Crc),
        0x4002_3800 => at(Id::Rcc),
        0x4002_3C00 => at(Id::Flash),
        0x4002_4000..=0x4002_4C00 => Place::BackupSram(address - 0x4002_4000),
        0x4002_6000 | 0x4002_6400 => without("DMA", Ahb1, 21),
        0x4002_8000..=0x4002_9000 => without("Ethernet", Ahb1, 25),
        _ => Place::Other,
    }
}

/// The bus that a peripheral is on (RM0090 figure 1 and table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BusOf {
    /// AHB1 and AHB2, at the core's clock.
    Ahb,
    Apb1,
    Apb2,
    /// Plain memory, and the private peripheral bus.
    Core,
}

impl Place {
    /// The bus an access goes over.
    pub(crate) fn bus(self) -> BusOf {
        match self {
            Self::Peripheral(id, offset) => match id {
                Id::Timers if KINDS[(offset >> 10) as usize].on_apb2() => BusOf::Apb2,
                Id::Usarts if ENABLES[(offset >> 10) as usize].bus == BusEnable::Apb2 => BusOf::Apb2,
                Id::Syscfg | Id::Exti => BusOf::Apb2,
                Id::Timers | Id::Rtc | Id::Iwdg | Id::Usarts | Id::Pwr => BusOf::Apb1,
                Id::Gpio | Id::Crc | Id::Rcc | Id::Flash | Id::Otg | Id::Rng => BusOf::Ahb,
                Id::Debug => BusOf::Core,
            },
            Self::BackupSram(_) | Self::Unmodelled(..) => BusOf::Ahb,
            _ => BusOf::Core,
        }
    }

    /// The clock that must run for an access, with the peripheral's name (RM0090 sections
    /// 7.3.10 to 7.3.14). EXTI, IWDG, RTC, RCC and FLASH have none of their own.
    pub(crate) fn gate(self) -> Option<(Enable, &'static str)> {
        use BusEnable::{Ahb1, Ahb2, Apb1, Apb2};
        let (bus, bit, name) = match self {
            Self::Peripheral(id, offset) => match id {
                Id::Timers => {
                    let kind = &KINDS[(offset >> 10) as usize];
                    return Some((kind.enable, kind.name));
                }
                Id::Usarts => {
                    let index = (offset >> 10) as usize;
                    return Some((ENABLES[index], NAMES[index]));
                }
                Id::Pwr => (Apb1, 28, "PWR"),
                Id::Syscfg => (Apb2, 14, "SYSCFG"),
                Id::Gpio => (Ahb1, (offset >> 10) as u8, GPIO_NAMES[(offset >> 10) as usize]),
                Id::Crc => (Ahb1, 12, "CRC"),
                Id::Otg => (Ahb2, 7, "OTG FS"),
                Id::Rng => (Ahb2, 6, "RNG"),
                Id::Rtc | Id::Iwdg | Id::Exti | Id::Rcc | Id::Flash | Id::Debug => return None,
            },
            Self::BackupSram(_) => (Ahb1, 18, "backup SRAM"),
            _ => return None,
        };
        Some((Enable { bus, bit }, name))
    }
}

const GPIO_NAMES: [&str; 9] =
    ["GPIOA", "GPIOB", "GPIOC", "GPIOD", "GPIOE", "GPIOF", "GPIOG", "GPIOH", "GPIOI"];
