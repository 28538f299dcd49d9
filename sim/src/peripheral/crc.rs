//! The CRC unit (RM0090 chapter 4): CRC-32 of words, polynomial 0x04C11DB7, no reflection.
//!
//! Covers all of it. Leaves out the four AHB cycles that a word takes.

use crate::device::{Ctx, Peripheral, Width, lane};
use crate::violation::Kind;

/// The model.
#[derive(Clone, Debug)]
pub struct Crc {
    data: u32,
    independent: u32,
}

impl Crc {
    pub(crate) fn new() -> Self {
        Self { data: u32::MAX, independent: 0 }
    }

    /// A word for the data register.
    pub(crate) fn feed(&mut self, word: u32) {
        self.data = step(self.data ^ word);
    }
}

impl Peripheral for Crc {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = match offset & !3 {
            0 => self.data,
            4 => self.independent,
            8 => 0,
            _ => return ctx.nothing("CRC", offset, "RM0090 4.4.4"),
        };
        lane(value, offset, width)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        if width != Width::Word {
            // Section 4.3: the data register takes 32-bit words.
            ctx.violation(Kind::Width, "RM0090 4.3", "the CRC unit takes words only");
        }
        match offset {
            0 => self.feed(value),
            4 => {
                ctx.reserved(value, 0xFF, "RM0090 4.4.2", "CRC_IDR");
                self.independent = value & 0xFF;
            }
            8 => {
                ctx.reserved(value, 1, "RM0090 4.4.3", "CRC_CR");
                if value & 1 != 0 {
                    self.data = u32::MAX;
                }
            }
            _ => {
                ctx.nothing("CRC", offset, "RM0090 4.4.4");
            }
        }
    }

    fn reset(&mut self, _ctx: &mut Ctx) {
        *self = Self::new();
    }
}

/// Words of zeroes behind a CRC one of whose bytes is the index: by the byte's place, the lowest first.
const TABLES: [[u32; 256]; 4] = {
    let mut tables = [[0; 256]; 4];
    let mut at = 0;
    while at < 4 {
        let mut i = 0;
        while i < 256 {
            let (mut crc, mut bit) = ((i as u32) << (8 * at), 0);
            while bit < 32 {
                crc = crc << 1 ^ if crc & 1 << 31 != 0 { 0x04C1_1DB7 } else { 0 };
                bit += 1;
            }
            tables[at][i] = crc;
            i += 1;
        }
        at += 1;
    }
    tables
};

/// 32 bits of zeroes behind `crc`: what comes of each byte of it, together.
fn step(crc: u32) -> u32 {
    let bytes = crc.to_le_bytes().into_iter().zip(&TABLES);
    bytes.fold(0, |all, (byte, table)| all ^ table[usize::from(byte)])
}
