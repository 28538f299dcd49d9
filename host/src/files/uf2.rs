//! UF2: blocks of 512 bytes, each with its address and up to 476 bytes of data.
//!
//! Read, never written (the format: github.com/microsoft/uf2). Blocks that are not for the main flash, and
//! files inside the file, are read over. A file may be for several chips at once; which of them is meant
//! cannot be told here, so only one is taken.

use super::FileError;
use super::segments::{Part, Place, Segments, append};
use std::fmt;

/// Bytes of a block.
pub const BLOCK: usize = 512;
const HEAD: usize = 32;
const MOST_DATA: usize = 476;
/// The first two words and the last one.
pub const MAGIC: [u32; 2] = [0x0A32_4655, 0x9E5D_5157];
const MAGIC_END: u32 = 0x0AB1_6F30;
const NOT_MAIN_FLASH: u32 = 0x1;
const FILE_CONTAINER: u32 = 0x1000;
const FAMILY_PRESENT: u32 = 0x2000;

/// The chips that a block is for, by the format's list of families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family(pub u32);

impl Family {
    /// The STM32 family, as the chips are named.
    pub const fn stm32(self) -> Option<&'static str> {
        Some(match self.0 {
            0x6478_24B6 => "STM32F0",
            0x5EE2_1072 => "STM32F1",
            0x5D1A_0A2E => "STM32F2",
            0x6B84_6188 => "STM32F3",
            // All of them, the F407, and the F407VG alone.
            0x5775_5A57 | 0x6D09_22FA | 0x8FB0_60FE => "STM32F4",
            0x53B8_0F00 => "STM32F7",
            0x300F_5633 => "STM32G0",
            0x4C71_240A => "STM32G4",
            0x6DB6_6082 => "STM32H7",
            0x202E_3A91 => "STM32L0",
            0x1E1F_432E => "STM32L1",
            0x00FF_6919 => "STM32L4",
            0x0424_0BDF => "STM32L5",
            0x70D1_6653 => "STM32WB",
            0x2146_0FF0 => "STM32WL",
            _ => return None,
        })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.stm32() {
            Some(name) => f.write_str(name),
            None => {
                write!(f, "chips of family 0x{:08X}, which is none of the STM32 families known here", self.0)
            }
        }
    }
}

/// Why bytes are not a usable UF2 file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uf2Error {
    /// Not whole blocks.
    #[error("the file has {0} bytes, which are no whole blocks of {BLOCK}")]
    Length(usize),
    /// A block does not begin and end as one.
    #[error("block {block} does not begin and end as a UF2 block does")]
    Magic {
        /// From 0.
        block: usize,
    },
    /// A block says that it holds more than it can.
    #[error("block {block} says that it holds {stated} bytes, at most {MOST_DATA} fit")]
    Size {
        /// From 0.
        block: usize,
        /// In its head.
        stated: u32,
    },
    /// A block is missing, or is there twice.
    #[error(
        "block {block} calls itself number {stated} of {total}, and number {wanted} of {count} is expected"
    )]
    Number {
        /// From 0.
        block: usize,
        /// In its head.
        stated: u32,
        /// In its head.
        total: u32,
        /// By its place.
        wanted: u32,
        /// Blocks of the file.
        count: u32,
    },
    /// Blocks for different chips.
    #[error("the file holds images for {first} and for {second}")]
    Families {
        /// Of the first block.
        first: Family,
        /// The other one.
        second: Family,
    },
}

/// Reads all of `bytes`, with the family that all blocks name.
pub(super) fn read(bytes: &[u8]) -> Result<(Segments, Option<Family>), FileError> {
    if !bytes.len().is_multiple_of(BLOCK) {
        return Err(Uf2Error::Length(bytes.len()).into());
    }
    let count = (bytes.len() / BLOCK) as u32;
    let mut parts: Vec<Part> = Vec::new();
    let (mut family, mut misplaced): (Option<Family>, Option<Uf2Error>) = (None, None);
    for (block, raw) in bytes.as_chunks::<BLOCK>().0.iter().enumerate() {
        let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        if [word(0), word(4)] != MAGIC || word(BLOCK - 4) != MAGIC_END {
            return Err(Uf2Error::Magic { block }.into());
        }
        let (flags, address, size, stated, total, id) =
            (word(8), word(12), word(16), word(20), word(24), word(28));
        if flags & (NOT_MAIN_FLASH | FILE_CONTAINER) != 0 {
            continue;
        }
        if size as usize > MOST_DATA {
            return Err(Uf2Error::Size { block, stated: size }.into());
        }
        if flags & FAMILY_PRESENT != 0 {
            let second = Family(id);
            match family {
                Some(first) if first != second => return Err(Uf2Error::Families { first, second }.into()),
                _ => family = Some(second),
            }
        }
        if stated != block as u32 || total != count {
            let wanted = block as u32;
            // Told at the end: images for several chips in one file are counted each on its own.
            misplaced.get_or_insert(Uf2Error::Number { block, stated, total, wanted, count });
        }
        append(&mut parts, address, &raw[HEAD..HEAD + size as usize], Place::Block(block));
    }
    match misplaced {
        Some(error) => Err(error.into()),
        None => Ok((Segments::new(parts)?, family)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F4: u32 = 0x5775_5A57;

    fn blocks(data: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, (flags_and_family, address, bytes)) in data.iter().enumerate() {
            let (flags, family) =
                if *flags_and_family > 0xFFFF { (0x2000, *flags_and_family) } else { (*flags_and_family, 0) };
            let head = [
                MAGIC[0],
                MAGIC[1],
                flags,
                *address,
                bytes.len() as u32,
                number as u32,
                data.len() as u32,
                family,
            ];
            let start = out.len();
            out.extend(head.into_iter().flat_map(u32::to_le_bytes));
            out.extend_from_slice(bytes);
            out.resize(start + BLOCK - 4, 0);
            out.extend(MAGIC_END.to_le_bytes());
        }
        out
    }

    #[test]
    fn blocks_in_any_order_of_addresses_make_segments_and_others_are_read_over() {
        let file = blocks(&[(F4, 0x0801_0100, &[2; 256]), (1, 0, &[9; 4]), (F4, 0x0801_0000, &[1; 256])]);
        let (segments, family) = read(&file).unwrap();
        assert_eq!((segments.start(), segments.total()), (0x0801_0000, 512));
        assert_eq!(family.and_then(Family::stm32), Some("STM32F4"));
        assert_eq!(segments.flat(0x0801_00FF, 0x0801_0101), [1, 2]);
    }

    #[test]
    fn bad_blocks_are_told_apart() {
        let good = blocks(&[(F4, 0x0801_0000, &[1; 256]), (F4, 0x0801_0100, &[2; 256])]);
        let changed = |at: usize, value: u8| {
            let mut file = good.clone();
            file[at] = value;
            file
        };
        let missing = Uf2Error::Number { block: 0, stated: 1, total: 2, wanted: 0, count: 1 };
        let table = [
            (good[..700].to_vec(), Uf2Error::Length(700)),
            (changed(512, 0), Uf2Error::Magic { block: 1 }),
            (changed(1023, 1), Uf2Error::Magic { block: 1 }),
            (changed(512 + 17, 2), Uf2Error::Size { block: 1, stated: 512 }),
            (good[512..].to_vec(), missing),
            (changed(28, 0x56), Uf2Error::Families { first: Family(0x5775_5A56), second: Family(F4) }),
        ];
        for (file, error) in table {
            match read(&file) {
                Err(FileError::Uf2(found)) => assert_eq!(found, error),
                other => panic!("{error:?}: {other:?}"),
            }
        }
    }
}
