//! What applications are linked with: the exact texts for the example board, and their numbers.

use std::path::Path;
use surefoot_board::Board;

fn board(name: &str) -> Board {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../boards/{name}.toml"));
    Board::load(&path).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_discovery_boards_scripts() {
    let scripts = board("f4-discovery").scripts();
    assert_eq!(
        scripts.memory_x,
        "\
/* f4-discovery (STM32F407VG): the application's memories, written by `surefoot layout`.
   Flash: the slot of 960K less 192 bytes for the manifest. RAM: behind the 32 handoff bytes. */
MEMORY
{
  FLASH : ORIGIN = 0x08010000, LENGTH = 982848
  RAM : ORIGIN = 0x20000020, LENGTH = 131040
  CCMRAM : ORIGIN = 0x10000000, LENGTH = 65536
}
"
    );
    assert_eq!(
        scripts.ld,
        "\
/* f4-discovery (STM32F407VG): written by `surefoot layout`. Replaces MEMORY in the project's .ld file.
   The vector table is at ORIGIN(FLASH): VECT_TAB_OFFSET = 0x10000. */
MEMORY
{
  FLASH (rx)  : ORIGIN = 0x08010000, LENGTH = 0xEFF40
  RAM (xrw)   : ORIGIN = 0x20000020, LENGTH = 0x1FFE0
  CCMRAM (xrw) : ORIGIN = 0x10000000, LENGTH = 0x10000
}
"
    );
    for line in [
        "#define VECT_TAB_OFFSET              0x00010000UL ",
        "#define SUREFOOT_SLOT_BASE           0x08010000UL ",
        "#define SUREFOOT_SLOT_LENGTH         0x000F0000UL ",
        "#define SUREFOOT_DEVICE_ID           0x00000413UL ",
        "#define SUREFOOT_MAGIC_WORD          0xDEADBEEFUL ",
        "#define SUREFOOT_HANDOFF             0x20000000UL ",
        "#define SUREFOOT_ROM_BOOTLOADER      0x1FFF0000UL ",
    ] {
        assert!(scripts.header.contains(line), "{line}\n{}", scripts.header);
    }
}

fn file(files: &[(String, String)], name: &str) -> String {
    let found = files.iter().find(|(n, _)| n == name);
    found.unwrap_or_else(|| panic!("no {name}")).1.clone()
}

#[test]
fn two_slots_that_run_have_a_script_each_and_one_header() {
    let files = board("f4-discovery-ab").script_files();
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["memory-a.x", "surefoot-a.ld", "memory-b.x", "surefoot-b.ld", "surefoot_board.h"]);
    for (name, line) in [
        ("memory-a.x", "Flash: the slot A of 464K less 192 bytes"),
        ("memory-a.x", "FLASH : ORIGIN = 0x0800C000, LENGTH = 474944\n"),
        ("memory-b.x", "Flash: the slot B of 512K less 192 bytes"),
        ("memory-b.x", "FLASH : ORIGIN = 0x08080000, LENGTH = 524096\n"),
        ("surefoot-a.ld", "For slot A. The vector table is at ORIGIN(FLASH): VECT_TAB_OFFSET = 0xC000."),
        ("surefoot-a.ld", "FLASH (rx)  : ORIGIN = 0x0800C000, LENGTH = 0x73F40\n"),
        ("surefoot-b.ld", "For slot B. The vector table is at ORIGIN(FLASH): VECT_TAB_OFFSET = 0x80000."),
        ("surefoot-b.ld", "FLASH (rx)  : ORIGIN = 0x08080000, LENGTH = 0x7FF40\n"),
        ("surefoot-b.ld", "RAM (xrw)   : ORIGIN = 0x20000020, LENGTH = 0x1FFE0\n"),
    ] {
        assert!(file(&files, name).contains(line), "{name}: {line}\n{}", file(&files, name));
    }
    let header = file(&files, "surefoot_board.h");
    // No macro says which slot it is: the linker script does, so header and link cannot disagree.
    for line in [
        "extern const unsigned long surefoot_slot_base[], surefoot_slot_length[];\n",
        "#define VECT_TAB_OFFSET              ((unsigned long)surefoot_slot_base - 0x08000000UL) ",
        "#define SUREFOOT_SLOT_BASE           ((unsigned long)surefoot_slot_base) ",
        "#define SUREFOOT_SLOT_LENGTH         ((unsigned long)surefoot_slot_length) ",
    ] {
        assert!(header.contains(line), "{line}\n{header}");
    }
    assert!(!header.contains("#else") && !header.contains("SUREFOOT_SLOT_B "), "{header}");
    for (name, base, length) in
        [("surefoot-a.ld", "0x0800C000", "0x74000"), ("surefoot-b.ld", "0x08080000", "0x80000")]
    {
        let symbols = format!("surefoot_slot_base = {base};\nsurefoot_slot_length = {length};\n");
        assert!(file(&files, name).ends_with(&symbols), "{name}\n{}", file(&files, name));
    }
    assert_eq!(header.matches("SUREFOOT_BOARD_ID").count(), 1);
    assert_eq!(header.matches("#endif").count(), 1);
    let board =
        "#define SUREFOOT_BOARD {0x00F4U, SUREFOOT_MAGIC_WORD, SUREFOOT_HANDOFF, SUREFOOT_BACKUP_REGISTER}\n";
    assert!(header.contains(board), "{header}");
}

#[test]
fn a_backup_slot_has_no_script_for_nothing_runs_there() {
    for name in ["f4-discovery", "f4-discovery-backup"] {
        let board = board(name);
        let (files, scripts) = (board.script_files(), board.scripts());
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["memory.x", "surefoot.ld", "surefoot_board.h"], "{name}");
        assert_eq!(file(&files, "memory.x"), scripts.memory_x, "{name}");
        assert_eq!(file(&files, "surefoot.ld"), scripts.ld, "{name}");
        assert_eq!(file(&files, "surefoot_board.h"), scripts.header, "{name}");
        assert!(!scripts.header.contains("#ifdef"), "{name}");
    }
}

#[test]
fn the_vector_table_offset_counts_from_the_start_of_flash() {
    for (name, offset) in
        [("f4-discovery", 0x1_0000), ("f4-small", 0x8000), ("nucleo-f446re", 0x4000), ("fmu-v2", 0x4000)]
    {
        assert_eq!(board(name).vector_table_offset(), offset, "{name}");
    }
}

#[test]
fn flash_and_manifest_fill_the_slot_and_ram_begins_behind_the_handoff() {
    for name in ["f4-discovery", "f4-small", "nucleo-f446re", "blackpill-f411ce", "nucleo-f429zi", "fmu-v2"] {
        let board = board(name);
        let ((flash, flash_size), (ram, ram_size)) = (board.application_flash(), board.application_ram());
        assert_eq!((flash, flash_size + 192), (board.slot().base, board.slot().length), "{name}");
        assert_eq!(
            (ram, ram + ram_size),
            (board.chip.ram.base + 32, board.chip.ram.base + board.chip.ram.size)
        );
        // VTOR: the table's address is a multiple of its size, rounded up to a power of two (PM0214, 4.4.4).
        assert!(flash.is_multiple_of(512), "{name}");
    }
}

#[test]
fn the_map_of_a_board_shows_flash_and_ram() {
    let rows = board("f4-discovery").map();
    let short: Vec<_> = rows.iter().map(|r| (r.label.as_str(), r.base, r.size)).collect();
    assert_eq!(
        short,
        [
            ("bootloader", 0x0800_0000, 0x4000),
            ("free", 0x0800_4000, 0xC000),
            ("application", 0x0801_0000, 0xF_0000),
            ("handoff", 0x2000_0000, 32),
            ("RAM", 0x2000_0020, 0x1_FFE0),
        ]
    );
    for (name, slots) in [
        (
            "f4-discovery-ab",
            [("slot A", 0x7_4000, "read; write in turn"), ("slot B", 0x8_0000, "read; write in turn")],
        ),
        (
            "f4-discovery-backup",
            [("application", 0x7_4000, "read, erase, write"), ("backup", 0x8_0000, "read")],
        ),
    ] {
        let rows = board(name).map();
        let short: Vec<_> = rows.iter().map(|r| (r.label.as_str(), r.size, r.access)).collect();
        assert_eq!(short[0], ("bootloader", 0x4000, "read"), "{name}");
        assert_eq!(short[1], ("journal", 0x8000, "read"), "{name}");
        assert_eq!(short[2..4], slots, "{name}");
    }
}
