//! Noise on the registers: whatever a program does, the models answer.

use crate::cpu::{Access, CpuBus};
use crate::device::Width;
use crate::random::Random;
use crate::{Board, ChipModel, Line, Nanos, Parity, Pin};

/// Where there are registers, with some room behind each block.
const BLOCKS: [(u32, u32); 20] = [
    (0x4000_0000, 0x1000),
    (0x4000_2800, 0xC00),
    (0x4000_4400, 0x800),
    (0x4000_7000, 0x400),
    (0x4001_1000, 0x400),
    (0x4001_3800, 0x800),
    (0x4002_0000, 0x2400),
    (0x4002_3000, 0x400),
    (0x4002_3800, 0x400),
    (0x4002_3800, 0x80),
    (0x4002_3C00, 0x20),
    (0x4002_4000, 0x1000),
    (0x5000_0000, 0x40000),
    (0x5000_0000, 0x1000),
    (0xE000_1000, 8),
    (0xE004_2000, 16),
    (0x0800_0000, 0x0010_1000),
    (0x1FFF_7000, 0x1000),
    (0x1FFF_C000, 0x20),
    (0x0000_0000, 0xFFFF_FFFF),
];

/// Values that mean something somewhere.
const VALUES: [u32; 8] = [0xFFFF_FFFF, 0, 1, 2, 0x0001_0202, 0x0100_0083, 0x0001_0083, 0x8100];

/// Doors that noise alone would hardly open: clocks, keys, things that start.
const OPENERS: [&[(u32, u32)]; 8] = [
    &[
        (0x4002_3830, 0x7E74_11FF),
        (0x4002_3834, 0xF1),
        (0x4002_3840, 0x36FE_C9FF),
        (0x4002_3844, 0x0007_5F33),
    ],
    &[(0x4002_3C04, 0x4567_0123), (0x4002_3C04, 0xCDEF_89AB), (0x4002_3C10, 0x201), (0x0802_0000, 0)],
    &[(0x4002_3C04, 0x4567_0123), (0x4002_3C04, 0xCDEF_89AB), (0x4002_3C10, 0x0001_022A)],
    &[(0x4002_3C08, 0x0819_2A3B), (0x4002_3C08, 0x4C5D_6E7F), (0x4002_3C14, 0x0FFF_AAEE)],
    &[(0x4000_3000, 0x5555)],
    &[(0x4000_3000, 0xCCCC)],
    &[(0x4000_7000, 0x4100)],
    &[(0x4001_100C, 0x200C), (0x4001_1008, 139), (0x4002_0024, 0x770), (0x4002_0000, 0xA828_0000)],
];

fn noise(random: &mut Random) -> Access {
    let (base, length) = BLOCKS[random.below(20) as usize];
    let width = [Width::Byte, Width::Half, Width::Word, Width::Word][random.below(4) as usize];
    let address = (base.wrapping_add(random.below(u64::from(length)) as u32)) & !(width.bytes() - 1);
    let value = match random.below(4) {
        0 => random.bits() as u32,
        1 => VALUES[random.below(8) as usize],
        2 => 1 << random.below(32),
        _ => u32::MAX << random.below(32),
    };
    let write = (random.below(3) > 0).then_some(value & width.mask());
    Access { address, width, write, pc: 0x2000_0000, retired: 0 }
}

/// Whatever a program does to the registers, the models answer: they never panic, never stand
/// still and never move time backwards. The seed is in the message of a failure.
#[test]
fn any_noise_on_the_registers_is_answered() {
    let (mut resets, mut operations) = (0, 0);
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut board = Board::new(ChipModel::stm32f407vg());
        // An endless loop, so that the core itself does nothing.
        board.load(0x0800_0000, &[0, 0x40, 0, 0x20, 9, 0, 0, 8, 0xFE, 0xE7]).unwrap();
        board.power_on();
        board.run_for(Nanos::millis(2));
        let mut last = board.now();
        for step in 0..3_000 {
            if random.below(40) == 0 {
                for &(address, value) in OPENERS[random.below(8) as usize] {
                    let (write, retired) = (Some(value), board.instructions());
                    let access = Access { address, width: Width::Word, write, pc: 0x2000_0000, retired };
                    board.bus.access(access);
                    board.run_for(Nanos(200));
                }
            }
            let retired = board.instructions();
            board.bus.access(Access { retired, ..noise(&mut random) });
            if random.below(60) == 0 {
                let line = Line { baud: 115_200, data_bits: 8, parity: Parity::None };
                board.uart_rx(1 + random.below(3) as usize, line, b"noise");
                let pin = Pin { port: random.below(9) as u8, number: random.below(16) as u8 };
                board.set_pin(pin, [None, Some(false), Some(true)][random.below(3) as usize]);
            }
            let span = if random.below(50) == 0 { 20_000_000 } else { 2_000 };
            board.run_for(Nanos(random.below(span)));
            if !board.is_powered() {
                board.power_on();
            }
            assert!(board.now() >= last, "seed {seed}, step {step}: time ran backwards");
            last = board.now();
        }
        resets += board.resets() - 1;
        operations += board.operations();
    }
    assert!(
        resets > 20 && operations > 20,
        "the noise got nowhere: {resets} resets, {operations} operations"
    );
}
