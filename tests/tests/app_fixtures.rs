//! The example applications build, for any slot, and are what a bootloader can start.
//!
//! What they do once they run is seen in `app_blinky.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use surefoot_core::handoff;
use surefoot_tests::fixtures::{self, SLOT};
use surefoot_tests::needs;

/// The first eight bytes of the image: initial stack pointer and reset vector, and where it loads.
fn first_words(elf: &Path) -> (u32, u32, u32) {
    let bytes = fs::read(elf).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let half = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
    assert_eq!(&bytes[..5], b"\x7fELF\x01");
    let (table, size, count) = (word(28) as usize, half(42), half(44));
    // PT_LOAD with bytes in the file, the lowest physical address (ELF, "Program Header").
    (0..count)
        .map(|i| table + i * size)
        .filter(|&at| word(at) == 1 && word(at + 16) > 0)
        .map(|at| (word(at + 12), word(at + 4) as usize))
        .min()
        .map(|(address, offset)| (address, word(offset), word(offset + 4)))
        .expect("a loadable segment")
}

#[test]
fn both_blinkies_are_linked_for_the_slot_they_are_asked_for() {
    let in_c = needs::part(needs::C);
    for base in [SLOT, 0x0800_0000] {
        let c = in_c.then(|| fixtures::blinky_c(500, base));
        for elf in std::iter::once(fixtures::blinky_rust(500, base)).chain(c) {
            let elf = elf.unwrap();
            let (address, stack, reset) = first_words(&elf);
            assert_eq!(address, base, "{}", elf.display());
            assert_eq!(stack, 0x2002_0000, "{}", elf.display());
            assert!((base + 1..base + 0x1000).contains(&reset) && reset & 1 == 1, "{reset:#x}");
        }
    }
}

#[test]
fn another_period_is_another_program_and_the_same_one_is_built_once() {
    let mut blinkies = vec![fixtures::blinky_rust as fn(u32, u32) -> anyhow::Result<PathBuf>];
    if needs::part(needs::C) {
        blinkies.push(fixtures::blinky_c);
    }
    for blinky in blinkies {
        let (one, two) = (blinky(500, SLOT).unwrap(), blinky(250, SLOT).unwrap());
        assert_ne!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let built = fs::metadata(&one).unwrap().modified().unwrap();
        assert_eq!(blinky(500, SLOT).unwrap(), one);
        assert_eq!(fs::metadata(&one).unwrap().modified().unwrap(), built);
    }
}

#[test]
fn no_example_keeps_a_variable_in_the_handoff_words() {
    if !needs::whole(needs::C) {
        return;
    }
    let symbols = |elf: &Path| {
        let output = std::process::Command::new("arm-none-eabi-nm").arg(elf).output();
        String::from_utf8(output.expect("arm-none-eabi-nm").stdout).unwrap()
    };
    for elf in [fixtures::blinky_rust(500, SLOT), fixtures::blinky_c(500, SLOT), fixtures::rom_rust()] {
        let text = symbols(&elf.unwrap());
        let addresses = text.lines().filter_map(|line| u32::from_str_radix(line.get(..8)?, 16).ok());
        let in_ram: Vec<u32> = addresses.filter(|a| (0x2000_0000..0x2002_0000).contains(a)).collect();
        assert!(!in_ram.is_empty());
        assert!(in_ram.iter().all(|&a| a >= 0x2000_0000 + handoff::LEN), "{in_ram:x?}");
    }
}

#[test]
fn the_examples_carry_the_scripts_that_surefoot_layout_writes() {
    let board = surefoot_board::Board::load(&fixtures::root().join("boards/f4-discovery.toml")).unwrap();
    let scripts = board.scripts();
    for (file, text) in [
        ("examples/blinky-rust/memory.x", &scripts.memory_x),
        ("examples/rom-rust/memory.x", &scripts.memory_x),
        ("examples/blinky-c/surefoot.ld", &scripts.ld),
    ] {
        let found = fs::read_to_string(fixtures::root().join(file)).unwrap();
        assert_eq!(&found, text, "{file}");
    }
}
