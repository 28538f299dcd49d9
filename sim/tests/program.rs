//! Putting programs into a board: raw bytes, ELF and Intel HEX, and what is refused.

mod common;

use common::{Script, board};
use surefoot_sim::{LoadError, Nanos};

const FLASH: u32 = 0x0800_0000;

/// A program that leaves a word in RAM.
fn program() -> Script {
    Script::new().set(0x2000_9000, 0x600D_C0DE)
}

/// A 32-bit ELF file with one segment.
fn elf(machine: u16, address: u32, bytes: &[u8]) -> Vec<u8> {
    let mut file = b"\x7FELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, v: u16| file.extend(v.to_le_bytes());
    let word = |file: &mut Vec<u8>, v: u32| file.extend(v.to_le_bytes());
    half(&mut file, 2); // executable
    half(&mut file, machine);
    for v in [1, address, 52, 0, 0] {
        word(&mut file, v);
    }
    for v in [52, 32, 1, 40, 0, 0] {
        half(&mut file, v);
    }
    let length = bytes.len() as u32;
    for v in [1, 84, 0x1000_0000, address, length, length, 5, 4] {
        word(&mut file, v);
    }
    file.extend(bytes);
    file
}

fn hex(records: &[(u8, u16, Vec<u8>)]) -> String {
    let mut text = String::new();
    for (kind, offset, data) in records {
        let mut bytes = vec![data.len() as u8, (offset >> 8) as u8, *offset as u8, *kind];
        bytes.extend(data);
        let sum = bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)).wrapping_neg();
        bytes.push(sum);
        text += ":";
        bytes.iter().for_each(|b| text += &format!("{b:02X}"));
        text += "\n";
    }
    text
}

fn hex_of(image: &[u8]) -> String {
    let mut records = vec![(4, 0, vec![0x08, 0x00])];
    for (i, chunk) in image.chunks(16).enumerate() {
        records.push((0, 16 * i as u16, chunk.to_vec()));
    }
    records.push((1, 0, vec![]));
    hex(&records)
}

#[test]
fn an_elf_and_a_hex_file_run_as_the_raw_bytes_do() {
    let image = program().image(FLASH);
    for kind in ["raw", "elf", "hex"] {
        let mut board = board();
        match kind {
            "raw" => board.load(FLASH, &image).unwrap(),
            // The virtual address differs: the physical one counts.
            "elf" => board.load_elf(&elf(40, FLASH, &image)).unwrap(),
            _ => board.load_hex(&hex_of(&image)).unwrap(),
        }
        assert_eq!(board.flash()[..image.len()], image, "{kind}");
        board.power_on();
        board.run_for(Nanos::millis(3));
        assert_eq!(board.read_word(0x2000_9000), Some(0x600D_C0DE), "{kind}");
    }
}

#[test]
fn bytes_outside_of_flash_and_ram_are_refused() {
    let mut board = board();
    for (address, length) in [(0x0900_0000, 4), (0x080F_FFFE, 4), (0x2002_0000, 1), (0x1FFF_0000, 4)] {
        let refused = board.load(address, &vec![0; length]).unwrap_err();
        assert!(matches!(refused, LoadError::Outside { .. }), "{address:#x}: {refused}");
    }
    let refused = board.load_elf(&elf(40, 0x9000_0000, &[0; 8])).unwrap_err();
    assert!(matches!(refused, LoadError::Outside { address: 0x9000_0000, length: 8 }));
}

#[test]
fn files_that_are_no_programs_are_refused() {
    let mut board = board();
    let whole = elf(40, FLASH, &[0; 64]);
    for cut in [0, 3, 20, 51, 60, 83] {
        assert!(matches!(board.load_elf(&whole[..cut]), Err(LoadError::Elf(_))), "{cut} bytes");
    }
    assert!(board.load_elf(&whole[..100]).is_err(), "a segment that ends behind the file");
    assert!(matches!(board.load_elf(&elf(62, FLASH, &[0; 8])), Err(LoadError::Machine(_))));
    assert!(matches!(board.load_elf(&elf(40, FLASH, &[])), Err(LoadError::Empty)));
    assert!(matches!(board.load_hex(":00000001FE\n"), Err(LoadError::Hex(_))), "a wrong checksum");
    assert!(matches!(board.load_hex("no records"), Err(LoadError::Hex(_))));
    assert!(matches!(board.load_hex(""), Err(LoadError::Empty)));
    assert!(matches!(board.load_hex(":00000001FF\n"), Err(LoadError::Empty)));
}
