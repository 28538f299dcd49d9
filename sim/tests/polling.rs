//! Loops that wait for a register: jumped over or run turn by turn, the results are the same.

mod common;

use common::{RESULTS, Script};
use surefoot_sim::usb::Wire;
use surefoot_sim::{Board, BoardOptions, ChipModel, Line, Nanos, Parity, Pin, Stop};

const FLASH: u32 = 0x0800_0000;
const RCC: u32 = 0x4002_3800;
const AHB1ENR: u32 = RCC + 0x30;
const APB1ENR: u32 = RCC + 0x40;
const APB2ENR: u32 = RCC + 0x44;
const GPIOA: u32 = 0x4002_0000;
const IDR: u32 = GPIOA + 0x10;
const USART1: u32 = 0x4001_1000;
const TIM2: u32 = 0x4000_0000;
const FLASH_REGISTERS: u32 = 0x4002_3C00;
const IWDG: u32 = 0x4000_3000;
const SYSTICK: u32 = 0xE000_E010;
const CCM: u32 = 1 << 20;
const BUTTON: Pin = Pin::new('A', 0);
/// A word in RAM that programs count in.
const COUNT: u32 = 0x2000_9000;

fn fitted(jump_polls: bool) -> Board {
    Board::with(BoardOptions { jump_polls, ..BoardOptions::new(ChipModel::stm32f407vg()) })
}

/// All that a program and the outside can see of a board.
fn seen(board: &Board) -> impl PartialEq + std::fmt::Debug + use<> {
    let registers: Vec<u32> = (0..17).map(|n| board.register(n)).collect();
    let memory = board.read_memory(RESULTS, 0x2000).unwrap().to_vec();
    let broken: Vec<String> = board.violations().iter().map(ToString::to_string).collect();
    let trace = board.pin_trace(Pin::new('A', 5));
    ((board.now(), board.instructions(), board.resets()), registers, memory, broken, trace)
}

/// Instructions that were run one by one.
fn executed(board: &Board) -> u64 {
    board.instructions() - board.jumped()
}

/// Runs the same on a board that jumps and on one that does not, compares them at each instant of `looks`, and
/// returns both. `act` is done at its instant, between two looks.
#[track_caller]
fn both(
    start: impl Fn(&mut Board),
    looks: &[Nanos],
    (when, act): (Nanos, impl Fn(&mut Board)),
) -> [Board; 2] {
    let mut boards = [fitted(false), fitted(true)];
    boards.iter_mut().for_each(&start);
    let mut instants = looks.to_vec();
    instants.push(when);
    instants.sort_unstable();
    for at in instants {
        for board in &mut boards {
            board.run_to(at);
            if at == when {
                act(board);
            }
        }
        assert_eq!(seen(&boards[0]), seen(&boards[1]), "at {at}");
    }
    assert_eq!(boards[0].jumped(), 0, "the option is off");
    boards
}

fn nothing(_: &mut Board) {}

#[track_caller]
fn ten_times_faster(boards: &[Board; 2]) {
    let [all, few] = [executed(&boards[0]), executed(&boards[1])];
    assert!(all >= 10 * few, "{few} instructions of {all}");
}

fn ahb1(bits: u32) -> Script {
    Script::new().set(AHB1ENR, CCM | bits).get(AHB1ENR)
}

/// A program with a handler of SysTick, each millisecond of a 16 MHz clock; it counts in [`COUNT`].
fn with_ticks(script: Script) -> impl Fn(&mut Board) {
    move |board| {
        let mut image = script.image(FLASH);
        image.resize(image.len().next_multiple_of(4), 0);
        let handler = FLASH + image.len() as u32;
        // movw r0, #0x9000; movt r0, #0x2000; ldr r1, [r0]; adds r1, #1; str r1, [r0]; bx lr
        for half in [0xF249u16, 0x0000, 0xF2C2, 0x0000, 0x6801, 0x3101, 0x6001, 0x4770] {
            image.extend(half.to_le_bytes());
        }
        image[60..64].copy_from_slice(&(handler + 1).to_le_bytes());
        board.load(FLASH, &image).unwrap();
        board.power_on();
    }
}

#[test]
fn waiting_for_the_crystal_is_jumped_over() {
    let script = Script::new().set(RCC, 0x83 | 1 << 16).wait(RCC, 1 << 17, 1 << 17).get(RCC);
    // In the middle of turns, around the instant at which it is ready, and after.
    let looks: Vec<Nanos> = (0..40)
        .map(|i| Nanos(1_600_000 + 61 * i))
        .chain((0..40).map(|i| Nanos(3_499_000 + 61 * i)))
        .collect();
    let mut boards = both(|b| script.start(b), &looks, (Nanos::millis(4), nothing));
    boards.iter().for_each(|b| assert_eq!(b.pc(), script.end(FLASH)));
    boards = both(|b| script.start(b), &[], (Nanos::millis(4), nothing));
    ten_times_faster(&boards);
}

#[test]
fn waiting_for_a_byte_is_jumped_over() {
    let script = ahb1(1)
        .set(APB2ENR, 1 << 4)
        .get(APB2ENR)
        .set(GPIOA + 0x24, 7 << 4 | 7 << 8)
        .set(GPIOA, 0xA828_0000)
        .set(USART1 + 8, 1667) // 9,600 baud
        .set(USART1 + 0x0C, 0x200C)
        .wait(USART1, 1 << 5, 1 << 5)
        .get(USART1 + 4)
        .set(USART1 + 4, 0x55)
        .wait(USART1, 1 << 6, 1 << 6)
        .wait(USART1, 1 << 5, 1 << 5)
        .get(USART1 + 4);
    let line = Line { baud: 9_600, data_bits: 8, parity: Parity::None };
    let speak = |board: &mut Board| board.uart_rx(1, line, b"ab");
    let looks = [Nanos::millis(4), Nanos(4_440_001), Nanos::millis(9)];
    let mut boards = both(|b| script.start(b), &looks, (Nanos::micros(3_333), speak));
    for board in &mut boards {
        let sent: Vec<u8> = board.uart_tx(1).iter().map(|s| s.byte).collect();
        assert_eq!((board.pc(), sent), (script.end(FLASH), vec![0x55]));
        assert_eq!(board.read_word(RESULTS + 8), Some(u32::from(b'a')));
        assert_eq!(board.read_word(RESULTS + 12), Some(u32::from(b'b')));
    }
    ten_times_faster(&boards);
}

#[test]
fn waiting_in_ram_for_an_erase_is_jumped_over() {
    const CR: u32 = FLASH_REGISTERS + 0x10;
    const CODE: u32 = 0x2000_1000;
    let script = Script::new()
        .set(FLASH_REGISTERS + 4, 0x4567_0123)
        .set(FLASH_REGISTERS + 4, 0xCDEF_89AB)
        .set(CR, 2 | 1 << 3 | 2 << 8)
        .set(CR, 2 | 1 << 3 | 2 << 8 | 1 << 16)
        .wait(FLASH_REGISTERS + 0x0C, 1 << 16, 0)
        .get(CR);
    // The vectors are in flash and point to RAM.
    let start = |board: &mut Board| {
        let image = script.image(CODE);
        board.load(FLASH, &image[..0x1C0]).unwrap();
        board.power_on();
        board.load(CODE, &image).unwrap();
        board.load(FLASH + 0x4000, &[0; 4]).unwrap();
    };
    let boards = both(start, &[Nanos::millis(100), Nanos(200_000_017)], (Nanos::secs(1), nothing));
    for board in &boards {
        assert_eq!((board.pc(), board.operations()), (script.end(CODE), 1));
        assert_eq!(board.read_word(FLASH + 0x4000), Some(u32::MAX));
    }
    ten_times_faster(&boards);
}

#[test]
fn waiting_for_a_button_is_jumped_over_and_ticks_go_on() {
    let script = ahb1(1)
        .set(SYSTICK + 4, 15_999)
        .set(SYSTICK + 8, 0)
        .set(SYSTICK, 7)
        .set(COUNT, 0)
        .wait(IDR, 1, 1)
        .get(COUNT);
    let press = |board: &mut Board| board.set_pin(BUTTON, Some(true));
    let looks = [Nanos(12_345_678), Nanos(12_345_779), Nanos::millis(60)];
    let boards = both(with_ticks(script.clone()), &looks, (Nanos(50_600_003), press));
    for board in &boards {
        assert_eq!(board.read_word(RESULTS + 4), Some(49), "ticks until the button");
    }
    ten_times_faster(&boards);
}

#[test]
fn waiting_for_a_timer_is_jumped_over() {
    let mut script = Script::new()
        .set(APB1ENR, 1)
        .get(APB1ENR)
        .set(TIM2 + 0x28, 15)
        .set(TIM2 + 0x2C, 9_999)
        .set(TIM2 + 0x14, 1)
        .set(TIM2 + 0x10, 0)
        .set(TIM2, 1);
    for _ in 0..3 {
        // No interrupt: the model counts only when it is looked at.
        script = script.wait(TIM2 + 0x10, 1, 1).set(TIM2 + 0x10, 0).get(TIM2 + 0x24);
    }
    let boards = both(|b| script.start(b), &[Nanos(11_512_345)], (Nanos::millis(40), nothing));
    boards.iter().for_each(|b| assert_eq!(b.pc(), script.end(FLASH)));
    ten_times_faster(&boards);
}

/// A host's frames: the core tells of each in GINTSTS, and no event of the model does.
#[test]
fn waiting_for_a_frame_is_jumped_over() {
    const OTG: u32 = 0x5000_0000;
    const GINTSTS: u32 = OTG + 0x14;
    const SOF: u32 = 1 << 3;
    // 16 MHz / 8 * 96 / 4 = 48 MHz; PA11 and PA12 on alternate function 10; powered, and no VBUS sensing.
    let mut script = ahb1(1)
        .set(GPIOA + 0x24, 0xAA << 12)
        .set(GPIOA, 0xA800_0000 | 0xA << 22)
        .set(RCC + 4, 0x2000_0000 | 8 | 96 << 6 | 1 << 16 | 4 << 24)
        .set(RCC, 0x83 | 1 << 24)
        .wait(RCC, 1 << 25, 1 << 25)
        .set(RCC + 0x34, 1 << 7)
        .get(RCC + 0x34)
        .set(OTG + 0x38, 1 << 16 | 1 << 21);
    for _ in 0..3 {
        script = script.wait(GINTSTS, SOF, SOF).set(GINTSTS, SOF).get(COUNT);
    }
    let frames = |board: &mut Board| {
        board.usb(|otg, ctx| {
            otg.set_vbus(true, ctx);
            otg.set_frames(true, ctx);
        });
    };
    let boards = both(|b| script.start(b), &[Nanos(6_000_123)], (Nanos(4_000_777), frames));
    assert!(boards.iter().all(|b| b.pc() != script.end(FLASH)), "not before the third frame");
    let boards = both(|b| script.start(b), &[Nanos::millis(9)], (Nanos(4_000_777), frames));
    boards.iter().for_each(|b| assert_eq!(b.pc(), script.end(FLASH)));
    ten_times_faster(&boards);
}

#[test]
fn a_watchdog_resets_a_waiting_program_at_its_time() {
    let script = ahb1(1).set(IWDG, 0xCCCC).wait(IDR, 1, 1);
    let looks: Vec<Nanos> = (1..20).map(|i| Nanos(1_000_003 * 97 * i)).collect();
    let boards = both(|b| script.start(b), &looks, (Nanos::secs(2), nothing));
    assert!(boards[1].resets() >= 4, "{}", boards[1].resets());
    ten_times_faster(&boards);
}

/// A helper that returns its register's value, called in a loop from two places: it uses the stack, and only
/// every second turn of its own is one of the loop.
#[test]
fn a_loop_through_a_helper_is_jumped_over() {
    let loop_of_calls = [
        0xE006, // b start
        // helper: push {r4, lr}; ldr r4, [r0]; mov r1, r4; tst r1, r5; pop {r4, pc}
        0xB510, 0x6804, 0x4621, 0x4229, 0xBD10, 0xBF00, 0xBF00, // start: movs r5, #1
        0x2501, // again: bl helper; bl helper; beq again
        0xF7FF, 0xFFF6, 0xF7FF, 0xFFF4, 0xD0FA,
    ];
    // The read puts its address into r0.
    let script = ahb1(1).get(IDR).raw(&loop_of_calls);
    let press = |board: &mut Board| board.set_pin(BUTTON, Some(true));
    let boards = both(|b| script.start(b), &[Nanos(7_777_777)], (Nanos::millis(10), press));
    ten_times_faster(&boards);
    let boards = both(|b| script.start(b), &[Nanos::millis(11)], (Nanos::millis(10), press));
    boards.iter().for_each(|b| assert_eq!(b.pc(), script.end(FLASH)));
}

/// Loops that look alike and whose turns differ: in a register, in RAM, in a counter that runs with time.
#[test]
fn loops_that_count_are_run_turn_by_turn() {
    let wait = |before: Script, turn: &[u16]| {
        // again: ldr r3, [r0]; ...; tst r3, r7; beq again, with r7 = 1
        let mut code = vec![0x2701, 0x6803];
        code.extend(turn);
        let back = 0x100 - (turn.len() as u16 + 4);
        code.extend([0x423B, 0xD000 | back]);
        // `get` leaves its own address in r0 and the place of its result in r2.
        before.get(IDR).raw(&code)
    };
    let cases: [(&str, Script); 4] = [
        ("a register", wait(ahb1(1), &[0x3401])), // adds r4, #1
        // ldr r5, [r2]; adds r5, #1; str r5, [r2]; movs r5, #0
        ("a word in RAM", wait(ahb1(1), &[0x6815, 0x3501, 0x6015, 0x2500])),
        // r6 = SYST_CVR or DWT_CYCCNT: ldr r5, [r6]; and a sum of them that is looked at in no flag
        ("SysTick on HCLK / 8", wait(ticking(0xE018, 0xE000), &[0x6835, 0x2500])),
        ("DWT_CYCCNT", wait(ticking(0x1004, 0xE000), &[0x6835, 0x2500])),
    ];
    let press = |board: &mut Board| board.set_pin(BUTTON, Some(true));
    for (what, script) in cases {
        let boards = both(|b| script.start(b), &[Nanos::millis(7)], (Nanos(5_000_111), press));
        assert_eq!(boards[1].jumped(), 0, "{what}");
        boards.iter().for_each(|b| assert_eq!(b.pc(), script.end(FLASH), "{what}"));
    }
}

/// Both counters run; r6 has an address.
fn ticking(low: u32, high: u32) -> Script {
    let half = |opcode: u32, half: u32| {
        [
            (opcode | half >> 12 | (half >> 11 & 1) << 10) as u16,
            ((half >> 8 & 7) << 12 | 6 << 8 | half & 0xFF) as u16,
        ]
    };
    ahb1(1)
        .set(SYSTICK + 4, 0xFF_FFFF)
        .set(SYSTICK + 8, 0)
        .set(SYSTICK, 1)
        .set(0xE000_EDFC, 1 << 24)
        .set(0xE000_1000, 1)
        .raw(&half(0xF240, low))
        .raw(&half(0xF2C0, high))
}

#[test]
fn who_counts_instructions_gets_each() {
    let script = ahb1(1).wait(IDR, 1, 1);
    let mut board = fitted(true);
    script.start(&mut board);
    board.run_for(Nanos::millis(2));
    let before = executed(&board);
    assert_eq!(board.run_instructions(20_000, Nanos::secs(1)), Stop::Instructions);
    assert_eq!(executed(&board) - before, 20_000);
}
