//! Whole erased sectors inside an image: where applications keep settings, and where an image has nothing.
//!
//! A signature or checksum covers such a sector like the rest of the image. The first byte that is saved there
//! makes the image another one, which the board refuses from then on, and every update erases the sector. So
//! it is refused unless somebody says that it is meant. Whether a file has the bytes (as 0xFF) or leaves them
//! out makes no difference to the board, so it makes none here.

use crate::files::Segments;
use surefoot_core::config::Slot;

/// A sector of the flash by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// As the manual counts.
    pub number: usize,
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
}

/// Erased sectors that follow each other, between two parts of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The first of them.
    pub first: Sector,
    /// As many.
    pub count: usize,
    /// The first address behind them.
    pub end: u32,
}

/// The first hole of `segments` in `slot`. With `lone_word` a last word of the slot that stands by itself is
/// a checksum of the region and no part of the image.
pub fn hole(
    segments: &Segments,
    slot: Slot,
    lone_word: bool,
    sectors: impl IntoIterator<Item = Sector>,
) -> Option<Hole> {
    let end = content_end(segments, slot, lone_word);
    let within = |s: &Sector| s.base >= segments.start() && s.base.saturating_add(s.size) <= end;
    let mut hole: Option<Hole> = None;
    for sector in sectors.into_iter().filter(within) {
        let behind = sector.base + sector.size;
        match &mut hole {
            _ if !is_blank(segments, sector.base, behind) => {
                if hole.is_some() {
                    break;
                }
            }
            None => hole = Some(Hole { first: sector, count: 1, end: behind }),
            Some(hole) => (hole.count, hole.end) = (hole.count + 1, behind),
        }
    }
    hole
}

/// True when nothing but 0xFF is in `start .. end`.
fn is_blank(segments: &Segments, start: u32, end: u32) -> bool {
    segments.iter().filter(|s| s.address < end && start < s.end()).all(|s| {
        let from = start.saturating_sub(s.address) as usize;
        let to = (end - s.address).min(s.bytes.len() as u32) as usize;
        s.bytes[from..to].iter().all(|b| *b == 0xFF)
    })
}

/// The first address behind the last byte that is not erased.
fn content_end(segments: &Segments, slot: Slot, lone_word: bool) -> u32 {
    let last = slot.end() - 4;
    let lone = lone_word && segments.end() == slot.end() && is_blank(segments, last - 4, last);
    let limit = if lone { last } else { segments.end() };
    let used = segments.iter().filter(|s| s.address < limit).filter_map(|s| {
        let bytes = &s.bytes[..(limit - s.address).min(s.bytes.len() as u32) as usize];
        bytes.iter().rposition(|b| *b != 0xFF).map(|at| s.address + at as u32 + 1)
    });
    used.max().unwrap_or(segments.start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Part, Place};

    const SLOT: Slot = Slot { base: 0x0801_0000, length: 0xF_0000 };

    /// Sectors 4 to 11 of an STM32F407: one of 64 KB, seven of 128 KB.
    fn sectors() -> impl Iterator<Item = Sector> {
        let first = Sector { number: 4, base: 0x0801_0000, size: 0x1_0000 };
        let rest =
            (0..7).map(|i| Sector { number: 5 + i, base: 0x0802_0000 + 0x2_0000 * i as u32, size: 0x2_0000 });
        std::iter::once(first).chain(rest)
    }

    fn found(parts: &[(u32, Vec<u8>)], lone_word: bool) -> Option<(usize, usize, u32)> {
        let parts = parts.iter().map(|(address, bytes)| Part {
            address: *address,
            bytes: bytes.clone(),
            place: Place::Offset(0),
        });
        let hole = hole(&Segments::new(parts).unwrap(), SLOT, lone_word, sectors());
        hole.map(|h| (h.first.number, h.count, h.end))
    }

    #[test]
    fn a_whole_erased_sector_between_two_parts_is_found_whether_the_file_has_its_bytes_or_not() {
        let code = |address: u32| (address, vec![1; 64]);
        let mut flat = vec![0xFF; 0x3_0040];
        flat[..64].fill(1);
        flat[0x3_0000..].fill(1);
        type Case = (&'static str, Vec<(u32, Vec<u8>)>, Option<(usize, usize, u32)>);
        let table: [Case; 7] = [
            ("one part", vec![code(0x0801_0000)], None),
            ("a gap within sectors", vec![code(0x0801_0000), code(0x0802_8000)], None),
            ("sector 5", vec![code(0x0801_0000), code(0x0804_0000)], Some((5, 1, 0x0804_0000))),
            ("sector 5 in one part", vec![(0x0801_0000, flat)], Some((5, 1, 0x0804_0000))),
            ("sectors 5 to 7", vec![code(0x0801_0000), code(0x0808_0000)], Some((5, 3, 0x0808_0000))),
            ("a part of sector 5", vec![code(0x0801_0000), code(0x0802_0000), code(0x0804_0000)], None),
            ("nothing behind it", vec![(0x0801_0000, [vec![1; 64], vec![0xFF; 0x4_0000]].concat())], None),
        ];
        for (name, parts, expected) in table {
            assert_eq!(found(&parts, false), expected, "{name}");
        }
    }

    #[test]
    fn a_checksum_in_the_regions_last_word_makes_no_hole_and_data_there_does() {
        let word = (SLOT.end() - 4, vec![1; 4]);
        let code = (0x0801_0000, vec![1; 64]);
        assert_eq!(found(&[code.clone(), word.clone()], true), None);
        assert_eq!(found(&[code.clone(), word], false), Some((5, 6, 0x080E_0000)));
        let more = (SLOT.end() - 8, vec![1; 8]);
        assert_eq!(found(&[code, more], true), Some((5, 6, 0x080E_0000)));
    }
}
