//! How fast the simulator runs code: millions of instructions a second, cold and warm.
//!
//! [`run`] uses a generated program, so that the figure needs no toolchain: functions of
//! arithmetic, loads, stores and a loop. [`measure`] takes any image.

use std::time::Instant;

use crate::random::Random;
use crate::{Board, ChipModel, Nanos};

/// Millions of instructions per second of real time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mips {
    /// A new board's first second, the making of the board and the translation among it.
    pub cold: f64,
    /// The best of many short stretches of the same board later: what other programs on the
    /// machine take away is not the simulator's.
    pub warm: f64,
}

const FLASH: u32 = 0x0800_0000;
const FUNCTIONS: usize = 64;
/// Rounds of each function's loop in one pass.
const ROUNDS: u16 = 200;

/// Measures with the generated program. Takes about two seconds.
pub fn run() -> Mips {
    measure(&program())
}

/// Measures with an image for the start of flash that computes without end.
pub fn measure(image: &[u8]) -> Mips {
    let started = Instant::now();
    let mut board = Board::new(ChipModel::stm32f407vg());
    board.write_flash(FLASH, image);
    board.power_on();
    board.run_for(Nanos::secs(1));
    let cold = board.instructions() as f64 / started.elapsed().as_secs_f64() / 1e6;
    let mut warm: f64 = 0.0;
    for _ in 0..100 {
        let (before, started) = (board.instructions(), Instant::now());
        board.run_for(Nanos::millis(500));
        let mips = (board.instructions() - before) as f64 / started.elapsed().as_secs_f64() / 1e6;
        warm = warm.max(mips);
    }
    Mips { cold, warm }
}

/// The program: an endless loop that calls every function.
fn program() -> Vec<u8> {
    let mut random = Random::new(7);
    let functions: Vec<Vec<u16>> = (0..FUNCTIONS).map(|_| function(&mut random)).collect();
    // The calling loop: `bl` to each, then `b.w` back to the start.
    let mut starts = Vec::new();
    let mut at = 0x10 + 4 * FUNCTIONS as u32 + 4;
    for f in &functions {
        starts.push(at);
        at += 2 * f.len() as u32;
    }
    let mut code: Vec<u16> = Vec::new();
    // ldr r7, =0x20000100 as movw/movt, then the calls.
    code.extend([0xF240, 0x1700, 0xF2C2, 0x0700]);
    for (i, &start) in starts.iter().enumerate() {
        let here = 0x10 + 4 * i as u32;
        code.extend(branch(start as i32 - (here as i32 + 4), true));
    }
    let here = 0x10 + 4 * FUNCTIONS as i32;
    code.extend(branch(0x10 - (here + 4), false));
    for f in functions {
        code.extend(f);
    }
    let mut image = Vec::new();
    image.extend(0x2000_4000u32.to_le_bytes());
    image.extend((FLASH + 9).to_le_bytes());
    image.extend(code.iter().flat_map(|h| h.to_le_bytes()));
    image
}

/// `bl` or `b.w` (ARM DDI 0403E A7.7.18, A7.7.12 encoding T4).
fn branch(offset: i32, link: bool) -> [u16; 2] {
    let o = offset as u32;
    let (s, i1, i2) = (o >> 31 & 1, o >> 23 & 1, o >> 22 & 1);
    let (j1, j2) = ((i1 ^ 1) ^ s, (i2 ^ 1) ^ s);
    let second = if link { 0xD000 } else { 0x9000 };
    let high = 0xF000 | s << 10 | o >> 12 & 0x3FF;
    let low = second | j1 << 13 | j2 << 11 | o >> 1 & 0x7FF;
    [high as u16, low as u16]
}

/// movs r6, #ROUNDS; a body of arithmetic, loads and stores; subs r6, #1; bne; bx lr.
fn function(random: &mut Random) -> Vec<u16> {
    let mut code = vec![0x2600 | ROUNDS];
    let body = 16 + random.below(16) as u16;
    for _ in 0..body {
        let (d, n, m) = (random.below(6) as u16, random.below(6) as u16, random.below(6) as u16);
        let offset = random.below(32) as u16;
        code.push(match random.below(8) {
            0 => 0x1800 | m << 6 | n << 3 | d,      // adds
            1 => 0x1A00 | m << 6 | n << 3 | d,      // subs
            2 => 0x4040 | m << 3 | d,               // eors
            3 => 0x4000 | m << 3 | d,               // ands
            4 => 0x4340 | m << 3 | d,               // muls
            5 => offset << 6 | m << 3 | d,          // lsls
            6 => 0x6000 | offset << 6 | 7 << 3 | d, // str [r7]
            _ => 0x6800 | offset << 6 | 7 << 3 | d, // ldr [r7]
        });
    }
    code.push(0x3E01);
    code.push(0xD100 | ((-(i32::from(body) + 3)) as u16 & 0xFF));
    code.push(0x4770);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_runs_all_its_functions() {
        let mut board = Board::new(ChipModel::stm32f407vg());
        board.write_flash(FLASH, &program());
        board.power_on();
        board.run_for(Nanos::millis(300));
        board.assert_no_violations(|_| false);
        assert_eq!(board.faults().exception, 0);
        assert!(board.instructions() > 4_000_000);
    }
}
