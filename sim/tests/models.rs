//! Each peripheral model: what it does, and what it refuses.

mod common;

use common::{Script, board, usart};
use surefoot_sim::device::Width;
use surefoot_sim::{Kind, Nanos, Pin, Stop};

const RCC: u32 = 0x4002_3800;
const PLLCFGR: u32 = RCC + 4;
const CFGR: u32 = RCC + 8;
const AHB1RSTR: u32 = RCC + 0x10;
const AHB1ENR: u32 = RCC + 0x30;
const AHB2ENR: u32 = RCC + 0x34;
const APB1ENR: u32 = RCC + 0x40;
const APB2ENR: u32 = RCC + 0x44;
const BDCR: u32 = RCC + 0x70;
const PWR: u32 = 0x4000_7000;
const GPIOA: u32 = 0x4002_0000;
const GPIOB: u32 = 0x4002_0400;
const GPIOD: u32 = 0x4002_0C00;
const CRC: u32 = 0x4002_3000;
const IWDG: u32 = 0x4000_3000;
const EXTI: u32 = 0x4001_3C00;
const SYSCFG: u32 = 0x4001_3800;
const USART1: u32 = 0x4001_1000;
const TIM2: u32 = 0x4000_0000;
const ISPR: u32 = 0xE000_E200;
const CCM: u32 = 1 << 20;

/// PLLCFGR for 8 MHz crystal or HSI, with the reserved bit as after reset.
const fn pll(m: u32, n: u32, p: u32, q: u32, hse: bool) -> u32 {
    0x2000_0000 | m | n << 6 | (p / 2 - 1) << 16 | (hse as u32) << 22 | q << 24
}

fn ahb1(bits: u32) -> Script {
    Script::new().set(AHB1ENR, CCM | bits).get(AHB1ENR)
}

/// Scripts that break one rule each.
#[test]
fn every_broken_rule_is_recorded_as_its_kind() {
    use Kind::{Access, Busy, Locked, Protected, Range, Reserved, Sequence, Unclocked, Unmodelled};
    let pll_on = |cfg| Script::new().set(PLLCFGR, cfg).set(RCC, 0x83 | 1 << 24);
    let backup = || Script::new().set(APB1ENR, 1 << 28).get(APB1ENR).set(PWR, 1 << 14 | 1 << 8);
    let cases: [(&str, Script, Kind); 35] = [
        ("GPIO without its clock", Script::new().set(GPIOA, 0), Unclocked),
        ("CRC without its clock", Script::new().get(CRC), Unclocked),
        ("OTG FS without its clock", Script::new().get(0x5000_0000), Unclocked),
        ("PWR without its clock", Script::new().get(PWR), Unclocked),
        ("USART without its clock", Script::new().get(USART1), Unclocked),
        ("backup SRAM without its clock", Script::new().get(0x4002_4000), Unclocked),
        ("GPIO held in reset", ahb1(1).set(AHB1RSTR, 1).set(GPIOA + 0x18, 1), Unclocked),
        ("access right after the enable", Script::new().set_then_get(AHB1ENR, CCM | 1, GPIOA), Sequence),
        ("reserved bit of an enable register", Script::new().set(AHB2ENR, 1 << 8), Reserved),
        ("reserved bit of PLLCFGR", Script::new().set(PLLCFGR, 8 | 336 << 6 | 7 << 24), Reserved),
        ("no RCC register there", Script::new().get(RCC + 0x0C + 0x80), Reserved),
        ("PLLM of 1", pll_on(pll(1, 50, 2, 4, false)), Range),
        ("PLLN of 49", pll_on(pll(8, 49, 2, 4, false)), Range),
        ("PLLQ of 0", pll_on(pll(8, 84, 2, 0, false)), Range),
        ("VCO input of 4 MHz", pll_on(pll(4, 84, 4, 7, false)), Range),
        ("VCO output of 800 MHz", pll_on(pll(8, 400, 8, 15, false)), Range),
        (
            "PLLCFGR while the PLL is on",
            pll_on(pll(8, 84, 2, 4, false)).set(PLLCFGR, pll(8, 96, 2, 4, false)),
            Sequence,
        ),
        ("HSI switched off while it runs the system", Script::new().set(RCC, 0x80), Sequence),
        ("BDCR without DBP", Script::new().set(BDCR, 1 << 8), Protected),
        ("backup register without DBP", Script::new().set(0x4000_2850, 1), Protected),
        ("calendar without its keys", backup().set(0x4000_2800, 0), Locked),
        (
            "VOS while the PLL is on",
            pll_on(pll(8, 84, 2, 4, false))
                .wait(RCC, 1 << 25, 1 << 25)
                .set(APB1ENR, 1 << 28)
                .get(APB1ENR)
                .set(PWR, 0),
            Sequence,
        ),
        ("IDR written", ahb1(1).set(GPIOA + 0x10, 1), Access),
        ("reserved pull", ahb1(8).set(GPIOD + 0x0C, 3), Reserved),
        ("byte into the CRC unit", ahb1(1 << 12).write(Width::Byte, CRC, 1), Kind::Width),
        ("IWDG reload without the key", Script::new().set(IWDG + 8, 1), Locked),
        (
            "IWDG prescaler twice at once",
            Script::new().set(IWDG, 0xCCCC).set(IWDG, 0x5555).set(IWDG + 4, 1).set(IWDG + 4, 2),
            Busy,
        ),
        ("half-word into EXTI", Script::new().write(Width::Half, EXTI, 1), Kind::Width),
        ("event mode of EXTI", Script::new().set(EXTI + 4, 1), Unmodelled),
        ("ADC", Script::new().get(0x4001_2000), Unmodelled),
        ("SPI1", Script::new().get(0x4001_3000), Unmodelled),
        ("DMA", Script::new().set(AHB1ENR, CCM | 1 << 21).get(0x4002_6000), Unmodelled),
        ("DR of a transmitter that is off", usart(0).set(USART1 + 4, 0x55), Sequence),
        ("USART DMA", usart(0).set(USART1 + 0x14, 1 << 7), Unmodelled),
        ("timer counting down", Script::new().set(APB1ENR, 1).get(APB1ENR).set(TIM2, 1 << 4), Unmodelled),
    ];
    for (what, script, kind) in cases {
        let ran = script.run();
        let mut kinds: Vec<Kind> = ran.board.violations().iter().map(|v| v.kind).collect();
        kinds.dedup();
        assert_eq!(kinds, [kind], "{what}: {:#?}", ran.board.violations());
    }
}

// ---- clocks ----

#[test]
fn the_pll_runs_from_either_oscillator_and_the_timers_at_twice_a_divided_bus() {
    let ran = Script::new()
        .set(PLLCFGR, pll(16, 336, 2, 7, false))
        .set(RCC, 0x83 | 1 << 24)
        .wait(RCC, 1 << 25, 1 << 25)
        .set(0x4002_3C00, 5)
        .set(CFGR, 5 << 10 | 4 << 13 | 2)
        .wait(CFGR, 0xC, 8)
        .run();
    ran.clean();
    let c = ran.board.clocks();
    assert_eq!([c.sysclk, c.hclk, c.pclk1, c.pclk2], [168_000_000, 168_000_000, 42_000_000, 84_000_000]);
    assert_eq!([c.timers1, c.timers2, c.pll48], [84_000_000, 168_000_000, 48_000_000]);
}

#[test]
fn buses_faster_than_their_limits_are_recorded() {
    for (what, cfgr) in [("PCLK1", 4 << 13 | 2), ("PCLK2", 5 << 10 | 2)] {
        let ran = Script::new()
            .set(PLLCFGR, pll(16, 336, 2, 7, false))
            .set(RCC, 0x83 | 1 << 24)
            .wait(RCC, 1 << 25, 1 << 25)
            .set(0x4002_3C00, 5)
            .set(CFGR, cfgr)
            .spin(10)
            .run();
        assert_eq!(ran.violation().kind, Kind::Range, "{what}");
        assert!(ran.violation().what.starts_with(what));
    }
}

#[test]
fn voltage_scale_2_is_too_low_for_168_mhz() {
    let ran = Script::new()
        .set(APB1ENR, 1 << 28)
        .get(APB1ENR)
        .set(PWR, 0)
        .set(PLLCFGR, pll(16, 336, 2, 7, false))
        .set(RCC, 0x83 | 1 << 24)
        .wait(RCC, 1 << 25, 1 << 25)
        .set(0x4002_3C00, 5)
        .set(CFGR, 5 << 10 | 4 << 13 | 2)
        .spin(10)
        .run();
    assert!(ran.violation().what.starts_with("HCLK"));
}

#[test]
fn a_peripheral_reset_bit_puts_the_model_back() {
    let ran = ahb1(8).set(GPIOD, 1).set(AHB1RSTR, 8).set(AHB1RSTR, 0).get(GPIOD).run();
    assert_eq!(ran.clean()[1], 0);
}

#[test]
fn the_backup_domain_reset_clears_the_backup_registers() {
    let ran = Script::new()
        .set(APB1ENR, 1 << 28)
        .get(APB1ENR)
        .set(PWR, 1 << 14 | 1 << 8)
        .set(0x4000_2854, 77)
        .set(BDCR, 1 << 8)
        .get(0x4000_2854)
        .set(BDCR, 1 << 16)
        .set(BDCR, 0)
        .get(0x4000_2854)
        .get(BDCR)
        .run();
    assert_eq!(ran.clean()[1..], [77, 0, 0]);
}

// ---- pins ----

#[test]
fn an_input_reads_what_drives_it_the_outside_a_pull_or_nothing() {
    // PA0 floating, PA1 pulled up, PA2 pulled down, PA3 output.
    let script = ahb1(1).set(GPIOA + 0x0C, 0x6400_0024).set(GPIOA, 0xA800_0040).set(GPIOA + 0x18, 1 << 3);
    let script = script.get(GPIOA + 0x10);
    for (outside, expected) in [(None, 0b1010), (Some(true), 0b1111), (Some(false), 0b1000)] {
        let mut board = board();
        for n in 0..3 {
            board.set_pin(Pin::new('A', n), outside);
        }
        script.start(&mut board);
        board.run_for(Nanos::millis(5));
        assert_eq!(script.ran(board).clean()[1] & 15, expected, "{outside:?}");
    }
}

#[test]
fn an_open_drain_output_pulls_low_and_never_high() {
    let open_drain = ahb1(8).set(GPIOD + 4, 1).set(GPIOD, 1);
    let ran = open_drain
        .clone()
        .set(GPIOD + 0x18, 1)
        .get(GPIOD + 0x10)
        .set(GPIOD + 0x18, 1 << 16)
        .get(GPIOD + 0x10)
        .run();
    assert_eq!(ran.clean()[1..], [0, 0]);
    assert_eq!(ran.board.pin_output(Pin::new('D', 0)), Some(false));
    let released = open_drain.set(GPIOD + 0x18, 1).run();
    assert_eq!(released.board.pin_output(Pin::new('D', 0)), None);
}

#[test]
fn the_lock_freezes_a_pin_until_reset() {
    let lock = 1 << 16 | 1;
    let ran = ahb1(2)
        .set(GPIOB + 0x1C, lock)
        .set(GPIOB + 0x1C, 1)
        .set(GPIOB + 0x1C, lock)
        .get(GPIOB + 0x1C)
        .set(GPIOB, 0x285)
        .get(GPIOB)
        .run();
    assert_eq!(ran.clean()[1..], [lock, 0x284]);
}

#[test]
fn an_output_driven_against_is_recorded() {
    let mut board = board();
    let script = ahb1(8).set(GPIOD, 1).set(GPIOD + 0x18, 1);
    board.set_pin(Pin::new('D', 0), Some(false));
    script.start(&mut board);
    board.run_for(Nanos::millis(5));
    assert!(!board.pin(Pin::new('D', 0)), "the outside wins");
    assert_eq!(board.violations()[0].kind, Kind::Range);
}

#[test]
fn a_pin_edge_pends_its_exti_line_and_wakes_the_core() {
    // EXTI0 from PA0, rising; the interrupt is not enabled in the NVIC, SEVONPEND wakes.
    let script = ahb1(1)
        .set(APB2ENR, 1 << 14)
        .get(APB2ENR)
        .set(SYSCFG + 8, 0)
        .set(EXTI, 1)
        .set(EXTI + 8, 1)
        .set(0xE000_ED10, 1 << 4)
        .wfe()
        .get(EXTI + 0x14)
        .get(ISPR)
        .set(EXTI + 0x14, 1)
        .get(EXTI + 0x14);
    let mut board = board();
    script.start(&mut board);
    board.run_for(Nanos::millis(10));
    assert!(board.asleep());
    let pressed = board.now();
    board.set_pin(Pin::new('A', 0), Some(true));
    board.run_for(Nanos::millis(1));
    let ran = script.ran(board);
    assert_eq!(ran.clean()[2..], [1, 1 << 6, 0], "pressed at {pressed}");
}

// ---- CRC ----

#[test]
fn the_crc_unit_computes_the_crc_of_the_words() {
    let ran = ahb1(1 << 12)
        .set(CRC, 0x1234_5678)
        .get(CRC)
        .set(CRC, 0xDEAD_BEEF)
        .get(CRC)
        .set(CRC + 8, 1)
        .get(CRC)
        .run();
    // CRC-32/MPEG-2 of 12 34 56 78, and of the eight bytes, worked out apart from the model.
    assert_eq!(
        ran.clean()[1..],
        [
            mpeg2(&[0x12, 0x34, 0x56, 0x78]),
            mpeg2(&[0x12, 0x34, 0x56, 0x78, 0xDE, 0xAD, 0xBE, 0xEF]),
            u32::MAX
        ]
    );
    assert_eq!(mpeg2(b"123456789"), 0x0376_E6E7, "the catalogue's check value");
}

/// Bit by bit, as the catalogue of CRCs describes CRC-32/MPEG-2.
fn mpeg2(bytes: &[u8]) -> u32 {
    let bits = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| u32::from(b >> i & 1)));
    bits.fold(u32::MAX, |crc, bit| (crc << 1) ^ if (crc >> 31) ^ bit == 1 { 0x04C1_1DB7 } else { 0 })
}

// ---- timers ----

#[test]
fn a_compare_event_comes_on_time_and_sleep_does_not_delay_it() {
    // TIM2 at 1 MHz, compare 1 after 5,000, the interrupt only pends.
    let script = Script::new()
        .set(APB1ENR, 1)
        .get(APB1ENR)
        .set(TIM2 + 0x28, 15)
        .set(TIM2 + 0x14, 1)
        .set(TIM2 + 0x10, 0)
        .set(TIM2 + 0x34, 5_000)
        .set(TIM2 + 0x0C, 2)
        .set(0xE000_ED10, 1 << 4)
        .set(TIM2, 1)
        .wfe()
        .get(TIM2 + 0x24)
        .get(TIM2 + 0x10);
    let ran = script.run();
    assert_eq!(ran.clean()[1..], [5_000, 2]);
    // 1.5 ms of reset and 5 ms of counting.
}

#[test]
fn an_update_event_repeats_with_the_reload_value() {
    let script = Script::new()
        .set(APB1ENR, 1 << 1)
        .get(APB1ENR)
        .set(0x4000_042C, 99)
        .set(0x4000_0428, 159)
        .set(0x4000_0414, 1)
        .set(0x4000_0410, 0)
        .set(0x4000_0400, 1)
        .wait(0x4000_0410, 1, 1)
        .set(0x4000_0410, 0)
        .get(0x4000_0424)
        .wait(0x4000_0410, 1, 1)
        .get(0x4000_0424);
    assert_eq!(script.run().clean()[1..], [0, 0]);
}

#[test]
fn the_cycle_counter_counts_core_cycles() {
    let ran = Script::new()
        .set(0xE000_EDFC, 1 << 24)
        .set(0xE000_1000, 0x4000_0001)
        .set(0xE000_1004, 0)
        .spin(1000)
        .get(0xE000_1004)
        .run();
    let count = ran.clean()[0];
    assert!((3000..3020).contains(&count), "{count}");
}

#[test]
fn the_watchdog_cannot_be_stopped_and_is_fed_by_its_key() {
    let script =
        Script::new().set(IWDG, 0xCCCC).spin(1_000_000).set(IWDG, 0xAAAA).spin(1_000_000).set(IWDG, 0);
    let mut board = board();
    script.start(&mut board);
    // 187 ms between feedings of 512 ms, then none.
    board.run_until(|b| b.resets() == 2, Nanos::millis(680));
    assert_eq!(board.resets(), 1);
    assert_eq!(board.run_until(|b| b.resets() == 2, Nanos::millis(40)), Stop::Condition);
}

// ---- ready flags ----

const CSR: u32 = RCC + 0x74;

/// PLL from the crystal at 168 MHz, set up before anything is switched on.
fn crystal_pll() -> Script {
    Script::new().set(PLLCFGR, pll(8, 336, 2, 7, true))
}

#[test]
fn every_ready_flag_follows_its_oscillator_down() {
    // To the crystal, then the HSI off; LSI and LSE on and off.
    let script = Script::new()
        .set(RCC, 0x83 | 1 << 16)
        .wait(RCC, 1 << 17, 1 << 17)
        .set(CFGR, 1)
        .wait(CFGR, 0xC, 4)
        .set(RCC, 0x80 | 1 << 16)
        .get(RCC)
        .spin(10)
        .get(RCC)
        .set(RCC, 0x81 | 1 << 16)
        .wait(RCC, 2, 2)
        .set(CFGR, 0)
        .wait(CFGR, 0xC, 0)
        .set(RCC, 0x81)
        .spin(10)
        .get(RCC)
        .set(CSR, 1)
        .wait(CSR, 2, 2)
        .set(CSR, 0)
        .get(CSR)
        .spin(1_000)
        .get(CSR);
    let ran = script.run();
    let reads = ran.clean();
    // Six cycles of the HSI are over before the program looks again at 8 MHz.
    assert_eq!([reads[0] & 3, reads[1] & 3], [0, 0], "HSI");
    assert_eq!(reads[2] & 3 << 16, 0, "HSE");
    assert_eq!([reads[3] & 3, reads[4] & 3], [2, 0], "LSI: three cycles later");
}

#[test]
fn a_pll_that_is_on_before_its_source_locks_behind_it() {
    let ran = crystal_pll().set(RCC, 0x83 | 1 << 16 | 1 << 24).wait(RCC, 1 << 25, 1 << 25).get(RCC).run();
    assert_eq!(ran.clean()[0] >> 16 & 0x303, 0x303);
    // 1.5 ms of reset, 2 ms of the crystal, 0.2 ms of lock.
    let ran =
        crystal_pll().set(RCC, 0x83 | 1 << 16 | 1 << 24).spin(11_000).get(RCC).spin(1_200).get(RCC).run();
    assert_eq!(ran.clean().iter().map(|cr| cr >> 24 & 3).collect::<Vec<_>>(), [1, 3]);
    let never = crystal_pll().set(RCC, 0x83 | 1 << 24).spin(100_000).get(RCC).run();
    assert_eq!(never.clean()[0] >> 24 & 3, 1, "the crystal is off");
}

#[test]
fn the_usb_core_identifies_itself_as_the_f4_s() {
    let mut script = Script::new().set(AHB2ENR, 1 << 7).get(AHB2ENR);
    for offset in [0x3C, 0x40, 0x44, 0x48, 0x4C, 0x50, 0x54] {
        script = script.get(0x5000_0000 + offset);
    }
    let expected = [0x1200, 0x4F54_281A, 0, 0x229D_CD20, 0x0200_01E8, 0x0FF0_8030, 0];
    assert_eq!(script.run().clean()[1..], expected);
}

#[test]
fn rules_have_three_grades() {
    use surefoot_sim::Grade;
    for (script, grade) in [
        (Script::new().set(GPIOA, 0), Grade::Forbidden),
        (Script::new().set(AHB1ENR, CCM | 1 << 15 | 1 << 16), Grade::Reserved),
        (ahb1(1).set(GPIOA + 0x10, 1), Grade::Reserved),
        (Script::new().get(0x4001_2000), Grade::Hint),
    ] {
        assert_eq!(script.run().violation().grade(), grade);
    }
    // Speed set in two steps, as a manufacturer's library does, and an interrupt register written.
    let script =
        Script::new().set(AHB2ENR, 1 << 7).get(AHB2ENR).set(0x5000_0800, 0).set(0x5000_0818, u32::MAX);
    assert_eq!(script.run().violation().grade(), Grade::Reserved);
}

// ---- random numbers ----

#[test]
fn random_words_come_at_the_pace_of_the_48_mhz_clock_and_none_without_it() {
    const RNG: u32 = 0x5006_0800;
    let with_pll = Script::new()
        .set(PLLCFGR, pll(16, 336, 4, 7, false))
        .set(RCC, 0x83 | 1 << 24)
        .wait(RCC, 1 << 25, 1 << 25)
        .set(AHB2ENR, 1 << 6)
        .get(AHB2ENR)
        .set(RNG, 1 << 2)
        .wait(RNG + 4, 1, 1)
        .get(RNG + 8)
        .get(RNG + 4)
        .wait(RNG + 4, 1, 1)
        .get(RNG + 8);
    let ran = with_pll.run();
    let [_, first, status, second] = ran.clean()[..] else { panic!("four reads") };
    assert!(first != second && status & 1 == 0, "{first:#x} {second:#x}");
    let without = Script::new().set(AHB2ENR, 1 << 6).get(AHB2ENR).set(RNG, 1 << 2).spin(10_000).get(RNG + 4);
    assert_eq!(without.run().clean()[1], 1 << 5 | 1 << 1, "the clock error");
}
