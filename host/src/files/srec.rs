//! Motorola S-records: each line is one checked record of a type, an address and data.
//!
//! Read, never written. S0 (a title) is read over; S1, S2 and S3 hold data; S5 and S6 count them; S7, S8 and
//! S9 end the file. Some tools write no end, so a file without one is taken: what its lines hold is checked.

use super::FileError;
use super::segments::{Part, Place, Segments, append, lines};

/// Why text is not a file of S-records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrecError {
    /// A line is not a record.
    #[error("line {line} is not an S-record: {reason}")]
    Record {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A line's checksum does not match.
    #[error("line {line}: the checksum is {found:02X} and should be {wanted:02X}")]
    Checksum {
        /// From 1.
        line: usize,
        /// In the file.
        found: u8,
        /// Of the line's bytes.
        wanted: u8,
    },
    /// The count of data records is another.
    #[error("line {line} counts {stated} data records, the file has {found} before it")]
    Count {
        /// From 1.
        line: usize,
        /// In the file.
        stated: u32,
        /// Of the file, in as many bits.
        found: u32,
    },
    /// Records after the one that ends the file.
    #[error("line {line} comes after the record that ends the file")]
    AfterEnd {
        /// From 1.
        line: usize,
    },
}

/// Reads all of `bytes`; the second is true when a record ends the file.
pub(super) fn read(bytes: &[u8]) -> Result<(Segments, bool), FileError> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut records, mut ended) = (0u32, false);
    for (line, text) in lines(bytes) {
        if ended {
            return Err(SrecError::AfterEnd { line }.into());
        }
        let Record { kind, address, data } = record(text, line)?;
        match kind {
            1..=3 => {
                records += 1;
                append(&mut parts, address, &data, Place::Line(line));
            }
            5 | 6 => {
                let found = if kind == 5 { records & 0xFFFF } else { records & 0xFF_FFFF };
                if address != found {
                    return Err(SrecError::Count { line, stated: address, found }.into());
                }
            }
            7..=9 => ended = true,
            _ => {}
        }
    }
    Ok((Segments::new(parts)?, ended))
}

struct Record {
    kind: u8,
    address: u32,
    data: Vec<u8>,
}

fn record(text: &[u8], line: usize) -> Result<Record, SrecError> {
    let wrong = |reason| SrecError::Record { line, reason };
    let [b'S' | b's', kind @ b'0'..=b'9', digits @ ..] = text else {
        return Err(wrong("it does not begin with S and a digit"));
    };
    let kind = kind - b'0';
    let bytes = hex::decode(digits).map_err(|_| wrong("it does not hold pairs of hexadecimal digits"))?;
    let Some((&count, rest)) = bytes.split_first() else { return Err(wrong("it is too short")) };
    if usize::from(count) != rest.len() {
        return Err(wrong("its length is not the one it states"));
    }
    let width = match kind {
        0 | 1 | 5 | 9 => 2,
        2 | 6 | 8 => 3,
        3 | 7 => 4,
        _ => return Err(wrong("its type is not known")),
    };
    let Some((&found, body)) = rest.split_last().filter(|(_, body)| body.len() >= width) else {
        return Err(wrong("it is too short"));
    };
    let wanted = !body.iter().fold(count, |sum, byte| sum.wrapping_add(*byte));
    if found != wanted {
        return Err(SrecError::Checksum { line, found, wanted });
    }
    let (address, data) = body.split_at(width);
    let address = address.iter().fold(0, |address, byte| address << 8 | u32::from(*byte));
    Ok(Record { kind, address, data: data.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_widths_of_addresses_are_read_and_the_count_is_held_against_the_records() {
        let text = "S00600004844521B\r\nS1050010AABB85\r\nS206080010CCDD38\r\nS30608000020FFD2\r\nS5030003F9\r\nS70508000000F2\r\n";
        let (segments, ended) = read(text.as_bytes()).unwrap();
        let shape: Vec<_> = segments.iter().map(|s| (s.address, s.bytes.clone())).collect();
        let bytes = [(0x10, vec![0xAA, 0xBB]), (0x08_0010, vec![0xCC, 0xDD]), (0x0800_0020, vec![0xFF])];
        assert_eq!(shape, bytes);
        assert!(ended);
        assert!(!read(b"S1050010AABB85\n").unwrap().1);
    }

    #[test]
    fn every_bad_line_is_named_with_its_number() {
        use SrecError::*;
        let table: [(&str, SrecError); 7] = [
            ("S1050010AABB86", Checksum { line: 1, found: 0x86, wanted: 0x85 }),
            ("S1060010AABB85", Record { line: 1, reason: "its length is not the one it states" }),
            ("S1050010AABB8", Record { line: 1, reason: "it does not hold pairs of hexadecimal digits" }),
            ("S4050010AABB85", Record { line: 1, reason: "its type is not known" }),
            ("\nhello", Record { line: 2, reason: "it does not begin with S and a digit" }),
            ("S1050010AABB85\nS5030002FA", Count { line: 2, stated: 2, found: 1 }),
            ("S9030000FC\nS1050010AABB85", AfterEnd { line: 2 }),
        ];
        for (text, error) in table {
            match read(text.as_bytes()) {
                Err(FileError::Srec(found)) => assert_eq!(found, error, "{text}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}
