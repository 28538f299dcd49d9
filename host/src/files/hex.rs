//! Intel HEX: each line is one checked record (crate `ihex`); addresses and order are checked here.
//!
//! Segment (type 02) and linear (type 04) base addresses are read, start addresses (03, 05) are
//! read over. Written files use linear base addresses and 16 bytes a line.

use super::segments::{Part, Place, Segments, append, lines};
use super::{FileError, SegmentError};
use ihex::{ReaderError, Record};

/// Why text is not Intel HEX.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// A byte that is no ASCII.
    #[error("line {line} holds bytes that are no text")]
    NotText {
        /// From 1.
        line: usize,
    },
    /// A line is not a record.
    #[error("line {line} is not a record of an Intel HEX file: {reason}")]
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
    /// No end-of-file record.
    #[error("the end-of-file record is missing after line {line}")]
    NoEnd {
        /// The last line, from 1.
        line: usize,
    },
    /// Records after the end-of-file record.
    #[error("line {line} comes after the end-of-file record")]
    AfterEnd {
        /// From 1.
        line: usize,
    },
    /// A data record's address range passes the 32-bit end.
    #[error("line {line} passes the end of its 64 KiB block")]
    Wraps {
        /// From 1.
        line: usize,
    },
}

/// Reads all of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Segments, FileError> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut base, mut ended, mut last) = (0u32, false, 0);
    for (line, text) in lines(bytes) {
        let text = std::str::from_utf8(text).map_err(|_| HexError::NotText { line })?;
        if ended {
            return Err(HexError::AfterEnd { line }.into());
        }
        last = line;
        match Record::from_record_string(text).map_err(|e| refused(e, line))? {
            Record::Data { offset, value } => {
                if usize::from(offset) + value.len() > 0x1_0000 {
                    return Err(HexError::Wraps { line }.into());
                }
                let place = Place::Line(line);
                let past = SegmentError::PastTheEnd { address: base, length: value.len(), place };
                let address = base.checked_add(u32::from(offset)).ok_or(past)?;
                append(&mut parts, address, &value, place);
            }
            Record::EndOfFile => ended = true,
            Record::ExtendedSegmentAddress(segment) => base = u32::from(segment) << 4,
            Record::ExtendedLinearAddress(upper) => base = u32::from(upper) << 16,
            Record::StartSegmentAddress { .. } | Record::StartLinearAddress(_) => {}
        }
    }
    if !ended {
        return Err(HexError::NoEnd { line: last }.into());
    }
    Ok(Segments::new(parts)?)
}

fn refused(error: ReaderError, line: usize) -> HexError {
    let reason = match error {
        ReaderError::MissingStartCode => "it does not begin with a colon",
        ReaderError::RecordTooShort => "it is too short",
        ReaderError::RecordTooLong => "it is too long",
        ReaderError::RecordNotEvenLength => "it has half a byte at its end",
        ReaderError::ContainsInvalidCharacters => "it holds characters that are no hexadecimal digits",
        ReaderError::ChecksumMismatch(wanted, found) => return HexError::Checksum { line, found, wanted },
        ReaderError::PayloadLengthMismatch => "its length is not the one it states",
        ReaderError::UnsupportedRecordType { .. } => "its type is not known",
        ReaderError::InvalidLengthForType => "its length does not fit its type",
    };
    HexError::Record { line, reason }
}

/// The text of a file with `segments`.
pub(super) fn write(segments: &Segments) -> String {
    let mut records = Vec::new();
    let mut upper = None;
    for segment in segments {
        let mut address = segment.address;
        let mut rest = segment.bytes.as_slice();
        while !rest.is_empty() {
            let high = (address >> 16) as u16;
            if upper != Some(high) {
                records.push(Record::ExtendedLinearAddress(high));
                upper = Some(high);
            }
            // A line ends at a multiple of 16, so none crosses a 64 KiB block.
            let (line, behind) = rest.split_at(rest.len().min(16 - (address as usize & 15)));
            records.push(Record::Data { offset: address as u16, value: line.to_vec() });
            address = address.wrapping_add(line.len() as u32);
            rest = behind;
        }
    }
    records.push(Record::EndOfFile);
    let mut text = String::new();
    for record in &records {
        // A record of at most 16 bytes always has a string.
        text.push_str(&record.to_record_string().unwrap_or_default());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = ":020000040801F1\n:04000000DEADBEEFC4\n:00000001FF\n";

    #[test]
    fn a_written_file_reads_back_over_a_64_kib_border_and_a_gap() {
        let long: Vec<u8> = (0..200).collect();
        let parts = [(0x0800_FFF4, long), (0x0802_0000, vec![1, 2, 3])].map(|(address, bytes)| Part {
            address,
            bytes,
            place: Place::Offset(0),
        });
        let segments = Segments::new(parts).unwrap();
        let text = write(&segments);
        assert_eq!(read(text.as_bytes()).unwrap(), segments);
        assert_eq!(read(text.replace('\n', "\r\n").as_bytes()).unwrap(), segments);
    }

    #[test]
    fn segment_base_addresses_count_in_paragraphs() {
        let s = read(b":020000021000EC\n:0400000001020304F2\n:00000001FF\n").unwrap();
        assert_eq!(s.start(), 0x1_0000);
    }

    #[test]
    fn every_bad_line_is_named_with_its_number() {
        use HexError::*;
        let record = |line, reason| Record { line, reason };
        let table: [(&str, HexError); 9] = [
            ("04000000DEADBEEFC4\n", record(1, "it does not begin with a colon")),
            (":04\n", record(1, "it is too short")),
            (":020000040801F1\n:04000000DEADBEEFC\n", record(2, "it has half a byte at its end")),
            (":04000000DEADBEXYC4\n", record(1, "it holds characters that are no hexadecimal digits")),
            (":05000000DEADBEEFC3\n", record(1, "its length is not the one it states")),
            (":04000000DEADBEEFC5\n", Checksum { line: 1, found: 0xC5, wanted: 0xC4 }),
            (":020000040801F1\n:04000000DEADBEEFC4\n", NoEnd { line: 2 }),
            (":00000001FF\n:04000000DEADBEEFC4\n", AfterEnd { line: 2 }),
            (":04FFFE00DEADBEEFC7\n", Wraps { line: 1 }),
        ];
        for (text, error) in table {
            match read(text.as_bytes()) {
                Err(FileError::Hex(found)) => assert_eq!(found, error),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert!(matches!(read(b":0400\xFF\n"), Err(FileError::Hex(NotText { line: 1 }))));
    }

    #[test]
    fn records_that_overlap_are_refused() {
        let twice = ONE.replace(":00000001FF", ":02000200AAAAA8\n:00000001FF");
        let overlap =
            SegmentError::Overlap { address: 0x0801_0002, first: Place::Line(2), second: Place::Line(3) };
        assert!(matches!(read(twice.as_bytes()), Err(FileError::Segments(e)) if e == overlap));
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        for end in 1..ONE.len() - 1 {
            assert!(read(&ONE.as_bytes()[..end]).is_err(), "{end}");
        }
    }
}
