//! Jobs against a device in memory: what is refused before the first erase, and what happens after.

use crate::common::{SLOT, application, block, elf, key, revoked_key};
use crate::fake::{Change, Fake, Trouble, info};
use surefoot_core::config::{BLOCK_LEN, BinaryHeader, Config, FAMILY_F4, HEADER_LEN, Policy};
use surefoot_core::dfu::Status;
use surefoot_core::image::{ImageFault, Version};
use surefoot_core::info::Info;
use surefoot_core::port::FlashFault;
use surefoot_host::explain::Explain;
use surefoot_host::files::{self, Format, Part, Place, Segments};
use surefoot_host::image::{CrcPlace, Identity, ImageError, Refused, sign, with_crc};
use surefoot_host::job::{
    Erase, Finish, JobError, Options, Phase, Plan, Progress, Refusal, Session, Silent, plan,
};
use surefoot_host::link::{Departure, LinkError};
use surefoot_host::protocol::dfuse::{DfuSe, DfuseFault, Style};
use surefoot_host::protocol::{Connection, Fault};

const IDENTITY: Identity = Identity {
    version: Version { major: 1, minor: 0, patch: 0 },
    security_counter: 0,
    device_id: 0x413,
    board_id: 0x1234_5678,
};

fn signed(length: usize) -> Segments {
    let image = sign(application(SLOT.base, length), SLOT, IDENTITY, Some(&key()), false).unwrap();
    Segments::one(SLOT.base, image).unwrap()
}

/// Plans and flashes with the example board's file, all of it.
fn flash(fake: &mut Fake, segments: &Segments) -> Result<Finish, JobError> {
    let block = block(Policy::Signature);
    let config = Config::parse(&block, FAMILY_F4).unwrap();
    let mut session = Session::open(fake, false)?;
    let plan = plan(session.target(), Some(config), segments, Options::default())?;
    session.flash(&plan, &mut Silent)?;
    session.verify(&plan.write, &mut Silent)?;
    session.leave(plan.start)
}

fn planned(fake: &mut Fake, config: Option<Config>, segments: &Segments) -> Result<Plan, JobError> {
    let session = Session::open(fake, false)?;
    plan(session.target(), config, segments, Options::default())
}

#[test]
fn a_signed_image_is_erased_for_programmed_verified_and_left() {
    let segments = signed(70_000);
    let mut fake = Fake::ours(info());
    assert_eq!(flash(&mut fake, &segments), Ok(Finish::Application));
    let image = segments.flat(segments.start(), segments.end());
    assert_eq!(fake.flash[0x1_0000..0x1_0000 + image.len()], image);
    let erased: Vec<_> = fake.log.iter().filter(|c| matches!(c, Change::Erase(_))).collect();
    assert_eq!(erased, [&Change::Erase(0x0801_0000), &Change::Erase(0x0802_0000)], "only what is needed");
    assert_eq!(fake.log.last(), Some(&Change::Write(0x0801_0000, 2048)), "the vector table goes last");
    assert_eq!(fake.flash[..0x1_0000], vec![0xA5; 0x1_0000], "nothing else changed");
}

#[test]
fn both_styles_of_blocks_end_with_the_same_flash() {
    let segments = signed(10_000);
    let image = segments.flat(segments.start(), segments.end());
    // An address to read the sealed block at; five blocks, and an address for each or one for the
    // head and one for the rest; and one for the erase.
    for (style, downloads) in [(Style::Counting, 2 + 2 + 5), (Style::AddressPerBlock, 2 + 2 * 5)] {
        let mut fake = Fake::ours(info());
        let connection = Connection { link: &mut fake, programmer: Box::new(DfuSe::with_style(style)) };
        let mut session = Session::open(connection, false).unwrap();
        let plan = plan(session.target(), None, &segments, Options::default()).unwrap();
        session.flash(&plan, &mut Silent).unwrap();
        assert_eq!(fake.downloads, downloads, "{style:?}");
        assert_eq!(fake.flash[0x1_0000..0x1_0000 + image.len()], image);
    }
}

#[test]
fn our_own_bootloader_gets_counting_blocks_and_others_an_address_each() {
    let image = Segments::one(SLOT.base, application(SLOT.base, 10_000)).unwrap();
    let count = |mut fake: Fake| {
        let mut session = Session::open(&mut fake, false).unwrap();
        let options = Options { unchecked: true, ..Options::default() };
        let plan = plan(session.target(), None, &image, options).unwrap();
        session.flash(&plan, &mut Silent).unwrap();
        fake.downloads
    };
    // The ROM's image starts a plan of its own, so its first block goes last too.
    assert_eq!((count(Fake::ours(info())), count(Fake::rom())), (9, 11));
}

#[test]
fn everything_is_refused_before_the_first_erase() {
    let for_zero = files::parse(Format::Elf, &elf(&[(0x0800_0000, &application(0x0800_0000, 400))]), None);
    let bin_for_zero = Segments::one(SLOT.base, application(0x0800_0000, 400)).unwrap();
    let too_big = Segments::one(SLOT.base, application(SLOT.base, 0xF_0004)).unwrap();
    let past = Segments::one(0x0820_0000, vec![1; 16]).unwrap();
    let into_bootloader = Segments::one(0x0800_4000, application(0x0800_4000, 400)).unwrap();
    let refused =
        |e: &JobError, fault| matches!(e, JobError::Refused(Refused { fault: f, .. }) if *f == fault);
    type Check<'a> = Box<dyn Fn(&JobError) -> bool + 'a>;
    let start = |start| JobError::Image(ImageError::Start { start, slot: SLOT.base });
    let table: [(&str, Info, Segments, Check); 10] = [
        ("linked for 0x08000000", info(), for_zero.unwrap().segments, Box::new(|e| *e == start(0x0800_0000))),
        ("a BIN of the same", info(), bin_for_zero, Box::new(|e| refused(e, ImageFault::ResetOutside))),
        ("into the bootloader", info(), into_bootloader, Box::new(|e| *e == start(0x0800_4000))),
        ("behind the slot", info(), past, Box::new(|e| *e == start(0x0820_0000))),
        (
            "too big",
            info(),
            too_big,
            Box::new(|e| matches!(e, JobError::Image(ImageError::TooBig { wanted: 0xF_0004, .. }))),
        ),
        (
            "not signed",
            info(),
            Segments::one(SLOT.base, application(SLOT.base, 400)).unwrap(),
            Box::new(|e| refused(e, ImageFault::NoManifest)),
        ),
        (
            "another chip",
            Info { device_id: 0x419, ..info() },
            signed(400),
            Box::new(|e| *e == Refusal::Chip { device: 0x419, file: 0x413 }.into()),
        ),
        (
            "another board",
            Info { board_id: 9, ..info() },
            signed(400),
            Box::new(|e| *e == Refusal::Board { device: 9, file: 0x1234_5678 }.into()),
        ),
        (
            "another layout",
            Info { slot_base: 0x0802_0000, slot_length: 0xE_0000, ..info() },
            signed(400),
            Box::new(|e| matches!(e, JobError::Refusal(Refusal::Layout { .. }))),
        ),
        (
            "a bootloader that was never sealed",
            Info { config_fault: 1, ..Info::default() },
            signed(400),
            Box::new(|e| matches!(e, JobError::Refusal(Refusal::Configuration { number: 1, .. }))),
        ),
    ];
    for (name, info, segments, check) in table {
        let mut fake = Fake::ours(info);
        let error = flash(&mut fake, &segments).unwrap_err();
        assert!(check(&error), "{name}: {error:?}");
        assert!(!error.code().is_empty() && !error.why().is_empty() && !error.remedy().is_empty(), "{name}");
        assert_eq!(fake.log, [], "{name}: nothing was changed");
    }
}

#[test]
fn without_a_board_file_the_devices_own_words_are_used() {
    let chip = |device_id| Identity { device_id, ..IDENTITY };
    let board = |board_id| Identity { board_id, ..IDENTITY };
    let image = |identity, key| {
        Segments::one(SLOT.base, sign(application(SLOT.base, 400), SLOT, identity, key, false).unwrap())
            .unwrap()
    };
    let mut flipped = signed(400).flat(SLOT.base, signed(400).end());
    flipped[300] ^= 4;
    let mut wrong_hash = signed(400).flat(SLOT.base, signed(400).end());
    wrong_hash[400 + 0x28] ^= 1;
    let crc = surefoot_core::image::crc32(&wrong_hash[400..400 + 0xA0]);
    wrong_hash[400 + 0xA0..400 + 0xA4].copy_from_slice(&crc.to_le_bytes());
    let table = [
        ("good", signed(400), None),
        ("another hash", Segments::one(SLOT.base, wrong_hash).unwrap(), Some(ImageFault::Hash)),
        ("for any board", image(board(0), Some(&key())), None),
        ("another chip", image(chip(0x419), Some(&key())), Some(ImageFault::Chip)),
        ("another board", image(board(5), Some(&key())), Some(ImageFault::Board)),
        ("not signed", image(IDENTITY, None), Some(ImageFault::NotSigned)),
        ("a flipped bit", Segments::one(SLOT.base, flipped).unwrap(), Some(ImageFault::Crc)),
    ];
    for (name, segments, fault) in table {
        let planned = planned(&mut Fake::ours(info()), None, &segments);
        match (planned, fault) {
            (Ok(plan), None) => assert_eq!(plan.unproved.len(), 1, "{name}: the signature, which is told"),
            (Err(JobError::Refused(refused)), Some(fault)) => assert_eq!(refused.fault, fault, "{name}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_plain_image_under_policy_crc_gets_a_clean_slot() {
    let crc_info = Info { policy: 1, ..info() };
    let plain = with_crc(application(SLOT.base, 400), SLOT, CrcPlace::Image).unwrap();
    let plan = planned(&mut Fake::ours(crc_info), None, &plain).unwrap();
    assert_eq!(plan.erase.len(), 8, "a remainder behind it would be taken for its end");
    let plan = planned(&mut Fake::ours(crc_info), None, &signed(400)).unwrap();
    assert_eq!(plan.erase.len(), 1, "a manifest says where the image ends");
}

#[test]
fn over_the_rom_bootloader_anything_goes_that_is_linked_for_its_place() {
    let bootloader = Segments::one(0x0800_0000, application(0x0800_0000, 5_001)).unwrap();
    let mut fake = Fake::rom();
    let mut session = Session::open(&mut fake, false).unwrap();
    let made = plan(session.target(), None, &bootloader, Options::default()).unwrap();
    assert_eq!((made.erase.len(), made.bytes()), (1, 5_004), "whole words");
    session.flash(&made, &mut Silent).unwrap();
    session.verify(&made.write, &mut Silent).unwrap();
    assert_eq!(session.leave(made.start), Ok(Finish::Application));
    assert_eq!(fake.left, Some(0x0800_0000), "the ROM is told where to jump");

    let elsewhere = Segments::one(SLOT.base, application(0x0800_0000, 400)).unwrap();
    let error = planned(&mut Fake::rom(), None, &elsewhere).unwrap_err();
    assert!(matches!(error, JobError::Refused(Refused { linked_for: Some(0x0800_0000), .. })), "{error:?}");
    let data = Segments::one(0x0808_0000, vec![7; 64]).unwrap();
    assert!(planned(&mut Fake::rom(), None, &data).is_ok(), "data is no program");
    let outside = Segments::one(0x2000_0000, vec![7; 64]).unwrap();
    assert_eq!(
        planned(&mut Fake::rom(), None, &outside),
        Err(Refusal::NoMemory { address: 0x2000_0000 }.into())
    );
}

/// A program at the slot's base and six bytes at `address`.
fn two_pieces(address: u32) -> Segments {
    let part = |address, bytes| Part { address, bytes, place: Place::Offset(0) };
    Segments::new([part(SLOT.base, application(SLOT.base, 512)), part(address, vec![3; 6])]).unwrap()
}

#[test]
fn two_pieces_with_a_gap_inside_a_sector_erase_only_their_sectors() {
    let mut fake = Fake::ours(Info { policy: 0, ..info() });
    let mut session = Session::open(&mut fake, false).unwrap();
    let plan = plan(session.target(), None, &two_pieces(0x0802_8000), Options::default()).unwrap();
    session.flash(&plan, &mut Silent).unwrap();
    let expected = [
        Change::Erase(0x0801_0000),
        Change::Erase(0x0802_0000),
        Change::Write(0x0802_8000, 8),
        Change::Write(0x0801_0000, 512),
    ];
    assert_eq!(fake.log, expected);
}

#[test]
fn a_whole_erased_sector_between_two_pieces_is_refused_with_its_number_or_taken_as_part_of_the_image() {
    let mut fake = Fake::ours(Info { policy: 0, ..info() });
    let session = Session::open(&mut fake, false).unwrap();
    let error = plan(session.target(), None, &two_pieces(0x0804_0000), Options::default()).unwrap_err();
    assert_eq!(error.code(), "image.hole");
    let what = error.to_string();
    assert!(what.contains("sector 5 at 0x08020000 (128 KB)"), "{what}");
    assert!(
        error.remedy().contains("`data` region") && error.remedy().contains("--fill-gaps"),
        "{}",
        error.remedy()
    );
    let filled = Options { fill_gaps: true, ..Options::default() };
    let plan = plan(session.target(), None, &two_pieces(0x0804_0000), filled).unwrap();
    let erased: Vec<u32> = plan.erase.iter().map(|s| s.base).collect();
    assert_eq!(erased, [0x0801_0000, 0x0802_0000, 0x0804_0000]);
    assert_eq!(plan.unproved.len(), 1, "{:?}", plan.unproved);
}

#[test]
fn a_whole_erase_stays_inside_the_slot() {
    let session_options = Options { erase: Erase::All, ..Options::default() };
    let mut fake = Fake::ours(info());
    let session = Session::open(&mut fake, false).unwrap();
    let plan = plan(session.target(), None, &signed(400), session_options).unwrap();
    assert_eq!((plan.erase.len(), plan.erased_bytes()), (8, 960 << 10));
}

#[test]
fn a_byte_that_reads_back_wrong_is_named() {
    let mut fake = Fake::ours(info());
    fake.trouble = Trouble::WeakBit(0x0801_0123);
    match flash(&mut fake, &signed(10_000)) {
        Err(JobError::Mismatch { address: 0x0801_0123, wanted, found }) => assert_eq!(wanted ^ found, 1),
        other => panic!("{other:?}"),
    }
    assert_eq!(fake.left, None, "a board with a wrong image is not started");
}

#[test]
fn errors_of_the_device_are_told_with_the_flashs_own_reason() {
    let worn = Info { last_fault: FlashFault::WriteProtected as u8, ..info() };
    let table = [
        (Trouble::WriteFails(0x0801_0800), Status::Program, "writing to 0x08010800"),
        (Trouble::EraseFails(0x0801_0000), Status::Erase, "erasing the sector at 0x08010000"),
    ];
    for (trouble, expected, words) in table {
        let mut fake = Fake::ours(worn);
        fake.trouble = trouble;
        match flash(&mut fake, &signed(10_000)) {
            Err(JobError::Protocol(Fault::DfuSe(DfuseFault::Refused { status, doing, fault }))) => {
                assert_eq!((status, doing.as_str()), (expected, words));
                assert_eq!(fault, Some(FlashFault::WriteProtected));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fake.left, None);
    }
}

#[test]
fn a_pulled_cable_is_told_as_such_and_the_next_try_succeeds() {
    let segments = signed(10_000);
    for at in [0, 3, 7] {
        let mut fake = Fake::ours(info());
        fake.trouble = Trouble::Unplugged(at);
        assert_eq!(flash(&mut fake, &segments), Err(JobError::Link(LinkError::Gone)), "DNLOAD {at}");
        assert_eq!(fake.left, None);
        fake.trouble = Trouble::None;
        assert_eq!(flash(&mut fake, &segments), Ok(Finish::Application));
    }
}

#[test]
fn what_becomes_of_the_board_after_the_leave_is_told_apart() {
    let back = |reason, image_fault| Some(Info { reason, image_fault, ..info() });
    let table = [
        (Departure::Application, None, Ok(Finish::Application)),
        (Departure::Gone, None, Ok(Finish::Left)),
        (Departure::Stayed, None, Err(JobError::StillThere)),
        (
            Departure::Back,
            back(7, ImageFault::Signature as u8),
            Err(JobError::NotBooted(Some(ImageFault::Signature))),
        ),
        (Departure::Back, back(3, 0), Ok(Finish::Back(Some(surefoot_core::decide::Reason::Button)))),
    ];
    for (departure, info_after, expected) in table {
        let mut fake = Fake::ours(info());
        (fake.departure, fake.info_after) = (departure, info_after);
        assert_eq!(flash(&mut fake, &signed(400)), expected);
    }
    let mut rom = Fake::rom();
    rom.departure = Departure::Back;
    let mut session = Session::open(&mut rom, false).unwrap();
    assert_eq!(session.leave(SLOT.base), Err(JobError::StillThere));
}

#[test]
fn reading_is_refused_where_there_is_nothing() {
    let mut fake = Fake::ours(info());
    let mut session = Session::open(&mut fake, false).unwrap();
    assert_eq!(session.read(0x0800_0000, 16, &mut Silent).unwrap(), [0xA5; 16], "the bootloader too");
    let end = session.read(0x080F_FFF8, 16, &mut Silent);
    assert_eq!(end, Err(Refusal::NoMemory { address: 0x0810_0000 }.into()));
}

#[test]
fn progress_adds_up_in_every_phase() {
    #[derive(Default)]
    struct Sums(Vec<(Phase, u64, u64)>);
    impl Progress for Sums {
        fn begin(&mut self, phase: Phase, total: u64) {
            self.0.push((phase, total, 0));
        }
        fn advance(&mut self, bytes: u64) {
            self.0.last_mut().unwrap().2 += bytes;
        }
        fn end(&mut self) {}
    }
    let mut fake = Fake::ours(info());
    let mut session = Session::open(&mut fake, false).unwrap();
    let plan = plan(session.target(), None, &signed(70_000), Options::default()).unwrap();
    let mut sums = Sums::default();
    session.flash(&plan, &mut sums).unwrap();
    session.verify(&plan.write, &mut sums).unwrap();
    assert_eq!(sums.0.iter().map(|s| s.0).collect::<Vec<_>>(), [Phase::Erase, Phase::Program, Phase::Verify]);
    for (phase, total, done) in sums.0 {
        assert_eq!(done, total, "{phase:?}");
    }
}

#[test]
fn a_memory_string_without_meaning_is_refused() {
    for memory in ["", "Flash", "@x/0x08000000/00*016Kg", "@x/0x08000000/99999*004Kg"] {
        let mut fake = Fake::ours(info());
        fake.memory = memory;
        match Session::open(&mut fake, false) {
            Err(JobError::Protocol(Fault::DfuSe(DfuseFault::Memory(text)))) => assert_eq!(text, memory),
            other => panic!("{memory:?}: {:?}", other.map(|s| s.target().clone())),
        }
    }
}

#[test]
fn a_memory_string_with_a_tail_is_taken_as_far_as_it_is_whole_and_that_is_said() {
    for tail in [" ", "\u{1}\u{2}", ",00*128Kg", ",x"] {
        let memory = format!("@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg{tail}");
        let mut fake = Fake::ours(info());
        fake.memory = memory.leak();
        assert_eq!(flash(&mut fake, &signed(400)), Ok(Finish::Application), "{tail:?}");
        let session = Session::open(&mut fake, false).unwrap();
        assert_eq!(session.target().device.sectors.len(), 12, "{tail:?}");
        assert!(
            session.target().device.note.as_ref().is_some_and(|note| note.contains("not whole")),
            "{tail:?}"
        );
    }
    let mut fake = Fake::ours(info());
    assert_eq!(Session::open(&mut fake, false).unwrap().target().device.note, None);
}

#[test]
fn what_a_terminal_would_obey_in_a_devices_strings_is_made_visible() {
    let mut fake = Fake::ours(info());
    fake.serial = "31\u{1b}[2J\u{1b}]0;pwned\u{7}\r\n\u{9b}31m";
    let session = Session::open(&mut fake, false).unwrap();
    let serial = &session.target().device.serial;
    assert_eq!(serial, "31\\u{1b}[2J\\u{1b}]0;pwned\\u{7}\\u{d}\\u{a}\\u{9b}31m");
}

#[test]
fn bytes_behind_the_manifest_are_refused_since_nothing_covers_them() {
    let image = signed(400);
    let flat = image.flat(image.start(), image.end());
    let behind = image.end();
    let with = |address: u32, bytes: Vec<u8>| {
        let part = |address, bytes| Part { address, bytes, place: Place::Offset(0) };
        Segments::new([part(SLOT.base, flat.clone()), part(address, bytes)]).unwrap()
    };
    for address in [behind, behind + 0x1000, SLOT.end() - 4] {
        let mut fake = Fake::ours(info());
        let got = flash(&mut fake, &with(address, vec![0xFF, 0xFF, 0xFF, 0x11]));
        let address = address + 3;
        assert_eq!(got, Err(JobError::Image(ImageError::BehindManifest { address })));
        assert_eq!(fake.log, []);
    }
    let mut fake = Fake::ours(info());
    assert_eq!(flash(&mut fake, &with(behind, vec![0xFF; 64])), Ok(Finish::Application), "as erased flash");
    let session = Session::open(&mut fake, false).unwrap();
    let options = Options { unchecked: true, ..Options::default() };
    let blind = plan(session.target(), None, &with(behind, vec![1; 4]), options).unwrap();
    assert!(blind.unproved.iter().any(|text| text.contains("behind")), "{:?}", blind.unproved);
}

/// A board whose bootloader was sealed with this block.
fn sealed(policy: Policy) -> Fake {
    let mut fake = Fake::ours(Info { policy: policy as u8, ..info() });
    let header = BinaryHeader { version: [0, 1, 0], family: FAMILY_F4, features: 1 }.encode();
    fake.flash[0x188..0x188 + HEADER_LEN].copy_from_slice(&header);
    fake.flash[0x188 + HEADER_LEN..][..BLOCK_LEN].copy_from_slice(&block(policy));
    fake
}

#[test]
fn a_board_proves_images_by_its_own_sealed_keys_with_and_without_a_board_file() {
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let by = |key: &ed25519_dalek::SigningKey| {
        let image = sign(application(SLOT.base, 400), SLOT, IDENTITY, Some(key), false).unwrap();
        Segments::one(SLOT.base, image).unwrap()
    };
    let good = planned(&mut sealed(Policy::Signature), None, &by(&key())).unwrap();
    assert_eq!(good.unproved, Vec::<String>::new(), "nothing is left to the board");
    for (key, fault) in [(&stranger, ImageFault::UnknownKey), (&revoked_key(), ImageFault::RevokedKey)] {
        let got = planned(&mut sealed(Policy::Signature), None, &by(key));
        assert!(matches!(got, Err(JobError::Refused(r)) if r.fault == fault), "{got:?}");
    }
    // A board file that trusts the stranger changes nothing about what is sealed.
    let mut trusting = block(Policy::Signature);
    let own = key().verifying_key().to_bytes();
    let at = trusting.windows(32).position(|w| w == own).unwrap();
    trusting[at..at + 32].copy_from_slice(&stranger.verifying_key().to_bytes());
    let crc = surefoot_core::image::crc32(&trusting[0x0C..]);
    trusting[8..12].copy_from_slice(&crc.to_le_bytes());
    let config = Config::parse(&trusting, FAMILY_F4).unwrap();
    assert!(planned(&mut Fake::ours(info()), Some(config), &by(&stranger)).is_ok(), "no block to read");
    let got = planned(&mut sealed(Policy::Signature), Some(config), &by(&stranger));
    assert!(matches!(&got, Err(JobError::Refused(r)) if r.fault == ImageFault::UnknownKey), "{got:?}");
    assert!(planned(&mut sealed(Policy::Signature), Some(config), &by(&key())).is_ok());
}

#[test]
fn a_board_file_with_another_policy_than_the_boards_is_refused() {
    let block = block(Policy::None);
    let config = Config::parse(&block, FAMILY_F4).unwrap();
    for mut fake in [sealed(Policy::Signature), Fake::ours(info())] {
        let got = planned(&mut fake, Some(config), &signed(400));
        assert_eq!(got, Err(Refusal::Policy { device: 2, file: Policy::None }.into()));
    }
}

#[test]
fn a_damaged_or_foreign_block_proves_nothing_and_the_board_file_does() {
    let block = block(Policy::Signature);
    let config = Config::parse(&block, FAMILY_F4).unwrap();
    let mut damaged = sealed(Policy::Signature);
    damaged.flash[0x188 + HEADER_LEN + 0x20] ^= 1;
    let plain = planned(&mut damaged, None, &signed(400)).unwrap();
    assert_eq!(plain.unproved.len(), 1, "the signature");
    assert_eq!(planned(&mut damaged, Some(config), &signed(400)).unwrap().unproved, Vec::<String>::new());
}
