//! Every chip of the table is sane, every overlay fits, and the metadata's known mistakes are gone.

use std::collections::{BTreeMap, BTreeSet};
use surefoot_chips::{Banks, Chip, Flash, UsbKind, all, find, names};

/// Families whose overlays give at least device id and flash-size address for every chip.
const WITH_OVERLAY: &[&str] = &[
    "STM32F0", "STM32F1", "STM32F4", "STM32F7", "STM32G0", "STM32G4", "STM32H5", "STM32H7", "STM32L4",
    "STM32L5", "STM32U5",
];

#[test]
fn the_table_has_all_chips_with_flash_of_metapac_21_once() {
    // 1,533 metadata files: 24 of STM32N6 have no flash, 30 are the second core of a chip.
    let all: Vec<_> = names().collect();
    assert_eq!(all.len(), 1533 - 24 - 30);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    for name in all {
        assert_eq!(find(name).expect(name).name, name);
        let code = format!("{}T6TR", name.split('-').next().expect("a name"));
        assert!(name.starts_with(find(&code).expect(&code).name), "{code}");
    }
}

#[test]
fn sectors_are_powers_of_two_without_gaps_and_sum_up_to_the_flash_size() {
    for chip in all() {
        assert!((1..=2).contains(&chip.flash.len()), "{}", chip.name);
        for flash in &chip.flash {
            sectors_follow_each_other(&chip, flash);
        }
        let sizes: BTreeSet<u32> = chip.flash.iter().map(Flash::size).collect();
        assert_eq!(sizes.len(), 1, "{}: both arrangements have the same size", chip.name);
        if let [single, dual] = chip.flash.as_slice() {
            assert_ne!(single.banks, dual.banks, "{}", chip.name);
        }
    }
}

fn sectors_follow_each_other(chip: &Chip, flash: &Flash) {
    let name = chip.name;
    let start = if chip.family == "STM32WB0" { 0x1004_0000 } else { 0x0800_0000 };
    assert_eq!(flash.base(), start, "{name}");
    let (mut behind, mut bank, mut count, mut size) = (start, 1, 0, 0);
    let mut numbers = BTreeSet::new();
    for sector in flash.sectors() {
        // Page sizes run from 128 bytes (L0) to 256K (F7); OTP would show as 0.
        assert!(sector.size.is_power_of_two() && (128..=256 * 1024).contains(&sector.size), "{name}");
        if sector.base != behind {
            // Only the second bank of a half-filled part lies apart.
            assert!(sector.bank == 2 && bank == 1 && sector.base > behind, "{name}: {sector:X?}");
        }
        assert!(sector.base.is_multiple_of(sector.size), "{name}: {sector:X?} is aligned");
        assert!(numbers.insert((sector.bank, sector.number)), "{name}: {sector:X?} has a number of its own");
        assert_eq!(flash.sector_at(sector.base), Some(sector), "{name}");
        assert_eq!(flash.sector_at(sector.end() - 1), Some(sector), "{name}");
        (behind, bank, count, size) = (sector.end(), sector.bank, count + 1, size + sector.size);
    }
    assert_eq!(size, flash.size(), "{name}");
    assert_eq!(count, flash.groups.iter().map(|g| u32::from(g.count)).sum::<u32>(), "{name}");
    assert_eq!(behind, flash.end(), "{name}");
    assert!(flash.sector_at(flash.end()).is_none() && flash.sector_at(start - 1).is_none(), "{name}");
}

/// The last letter of a chip's name is its flash size (ST's ordering information).
#[test]
fn the_flash_size_is_the_one_in_the_chips_name() {
    for chip in all() {
        let letter = chip.name.split('-').next().and_then(|n| n.chars().last()).expect("a letter");
        let kib = match letter {
            '3' => 8,
            '4' => 16,
            '6' => 32,
            '8' => 64,
            'B' => 128,
            'Z' => 192,
            // Wireless parts with radio firmware in the same flash.
            'C' if matches!(chip.name, "STM32WB10CC" | "STM32WB15CC") => 320,
            'C' => 256,
            'D' => 384,
            'E' => 512,
            'Y' => 640,
            'F' => 768,
            'G' => 1024,
            'H' => 1536,
            'I' => 2048,
            'J' => 4096,
            other => panic!("{}: {other}", chip.name),
        };
        assert_eq!(chip.default_flash().size(), kib * 1024, "{}", chip.name);
    }
}

#[test]
fn ram_is_internal_contiguous_and_aligned() {
    for chip in all() {
        let (name, ram) = (chip.name, chip.ram);
        assert!((2 * 1024..=4 * 1024 * 1024).contains(&ram.size), "{name}: {ram:X?}");
        assert!(ram.base.is_multiple_of(8) && ram.size.is_multiple_of(8), "{name}: {ram:X?}");
        assert!((0x2000_0000..0x4000_0000).contains(&ram.base), "{name}: {ram:X?}");
        for memory in &chip.memories {
            assert!(memory.size > 0 && memory.base < 0x6000_0000, "{name}: {memory:X?}");
        }
        let covered: u32 = chip
            .memories
            .iter()
            .filter(|m| m.base >= ram.base && m.base < ram.base + ram.size)
            .map(|m| m.size)
            .sum();
        assert_eq!(covered, ram.size, "{name}: the run is made of whole memories");
    }
}

#[test]
fn every_package_brings_out_pins_of_port_a() {
    for chip in all() {
        assert!(chip.port('A').is_some_and(|mask| mask != 0), "{}", chip.name);
        assert!(chip.ports().all(|p| chip.port(p).is_some_and(|mask| mask != 0)), "{}", chip.name);
    }
    let chip = find("STM32F407VG").expect("a chip");
    assert!(chip.has_pin('D', 12) && chip.has_pin('A', 0));
    assert!(!find("STM32F405RG").expect("a chip").has_pin('D', 12), "64 pins bring out PD2 only");
    assert!(!chip.has_pin('F', 0) && !chip.has_pin('A', 16));
}

#[test]
fn supported_families_have_overlays_for_every_chip() {
    for chip in all() {
        let name = chip.name;
        if !WITH_OVERLAY.contains(&chip.family) {
            assert_eq!((chip.device_id, chip.binary_family), (None, None), "{name}: list its family here");
            continue;
        }
        let id = chip.device_id.unwrap_or_else(|| panic!("{name} has no device id"));
        assert!((0x400..0x500).contains(&id), "{name}: {id:X}");
        assert!(chip.core.is_some() && chip.debug_id_address.is_some(), "{name}");
        // ST's sources differ about the ROM of H7A3; H7Rx has another kind of boot flash.
        let without_rom = matches!(id, 0x480 | 0x485);
        assert_eq!(chip.rom.is_none(), without_rom, "{name}");
        assert_eq!(chip.flash_size_address.is_none(), id == 0x485, "{name}");
        assert!(chip.uid_address.is_some(), "{name}");
        if let (Some(rom), Some(size)) = (chip.rom, chip.flash_size_address) {
            let flash = chip.default_flash();
            assert!(!(flash.base()..flash.end()).contains(&rom) && rom.is_multiple_of(0x100), "{name}");
            assert!(!(flash.base()..flash.end()).contains(&size) && size.is_multiple_of(2), "{name}");
        }
        for unit in &chip.program_units {
            assert!(unit.is_power_of_two() && *unit <= 32, "{name}");
        }
    }
}

#[test]
fn one_device_id_is_one_flash_controller() {
    // Parts with the same DEV_ID are one die: sector sizes and addresses of registers agree.
    let mut dies: BTreeMap<u16, (u32, [Option<u32>; 2])> = BTreeMap::new();
    for chip in all() {
        let Some(id) = chip.device_id else { continue };
        let fact = (chip.default_flash().groups[0].sector_size, [chip.uid_address, chip.flash_size_address]);
        let known = dies.entry(id).or_insert(fact);
        // L496, G0B1 and the like change their page size with the banks' arrangement.
        assert_eq!(known.1, fact.1, "{} {id:X}", chip.name);
        if chip.family == "STM32F4" || chip.family == "STM32F1" {
            assert_eq!(known.0, fact.0, "{}", chip.name);
        }
    }
    assert!(dies.len() > 40, "{} dies", dies.len());
}

#[test]
fn f4_has_everything_a_bootloader_needs() {
    for chip in all().filter(|c| c.family == "STM32F4") {
        let name = chip.name;
        assert_eq!(chip.rom, Some(0x1FFF_0000), "{name}");
        assert_eq!(chip.uid_address, Some(0x1FFF_7A10), "{name}");
        assert_eq!(chip.flash_size_address, Some(0x1FFF_7A22), "{name}");
        assert_eq!(chip.program_units, [1, 2, 4, 8], "{name}");
        assert_eq!(chip.supplies.len(), 4, "{name}");
        for pair in chip.supplies.windows(2) {
            assert_eq!(pair[0].millivolts().1, pair[1].millivolts().0, "{name}: the ranges meet");
            assert!(pair[0].unit <= pair[1].unit, "{name}");
        }
        for supply in chip.supplies {
            let timing = chip.timing(supply.unit).unwrap_or_else(|| panic!("{name} {}", supply.range));
            assert!(timing.program_us.typical <= timing.program_us.max, "{name}");
            for group in &chip.default_flash().groups {
                let erase = timing.erase(group.sector_size).unwrap_or_else(|| panic!("{name}"));
                assert!(erase.typical > 0 && erase.typical <= erase.max, "{name}");
            }
        }
        let without_usb = name.starts_with("STM32F410");
        assert_eq!(chip.usb.is_empty(), without_usb, "{name}");
        assert_eq!(chip.binary_family, (!without_usb).then_some(0x00F4), "{name}");
        let Some(clock) = chip.clock else {
            assert!(without_usb, "{name} has no clock limits");
            continue;
        };
        assert_eq!(clock.wait_mhz.len(), chip.supplies.len(), "{name}");
        assert_eq!(clock.supply_max_mhz.len(), chip.supplies.len(), "{name}");
        for (step, max) in clock.wait_mhz.iter().zip(&clock.supply_max_mhz) {
            assert!(max.div_ceil(*step) - 1 <= clock.max_wait_states, "{name}: LATENCY holds it");
        }
        assert!(clock.scales.windows(2).all(|s| s[0].max_mhz < s[1].max_mhz), "{name}");
        let fastest = clock.scales.last().map(|s| s.max_mhz);
        assert!(fastest >= Some(clock.max_mhz), "{name}");
        assert!(chip.usb.iter().any(|u| u.kind == UsbKind::Otg && u.base == 0x5000_0000), "{name}");
    }
}

#[test]
fn a_wider_program_unit_is_never_slower() {
    let chip = find("STM32F407VG").expect("a chip");
    for pair in chip.timings.windows(2) {
        for size in [16, 64, 128] {
            let (narrow, wide) = (pair[0].erase(size * 1024), pair[1].erase(size * 1024));
            assert!(wide.expect("a time").typical < narrow.expect("a time").typical);
        }
    }
    // DS8626, x32: the figures that the simulator and the poll time-outs use.
    let x32 = chip.timing(4).expect("x32");
    assert_eq!(x32.program_us.typical, 16);
    let typical = [16, 64, 128].map(|kib| x32.erase(kib * 1024).expect("a time").typical);
    assert_eq!(typical, [250, 550, 1000]);
}

#[test]
fn one_time_programmable_flash_is_no_flash() {
    // F407: 528 bytes at 0x1FFF7800 are listed as flash with an erase size of 0.
    for chip in all() {
        for flash in &chip.flash {
            assert!(flash.groups.iter().all(|g| g.sector_size > 0 && g.base < 0x1100_0000), "{}", chip.name);
        }
    }
}

#[test]
fn the_windows_of_h563s_external_memories_are_no_ram() {
    let chip = find("STM32H563ZI").expect("a chip");
    assert_eq!((chip.ram.base, chip.ram.size), (0x2000_0000, 640 * 1024));
    assert!(chip.memories.iter().all(|m| !m.name.starts_with("FMC") && !m.name.starts_with("SDRAM")));
}

#[test]
fn u3s_second_bank_stands_behind_the_first() {
    let chip = find("STM32U375CG").expect("a chip");
    let bank2 = chip.sectors().find(|s| s.bank == 2).expect("a second bank");
    assert_eq!(bank2.base, 0x0808_0000, "the metadata say 0x08010000");
}

#[test]
fn f1_and_f0_program_half_words_though_the_metadata_say_words() {
    assert_eq!(find("STM32F103RC").expect("a chip").program_units, [2]);
    assert_eq!(find("STM32F072RB").expect("a chip").program_units, [2]);
    assert_eq!(find("STM32H743ZI").expect("a chip").program_units, [32]);
}

#[test]
fn f42x_banks_are_numbered_as_the_flash_controller_counts() {
    // 2 MB: always two banks of twelve; SNB of the second begins at 16, the manual's sectors at 12.
    let chip = find("STM32F427VI").expect("a chip");
    let flash = chip.default_flash();
    assert_eq!(flash.banks, Banks::Dual);
    let second = flash.sector_at(0x0810_0000).expect("a sector");
    assert_eq!((second.bank, second.number, second.sector), (2, 16, 12));
    assert_eq!(flash.sectors().last().map(|s| (s.number, s.sector)), Some((27, 23)));
    // 1 MB: one bank of twelve from the factory, two of eight with DB1M.
    let chip = find("STM32F429VG").expect("a chip");
    assert_eq!(chip.default_flash().banks, Banks::Single);
    assert_eq!(chip.default_flash().sectors().count(), 12);
    let dual = chip.flash_with(Banks::Dual).expect("two banks");
    assert_eq!(dual.sectors().count(), 16);
    assert_eq!(dual.sector_at(0x0808_0000).map(|s| (s.number, s.sector, s.size)), Some((16, 12, 16384)));
}

#[test]
fn ram_that_touches_is_one_run() {
    for (name, base, kib) in [
        ("STM32F405RG", 0x2000_0000, 128),
        ("STM32F407VG", 0x2000_0000, 128),
        ("STM32F446RE", 0x2000_0000, 128),
        ("STM32F427VI", 0x2000_0000, 192),
        ("STM32F411CE", 0x2000_0000, 128),
        ("STM32F103C8", 0x2000_0000, 20),
        ("STM32H743ZI", 0x2400_0000, 512),
        ("STM32F746ZG", 0x2000_0000, 320),
    ] {
        let ram = find(name).expect(name).ram;
        assert_eq!((ram.base, ram.size), (base, kib * 1024), "{name}");
    }
}
