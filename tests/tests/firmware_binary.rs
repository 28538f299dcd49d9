//! What is in the bootloader's files, as they ship.

use object::{Object, ObjectSection, ObjectSymbol};
use surefoot_core::config::{
    BLOCK_LEN, BinaryHeader, FAMILY_F4, FEATURE_FAILSAFE, FEATURE_SIGNATURE, HEADER_LEN,
};
use surefoot_images::{F4_CRC, F4_FULL, Image};

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
