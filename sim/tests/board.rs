//! The board itself: time, sleep, resets, power, snapshots.

mod common;

use common::{RESULTS, Script, board};
use surefoot_sim::{Board, Hse, Nanos, Pin, ResetCause, Stop};

const RCC: u32 = 0x4002_3800;
const AHB1ENR: u32 = RCC + 0x30;
const GPIOD: u32 = 0x4002_0C00;
const SYST: u32 = 0xE000_E010;

#[test]
fn code_runs_at_16_mhz_after_power_on() {
    let script =
        Script::new().set(AHB1ENR, 1 << 3).get(AHB1ENR).set(GPIOD, 1 << 24).set(GPIOD + 0x18, 1 << 12);
    let script = script.spin(16_000).set(GPIOD + 0x18, 1 << 28);
    let ran = script.run();
    ran.clean();
    let edges = ran.board.pin_trace(Pin::new('D', 12));
    assert_eq!(edges.len(), 2);
    let high = edges[1].at - edges[0].at;
    // 16,000 rounds of three cycles are 3 ms, and a few instructions.
    assert!((3_000_000..3_002_000).contains(&high.0), "{high}");
    assert!(edges[0].at >= Nanos::micros(1_500), "after the reset temporisation");
    let _ = (RESULTS, SYST);
}
