//! A script of register accesses, as a Thumb program, and a board to run it on.
//!
//! Each step becomes a few instructions, so that what a test's table says is what the core does.

use surefoot_sim::device::Width;
use surefoot_sim::{Board, ChipModel, Nanos, Violation};

/// Where the results of the reads go.
pub const RESULTS: u32 = 0x2000_8000;
const STACK: u32 = 0x2000_4000;

/// A program under construction.
#[derive(Clone, Default)]
pub struct Script {
    code: Vec<u16>,
    reads: u32,
}

#[allow(dead_code)] // each test program uses its own part
impl Script {
    pub fn new() -> Self {
        Self::default()
    }

    /// `movw`/`movt`: a constant into a low register (ARM DDI 0403E A7.7.76, A7.7.79).
    fn constant(&mut self, register: u16, value: u32) {
        for (opcode, half) in [(0xF240, value & 0xFFFF), (0xF2C0, value >> 16)] {
            let half = half as u16;
            self.code.push(opcode | half >> 12 | (half >> 11 & 1) << 10);
            self.code.push((half >> 8 & 7) << 12 | register << 8 | half & 0xFF);
        }
    }

    pub fn write(mut self, width: Width, address: u32, value: u32) -> Self {
        self.constant(0, address);
        self.constant(1, value);
        self.code.push(match width {
            Width::Word => 0x6001, // str r1, [r0]
            Width::Half => 0x8001,
            Width::Byte => 0x7001,
        });
        self
    }

    pub fn set(self, address: u32, value: u32) -> Self {
        self.write(Width::Word, address, value)
    }

    /// Reads into the next place of the results.
    pub fn read(mut self, width: Width, address: u32) -> Self {
        self.constant(0, address);
        self.code.push(match width {
            Width::Word => 0x6801, // ldr r1, [r0]
            Width::Half => 0x8801,
            Width::Byte => 0x7801,
        });
        self.constant(2, RESULTS + 4 * self.reads);
        self.code.push(0x6011); // str r1, [r2]
        self.reads += 1;
        self
    }

    pub fn get(self, address: u32) -> Self {
        self.read(Width::Word, address)
    }

    /// Waits until the bits of `mask` at `address` are `value`.
    pub fn wait(mut self, address: u32, mask: u32, value: u32) -> Self {
        self.constant(0, address);
        self.constant(1, mask);
        self.constant(2, value);
        // 1: ldr r3, [r0]; ands r3, r1; cmp r3, r2; bne 1b
        self.code.extend([0x6803, 0x400B, 0x4293, 0xD1FB]);
        self
    }

    /// Passes `count` times three cycles.
    pub fn spin(mut self, count: u32) -> Self {
        self.constant(0, count);
        // 1: subs r0, #1; nop; bne 1b
        self.code.extend([0x3801, 0xBF00, 0xD1FC]);
        self
    }

    /// A word store and, as the very next instruction, a word load from `then`.
    pub fn set_then_get(mut self, address: u32, value: u32, then: u32) -> Self {
        self.constant(0, address);
        self.constant(1, value);
        self.constant(2, then);
        self.code.extend([0x6001, 0x6813]); // str r1, [r0]; ldr r3, [r2]
        self
    }

    pub fn wfe(mut self) -> Self {
        self.code.push(0xBF20);
        self
    }

    pub fn nop(mut self) -> Self {
        self.code.push(0xBF00);
        self
    }

    /// Any instructions.
    pub fn raw(mut self, code: &[u16]) -> Self {
        self.code.extend(code);
        self
    }

    /// The image: vector table, then the script, then `b .`. Every fault goes to another `b .`.
    pub fn image(&self, base: u32) -> Vec<u8> {
        let mut image = Vec::new();
        let fault = base + 0x1C0;
        for vector in 0..112u32 {
            let word = match vector {
                0 => STACK,
                1 => base + 0x201,
                _ => fault + 1,
            };
            image.extend(word.to_le_bytes());
        }
        assert_eq!(image.len(), 0x1C0);
        image.extend(0xE7FEu16.to_le_bytes());
        image.resize(0x200, 0xFF);
        for &half in self.code.iter().chain(&[0xE7FE]) {
            image.extend(half.to_le_bytes());
        }
        image
    }

    /// Address of the `b .` at the end.
    pub fn end(&self, base: u32) -> u32 {
        base + 0x200 + 2 * self.code.len() as u32
    }

    /// Runs on a new board for at most `span`.
    pub fn run_for(&self, span: Nanos) -> Ran {
        let mut board = board();
        self.start(&mut board);
        board.run_for(span);
        self.ran(board)
    }

    /// Runs on a new board for 100 ms.
    pub fn run(&self) -> Ran {
        self.run_for(Nanos::millis(100))
    }

    pub fn start(&self, board: &mut Board) {
        board.load(0x0800_0000, &self.image(0x0800_0000)).unwrap();
        board.power_on();
    }

    /// What came of it.
    pub fn ran(&self, board: Board) -> Ran {
        let finished = board.pc() == self.end(0x0800_0000);
        let reads = (0..self.reads).map(|i| board.read_word(RESULTS + 4 * i).unwrap()).collect();
        Ran { board, finished, reads }
    }
}

/// A script that ran.
pub struct Ran {
    pub board: Board,
    /// It came to its end, not to the fault handler.
    pub finished: bool,
    pub reads: Vec<u32>,
}

#[allow(dead_code)]
impl Ran {
    /// The words read, of a script that ended without any violation.
    #[track_caller]
    pub fn clean(&self) -> &[u32] {
        self.board.assert_no_violations(|_| false);
        assert!(self.finished, "the script did not end: {:?}", self.board);
        &self.reads
    }

    /// The one violation of a script.
    #[track_caller]
    pub fn violation(&self) -> &Violation {
        let list = self.board.violations();
        assert_eq!(list.len(), 1, "{list:#?}");
        &list[0]
    }
}

pub fn board() -> Board {
    Board::new(ChipModel::stm32f407vg())
}

/// A script that begins with USART1 on PA9 and PA10, at 115,200 baud from the HSI, and this CR1.
#[allow(dead_code)]
pub fn usart(cr1: u32) -> Script {
    const AHB1ENR: u32 = 0x4002_3830;
    const APB2ENR: u32 = 0x4002_3844;
    const GPIOA: u32 = 0x4002_0000;
    const USART1: u32 = 0x4001_1000;
    const CCM: u32 = 1 << 20;
    Script::new()
        .set(AHB1ENR, CCM | 1)
        .set(APB2ENR, 1 << 4)
        .get(APB2ENR)
        // PA9 and PA10 to alternate function 7, the debug pins kept.
        .set(GPIOA + 0x24, 7 << 4 | 7 << 8)
        .set(GPIOA, 0xA828_0000)
        .set(USART1 + 8, 139) // 16 MHz / 139 = 115,108 baud
        .set(USART1 + 0x0C, cr1)
}
