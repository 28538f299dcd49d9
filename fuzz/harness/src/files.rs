//! What a user's disk may hold: board files, and images in every format.
//!
//! Checked: what is read keeps the promises of its type, and what is written from it is read back
//! as the same.

use surefoot_board::Board;
use surefoot_core::config::Config;
use surefoot_core::dfu::memory;
use surefoot_host::files::{Format, Ids, Loaded, Segments, encode, parse};

use crate::support;
use std::path::Path;

/// Where raw bytes are put.
const ADDRESS: u32 = 0x0801_0000;
const IDS: Ids = Ids { vid: 0x0483, pid: 0xDF11, device: 0 };

/// A board file. Its keys are looked for in a folder that does not exist.
pub fn board(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Board::parse(text, Path::new("/nonexistent")) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(board) => {
            let map = board.memory_string();
            memory::parse(&map).unwrap_or_else(|e| panic!("{map}: {e:?}"));
            let block = board.block();
            let config = Config::parse(&block, board.binary_family).expect("what was sealed can be read");
            assert!(config.slots().eq(board.slots()));
            assert!(config.slots().all(|slot| slot.base >= board.bootloader().end()));
        }
    }
}

/// An ELF.
pub fn elf(data: &[u8]) {
    read(Format::Elf, data, None);
}

/// An Intel HEX file. Checksums are put right, or nearly nothing would be read.
pub fn hex(data: &[u8]) {
    read(Format::Hex, data, None);
    read(Format::Hex, mended_hex(data).as_bytes(), None);
}

/// S-records, as they are and with the checksums put right.
pub fn srec(data: &[u8]) {
    read(Format::Srec, data, None);
    let text = String::from_utf8_lossy(data).replace(':', "S");
    read(Format::Srec, text.as_bytes(), None);
    let mended: Vec<String> = text.lines().map(mended_record).collect();
    read(Format::Srec, mended.join("\n").as_bytes(), None);
}

/// A line that looks like an S-record gets the length and the checksum that belong to it.
fn mended_record(line: &str) -> String {
    let Some((head, digits)) = line.split_at_checked(2).filter(|(head, _)| head.starts_with('S')) else {
        return line.to_owned();
    };
    let digits: Vec<u8> = digits.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let bytes: Vec<u8> = digits.as_chunks::<2>().0.iter().map(|pair| pair[0] << 4 | pair[1]).collect();
    let Some((_, body)) = bytes.split_first().filter(|(_, body)| body.len() < 255) else {
        return line.to_owned();
    };
    let count = body.len() as u8 + 1;
    let sum = !body.iter().fold(count, |sum, byte| sum.wrapping_add(*byte));
    let bytes = std::iter::once(&count).chain(body).chain([&sum]);
    bytes.fold(head.to_owned(), |text, byte| text + &format!("{byte:02X}"))
}

/// UF2, as it is and with each block's magic words and numbers put right.
pub fn uf2(data: &[u8]) {
    read(Format::Uf2, data, None);
    let count = data.len().div_ceil(512);
    let mut mended = data.to_vec();
    mended.resize(512 * count, 0);
    for (number, block) in mended.as_chunks_mut::<512>().0.iter_mut().enumerate() {
        let words =
            [(0, 0x0A32_4655), (4, 0x9E5D_5157), (20, number as u32), (24, count as u32), (508, 0x0AB1_6F30)];
        for (at, word) in words {
            block[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
        }
    }
    read(Format::Uf2, &mended, None);
}

/// Raw bytes; the first four are the address.
pub fn bin(data: &[u8]) {
    if let Some((address, rest)) = data.split_first_chunk() {
        read(Format::Bin, rest, Some(u32::from_le_bytes(*address)));
    }
}

/// A DFU file, as it is and with its checksum put right.
pub fn dfu(data: &[u8]) {
    for address in [None, Some(ADDRESS)] {
        read(Format::Dfu, data, address);
        if let Some((body, _)) = data.split_last_chunk::<4>() {
            // DFU 1.1, appendix B: the CRC-32 is without its final XOR.
            let mended = [body, &(!crc32fast::hash(body)).to_le_bytes()].concat();
            read(Format::Dfu, &mended, address);
        }
    }
}

fn read(format: Format, data: &[u8], address: Option<u32>) {
    let loaded = match parse(format, data, address) {
        Ok(loaded) => loaded,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    check(&loaded.segments);
    for target in [Format::Hex, Format::Dfu] {
        let bytes = encode(target, &loaded.segments, IDS).expect("segments can be written");
        let again = parse(target, &bytes, None).expect("what was written can be read");
        assert_eq!(again.segments, loaded.segments);
    }
    if loaded.segments.end() - loaded.segments.start() < 1 << 20 {
        let bytes = encode(Format::Bin, &loaded.segments, IDS).expect("it is small");
        let Loaded { segments, .. } =
            parse(Format::Bin, &bytes, Some(loaded.segments.start())).expect("what was written can be read");
        assert_eq!((segments.start(), segments.end()), (loaded.segments.start(), loaded.segments.end()));
    }
}

fn check(segments: &Segments) {
    let mut end = None;
    for segment in segments.iter() {
        assert!(!segment.bytes.is_empty() && segment.address.is_multiple_of(4));
        assert!(u64::from(segment.address) + segment.bytes.len() as u64 <= 1 << 32);
        assert!(end.is_none_or(|end| segment.address >= end), "ascending and apart");
        end = Some(segment.end());
    }
    assert!(end.is_some());
    assert_eq!(segments.total(), segments.iter().map(|s| s.bytes.len() as u64).sum::<u64>());
}

/// Each line that looks like a record gets the checksum that belongs to it.
fn mended_hex(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let mut out = String::new();
    for line in text.lines() {
        let digits: Vec<u8> =
            line.bytes().filter_map(|c| (c as char).to_digit(16)).map(|d| d as u8).collect();
        let bytes: Vec<u8> = digits.as_chunks::<2>().0.iter().map(|pair| pair[0] << 4 | pair[1]).collect();
        match bytes.split_last() {
            Some((_, body)) if line.starts_with(':') => {
                let sum = body.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)).wrapping_neg();
                out.push(':');
                body.iter().chain([&sum]).for_each(|b| out.push_str(&format!("{b:02X}")));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// The example boards, with a policy that needs no key file.
pub fn board_seeds() -> Vec<Vec<u8>> {
    const EXAMPLES: [&str; 4] = [
        include_str!("../../../boards/f4-discovery.toml"),
        include_str!("../../../boards/f4-discovery-ab.toml"),
        include_str!("../../../boards/f4-discovery-backup.toml"),
        include_str!("../../../boards/f4-small.toml"),
    ];
    EXAMPLES
        .into_iter()
        .flat_map(|text| {
            let crc =
                text.replace("policy = \"signature\"", "policy = \"crc\"").replace("keys = ", "# keys = ");
            [text.into(), crc.into_bytes()]
        })
        .collect()
}

/// The smallest ELF that is accepted: one segment to load.
pub fn elf_seeds() -> Vec<Vec<u8>> {
    let mut elf = vec![0; 52 + 32];
    elf[..7].copy_from_slice(b"\x7FELF\x01\x01\x01");
    let mut put = |at: usize, bytes: &[u8]| elf[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &[2, 0, 40, 0, 1, 0, 0, 0]); // executable, ARM, version 1
    put(28, &52u32.to_le_bytes()); // program headers behind the header
    put(40, &[52, 0, 32, 0, 1, 0, 40, 0]);
    // PT_LOAD: offset, virtual and physical address, sizes in file and memory, flags, alignment.
    for (i, word) in [1, 84, ADDRESS, ADDRESS, 16, 16, 5, 4].into_iter().enumerate() {
        put(52 + 4 * i, &word.to_le_bytes());
    }
    elf.extend_from_slice(&[0x42; 16]);
    vec![elf]
}

/// Two segments with an extended address.
pub fn hex_seeds() -> Vec<Vec<u8>> {
    vec![encode(Format::Hex, &example(), IDS).expect("the example can be written")]
}

/// Two records and the one that ends them.
pub fn srec_seeds() -> Vec<Vec<u8>> {
    vec![b"S1050010AABB85\r\nS30608000020FFD2\r\nS70508000000F2\r\n".to_vec()]
}

/// One block with an address and some bytes.
pub fn uf2_seeds() -> Vec<Vec<u8>> {
    let head = [0x0A32_4655, 0x9E5D_5157, 0x2000, ADDRESS, 16, 0, 1, 0x5775_5A57];
    let mut block: Vec<u8> = head.into_iter().flat_map(u32::to_le_bytes).collect();
    block.extend([0x42; 16]);
    block.resize(508, 0);
    block.extend(0x0AB1_6F30_u32.to_le_bytes());
    vec![block]
}

/// An address and some bytes.
pub fn bin_seeds() -> Vec<Vec<u8>> {
    vec![[&ADDRESS.to_le_bytes()[..], &[1; 40]].concat()]
}

/// A file with two elements, and a plain one.
pub fn dfu_seeds() -> Vec<Vec<u8>> {
    let file = encode(Format::Dfu, &example(), IDS).expect("the example can be written");
    let mut plain = vec![7; 32];
    plain.extend_from_slice(&[0, 0, 0x11, 0xDF, 0x83, 0x04, 0x00, 0x01]);
    plain.extend_from_slice(b"UFD\x10\0\0\0\0");
    vec![file, plain]
}

fn example() -> Segments {
    let part = |address, bytes| surefoot_host::files::Part {
        address,
        bytes,
        place: surefoot_host::files::Place::Offset(0),
    };
    let mut random = support::Random(1);
    Segments::new([part(ADDRESS, random.bytes(100)), part(0x0804_0000, random.bytes(48))])
        .expect("the example is good")
}
