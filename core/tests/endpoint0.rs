//! Endpoint 0 by packets: descriptors, standard and vendor requests, chunks, broken-off transfers,
//! and any request that bits can make.

mod support;

use support::{Board, FAMILY, MEMORY, Random, Stall, UNIQUE_ID, block, class_in, out};
use surefoot_core::config::{BLOCK_LEN, Config, ConfigFault};
use surefoot_core::dfu::device::Job;
use surefoot_core::dfu::{memory, request};
use surefoot_core::info;
use surefoot_core::usb::{Control, Setup, Step};

fn descriptor(kind: u8, index: u8, length: u16) -> [u8; 8] {
    let value = u16::from_le_bytes([index, kind]);
    Setup { request_type: 0x80, request: 6, value, index: 0x0409, length }.encode()
}

fn string(board: &mut Board, index: u8) -> String {
    let bytes = board.control_in(descriptor(3, index, 255)).unwrap();
    assert_eq!((usize::from(bytes[0]), bytes[1]), (bytes.len(), 3));
    let units: Vec<u16> = bytes[2..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap()
}

#[test]
fn the_descriptors_are_dfu_mode_descriptors_with_the_board_s_numbers() {
    let sealed = block(|fields| {
        (fields.vid, fields.pid, fields.bcd_device) = (0x1209, 0xABCD, 0x0203);
        fields.transfer_size = 1024;
    });
    let mut board = Board::of(&sealed);
    let device = board.control_in(descriptor(1, 0, 64)).unwrap();
    assert_eq!(device, [18, 1, 0, 2, 0, 0, 0, 64, 0x09, 0x12, 0xCD, 0xAB, 3, 2, 1, 2, 4, 1]);
    let configuration = board.control_in(descriptor(2, 0, 255)).unwrap();
    let expected = [
        9, 2, 27, 0, 1, 1, 0, 0x80, 50, //
        9, 4, 0, 0, 0, 0xFE, 1, 2, 3, //
        9, 0x21, 0x0B, 0xFF, 0, 0, 4, 0x1A, 1,
    ];
    assert_eq!(configuration, expected);
    assert_ne!(configuration[17], 0, "dfu-util takes string 0 for no name");
    assert_eq!(board.control_in(descriptor(3, 0, 255)).unwrap(), [4, 3, 9, 4]);
    assert_eq!(string(&mut board, device[14]), "Surefoot");
    assert_eq!(string(&mut board, device[15]), "STM32 BOOTLOADER");
    assert_eq!(string(&mut board, configuration[17]), MEMORY);
    assert_eq!(string(&mut board, 0xEE), "MSFT100\u{20}");
    for (kind, index) in [(6, 0), (7, 0), (15, 0), (0x21, 0), (3, 5), (3, 0xEF), (1, 1), (2, 1)] {
        assert_eq!(board.control_in(descriptor(kind, index, 255)), Err(Stall), "{kind} {index}");
    }
}

#[test]
fn the_serial_number_is_the_one_of_st_s_rom() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    // Bytes 11, 10 + 2, 9, 8 + 0, 7, 6 of the unique id, the sums without carry.
    assert_eq!(string(&mut board, 4), "387136163433");
    let mut board = Board::new(Config::parse(&sealed, FAMILY));
    board.control = Control::new(
        Config::parse(&sealed, FAMILY).ok(),
        &[0xFF, 0, 0xFF, 0, 0, 0, 0x0A, 0xBC, 0x02, 0xDE, 0x03, 0xF0],
    );
    assert_eq!(string(&mut board, 4), "F002DE01BC0A");
}

#[test]
fn answers_are_cut_into_packets_and_end_as_the_host_expects() {
    // Lengths of string descriptors around multiples of a packet, against what is asked for.
    for characters in [1, 30, 31, 32, 62, 63, 94, 126] {
        let text = "x".repeat(characters);
        let sealed = block(|fields| {
            (fields.product, fields.manufacturer) = (&text, "");
            fields.memory = "@F/0x0/1*1Ka";
        });
        let mut board = Board::of(&sealed);
        let length = 2 + 2 * characters;
        for asked in [1, 2, 18, 63, 64, 65, 127, 128, 129, 191, 192, 193, 254, 255, 256, 1000] {
            let bytes = board.control_in(descriptor(3, 2, asked)).unwrap();
            assert_eq!(bytes.len(), length.min(asked.into()), "{characters} {asked}");
            assert_eq!(usize::from(bytes[0]), length);
        }
    }
}

#[test]
fn an_answer_of_full_packets_that_is_shorter_than_asked_for_ends_with_an_empty_one() {
    let sealed = block(|fields| fields.product = "thirty-one characters, 64 bytes");
    let mut board = Board::of(&sealed);
    let mut steps = |asked| {
        let mut steps = vec![board.control.setup(&descriptor(3, 2, asked), &board.flash)];
        while let Some(Step::Send(_)) = steps.last() {
            steps.push(board.control.in_done());
        }
        steps
    };
    assert_eq!(steps(64), [Step::Send(64), Step::Receive]);
    assert_eq!(steps(65), [Step::Send(64), Step::Send(0), Step::Receive]);
    assert_eq!(steps(255), [Step::Send(64), Step::Send(0), Step::Receive]);
    assert_eq!(steps(63), [Step::Send(63), Step::Receive]);
    assert_eq!(steps(0), [Step::Send(0), Step::Done], "no data stage: the status stage is IN");
}

#[test]
fn standard_requests_have_their_answers() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    type Answer = Result<&'static [u8], Stall>;
    let get: &[([u8; 8], Answer)] = &[
        ([0x80, 0, 0, 0, 0, 0, 2, 0], Ok(&[0, 0])),
        ([0x81, 0, 0, 0, 0, 0, 2, 0], Ok(&[0, 0])),
        ([0x82, 0, 0, 0, 0, 0, 2, 0], Ok(&[0, 0])),
        ([0x82, 0, 0, 0, 0x80, 0, 2, 0], Ok(&[0, 0])),
        ([0x80, 8, 0, 0, 0, 0, 1, 0], Ok(&[0])),
        ([0x81, 10, 0, 0, 0, 0, 1, 0], Ok(&[0])),
        ([0x81, 0, 0, 0, 1, 0, 2, 0], Err(Stall)),
        ([0x82, 0, 0, 0, 0x81, 0, 2, 0], Err(Stall)),
        ([0x80, 0, 0, 0, 0x80, 0, 2, 0], Err(Stall)),
        ([0x81, 10, 0, 0, 1, 0, 1, 0], Err(Stall)),
        ([0x82, 12, 0, 0, 0, 0, 2, 0], Err(Stall)),
        ([0x83, 0, 0, 0, 0, 0, 2, 0], Err(Stall)),
    ];
    for (setup, answer) in get {
        assert_eq!(board.control_in(*setup).as_deref(), answer.as_ref().copied(), "{setup:x?}");
    }
    let set: &[([u8; 8], Result<(), Stall>)] = &[
        ([0x00, 9, 1, 0, 0, 0, 0, 0], Ok(())),
        ([0x01, 11, 0, 0, 0, 0, 0, 0], Ok(())),
        ([0x02, 1, 0, 0, 0, 0, 0, 0], Ok(())),
        ([0x02, 1, 0, 0, 0x80, 0, 0, 0], Ok(())),
        ([0x00, 9, 2, 0, 0, 0, 0, 0], Err(Stall)),
        ([0x00, 9, 0, 1, 0, 0, 0, 0], Err(Stall)),
        ([0x01, 11, 1, 0, 0, 0, 0, 0], Err(Stall)),
        ([0x01, 11, 0, 0, 1, 0, 0, 0], Err(Stall)),
        ([0x02, 1, 0, 0, 1, 0, 0, 0], Err(Stall)),
        ([0x02, 3, 0, 0, 0, 0, 0, 0], Err(Stall)),
        ([0x00, 3, 1, 0, 0, 0, 0, 0], Err(Stall)),
        ([0x00, 1, 1, 0, 0, 0, 0, 0], Err(Stall)),
        ([0x00, 7, 0, 1, 0, 0, 0, 0], Err(Stall)),
        ([0x00, 5, 128, 0, 0, 0, 0, 0], Err(Stall)),
    ];
    for (setup, answer) in set {
        assert_eq!(board.control_out(*setup, &[]), *answer, "{setup:x?}");
    }
    assert_eq!(board.control_in([0x80, 8, 0, 0, 0, 0, 1, 0]).unwrap(), [1]);
    assert!(board.control.is_configured());
    assert_eq!(board.control_out([0, 9, 0, 0, 0, 0, 1, 0], &[0]), Err(Stall), "with a data stage");
    assert!(board.control.is_configured());
}

#[test]
fn the_address_comes_into_force_with_the_status_stage_and_is_told_before() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    assert_eq!(board.control.setup(&[0, 5, 42, 0, 0, 0, 0, 0], &board.flash), Step::Address(42));
    assert_eq!(board.control.address(), 0);
    assert_eq!(board.control.in_done(), Step::Done);
    assert_eq!(board.control.address(), 42);
    board.control.setup(&[0, 5, 7, 0, 0, 0, 0, 0], &board.flash);
    board.control_in(descriptor(1, 0, 18)).unwrap();
    board.control_out([0, 9, 1, 0, 0, 0, 0, 0], &[]).unwrap();
    assert_eq!(board.control.address(), 42, "broken off before the status stage");
    board.control.bus_reset();
    assert_eq!(board.control.address(), 0);
}

#[test]
fn windows_finds_winusb() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    let os = board.control_in(descriptor(3, 0xEE, 18)).unwrap();
    assert_eq!(os, *b"\x12\x03M\0S\0F\0T\x001\x000\x000\0\x20\0");
    let full = board.control_in([0xC0, os[16], 0, 0, 4, 0, 40, 0]).unwrap();
    let head = board.control_in([0xC0, os[16], 0, 0, 4, 0, 16, 0]).unwrap();
    assert_eq!(full[..16], head);
    assert_eq!(head, [40, 0, 0, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(full[16..], *b"\0\x01WINUSB\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    for unknown in
        [[0xC0, 0x20, 0, 0, 5, 0, 40, 0], [0xC1, 0x20, 0, 0, 5, 0, 40, 0], [0xC0, 1, 0, 0, 4, 0, 40, 0]]
    {
        assert_eq!(board.control_in(unknown), Err(Stall), "{unknown:x?}");
    }
    assert_eq!(board.control_out([0x40, 0x53, 0, 0, 0, 0, 0, 0], &[]), Err(Stall));
}

#[test]
fn the_info_request_gives_what_was_set() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    let told = info::Info { version: [1, 2, 3], reason: 5, ..info::Info::default() };
    *board.control.info() = told.answer();
    let bytes = board.control_in([0xC0, info::REQUEST, 0, 0, 0, 0, 64, 0]).unwrap();
    assert_eq!(info::Info::decode(&bytes), Some(told));
    assert_eq!(board.control_in([0xC0, info::REQUEST, 0, 0, 0, 0, 255, 0]).unwrap().len(), 64);
    assert_eq!(board.control_in([0xC0, info::REQUEST, 1, 0, 0, 0, 64, 0]), Err(Stall));
}

#[test]
fn a_board_without_a_configuration_says_so_and_offers_nothing_writable() {
    let erased = [0xFF; BLOCK_LEN];
    let mut damaged = block(|_| {});
    damaged[0x30] ^= 1;
    for (bytes, fault) in [(&erased, ConfigFault::Missing), (&damaged, ConfigFault::Checksum)] {
        assert_eq!(Config::parse(bytes, FAMILY).err(), Some(fault));
        let mut board = Board::of(bytes);
        let device = board.control_in(descriptor(1, 0, 18)).unwrap();
        assert_eq!(device[8..12], [0x83, 0x04, 0x11, 0xDF]);
        assert_eq!(string(&mut board, 1), "Surefoot");
        assert_eq!(string(&mut board, 2), "Surefoot: no configuration");
        assert_eq!(string(&mut board, 4).len(), 12);
        let text = string(&mut board, 3);
        let memory = memory::parse(&text).unwrap();
        assert!(memory.groups().all(|g| g.access == memory::Access::READABLE), "{text}");
        assert_eq!(board.control_in(descriptor(2, 0, 255)).unwrap()[23..25], [64, 0]);
    }
}

#[test]
fn a_setup_in_the_middle_of_a_transfer_begins_a_new_one() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    // In the middle of a DNLOAD: the block is forgotten, the state unchanged.
    assert_eq!(board.control.setup(&out(request::DNLOAD, 2, 128), &board.flash), Step::Receive);
    assert_eq!(board.control.out_packet(&[1; 64], &mut board.block, &board.flash), Step::Receive);
    assert_eq!(board.status(), (0, 0, 2));
    // In the middle of an UPLOAD.
    assert_eq!(board.control.setup(&class_in(request::UPLOAD, 2, 256), &board.flash), Step::Send(64));
    assert_eq!(board.control.in_done(), Step::Send(64));
    assert_eq!(board.control_in(descriptor(1, 0, 18)).unwrap().len(), 18);
    // In a status stage.
    assert_eq!(board.control.setup(&[0, 9, 1, 0, 0, 0, 0, 0], &board.flash), Step::Send(0));
    assert_eq!(board.control_in(descriptor(1, 0, 8)).unwrap().len(), 8);
}

#[test]
fn data_packets_of_the_wrong_length_are_stalled_and_write_nothing() {
    let sealed = block(|_| {});
    for (sent, asked) in [(63, 64), (0, 64), (64, 63), (63, 128)] {
        let mut board = Board::of(&sealed);
        board.control.setup(&out(request::DNLOAD, 2, asked), &board.flash);
        let data = vec![0; sent];
        assert_eq!(board.control.out_packet(&data, &mut board.block, &board.flash), Step::Stall);
        assert_eq!(board.status(), (0, 0, 2));
    }
    let mut board = Board::of(&sealed);
    assert_eq!(
        board.control.out_packet(&[0; 8], &mut board.block, &board.flash),
        Step::Stall,
        "out of the blue"
    );
}

#[test]
fn a_host_may_end_the_data_stage_of_an_upload_early() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.control.setup(&class_in(request::UPLOAD, 2, 256), &board.flash);
    assert_eq!(board.control.out_packet(&[], &mut board.block, &board.flash), Step::Done);
    assert_eq!(board.state(), 9);
}

/// Every bmRequestType and bRequest, with lengths and values around what means something, and data
/// stages that are cut off. [`support::Flash`] panics when a job leaves the slot.
#[test]
fn no_request_panics_or_makes_a_job_outside_the_slot() {
    let sealed = block(|fields| fields.read_unprotect = true);
    let erased = [0xFF; BLOCK_LEN];
    let mut random = Random::seeded(3);
    for configured in [true, false] {
        let mut board = Board::of(if configured { &sealed } else { &erased });
        for request_type in 0..=255u8 {
            for request in 0..=255u8 {
                for length in [0, 1, 5, 6, 64, 255, 2048, 0xFFFF] {
                    let value = [0, 1, 2, 3, random.word() as u16][random.below(5) as usize];
                    let index = [0, 0, 0, 4, random.word() as u16][random.below(5) as usize];
                    let setup = Setup { request_type, request, value, index, length }.encode();
                    transfer(&mut board, &mut random, setup);
                }
            }
        }
    }
}

/// Requests that go far into the DFU engine, in any order.
#[test]
fn no_sequence_of_dfu_requests_makes_a_job_outside_the_slot() {
    let sealed = block(|fields| fields.read_unprotect = true);
    let mut random = Random::seeded(4);
    let mut board = Board::of(&sealed);
    let (mut erased, mut programmed) = (0, 0);
    for _ in 0..200_000 {
        let choices = if random.below(50) == 0 { 9 } else { 6 };
        let (request, to_device) = [
            (request::DNLOAD, true),
            (request::DNLOAD, true),
            (request::GETSTATUS, false),
            (request::GETSTATUS, false),
            (request::UPLOAD, false),
            (request::CLRSTATUS, true),
            (request::ABORT, true),
            (request::GETSTATE, false),
            (request::DETACH, true),
        ][random.below(choices) as usize];
        let length = match request {
            request::DNLOAD => [1, 5, 5, 64, 2048, random.below(2100)][random.below(6) as usize],
            request::UPLOAD => [6, 64, 2048][random.below(3) as usize],
            request::GETSTATUS => 6,
            _ => 0,
        };
        let value = [0, 0, 2, 3, random.below(0x300)][random.below(5) as usize] as u16;
        let request_type = if to_device { request::OUT } else { request::IN };
        let setup = Setup { request_type, request, value, index: 0, length: length as u16 }.encode();
        transfer(&mut board, &mut random, setup);
        if board.left {
            board.left = false;
            board.control = Control::new(Config::parse(&sealed, FAMILY).ok(), &UNIQUE_ID);
        }
        for job in board.flash.jobs.drain(..) {
            match job {
                Job::Erase(_) => erased += 1,
                Job::Program { .. } => programmed += 1,
                Job::Leave | Job::ReadUnprotect | Job::Options(_) => {}
            }
        }
    }
    assert!(erased > 100 && programmed > 100, "{erased} {programmed}: the test goes far enough");
}

/// A transfer as a host of good or bad faith makes it.
fn transfer(board: &mut Board, random: &mut Random, setup: [u8; 8]) {
    let mut step = board.control.setup(&setup, &board.flash);
    let mut at = 0;
    let length = usize::from(Setup::decode(&setup).length);
    let mut data = random.bytes(length.min(64));
    if let (true, Some(first)) = (length < 16, data.first_mut()) {
        *first = [0x21, 0x41, 0x92, *first][random.below(4) as usize];
        if length == 5 {
            let address = 0x0800_0000 + random.below(0x11_0000);
            data[1..].copy_from_slice(&address.to_le_bytes());
        }
    }
    for _ in 0..=0x1_0000 / 64 + 3 {
        if random.below(200) == 0 {
            if random.below(10) == 0 {
                board.control.bus_reset();
            }
            return;
        }
        step = match step {
            Step::Send(length) => {
                assert_eq!(board.control.packet(&board.flash).len(), length.into());
                board.control.in_done()
            }
            Step::Address(_) => board.control.in_done(),
            Step::Receive => {
                let odd = random.below(100) == 0;
                let packet = if odd { random.below(65) as usize } else { (length - at.min(length)).min(64) };
                let is_in = setup[0] & 0x80 != 0;
                let packet = if is_in && !odd { 0 } else { packet };
                at += packet;
                data.resize(packet.max(data.len()), 0x5A);
                board.control.out_packet(&data[..packet], &mut board.block, &board.flash)
            }
            Step::Stall => return,
            Step::Done => return board.work(),
        };
    }
    panic!("{setup:x?} does not end");
}
