//! The real-time clock: initialisation mode, the calendar, the wake-up.

mod common;

use common::{Script, board};
use surefoot_sim::{Board, BoardOptions, ChipModel, Kind, Nanos};

const RCC: u32 = 0x4002_3800;
const CSR: u32 = RCC + 0x74;
const BDCR: u32 = RCC + 0x70;
const PWR: u32 = 0x4000_7000;
const RTC: u32 = 0x4000_2800;
const TR: u32 = RTC;
const DR: u32 = RTC + 4;
const CR: u32 = RTC + 8;
const ISR: u32 = RTC + 0x0C;
const PRER: u32 = RTC + 0x10;
const WUTR: u32 = RTC + 0x14;
const WPR: u32 = RTC + 0x24;

/// DBP set, LSI on, the RTC on the LSI, its keys written.
fn open() -> Script {
    Script::new()
        .set(RCC + 0x40, 1 << 28)
        .get(RCC + 0x40)
        .set(PWR, 1 << 14 | 1 << 8)
        .set(CSR, 1)
        .wait(CSR, 2, 2)
        .set(BDCR, 1 << 15 | 2 << 8)
        .set(WPR, 0xCA)
        .set(WPR, 0x53)
}

#[test]
fn the_calendar_is_set_in_initialisation_mode_and_runs_on() {
    // 32 kHz: 128 x 250. One second before midnight, 28 February 2024, a Wednesday.
    let script = open()
        .get(ISR)
        .set(ISR, 1 << 7)
        .wait(ISR, 1 << 6, 1 << 6)
        .set(PRER, 249)
        .set(PRER, 127 << 16 | 249)
        .set(TR, 0x0023_5959)
        .set(DR, 0x0024_6228)
        .set(ISR, 0)
        .wait(ISR, 1 << 5, 1 << 5)
        .set(WPR, 0xFF)
        .get(TR)
        .spin(5_400_000) // 1.01 s
        .get(TR)
        .get(DR)
        .get(ISR);
    let options = BoardOptions { lsi_hz: 32_000, ..BoardOptions::new(ChipModel::stm32f407vg()) };
    let mut board = Board::with(options);
    script.start(&mut board);
    board.run_for(Nanos::secs(2));
    let ran = script.ran(board);
    let reads = ran.clean();
    assert_eq!(reads[1] & 0xFF, 0x07, "not initialised, everything may be written");
    assert_eq!(reads[2..5], [0x0023_5959, 0, 0x0024_8229], "a Thursday in a leap year");
    assert_eq!(reads[5] & 0x7F, 0x37, "INITS and RSF");
}

#[test]
fn without_a_clock_the_initialisation_mode_never_comes() {
    let script = Script::new()
        .set(RCC + 0x40, 1 << 28)
        .get(RCC + 0x40)
        .set(PWR, 1 << 14 | 1 << 8)
        .set(WPR, 0xCA)
        .set(WPR, 0x53)
        .set(ISR, 1 << 7)
        .spin(100_000)
        .get(ISR);
    assert_eq!(script.run().clean()[1] & 0xC0, 0x80);
}

#[test]
fn keys_and_mode_are_asked_for() {
    let locked = open().set(WPR, 0).set(CR, 0).run();
    assert_eq!(locked.violation().kind, Kind::Locked);
    let early = open().set(TR, 0x0012_0000).run();
    assert_eq!(early.violation().kind, Kind::Sequence);
}

#[test]
fn the_wake_up_comes_on_time_and_wakes_a_sleeping_core() {
    // LSI / 16 = 2 kHz, every 20 steps: 10 ms. EXTI line 22, rising, to interrupt 3, which only pends.
    let script = open()
        .set(CR, 0)
        .wait(ISR, 1 << 2, 1 << 2)
        .set(WUTR, 19)
        .set(0x4001_3C00, 1 << 22)
        .set(0x4001_3C08, 1 << 22)
        .set(0xE000_ED10, 1 << 4)
        .set(CR, 1 << 10 | 1 << 14)
        .set(0xE000_EDFC, 1 << 24)
        .set(0xE000_1000, 0x4000_0001)
        .get(0xE000_1004)
        .wfe()
        .get(0xE000_1004)
        .get(ISR)
        .get(0x4001_3C14);
    let mut board = board();
    script.start(&mut board);
    board.run_for(Nanos::millis(50));
    let ran = script.ran(board);
    let reads = ran.clean();
    assert!((reads[2] - reads[1]).abs_diff(160_000) < 1_000, "{} cycles", reads[2] - reads[1]);
    assert_eq!((reads[3] & 1 << 10, reads[4] & 1 << 22), (1 << 10, 1 << 22));
}
