//! Cells of the flash that read now so, now so, without any cut: on the binary that ships.

use object::{Object, ObjectSymbol};
use surefoot_core::config::Policy;
use surefoot_core::image::manifest;
use surefoot_host::job::Finish;
use surefoot_images::F4_FULL;
use surefoot_sim::{Bits, Nanos};
use surefoot_tests::fixtures;
use surefoot_tests::rig::{Found, Rig};
use surefoot_tests::sweep::bench::{App, DECISION, Recipe, Seen};
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
        assert!(bench.rig.board.weaken(manifest + offset, bit, Bits::Restless));
        for attempt in 0..150 {
            bench.into_update_mode().expect("by its button");
            bench.offer_again(0).expect("taken");
            let seen = bench.look(DECISION);
            assert_ne!(seen, Seen::Application(0), "try {attempt}: {offset:#x} bit {bit}: below the floor");
        }
    }
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
    let block = surefoot_core::config::BinaryHeader::find(&sealed).expect("a header").1;
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
