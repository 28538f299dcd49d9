//! What is in the bootloader's files, as they ship.

use object::{Object, ObjectSection, ObjectSymbol};
use surefoot_core::config::{
    BLOCK_LEN, BinaryHeader, FAMILY_F4, FEATURE_FAILSAFE, FEATURE_SIGNATURE, HEADER_LEN, Policy,
};
use surefoot_host::job::Finish;
use surefoot_images::{F4_CRC, F4_FULL, Image};
use surefoot_sim::Nanos;
use surefoot_tests::fixtures;
use surefoot_tests::rig::{Found, Rig};

const FLASH: u32 = 0x0800_0000;
/// The core's own vectors; the header stands behind them.
const VECTORS: usize = 16;

fn word(image: &Image, at: usize) -> u32 {
    u32::from_le_bytes(image.binary[at..at + 4].try_into().expect("four bytes"))
}

fn builds() -> [(Image, u16, usize); 2] {
    [(F4_FULL, FEATURE_SIGNATURE | FEATURE_FAILSAFE, 16_384), (F4_CRC, 0, 8_192)]
}

#[test]
fn header_and_unsealed_block_stand_behind_the_cores_vectors() {
    for (image, features, budget) in builds() {
        assert!(image.binary.len() <= budget, "{}: {} bytes", image.name, image.binary.len());
        let (header, block) = BinaryHeader::find(image.binary).expect("one header");
        assert_eq!((header.family, header.features), (FAMILY_F4, features), "{}", image.name);
        assert_eq!(block, 4 * VECTORS + HEADER_LEN, "{}", image.name);
        assert_eq!(image.binary[block..block + BLOCK_LEN], [0xFF; BLOCK_LEN], "{}", image.name);
    }
}

#[test]
fn every_vector_is_code_of_the_bootloader() {
    for (image, ..) in builds() {
        let stack = word(&image, 0);
        assert_eq!(stack % 8, 0);
        assert!((0x2000_0020..=0x2000_4000).contains(&stack), "{}: {stack:#x}", image.name);
        let end = FLASH + image.binary.len() as u32;
        for vector in 1..VECTORS {
            let handler = word(&image, 4 * vector);
            let reserved = matches!(vector, 7..=10 | 13);
            let good = handler & 1 == 1 && (FLASH..end).contains(&handler);
            assert!(good || (reserved && handler == 0), "{}: vector {vector} is {handler:#x}", image.name);
        }
    }
}

/// As a bit would do that reads so when the vector table is looked at, and right when the image is hashed.
#[test]
fn nothing_is_jumped_to_that_the_flash_does_not_say_any_more() {
    for firmware in [F4_FULL, F4_CRC] {
        let elf = object::File::parse(firmware.elf).expect("an ELF file");
        let jump = elf.symbols().find(|s| s.name().is_ok_and(|name| name.contains("4boot4jump")));
        let jump = jump.expect("the jump has a name").address() as u32 & !1;
        let mut rig = Rig::new(firmware, Policy::Crc).expect("the example board");
        assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
        rig.attach().expect("enumerates");
        let image = fixtures::blinky_rust(50, rig.slot().base).expect("builds");
        let image = rig.image(&image, [1, 0, 0], None).expect("fits");
        assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
        let base = rig.slot().base;
        for (address, bit) in [(base, 3), (base, 12), (base + 4, 2), (base + 4, 9)] {
            let word = rig.board.read_word(address).expect("flash");
            rig.board.stop_at(&[jump]);
            rig.board.reset_pin();
            rig.board.run_for(Nanos::secs(5));
            assert_eq!(rig.board.pc(), jump, "{}: no jump", firmware.name);
            rig.board.stop_at(&[]);
            let resets = rig.board.resets();
            assert!(rig.board.write_flash(address, &(word ^ 1 << bit).to_le_bytes()));
            rig.board.run_until(|board| board.resets() != resets, Nanos::millis(1));
            assert_eq!(rig.board.resets(), resets + 1, "{}: {address:#x} bit {bit}", firmware.name);
            assert!(rig.board.write_flash(address, &word.to_le_bytes()));
            assert_eq!(rig.look(Nanos::secs(5)), Found::Application);
        }
    }
}

#[test]
fn no_formatting_is_in_it_and_no_ram_beyond_the_smallest_f4_s() {
    for (image, ..) in builds() {
        let elf = object::File::parse(image.elf).expect("an ELF file");
        let formatting: Vec<_> =
            elf.symbols().filter_map(|s| s.name().ok()).filter(|n| n.contains("4core3fmt")).collect();
        assert!(formatting.is_empty(), "{}: {formatting:?}", image.name);
        for section in elf.sections().filter(|s| s.address() >= 0x2000_0000 && s.size() > 0) {
            let end = section.address() + section.size();
            assert!(section.address() >= 0x2000_0020 && end <= 0x2000_4000, "{:?}", section.name());
        }
    }
}
