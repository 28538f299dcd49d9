//! What is in the bootloader's files, as they ship.

use object::{Object, ObjectSection, ObjectSymbol};
use surefoot_core::config::{
    BLOCK_LEN, BinaryHeader, FAMILY_F4, FEATURE_FAILSAFE, FEATURE_SIGNATURE, HEADER_LEN, Policy,
};
use surefoot_host::job::Finish;
use surefoot_images::{F4_CRC, F4_FULL, Feature, IMAGES, Image};
use surefoot_sim::usb::Wire;
use surefoot_sim::{Bits, Board, Nanos};
use surefoot_tests::fixtures;
use surefoot_tests::rig::{Found, Rig};

const FLASH: u32 = 0x0800_0000;
/// The core's own vectors; the header stands behind them.
const VECTORS: usize = 16;

fn word(image: &Image, at: usize) -> u32 {
    u32::from_le_bytes(image.binary[at..at + 4].try_into().expect("four bytes"))
}

/// Each with the features of its header and the most bytes that it may have.
fn builds() -> [(Image, u16, usize); IMAGES.len()] {
    IMAGES.map(|(binary, image)| {
        let bit = |feature, bit| if binary.features.contains(&feature) { bit } else { 0 };
        let features = bit(Feature::Signature, FEATURE_SIGNATURE) | bit(Feature::Failsafe, FEATURE_FAILSAFE);
        (*image, features, binary.limit as usize)
    })
}

#[test]
fn header_and_unsealed_block_stand_behind_the_cores_vectors() {
    for (image, features, budget) in builds() {
        assert!(image.binary.len() <= budget, "{}: {} bytes", image.name, image.binary.len());
        let (header, block) = BinaryHeader::find(image.binary).expect("one header");
        assert_eq!((header.family, header.features), (FAMILY_F4, features), "{}", image.name);
        assert!(
            IMAGES.iter().any(|(b, i)| (b.family, i.name) == (header.family, image.name)),
            "{}",
            image.name
        );
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

/// A bit of the vector table reads as 0 or as 1, each time anew: what is loaded is what was hashed.
#[test]
fn an_image_starts_where_its_proof_says_however_its_vector_table_reads() {
    for firmware in [F4_FULL, F4_CRC] {
        let mut rig = Rig::new(firmware, Policy::Crc).expect("the example board");
        assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
        rig.attach().expect("enumerates");
        let image = fixtures::blinky_rust(50, rig.slot().base).expect("builds");
        let image = rig.image(&image, [1, 0, 0], None).expect("fits");
        assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
        let slot = rig.slot();
        let [stack, entry] = [0, 4].map(|at| rig.board.read_word(slot.base + at).expect("flash"));
        rig.board.stop_at(&[entry & !1]);
        for (address, bit) in [(slot.base, 4), (slot.base + 1, 1), (slot.base + 4, 2), (slot.base + 5, 1)] {
            let byte = rig.board.read_memory(address, 1).expect("flash")[0];
            assert!(rig.board.weaken(address, 1 << bit, Bits::Restless));
            let (mut ran, mut waited) = (0, 0);
            for attempt in 0..60 {
                rig.board.reset_pin();
                let seen = |board: &Board| board.usb_ref().pulled_up() || slot.contains(board.pc(), 1);
                rig.board.run_until(seen, Nanos::secs(2));
                let started = (rig.board.pc(), rig.board.register(13));
                if rig.board.usb_ref().pulled_up() {
                    waited += 1;
                } else {
                    let case = format!("{}: {address:#x} bit {bit}, start {attempt}", firmware.name);
                    assert_eq!(started, (entry & !1, stack), "{case}: {started:x?}");
                    ran += 1;
                }
            }
            assert!(ran > 10 && waited > 10, "{}: {ran} ran, {waited} waited", firmware.name);
            assert!(rig.board.write_flash(address, &[byte]));
            assert_eq!(rig.board.unstable_bits(address, 1), 0);
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
