//! The bootloader's flash driver on the chip's own flash controller: every width, every fault.

use std::time::Duration;
use surefoot_board::Board as BoardFile;
use surefoot_core::config::{OWNER_JOURNAL, Policy};
use surefoot_core::dfu::{State, Status, command, request};
use surefoot_core::image::ImageFault;
use surefoot_core::journal::{self, Event};
use surefoot_core::port::FlashFault;
use surefoot_host::job::{Finish, Session};
use surefoot_host::link::Usb;
use surefoot_images::{F4_CRC, F4_FULL};
use surefoot_sim::{Bits, Defect, Failing, Kind, Leaves, Nanos, Told};
use surefoot_tests::fixtures::{self, SLOT};
use surefoot_tests::rig::{Found, Rig, board_file, example_key};

const SECOND: Nanos = Nanos::secs(1);

fn on(mut rig: Rig) -> Rig {
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    rig.attach().expect("enumerates");
    rig
}

fn waiting() -> Rig {
    on(Rig::new(F4_FULL, Policy::None).expect("the example board"))
}

fn download(rig: &mut Rig, block: u8, data: &[u8]) -> (u8, u8) {
    rig.download(block, data).expect("GETSTATUS is always answered")
}

fn order(rig: &mut Rig, code: u8, address: u32) -> (u8, u8) {
    let mut data = vec![code];
    data.extend(address.to_le_bytes());
    download(rig, 0, &data)
}

fn clear(rig: &mut Rig) {
    let asked = [request::OUT, request::CLRSTATUS, 0, 0, 0, 0, 0, 0];
    rig.control_out(asked, &[], Duration::from_secs(1)).expect("CLRSTATUS");
}

fn flash(rig: &Rig, address: u32, length: usize) -> &[u8] {
    rig.board.read_memory(address, length).expect("flash")
}

const GOOD: (u8, u8) = (Status::Ok as u8, State::DownloadIdle as u8);

#[test]
fn an_update_is_programmed_as_wide_as_the_supply_allows() {
    let path = fixtures::root().join("boards/f4-discovery.toml");
    let text = std::fs::read_to_string(&path).expect("the example board");
    // At 1.8 V the chip does no more than 160 MHz (DS8626, "Limitations depending on supply").
    let text = text.replace("policy = \"signature\"", "policy = \"crc\"").replace("168 MHz", "120 MHz");
    let mut busy = Vec::new();
    for (voltage, psize) in [("1.8V-2.1V", 0), ("2.1V-2.4V", 1), ("2.7V-3.6V", 2)] {
        let text = text.replace("2.7V-3.6V", voltage);
        let file = BoardFile::parse(&text, path.parent().expect("boards")).expect("a good board");
        let rig = Rig::with(F4_CRC, file).expect("seals");
        assert_eq!(rig.config().psize(), psize, "{voltage}");
        let mut rig = on(rig);
        let filler = rig.filler(0x3000 + 0x124);
        let image = rig.manifest(filler, [1, 0, 0], None).expect("fits");
        let before = rig.board.flash_time();
        assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application, "{voltage}");
        busy.push(rig.board.flash_time().since(before));
        rig.board.assert_no_violations(|_| false);
    }
    assert!(busy.is_sorted_by(|a, b| a > b), "narrower takes longer: {busy:?}");
}

#[test]
fn short_and_unaligned_blocks_are_padded_with_what_is_there() {
    let mut rig = waiting();
    assert_eq!(order(&mut rig, command::ERASE, SLOT), GOOD);
    for (offset, length) in [(0, 1), (1, 2), (3, 7), (10, 64), (74, 65), (139, 2048), (2187, 5)] {
        let data: Vec<u8> = (0..length).map(|i| (offset + i) as u8 & 0x7F).collect();
        assert_eq!(order(&mut rig, command::SET_ADDRESS, SLOT + offset), GOOD);
        assert_eq!(download(&mut rig, 2, &data), GOOD, "{length} at {offset}");
    }
    let expected: Vec<u8> = (0..2192u32).map(|i| i as u8 & 0x7F).chain([0xFF; 16]).collect();
    assert_eq!(flash(&rig, SLOT, expected.len()), expected);
}

#[test]
fn what_is_not_erased_is_told_and_not_touched_and_the_same_again_is_fine() {
    let mut rig = waiting();
    assert_eq!(order(&mut rig, command::ERASE, SLOT), GOOD);
    assert_eq!(order(&mut rig, command::SET_ADDRESS, SLOT), GOOD);
    let first = [0x5A; 256];
    assert_eq!(download(&mut rig, 2, &first), GOOD);
    let operations = rig.board.operations();
    assert_eq!(download(&mut rig, 2, &first), GOOD, "a host that lost the answer asks again");
    let mut second = first;
    second[200] = 0x5B;
    assert_eq!(download(&mut rig, 2, &second), (Status::CheckErased as u8, State::Error as u8));
    assert_eq!(rig.board.operations(), operations);
    assert_eq!(flash(&rig, SLOT, 256), first);
    assert_eq!(rig.info().expect("answers").last_fault, FlashFault::NotErased as u8);
    clear(&mut rig);
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn a_sector_protected_by_its_option_bit_is_told_as_such() {
    let mut rig = Rig::new(F4_FULL, Policy::None).expect("the example board");
    // nWRP of sector 4, the slot's first (RM0090, 3.9.9).
    let options = rig.board.option_bytes() & !(1 << (16 + 4));
    rig.board.set_option_bytes(options);
    let mut rig = on(rig);
    assert_eq!(order(&mut rig, command::ERASE, SLOT), (Status::Erase as u8, State::Error as u8));
    assert_eq!(rig.info().expect("answers").last_fault, FlashFault::WriteProtected as u8);
    clear(&mut rig);
    assert_eq!(order(&mut rig, command::SET_ADDRESS, SLOT), GOOD);
    assert_eq!(download(&mut rig, 2, &[1; 64]), (Status::Program as u8, State::Error as u8));
    clear(&mut rig);
    assert_eq!(flash(&rig, SLOT, 64), [0xFF; 64]);
    // The next sector still is as good as before, and the controller was left locked.
    assert_eq!(order(&mut rig, command::ERASE, SLOT + 0x1_0000), GOOD);
    assert_eq!(order(&mut rig, command::SET_ADDRESS, SLOT + 0x1_0000), GOOD);
    assert_eq!(download(&mut rig, 2, &[1; 64]), GOOD);
    rig.board.assert_no_violations(|v| v.kind == Kind::Protected);
}

#[test]
fn erasing_everything_erases_the_slot_and_answers_in_between() {
    let mut rig = waiting();
    let edges = [SLOT - 4, SLOT, SLOT + 0xF_0000 - 4];
    for address in edges {
        assert!(rig.board.write_flash(address, &[0; 4]));
    }
    let start = rig.board.now();
    assert_eq!(download(&mut rig, 0, &[command::ERASE]), GOOD);
    let taken = rig.board.now().since(start);
    // One sector of 64K and seven of 128K at 550 ms and 1 s (DS8626, x32), and little beside.
    assert!((7_550..7_700).contains(&(taken.0 / 1_000_000)), "{taken:?}");
    let words: Vec<u32> = edges.iter().map(|a| rig.board.read_word(*a).expect("flash")).collect();
    assert_eq!(words, [0, u32::MAX, u32::MAX]);
    assert_eq!(board_file(Policy::None).expect("a board").slot().base, SLOT);
    rig.board.assert_no_violations(|_| false);
}

/// The option bytes of a new chip, as FLASH_OPTCR shows them, and of one protected from being read.
const OPEN: u32 = 0x0FFF_AAEC;
const LEVEL_1: u32 = 0x0FFF_55EC;

/// nWRP of a sector, low when it is protected (RM0090, 3.9.9).
fn nwrp(sector: u32) -> u32 {
    1 << (16 + sector)
}

#[test]
fn option_bytes_that_take_protection_away_or_lock_the_slot_or_ask_for_too_many_volts_are_refused() {
    const BROWN_OUT: u32 = 0b11 << 2;
    let sealed = OPEN & !nwrp(0);
    // WDG_SW, nRST_STOP, nRST_STDBY, the lock, the start, and what this chip has not.
    let others: Vec<u32> = [0, 1, 4, 5, 6, 7, 28, 31].map(|bit| OPEN ^ 1 << bit).into();
    let sectors: Vec<u32> = (1..12).map(|sector| OPEN & !nwrp(sector)).collect();
    // Something that is allowed does not bring in what is not.
    let both = vec![OPEN & !nwrp(0) & !nwrp(1), sealed & !nwrp(4), LEVEL_1 & !nwrp(11), LEVEL_1 & !(1 << 5)];
    let (starved, fed) = ("2.1V-2.4V", "2.7V-3.6V");
    let levels = (0..3).map(|level| OPEN & !BROWN_OUT | level << 2).collect();
    let table = [
        ("a new chip", fed, OPEN, [others, sectors, both].concat(), LEVEL_1 & !nwrp(0) & !BROWN_OUT),
        ("a low supply", starved, OPEN, levels, sealed),
        ("its sector", fed, sealed, vec![OPEN, LEVEL_1], sealed & LEVEL_1 & !(1 << 2)),
        ("a locked slot", fed, OPEN & !nwrp(4), vec![OPEN & !nwrp(5)], OPEN),
        ("level 1", fed, LEVEL_1, vec![OPEN, sealed, LEVEL_1 & !0xFF00], LEVEL_1 & !nwrp(0)),
        ("level 1 for ever", fed, LEVEL_1, vec![OPEN & !nwrp(0)], LEVEL_1 & !0xFF00 | 0xCC00),
    ];
    let path = fixtures::root().join("boards/f4-discovery.toml");
    let text = std::fs::read_to_string(&path).expect("the example board").replace("168 MHz", "120 MHz");
    for (name, voltage, old, refused, taken) in table {
        let text = text.replace("2.7V-3.6V", voltage);
        let file = BoardFile::parse(&text, path.parent().expect("boards")).expect("a good board");
        let mut rig = Rig::with(F4_FULL, file).expect("seals");
        rig.board.set_option_bytes(old);
        let mut rig = on(rig);
        let (before, operations) = (rig.board.flash().to_vec(), rig.board.operations());
        for new in refused {
            let told = order(&mut rig, command::OPTIONS, new);
            assert_eq!(told, (Status::Vendor as u8, State::Error as u8), "{name}: {new:#x}");
            let info = rig.info().expect("answers");
            let found = (info.last_fault, info.options, rig.board.option_bytes());
            assert_eq!(found, (FlashFault::WriteProtected as u8, old, old), "{name}: {new:#x}");
            clear(&mut rig);
        }
        assert!(rig.board.operations() == operations && rig.board.flash() == before, "{name}: touched");
        assert_eq!(order(&mut rig, command::OPTIONS, taken), GOOD, "{name}: {taken:#x}");
        assert_eq!(rig.board.option_bytes(), taken, "{name}");
        assert!(rig.board.flash() == before, "{name}: erased");
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_sector_that_an_erase_leaves_as_it_was_is_told() {
    for leaves in [Leaves::Old, Leaves::Torn(Bits::Solid, 1)] {
        let mut rig = waiting();
        let last = SLOT + 0x1_0000 - 4;
        assert!(rig.board.write_flash(SLOT, &[0x5A; 64]) && rig.board.write_flash(last, &[0; 4]));
        let erase = Failing::Erase { sector: 4, leaves };
        rig.board.add_defect(Defect { what: erase, told: Told::Nothing, times: Some(2) });
        let not_erased = (Status::CheckErased as u8, State::Error as u8);
        for data in [&[command::ERASE][..], &[command::ERASE, 0, 0, 1, 8]] {
            assert_eq!(download(&mut rig, 0, data), not_erased, "{leaves:?}");
            assert_eq!(rig.info().expect("answers").last_fault, FlashFault::NotErased as u8);
            clear(&mut rig);
        }
        assert_eq!(order(&mut rig, command::ERASE, SLOT), GOOD, "at the third try");
        assert!(flash(&rig, SLOT, 0x1_0000).iter().all(|byte| *byte == 0xFF));
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn an_image_in_a_sector_whose_erase_failed_is_not_taken_though_it_is_the_same() {
    let path = fixtures::root().join("boards/f4-discovery-ab.toml");
    for erases in [false, true] {
        let file = BoardFile::load(&path).expect("an example");
        let mut rig = Rig::with(F4_FULL, file).expect("the example board");
        let key = example_key().expect("published");
        let slot = rig.slot();
        let image = rig.manifest(rig.filler(0x800), [1, 0, 0], Some(&key)).expect("fits");
        let bytes = image.flat(slot.base, image.end());
        assert!(bytes.len() < 0x1000 && rig.board.write_flash(slot.base, &bytes));
        let erase = Failing::Erase { sector: 3, leaves: Leaves::Old };
        rig.board.add_defect(Defect { what: erase, told: Told::Nothing, times: Some(1) });
        rig.into_update_mode().expect("by its button");
        let not_erased = (Status::CheckErased as u8, State::Error as u8);
        assert_eq!(order(&mut rig, command::ERASE, slot.base), not_erased);
        clear(&mut rig);
        if erases {
            assert_eq!(order(&mut rig, command::ERASE, slot.base), GOOD);
        }
        assert_eq!(order(&mut rig, command::SET_ADDRESS, slot.base), GOOD);
        for (block, data) in (2..).zip(bytes.chunks(2048)) {
            assert_eq!(download(&mut rig, block, data), GOOD, "erased: {erases}");
        }
        assert_eq!(flash(&rig, slot.base, bytes.len()), bytes);
        let left = Session::open(&mut rig, false).and_then(|mut session| session.leave(slot.base));
        assert_eq!(left.is_ok(), erases, "{left:?}");
        let config = rig.config().with_open(OWNER_JOURNAL);
        let sector = config.sector_from(0).expect("a journal");
        let records = journal::history(flash(&rig, sector.base, sector.size as usize));
        let refused: Vec<u8> =
            records.filter(|r| r.event() == Event::Refused as u8).map(|r| r.detail()).collect();
        let expected: &[u8] = if erases { &[] } else { &[ImageFault::NotErased as u8; 2] };
        assert_eq!(refused, expected, "erased: {erases}");
        rig.board.assert_no_violations(|_| false);
    }
}

/// A board with a backup slot whose image has confirmed itself.
fn confirmed_with_a_backup_slot() -> Rig {
    let file =
        BoardFile::load(&fixtures::root().join("boards/f4-discovery-backup.toml")).expect("an example");
    let mut rig = on(Rig::with(F4_FULL, file).expect("the example board"));
    let elf = fixtures::blinky_rust(50, rig.slot().base).expect("builds");
    let key = example_key().expect("published");
    let image = rig.image(&elf, [1, 0, 0], Some(&key)).expect("fits");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    // After its self-test.
    rig.board.run_for(Nanos::millis(400));
    rig
}

#[test]
fn a_copy_back_that_never_helps_does_not_go_on_until_the_flash_is_worn_out() {
    let mut rig = confirmed_with_a_backup_slot();
    rig.into_update_mode().expect("by its button, and its image is copied away");
    // The slot it runs in loses a bit for good.
    let base = rig.slot().base;
    assert!(rig.board.write_flash(base, &[0; 64]));
    let word = Failing::Word { address: base, ones: 0, zeros: 1 << 29 };
    rig.board.add_defect(Defect { what: word, told: Told::Nothing, times: None });
    rig.board.power_off();
    let before = rig.board.operations();
    assert_eq!(rig.power_on(Nanos::secs(20)), Found::UpdateMode);
    let tried = rig.board.operations();
    assert!(tried > before, "nothing was tried");
    // It tries again at each time-out of 30 s, so often and no more.
    rig.board.run_for(Nanos::secs(300));
    let tried_again = rig.board.operations();
    assert!(tried_again > tried, "nothing was tried again");
    rig.board.run_for(Nanos::secs(300));
    assert_eq!(rig.board.operations(), tried_again, "it goes on for ever");
}

#[test]
fn a_board_that_could_not_copy_its_image_away_erases_nothing_when_told_to_erase_everything() {
    let mut rig = confirmed_with_a_backup_slot();
    // The backup slot does not erase any more.
    assert!(rig.board.write_flash(rig.config().slot(1).base, &[0x5A; 64]));
    let erase = Failing::Erase { sector: 8, leaves: Leaves::Old };
    rig.board.add_defect(Defect { what: erase, told: Told::Nothing, times: None });
    rig.into_update_mode().expect("by its button");
    assert_eq!(rig.info().expect("answers").last_fault, FlashFault::NotErased as u8);
    let before = rig.board.flash().to_vec();
    for data in [&[command::ERASE][..], &[command::ERASE, 0, 0, 0, 8], &[command::ERASE, 0, 0, 0xC, 8]] {
        let (status, state) = download(&mut rig, 0, data);
        assert!(status != Status::Ok as u8 && state == State::Error as u8, "{data:x?}: {status:#x}");
        rig.control_out([request::OUT, request::CLRSTATUS, 0, 0, 0, 0, 0, 0], &[], Duration::from_secs(1))
            .expect("CLRSTATUS");
    }
    assert!(rig.board.flash() == before, "something was erased");
    rig.board.assert_no_violations(|_| false);
}
