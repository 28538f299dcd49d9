//! Odd ELF files: what is taken out of them is what objcopy takes.

use crate::common::{LoadSegment, SLOT, SectionOf, application, elf_of, key};
use crate::needs;
use std::path::Path;
use std::process::Command;
use surefoot_host::files::{self, ElfError, FileError, Segments};
use surefoot_host::image::{self, Identity};

const TEXT: u32 = SLOT.base;

fn load(physical: u32, virtual_address: u32, offset: u32, size: u32) -> LoadSegment {
    LoadSegment { physical, virtual_address, offset, size, memory: size }
}

fn alloc(name: &'static str, address: u32, offset: u32, size: u32) -> SectionOf {
    SectionOf { name, kind: 1, flags: 2, address, offset, size }
}

/// Offset of the first content in a file that [`elf_of`] makes.
const DATA: u32 = 0x1000;

fn odd_elfs() -> Vec<(&'static str, Vec<u8>)> {
    let code = application(TEXT, 0x400);
    let more: Vec<u8> = (0..0x100u32).map(|i| (i * 5 + 1) as u8).collect();
    let content = [code, more].concat();
    let text = alloc(".text", TEXT, DATA, 0x400);
    let ram = 0x2000_0000;
    let elf = |segments: &[LoadSegment], sections: &[SectionOf]| elf_of(segments, sections, &content);
    let one = load(TEXT, TEXT, DATA, 0x400);
    let nobits =
        SectionOf { name: ".bss", kind: 8, flags: 3, address: ram + 0x200, offset: DATA + 0x500, size: 64 };
    let note = SectionOf { kind: 7, ..alloc(".note.id", TEXT + 0x400, DATA + 0x400, 0x24) };
    let comment = SectionOf { flags: 0, ..alloc(".comment", 0, DATA + 0x480, 0x20) };
    vec![
        ("one section", elf(&[one], &[text])),
        ("data stored behind the code", {
            elf(
                &[one, load(TEXT + 0x400, ram, DATA + 0x400, 0x100)],
                &[text, alloc(".data", ram, DATA + 0x400, 0x100), nobits],
            )
        }),
        (
            "the file's headers in the segment",
            elf(&[load(TEXT - DATA, TEXT - DATA, 0, DATA + 0x400)], &[text]),
        ),
        ("the file's headers in a segment of their own", {
            elf(&[load(TEXT & !0xFFFF, TEXT & !0xFFFF, 0, 0x154), one], &[text])
        }),
        ("a section in no segment", elf(&[one], &[text, alloc(".fwinfo", TEXT + 0x600, DATA + 0x400, 16)])),
        ("two of them, between others", {
            elf(
                &[one],
                &[
                    alloc(".late", TEXT + 0x900, DATA + 0x440, 7),
                    text,
                    alloc(".fwinfo", TEXT + 0x600, DATA + 0x400, 16),
                ],
            )
        }),
        (
            "a gap",
            elf(
                &[one, load(TEXT + 0x2000, TEXT + 0x2000, DATA + 0x400, 0x80)],
                &[text, alloc(".late", TEXT + 0x2000, DATA + 0x400, 0x80)],
            ),
        ),
        (
            "a section at a half-word",
            elf(
                &[one, load(TEXT + 0x802, TEXT + 0x802, DATA + 0x402, 6)],
                &[text, alloc(".odd", TEXT + 0x802, DATA + 0x402, 6)],
            ),
        ),
        (
            "no physical addresses",
            elf(
                &[load(0, TEXT, DATA, 0x400), load(0, TEXT + 0x400, DATA + 0x400, 0x80)],
                &[text, alloc(".late", TEXT + 0x400, DATA + 0x400, 0x80)],
            ),
        ),
        ("a note", elf(&[load(TEXT, TEXT, DATA, 0x424)], &[text, note])),
        ("bytes of a segment in no section", elf(&[load(TEXT, TEXT, DATA, 0x480)], &[text])),
        (
            "a section whose bytes lie in another's segment",
            elf(&[load(TEXT, TEXT, DATA, 0x480)], &[text, alloc(".far", TEXT + 0x3000, DATA + 0x400, 0x40)]),
        ),
        ("what is not loaded", elf(&[one], &[text, comment, nobits])),
        ("sections out of order", {
            elf(
                &[load(TEXT + 0x400, TEXT + 0x400, DATA + 0x400, 0x80), one],
                &[alloc(".late", TEXT + 0x400, DATA + 0x400, 0x80), text],
            )
        }),
    ]
}

fn signed(segments: &Segments) -> Vec<u8> {
    let flat = image::flat(segments, SLOT).unwrap();
    image::sign(flat, SLOT, Identity::default(), Some(&key()), false).unwrap()
}

fn objcopy(arguments: &[&str], input: &Path, output: &Path) {
    let done = Command::new("arm-none-eabi-objcopy").args(arguments).arg(input).arg(output).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn an_odd_elf_signs_to_the_image_that_its_hex_and_its_bin_sign_to() {
    if !needs::whole(needs::OBJCOPY) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut all = odd_elfs();
    // What objcopy itself makes of one: a section more, allocated and in no segment.
    std::fs::write(at("plain.elf"), &all[0].1).unwrap();
    std::fs::write(at("info"), b"hello-version-01").unwrap();
    let info = format!(".fwinfo={}", at("info").display());
    let address = format!(".fwinfo=0x{:08X}", TEXT + 0x800);
    let added = [
        "--add-section",
        &info,
        "--set-section-flags",
        ".fwinfo=alloc,load,readonly,data",
        "--change-section-address",
        &address,
    ];
    objcopy(&added, &at("plain.elf"), &at("added.elf"));
    all.push(("added by objcopy", std::fs::read(at("added.elf")).unwrap()));
    assert!(all.len() > 12);
    for (name, bytes) in all {
        std::fs::write(at("a.elf"), &bytes).unwrap();
        objcopy(&["-O", "ihex"], &at("a.elf"), &at("a.hex"));
        objcopy(&["-O", "binary", "--gap-fill", "0xFF"], &at("a.elf"), &at("a.bin"));
        let wanted = signed(&files::read(&at("a.elf"), None).unwrap().segments);
        let hex = signed(&files::read(&at("a.hex"), None).unwrap().segments);
        let bin = signed(&files::read(&at("a.bin"), Some(SLOT.base)).unwrap().segments);
        assert!(hex == wanted && bin == wanted, "{name}: {} {} {} bytes", wanted.len(), hex.len(), bin.len());
    }
}

#[test]
fn a_section_in_no_segment_goes_to_its_own_address() {
    let (_, bytes) = odd_elfs().into_iter().find(|(name, _)| *name == "a section in no segment").unwrap();
    let segments = files::parse(files::Format::Elf, &bytes, None).unwrap().segments;
    let shape: Vec<_> = segments.iter().map(|s| (s.address, s.bytes.len())).collect();
    assert_eq!(shape, [(TEXT, 0x400), (TEXT + 0x600, 16)]);
}

/// LLD puts them at the start of a page of 64 KiB, which is in front of a slot such as 0x0800C000; Rust programs are
/// linked so unless they ask for --nmagic. A program without sections is its segments.
#[test]
fn headers_that_the_linker_loads_are_no_part_of_the_program() {
    let shape = |bytes: &[u8]| -> Vec<_> {
        let segments = files::parse(files::Format::Elf, bytes, None).unwrap().segments;
        segments.iter().map(|s| (s.address, s.bytes.len())).collect()
    };
    let code = application(TEXT, 0x400);
    let loads = [load(0x0800_0000, 0x0800_0000, 0, 0x154), load(TEXT, TEXT, DATA, 0x400)];
    assert_eq!(shape(&elf_of(&loads, &[alloc(".text", TEXT, DATA, 0x400)], &code)), [(TEXT, 0x400)]);
    assert_eq!(shape(&elf_of(&loads, &[], &code)), [(0x0800_0000, 0x154), (TEXT, 0x400)]);
}

#[test]
fn tables_that_name_the_same_bytes_over_and_over_do_not_multiply_them() {
    let content = vec![7; 0x8000];
    let many: Vec<SectionOf> =
        (0..200).map(|i| alloc(".text", 0x0801_0000 + 0x8000 * i, DATA, 0x8000)).collect();
    let bytes = elf_of(&[], &many, &content);
    match files::parse(files::Format::Elf, &bytes, None) {
        Err(FileError::Elf(ElfError::Damaged(why))) => assert!(why.contains("shares its bytes"), "{why}"),
        other => panic!("{:?}", other.map(|l| l.segments.total())),
    }
}

/// The first 32 bytes of RAM are the bootloader's and the application's together.
#[test]
fn data_over_the_handoff_words_is_seen_whether_it_has_bytes_in_the_file_or_not() {
    const RAM: u32 = 0x2000_0000;
    // PROGBITS and NOBITS; ALLOC with WRITE, and neither.
    let table = [
        (1, 3, RAM, 4, true),
        (8, 3, RAM, 0x400, true),
        (8, 3, RAM + 28, 4, true),
        (8, 3, RAM - 4, 8, true),
        (8, 3, RAM + 32, 0x400, false),
        (8, 3, RAM - 4, 4, false),
        (8, 3, RAM, 0, false),
        (1, 0, RAM, 4, false),
    ];
    for (kind, flags, address, size, seen) in table {
        let section = SectionOf { name: ".bss", kind, flags, address, offset: 0x1000, size };
        let bytes = elf_of(&[], &[section], &[0; 16]);
        assert_eq!(
            files::uses(&bytes, RAM, 32),
            seen,
            "{address:#x}, {size} bytes, kind {kind}, flags {flags}"
        );
    }
    assert!(!files::uses(b"no ELF at all", RAM, 32));
}
