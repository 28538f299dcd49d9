//! Operations that change cells: how long they last, what they leave, whole or torn.

use std::ops::Range;

use super::{EOP, EOPIE, ERRIE, FlashInterface, OPERR, STRT, WRPERR};
use crate::chip::ChipModel;
use crate::cpu::Order;
use crate::device::{Ctx, Width};
use crate::fault::{Bits, Defect, Failing, Leaves, Told};
use crate::memory::{FLASH, Memory, OTP, OTP_LENGTH};
use crate::random::Random;
use crate::time::Nanos;

/// What a store to flash aims at, by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Main(u32),
    Otp(u32),
}

/// An operation that changes cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Program { target: Target, width: Width, value: u32 },
    Erase { offset: u32, length: u32 },
    Options { value: u32, mass_erase: bool },
}

/// An operation under way, as another board may be given it.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Pending(pub(super) Operation);

/// What an operation is, for a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// A program operation.
    Program {
        /// First address.
        address: u32,
        /// 1, 2 or 4.
        bytes: u32,
        /// The value stored.
        value: u32,
    },
    /// An erase of one sector, or of all.
    Erase {
        /// First address.
        address: u32,
        /// Bytes.
        length: u32,
    },
    /// A change of the option bytes.
    Options {
        /// Their new value in the layout of FLASH_OPTCR.
        value: u32,
    },
}

impl Pending {
    /// In words of addresses.
    pub(crate) fn started(self) -> Started {
        match self.0 {
            Operation::Program { target, width, value } => {
                let address = match target {
                    Target::Main(offset) => FLASH + offset,
                    Target::Otp(offset) => OTP + offset,
                };
                Started::Program { address, bytes: width.bytes(), value }
            }
            Operation::Erase { offset, length } => Started::Erase { address: FLASH + offset, length },
            Operation::Options { value, .. } => Started::Options { value },
        }
    }
}

impl FlashInterface {
    /// Ends the operation once its time is over.
    pub(crate) fn finish(
        &mut self,
        ctx: &mut Ctx,
        chip: &ChipModel,
        memory: &mut Memory,
        orders: &mut Vec<Order>,
    ) {
        let Some((operation, _)) = self.pending.filter(|p| p.1 <= ctx.now) else { return };
        self.pending = None;
        let told = self.complete(Pending(operation), chip, memory, orders);
        self.cr &= !STRT;
        match told {
            Told::Nothing if self.cr & EOPIE != 0 => self.sr |= EOP,
            Told::WriteProtected => self.sr |= WRPERR,
            _ => {}
        }
        if told != Told::Nothing && self.cr & ERRIE != 0 {
            self.sr |= OPERR;
        }
        self.interrupt(ctx);
        ctx.attention();
    }

    /// All of an operation, as far as the part does what it is told.
    pub(crate) fn complete(
        &mut self,
        Pending(operation): Pending,
        chip: &ChipModel,
        memory: &mut Memory,
        orders: &mut Vec<Order>,
    ) -> Told {
        let fails = |d: &Defect| operation.meets(d.what, chip);
        let Some(at) = self.defects.iter().position(fails) else {
            self.apply(operation, memory, orders);
            return Told::Nothing;
        };
        let Defect { what, told, times } = self.defects[at];
        match (what, operation) {
            (Failing::Erase { leaves: Leaves::Old, .. } | Failing::Program { .. }, _) => {}
            (Failing::Erase { leaves: Leaves::Torn(left, seed), .. }, _) => {
                let random = &mut Random::new(seed ^ u64::from(times.unwrap_or(0)));
                self.tear(Pending(operation), left, random, memory, orders);
            }
            (Failing::Word { address, ones, zeros }, _) => {
                self.apply(operation, memory, orders);
                memory.flash.force((address - FLASH) as usize, ones, zeros);
            }
            (Failing::Weak { address, bits }, _) => {
                self.apply(operation, memory, orders);
                for (at, bits) in ((address - FLASH) as usize..).zip(bits.to_le_bytes()) {
                    memory.flash.weaken(at, bits, Bits::Restless);
                }
                operation.invalidate(memory, orders);
            }
        }
        match times {
            Some(0 | 1) => drop(self.defects.remove(at)),
            Some(more) => self.defects[at].times = Some(more - 1),
            None => {}
        }
        told
    }

    /// The supply or a reset ends what is under way before its time (RM0090 section 3.6: the
    /// contents are then not guaranteed).
    pub(crate) fn interrupt_operation(
        &mut self,
        left: Bits,
        random: &mut Random,
        memory: &mut Memory,
        orders: &mut Vec<Order>,
    ) {
        if let Some((operation, _)) = self.pending.take() {
            self.tear(Pending(operation), left, random, memory, orders);
        }
    }

    /// Part of an operation.
    pub(crate) fn tear(
        &mut self,
        Pending(operation): Pending,
        left: Bits,
        random: &mut Random,
        memory: &mut Memory,
        orders: &mut Vec<Order>,
    ) {
        match operation {
            Operation::Program { target: Target::Main(offset), width, value } => {
                memory.flash.tear(offset as usize, width.bytes() as usize, u64::from(value), left, random);
            }
            Operation::Program { target: Target::Otp(offset), width, value } => {
                let value = u64::from(value) | random.bits();
                memory.program_otp(offset as usize, width.bytes() as usize, value);
            }
            Operation::Erase { offset, length } => {
                memory.flash.half_erase(offset as usize..(offset + length) as usize, left, random);
            }
            // RM0090 section 3.7.3: the main memory first, and only then the option bytes.
            Operation::Options { mass_erase: true, .. } if random.below(2) == 0 => {
                let all = 0..memory.flash.bytes().len();
                memory.flash.half_erase(all, left, random);
            }
            Operation::Options { value, mass_erase } => {
                if mass_erase {
                    memory.flash.erase(0..memory.flash.bytes().len());
                }
                self.cells.tear(value, left, random);
                self.options = self.cells.stored();
                self.option_register = self.options;
            }
        }
        operation.invalidate(memory, orders);
    }

    fn apply(&mut self, operation: Operation, memory: &mut Memory, orders: &mut Vec<Order>) {
        match operation {
            Operation::Program { target: Target::Main(offset), width, value } => {
                memory.flash.program(offset as usize, width.bytes() as usize, u64::from(value));
            }
            Operation::Program { target: Target::Otp(offset), width, value } => {
                memory.program_otp(offset as usize, width.bytes() as usize, u64::from(value));
            }
            Operation::Erase { offset, length } => {
                memory.flash.erase(offset as usize..(offset + length) as usize);
            }
            Operation::Options { value, mass_erase } => {
                self.set_options(value);
                if mass_erase {
                    memory.flash.erase(0..memory.flash.bytes().len());
                }
            }
        }
        operation.invalidate(memory, orders);
    }
}

impl Operation {
    /// The offsets of main memory that change.
    fn reaches(self, memory: &Memory) -> Range<u32> {
        match self {
            Self::Program { target: Target::Main(offset), width, .. } => offset..offset + width.bytes(),
            Self::Erase { offset, length } => offset..offset + length,
            Self::Options { mass_erase: true, .. } => 0..memory.flash.bytes().len() as u32,
            Self::Program { .. } | Self::Options { .. } => 0..0,
        }
    }

    /// The core forgets what it translated from there, and reads what became unstable, or solid
    /// again, the way it has to.
    fn invalidate(self, memory: &mut Memory, orders: &mut Vec<Order>) {
        let changed = self.reaches(memory);
        if !changed.is_empty() {
            orders.push(Order::Invalidate(FLASH + changed.start, FLASH + changed.end));
            memory.flash.route(&mut |order| orders.push(order));
        }
        if let Self::Program { target: Target::Otp(_), .. } = self {
            orders.push(Order::Invalidate(OTP, OTP + OTP_LENGTH as u32));
        }
    }

    /// True when what fails takes part in this operation.
    fn meets(self, what: Failing, chip: &ChipModel) -> bool {
        match (what, self) {
            (Failing::Erase { sector, .. }, Self::Erase { offset, length }) => {
                let (start, _) = chip.sector(sector).unwrap_or((u32::MAX, 0));
                (offset..offset + length).contains(&start)
            }
            (Failing::Program { sector }, Self::Program { target: Target::Main(offset), .. }) => {
                chip.sector_at(offset) == Some(sector)
            }
            // An erase sets every bit: one that stays 1 is no fault of it.
            (Failing::Word { address, zeros, .. }, Self::Erase { offset, length }) => {
                zeros != 0 && (offset..offset + length).contains(&(address - FLASH))
            }
            (Failing::Weak { address, .. }, Self::Erase { offset, length }) => {
                (offset..offset + length).contains(&(address - FLASH))
            }
            (
                Failing::Word { address, .. } | Failing::Weak { address, .. },
                Self::Program { target: Target::Main(offset), .. },
            ) => offset & !3 == address - FLASH,
            _ => false,
        }
    }
}

/// DS8626 section 5.3.12: one program operation, typical, at any parallelism.
pub const PROGRAM_TIME: Nanos = Nanos::micros(16);
/// DS8626 section 5.3.12: mass erase, typical, by PSIZE.
pub(super) const MASS_ERASE_MS: [u64; 3] = [16_000, 11_000, 8_000];
/// See the module's head.
pub(super) const OPTION_TIME: Nanos = Nanos::millis(250);

/// DS8626 section 5.3.12: erase of a sector, typical, by PSIZE.
pub fn erase_time(length: u32, psize: usize) -> Nanos {
    let by_psize = match length >> 10 {
        0..=16 => [400, 300, 250],
        17..=64 => [1_200, 700, 550],
        _ => [2_000, 1_300, 1_000],
    };
    Nanos::millis(by_psize[psize])
}
