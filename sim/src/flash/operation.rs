//! Operations that change cells: how long they last, what they leave, whole or torn.

use super::{EOP, EOPIE, FlashInterface, OPTIONS, STRT};
use crate::cpu::Order;
use crate::device::{Ctx, Width};
use crate::memory::{FLASH, Memory};
use crate::random::Random;
use crate::time::Nanos;

/// What a store to flash aims at, by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Main(u32),
    Otp(u32),
}

/// An operation that changes cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Program { target: Target, width: Width, value: u32 },
    Erase { offset: u32, length: u32 },
    Options { value: u32, mass_erase: bool },
}

impl FlashInterface {
    /// Ends the operation once its time is over.
    pub(crate) fn finish(&mut self, ctx: &mut Ctx, memory: &mut Memory, orders: &mut Vec<Order>) {
        let Some((operation, _)) = self.pending.filter(|p| p.1 <= ctx.now) else { return };
        self.pending = None;
        self.apply(operation, None, memory, orders);
        self.cr &= !STRT;
        if self.cr & EOPIE != 0 {
            self.sr |= EOP;
        }
        self.interrupt(ctx);
        ctx.attention();
    }

    /// The supply or a reset ends the operation before its time (RM0090 section 3.6: the contents
    /// are then not guaranteed).
    pub(crate) fn tear(&mut self, random: &mut Random, memory: &mut Memory, orders: &mut Vec<Order>) {
        if let Some((operation, _)) = self.pending.take() {
            self.apply(operation, Some(random), memory, orders);
        }
    }

    fn apply(
        &mut self,
        operation: Operation,
        torn: Option<&mut Random>,
        memory: &mut Memory,
        orders: &mut Vec<Order>,
    ) {
        let changed = match (operation, torn) {
            (Operation::Program { target: Target::Main(offset), width, value }, torn) => {
                let (at, bytes) = (offset as usize, width.bytes() as usize);
                match torn {
                    None => memory.flash.program(at, bytes, u64::from(value)),
                    Some(random) => memory.flash.tear(at, bytes, u64::from(value), random),
                }
                offset..offset + width.bytes()
            }
            (Operation::Program { target: Target::Otp(offset), width, value }, torn) => {
                let value = u64::from(value) | torn.map_or(0, Random::bits);
                let cells = &mut memory.otp[offset as usize..][..width.bytes() as usize];
                cells.iter_mut().zip(value.to_le_bytes()).for_each(|(cell, bits)| *cell &= bits);
                return;
            }
            (Operation::Erase { offset, length }, torn) => {
                let range = offset as usize..(offset + length) as usize;
                match torn {
                    None => memory.flash.erase(range),
                    Some(random) => memory.flash.half_erase(range, random),
                }
                offset..offset + length
            }
            (Operation::Options { value, mass_erase }, torn) => {
                // First erased, then programmed (section 3.7.1): a torn write is on the way.
                self.options = value | torn.map_or(0, Random::bits) as u32 & OPTIONS;
                self.option_register = self.options;
                if !mass_erase {
                    return;
                }
                let length = memory.flash.bytes().len();
                memory.flash.erase(0..length);
                0..length as u32
            }
        };
        orders.push(Order::Invalidate(FLASH + changed.start, FLASH + changed.end));
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
