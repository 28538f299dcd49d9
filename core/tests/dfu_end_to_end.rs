//! The host engine against the device engine, over packets, with NOR flash behind.

mod support;

use support::{Board, FLASH_BASE, FLASH_SIZE, MEMORY, Random, SLOT, block, drive};
use surefoot_core::dfu::device::Job;
use surefoot_core::dfu::host::{Activity, Error, Style, Task};
use surefoot_core::dfu::memory;
use surefoot_core::dfu::{Status, request};
use surefoot_core::port::{FlashFault, Memory};

const STYLES: [Style; 2] = [Style::Counting, Style::AddressPerBlock];

fn erase(board: &mut Board, address: u32, length: u32) -> Result<u32, Error> {
    let layout = memory::parse(MEMORY).unwrap();
    drive(board, Task::Erase { layout, address, length })
}

fn upload(board: &mut Board, address: u32, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    drive(board, Task::Upload { address, buffer: &mut buffer }).unwrap();
    buffer
}

#[test]
fn an_image_goes_in_and_comes_back_in_both_styles() {
    let sealed = block(|_| {});
    for style in STYLES {
        for length in [1, 63, 64, 65, 2047, 2048, 2049, 300_001] {
            let mut board = Board::of(&sealed);
            board.flash.bytes[..FLASH_SIZE as usize].fill(0x00);
            let data = Random(length as u64).bytes(length);
            erase(&mut board, SLOT.base, length as u32).unwrap();
            drive(&mut board, Task::Download { address: SLOT.base, data: &data, style }).unwrap();
            assert_eq!(board.flash.range(SLOT.base, length as u32), data, "{style:?} {length}");
            assert_eq!(upload(&mut board, SLOT.base, length), data, "{style:?} {length}");
            drive(&mut board, Task::Leave { address: Some(SLOT.base) }).unwrap();
            assert!(board.left);
        }
    }
}

#[test]
fn only_the_touched_sectors_are_erased() {
    let sealed = block(|_| {});
    let cases: [(u32, u32, &[u8]); 5] = [
        (0x0801_0000, 1, &[4]),
        (0x0801_FFFF, 1, &[4]),
        (0x0801_FFFF, 2, &[4, 5]),
        (0x0804_1234, 0x2_0000, &[6, 7]),
        (0x0801_0000, 0xF_0000, &[4, 5, 6, 7, 8, 9, 10, 11]),
    ];
    for (address, length, sectors) in cases {
        let mut board = Board::of(&sealed);
        board.flash.bytes.fill(0);
        erase(&mut board, address, length).unwrap();
        let erased: Vec<u8> = board
            .flash
            .jobs
            .iter()
            .map(|job| match job {
                Job::Erase(sector) => sector.number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(erased, sectors);
    }
}

#[test]
fn the_short_last_block_is_padded_with_the_erased_flash() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.block.fill(0x5A);
    let data = [0xA5; 2048 + 5];
    drive(&mut board, Task::Download { address: SLOT.base, data: &data, style: Style::Counting }).unwrap();
    assert_eq!(board.flash.jobs[1], Job::Program { address: SLOT.base + 2048, length: 8 });
    assert_eq!(board.flash.range(SLOT.base + 2048, 9), [0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 255, 255, 255, 255]);
}

#[test]
fn a_block_at_an_odd_address_keeps_its_neighbours() {
    let sealed = block(|fields| fields.psize = 3);
    let mut board = Board::of(&sealed);
    let address = SLOT.base + 3;
    for (at, data) in [(address, &[1, 2, 3][..]), (address + 3, &[4, 5, 6, 7])] {
        drive(&mut board, Task::Download { address: at, data, style: Style::Counting }).unwrap();
    }
    assert_eq!(board.flash.range(SLOT.base, 12), [255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 255, 255]);
    assert_eq!(board.flash.jobs[0], Job::Program { address: SLOT.base, length: 8 });
    assert_eq!(board.flash.jobs[1], Job::Program { address: SLOT.base, length: 16 });
}

#[test]
fn nothing_is_sent_for_an_erase_that_the_memory_string_forbids() {
    let sealed = block(|_| {});
    for (address, length, outside) in [
        (FLASH_BASE, 4, FLASH_BASE),
        (0x0800_FFFF, 2, 0x0800_FFFF),
        (0x080F_FFFF, 2, 0x0810_0000),
        (0x2000_0000, 1, 0x2000_0000),
    ] {
        let mut board = Board::of(&sealed);
        let result = erase(&mut board, address, length);
        assert_eq!(result, Err(Error::NotOffered { address: outside }));
    }
    let mut board = Board::of(&sealed);
    assert_eq!(erase(&mut board, SLOT.base, 0), Err(Error::Range));
    assert_eq!(erase(&mut board, u32::MAX, 2), Err(Error::Range));
}

#[test]
fn writes_outside_the_slot_are_refused_before_anything_happens_and_leave_dfu_idle() {
    let sealed = block(|_| {});
    let address_cases = [
        FLASH_BASE,
        0x0800_4000,
        SLOT.base - 4,
        // The block's end leaves the slot.
        SLOT.base - 2047,
        0x0810_0000 - 2047,
    ];
    for style in STYLES {
        for address in address_cases {
            let mut board = Board::of(&sealed);
            board.flash.bytes.fill(0xAA);
            let data = [0; 2048];
            let result = drive(&mut board, Task::Download { address, data: &data, style });
            let refused = Error::Refused { during: Activity::Write(address), status: Status::Address };
            assert_eq!(result, Err(refused), "{address:#x}");
            assert_eq!(board.state(), 2);
            assert!(board.flash.jobs.is_empty());
            assert!(board.flash.bytes.iter().all(|&b| b == 0xAA));
        }
    }
}

#[test]
fn addresses_outside_the_flash_cannot_be_set() {
    let sealed = block(|_| {});
    for address in [0, 0x0810_0000, 0x1FFF_7A10, 0x2000_0000, 0xFFFF_F000] {
        let mut board = Board::of(&sealed);
        let mut buffer = [0; 16];
        let result = drive(&mut board, Task::Upload { address, buffer: &mut buffer });
        let refused = Error::Refused { during: Activity::SetAddress(address), status: Status::Address };
        assert_eq!(result, Err(refused), "{address:#x}");
        assert_eq!(board.state(), 2);
    }
}

#[test]
fn a_read_over_the_end_of_flash_is_refused() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    let mut buffer = [0; 17];
    let address = FLASH_BASE + FLASH_SIZE - 16;
    let result = drive(&mut board, Task::Upload { address, buffer: &mut buffer });
    assert_eq!(result, Err(Error::Refused { during: Activity::Read(address), status: Status::Address }));
    assert_eq!(upload(&mut board, address, 16), [0xFF; 16]);
}

#[test]
fn everything_in_the_flash_can_be_read() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.flash.bytes = Random(7).bytes(FLASH_SIZE as usize);
    let all = board.flash.bytes.clone();
    assert!(upload(&mut board, FLASH_BASE, FLASH_SIZE as usize) == all);
}

#[test]
fn flash_faults_come_to_the_host_by_their_own_status() {
    let sealed = block(|_| {});
    let data = [0; 64];
    let write = Activity::Write(SLOT.base);
    for (fault, status) in [
        (FlashFault::ReadBack, Status::Verify),
        (FlashFault::NotErased, Status::CheckErased),
        (FlashFault::Sequence, Status::Program),
        (FlashFault::WriteProtected, Status::Program),
        (FlashFault::Timeout, Status::Program),
    ] {
        let mut board = Board::of(&sealed);
        board.flash.faults = vec![fault];
        let task = Task::Download { address: SLOT.base, data: &data, style: Style::Counting };
        assert_eq!(drive(&mut board, task), Err(Error::Refused { during: write, status }));
        let task = Task::Download { address: SLOT.base, data: &data, style: Style::Counting };
        drive(&mut board, task).expect("the board takes the next attempt");
    }
    for (fault, status) in [
        (FlashFault::NotErased, Status::CheckErased),
        (FlashFault::WriteProtected, Status::Erase),
        (FlashFault::Timeout, Status::Erase),
    ] {
        let mut board = Board::of(&sealed);
        board.flash.faults = vec![fault];
        let during = Activity::Erase(SLOT.base);
        assert_eq!(erase(&mut board, SLOT.base, 1), Err(Error::Refused { during, status }));
        erase(&mut board, SLOT.base, 1).expect("the board takes the next attempt");
    }
}

#[test]
fn programming_over_data_is_a_verify_error() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.flash.bytes.fill(0xF0);
    let data = [0x0F; 64];
    let task = Task::Download { address: SLOT.base, data: &data, style: Style::Counting };
    let refused = Error::Refused { during: Activity::Write(SLOT.base), status: Status::Verify };
    assert_eq!(drive(&mut board, task), Err(refused));
}

#[test]
fn the_host_has_waited_as_long_as_the_flash_works() {
    let sealed = block(|_| {});
    for style in STYLES {
        let mut board = Board::of(&sealed);
        let data = [0x11; 10_000];
        erase(&mut board, SLOT.base, 0x2_0000).unwrap();
        assert_eq!(board.now_ms, 1550, "two sectors and not a millisecond more");
        drive(&mut board, Task::Download { address: SLOT.base, data: &data, style }).unwrap();
        // Four blocks of 8.192 ms, one of 7.232 ms, each rounded up.
        assert_eq!(board.now_ms, 1550 + 4 * 9 + 8);
        assert!(board.now_ms >= board.busy_until_ms);
    }
}

#[test]
fn a_mass_erase_goes_sector_by_sector_and_says_how_long_the_rest_takes() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.flash.bytes.fill(0);
    board.hold_jobs = true;
    board.download(0, &[0x41]).unwrap();
    assert_eq!(board.status(), (0, 550 + 7 * 1000, 4));
    for left in (1..=7).rev() {
        board.work();
        assert_eq!(board.status(), (0, left * 1000, 4));
    }
    board.work();
    assert_eq!(board.status(), (0, 0, 5));
    assert!(board.flash.range(SLOT.base, SLOT.length).iter().all(|&b| b == 0xFF));
    assert!(board.flash.range(FLASH_BASE, 0x1_0000).iter().all(|&b| b == 0));

    let mut board = Board::of(&sealed);
    board.flash.bytes.fill(0);
    drive(&mut board, Task::EraseAll).unwrap();
    assert_eq!(board.flash.jobs.len(), 8);
}

#[test]
fn a_mass_erase_never_announces_a_hundred_milliseconds() {
    let mut regions = support::REGIONS;
    regions[1].erase_ms = 30;
    regions[2].erase_ms = 10;
    let sealed = block(|fields| fields.regions = &regions);
    let mut board = Board::of(&sealed);
    board.hold_jobs = true;
    board.download(0, &[0x41]).unwrap();
    assert_eq!(board.status(), (0, 101, 4));
}

#[test]
fn abort_stops_a_mass_erase() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.hold_jobs = true;
    board.download(0, &[0x41]).unwrap();
    board.status();
    board.work();
    board.plain(request::ABORT).unwrap();
    board.work();
    assert_eq!(board.status(), (0, 0, 2));
    assert_eq!(board.flash.jobs.len(), 1);
}

#[test]
fn a_job_begins_only_after_the_status_stage_that_announced_it() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.hold_jobs = true;
    board.download(2, &[1; 64]).unwrap();
    assert_eq!(board.control.take_job(), None, "not announced yet");
    board.plain(request::ABORT).unwrap();
    board.download(0, &[0x21, 0x00, 0x00, 0x01, 0x08]).unwrap();
    board.status();
    board.status();
    board.download(2, &[1; 64]).unwrap();
    board.control.setup(&support::class_in(request::GETSTATUS, 0, 6), &board.flash);
    assert_eq!(board.control.take_job(), None, "the answer is on its way");
    board.control.in_done();
    assert_eq!(board.control.take_job(), None, "the status stage is missing");
    board.control.out_packet(&[], &mut board.block, &board.flash);
    assert_eq!(board.control.take_job(), Some(Job::Program { address: SLOT.base, length: 64 }));
    assert_eq!(board.control.take_job(), None, "one at a time");
}

#[test]
fn a_result_that_comes_after_an_abort_changes_nothing_and_the_buffer_is_guarded() {
    let sealed = block(|_| {});
    let mut board = Board::of(&sealed);
    board.hold_jobs = true;
    assert_eq!(board.downloaded(0, &[0x21, 0x00, 0x00, 0x01, 0x08]), (0, 5));
    board.download(2, &[1; 64]).unwrap();
    board.status();
    assert!(board.control.take_job().is_some());
    board.plain(request::ABORT).unwrap();
    assert_eq!(board.download(2, &[2; 64]), Err(support::Stall), "the job still reads the buffer");
    board.plain(request::CLRSTATUS).unwrap();
    board.control.job_done(Err(FlashFault::Timeout));
    assert_eq!(board.status(), (0, 0, 2));
    assert_eq!(board.downloaded(0, &[0x21, 0x00, 0x00, 0x01, 0x08]), (0, 5));
}

#[test]
fn a_region_of_a_slot_that_is_not_writable_stays_closed_too() {
    let mut regions = support::REGIONS;
    regions[1].owner = 0;
    let sealed = block(|fields| fields.regions = &regions);
    let mut board = Board::of(&sealed);
    assert_eq!(board.downloaded(0, &[0x41, 0, 0, 1, 8]), (8, 10));
    for address in [SLOT.base, 0x0802_0000 - 64] {
        let data = [0; 128];
        let task = Task::Download { address, data: &data, style: Style::Counting };
        let refused = Error::Refused { during: Activity::Write(address), status: Status::Address };
        assert_eq!(drive(&mut board, task), Err(refused));
    }
    drive(&mut board, Task::EraseAll).unwrap();
    assert_eq!(board.flash.jobs.len(), 7);
}

#[test]
fn read_unprotect_is_refused_unless_the_board_allows_it() {
    let closed = block(|_| {});
    let mut board = Board::of(&closed);
    assert_eq!(board.upload(0, 64).unwrap(), [0x00, 0x21, 0x41]);
    assert_eq!(board.downloaded(0, &[0x92]), (0x0B, 10));
    assert!(board.flash.jobs.is_empty());

    let open = block(|fields| fields.read_unprotect = true);
    let mut board = Board::of(&open);
    assert_eq!(board.upload(0, 64).unwrap(), [0x00, 0x21, 0x41, 0x92]);
    assert_eq!(board.downloaded(0, &[0x92]), (0, 5));
    assert_eq!(board.flash.jobs, [Job::ReadUnprotect]);
}

#[test]
fn without_a_configuration_nothing_can_be_changed() {
    let erased = [0xFF; surefoot_core::config::BLOCK_LEN];
    let mut board = Board::of(&erased);
    board.flash.bytes.fill(0x77);
    for command in [&[0x41][..], &[0x41, 0, 0, 1, 8], &[0x92]] {
        let (status, state) = board.downloaded(0, command);
        assert!(status != 0 && state == 10, "{command:?}");
        board.plain(request::CLRSTATUS).unwrap();
    }
    assert_eq!(board.downloaded(0, &[0x21, 0, 0, 1, 8]), (0, 5));
    assert_eq!(board.downloaded(2, &[0; 64]), (8, 10));
    assert!(board.flash.jobs.is_empty());
    board.plain(request::CLRSTATUS).unwrap();
    assert_eq!(board.upload(2, 64).unwrap(), board.flash.bytes(SLOT.base, 64).unwrap());
}

#[test]
fn a_task_begins_well_whatever_state_the_device_is_in() {
    let sealed = block(|_| {});
    let data = [1; 100];
    for before in 0..5 {
        let mut board = Board::of(&sealed);
        match before {
            0 => board.download(2, &[0; 64]).unwrap(),
            1 => assert!(board.upload(1, 64).is_err()),
            2 => assert_eq!(board.upload(2, 64).unwrap().len(), 64),
            3 => {
                board.hold_jobs = true;
                board.download(0, &[0x41]).unwrap();
                board.status();
                board.hold_jobs = false;
            }
            _ => assert_eq!(board.downloaded(0, &[0x21, 0, 0, 0, 8]), (0, 5)),
        }
        let task = Task::Download { address: SLOT.base, data: &data, style: Style::Counting };
        drive(&mut board, task).unwrap();
        assert_eq!(board.flash.range(SLOT.base, 100), data);
    }
}

#[test]
fn leave_works_with_and_without_an_address_and_detach_does_the_same() {
    let sealed = block(|_| {});
    for address in [None, Some(SLOT.base)] {
        let mut board = Board::of(&sealed);
        drive(&mut board, Task::Leave { address }).unwrap();
        assert_eq!(board.flash.jobs, [Job::Leave]);
    }
    let mut board = Board::of(&sealed);
    board.plain(request::DETACH).unwrap();
    assert!(board.left);
    assert_eq!(board.state(), 8);
    board.plain(request::ABORT).unwrap();
    assert_eq!(board.state(), 8, "a leave that began goes on");
}
