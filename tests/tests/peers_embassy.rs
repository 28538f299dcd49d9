//! embassy-stm32 and embassy-usb, unmodified, on the virtual board: what their drivers do on silicon
//! they must do on the models. The program is tests/peers/embassy.

use std::fs;

use surefoot_sim::usb::host::{Enumerated, Error, Patience, UsbHost, descriptor};
use surefoot_sim::{Board, ChipModel, Kind, Line, Nanos, Parity, Sent};
use surefoot_tests::fixtures;
use surefoot_tests::rules::{self, Broken};

const LINE: Line = Line { baud: 115_200, data_bits: 8, parity: Parity::None };
const LIMIT: Nanos = Nanos::secs(1);
const SECTOR_11: u32 = 0x080E_0000;
/// Vendor requests of the program.
const STORE: u8 = 1;
const FETCH: u8 = 2;

/// What embassy does while it starts.
const START: &[Broken] = &[
    Broken {
        kind: Kind::Reserved,
        what: "PWR_CR: reserved bits 0x00008000",
        because: "writes the F42x's two VOS bits; the F407 has one (RM0090 5.4.1)",
    },
    Broken {
        kind: Kind::Reserved,
        what: "RCC_PLLCFGR: reserved bits 0x20000000",
        because: "writes the whole register; reserved bits are to be kept (RM0090 7.3.2)",
    },
    Broken {
        kind: Kind::Sequence,
        what: "RTCSEL changed",
        because: "sets RTCSEL to LSI, then to none; the second write has no effect (RM0090 7.3.20)",
    },
    Broken {
        kind: Kind::Reserved,
        what: "RCC: no register at offset 0x8c",
        because: "writes RCC_DCKCFGR, which only the F42x and F446 have",
    },
    Broken {
        kind: Kind::Width,
        what: "USART registers take half-words and words",
        because: "writes and reads USART_DR by byte (RM0090 30.6)",
    },
];

/// What embassy's USB driver does besides.
const USB: &[Broken] = &[
    Broken {
        kind: Kind::Reserved,
        what: "DIEPTSIZx: reserved bits 0x20000000",
        because: "sets MCNT for endpoint 0 too, which has no such field (RM0090 34.16.4)",
    },
    Broken {
        kind: Kind::Sequence,
        what: "takes a packet without EPENA",
        because: "readies OUT endpoints by CNAK alone; the F4's core takes packets once NAK is clear",
    },
    Broken {
        kind: Kind::Range,
        what: "armed for 0 packets",
        because: "leaves DOEPTSIZ0.PKTCNT at 0 for the first packet after a SETUP",
    },
];

/// A board whose program has told that its flash works.
fn started() -> Board {
    let (board, _) = started_with_words();
    board
}

/// The same, and what it told on USART2, byte by byte.
fn started_with_words() -> (Board, Vec<Sent>) {
    let mut board = Board::new(ChipModel::stm32f407vg());
    let program = fixtures::peer("peer-embassy").unwrap();
    board.load_elf(&fs::read(program).unwrap()).unwrap();
    board.power_on();
    let sent = hear(&mut board, "hello\nflash ok\n".len());
    assert_eq!(text(&sent), "hello\nflash ok\n");
    (board, sent)
}

/// What the program says on USART2 until it has said `length` bytes, for 5 s at most.
fn hear(board: &mut Board, length: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for _ in 0..500 {
        board.run_for(Nanos::millis(10));
        sent.extend(board.uart_tx(2));
        if sent.len() >= length {
            break;
        }
    }
    sent
}

fn text(sent: &[Sent]) -> String {
    let heard = sent.iter().map(|sent| sent.seen_by(LINE).expect("115200 8N1")).collect();
    String::from_utf8(heard).unwrap()
}

/// A board whose program has come to USB, with a host that has enumerated it.
fn enumerated() -> (Board, UsbHost, Enumerated) {
    let mut board = started();
    board.uart_rx(2, LINE, b"abcd");
    let mut host = UsbHost::new(Patience::default());
    host.plug(&mut board);
    host.wait_attach(&mut board, LIMIT).unwrap();
    let found = host.enumerate(&mut board).unwrap();
    (board, host, found)
}

fn usb_rules() -> Vec<Broken> {
    [START, USB].concat()
}

#[test]
fn its_flash_driver_erases_programs_and_reads_back() {
    let board = started();
    let pattern = board.read_memory(SECTOR_11, 260).unwrap();
    let expected: Vec<u8> = (0..=255).map(|at: u8| at.wrapping_mul(37) ^ 0x5A).collect();
    assert_eq!(pattern[..256], expected[..]);
    assert_eq!(pattern[256..], [0xFF; 4]);
    // One erase and 64 words.
    assert_eq!(board.operations(), 65);
    rules::check(&board, START);
}

#[test]
fn its_erase_lasts_as_long_as_the_data_sheet_says() {
    let (_, sent) = started_with_words();
    // From the end of "hello\n" to the end of the "f" behind it.
    let span = sent[6].at.since(sent[5].at);
    // DS8626 table 39: 128 KB by bytes 2 s typically, PSIZE being 0 in embassy's erase.
    assert!((Nanos::secs(2)..Nanos::millis(2010)).contains(&span), "{span}");
}

#[test]
fn its_usart_driver_sends_and_receives() {
    let mut board = started();
    board.uart_rx(2, LINE, b"abcd");
    assert_eq!(text(&hear(&mut board, 5)), "dcba\n");
    rules::check(&board, START);
}

#[test]
fn its_usb_device_enumerates() {
    let (mut board, mut host, found) = enumerated();
    assert_eq!((found.vendor(), found.product()), (0xC0DE, 0xCAFE));
    let product = host.control_in(&mut board, &descriptor(3, 2, 255), LIMIT).unwrap();
    let text: Vec<u16> = product[2..].chunks(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
    assert_eq!(String::from_utf16(&text).unwrap(), "embassy");
    rules::check(&board, &usb_rules());
}

#[test]
fn its_bulk_endpoints_echo_packets_of_every_length() {
    let (mut board, mut host, _) = enumerated();
    for length in 0..=64_u8 {
        let sent: Vec<u8> = (0..length).map(|byte| byte ^ length).collect();
        host.write(&mut board, 1, &sent, LIMIT).unwrap();
        let back = host.read(&mut board, 0x81, 64, LIMIT).unwrap();
        let inverted: Vec<u8> = sent.iter().map(|byte| !byte).collect();
        assert_eq!(back, inverted, "{length} bytes");
    }
    rules::check(&board, &usb_rules());
}

#[test]
fn its_control_endpoint_carries_data_both_ways() {
    let (mut board, mut host, _) = enumerated();
    for length in [0_u8, 1, 8, 63, 64, 65, 128, 200] {
        let sent: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(7) ^ length).collect();
        host.control_out(&mut board, &[0x40, STORE, 0, 0, 0, 0, length, 0], &sent, LIMIT).unwrap();
        let fetch = [0xC0, FETCH, 0, 0, 0, 0, 255, 0];
        assert_eq!(host.control_in(&mut board, &fetch, LIMIT).unwrap(), sent, "{length} bytes");
    }
    let unknown = [0xC0, 0x77, 0, 0, 0, 0, 4, 0];
    assert_eq!(host.control_in(&mut board, &unknown, LIMIT), Err(Error::Stall));
    let too_long = vec![0; 201];
    let setup = [0x40, STORE, 0, 0, 0, 0, 201, 0];
    assert_eq!(host.control_out(&mut board, &setup, &too_long, LIMIT), Err(Error::Stall));
    let fetch = [0xC0, FETCH, 0, 0, 0, 0, 2, 0];
    assert_eq!(host.control_in(&mut board, &fetch, LIMIT).unwrap().len(), 2);
    rules::check(&board, &usb_rules());
}

#[test]
fn its_usb_device_comes_back_after_a_bus_reset_and_after_a_suspend() {
    let (mut board, mut host, found) = enumerated();
    let echo = |board: &mut Board, host: &mut UsbHost| {
        host.write(board, 1, b"again", LIMIT).unwrap();
        assert_eq!(host.read(board, 0x81, 64, LIMIT).unwrap(), b"again".map(|byte| !byte));
    };
    echo(&mut board, &mut host);
    assert_eq!(host.enumerate(&mut board).unwrap(), found);
    echo(&mut board, &mut host);
    host.suspend(&mut board);
    board.run_for(Nanos::millis(10));
    host.resume(&mut board);
    echo(&mut board, &mut host);
}
