//! Flash that is at fault once: a sector, a unit or a bit that does at the next try what it should.
//!
//! What may not come of it: a start that ends in update mode although the confirmed image can be
//! copied back, a backup that is none, and an update of the slot that holds the confirmed image.

use super::board::{Board, Kind, Started, cause};
use super::family::{FAMILIES, Family, SMALLEST};
use super::flash::{Cut, When};
use super::image::recipe;
use super::scenario::{self, Act};
use surefoot_core::config::{OWNER_SLOT0, OWNER_SLOT1, Policy, Sector, Strategy};
use surefoot_core::image::{ImageFault, manifest};
use surefoot_core::journal::{BEGUN, Event, Journal};
use surefoot_core::slot::{self, Erased};

/// A board after these acts, with power on.
fn after(family: &'static Family, strategy: Strategy, acts: &[Act]) -> Board {
    let mut board = Board::new(Kind::new(family, strategy, Policy::Crc));
    scenario::act(&mut board, acts);
    assert!(board.broken.is_empty(), "{:?}", board.broken);
    board.power_on(None, 1);
    board
}

/// A board whose confirmed image is in its backup slot only.
fn overwritten(family: &'static Family) -> Board {
    after(family, Strategy::Backup, &[Act::Update("old"), Act::Rest, Act::Broken("new")])
}

/// The start ends in this image.
fn starts(board: &mut Board, name: &str, case: &str) {
    let started = board.boot(cause::PIN);
    assert!(board.broken.is_empty(), "{case}: {:?}", board.broken);
    let runs = matches!(started, Started::Image(i) if board.kind.images[i].recipe().name == name);
    assert!(runs, "{case}: {started:?}");
}

/// Addresses of all that tells an image's id in this slot, and of some of its code.
fn addresses(board: &Board, slot: usize) -> impl Iterator<Item = u32> + use<> {
    let base = board.kind.family.slot(slot).base;
    let manifest = base + board.kind.family.body;
    (base..base + 0x2C).chain((base + 0x2C..manifest).step_by(16)).chain(manifest..manifest + 0xC0)
}

/// Runs `act` on copies of the board with a misread of each of these addresses, at its first read, at its
/// second, and so on, later in wider steps, until there are no more reads of it. The number of misreads.
fn misread(board: &Board, slots: &[usize], mut act: impl FnMut(&mut Board, &str)) -> usize {
    let mut misreads = 0;
    for address in slots.iter().flat_map(|slot| addresses(board, *slot)) {
        let mut read = 0;
        loop {
            let mut board = board.clone();
            board.flash.slip_after(read, address, 1 << (address % 8), 1);
            act(&mut board, &format!("{address:x} read wrong after {read} reads"));
            if !board.flash.has_slipped() {
                break;
            }
            misreads += 1;
            read += 1 + read / 16;
        }
    }
    misreads
}

/// Noise: the upper halves of an LCG's states.
fn noise(state: &mut u128) -> u128 {
    let mut half = || {
        *state = state.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(1);
        *state >> 64
    };
    half() << 64 | half()
}

#[test]
fn an_operation_that_fails_once_while_the_backup_is_copied_back_does_not_keep_it_from_running() {
    let start = overwritten(&FAMILIES[0]);
    let mut whole = start.clone();
    starts(&mut whole, "old", "without a fault");
    let sectors = whole.flash.done.iter().filter(|operation| operation.erase).count();
    assert!(sectors == 2 && whole.flash.done.len() > 70, "nothing was copied");
    for operation in &whole.flash.done {
        let mut board = start.clone();
        board.flash.passing = true;
        let place = if operation.erase { &mut board.flash.stuck_sector } else { &mut board.flash.stuck_unit };
        *place = Some(operation.address);
        starts(&mut board, "old", &format!("{operation:x?} fails once"));
        starts(&mut board, "old", &format!("the start after {operation:x?} failed once"));
    }
}

#[test]
fn a_bit_that_reads_wrong_once_while_the_backup_is_copied_back_does_not_keep_it_from_running() {
    let start = overwritten(&SMALLEST);
    let misreads = misread(&start, &[0, 1], |board, case| starts(board, "old", case));
    assert!(misreads > 2000, "{misreads} misreads");
}

#[test]
fn a_bit_that_reads_wrong_once_while_the_backup_is_made_leaves_a_backup_that_can_be_copied_back() {
    let acts = [Act::Update("old"), Act::Rest, Act::Update("new"), Act::Rest];
    let start = after(&SMALLEST, Strategy::Backup, &acts);
    let misreads = misread(&start, &[0, 1], |board, case| {
        board.update(recipe("next"), 50);
        assert!(board.broken.is_empty(), "{case}: {:?}", board.broken);
        // A misread of the host's own bytes ends its update; one of the copy does not.
        let last = Journal::load(board.kind.config, &board.flash).state.event();
        let begun = [Event::UpdateBegun, Event::UpdateFault].iter().any(|event| *event as u8 == last);
        assert!(begun, "{case}: no slot was opened");
        board.power_on(None, 1);
        starts(board, "new", case);
    });
    assert!(misreads > 2000, "{misreads} misreads");
}

#[test]
fn a_bit_that_reads_differently_each_time_leaves_a_backup_that_can_be_copied_back_or_no_update() {
    let acts = [Act::Update("old"), Act::Rest, Act::Update("new"), Act::Rest];
    let start = after(&SMALLEST, Strategy::Backup, &acts);
    let mut wrong = 1u128;
    let (mut tried, mut begun) = (0, 0);
    for address in addresses(&start, 0) {
        for _ in 0..8 {
            let wrong = noise(&mut wrong);
            let mut board = start.clone();
            board.flash.slip(address, 1 << (address % 8), wrong);
            board.known.faulty = true;
            board.update(recipe("next"), 50);
            let case = format!("{address:x} reads wrong as in {wrong:b}");
            assert!(board.broken.is_empty(), "{case}: {:?}", board.broken);
            tried += 1;
            begun += u32::from(Journal::load(board.kind.config, &board.flash).state.tries() == BEGUN);
            // The bit was erased with the update.
            board.flash.slip(address, 0, 0);
            board.power_on(None, 1);
            starts(&mut board, "new", &case);
        }
    }
    assert!(tried > 500 && begun > tried * 3 / 4, "{begun} updates begun of {tried}");
}

/// What becomes of the image in slot 1, if it is offered with these sectors erased.
fn offered(start: &Board, erased: &[Sector]) -> Result<(), ImageFault> {
    let mut board = start.clone();
    let slot = board.kind.family.slot(1);
    let mut journal = Journal::load(board.kind.config, &board.flash);
    let mut to = Erased::none(slot);
    erased.iter().for_each(|sector| to.add(sector));
    assert_eq!(slot::begin(&mut journal, &mut board), Ok(()));
    let taken = slot::install(&mut journal, &mut board, slot, to);
    assert_eq!(journal.state.on_trial(), taken.is_ok(), "{}", board.kind.family.name);
    taken
}

/// What stands in a slot may have the weak bits of a cut, or was rejected: it is not offered again but in sectors
/// that were erased for it, all of them, from the first on.
#[test]
fn an_image_whose_sectors_were_not_erased_for_it_is_refused() {
    for family in FAMILIES.iter() {
        let start = after(family, Strategy::Ab, &[Act::Update("old"), Act::Rest, Act::Update("next")]);
        let slot = family.slot(1);
        let mut sectors = Vec::new();
        let config = start.kind.config.with_open(OWNER_SLOT1);
        while let Some(sector) = config.sector_from(sectors.last().map_or(slot.base, Sector::end)) {
            sectors.push(sector);
        }
        let refused = Err(ImageFault::NotErased);
        assert_eq!(offered(&start, &[]), refused, "{}", family.name);
        assert_eq!(offered(&start, &sectors[1..]), refused, "{}: the first one was not", family.name);
        assert_eq!(offered(&start, &sectors), Ok(()), "{}", family.name);
    }
}

/// An image is written from its start on, so its manifest comes last.
#[test]
fn an_image_whose_manifest_reaches_into_a_sector_that_was_not_erased_is_refused() {
    let refused = Err(ImageFault::NotErased);
    let manifest = manifest::LEN as u32;
    for (body, taken) in [(1024 - manifest, Ok(())), (1024 - manifest / 2, refused), (1024, refused)] {
        let family = Box::leak(Box::new(SMALLEST));
        family.body = body;
        let start = after(family, Strategy::Ab, &[Act::Update("old"), Act::Rest, Act::Update("next")]);
        let config = start.kind.config.with_open(OWNER_SLOT1);
        let first = config.sector_from(family.slot(1).base).expect("open");
        let second = config.sector_from(first.end()).expect("open");
        assert_eq!(offered(&start, &[first]), taken, "after {body} bytes");
        assert_eq!(offered(&start, &[first, second]), Ok(()), "after {body} bytes");
    }
}

/// Both the session with a host and the application's updater get this slot.
fn opens(board: &mut Board, free: u8, case: &str) {
    let mut journal = Journal::load(board.kind.config, &board.flash);
    assert_eq!(slot::open(&mut journal, board), Ok(free), "a session, {case}");
}

fn spares(board: &mut Board, free: u8, case: &str) {
    let journal = Journal::load(board.kind.config, &board.flash);
    assert_eq!(slot::spare(&journal, &board.flash), free, "the application, {case}");
}

/// What is in the slot that does not hold the confirmed image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    Nothing,
    Half,
    Whole,
    /// An image with the id of the confirmed one.
    Forged,
}

const OTHERS: [Other; 4] = [Other::Nothing, Other::Half, Other::Whole, Other::Forged];

/// A board with a confirmed image in slot `number` and this in the other.
fn arranged(number: usize, other: Other) -> Board {
    let updates: &[Act] =
        &[Act::Update("old"), Act::Rest, Act::Update("new"), Act::Rest, Act::Update("next"), Act::Rest];
    let mut board = after(&FAMILIES[0], Strategy::Ab, &updates[..if number == 0 { 6 } else { 4 }]);
    let kind = board.kind;
    let confirmed = kind.images.iter().find(|image| image.id == board.known.confirmed).expect("there");
    assert_eq!(confirmed.slot, number);
    let image = kind.image(recipe("downgrade"), 1 - number);
    let blank = vec![0xFF; image.bytes.len()];
    let put: &[u8] = match other {
        Other::Nothing => &blank,
        Other::Half => &[&image.bytes[..0x80], &blank[0x80..]].concat(),
        Other::Whole => return board,
        Other::Forged => &image.forged(confirmed.id),
    };
    board.flash.put(image.base, put);
    board
}

/// The owner of the slot that may be opened.
fn free(number: usize) -> u8 {
    if number == 0 { OWNER_SLOT1 } else { OWNER_SLOT0 }
}

#[test]
fn a_bit_that_reads_wrong_once_as_a_session_opens_does_not_open_the_slot_of_the_confirmed_image() {
    for number in [0, 1] {
        for other in OTHERS {
            let board = arranged(number, other);
            let misreads = misread(&board, &[0, 1], |board, case| {
                opens(board, free(number), &format!("{case}, slot {number}, {other:?}"));
            });
            assert!(misreads > 400, "{misreads} misreads");
            // An application has no proof to go by.
            if other != Other::Forged {
                misread(&board, &[0, 1], |board, case| {
                    spares(board, free(number), &format!("{case}, slot {number}, {other:?}"));
                });
            }
        }
    }
}

#[test]
fn a_bit_that_reads_differently_each_time_does_not_open_the_slot_of_the_confirmed_image() {
    for number in [0, 1] {
        for other in OTHERS {
            let board = arranged(number, other);
            for address in addresses(&board, number) {
                for period in [2, 3, 7, u32::MAX] {
                    // An image that never reads right is lost, and what is in the other slot decides.
                    let lost = period == u32::MAX;
                    if lost && matches!(other, Other::Half | Other::Forged) {
                        continue;
                    }
                    let right = |read: &u32| read % period == period - 1;
                    let wrong =
                        (0..u128::BITS).filter(|read| !right(read)).fold(0, |mask, read| mask | 1 << read);
                    let mut board = board.clone();
                    board.flash.slip(address, 1, wrong);
                    let case = format!("{address:x} right once in {period}, slot {number}, {other:?}");
                    if other != Other::Forged {
                        spares(&mut board.clone(), free(number), &case);
                    }
                    // Whatever verifies stays: in slot 1, since what is in slot 0 then is below the floor.
                    let open = if lost && number == 0 && other == Other::Whole { 1 } else { number };
                    opens(&mut board, free(open), &case);
                }
            }
        }
    }
}

/// It may read well now and otherwise when it is confirmed: the host comes again.
#[test]
fn what_an_update_that_was_cut_has_left_is_not_tried() {
    for strategy in [Strategy::Single, Strategy::Backup, Strategy::Ab] {
        let start = Board::new(Kind::new(&SMALLEST, strategy, Policy::Crc));
        let mut whole = start.clone();
        whole.power_on(None, 1);
        whole.update(recipe("old"), 100);
        let writes = whole.flash.done.iter().filter(|operation| !operation.erase).count();
        assert!(writes > 100, "{strategy:?}: {writes}");
        // All of the image is there, and nobody has said so.
        let mut board = start.clone();
        board.power_on(None, 1);
        let image = board.kind.image(recipe("old"), 0);
        let mut journal = Journal::load(board.kind.config, &board.flash);
        slot::begin(&mut journal, &mut board).expect("recorded");
        board.flash.put(image.base, &image.bytes);
        let started = board.boot(cause::PIN);
        assert!(matches!(started, Started::Update(_)), "{strategy:?}: {started:?}");
        scenario::rescue(&mut board);
        assert!(board.broken.is_empty(), "{strategy:?}: {:?}", board.broken);
    }
}

/// Neither are starts of the confirmed image a reason to forget that, should it be lost one day.
#[test]
fn what_an_update_has_left_that_was_cut_or_refused_is_not_tried_after_other_starts() {
    for refused in [false, true] {
        let mut board = after(&SMALLEST, Strategy::Ab, &[Act::Update("old"), Act::Rest]);
        let confirmed = board.kind.family.slot(0);
        let slot = board.kind.family.slot(1);
        board.power_on(None, 1);
        let image = board.kind.image(recipe("new"), 1);
        let mut journal = Journal::load(board.kind.config, &board.flash);
        slot::begin(&mut journal, &mut board).expect("recorded");
        board.flash.put(image.base, &image.bytes);
        if refused {
            let offered = slot::install(&mut journal, &mut board, slot, Erased::none(slot));
            assert_eq!(offered, Err(ImageFault::NotErased));
        }
        for reset in [cause::POWER_ON, cause::PIN, cause::POWER_ON, cause::SOFTWARE] {
            board.power_on(None, 1);
            assert!(matches!(board.boot(reset), Started::Image(_)));
        }
        let event = Journal::load(board.kind.config, &board.flash).state.event();
        assert_eq!(event, Event::Boot as u8);
        board.known.faulty = true;
        for _ in 0..8 {
            board.power_on(None, 1);
            board.flash.slip(confirmed.base + 0x40, 4, u128::MAX);
            let started = board.boot(cause::PIN);
            assert!(matches!(started, Started::Update(_)), "refused {refused}: {started:?}");
        }
        // The host comes again.
        board.flash.slip(confirmed.base + 0x40, 0, 0);
        board.update(recipe("new"), 100);
        starts(&mut board, "new", "updated");
    }
}

/// Sealed anew for signed images only, a board refuses the one that it has confirmed.
#[test]
fn an_image_that_is_whole_and_refused_is_not_copied_back_at_every_start() {
    let mut board = overwritten(&SMALLEST);
    starts(&mut board, "old", "copied back");
    board.kind = Kind::new(&SMALLEST, Strategy::Backup, Policy::Signature);
    board.known.faulty = true;
    for _ in 0..3 {
        board.power_on(None, 1);
        let started = board.boot(cause::PIN);
        assert!(matches!(started, Started::Update(_)), "{started:?}");
        assert!(board.flash.done.iter().all(|operation| !operation.erase), "{:?}", board.flash.done);
    }
}

/// What a backup slot is to hold, it may not hold any more.
#[test]
fn a_backup_that_is_none_is_not_copied_over_an_image_that_was_misread() {
    let mut board = after(&SMALLEST, Strategy::Backup, &[Act::Update("old"), Act::Rest]);
    let mut journal = Journal::load(board.kind.config, &board.flash);
    slot::open(&mut journal, &mut board).expect("copied");
    assert!(journal.state.confirmed() != 0 && journal.state.backup() == journal.state.confirmed());
    let [runs, backup] = [0, 1].map(|number| board.kind.family.slot(number));
    board.flash.put(backup.base + 0x40, &[0; 32]);
    board.known.faulty = true;
    board.power_on(None, 1);
    board.flash.slip(runs.base + 0x40, 4, u128::MAX);
    let started = board.boot(cause::PIN);
    assert!(matches!(started, Started::Update(_)), "{started:?}");
    assert!(board.flash.done.iter().all(|operation| !operation.erase), "{:?}", board.flash.done);
    board.power_on(None, 1);
    board.flash.slip(runs.base + 0x40, 0, 0);
    starts(&mut board, "old", "read well again");
}

/// What nobody confirmed yet runs on trial, and a trial is counted by the image's id.
#[test]
fn an_image_whose_id_does_not_read_runs_on_no_trial() {
    let mut ran = 0;
    for strategy in [Strategy::Single, Strategy::Backup, Strategy::Ab] {
        let start = Board::new(Kind::new(&SMALLEST, strategy, Policy::Crc));
        let image = start.kind.image(recipe("old"), 0);
        let id = image.base + SMALLEST.body + 0xA0;
        // Thirty-two looks at first, and as many after each of four tries to copy it back.
        for wrong in (0..60).chain(150..170) {
            let mut board = start.clone();
            board.flash.put(image.base, &image.bytes);
            board.power_on(None, 1);
            board.flash.slip_first(id, 4, wrong);
            let started = board.boot(cause::PIN);
            let state = Journal::load(board.kind.config, &board.flash).state;
            let runs = matches!(started, Started::Image(_));
            assert_eq!(
                runs,
                state.candidate() == image.id,
                "{strategy:?}, read wrong {wrong} times: {started:?}"
            );
            ran += u32::from(runs);
        }
    }
    assert!(ran >= 3 * 8, "{ran} runs");
}

/// A start that misreads it as often as it looks for it, and then not, has found the confirmed image.
#[test]
fn the_confirmed_image_is_no_trial_of_its_own_however_often_it_was_misread() {
    for strategy in [Strategy::Single, Strategy::Backup, Strategy::Ab] {
        let start = after(&SMALLEST, strategy, &[Act::Update("old"), Act::Rest]);
        let base = start.kind.family.slot(0).base;
        let (mut ran, mut waited) = (0, 0);
        for address in [base + 4, base + 0x40, base + SMALLEST.body + 0x30] {
            for wrong in 0..60 {
                let mut board = start.clone();
                board.flash.slip(address, 4, (1 << wrong) - 1);
                board.known.faulty = true;
                let started = board.boot(cause::PIN);
                let state = Journal::load(board.kind.config, &board.flash).state;
                assert_eq!(
                    state.candidate(),
                    0,
                    "{strategy:?}, {address:x} wrong {wrong} times: {started:?}"
                );
                match started {
                    Started::Image(_) => ran += 1,
                    _ => waited += 1,
                }
            }
        }
        // Each of eight looks and more reads it three times.
        assert!(ran >= 3 * 8 * 3 && waited > 20, "{strategy:?}: {ran} ran, {waited} did not");
    }
}

#[test]
fn a_bit_that_reads_wrong_now_and_then_ends_no_trial() {
    for strategy in [Strategy::Single, Strategy::Backup, Strategy::Ab] {
        let start = after(&SMALLEST, strategy, &[Act::Update("old")]);
        let misreads = misread(&start, &[0], |board, case| starts(board, "old", case));
        assert!(misreads > 300, "{misreads} misreads");
        let mut state = 1;
        for address in addresses(&start, 0) {
            let mut board = start.clone();
            let wrong = noise(&mut state) & noise(&mut state);
            board.flash.slip(address, 1 << (address % 8), wrong);
            starts(&mut board, "old", &format!("{strategy:?}, {address:x} is wrong as in {wrong:b}"));
        }
    }
}

#[test]
fn the_confirmed_image_that_is_written_once_more_has_had_its_trial() {
    for strategy in [Strategy::Single, Strategy::Backup] {
        let mut board = after(&SMALLEST, strategy, &[Act::Update("old"), Act::Rest]);
        let confirmed = board.known.confirmed;
        board.update(recipe("old"), 100);
        let state = Journal::load(board.kind.config, &board.flash).state;
        assert_eq!((state.confirmed(), state.candidate()), (confirmed, 0), "{strategy:?}");
        starts(&mut board, "old", "the next start");
        // And with the trial of another image behind it.
        board.update(recipe("new"), 100);
        board.update(recipe("old"), 100);
        let state = Journal::load(board.kind.config, &board.flash).state;
        assert_eq!((state.confirmed(), state.candidate()), (confirmed, 0), "{strategy:?}");
        assert!(board.broken.is_empty(), "{strategy:?}: {:?}", board.broken);
    }
}

#[test]
fn a_board_whose_confirmed_image_is_lost_takes_an_update() {
    for number in [0, 1] {
        for other in OTHERS {
            let mut board = arranged(number, other);
            board.known.weak = true;
            let manifest = board.kind.family.slot(number).base + board.kind.family.body;
            board.flash.scribble(manifest, 32);
            scenario::rescue(&mut board);
            assert!(board.broken.is_empty(), "slot {number}, {other:?}: {:?}", board.broken);
        }
    }
}

#[test]
fn a_board_that_opens_nothing_has_no_sector_that_can_be_written() {
    for family in &FAMILIES {
        for strategy in [Strategy::Ab, Strategy::Backup, Strategy::Single] {
            let config = Kind::new(family, strategy, Policy::Crc).config.with_open(0);
            assert_eq!(config.sector_from(0), None);
            for (base, _) in family.sectors() {
                assert!(!config.is_writable(base, 4), "{base:#x}");
            }
        }
    }
}

/// What reads as free behind the newest record may be a later state at the start after the next, in which the image
/// in slot 0 is to be tried: once a copy back has begun there, it is not.
#[test]
fn a_copy_back_that_was_cut_is_not_overtaken_by_a_state_that_did_not_read_when_it_began() {
    let mut start = overwritten(&FAMILIES[0]);
    let config = start.kind.config;
    let image = start.kind.image(recipe("new"), 0);
    let mut later = start.clone();
    let mut journal = Journal::load(config, &later.flash);
    let before = later.flash.held(super::flash::BASE, start.kind.family.size()).expect("solid").to_vec();
    journal.state.set_candidate(image.id);
    journal.commit(&mut later, Event::Installed, 0).expect("the flash is good");
    let after = later.flash.held(super::flash::BASE, start.kind.family.size()).expect("solid");
    let first = (0..before.len()).step_by(32).find(|&at| before[at] != after[at]).expect("a record");
    start.flash.comes_later(super::flash::BASE + first as u32, &after[first..first + 32]);
    let mut whole = start.clone();
    whole.power_on(None, 1);
    starts(&mut whole, "old", "without a cut");
    let at = whole.flash.done.iter().position(|operation| operation.erase).expect("a copy back");
    for when in [When::Before, When::After] {
        let mut board = start.clone();
        board.power_on(Some(Cut { at, when }), 1);
        assert_eq!(board.boot(cause::PIN), Started::Off);
        board.power_on(None, 2);
        let state = Journal::load(config, &board.flash).state;
        assert!(!state.on_trial() && state.confirmed() == board.known.confirmed, "{when:?}: {state:?}");
        starts(&mut board, "old", &format!("{when:?} the erase"));
    }
}

/// Without a key a host can write an image with the id of the confirmed one, in bits that read now so, now so.
#[test]
fn a_forged_id_that_does_not_read_at_first_does_not_open_the_slot_of_the_confirmed_image() {
    for number in [0, 1] {
        let board = arranged(number, Other::Forged);
        let manifest = board.kind.family.slot(1 - number).base + board.kind.family.body;
        for address in [manifest, manifest + 0x30, manifest + 0xA0] {
            for wrong in 1..200 {
                let mut board = board.clone();
                board.flash.slip_first(address, 4, wrong);
                opens(&mut board, free(number), &format!("slot {number}, {address:x} wrong {wrong} times"));
            }
        }
    }
}

/// With checksums that fit, too: only its bytes tell it from an image that the board refuses by now.
#[test]
fn an_image_with_a_forged_id_and_right_checksums_is_copied_over() {
    let mut board = Board::new(Kind::new(&FAMILIES[0], Strategy::Backup, Policy::Signature));
    scenario::act(&mut board, &[Act::Update("old"), Act::Rest, Act::Forged("next")]);
    for start in 0..3 {
        board.power_on(None, start);
        starts(&mut board, "old", &format!("start {start}"));
        let copied = board.flash.done.iter().any(|operation| operation.erase);
        assert_eq!(copied, start == 0, "start {start}");
    }
}
