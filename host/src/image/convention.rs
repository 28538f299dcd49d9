//! CRC-32s of other conventions than the board's: recognised, so that they can be named.
//!
//! The board computes what the STM32's hardware unit does: polynomial 0x04C11DB7, initial 0xFFFFFFFF, words
//! in little-endian order, nothing reflected, nothing inverted, over all that is before the word. Build tools
//! compute others. None of them is accepted; this only tells which one it is.

use surefoot_core::image::crc32;

/// How a CRC-32 was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As the board does.
    Unit,
    /// The same, inverted at the end.
    UnitInverted,
    /// CRC-32 of zlib, zip and Ethernet: reflected, inverted at the end.
    Zlib,
    /// The same, not inverted.
    ZlibPlain,
    /// CRC-32/MPEG-2 over single bytes.
    Bytes,
    /// CRC-32/BZIP2: over single bytes, inverted at the end.
    BytesInverted,
}

/// Over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All that is before the word, as the board does.
    Before,
    /// The image without the erased flash between it and the word.
    Image,
    /// The whole region, filled up with 0xFF, although the word is right behind the image.
    Region,
}

/// A CRC-32 that the board does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convention {
    /// How it was computed.
    pub kind: Kind,
    /// Over what.
    pub over: Over,
    /// Its bytes are stored in big-endian order.
    pub swapped: bool,
}

impl Convention {
    /// The convention of the last word of `image` that is not erased, when it is a CRC-32 but not the
    /// board's; `room` is the slot's length.
    pub fn of(image: &[u8], room: Option<u32>) -> Option<Self> {
        let words = image.as_chunks::<4>().0;
        let (last, before) = words[..used(words)].split_last()?;
        let image_only = &before[..used(before)];
        let padding = room.map(|room| (room as usize / 4).saturating_sub(before.len() + 1)).unwrap_or(0);
        let found = |over, body: &[[u8; 4]]| {
            values(body).into_iter().find_map(|(kind, value)| {
                let swapped = match *last {
                    word if word == value.to_le_bytes() => false,
                    word if word == value.to_be_bytes() => true,
                    _ => return None,
                };
                Some(Self { kind, over, swapped })
            })
        };
        let is_boards = |c: &Self| *c == Self { kind: Kind::Unit, over: Over::Before, swapped: false };
        found(Over::Before, before)
            .or_else(|| found(Over::Image, image_only))
            .or_else(|| {
                let region = [before, &vec![[0xFF; 4]; padding]].concat();
                found(Over::Region, &region)
            })
            .filter(|c| !is_boards(c))
    }

    /// In words, as the end of "its last word is a CRC-32 of it, but ...".
    pub fn text(self) -> String {
        let kind = match self.kind {
            Kind::Unit => None,
            Kind::UnitInverted => Some("inverted at the end (a final XOR)"),
            Kind::Zlib => Some("as zlib computes it (bits reflected, a final XOR)"),
            Kind::ZlibPlain => Some("with its bits reflected"),
            Kind::Bytes => Some("over single bytes (CRC-32/MPEG-2), where the board takes words"),
            Kind::BytesInverted => Some("over single bytes and with a final XOR (CRC-32/BZIP2)"),
        };
        let over = match self.over {
            Over::Before => None,
            Over::Image => Some("without the erased flash between the image and that word"),
            Over::Region => Some("of the region filled up with 0xFF, and not of what is before that word"),
        };
        let swapped = self.swapped.then_some("stored in big-endian order");
        [kind, over, swapped].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Where the right one goes, in the words of `surefoot image sign --crc`.
    pub fn place(self) -> &'static str {
        if self.over == Over::Image { "region" } else { "image" }
    }
}

/// Words up to the last one that is not erased.
fn used(words: &[[u8; 4]]) -> usize {
    words.iter().rposition(|word| *word != [0xFF; 4]).map_or(0, |at| at + 1)
}

fn values(body: &[[u8; 4]]) -> [(Kind, u32); 6] {
    let bytes = body.as_flattened();
    let zlib = crc32fast::hash(bytes);
    let unit = crc32(bytes);
    // The unit takes a word's highest byte first, so bytes in their order are words turned round.
    let turned: Vec<[u8; 4]> = body.iter().map(|[a, b, c, d]| [*d, *c, *b, *a]).collect();
    let single = crc32(turned.as_flattened());
    [
        (Kind::Unit, unit),
        (Kind::UnitInverted, !unit),
        (Kind::Zlib, zlib),
        (Kind::ZlibPlain, !zlib),
        (Kind::Bytes, single),
        (Kind::BytesInverted, !single),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_convention_gives_the_value_that_its_definition_gives() {
        // "12345678", by the definition of each convention; a whole number of words.
        let body: [[u8; 4]; 2] = [*b"1234", *b"5678"];
        let wanted = [
            (Kind::Unit, 0xFEFC_54F9),
            (Kind::UnitInverted, 0x0103_AB06),
            (Kind::Zlib, 0x9AE0_DAAF),
            (Kind::ZlibPlain, 0x651F_2550),
            (Kind::Bytes, 0x49E3_C2FB),
            (Kind::BytesInverted, 0xB61C_3D04),
        ];
        assert_eq!(values(&body), wanted);
    }
}
