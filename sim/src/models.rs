//! All peripheral models of a board: its register state, cloned for a snapshot.

use crate::backup::Backup;
use crate::chip::ChipModel;
use crate::crc::Crc;
use crate::debug::Debug;
use crate::decode::{BusEnable, Id};
use crate::device::{Ctx, Peripheral};
use crate::exti::{Exti, Syscfg};
use crate::flash::FlashInterface;
use crate::gpio::Gpio;
use crate::iwdg::Iwdg;
use crate::otg::OtgFs;
use crate::pwr::Pwr;
use crate::rcc::{Oscillators, Rcc};
use crate::rng::Rng;
use crate::timer::{KINDS, Timers};
use crate::usart::{ENABLES, Usarts};

/// The models.
#[derive(Clone, Debug)]
pub(crate) struct Models {
    pub(crate) rcc: Rcc,
    pub(crate) pwr: Pwr,
    pub(crate) backup: Backup,
    pub(crate) flash: FlashInterface,
    pub(crate) gpio: Gpio,
    pub(crate) exti: Exti,
    pub(crate) syscfg: Syscfg,
    pub(crate) crc: Crc,
    pub(crate) iwdg: Iwdg,
    pub(crate) usarts: Usarts,
    pub(crate) timers: Timers,
    pub(crate) debug: Debug,
    pub(crate) otg: OtgFs,
    pub(crate) rng: Rng,
}

impl Models {
    pub(crate) fn new(chip: &ChipModel, fitted: Oscillators) -> Self {
        Self {
            rcc: Rcc::new(chip.blocks.rcc, fitted),
            pwr: Pwr::new(chip),
            backup: Backup::new(),
            flash: FlashInterface::new(chip.blocks.flash),
            gpio: Gpio::new(),
            exti: Exti::new(),
            syscfg: Syscfg::new(),
            crc: Crc::new(),
            iwdg: Iwdg::new(fitted.lsi_hz),
            usarts: Usarts::new(),
            timers: Timers::new(),
            debug: Debug::new(chip),
            otg: OtgFs::new(chip.blocks.otg),
            rng: Rng::new(),
        }
    }

    /// The model behind an address; flash is not one of them, it needs the memory.
    pub(crate) fn get(&mut self, id: Id) -> Option<&mut dyn Peripheral> {
        Some(match id {
            Id::Timers => &mut self.timers,
            Id::Rtc => &mut self.backup,
            Id::Iwdg => &mut self.iwdg,
            Id::Usarts => &mut self.usarts,
            Id::Pwr => &mut self.pwr,
            Id::Syscfg => &mut self.syscfg,
            Id::Exti => &mut self.exti,
            Id::Gpio => &mut self.gpio,
            Id::Crc => &mut self.crc,
            Id::Rcc => &mut self.rcc,
            Id::Otg => &mut self.otg,
            Id::Rng => &mut self.rng,
            Id::Debug => &mut self.debug,
            Id::Flash => return None,
        })
    }

    /// Those that do something by themselves.
    pub(crate) fn each(&mut self) -> [&mut dyn Peripheral; 7] {
        [
            &mut self.rcc,
            &mut self.iwdg,
            &mut self.usarts,
            &mut self.timers,
            &mut self.otg,
            &mut self.backup,
            &mut self.rng,
        ]
    }

    /// As [`Models::each`], to look at.
    pub(crate) fn each_ref(&self) -> [&dyn Peripheral; 7] {
        [&self.rcc, &self.iwdg, &self.usarts, &self.timers, &self.otg, &self.backup, &self.rng]
    }

    /// System reset (RM0090 section 7.1.1).
    pub(crate) fn reset(&mut self, ctx: &mut Ctx) {
        self.flash.reset(ctx);
        self.gpio.reset(ctx);
        self.exti.reset(ctx);
        self.syscfg.reset(ctx);
        self.crc.reset(ctx);
        self.pwr.reset(ctx);
        self.debug.reset(ctx);
        for model in self.each() {
            model.reset(ctx);
        }
    }

    /// What the RCC's reset registers reset.
    pub(crate) fn reset_bits(&mut self, bits: [u32; 5], ctx: &mut Ctx) {
        let bit = |bus: BusEnable, bit: u8| bits[bus as usize] & 1 << bit != 0;
        for port in 0..crate::device::PORTS {
            if bit(BusEnable::Ahb1, port as u8) {
                self.gpio.reset_port(port);
            }
        }
        for (index, kind) in KINDS.iter().enumerate() {
            if bit(kind.enable.bus, kind.enable.bit) {
                self.timers.reset_one(index, ctx);
            }
        }
        for (index, enable) in ENABLES.iter().enumerate() {
            if bit(enable.bus, enable.bit) {
                self.usarts.reset_one(index, ctx);
            }
        }
        let others: [(BusEnable, u8, &mut dyn Peripheral); 5] = [
            (BusEnable::Ahb1, 12, &mut self.crc),
            (BusEnable::Ahb2, 6, &mut self.rng),
            (BusEnable::Ahb2, 7, &mut self.otg),
            (BusEnable::Apb1, 28, &mut self.pwr),
            (BusEnable::Apb2, 14, &mut self.syscfg),
        ];
        for (bus, n, model) in others {
            if bit(bus, n) {
                model.reset(ctx);
            }
        }
    }
}
