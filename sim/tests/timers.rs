//! The timers: time bases, shared interrupt lines, and measuring the chip's own clocks.

mod common;

use common::{Script, board};
use surefoot_sim::{Board, BoardOptions, ChipModel, Hse, Kind, Nanos};

const RCC: u32 = 0x4002_3800;
const CFGR: u32 = RCC + 8;
const APB1ENR: u32 = RCC + 0x40;
const APB2ENR: u32 = RCC + 0x44;
const CSR: u32 = RCC + 0x74;
const TIM1: u32 = 0x4001_0000;
const TIM5: u32 = 0x4000_0C00;
const TIM6: u32 = 0x4000_1000;
const TIM11: u32 = 0x4001_4800;
const ISER0: u32 = 0xE000_E100;

const CR1: u32 = 0x00;
const DIER: u32 = 0x0C;
const SR: u32 = 0x10;
const EGR: u32 = 0x14;
const CCMR1: u32 = 0x18;
const CCMR2: u32 = 0x1C;
const CCER: u32 = 0x20;
const CNT: u32 = 0x24;
const PSC: u32 = 0x28;
const ARR: u32 = 0x2C;
const RCR: u32 = 0x30;
const CCR1: u32 = 0x34;
const CCR4: u32 = 0x40;
const OR: u32 = 0x50;

fn with_crystal(hz: u32) -> Board {
    Board::with(BoardOptions { hse: Hse::Crystal(hz), ..BoardOptions::new(ChipModel::stm32f407vg()) })
}

fn run(mut board: Board, script: &Script) -> common::Ran {
    script.start(&mut board);
    board.run_for(Nanos::millis(400));
    script.ran(board)
}

#[test]
fn the_lsi_is_measured_by_timer_5_against_the_hsi() {
    for hz in [20_000, 32_000, 40_000] {
        let script = Script::new()
            .set(CSR, 1)
            .wait(CSR, 2, 2)
            .set(APB1ENR, 1 << 3)
            .get(APB1ENR)
            .set(TIM5 + OR, 1 << 6)
            .set(TIM5 + CCMR2, 1 << 8 | 3 << 10)
            .set(TIM5 + CCER, 1 << 12)
            .set(TIM5 + CR1, 1)
            .wait(TIM5 + SR, 1 << 4, 1 << 4)
            .get(TIM5 + CCR4)
            .wait(TIM5 + SR, 1 << 4, 1 << 4)
            .get(TIM5 + CCR4)
            .get(TIM5 + SR);
        let options = BoardOptions { lsi_hz: hz, ..BoardOptions::new(ChipModel::stm32f407vg()) };
        let ran = run(Board::with(options), &script);
        let [_, first, second, status] = ran.clean()[..] else { panic!("four reads") };
        // Every eighth edge, in cycles of 16 MHz.
        assert!((second - first).abs_diff(8 * 16_000_000 / hz) <= 1, "{} at {hz} Hz", second - first);
        assert_eq!(status & 0x1E10, 0, "read, and no capture lost");
    }
}

#[test]
fn the_crystal_is_measured_by_timer_11_whatever_the_board_file_says() {
    for (hz, ticks) in [(8_000_000, 128), (25_000_000, 41), (12_000_000, 85), (4_000_000, 256)] {
        let script = Script::new()
            .set(RCC, 0x83 | 1 << 16)
            .wait(RCC, 1 << 17, 1 << 17)
            .set(CFGR, 8 << 16)
            .set(APB2ENR, 1 << 18)
            .get(APB2ENR)
            .set(TIM11 + OR, 2)
            .set(TIM11 + CCMR1, 1 | 3 << 2)
            .set(TIM11 + CCER, 1)
            .set(TIM11 + CR1, 1)
            .wait(TIM11 + SR, 2, 2)
            .get(TIM11 + CCR1)
            .spin(2_000)
            .get(TIM11 + SR)
            .get(TIM11 + CCR1);
        let ran = run(with_crystal(hz), &script);
        let [_, first, status, last] = ran.clean()[..] else { panic!("four reads") };
        assert_eq!(status & 0x202, 0x202, "captured again and again: the overcapture flag");
        // A whole number of eighths of the divided crystal lies between two captures.
        let (span, exact) = (f64::from((last - first) & 0xFFFF), 8.0 * 8.0 * 16e6 / f64::from(hz));
        let periods = (span / exact).round();
        assert!(periods >= 1.0 && (span - periods * exact).abs() <= 1.0, "{span} ticks of {ticks}");
    }
}

#[test]
fn nothing_is_captured_from_a_clock_that_does_not_run() {
    let script = Script::new()
        .set(APB2ENR, 1 << 18)
        .get(APB2ENR)
        .set(TIM11 + OR, 2)
        .set(TIM11 + CCMR1, 1)
        .set(TIM11 + CCER, 1)
        .set(TIM11 + CR1, 1)
        .spin(10_000)
        .get(TIM11 + SR);
    assert_eq!(run(board(), &script).clean()[1] & 0x202, 0);
}

#[test]
fn a_capture_interrupts_a_sleeping_core() {
    // The interrupt only pends (SEVONPEND); it is line 50.
    let script = Script::new()
        .set(CSR, 1)
        .wait(CSR, 2, 2)
        .set(APB1ENR, 1 << 3)
        .get(APB1ENR)
        .set(0xE000_ED10, 1 << 4)
        .set(TIM5 + OR, 1 << 6)
        .set(TIM5 + CCMR2, 1 << 8)
        .set(TIM5 + CCER, 1 << 12)
        .set(TIM5 + DIER, 1 << 4)
        .set(TIM5 + CR1, 1)
        .wfe()
        .get(TIM5 + SR)
        .get(0xE000_E204);
    let ran = run(board(), &script);
    assert_eq!(ran.clean()[1] & 1 << 4, 1 << 4);
    assert_eq!(ran.reads[2], 1 << 18);
}

#[test]
fn a_basic_timer_is_a_time_base_of_a_millisecond() {
    let tick = |script: Script| script.wait(TIM6 + SR, 1, 1).set(TIM6 + SR, 0).get(0xE000_1004);
    let mut script = Script::new()
        .set(APB1ENR, 1 << 4)
        .set(0xE000_EDFC, 1 << 24)
        .set(0xE000_1000, 0x4000_0001)
        .set(TIM6 + PSC, 15)
        .set(TIM6 + ARR, 999)
        .set(TIM6 + EGR, 1)
        .set(TIM6 + SR, 0)
        .set(TIM6 + CR1, 1);
    for _ in 0..4 {
        script = tick(script);
    }
    let ran = script.run();
    for pair in ran.clean().windows(2) {
        assert!((pair[1] - pair[0]).abs_diff(16_000) < 20, "{pair:?}");
    }
    let refused = Script::new().set(APB1ENR, 1 << 4).get(APB1ENR).get(TIM6 + CCR1).run();
    assert_eq!(refused.violation().kind, Kind::Reserved, "a basic timer has no channels");
}

#[test]
fn the_repetition_counter_divides_the_update_events() {
    // 100 steps an overflow, every fourth is an event: 400 steps.
    let script = Script::new()
        .set(APB2ENR, 1)
        .get(APB2ENR)
        .set(TIM1 + ARR, 99)
        .set(TIM1 + RCR, 3)
        .set(TIM1 + PSC, 159)
        .set(TIM1 + EGR, 1)
        .set(TIM1 + SR, 0)
        .set(TIM1 + CR1, 1)
        .spin(16_000) // 3 ms: 300 steps, three overflows
        .get(TIM1 + SR)
        .spin(8_000)
        .get(TIM1 + SR)
        .get(TIM1 + CNT);
    let ran = script.run();
    let reads = ran.clean();
    assert_eq!([reads[1] & 1, reads[2] & 1], [0, 1]);
    assert!((49..55).contains(&reads[3]), "{}", reads[3]);
}

#[test]
fn two_timers_share_a_line_and_neither_lowers_it_for_the_other() {
    const TIM10: u32 = 0x4001_4400;
    let timer = |script: Script, base: u32| {
        script.set(base + ARR, 15).set(base + EGR, 1).set(base + SR, 0).set(base + DIER, 1).set(base + CR1, 1)
    };
    let script = timer(timer(Script::new().set(APB2ENR, 1 | 1 << 17).get(APB2ENR), TIM1), TIM10)
        .spin(100)
        .set(TIM1 + CR1, 0)
        .set(TIM10 + CR1, 0)
        .set(TIM1 + SR, 0)
        .set(0xE000_E280, 1 << 25)
        .get(0xE000_E200)
        .set(TIM10 + SR, 0)
        .set(0xE000_E280, 1 << 25)
        .get(0xE000_E200);
    let ran = script.run();
    // Pending again at once while a source is high; not any more when both are low.
    assert_eq!(ran.clean()[1..], [1 << 25, 0]);
}

#[test]
fn a_fast_timer_looked_at_rarely_keeps_exact_time() {
    // Read each few cycles for a while: no rounding may add up. 32 bits at the core's clock.
    let mut script = Script::new()
        .set(APB1ENR, 1 << 3)
        .set(0xE000_EDFC, 1 << 24)
        .set(0xE000_1000, 0x4000_0001)
        .set(TIM5 + CR1, 1)
        .get(TIM5 + CNT)
        .get(0xE000_1004);
    for _ in 0..200 {
        script = script.get(TIM5 + CNT);
    }
    let ran = script.spin(100_000).get(TIM5 + CNT).get(0xE000_1004).run();
    let reads = ran.clean();
    let (timer, cycles) = (reads[202] - reads[0], reads[203] - reads[1]);
    assert!(timer.abs_diff(cycles) <= 1, "{timer} against {cycles} cycles");
}

#[test]
fn what_the_timers_leave_out_is_said() {
    let on = || Script::new().set(APB1ENR, 1 << 3).get(APB1ENR);
    for (what, script) in [
        ("PWM", on().set(TIM5 + CCMR1, 0x60).set(TIM5 + CCER, 1)),
        ("a pin's edges", on().set(TIM5 + CCMR1, 1).set(TIM5 + CCER, 1)),
        ("slave mode", on().set(TIM5 + 8, 7)),
        ("DMA", on().set(TIM5 + DIER, 1 << 8)),
        ("a trigger for others", on().set(TIM5 + 4, 0x20)),
    ] {
        assert_eq!(script.run().violation().kind, Kind::Unmodelled, "{what}");
    }
    let quiet = on().set(TIM5 + CCMR1, 0x68).set(TIM5 + CCR1, 5).set(TIM5 + 8, 0).set(ISER0, 0);
    quiet.run().clean();
}
