//! Segments: what every file comes down to, bytes at addresses.
//!
//! Sorted, not empty, apart from each other, each start a multiple of four, inside 32 bits.
//! Neighbours without a gap are one segment. Flash is programmed in words, so a word of which a file
//! holds a part only is filled with 0xFF, as erased flash reads: its head here, its tail where it is
//! written. What the addresses mean on a chip is not known here.

use std::fmt;

/// Where in a file something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bytes from the start of the file.
    Offset(u64),
    /// A line of a text file, from 1.
    Line(usize),
    /// A section of an ELF, by its index.
    Section(usize),
    /// A program segment of an ELF, by its index.
    Segment(usize),
    /// A block of a UF2 file, from 0.
    Block(usize),
    /// A DfuSe element; both from 0.
    Element {
        /// Index of the target.
        target: usize,
        /// Index of the element in the target.
        element: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "byte {offset}"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::Section(index) => write!(f, "section {index}"),
            Self::Segment(index) => write!(f, "program segment {index}"),
            Self::Block(index) => write!(f, "block {index}"),
            Self::Element { target, element } => write!(f, "target {target}, element {element}"),
        }
    }
}

/// A piece as a reader found it.
#[derive(Clone, Debug)]
pub struct Part {
    /// First address.
    pub address: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where it stands in the file.
    pub place: Place,
}

/// Bytes at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address, a multiple of four.
    pub address: u32,
    /// The bytes, at least one.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// The first address behind it.
    pub fn end(&self) -> u32 {
        // `Segments::new` checked that this fits.
        self.address + self.bytes.len() as u32
    }
}

/// Why pieces do not make [`Segments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// There is nothing to write.
    #[error("the file holds no bytes for the flash")]
    Nothing,
    /// Two pieces want the same bytes.
    #[error("{first} and {second} both hold the byte at 0x{address:08X}")]
    Overlap {
        /// The first byte that both hold.
        address: u32,
        /// The piece that starts first.
        first: Place,
        /// The other one.
        second: Place,
    },
    /// Raw bytes are to go to an address that is not a multiple of four.
    #[error("0x{address:08X}, where the bytes are to go, is not a multiple of 4")]
    Unaligned {
        /// The address.
        address: u32,
    },
    /// A piece reaches over the end of the address space.
    #[error("{place} at 0x{address:08X} with {length} bytes passes the end of the 32-bit address space")]
    PastTheEnd {
        /// Its start.
        address: u32,
        /// Its bytes.
        length: usize,
        /// Where it stands.
        place: Place,
    },
}

/// Appends to the part before when the bytes continue it, so that a file of a million records does not become a
/// million parts.
pub(super) fn append(parts: &mut Vec<Part>, address: u32, bytes: &[u8], place: Place) {
    match parts.last_mut() {
        Some(p) if u64::from(p.address) + p.bytes.len() as u64 == u64::from(address) => {
            p.bytes.extend_from_slice(bytes);
        }
        _ => parts.push(Part { address, bytes: bytes.to_vec(), place }),
    }
}

/// The lines of a text file that are not blank, with their numbers from 1.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    (1..).zip(lines).filter(|(_, text)| !text.is_empty())
}

/// Sorted segments with gaps between them; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments(Vec<Segment>);

impl Segments {
    /// Sorts, joins and checks `parts`; empty ones are dropped.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn new(parts: impl IntoIterator<Item = Part>) -> Result<Self, SegmentError> {
        let mut parts: Vec<Part> = parts.into_iter().filter(|p| !p.bytes.is_empty()).collect();
        for Part { address, bytes, place } in &parts {
            let fits = u32::try_from(bytes.len()).is_ok_and(|length| address.checked_add(length).is_some());
            if !fits {
                let (address, length, place) = (*address, bytes.len(), *place);
                return Err(SegmentError::PastTheEnd { address, length, place });
            }
        }
        parts.sort_by_key(|p| p.address);
        let mut segments: Vec<Segment> = Vec::new();
        let mut last = Place::Offset(0);
        for Part { address, bytes, place } in parts {
            let word = address & !3;
            match segments.last_mut() {
                Some(before) if address < before.end() => {
                    return Err(SegmentError::Overlap { address, first: last, second: place });
                }
                // Neighbours, or two parts of one word.
                Some(before) if word <= before.end() => {
                    before.bytes.resize((address - before.address) as usize, 0xFF);
                    before.bytes.extend_from_slice(&bytes);
                }
                _ if word == address => segments.push(Segment { address, bytes }),
                _ => {
                    let mut filled = vec![0xFF; (address - word) as usize];
                    filled.extend_from_slice(&bytes);
                    segments.push(Segment { address: word, bytes: filled });
                }
            }
            last = place;
        }
        if segments.is_empty() { Err(SegmentError::Nothing) } else { Ok(Self(segments)) }
    }

    /// One segment.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn one(address: u32, bytes: Vec<u8>) -> Result<Self, SegmentError> {
        Self::new([Part { address, bytes, place: Place::Offset(0) }])
    }

    /// The segments in ascending order.
    pub fn iter(&self) -> std::slice::Iter<'_, Segment> {
        self.0.iter()
    }

    /// The first address.
    pub fn start(&self) -> u32 {
        self.0[0].address
    }

    /// The first address behind the last segment.
    pub fn end(&self) -> u32 {
        self.0[self.0.len() - 1].end()
    }

    /// True when some byte of `start .. end` is in them.
    pub fn touch(&self, start: u32, end: u32) -> bool {
        self.0.iter().any(|s| s.address < end && start < s.end())
    }

    /// Bytes without the gaps.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|s| s.bytes.len() as u64).sum()
    }

    /// What stands in `start .. end`, with 0xFF in the gaps as on erased flash.
    pub fn flat(&self, start: u32, end: u32) -> Vec<u8> {
        let mut flat = vec![0xFF; end.saturating_sub(start) as usize];
        for s in &self.0 {
            let (from, to) = (s.address.max(start), s.end().min(end));
            if from < to {
                let source = &s.bytes[(from - s.address) as usize..(to - s.address) as usize];
                flat[(from - start) as usize..(to - start) as usize].copy_from_slice(source);
            }
        }
        flat
    }
}

impl<'a> IntoIterator for &'a Segments {
    type Item = &'a Segment;
    type IntoIter = std::slice::Iter<'a, Segment>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(address: u32, length: usize, line: usize) -> Part {
        Part { address, bytes: vec![line as u8; length], place: Place::Line(line) }
    }

    #[test]
    fn pieces_are_sorted_and_neighbours_joined() {
        let s = Segments::new([part(0x108, 8, 2), part(0x100, 8, 1), part(0x200, 3, 3)]).unwrap();
        let shape: Vec<_> = s.iter().map(|s| (s.address, s.bytes.len())).collect();
        assert_eq!(shape, [(0x100, 16), (0x200, 3)]);
        assert_eq!((s.start(), s.end(), s.total()), (0x100, 0x203, 19));
    }

    #[test]
    fn the_head_of_a_word_is_filled_like_its_tail() {
        let s = Segments::new([part(0x102, 4, 1), part(0x10B, 1, 2), part(0x10F, 1, 3)]).unwrap();
        let shape: Vec<_> = s.iter().map(|s| (s.address, s.bytes.clone())).collect();
        let filled = vec![0xFF, 0xFF, 0xFF, 2, 0xFF, 0xFF, 0xFF, 3];
        assert_eq!(shape, [(0x100, vec![0xFF, 0xFF, 1, 1, 1, 1]), (0x108, filled)]);
        // Two parts of one word, and a part that begins in the word in which the last one ended.
        let s = Segments::new([part(0x100, 1, 1), part(0x103, 3, 2)]).unwrap();
        let shape: Vec<_> = s.iter().map(|s| (s.address, s.bytes.clone())).collect();
        assert_eq!(shape, [(0x100, vec![1, 0xFF, 0xFF, 2, 2, 2])]);
    }

    #[test]
    fn each_bad_shape_is_refused_with_its_place() {
        use SegmentError::*;
        let (one, two) = (Place::Line(1), Place::Line(2));
        let table: [(&[Part], SegmentError); 6] = [
            (&[], Nothing),
            (&[part(0x100, 0, 1)], Nothing),
            (&[part(0x104, 4, 1), part(0x100, 5, 2)], Overlap { address: 0x104, first: two, second: one }),
            (&[part(0x100, 4, 1), part(0x100, 4, 2)], Overlap { address: 0x100, first: one, second: two }),
            (&[part(0x102, 2, 1), part(0x103, 1, 2)], Overlap { address: 0x103, first: one, second: two }),
            (&[part(0xFFFF_FFFC, 8, 1)], PastTheEnd { address: 0xFFFF_FFFC, length: 8, place: one }),
        ];
        for (parts, error) in table {
            assert_eq!(Segments::new(parts.to_vec()), Err(error));
        }
    }

    #[test]
    fn a_gap_reads_as_erased_flash_and_the_window_cuts() {
        let s = Segments::new([part(0x100, 2, 1), part(0x104, 2, 2)]).unwrap();
        assert_eq!(s.flat(0x100, 0x108), [1, 1, 0xFF, 0xFF, 2, 2, 0xFF, 0xFF]);
        assert_eq!(s.flat(0x101, 0x105), [1, 0xFF, 0xFF, 2]);
        assert_eq!(s.flat(0x200, 0x202), [0xFF; 2]);
    }
}
