//! Files in and out: round trips, and every bad input with its own error.

use crate::common::{elf, elf_with_headers_loaded};
use surefoot_host::explain::Explain;
use surefoot_host::files::{
    self, DfuError, DfuFile, Element, ElfError, FileError, Format, Ids, Part, Place, SegmentError, Segments,
    Target,
};

fn two_segments() -> Segments {
    let part = |address, bytes| Part { address, bytes, place: Place::Offset(0) };
    Segments::new([part(0x0801_0000, (0..255).collect()), part(0x0802_0000, vec![0xA5; 1000])]).unwrap()
}

fn dfu_with(targets: Vec<Target>) -> Vec<u8> {
    DfuFile { ids: Ids::default(), payload: files::Payload::DfuSe(targets) }.encode()
}

fn one_target(elements: &[(u32, usize)]) -> Vec<Target> {
    let elements = elements.iter().map(|&(address, n)| Element { address, bytes: vec![1; n] }).collect();
    vec![Target { alternate: 0, name: Some("Internal Flash".into()), elements }]
}

/// Puts the right CRC behind changed bytes, so that the next check is the one under test.
fn resealed(mut file: Vec<u8>) -> Vec<u8> {
    let body = file.len() - 4;
    let crc = !crc32fast::hash(&file[..body]);
    file[body..].copy_from_slice(&crc.to_le_bytes());
    file
}

#[test]
fn what_is_written_as_hex_or_dfu_reads_back_with_its_segments() {
    let segments = two_segments();
    for format in [Format::Hex, Format::Dfu] {
        let bytes = files::encode(format, &segments, Ids::default()).unwrap();
        assert_eq!(files::parse(format, &bytes, None).unwrap().segments, segments, "{format}");
    }
    let bytes = files::encode(Format::Bin, &segments, Ids::default()).unwrap();
    let flat = files::parse(Format::Bin, &bytes, Some(segments.start())).unwrap().segments;
    assert_eq!(flat.flat(flat.start(), flat.end()), segments.flat(segments.start(), segments.end()));
}

#[test]
fn an_elf_loads_at_its_physical_addresses() {
    let file = elf(&[(0x0801_0000, &[1; 8]), (0x0801_0008, &[2; 4]), (0x0802_0000, &[3; 3])]);
    let segments = files::parse(Format::Elf, &file, None).unwrap().segments;
    let shape: Vec<_> = segments.iter().map(|s| (s.address, s.bytes.len())).collect();
    assert_eq!(shape, [(0x0801_0000, 12), (0x0802_0000, 3)]);
}

#[test]
fn the_elfs_own_headers_are_no_part_of_the_image() {
    let file = elf_with_headers_loaded(0x0801_0000, &[7; 12]);
    let segments = files::parse(Format::Elf, &file, None).unwrap().segments;
    let shape: Vec<_> = segments.iter().map(|s| (s.address, s.bytes.clone())).collect();
    assert_eq!(shape, [(0x0801_0000, vec![7; 12])]);
}

#[test]
fn bad_elf_files_are_told_apart() {
    let good = elf(&[(0x0801_0000, &[1; 64])]);
    let changed = |at: usize, value: u8| {
        let mut file = good.clone();
        file[at] = value;
        file
    };
    type Check = fn(&ElfError) -> bool;
    let table: [(&str, Vec<u8>, Check); 7] = [
        ("only a magic", good[..20].to_vec(), |e| matches!(e, ElfError::Damaged(_))),
        ("64 bits", changed(4, 2), |e| *e == ElfError::Class),
        ("big-endian", changed(5, 2), |e| *e == ElfError::Class),
        ("x86", changed(18, 3), |e| *e == ElfError::Machine(3)),
        ("object file", changed(16, 1), |e| *e == ElfError::NotAProgram(1)),
        ("cut in the data", good[..good.len() - 1].to_vec(), |e| {
            matches!(e, ElfError::Truncated { place: Place::Segment(0), .. })
        }),
        ("cut in the headers", good[..60].to_vec(), |e| matches!(e, ElfError::Damaged(_))),
    ];
    for (name, file, check) in table {
        match files::parse(Format::Elf, &file, None) {
            Err(FileError::Elf(e)) => assert!(check(&e), "{name}: {e}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let none = files::parse(Format::Elf, &elf(&[]), None);
    assert!(matches!(none, Err(FileError::Segments(SegmentError::Nothing))), "{none:?}");
    let twice = files::parse(Format::Elf, &elf(&[(0x100, &[0; 8]), (0x104, &[0; 8])]), None);
    assert!(matches!(twice, Err(FileError::Segments(SegmentError::Overlap { .. }))), "{twice:?}");
}

#[test]
fn bad_dfu_files_are_told_apart() {
    let good = dfu_with(one_target(&[(0x0801_0000, 16), (0x0802_0000, 8)]));
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        resealed(file)
    };
    let element = |element| Place::Element { target: 0, element };
    let (target, first) = (11, 11 + 274);
    let body = good.len() - 16;
    let table: [(&str, Vec<u8>, DfuError); 13] = [
        ("ten bytes", good[..10].to_vec(), DfuError::Short(10)),
        ("no suffix", good[..good.len() - 1].to_vec(), DfuError::NoSuffix),
        ("version 2", with(body + 6, &[0, 2]), DfuError::Version(0x200)),
        ("no prefix", with(0, b"X"), DfuError::NoPrefix),
        ("prefix length", with(6, &[9, 0]), DfuError::Length { stated: 9, found: body }),
        ("no target", with(target, b"X"), DfuError::NoTarget { target: 0, offset: 11 }),
        ("two targets", with(10, &[2]), truncated(Place::Offset(body as u64), body, 274, 0)),
        (
            "target length",
            with(target + 266, &[99]),
            DfuError::TargetLength { target: 0, stated: 99, found: 40 },
        ),
        ("three elements", with(target + 270, &[3]), truncated(element(2), body, 8, 0)),
        (
            "one element",
            with(target + 270, &[1]),
            DfuError::TargetLength { target: 0, stated: 40, found: 24 },
        ),
        ("long element", with(first + 4, &[0xFF, 0xFF]), truncated(element(0), first + 8, 0xFFFF, 32)),
        (
            "empty element",
            with(first + 4, &[0]),
            DfuError::EmptyElement { address: 0x0801_0000, place: element(0) },
        ),
        ("no targets", with(10, &[0]), DfuError::Surplus(body - 11)),
    ];
    for (name, file, error) in table {
        match files::parse(Format::Dfu, &file, None) {
            Err(FileError::Dfu(e)) => assert_eq!(e, error, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let other = Target { alternate: 1, ..one_target(&[(0x0801_0000, 4)]).remove(0) };
    let other = files::parse(Format::Dfu, &dfu_with(vec![other]), None);
    assert!(matches!(other, Err(FileError::Dfu(DfuError::Alternate { target: 0, alternate: 1 }))));
}

fn truncated(place: Place, offset: usize, wanted: usize, left: usize) -> DfuError {
    DfuError::Truncated { place, offset, wanted, left }
}

#[test]
fn a_dfu_file_with_any_bit_flipped_is_refused() {
    let good = dfu_with(one_target(&[(0x0801_0000, 4)]));
    for bit in 0..good.len() * 8 {
        let mut file = good.clone();
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(files::parse(Format::Dfu, &file, None).is_err(), "bit {bit}");
    }
}

#[test]
fn dfu_elements_that_overlap_or_pass_the_end_are_refused() {
    let overlap = dfu_with(one_target(&[(0x0801_0000, 16), (0x0801_0008, 16)]));
    let past = dfu_with(one_target(&[(0xFFFF_FFF0, 32)]));
    let place = |element| Place::Element { target: 0, element };
    let table = [
        (overlap, SegmentError::Overlap { address: 0x0801_0008, first: place(0), second: place(1) }),
        (past, SegmentError::PastTheEnd { address: 0xFFFF_FFF0, length: 32, place: place(0) }),
    ];
    for (file, error) in table {
        match files::parse(Format::Dfu, &file, None) {
            Err(FileError::Segments(e)) => assert_eq!(e, error),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_plain_dfu_file_needs_an_address_and_keeps_its_ids() {
    let ids = Ids { vid: 0x1234, pid: 0x5678, device: 0x0101 };
    let file = DfuFile { ids, payload: files::Payload::Plain(vec![5; 12]) }.encode();
    assert!(matches!(files::parse(Format::Dfu, &file, None), Err(FileError::NoAddress(Format::Dfu))));
    let loaded = files::parse(Format::Dfu, &file, Some(0x0801_0000)).unwrap();
    assert_eq!((loaded.ids, loaded.segments.total()), (Some(ids), 12));
}

#[test]
fn addresses_are_asked_for_where_they_are_missing_and_refused_where_they_are_not() {
    let elf = elf(&[(0x0801_0000, &[1; 4])]);
    assert!(matches!(files::parse(Format::Elf, &elf, Some(0)), Err(FileError::AddressGiven(Format::Elf))));
    assert!(matches!(files::parse(Format::Bin, &[1], None), Err(FileError::NoAddress(Format::Bin))));
    for format in [Format::Srec, Format::Uf2] {
        assert!(matches!(files::parse(format, &[1], Some(0)), Err(FileError::AddressGiven(_))), "{format}");
    }
    let odd = files::parse(Format::Bin, &[1], Some(0x0801_0001));
    assert!(matches!(odd, Err(FileError::Segments(SegmentError::Unaligned { .. }))));
    let past = files::parse(Format::Bin, &[1; 8], Some(0xFFFF_FFFC));
    assert!(matches!(past, Err(FileError::Segments(SegmentError::PastTheEnd { .. }))));
}

#[test]
fn an_empty_file_is_refused_in_every_format() {
    for format in [Format::Elf, Format::Hex, Format::Bin, Format::Dfu, Format::Srec, Format::Uf2] {
        assert!(matches!(files::parse(format, &[], None), Err(FileError::Empty)), "{format}");
    }
}

#[test]
fn random_bytes_never_pass_as_a_file_with_a_checksum_and_never_panic() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x5EED_u64);
    println!("SEED={seed}");
    let mut state = seed;
    let mut next = || {
        // xorshift64: any full-period generator does.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let heads: [&[u8]; 6] =
        [b"", b"\x7FELF\x01\x01\x01", b":10", b"DfuSe\x01", b"S113", b"UF2\n\x57\x51\x5D\x9E"];
    for round in 0..20_000 {
        let mut bytes = heads[round % heads.len()].to_vec();
        let length = next() % 300;
        bytes.extend((0..length).map(|_| next() as u8));
        for format in [Format::Elf, Format::Hex, Format::Dfu, Format::Srec, Format::Uf2] {
            let parsed = files::parse(format, &bytes, None);
            assert!(parsed.is_err(), "{format}, round {round}: {parsed:?}");
        }
    }
}

#[test]
fn a_damaged_elf_never_panics() {
    let good = elf(&[(0x0801_0000, &[1; 64]), (0x0801_0100, &[1; 64])]);
    for at in 0..good.len().min(52 + 64) {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut file = good.clone();
            file[at] = value;
            let _ = files::parse(Format::Elf, &file, None).map(|l| l.segments.total());
        }
    }
}

#[test]
fn the_name_and_the_contents_must_agree() {
    let dir = std::env::temp_dir().join(format!("surefoot-files-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let program = elf(&[(0x0801_0000, &[1; 4])]);
    assert_eq!(files::read(&file("app", &program), None).unwrap().format, Format::Elf);
    let disguised = files::read(&file("app.bin", &program), Some(0x0801_0000));
    assert!(matches!(disguised, Err(FileError::Disguised { named: Format::Bin, found: Format::Elf })));
    let unknown = files::read(&file("app.xyz", &[1, 2, 3]), None);
    assert!(matches!(unknown, Err(FileError::UnknownFormat { .. })));
    assert!(matches!(files::read(&dir.join("missing.bin"), None), Err(FileError::Read { .. })));
    let error = files::read(&file("empty.hex", &[]), None).unwrap_err();
    assert_eq!(error.code(), "file.empty");
    assert!(!error.why().is_empty() && !error.remedy().is_empty());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_written_file_takes_the_format_of_its_name_and_never_that_of_an_elf() {
    let dir = std::env::temp_dir().join(format!("surefoot-written-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let segments = two_segments();
    for name in ["a.hex", "a.dfu"] {
        files::write(&dir.join(name), &segments, Ids::default()).unwrap();
        assert_eq!(files::read(&dir.join(name), None).unwrap().segments, segments);
    }
    let refused = files::write(&dir.join("a.elf"), &segments, Ids::default());
    assert!(matches!(refused, Err(FileError::UnknownFormat { .. })));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2, "nothing else remains");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Such a file takes no room on the disk, and reading it would take half a gigabyte of memory.
#[test]
fn a_file_of_hundreds_of_megabytes_is_refused_unread_with_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.dfu");
    std::fs::File::create(&path).and_then(|file| file.set_len(600 << 20)).unwrap();
    let refused = files::read(&path, None);
    assert!(matches!(refused, Err(FileError::TooBig { bytes: 629_145_600 })), "{refused:?}");
}
