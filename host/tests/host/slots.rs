//! Slots, journal and option bytes of a device in memory: what is read, what is made of it, and bad bytes.

use crate::common::{application, block_with, key};
use crate::fake::{BASE, Change, Fake, Trouble, info};
use surefoot_core::config::{
    BLOCK_LEN, BinaryHeader, Config, FAMILY_F4, FEATURE_FAILSAFE, HEADER_LEN, OWNER_JOURNAL, OWNER_SLOT0,
    OWNER_SLOT1, Policy, Region, Sector, Slot, Strategy,
};
use surefoot_core::dfu::Status;
use surefoot_core::image::manifest::Override;
use surefoot_core::image::{ImageFault, Version};
use surefoot_core::info::Info;
use surefoot_core::journal::{Event, Journal, RECORD_LEN, REJECTED};
use surefoot_core::port::{Flash, FlashFault, Memory};
use surefoot_core::slot;
use surefoot_host::explain::Explain;
use surefoot_host::files::Segments;
use surefoot_host::image::{Identity, Refused, prepare};
use surefoot_host::job::{
    BrownOut, Change as Protect, Content, JobError, Level, Options, Protection, Refusal, Role, Session,
    Silent, State, choose, plan,
};
use surefoot_host::protocol::Fault;
use surefoot_host::protocol::dfuse::DfuseFault;

const A: Slot = Slot { base: 0x0800_C000, length: 0x7_4000 };
const B: Slot = Slot { base: 0x0808_0000, length: 0x8_0000 };
const JOURNAL: u32 = 0x0800_4000;
const MEMORY: &str = "@Internal Flash   /0x08000000/03*016Ka,01*016Kg,01*064Kg,07*128Kg";
const OPTIONS: u32 = 0x0FFF_AAEC;

fn sealed(strategy: Strategy) -> [u8; BLOCK_LEN] {
    let region = |base, sector_size, count, first, owner| Region {
        base,
        sector_size,
        count,
        first,
        owner,
        erase_ms: 250,
    };
    let regions = [
        region(0x0800_0000, 0x4000, 1, 0, 0),
        region(JOURNAL, 0x4000, 2, 1, OWNER_JOURNAL),
        region(0x0800_C000, 0x4000, 1, 3, OWNER_SLOT0),
        region(0x0801_0000, 0x1_0000, 1, 4, OWNER_SLOT0),
        region(0x0802_0000, 0x2_0000, 3, 5, OWNER_SLOT0),
        region(0x0808_0000, 0x2_0000, 4, 8, OWNER_SLOT1),
    ];
    block_with(Policy::Signature, |fields| {
        fields.strategy = strategy;
        fields.trial_boots = 3;
        fields.slots = &[A, B];
        fields.regions = Vec::leak(regions.to_vec());
        fields.memory = MEMORY;
    })
}

/// A sealed board with erased slots and an erased journal.
fn board(strategy: Strategy) -> Fake {
    let features = 1 | FEATURE_FAILSAFE;
    let (slot_base, slot_length) = (A.base, A.length);
    let mut fake = Fake::ours(Info { features, slot_base, slot_length, options: OPTIONS, ..info() });
    fake.memory = MEMORY;
    fake.flash[0x4000..].fill(0xFF);
    let header = BinaryHeader { version: [0, 1, 0], family: FAMILY_F4, features }.encode();
    fake.flash[0x188..0x188 + HEADER_LEN].copy_from_slice(&header);
    fake.flash[0x188 + HEADER_LEN..][..BLOCK_LEN].copy_from_slice(&sealed(strategy));
    fake
}

fn ab() -> Fake {
    board(Strategy::Ab)
}

fn image_with(slot: Slot, version: u16, counter: u32, overrides: Override) -> Segments {
    let identity = Identity {
        version: Version { major: version, minor: 0, patch: 0 },
        security_counter: counter,
        device_id: 0x413,
        board_id: 0x1234_5678,
    };
    let public = key().verifying_key().to_bytes();
    let unsigned = prepare(application(slot.base, 1000), slot, identity, Some(&public), false).unwrap();
    let unsigned = unsigned.overriding(overrides);
    let signature = unsigned.sign(&key());
    Segments::one(slot.base, unsigned.signed(signature)).unwrap()
}

fn image(slot: Slot, version: u16, counter: u32) -> Segments {
    image_with(slot, version, counter, Override::None)
}

fn put(fake: &mut Fake, segments: &Segments) {
    for segment in segments {
        let at = (segment.address - BASE) as usize;
        fake.flash[at..at + segment.bytes.len()].copy_from_slice(&segment.bytes);
    }
}

/// The device's flash as the board itself sees it.
struct Cells<'f>(&'f mut Vec<u8>);

impl Memory for Cells<'_> {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.0.get((address - BASE) as usize..(address - BASE + length) as usize)
    }
}

impl Flash for Cells<'_> {
    fn erase(&mut self, _config: Config, sector: &Sector) -> Result<(), FlashFault> {
        self.0[(sector.base - BASE) as usize..][..sector.size as usize].fill(0xFF);
        Ok(())
    }

    fn program(&mut self, _config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        self.0[(address - BASE) as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// The board writes a state.
fn record(fake: &mut Fake, strategy: Strategy, event: Event, change: impl FnOnce(&mut Journal)) {
    let block = sealed(strategy);
    let mut cells = Cells(&mut fake.flash);
    let mut journal = Journal::load(Config::parse(&block, FAMILY_F4).unwrap(), &cells);
    change(&mut journal);
    journal.commit(&mut cells, event, 0).unwrap();
}

/// `slot`'s image is confirmed, as the application does it.
fn confirm(fake: &mut Fake, slot: Slot) {
    let id = id(fake, slot);
    record(fake, Strategy::Ab, Event::Installed, |journal| journal.state.set_candidate(id));
    let block = sealed(Strategy::Ab);
    let mut cells = Cells(&mut fake.flash);
    let mut journal = Journal::load(Config::parse(&block, FAMILY_F4).unwrap(), &cells);
    assert_eq!(slot::confirm(&mut journal, &mut cells, slot), Ok(true));
    let other = if slot == A { B } else { A };
    let info = fake.info.as_mut().unwrap();
    (info.slot_base, info.slot_length) = (other.base, other.length);
}

fn id(fake: &mut Fake, slot: Slot) -> u32 {
    slot::id(&Cells(&mut fake.flash), slot)
}

fn state(fake: &mut Fake) -> Option<State> {
    let mut session = Session::open(fake, false).unwrap();
    session.look().unwrap();
    session.target().state.clone()
}

fn refused(fake: &mut Fake, segments: &Segments) -> Result<Vec<String>, ImageFault> {
    let mut session = Session::open(fake, false).unwrap();
    session.look().unwrap();
    match plan(session.target(), None, segments, Options::default()) {
        Ok(plan) => Ok(plan.unproved),
        Err(JobError::Refused(Refused { fault, .. })) => Err(fault),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn slots_and_journal_are_told_as_the_board_knows_them() {
    let mut fake = ab();
    let fresh = state(&mut fake).unwrap();
    assert_eq!((fresh.strategy, fresh.trial_boots, fresh.slots.len()), (Strategy::Ab, 3, 2));
    assert!(fresh.slots.iter().all(|s| (&s.content, s.role) == (&Content::Erased, Role::Spare)));
    assert!(fresh.slots[0].open && !fresh.slots[1].open && fresh.next().is_none() && !fresh.was_cut());
    assert_eq!(fresh.journal.unwrap().log, []);

    put(&mut fake, &image(A, 1, 4));
    confirm(&mut fake, A);
    put(&mut fake, &image(B, 2, 4));
    let id_b = id(&mut fake, B);
    for (tries, role) in
        [(1, Role::Trial { eighths: 1 }), (17, Role::Trial { eighths: 17 }), (REJECTED, Role::Rejected)]
    {
        record(&mut fake, Strategy::Ab, Event::Trial, |journal| {
            journal.state.set_candidate(id_b);
            journal.state.set_tries(tries);
        });
        let state = state(&mut fake).unwrap();
        assert_eq!((state.slots[0].role, state.slots[1].role), (Role::Confirmed, role));
        let next = state.next().unwrap().slot;
        assert_eq!(next, if role == Role::Rejected { A } else { B });
        assert_eq!(state.kept().unwrap().slot, A);
    }
    let state = state(&mut fake).unwrap();
    let Content::Image { manifest, id, key } = &state.slots[1].content else { panic!("{state:?}") };
    assert_eq!((manifest.version.major, *id, *key), (2, id_b, Some(0)));
    let journal = state.journal.unwrap();
    assert_eq!((journal.state.floor(), journal.revoked()), (4, vec![]));
    let sequences: Vec<_> = journal.log.iter().map(|record| record.sequence()).collect();
    assert_eq!(sequences, [20, 16, 12, 8, 4], "a state's three records are one");
    assert_eq!(journal.log[0], journal.state);
}

#[test]
fn a_backup_slot_holds_a_copy_only_when_the_journal_says_so() {
    let strategy = Strategy::Backup;
    let mut fake = board(strategy);
    let one = image(A, 1, 0);
    put(&mut fake, &one);
    let copy = Segments::one(B.base, one.flat(A.base, one.end())).unwrap();
    put(&mut fake, &copy);
    let id = id(&mut fake, A);
    record(&mut fake, strategy, Event::Confirmed, |journal| journal.state.set_confirmed(id, 0, 0));
    let roles = |fake: &mut Fake| state(fake).unwrap().slots.iter().map(|s| s.role).collect::<Vec<_>>();
    assert_eq!(roles(&mut fake), [Role::Confirmed, Role::Spare], "a copy that was begun");
    record(&mut fake, strategy, Event::BackedUp, |journal| journal.state.set_backup(id));
    assert_eq!(roles(&mut fake), [Role::Confirmed, Role::Copy]);
}

#[test]
fn bad_bytes_in_slots_and_journal_are_no_image_and_no_record() {
    let good = image(A, 1, 0);
    let flat = good.flat(A.base, good.end());
    let vectors = |offset: u32| {
        let mut bytes = flat.clone();
        bytes[0x24..0x28].copy_from_slice(&offset.to_le_bytes());
        bytes[0x28..0x2C].copy_from_slice(&(!offset).to_le_bytes());
        bytes
    };
    let mut flipped = flat.clone();
    flipped[1000 + 0x10] ^= 1;
    let table = [
        ("no manifest", vectors(4)),
        ("behind the slot", vectors(A.length)),
        ("at its very end", vectors(A.length - 4)),
        ("at the end of the address space", vectors(0xFFFF_FFFC)),
        ("a flipped bit", flipped),
        ("all zero", vec![0; 2000]),
    ];
    for (name, bytes) in table {
        let mut fake = ab();
        put(&mut fake, &Segments::one(A.base, bytes).unwrap());
        // Neither does rubbish in the journal count, all of both sectors.
        for (i, byte) in fake.flash[0x4000..0xC000].iter_mut().enumerate() {
            *byte = (i * 31 + i / 7) as u8;
        }
        let state = state(&mut fake).unwrap();
        assert_eq!(
            (&state.slots[0].content, state.slots[0].role),
            (&Content::Unknown, Role::Spare),
            "{name}"
        );
        assert_eq!(state.journal.unwrap().log, [], "{name}");
    }
}

#[test]
fn a_torn_record_leaves_the_state_before_it() {
    let mut fake = ab();
    put(&mut fake, &image(A, 1, 9));
    confirm(&mut fake, A);
    record(&mut fake, Strategy::Ab, Event::UpdateBegun, |journal| journal.state.set_candidate(0));
    assert!(state(&mut fake).unwrap().was_cut());
    let record_at = |number: usize| 0x4000 + (number - 1) * RECORD_LEN as usize;
    // Each was the first state since a start: three records, the first two of the same number.
    for (number, offset, bit) in [(9, 3, 0x80), (8, 9, 1)] {
        fake.flash[record_at(number) + offset] ^= bit;
        let left = state(&mut fake).unwrap();
        assert!(left.was_cut(), "without record {number}");
        let journal = left.journal.unwrap();
        assert_eq!((journal.state.sequence(), journal.log.len()), (11, 3), "without record {number}");
    }
    fake.flash[record_at(7) + 9] ^= 1;
    let before = state(&mut fake).unwrap();
    assert!(!before.was_cut());
    let journal = before.journal.unwrap();
    assert_eq!((journal.state.event(), journal.state.floor()), (Event::Confirmed as u8, 9));
}

#[test]
fn a_log_that_went_on_in_the_other_sector_is_told_in_order() {
    let mut fake = ab();
    for number in 0..700 {
        record(&mut fake, Strategy::Ab, Event::Boot, |journal| journal.state.set_cause(number as u8 & 0x7F));
    }
    let journal = state(&mut fake).unwrap().journal.unwrap();
    let sequences: Vec<_> = journal.log.iter().map(|record| record.sequence()).collect();
    assert_eq!(sequences[0], 2800);
    assert!(sequences.windows(2).all(|pair| pair[0] == pair[1] + 4), "{sequences:?}");
    // Three records for each, 512 in a sector: the last 52 of 2100 in the fifth, and the full one before it.
    assert_eq!(sequences.len(), (52 + 512) / 3, "the full sector stays until it is needed");
}

#[test]
fn what_cannot_be_read_is_left_to_the_board() {
    for place in [JOURNAL, A.base, B.base] {
        let mut fake = ab();
        fake.trouble = Trouble::Unreadable(place);
        assert_eq!(state(&mut fake), None, "0x{place:08X}");
        let left = refused(&mut fake, &image(A, 1, 0)).unwrap();
        assert!(left.len() == 1 && left[0].contains("journal"), "{left:?}");
    }
    let mut fake = ab();
    fake.flash[0x188..0x1A8].fill(0);
    assert_eq!(state(&mut fake), None, "no sealed block");
    assert_eq!(state(&mut Fake::rom()), None);
}

#[test]
fn the_journals_floor_is_a_reason_before_the_transfer_unless_an_override_may_fit() {
    let mut fake = ab();
    put(&mut fake, &image(A, 3, 7));
    confirm(&mut fake, A);
    assert_eq!(refused(&mut fake, &image(B, 4, 7)), Ok(vec![]));
    assert_eq!(refused(&mut fake, &image(B, 2, 6)), Err(ImageFault::Downgrade));
    assert_eq!(refused(&mut fake, &image_with(B, 2, 6, Override::Image)), Ok(vec![]));
    // The fake's serial number is "0123", which no unique id makes.
    for id in [[0; 12], [0xFF; 12], [7; 12]] {
        assert_eq!(
            refused(&mut fake, &image_with(B, 2, 6, Override::Device(id))),
            Err(ImageFault::Downgrade)
        );
    }
    fake.serial = "387136163433";
    // "Bytes 11, 10 + 2, 9, 8 + 0, 7, 6 of the unique id, the sums without carry."
    let mut id = [0, 0, 0, 0, 0, 0, 0x33, 0x34, 0x16, 0x36, 0x71, 0x38];
    assert_eq!(refused(&mut fake, &image_with(B, 2, 6, Override::Device(id))).map(|u| u.len()), Ok(1));
    (id[0], id[8]) = (0xFF, 0x17);
    assert_eq!(refused(&mut fake, &image_with(B, 2, 6, Override::Device(id))).map(|u| u.len()), Ok(1));
    id[11] ^= 1;
    assert_eq!(refused(&mut fake, &image_with(B, 2, 6, Override::Device(id))), Err(ImageFault::Downgrade));
}

#[test]
fn nothing_is_passed_over_because_it_reads_as_it_should() {
    let mut fake = ab();
    let wanted = image(A, 1, 0);
    put(&mut fake, &wanted);
    record(&mut fake, Strategy::Ab, Event::UpdateBegun, |_| ());
    let mut session = Session::open(&mut fake, false).unwrap();
    session.look().unwrap();
    let plan = plan(session.target(), None, &wanted, Options::default()).unwrap();
    session.flash(&plan, &mut Silent).unwrap();
    assert_eq!(fake.log[0], Change::Erase(A.base));
    assert!(fake.log.contains(&Change::Write(A.base, 1192)), "{:?}", fake.log);
}

#[test]
fn of_several_builds_the_one_for_the_open_slot_is_chosen() {
    let (a, b) = (image(A, 2, 0), image(B, 2, 0));
    let chosen = |fake: &mut Fake, images: &[Segments]| {
        let session = Session::open(fake, false).unwrap();
        choose(session.target(), images)
    };
    let refusal = |result: Result<usize, JobError>| match result {
        Err(JobError::Refusal(refusal)) => {
            assert!(!refusal.why().is_empty() && !refusal.remedy().is_empty());
            refusal.code()
        }
        other => panic!("{other:?}"),
    };
    let mut fake = ab();
    assert_eq!(chosen(&mut fake, &[b.clone(), a.clone()]), Ok(1));
    assert_eq!(refusal(chosen(&mut fake, std::slice::from_ref(&b))), "plan.other-slot");
    // Raw bytes that were put at the open slot, though they start in the other one.
    let raw = Segments::one(A.base, b.flat(B.base, b.end())).unwrap();
    assert_eq!(refusal(chosen(&mut fake, std::slice::from_ref(&raw))), "plan.other-slot");
    assert_eq!(chosen(&mut fake, &[raw, a.clone()]), Ok(1));
    put(&mut fake, &image(A, 1, 0));
    confirm(&mut fake, A);
    assert_eq!(chosen(&mut fake, &[b.clone(), a.clone()]), Ok(0));
    assert_eq!(refusal(chosen(&mut fake, &[a.clone(), a.clone()])), "plan.none-fits");
    assert_eq!(refusal(chosen(&mut fake, &[b.clone(), a.clone(), b.clone()])), "plan.ambiguous");
    let nowhere = Segments::one(BASE, application(BASE, 500)).unwrap();
    assert_eq!(chosen(&mut fake, &[nowhere]), Ok(0), "the plan tells what is wrong with it");
    assert_eq!(refusal(chosen(&mut Fake::rom(), &[a.clone(), b])), "plan.ambiguous");
    assert_eq!(chosen(&mut Fake::rom(), &[a]), Ok(0));
}

#[test]
fn option_bytes_are_programmed_once_and_read_back() {
    let protect = |fake: &mut Fake, change| Session::open(fake, false).unwrap().protect(change);
    let bootloader =
        Protect { bootloader: true, level: Some(Level::Protected), brown_out: Some(BrownOut::Low) };
    let mut fake = ab();
    assert_eq!(protect(&mut fake, bootloader), Ok(Protection(0x0FFE_55E8)));
    assert_eq!(protect(&mut fake, bootloader), Ok(Protection(0x0FFE_55E8)));
    assert_eq!(fake.log, [Change::Options(0x0FFE_55E8)], "what is in force already is not programmed again");
    let open = Protect { level: Some(Level::Open), ..Protect::default() };
    let lowers = Refusal::Lowers { from: Level::Protected, to: Level::Open };
    assert_eq!(protect(&mut fake, open), Err(lowers.into()));

    let mut fake = ab();
    fake.trouble = Trouble::OptionsTorn(1 << 16);
    let torn = JobError::Options { wanted: 0x0FFE_55E8, found: 0x0FFF_55E8 };
    assert_eq!(protect(&mut fake, bootloader), Err(torn));
    let mut fake = ab();
    fake.trouble = Trouble::OptionsRefused;
    match protect(&mut fake, bootloader) {
        Err(JobError::Protocol(Fault::DfuSe(DfuseFault::Refused {
            status: Status::Vendor, doing, ..
        }))) => {
            assert_eq!(doing, "programming the option bytes");
        }
        other => panic!("{other:?}"),
    }
    let old = Info { features: 1, ..info() };
    for mut fake in [Fake::rom(), Fake::ours(old)] {
        assert_eq!(protect(&mut fake, bootloader), Err(Refusal::NoOptions.into()));
        assert_eq!(fake.log, []);
    }
}

#[test]
fn a_block_that_says_nonsense_of_slots_and_journal_is_not_gone_by() {
    // Region 1 is the journal's: base, sector size, count; then the slots: base, length.
    let table: [(&str, usize, u32); 10] = [
        ("a journal without sectors of the map", 0xB0, 0x0900_0000),
        ("one at the end of the address space", 0xB0, 0xFFFF_C000),
        ("sectors of no whole records", 0xB4, 0x3FF1),
        ("sectors of nothing", 0xB4, 0),
        ("sectors of gigabytes", 0xB4, 0x8000_0000),
        ("one sector", 0xB8, 0x0401_0001),
        ("a thousand sectors", 0xB8, 0x0401_03E8),
        ("a slot past the address space", 0x84, 0xFFFF_FFFF),
        ("a slot outside the flash", 0x88, 0x2000_0000),
        ("a slot of nothing", 0x8C, 0),
    ];
    for (name, at, value) in table {
        let mut fake = ab();
        put(&mut fake, &image(A, 1, 0));
        let block = &mut fake.flash[0x188 + HEADER_LEN..][..BLOCK_LEN];
        block[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let crc = surefoot_core::image::crc32(&block[0x0C..]);
        block[0x08..0x0C].copy_from_slice(&crc.to_le_bytes());
        let mut session = Session::open(&mut fake, false).unwrap();
        assert!(session.target().config().is_some(), "{name}: the checksum is right");
        session.look().unwrap();
        assert_eq!(session.target().state, None, "{name}");
    }
}

#[test]
fn flipped_bits_anywhere_in_what_is_read_are_taken_calmly() {
    let mut seed = 0x1234_5678_9ABC_DEF1_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut told = 0;
    for case in 0..2000 {
        let mut fake = ab();
        put(&mut fake, &image(A, 3, 7));
        confirm(&mut fake, A);
        // Vectors, manifest, the journal's first records, the block.
        let places =
            [0xC000..0xC02C, 0xC000 + 1000..0xC000 + 1192, 0x4000..0x4100, 0x1A8 + 0x0C..0x1A8 + 0x280];
        for _ in 0..=random(3) {
            let place = &places[random(4)];
            fake.flash[place.start + random(place.len())] ^= 1 << random(8);
        }
        let block = &mut fake.flash[0x188 + HEADER_LEN..][..BLOCK_LEN];
        let crc = surefoot_core::image::crc32(&block[0x0C..]);
        block[0x08..0x0C].copy_from_slice(&crc.to_le_bytes());
        let mut session = Session::open(&mut fake, false).unwrap();
        session.look().unwrap();
        if let Some(state) = session.target().state.clone() {
            told += 1;
            let _ = (state.next(), state.kept(), state.was_cut());
            assert!(state.journal.is_none_or(|j| j.log.len() <= 2), "case {case}: a record out of nothing");
        }
        let _ = choose(session.target(), &[image(A, 4, 7), image(B, 4, 7)]);
        let _ = plan(session.target(), None, &image(B, 4, 7), Options::default());
    }
    assert!(told > 500, "most flips leave something to tell: {told}");
}
