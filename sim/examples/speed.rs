//! Prints the simulator's speed: `cargo run --release -p surefoot-sim --example speed`.

use std::time::{Duration, Instant};

use surefoot_sim::{Board, ChipModel, Nanos, bench};

fn main() {
    let mips = bench::run();
    println!("cold {:.0} MIPS, warm {:.0} MIPS", mips.cold, mips.warm);
    let mut board = Board::new(ChipModel::stm32f407vg());
    board.power_on();
    board.run_for(Nanos::millis(5));
    let first = board.snapshot();
    let each = |total: Duration| total / 1000;
    let started = Instant::now();
    for _ in 0..1000 {
        std::hint::black_box(board.snapshot());
    }
    println!("snapshot {:?}", each(started.elapsed()));
    let (mut restore, mut power) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..1000 {
        let started = Instant::now();
        board.power_off();
        board.power_on();
        power += started.elapsed();
        let started = Instant::now();
        board.restore(&first);
        restore += started.elapsed();
    }
    println!("power cycle {:?}, restore of all RAM {:?}", each(power), each(restore));
    let started = Instant::now();
    for _ in 0..1000 {
        board.restore(&first);
    }
    println!("restore without a change {:?}", each(started.elapsed()));
}
