//! Input files as build tools write them: odd ones that are taken, and strange ones that are named.

use crate::common::{SLOT, application, block, key};
use surefoot_core::config::{Config, FAMILY_F4, Policy};
use surefoot_host::explain::Explain;
use surefoot_host::files::{self, FileError, Format, Ids, Part, Place, Segments};
use surefoot_host::image::{self, Identity, ImageError, Map, Region};

/// A folder with files in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for the test"))
    }

    fn read(&self, name: &str, bytes: &[u8], address: Option<u32>) -> Result<files::Loaded, FileError> {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        files::read(&path, address)
    }
}

fn dfu_suffix(bytes: &[u8], vid: u16) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for half in [0xFFFF, 0xDF11, vid, 0x0100] {
        out.extend(u16::to_le_bytes(half));
    }
    out.extend(b"UFD\x10");
    out.extend((!crc32fast::hash(&out)).to_le_bytes());
    out
}

fn uf2(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, part) in bytes.chunks(256).enumerate() {
        let (address, total) = (SLOT.base + 256 * number as u32, bytes.len().div_ceil(256) as u32);
        let head =
            [0x0A32_4655, 0x9E5D_5157, 0x2000, address, part.len() as u32, number as u32, total, 0x5775_5A57];
        out.extend(head.into_iter().flat_map(u32::to_le_bytes));
        out.extend(part);
        out.resize(512 * (number + 1) - 4, 0);
        out.extend(0x0AB1_6F30_u32.to_le_bytes());
    }
    out
}

fn srec(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for (number, part) in bytes.chunks(16).enumerate() {
        let mut record = vec![part.len() as u8 + 5];
        record.extend((SLOT.base + 16 * number as u32).to_be_bytes());
        record.extend(part);
        record.push(!record.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
        text += &format!("S3{}\r\n", hex::encode_upper(record));
    }
    text.into_bytes()
}

/// What `image sign` makes of it.
fn signed(segments: &Segments) -> Vec<u8> {
    let flat = image::flat(segments, SLOT).unwrap();
    image::sign(flat, SLOT, Identity::default(), Some(&key()), false).unwrap()
}

#[test]
fn uf2_and_s_records_sign_to_the_image_that_the_hex_file_signs_to() {
    let folder = Folder::new();
    let image = application(SLOT.base, 1000);
    let segments = Segments::one(SLOT.base, image.clone()).unwrap();
    let hex = files::encode(Format::Hex, &segments, Ids::default()).unwrap();
    let wanted = signed(&folder.read("good.hex", &hex, None).unwrap().segments);
    for (name, bytes) in [("good.uf2", uf2(&image)), ("good.srec", srec(&image)), ("good.s19", srec(&image))]
    {
        let loaded = folder.read(name, &bytes, None).unwrap();
        assert_eq!(signed(&loaded.segments), wanted, "{name}");
    }
    let family = folder.read("good.uf2", &uf2(&image), None).unwrap().family;
    assert_eq!(family.and_then(|f| f.stm32()), Some("STM32F4"));
}

#[test]
fn what_a_file_is_counts_more_than_its_name_and_is_named() {
    let folder = Folder::new();
    let image = application(SLOT.base, 1000);
    let hex = files::encode(Format::Hex, &Segments::one(SLOT.base, image.clone()).unwrap(), Ids::default())
        .unwrap();
    for (bytes, format) in [(uf2(&image), Format::Uf2), (srec(&image), Format::Srec), (hex, Format::Hex)] {
        match folder.read("app.bin", &bytes, Some(SLOT.base)) {
            Err(FileError::Disguised { named: Format::Bin, found }) => assert_eq!(found, format),
            other => panic!("{format}: {other:?}"),
        }
    }
    let foreign: [(&[u8], &str); 5] = [
        (&[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3], "gzip"),
        (b"PK\x03\x04 and more", "zip"),
        (b"\xFD7zXZ\0 and more", "xz"),
        (b"-----BEGIN PRIVATE KEY-----\n", "key"),
        (b"\xCF\xFA\xED\xFE and more", "macOS"),
    ];
    for (bytes, word) in foreign {
        for name in ["app.bin", "app"] {
            let error = folder.read(name, bytes, Some(SLOT.base)).unwrap_err();
            assert_eq!(error.code(), "file.foreign");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

#[test]
fn a_dfu_suffix_is_cut_off_whatever_the_name_and_its_ids_are_kept() {
    let folder = Folder::new();
    let image = application(SLOT.base, 1000);
    let loaded = folder.read("suffix.bin", &dfu_suffix(&image, 0x0483), Some(SLOT.base)).unwrap();
    assert_eq!(loaded.segments, Segments::one(SLOT.base, image.clone()).unwrap());
    assert_eq!(loaded.ids.map(|ids| ids.vid), Some(0x0483));
    assert!(
        loaded.notes[0].contains("DFU suffix") && loaded.notes[0].contains("0483:df11"),
        "{:?}",
        loaded.notes
    );
    let loaded = folder.read("suffix.uf2", &dfu_suffix(&uf2(&image), 0x1209), None).unwrap();
    assert_eq!((loaded.format, loaded.ids.map(|ids| ids.vid)), (Format::Uf2, Some(0x1209)));
    // A changed byte makes it bytes like any others.
    let mut changed = dfu_suffix(&image, 0x0483);
    changed[10] ^= 1;
    let loaded = folder.read("suffix.bin", &changed, Some(SLOT.base)).unwrap();
    assert_eq!((loaded.ids, loaded.segments.total()), (None, 1016));
}

#[test]
fn a_part_that_begins_at_a_half_word_reads_as_in_the_bin_of_the_same_program() {
    let part = |address, bytes| Part { address, bytes, place: Place::Offset(0) };
    let image = application(SLOT.base, 1000);
    let parts = [part(SLOT.base, image.clone()), part(SLOT.base + 0x802, vec![0x34, 0x12])];
    let mut bin = image;
    bin.resize(0x802, 0xFF);
    bin.extend([0x34, 0x12]);
    let wanted = signed(&Segments::one(SLOT.base, bin).unwrap());
    assert_eq!(signed(&Segments::new(parts).unwrap()), wanted);
}

#[test]
fn bytes_outside_the_slot_are_named_with_what_is_there() {
    let block = block(Policy::Signature);
    let map = Map::of_config(Config::parse(&block, FAMILY_F4).unwrap(), FAMILY_F4);
    let table = [
        (0x1FFF_C000, Region::OptionBytes),
        (0x1FFF_7800, Region::Otp),
        (0x1FFF_0000, Region::SystemMemory),
        (0x1000_0000, Region::CoreRam),
        (0x2000_0000, Region::Ram),
        (0x9000_0000, Region::External),
        (0x0000_0000, Region::Alias),
        (0x0800_4000, Region::Spare),
        (0x0810_0000, Region::PastFlash),
        (0x4002_3C00, Region::Registers),
        (0xFFFF_FF00, Region::Registers),
    ];
    for (address, region) in table {
        let part = |address, bytes| Part { address, bytes, place: Place::Offset(0) };
        let parts = [part(SLOT.base, application(SLOT.base, 400)), part(address, vec![0x55; 16])];
        let error = image::flat_on(&map, &Segments::new(parts).unwrap(), SLOT).unwrap_err();
        match error {
            ImageError::Outside { stray, .. } => {
                assert_eq!((stray.address, stray.length, stray.region, stray.more), (address, 16, region, 0));
            }
            other => panic!("0x{address:08X}: {other:?}"),
        }
        assert!(error.to_string().contains(region.name()) && !error.remedy().is_empty(), "{error}");
        assert_eq!(error.code(), "image.outside");
    }
}

/// Half a gigabyte of address space for the whole test would not hold what filling such gaps takes.
#[test]
fn addresses_four_gigabytes_apart_take_no_more_memory_than_their_bytes() {
    let part = |address, bytes| Part { address, bytes, place: Place::Offset(0) };
    let parts = [part(0, application(0, 400)), part(0xFFFF_FFF0, vec![1; 8])];
    let segments = Segments::new(parts).unwrap();
    let seen = image::inspect(&segments);
    assert_eq!((seen.base, seen.length), (0, 0xFFFF_FFF8));
    assert!(matches!(files::encode(Format::Bin, &segments, Ids::default()), Err(FileError::TooBig { .. })));
    assert!(image::nothing_behind_manifest(&segments).is_ok());
    let error = image::flat(&segments, SLOT).unwrap_err();
    assert_eq!(error, ImageError::Start { start: 0, slot: SLOT.base });
    for format in [Format::Hex, Format::Dfu] {
        let bytes = files::encode(format, &segments, Ids::default()).unwrap();
        assert_eq!(files::parse(format, &bytes, None).unwrap().segments, segments, "{format}");
    }
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap().trim();
        let peak: u64 = peak.trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 512 << 10, "the tests of this program took {peak} KB at their peak");
    }
}
