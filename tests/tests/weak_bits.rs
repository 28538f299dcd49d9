//! Cells of the flash that read now so, now so, without any cut: on the binary that ships.

use object::{Object, ObjectSymbol};
use surefoot_core::config::{BinaryHeader, Policy};
use surefoot_core::image::manifest;
use surefoot_core::journal::Event;
use surefoot_host::job::Finish;
use surefoot_images::F4_FULL;
use surefoot_sim::{Bits, Board, Nanos};
use surefoot_tests::fixtures;
use surefoot_tests::rig::{Found, Rig};
use surefoot_tests::sweep::bench::{App, Bench, DECISION, Known, Recipe, Seen};
use surefoot_tests::sweep::checks::State;
use surefoot_tests::sweep::scenarios;

/// What was signed is what is obeyed: a bit that reads as signed while it is hashed, and otherwise when it
/// is obeyed, lowers nothing.
#[test]
fn a_bit_of_the_manifest_that_reads_differently_each_time_makes_no_older_image_run() {
    // The override's word and the security counter.
    for (offset, bit) in [(0x50, 1), (0x18, 4)] {
        let scenario = scenarios::find("signed-update").expect("a scenario");
        let mut bench = scenario.bench(F4_FULL).expect("a board");
        scenario.prepare(&mut bench).expect("image one");
        let five = bench.image(Recipe { slot: 1, counter: 5, ..Recipe::new("five", App::Confirms, 5) });
        let five = five.expect("made");
        bench.update(five).expect("taken");
        bench.confirms(five).expect("the floor is 5");
        let low = bench.image(Recipe { counter: 3, ..Recipe::new("low", App::Silent, 3) }).expect("made");
        bench.into_update_mode().expect("by its button");
        assert!(bench.send(low).expect("sent").is_err(), "in solid bits it is refused");
        let image = bench.images[low].clone();
        let manifest = image.slot.base + (image.bytes.len() - manifest::LEN) as u32;
        for attempt in 0..150 {
            bench.into_update_mode().expect("by its button");
            let ages = |board: &mut Board| assert!(board.weaken(manifest + offset, bit, Bits::Restless));
            bench.offer(0, &image.bytes, ages).expect("taken");
            let seen = bench.look(DECISION);
            assert_ne!(seen, Seen::Application(0), "try {attempt}: {offset:#x} bit {bit}: below the floor");
        }
    }
}

/// A board on which a scenario was prepared, image one, and the address of its manifest.
fn prepared(name: &str) -> (Bench, Known, u32) {
    let scenario = scenarios::find(name).expect("a scenario");
    let mut bench = scenario.bench(F4_FULL).expect("a board");
    scenario.prepare(&mut bench).expect("prepared");
    let one = bench.images[0].clone();
    let manifest = one.slot.base + (one.bytes.len() - manifest::LEN) as u32;
    (bench, one, manifest)
}

/// A bit of the only image that is confirmed reads now so, now so, while a host comes: it stays in its slot, or
/// there is a copy of it first.
#[test]
fn no_session_opens_the_place_of_the_only_confirmed_image() {
    for name in ["ab-update", "backup-update"] {
        let (mut bench, one, manifest) = prepared(name);
        let start = bench.rig.moment();
        for word in [0, 4, 8, 0xC, 0x18, 0x20, 0x24, 0x50, 0xA0] {
            for bit in 0..16 {
                bench.rig.back_to(&start);
                assert!(bench.rig.board.weaken(manifest + word + bit / 8, 1 << (bit % 8), Bits::Restless));
                // Other noise each time.
                for _ in 0..bit % 5 {
                    bench.reset();
                }
                bench.into_update_mode().expect("by its button");
                let state = State::of(&bench.rig.board, &bench.journal).newest.expect("a state");
                let info = bench.rig.info().expect("it answers");
                let closed = match name {
                    "ab-update" => info.slot_base != one.slot.base,
                    // Nothing is open when no copy was good.
                    _ => {
                        state.backup() == one.id
                            || bench.rig.download(0, &[0x41, 0, 0xC0, 0, 8]).expect("answered").0 != 0
                    }
                };
                assert!(closed, "{name}, word {word:#x}, bit {bit}: {state:?}");
                assert_eq!(state.confirmed(), one.id);
            }
        }
    }
}

/// A bit of the only image on trial, or of one with another behind it, reads now so, now so at one start.
#[test]
fn a_start_that_misreads_an_image_on_trial_does_not_reject_it() {
    for name in
        ["single-update", "single-first-install", "backup-first-install", "ab-first-install", "ab-update"]
    {
        let scenario = scenarios::find(name).expect("a scenario");
        let mut bench = scenario.bench(F4_FULL).expect("a board");
        scenario.prepare(&mut bench).expect("prepared");
        scenario.run(&mut bench).expect("it runs");
        let running = bench.running().expect("an image");
        let image = bench.images[running].clone();
        let start = bench.rig.moment();
        for bit in 0..8 {
            bench.rig.back_to(&start);
            assert!(bench.rig.board.weaken(image.slot.base + image.program + 8, 1 << bit, Bits::Restless));
            bench.power_cycle();
            assert_eq!(bench.running().or(Some(running)), Some(running), "{name}, bit {bit}");
            let state = State::of(&bench.rig.board, &bench.journal).newest.expect("a state");
            assert!(state.on_trial() && state.candidate() == image.id, "{name}, bit {bit}: {state:?}");
        }
    }
}

/// The image before it stands in the other slot.
#[test]
fn the_confirmed_image_is_not_given_up_for_a_bit_that_reads_differently_each_time() {
    let (mut bench, ..) = prepared("ab-update");
    let two = bench.image(Recipe { slot: 1, ..Recipe::new("two", App::Confirms, 2) }).expect("made");
    bench.update(two).expect("taken");
    bench.confirms(two).expect("confirmed");
    let two = bench.images[two].clone();
    let manifest = two.slot.base + (two.bytes.len() - manifest::LEN) as u32;
    let start = bench.rig.moment();
    for at in [manifest, manifest + 0xC, manifest + 0x50, two.slot.base + two.program + 8] {
        bench.rig.back_to(&start);
        assert!(bench.rig.board.weaken(at, 1 << 1, Bits::Restless));
        for attempt in 0..300 {
            assert_eq!(bench.power_cycle(), Seen::Application(1), "{at:#x}, start {attempt}");
        }
    }
}

/// What the sealed block asks for is what was read when it was checked.
#[test]
fn a_bit_of_the_policy_that_reads_differently_each_time_accepts_nothing() {
    let (mut bench, ..) = prepared("signed-update");
    let block = BinaryHeader::find(&bench.rig.sealed).expect("a header").1 as u32;
    let bad =
        bench.image(Recipe { slot: 1, good: false, ..Recipe::new("bad", App::Silent, 7) }).expect("made");
    bench.damage(bad);
    let image = bench.images[bad].clone();
    bench.into_update_mode().expect("by its button");
    assert!(bench.send(bad).expect("sent").is_err(), "in solid bits it is refused");
    let (mut tried, policy) = (0, 0x0800_0000 + block + 0x18);
    for mask in [1, 2, 3] {
        assert!(bench.rig.board.weaken(policy, mask, Bits::Restless));
        for attempt in 0..30 {
            bench.into_update_mode().expect("by its button");
            tried += u32::from(bench.offer(1, &image.bytes, |_| {}).is_ok());
            assert_ne!(bench.look(DECISION), Seen::Application(1), "mask {mask}, offer {attempt}");
        }
    }
    assert!(tried > 60, "{tried} offers");
}

/// What stands in the open slot may have the weak bits of a cut: a host cannot offer it without writing it anew,
/// whatever it writes of it.
#[test]
fn what_is_there_already_is_not_installed_without_an_erase() {
    for name in ["ab-update", "backup-update", "single-update"] {
        let (mut bench, one, _) = prepared(name);
        bench.into_update_mode().expect("by its button");
        let slot = bench.slots.iter().position(|s| s.base == bench.rig.info().expect("an answer").slot_base);
        let slot = slot.expect("a slot");
        let two = bench.image(Recipe { slot, ..Recipe::new("two", App::Confirms, 2) }).expect("made");
        let (base, bytes) = (bench.images[two].slot.base, bench.images[two].bytes.clone());
        let length = bench.images[two].slot.length as usize;
        assert!(
            bench.rig.board.write_flash(base, &[bytes.clone(), vec![0xFF; length - bytes.len()]].concat())
        );
        bench.offer_what_is_there(slot).expect("taken");
        assert_eq!(bench.look(DECISION), Seen::UpdateMode, "{name}");
        let state = State::of(&bench.rig.board, &bench.journal).newest.expect("a state");
        assert_eq!((state.event(), state.detail()), (Event::Refused as u8, 23), "{name}");
        assert!(!state.on_trial() && state.confirmed() == one.id, "{name}");
        bench.into_update_mode().expect("by its button");
        bench.offer(slot, &bytes, |_| {}).expect("taken");
        assert_eq!(bench.look(DECISION), Seen::Application(slot), "{name}");
    }
}

/// An update that was cut behind its last byte is not tried, however many starts of the confirmed image later that
/// one is lost.
#[test]
fn what_a_cut_update_has_left_is_not_tried_after_other_starts() {
    let (mut bench, one, _) = prepared("ab-update");
    let two = bench.image(Recipe { slot: 1, ..Recipe::new("two", App::Confirms, 2) }).expect("made");
    let two = bench.images[two].clone();
    bench.into_update_mode().expect("by its button");
    let [a, b, c, d] = two.slot.base.to_le_bytes();
    let erased = bench.rig.download(0, &[0x41, a, b, c, d]).expect("an answer");
    assert_eq!(erased.0, 0, "erased");
    assert!(bench.rig.board.write_flash(two.slot.base, &two.bytes));
    for start in [Bench::power_cycle, Bench::reset, Bench::power_cycle] {
        assert_eq!(start(&mut bench), Seen::Application(0));
    }
    let state = State::of(&bench.rig.board, &bench.journal).newest.expect("a state");
    assert_eq!(state.event(), Event::Boot as u8, "the begin of the update is not the newest record");
    for at in 8..16 {
        assert!(bench.rig.board.weaken(one.slot.base + at, 0xFF, Bits::Restless));
    }
    for start in 0..8 {
        assert_eq!(bench.power_cycle(), Seen::UpdateMode, "start {start}");
    }
    bench.into_update_mode().expect("by its button");
    // An image that verifies is kept, tried or not; the confirmed one does not verify any more, so its slot is open.
    assert_eq!(bench.rig.info().expect("an answer").slot_base, one.slot.base);
    let three = bench.image(Recipe { slot: 0, ..Recipe::new("three", App::Confirms, 3) }).expect("made");
    let three = bench.images[three].bytes.clone();
    bench.offer(0, &three, |_| {}).expect("taken");
    assert_eq!(bench.look(DECISION), Seen::Application(0));
}

/// A board that has no configuration waits for ever; one that misread it has one.
#[test]
fn a_configuration_that_reads_wrong_at_first_is_read_again() {
    let mut rig = Rig::new(F4_FULL, Policy::Crc).expect("the example board");
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().expect("enumerates");
    let elf = fixtures::blinky_rust(50, rig.slot().base).expect("builds");
    let image = rig.image(&elf, [1, 0, 0], None).expect("fits");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    let sealed = rig.sealed.clone();
    let block = BinaryHeader::find(&sealed).expect("a header").1;
    let elf = object::File::parse(F4_FULL.elf).expect("an ELF file");
    let look = elf.symbols().find(|s| s.name().is_ok_and(|name| name.contains("configuration")));
    let look = look.expect("the look has a name").address() as u32 & !1;
    for at in [block, block + 8, block + 100] {
        let address = 0x0800_0000 + at as u32;
        rig.board.power_off();
        rig.board.stop_at(&[look]);
        rig.board.power_on();
        rig.board.run_for(Nanos::secs(1));
        assert_eq!(rig.board.pc(), look, "no look");
        assert!(rig.board.write_flash(address, &[sealed[at] ^ 4]));
        rig.board.run_for(Nanos::secs(1));
        assert_eq!(rig.board.pc(), look, "byte {at}: no second look");
        assert!(rig.board.write_flash(address, &[sealed[at]]));
        rig.board.stop_at(&[]);
        assert_eq!(rig.look(Nanos::secs(5)), Found::Application, "byte {at}");
    }
}
