//! The simulator's own numbers of its chips against the chip data that everything else uses.

use surefoot_chips::{Chip, find};
use surefoot_sim::flash::{PROGRAM_TIME, erase_time};
use surefoot_sim::{ChipModel, Nanos};

/// Every chip of the table that has a model.
fn both() -> Vec<(Chip, ChipModel)> {
    surefoot_chips::all()
        .filter_map(|chip| Some((find(chip.name).ok()?, ChipModel::find(chip.name)?)))
        .collect()
}

#[test]
fn the_f405_f411_and_f446_lines_have_models() {
    for line in ["STM32F405", "STM32F407", "STM32F411", "STM32F446"] {
        let chips = both().iter().filter(|(chip, _)| chip.name.starts_with(line)).count();
        assert!(chips >= 4, "{line}: {chips}");
    }
    for refused in ["STM32F427VG", "STM32F103RC", "STM32F407", "STM32F407VX", "STM32F411CG", "stm32"] {
        assert!(ChipModel::find(refused).is_none(), "{refused}");
    }
    assert_eq!(ChipModel::find("stm32f407vgt6").unwrap().name, "STM32F407VG");
    assert_eq!(ChipModel::find("STM32F411CEU6").unwrap().name, "STM32F411CE");
}

#[test]
fn the_chip_data_know_which_chips_have_a_model() {
    for chip in surefoot_chips::all() {
        let told = chip.device_id.is_some_and(surefoot_chips::has_model);
        assert_eq!(told, ChipModel::find(chip.name).is_some(), "{}", chip.name);
    }
}

#[test]
fn memories_and_identity_agree() {
    for (chip, model) in both() {
        let sectors: Vec<(u32, u32)> =
            chip.flash[0].sectors().map(|s| (s.base - 0x0800_0000, s.size)).collect();
        let modelled: Vec<(u32, u32)> = (0..model.sector_count()).map(|n| model.sector(n).unwrap()).collect();
        assert_eq!(modelled, sectors, "{}", chip.name);
        assert_eq!(
            (model.rams[0].base, model.rams[0].length),
            (chip.ram.base, chip.ram.size),
            "{}",
            chip.name
        );
        assert_eq!(Some(model.device_id), chip.device_id, "{}", chip.name);
        assert_eq!(chip.uid_address, Some(0x1FFF_7A10));
        assert_eq!(chip.flash_size_address, Some(0x1FFF_7A22));
        assert_eq!(chip.rom, Some(surefoot_sim::memory::SYSTEM_MEMORY));
    }
}

#[test]
fn clock_limits_agree() {
    for (chip, model) in both() {
        let clock = chip.clock.unwrap();
        // The bootloader does not use over-drive.
        let scales: Vec<(u32, u32)> =
            model.scales.iter().map(|s| (s.vos, s.speeds.hclk / 1_000_000)).collect();
        let known: Vec<(u32, u32)> = clock.scales.iter().map(|s| (s.pwr_cr, s.max_mhz)).collect();
        assert_eq!(scales, known, "{}", chip.name);
        assert_eq!(scales.last().unwrap().1, clock.max_mhz, "{}", chip.name);
        for scale in model.scales {
            let buses = (scale.speeds.pclk1 / 1_000_000, scale.speeds.pclk2 / 1_000_000);
            assert_eq!(buses, (clock.apb1_mhz, clock.apb2_mhz), "{}", chip.name);
        }
        assert_eq!(model.wait_state_hz, clock.wait_mhz.last().unwrap() * 1_000_000);
    }
}

#[test]
fn flash_times_agree() {
    let chip = find("STM32F407VG").unwrap();
    for (psize, unit) in [1, 2, 4].into_iter().enumerate() {
        let timing = chip.timings.iter().find(|t| t.unit == unit).unwrap();
        assert_eq!(PROGRAM_TIME, Nanos::micros(timing.program_us.typical.into()));
        for kib in [16, 64, 128] {
            let typical = timing.erase(kib << 10).unwrap().typical;
            assert_eq!(erase_time(kib << 10, psize), Nanos::millis(typical.into()), "{kib}K, {unit} bytes");
        }
    }
}
