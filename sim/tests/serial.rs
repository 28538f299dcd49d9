//! The serial lines: what leaves and what arrives, frame by frame, and what a receiver makes of a line that
//! does not fit.

mod common;

use common::{Script, board, usart};
use surefoot_sim::{Kind, Line, Nanos, Parity};

const RCC: u32 = 0x4002_3800;
const AHB1ENR: u32 = RCC + 0x30;
const APB1ENR: u32 = RCC + 0x40;
const APB2ENR: u32 = RCC + 0x44;
const GPIOA: u32 = 0x4002_0000;
const GPIOD: u32 = 0x4002_0C00;
const USART1: u32 = 0x4001_1000;
const USART2: u32 = 0x4000_4400;
const ISER1: u32 = 0xE000_E104;
const CCM: u32 = 1 << 20;

const LINE: Line = Line { baud: 115_200, data_bits: 8, parity: Parity::None };

#[test]
fn bytes_leave_with_their_bit_timing() {
    let script = usart(1 << 13 | 1 << 3)
        .set(USART1 + 4, u32::from(b'H'))
        .wait(USART1, 1 << 7, 1 << 7)
        .set(USART1 + 4, u32::from(b'i'))
        .wait(USART1, 1 << 6, 1 << 6);
    let mut ran = script.run();
    ran.clean();
    let sent = ran.board.uart_tx(1);
    assert_eq!(sent.iter().map(|s| s.seen_by(LINE)).collect::<Vec<_>>(), [Some(b'H'), Some(b'i')]);
    let frame = (sent[1].at - sent[0].at).0;
    assert!(frame.abs_diff(86_875) < 100, "ten bits of 139 / 16 us: {frame} ns");
    let slow = Line { baud: 57_600, ..LINE };
    let even = Line { parity: Parity::Even, ..LINE };
    assert_eq!([sent[0].seen_by(slow), sent[0].seen_by(even)], [None, None]);
}

#[test]
fn bytes_arrive_one_frame_apart_and_an_unread_one_is_overrun() {
    let script = usart(1 << 13 | 1 << 2)
        .wait(USART1, 1 << 5, 1 << 5)
        .get(USART1 + 4)
        .wait(USART1, 1 << 5, 1 << 5)
        .get(USART1 + 4);
    let mut board = board();
    script.start(&mut board);
    board.run_for(Nanos::millis(2));
    board.uart_rx(1, LINE, b"ok");
    board.run_for(Nanos::millis(2));
    assert_eq!(script.ran(board).clean()[1..], [u32::from(b'o'), u32::from(b'k')]);

    let script = usart(1 << 13 | 1 << 2).spin(20_000).get(USART1).get(USART1 + 4).get(USART1);
    let mut board = common::board();
    script.start(&mut board);
    board.run_for(Nanos::millis(2));
    board.uart_rx(1, LINE, b"abc");
    board.run_for(Nanos::millis(20));
    let ran = script.ran(board);
    let lost = ran.violation();
    assert_eq!((lost.kind, lost.count), (Kind::Overrun, 2), "two bytes lost");
    assert_eq!(ran.reads[1..], [0xC0 | 1 << 5 | 1 << 4 | 1 << 3, u32::from(b'a'), 0xC0]);
}

#[test]
fn parity_and_baud_that_do_not_fit_show_in_the_status() {
    let even = Line { parity: Parity::Even, ..LINE };
    let odd = Line { parity: Parity::Odd, ..LINE };
    let slow = Line { baud: 96_000, ..even };
    for (line, flags) in [(even, 0), (odd, 1), (slow, 0b110)] {
        // 9 bits with parity control: 8E1.
        let script = usart(1 << 13 | 1 << 12 | 1 << 10 | 1 << 2).wait(USART1, 1 << 5, 1 << 5).get(USART1);
        let mut board = board();
        script.start(&mut board);
        board.run_for(Nanos::millis(2));
        board.uart_rx(1, line, &[0x7F]);
        board.run_for(Nanos::millis(2));
        assert_eq!(script.ran(board).clean()[1] & 15, flags, "{line:?}");
    }
}

#[test]
fn a_byte_reaches_nobody_without_its_pin() {
    let script = Script::new()
        .set(APB1ENR, 1 << 17)
        .get(APB1ENR)
        .set(USART2 + 8, 139)
        .set(USART2 + 0x0C, 1 << 13 | 1 << 3)
        .set(USART2 + 4, 0x55)
        .wait(USART2, 1 << 6, 1 << 6);
    let mut ran = script.run();
    assert_eq!(ran.violation().kind, Kind::Sequence);
    assert!(ran.board.uart_tx(2).is_empty());
}

#[test]
fn a_received_byte_interrupts() {
    // RXNEIE, the interrupt enabled: the handler is the common fault handler's loop.
    let script = usart(1 << 13 | 1 << 5 | 1 << 2).set(ISER1, 1 << 5).wfe();
    let mut board = board();
    script.start(&mut board);
    board.run_for(Nanos::millis(2));
    board.uart_rx(1, LINE, b"x");
    board.run_for(Nanos::millis(2));
    assert_eq!(board.faults().exception, 16 + 37);
}
#[test]
fn uart4_uart5_and_usart6_send_and_receive() {
    // Base, clock enable, ports, pin set-up (MODER, AFRL or AFRH), number.
    let pc = GPIOA + 0x800;
    let cases = [
        (0x4000_4C00, APB1ENR, 19, vec![(GPIOA + 0x20, 0x88), (GPIOA, 0xA800_000A)], 4),
        (
            0x4000_5000,
            APB1ENR,
            20,
            vec![(pc + 0x24, 8 << 16), (pc, 2 << 24), (GPIOD + 0x20, 8 << 8), (GPIOD, 2 << 4)],
            5,
        ),
        (0x4001_1400, APB2ENR, 5, vec![(pc + 0x20, 0x88 << 24), (pc, 0xA << 12)], 6),
    ];
    for (base, enable, bit, pins, number) in cases {
        let mut script =
            Script::new().set(AHB1ENR, CCM | 1 | 4 | 8).get(AHB1ENR).set(enable, 1 << bit).get(enable);
        for (register, value) in pins {
            script = script.set(register, value);
        }
        let script = script
            .set(base + 8, 139)
            .set(base + 0x0C, 1 << 13 | 1 << 3 | 1 << 2)
            .set(base + 4, 0x41)
            .wait(base, 1 << 5, 1 << 5)
            .get(base + 4);
        let mut board = board();
        script.start(&mut board);
        board.run_for(Nanos::millis(3));
        let line = board.uart_line(number).expect("the receiver is on");
        assert!(line.baud.abs_diff(115_200) < 200 && line.data_bits == 8, "{line:?}");
        board.uart_rx(number, LINE, b"z");
        board.run_for(Nanos::millis(3));
        let sent: Vec<u8> = board.uart_tx(number).iter().map(|sent| sent.byte).collect();
        assert_eq!(sent, b"A", "number {number}");
        assert_eq!(script.ran(board).clean()[2], u32::from(b'z'), "number {number}");
    }
}

#[test]
fn seven_bits_and_parity_are_a_frame_of_ten() {
    // M clear, PCE: even parity in the place of the eighth bit.
    let script = usart(1 << 13 | 1 << 10 | 1 << 3 | 1 << 2)
        .set(USART1 + 4, 0xC1)
        .wait(USART1, 1 << 5, 1 << 5)
        .get(USART1)
        .get(USART1 + 4);
    let even = Line { data_bits: 7, parity: Parity::Even, ..LINE };
    let odd = Line { parity: Parity::Odd, ..even };
    // What DR shows has the parity bit on top; an odd sender is heard with PE.
    for (line, expected) in [(even, (0, 0xE1)), (odd, (1, 0x61))] {
        let mut board = board();
        script.start(&mut board);
        board.run_for(Nanos::millis(3));
        let sent = board.uart_tx(1);
        assert_eq!((sent[0].byte, sent[0].seen_by(even), sent[0].seen_by(LINE)), (0x41, Some(0x41), None));
        board.uart_rx(1, line, b"a");
        board.run_for(Nanos::millis(3));
        let ran = script.ran(board);
        let reads = ran.clean();
        assert_eq!((reads[1] & 7, reads[2]), expected, "{line:?}");
    }
}
