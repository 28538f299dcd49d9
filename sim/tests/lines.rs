//! Where the lines of chips differ: which peripherals there are, and what their versions of a block allow.

mod common;

use common::{Ran, Script};
use surefoot_sim::{Board, ChipModel, Kind, Nanos};

const RCC: u32 = 0x4002_3800;
const PLLCFGR: u32 = RCC + 4;
const CFGR: u32 = RCC + 8;
const AHB1ENR: u32 = RCC + 0x30;
const AHB2ENR: u32 = RCC + 0x34;
const APB1ENR: u32 = RCC + 0x40;
const DCKCFGR: u32 = RCC + 0x8C;
const PWR: u32 = 0x4000_7000;
const FLASH_ACR: u32 = 0x4002_3C00;
const OTG: u32 = 0x5000_0000;
const F407: &str = "STM32F407VG";
const F411: &str = "STM32F411VE";
const F446: &str = "STM32F446ZE";

fn run(chip: &str, script: &Script) -> Ran {
    let mut board = Board::new(ChipModel::find(chip).unwrap());
    script.start(&mut board);
    board.run_for(Nanos::millis(100));
    script.ran(board)
}

/// The kinds of the rules that a script breaks.
fn kinds(chip: &str, script: &Script) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = run(chip, script).board.violations().iter().map(|v| v.kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn a_peripheral_that_a_line_lacks_is_not_there() {
    let [clock, none, missing] = [Kind::Unclocked, Kind::Unmapped, Kind::Unmodelled];
    let table = [
        ("GPIOF", 0x4002_1400, [clock, none, clock]),
        ("GPIOH", 0x4002_1C00, [clock, clock, clock]),
        ("GPIOI", 0x4002_2000, [clock, none, none]),
        ("RNG", 0x5006_0800, [clock, none, none]),
        ("USART3", 0x4000_4800, [clock, none, clock]),
        ("UART5", 0x4000_5000, [clock, none, clock]),
        ("USART6", 0x4001_1400, [clock, clock, clock]),
        ("TIM6", 0x4000_1000, [clock, none, clock]),
        ("TIM8", 0x4001_0400, [clock, none, clock]),
        ("TIM11", 0x4001_4800, [clock, clock, clock]),
        ("TIM14", 0x4000_2000, [clock, none, clock]),
        ("backup SRAM", 0x4002_4000, [clock, none, clock]),
        ("OTG HS", 0x4004_0000, [missing, none, missing]),
        ("Ethernet", 0x4002_8000, [missing, none, none]),
        ("FSMC", 0xA000_0000, [missing, none, missing]),
        ("QUADSPI", 0xA000_1000, [none, none, missing]),
        ("SPI5", 0x4001_5000, [none, missing, none]),
        ("SAI1", 0x4001_5800, [none, none, missing]),
        ("CAN1", 0x4000_6400, [missing, none, missing]),
    ];
    for (name, address, expected) in table {
        for (chip, kind) in [F407, F411, F446].into_iter().zip(expected) {
            assert_eq!(kinds(chip, &Script::new().get(address)), [kind], "{name} of {chip}");
        }
    }
    for chip in [F411, F446] {
        assert_eq!(kinds(chip, &Script::new().get(0x1000_0000)), [none], "core-coupled memory of {chip}");
    }
}

#[test]
fn every_port_of_the_chip_data_is_there_and_no_other() {
    for chip in surefoot_chips::all().filter(|c| ChipModel::find(c.name).is_some()) {
        // The model has what the silicon has, whatever the package bonds out.
        let line = &chip.name[..9];
        let of_line =
            |c: &surefoot_chips::Chip, port| c.name.starts_with(line) && c.ports().any(|p| p == port);
        for port in 'A'..='I' {
            let known = surefoot_chips::all().any(|c| of_line(&c, port));
            let address = 0x4002_0000 + (port as u32 - 'A' as u32) * 0x400;
            let expected = if known { Kind::Unclocked } else { Kind::Unmapped };
            // A line of 64 pins has the silicon of its larger brothers.
            if known || line != "STM32F405" {
                assert_eq!(
                    kinds(chip.name, &Script::new().get(address)),
                    [expected],
                    "{} P{port}",
                    chip.name
                );
            }
        }
    }
}

/// PWR's clock, VOS, the PLL from HSI at so many MHz, and with `prescalers` in CFGR the core from it.
fn from_pll(vos: u32, mhz: u32, prescalers: u32, over_drive: bool) -> Script {
    let mut script = Script::new()
        .set(APB1ENR, 1 << 28)
        .get(APB1ENR)
        .set(PWR, vos << 14)
        // HSI / 16 * 2 f / 2: PLLN, from bit 6, is twice f. PLLR stays as after reset.
        .set(PLLCFGR, 0x2000_0000 | 16 | mhz << 7 | 8 << 24)
        .set(RCC, 0x83 | 1 << 24)
        .wait(RCC, 1 << 25, 1 << 25);
    if over_drive {
        script = script
            .set(PWR, vos << 14 | 1 << 16)
            .wait(PWR + 4, 1 << 16, 1 << 16)
            .set(PWR, vos << 14 | 0b11 << 16)
            .wait(PWR + 4, 1 << 17, 1 << 17);
    }
    script.set(FLASH_ACR, 5).set(CFGR, prescalers | 2).wait(CFGR, 0xC, 8)
}

#[test]
fn each_line_has_its_clock_limits_by_voltage_scale_and_over_drive() {
    let halves = 4 << 10;
    let quarters = 5 << 10 | 4 << 13;
    let table = [
        (F411, 3, 100, halves, false, None),
        (F411, 3, 104, quarters, false, Some("the PLL's output")),
        (F411, 3, 100, 0, false, Some("PCLK1")),
        (F411, 2, 84, halves, false, None),
        (F411, 2, 96, halves, false, Some("HCLK")),
        (F411, 1, 64, halves, false, None),
        (F411, 1, 72, halves, false, Some("HCLK")),
        (F446, 3, 168, quarters, false, None),
        (F446, 3, 180, quarters, false, Some("HCLK")),
        (F446, 3, 180, quarters, true, None),
        (F446, 2, 168, quarters, true, None),
        (F446, 2, 168, quarters, false, Some("HCLK")),
        (F446, 1, 120, quarters, true, None),
        (F446, 1, 144, quarters, true, Some("HCLK")),
        (F446, 3, 180, 4 << 10 | 4 << 13, true, Some("PCLK1")),
    ];
    for (chip, vos, mhz, prescalers, over_drive, broken) in table {
        let ran = run(chip, &from_pll(vos, mhz, prescalers, over_drive));
        let told = format!("{chip}, scale bits {vos}, {mhz} MHz: {:#?}", ran.board.violations());
        match broken {
            None => assert!(ran.board.violations().is_empty() && ran.finished, "{told}"),
            Some(what) => assert!(ran.board.violations()[0].what.starts_with(what), "{told}"),
        }
    }
}

#[test]
fn rules_of_one_line_s_registers_are_recorded_as_their_kind() {
    use Kind::{Range, Reserved, Sequence, Unmodelled};
    let pwr = || Script::new().set(APB1ENR, 1 << 28).get(APB1ENR);
    let otg = || Script::new().set(AHB2ENR, 1 << 7).get(AHB2ENR);
    let table = [
        ("no enable of GPIOF", F411, Script::new().set(AHB1ENR, 1 << 5), Reserved),
        ("no enable of CCM", F446, Script::new().set(AHB1ENR, 1 << 20), Reserved),
        ("no AHB3", F411, Script::new().get(RCC + 0x38), Reserved),
        ("PLLR is reserved", F411, Script::new().set(PLLCFGR, 0x4400_3010), Reserved),
        ("no dedicated clocks", F407, Script::new().get(DCKCFGR), Reserved),
        ("dedicated clocks", F446, Script::new().set(DCKCFGR, 1 << 24), Unmodelled),
        ("PLLSAI", F446, Script::new().set(RCC, 0x83 | 1 << 28), Unmodelled),
        ("PLLR for the system", F446, Script::new().set(CFGR, 3), Unmodelled),
        ("no PLLR for the system", F411, Script::new().set(CFGR, 3), Range),
        ("VOS 0", F411, pwr().set(PWR, 0), Range),
        ("no over-drive", F411, pwr().set(PWR, 3 << 14 | 1 << 16), Reserved),
        ("ODSWEN before ODRDY", F446, pwr().set(PWR, 3 << 14 | 0b11 << 16), Sequence),
        (
            "over-drive left at the PLL's clock",
            F446,
            from_pll(3, 180, 5 << 10 | 4 << 13, true).set(PWR, 3 << 14),
            Sequence,
        ),
        ("15 wait states at most 7", F407, Script::new().set(FLASH_ACR, 15), Reserved),
        ("no CTXPKT", F446, otg().set(OTG + 0x0C, 1 << 31), Reserved),
        ("no VBUSBSEN", F446, otg().set(OTG + 0x38, 1 << 19), Reserved),
        ("no override of the session", F411, otg().set(OTG, 0b11 << 6), Reserved),
        ("endpoint 5", F446, otg().get(OTG + 0x9A0), Unmodelled),
        ("no endpoint 5", F411, otg().get(OTG + 0x9A0), Reserved),
    ];
    for (what, chip, script, kind) in table {
        assert_eq!(kinds(chip, &script), [kind], "{what}, {chip}");
    }
}

#[test]
fn each_line_identifies_itself_and_wakes_up_with_its_own_registers() {
    let script = Script::new()
        .set(APB1ENR, 1 << 28)
        .set(AHB2ENR, 1 << 7)
        .get(0xE004_2000)
        .get(PWR)
        .get(OTG + 0x3C)
        .get(OTG + 0x804)
        .get(AHB1ENR);
    let table = [
        (F407, [0x100F_0413, 0x4000, 0x1200, 0, 0x0010_0000]),
        (F411, [0x1000_0431, 0x8000, 0x1200, 0, 0]),
        (F446, [0x1000_0421, 0xC000, 0x2000, 2, 0]),
    ];
    for (chip, expected) in table {
        assert_eq!(run(chip, &script).clean(), expected, "{chip}");
    }
}

#[test]
fn a_session_on_the_later_core_is_valid_by_override_or_by_vbus() {
    const BSVLD: u32 = 1 << 19;
    let start = || Script::new().set(AHB2ENR, 1 << 7).get(AHB2ENR);
    let valid = |script: Script| run(F446, &script.get(OTG)).reads[1] & BSVLD != 0;
    assert!(!valid(start().set(OTG, 0b11 << 6)), "the PHY is off");
    let power = |script: Script| script.set(OTG + 0x38, 1 << 16);
    assert!(valid(power(start().set(OTG, 0b11 << 6))));
    assert!(!valid(power(start().set(OTG, 0b01 << 6))));
    assert!(!valid(power(start())), "no cable, and VBUS is not sensed");
}
