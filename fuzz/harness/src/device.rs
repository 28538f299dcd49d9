//! The DFU device engine behind endpoint 0, fed with sequences of transfers.
//!
//! The flash model panics at a job outside the slots. Here it is checked that every transfer ends,
//! and that ABORT brings the board back to dfuIDLE afterwards.

use crate::Bytes;
use crate::support::{Board, Flash, REGIONS, block};
use surefoot_core::config::{BLOCK_LEN, OWNER_JOURNAL, OWNER_SLOT1, Region, Slot, Strategy};
use surefoot_core::dfu::request;
use surefoot_core::port::FlashFault;
use surefoot_core::usb::{Control, PACKET, Setup, Step};

/// Two slots that run in turn, with a sector between them that is neither's, and a journal.
const TWO_SLOTS: [Slot; 2] =
    [Slot { base: 0x0801_0000, length: 0x1_0000 }, Slot { base: 0x0804_0000, length: 0xC_0000 }];
const TWO_SLOTS_REGIONS: [Region; 6] = [
    Region { count: 1, ..REGIONS[0] },
    Region { base: 0x0800_4000, count: 2, first: 1, owner: OWNER_JOURNAL, ..REGIONS[0] },
    Region { base: 0x0800_C000, count: 1, first: 3, ..REGIONS[0] },
    REGIONS[1],
    Region { count: 1, owner: 0, ..REGIONS[2] },
    Region { base: 0x0804_0000, count: 6, first: 6, owner: OWNER_SLOT1, ..REGIONS[2] },
];

/// A small part with pages, for speed.
const PAGES: [Region; 3] = [
    Region { base: 0x0800_0000, sector_size: 0x400, count: 8, first: 0, owner: 0, erase_ms: 20 },
    Region { base: 0x0800_2000, sector_size: 0x400, count: 24, first: 8, owner: 1, erase_ms: 20 },
    Region { base: 0x0800_8000, sector_size: 0x800, count: 4, first: 32, owner: 1, erase_ms: 40 },
];
const PAGES_SLOT: [Slot; 1] = [Slot { base: 0x0800_2000, length: 0x8000 }];

/// The first byte chooses the board, then each turn a transfer.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let sealed = match bytes.u8() & 15 {
        0 => [0xFF; BLOCK_LEN],
        1 => block(|_| {}),
        2 => block(|f| (f.psize, f.transfer_size, f.read_unprotect) = (3, 4096, true)),
        3 => block(|f| {
            (f.slots, f.regions, f.strategy) = (&TWO_SLOTS, &TWO_SLOTS_REGIONS, Strategy::Ab);
            (f.psize, f.transfer_size) = (0, 64);
        }),
        n => block(|f| {
            (f.slots, f.regions) = (&PAGES_SLOT, &PAGES);
            (f.psize, f.transfer_size) = (n & 3, 64 << (n % 7));
            f.read_unprotect = n & 8 != 0;
        }),
    };
    let mut board = Board::of(&sealed);
    while !bytes.is_empty() && !board.left {
        turn(&mut board, &mut bytes);
    }
    if !board.left {
        board.plain(request::ABORT).expect("ABORT is answered in every state");
        assert!(matches!(board.state(), 2 | 8), "ABORT leads to dfuIDLE");
    }
}

fn turn(board: &mut Board, bytes: &mut Bytes) {
    let kind = bytes.u8();
    let setup = match kind & 15 {
        0 => Setup::decode(&[
            bytes.u8(),
            bytes.u8(),
            bytes.u8(),
            bytes.u8(),
            bytes.u8(),
            bytes.u8(),
            bytes.u8(),
            bytes.u8(),
        ]),
        1 => return board.control.bus_reset(),
        2 => return board.work(),
        3 => {
            board.flash.faults = vec![[FlashFault::ReadBack, FlashFault::NotErased][usize::from(kind >> 7)]];
            return;
        }
        // A command or a block.
        4..=6 => out(request::DNLOAD, 0, [1, 5][usize::from(kind >> 7)]),
        7..=9 => out(request::DNLOAD, 2 + u16::from(kind >> 4), bytes.u16() % 4200),
        10 => class_in(request::UPLOAD, u16::from(bytes.u8()), bytes.u16() % 4200),
        11 => out(request::ABORT, 0, 0),
        12 => out(request::CLRSTATUS, 0, 0),
        13 => class_in(request::GETSTATE, 0, 1),
        _ => class_in(request::GETSTATUS, 0, 6),
    };
    transfer(board, bytes, setup);
}

fn out(request: u8, value: u16, length: u16) -> Setup {
    Setup { request_type: request::OUT, request, value, index: 0, length }
}

fn class_in(request: u8, value: u16, length: u16) -> Setup {
    Setup { request_type: request::IN, request, value, index: 0, length }
}

/// One transfer; data come from the input, a packet of the wrong length now and then, too.
fn transfer(board: &mut Board, bytes: &mut Bytes, setup: Setup) {
    let mut step = board.control.setup(&setup.encode(), &board.flash);
    let mut left = usize::from(setup.length);
    for _ in 0..=0x1_0000 / PACKET + 3 {
        step = match step {
            Step::Send(length) => {
                assert_eq!(board.control.packet(&board.flash).len(), usize::from(length));
                assert!(usize::from(length) <= PACKET);
                board.control.in_done()
            }
            Step::Address(address) => {
                assert!(address < 128);
                board.control.in_done()
            }
            Step::Receive => {
                let length = if setup.is_in() { 0 } else { left.min(PACKET) };
                left -= length;
                let mut data = bytes.take(length.min(8));
                if data.first() == Some(&0xEE) {
                    data.push(0);
                } else {
                    data.resize(length, 0x5A);
                }
                board.control.out_packet(&data, &mut board.block, &board.flash)
            }
            Step::Stall => return,
            Step::Done => return board.work(),
        };
    }
    panic!("{setup:?} does not end");
}

/// A GETSTATUS to its end, so that endpoint 0 is idle.
pub(crate) fn finish(control: &mut Control, flash: &Flash, block: &mut [u8]) {
    let mut step = control.setup(&class_in(request::GETSTATUS, 0, 6).encode(), flash);
    while let Step::Send(_) = step {
        step = control.in_done();
    }
    assert_eq!(step, Step::Receive);
    assert_eq!(control.out_packet(&[], block, flash), Step::Done);
}

/// On each board a whole update, and a refused one.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for board in 0..16 {
        let (page, boot) =
            if board < 4 { ([0, 0, 1, 8], [0, 0, 0, 8]) } else { ([0, 0x24, 0, 8], [0, 4, 0, 8]) };
        let command = |code, address: [u8; 4]| [&[0x84, code][..], &address, &[15, 15]].concat();
        let write = [7, 0x40, 0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 15];
        let read = [11, 10, 2, 64, 0];
        let all = [4, 0x41, 15, 2, 2, 2, 15];
        let leave = [7, 0, 0, 15];
        let update = [command(0x41, page), command(0x21, page), write.into(), read.into(), leave.into()];
        seeds.push([vec![board], update.concat()].concat());
        seeds.push([vec![board], command(0x41, boot), vec![12], all.into(), leave.into()].concat());
    }
    seeds
}
