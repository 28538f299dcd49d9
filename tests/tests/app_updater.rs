//! Two slots at work: the blinkies, in Rust and in C, confirm themselves after their self-test and take
//! an update over the serial line while they run. All binaries are the real ones.

use std::path::Path;

use surefoot_app::{Error, Event, FlashFault, ImageFault};
use surefoot_board::Board as BoardFile;
use surefoot_core::config::{BLOCK_LEN, BinaryHeader, HEADER_MAGIC, OWNER_JOURNAL, Slot};
use surefoot_core::image::Version;
use surefoot_core::journal::{self, Record};
use surefoot_host::files::{self, Segments};
use surefoot_host::image::{self, Identity};
use surefoot_host::job::Finish;
use surefoot_images::F4_FULL;
use surefoot_sim::{Bits, Cut, Defect, Failing, Leaves, Nanos, ResetCause, Told, When};
use surefoot_tests::fixtures::{Trial, blinky_c, blinky_rust, root, state_c, trial};
use surefoot_tests::needs;
use surefoot_tests::rig::{Found, Rig, example_key};
use surefoot_tests::serial::{PERIOD_MS, PROOF, ask, upload};

/// Which blinky.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Rust,
    C,
}

fn file() -> BoardFile {
    BoardFile::load(&root().join("boards/f4-discovery-ab.toml")).unwrap()
}

fn slots() -> [Slot; 2] {
    file().slots().try_into().unwrap()
}

/// The languages that there are here: Rust, and C where it can be compiled.
#[track_caller]
fn languages() -> Vec<In> {
    if needs::part(needs::C) { vec![In::Rust, In::C] } else { vec![In::Rust] }
}

/// A blinky for `slot` as the bytes that are sent.
fn blinky(language: In, slot: Slot, version: u16) -> Vec<u8> {
    let elf = match language {
        In::Rust => blinky_rust(PERIOD_MS, slot.base),
        In::C => blinky_c(PERIOD_MS, slot.base),
    };
    signed(&elf.unwrap(), slot, version)
}

/// A program for `slot`, signed, with its manifest.
fn signed(elf: &Path, slot: Slot, version: u16) -> Vec<u8> {
    let file = file();
    let loaded = files::read(elf, None).unwrap();
    let identity = Identity {
        version: Version { major: version, minor: 0, patch: 0 },
        security_counter: version.into(),
        device_id: file.device_id(),
        board_id: file.id,
    };
    let flat = image::flat(&loaded.segments, slot).unwrap();
    image::sign(flat, slot, identity, Some(&example_key().unwrap()), false).unwrap()
}

/// A board of strategy `ab` that has just taken this image over USB, into its first slot, and runs it.
fn running(image: Vec<u8>) -> Rig {
    running_on(file(), image)
}

fn running_on(file: BoardFile, image: Vec<u8>) -> Rig {
    let mut rig = Rig::with(F4_FULL, file).unwrap();
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().unwrap();
    let segments = Segments::one(slots()[0].base, image).unwrap();
    assert_eq!(rig.flash(&segments).unwrap(), Finish::Application);
    rig
}

/// The records, oldest first.
fn records(rig: &Rig) -> Vec<Record> {
    let config = rig.config().with_open(OWNER_JOURNAL);
    let mut records = Vec::new();
    let mut end = 0;
    while let Some(sector) = config.sector_from(end) {
        end = sector.end();
        records.extend(journal::history(rig.board.read_memory(sector.base, sector.size as usize).unwrap()));
    }
    records.sort_by_key(Record::sequence);
    records
}

fn newest(rig: &Rig) -> Record {
    *records(rig).last().expect("a record")
}

/// The slot whose application runs, within two seconds.
fn runs(rig: &mut Rig) -> Option<Slot> {
    let end = rig.board.now() + Nanos::secs(2);
    while rig.board.now() < end {
        rig.board.run_for(Nanos::millis(1));
        let pc = rig.board.pc();
        if let Some(slot) = slots().into_iter().find(|slot| slot.contains(pc, 2)) {
            return Some(slot);
        }
    }
    None
}

#[test]
fn a_blinky_confirms_itself_once_its_led_has_changed_four_times() {
    for language in languages() {
        let mut rig = running(blinky(language, slots()[0], 3));
        let trial = newest(&rig);
        assert_eq!(trial.event(), Event::Trial as u8, "{language:?}");
        assert!(rig.board.watchdog_running());
        let operations = rig.board.operations();
        rig.board.run_for(PROOF);
        let state = newest(&rig);
        assert_eq!(state.event(), Event::Confirmed as u8, "{language:?}");
        assert_eq!((state.confirmed(), state.candidate(), state.floor()), (trial.candidate(), 0, 3));
        // Three records of eight words: it is the first state that the program writes.
        assert_eq!(rig.board.operations() - operations, 24);
        rig.board.run_for(Nanos::secs(1));
        assert_eq!(newest(&rig), state, "once is enough");
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_blinky_takes_an_update_into_the_other_slot_while_it_runs_and_back() {
    for language in languages() {
        let [a, b] = slots();
        let mut rig = running(blinky(language, a, 1));
        rig.board.run_for(PROOF);
        for (version, slot, other) in [(2, b, a), (3, a, b)] {
            let old = rig.board.read_memory(other.base, other.length as usize).unwrap().to_vec();
            let resets = rig.board.resets();
            assert_eq!(ask(&mut rig), Ok(slot.base), "{language:?}");
            let new = blinky(language, slot, version);
            assert_eq!(upload(&mut rig, &new), Ok(()), "{language:?}");
            assert_eq!(newest(&rig).event(), Event::Installed as u8);
            assert_eq!(rig.board.read_memory(slot.base, new.len()).unwrap(), new);
            assert_eq!(rig.board.read_memory(other.base, old.len()).unwrap(), old, "the running slot");
            rig.board.run_until(|board| board.resets() > resets, Nanos::secs(1));
            assert_eq!(rig.board.reset_cause(), ResetCause::Software);
            assert_eq!(runs(&mut rig), Some(slot), "{language:?}");
            assert_eq!(newest(&rig).event(), Event::Trial as u8);
            rig.board.run_for(PROOF);
            assert_eq!(
                (newest(&rig).event(), newest(&rig).floor()),
                (Event::Confirmed as u8, version.into())
            );
        }
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_blinky_on_trial_refuses_an_update_and_so_does_one_whose_image_is_torn() {
    for language in languages() {
        let [a, b] = slots();
        let mut rig = running(blinky(language, a, 1));
        rig.board.run_for(Nanos::millis(20));
        assert_eq!(ask(&mut rig), Err(Error::OnTrial.number()), "{language:?}");
        rig.board.run_for(PROOF);
        assert_eq!(ask(&mut rig), Ok(b.base));
        let mut torn = blinky(language, b, 2);
        torn[0x500] ^= 1;
        assert_eq!(upload(&mut rig, &torn), Err(Error::Image(ImageFault::Crc).number()));
        assert_eq!(newest(&rig).event(), Event::Refused as u8);
        // The line fell silent: the blinky goes on, and takes the next update.
        assert_eq!(ask(&mut rig), Ok(b.base));
        rig.board.run_for(Nanos::millis(1100));
        assert_eq!(ask(&mut rig), Ok(b.base));
        assert_eq!(upload(&mut rig, &blinky(language, b, 2)), Ok(()));
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_new_image_that_hangs_is_given_up_for_the_one_before() {
    let [a, b] = slots();
    let mut rig = running(blinky(In::Rust, a, 1));
    rig.board.run_for(PROOF);
    let confirmed = newest(&rig).confirmed();
    assert_eq!(ask(&mut rig), Ok(b.base));
    let hangs = signed(&trial(Trial::Hangs, 100, b.base).unwrap(), b, 2);
    assert_eq!(upload(&mut rig, &hangs), Ok(()));
    // Three trials of up to 33 s each.
    rig.board.run_for(Nanos::secs(120));
    assert!(a.contains(rig.board.pc(), 2), "{:#010x}", rig.board.pc());
    let state = newest(&rig);
    assert_eq!((state.confirmed(), state.floor()), (confirmed, 1));
    assert!(records(&rig).iter().any(|record| record.event() == Event::Rejected as u8));
    // And it is as ready as before.
    assert_eq!(ask(&mut rig), Ok(b.base));
}

#[test]
fn c_reads_the_state_and_the_events_and_confirms_once() {
    if !needs::whole(needs::C) {
        return;
    }
    const GO: u32 = 0x2000_1000;
    const STATE: u32 = 0x2000_1020;
    const EVENTS: u32 = 0x2000_1040;
    const UNTOUCHED: u32 = 0xA5A5_A5A5;
    let a = slots()[0];
    let mut rig = running(signed(&state_c(a.base).unwrap(), a, 9));
    let word = |rig: &Rig, address: u32| rig.board.read_word(address).unwrap();
    let result = |rig: &Rig, number: u32| word(rig, GO + 4 + 4 * number);
    let events = |rig: &Rig| -> Vec<u8> {
        (0..4).map(|i| word(rig, EVENTS + 16 * i)).filter(|e| *e != UNTOUCHED).map(|e| e as u8).collect()
    };
    rig.board.run_for(Nanos::millis(100));
    let id = newest(&rig).candidate();
    assert_eq!([0, 1, 2, 3, 4, 5].map(|n| result(&rig, n)), [0, 0, 3, UNTOUCHED, 9, 9]);
    // On trial, not rejected, charged an eighth of a boot since the supply came on before it, out of
    // three; nothing revoked, nothing confirmed.
    let expected = [2 | 1 << 16 | 24 << 24, 0, id, 0, id, 0];
    assert_eq!([0, 1, 2, 3, 4, 5].map(|n| word(&rig, STATE + 4 * n)), expected);
    assert_eq!(events(&rig), [Event::Trial, Event::Installed, Event::UpdateBegun].map(|e| e as u8));
    // SUREFOOT_OK both times, and written once.
    for _ in 0..2 {
        assert!(rig.board.write_memory(GO, &1_u32.to_le_bytes()));
        rig.board.run_for(Nanos::millis(100));
        assert_eq!([0, 1, 2, 3].map(|n| result(&rig, n)), [0, 0, 4, 0]);
        let expected = [1 | 24 << 24, 0, id, id, 0, 9];
        assert_eq!([0, 1, 2, 3, 4, 5].map(|n| word(&rig, STATE + 4 * n)), expected);
        assert_eq!(events(&rig)[..2], [Event::Confirmed as u8, Event::Trial as u8]);
        assert_eq!(word(&rig, EVENTS + 4), newest(&rig).sequence() - 1, "the first of its two records");
        assert_eq!(word(&rig, EVENTS + 8), id);
        assert_eq!(word(&rig, EVENTS + 4 * 16), UNTOUCHED, "no more than there is room for");
    }
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn a_confirmation_is_programmed_as_wide_as_the_supply_allows() {
    let path = root().join("boards/f4-discovery-ab.toml");
    // At 1.8 V the chip does no more than 160 MHz (DS8626, "Limitations depending on supply").
    let text = std::fs::read_to_string(&path).unwrap().replace("168 MHz", "120 MHz");
    let a = slots()[0];
    for (voltage, width) in [("1.8V-2.1V", 1), ("2.1V-2.4V", 2), ("2.7V-3.6V", 4)] {
        let file = BoardFile::parse(&text.replace("2.7V-3.6V", voltage), path.parent().unwrap()).unwrap();
        let mut rig = running_on(file, signed(&trial(Trial::Confirms, 100, a.base).unwrap(), a, 1));
        let operations = rig.board.operations();
        rig.board.run_for(Nanos::millis(200));
        assert_eq!(newest(&rig).event(), Event::Confirmed as u8, "{voltage}");
        // Three records, as with the first state that a program writes; a few of their bytes are 0xFF and stay so.
        let made = rig.board.operations() - operations;
        assert!((3 * 32 / width - 6..=3 * 32 / width).contains(&made), "{voltage}: {made}");
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_place_of_the_journal_that_cannot_be_written_is_passed_over_by_a_confirmation() {
    if !needs::whole(needs::C) {
        return;
    }
    let a = slots()[0];
    let mut rig = running(signed(&state_c(a.base).unwrap(), a, 1));
    rig.board.run_for(Nanos::millis(100));
    let sector = rig.config().with_open(OWNER_JOURNAL).sector_from(0).unwrap();
    let bytes = rig.board.read_memory(sector.base, sector.size as usize).unwrap();
    let used = bytes.chunks(32).position(|record| record.iter().all(|byte| *byte == 0xFF)).unwrap();
    let place = sector.base + 32 * used as u32;
    // A bit of the next place does not become 0, and the flash interface does not tell.
    let what = Failing::Word { address: place + 4, ones: 1 << 5, zeros: 0 };
    rig.board.add_defect(Defect { what, told: Told::Nothing, times: None });
    assert!(rig.board.write_memory(0x2000_1000, &1_u32.to_le_bytes()));
    rig.board.run_for(Nanos::millis(200));
    assert_eq!(rig.board.read_word(0x2000_1004 + 4 * 3), Some(0), "SUREFOOT_OK");
    assert_eq!(newest(&rig).event(), Event::Confirmed as u8);
    assert!(rig.board.read_word(place + 32) != Some(u32::MAX));
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn a_fault_of_the_flash_is_told_to_the_sender_and_the_next_update_goes_through() {
    if !needs::whole(needs::C) {
        return;
    }
    let [a, b] = slots();
    let mut rig = running(blinky(In::C, a, 1));
    rig.board.run_for(PROOF);
    let new = blinky(In::C, b, 2);
    // Something for an erase to do.
    assert!(rig.board.write_flash(b.base, &[0x5A; 64]));
    let erase = Failing::Erase { sector: 8, leaves: Leaves::Old };
    let word = Failing::Word { address: b.base + 0x404, ones: u32::MAX, zeros: 0 };
    let told = Told::Nothing;
    for (what, told, times, fault) in [
        (erase, told, 1, FlashFault::NotErased),
        (erase, Told::WriteProtected, 1, FlashFault::WriteProtected),
        // In its erase, which leaves it as it should be, and in its program operation.
        (word, told, 2, FlashFault::ReadBack),
    ] {
        rig.board.add_defect(Defect { what, told, times: Some(times) });
        assert_eq!(ask(&mut rig), Ok(b.base));
        assert_eq!(upload(&mut rig, &new), Err(Error::Flash(fault).number()), "{what:?}");
        let state = newest(&rig);
        assert_eq!((state.event(), state.detail()), (Event::UpdateFault as u8, fault as u8));
        rig.board.clear_defects();
    }
    assert_eq!(ask(&mut rig), Ok(b.base));
    assert_eq!(upload(&mut rig, &new), Ok(()));
    assert_eq!(runs(&mut rig), Some(b));
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn a_cut_while_the_application_updates_leaves_the_running_image_or_the_whole_new_one() {
    /// Every so many operations; all of them are seen on the model in `surefoot-app`.
    const STRIDE: usize = 4;
    let [a, b] = slots();
    let mut rig = running(blinky(In::Rust, a, 1));
    rig.board.run_for(PROOF);
    let old = rig.board.read_memory(a.base, a.length as usize).unwrap().to_vec();
    let new = signed(&trial(Trial::Silent, 100, b.base).unwrap(), b, 2);
    let before = rig.moment();
    let first = rig.board.operations() + 1;
    assert_eq!(ask(&mut rig), Ok(b.base));
    assert_eq!(upload(&mut rig, &new), Ok(()));
    let last = rig.board.operations();
    assert!(last - first > 80, "{first}..={last}");
    let mut found = [0, 0];
    let cases = (first..=last).step_by(STRIDE).chain([last]);
    for (operation, when) in cases.flat_map(|o| [When::Before, When::Inside, When::After].map(|w| (o, w))) {
        rig.back_to(&before);
        rig.board.cut(Cut::new(operation, when, operation));
        if ask(&mut rig).is_ok() {
            let _ = upload(&mut rig, &new);
        }
        rig.board.run_for(Nanos::millis(10));
        assert!(!rig.board.is_powered(), "{operation} {when:?}");
        rig.board.power_on();
        let runs = runs(&mut rig);
        assert_eq!(rig.board.read_memory(a.base, old.len()).unwrap(), old, "{operation} {when:?}");
        if runs == Some(a) {
            assert_eq!(newest(&rig).candidate(), 0, "{operation} {when:?}");
            found[0] += 1;
        } else {
            assert_eq!(runs, Some(b), "{operation} {when:?}");
            assert_eq!(rig.board.read_memory(b.base, new.len()).unwrap(), new, "{operation} {when:?}");
            found[1] += 1;
        }
    }
    assert!(found.iter().all(|count| *count > 0), "{found:?}");
}

/// A bit of the bootloader's block that reads now so, now so while an application obeys it: nothing is erased or
/// programmed but the journal and the slot that does not run.
#[test]
fn an_update_in_the_application_stays_where_it_belongs_however_the_block_reads() {
    const REGIONS: usize = 0xA0;
    const REGION: usize = 16;
    const TRIES: usize = 3;
    let [a, b] = slots();
    let mut rig = running(blinky(In::Rust, a, 1));
    rig.board.run_for(PROOF);
    let (_, block) = BinaryHeader::find(&rig.sealed).unwrap();
    let old = rig.board.read_memory(a.base, a.length as usize).unwrap().to_vec();
    let new = signed(&trial(Trial::Silent, 100, b.base).unwrap(), b, 2);
    let before = rig.moment();
    let (mut begun, count) = (0, rig.config().regions().count());
    // Where a region begins, its first sector's number, and whose it is.
    for byte in [1, 2, 3, 10, 11] {
        for (region, bit) in (0..count).flat_map(|region| (0..8).map(move |bit| (region, bit))) {
            let at = (block + REGIONS + region * REGION + byte) as u32;
            rig.back_to(&before);
            assert!(rig.board.weaken(0x0800_0000 + at, 1 << bit, Bits::Restless));
            for _ in 0..TRIES {
                if ask(&mut rig).is_ok() {
                    begun += 1;
                    let _ = upload(&mut rig, &new);
                }
                rig.board.run_for(Nanos::millis(1200));
            }
            let what = format!("byte {byte} of region {region}, bit {bit}");
            let bootloader = rig.board.flash().iter().zip(&rig.sealed).zip(0x0800_0000..);
            let same = |((is, was), at): ((&u8, &u8), u32)| (is ^ was) & !rig.board.unstable_mask(at) == 0;
            assert!(bootloader.into_iter().all(same), "{what}: the bootloader");
            assert_eq!(rig.board.read_memory(a.base, old.len()).unwrap(), old, "{what}: the running slot");
        }
    }
    assert!(begun > 100, "{begun} updates");
}

/// Nor is such a bit a reason for an image not to confirm itself, in the block or in what names the bootloader.
#[test]
fn an_image_confirms_itself_however_the_block_reads() {
    const HEADER: u32 = 16 * 4;
    for language in languages() {
        let mut rig = running(blinky(language, slots()[0], 1));
        let trial = newest(&rig).candidate();
        let (header, block) = BinaryHeader::find(&rig.sealed).unwrap();
        assert_eq!(BinaryHeader::find(&rig.sealed[HEADER as usize..]).unwrap().0, header);
        let before = rig.moment();
        let magic = HEADER..HEADER + HEADER_MAGIC.len() as u32;
        let block = block as u32..(block + BLOCK_LEN) as u32;
        for at in magic.step_by(2).chain(block.step_by(36)) {
            rig.back_to(&before);
            assert!(rig.board.weaken(0x0800_0000 + at, 1 << (at / 4 % 8), Bits::Restless));
            rig.board.run_for(PROOF);
            let state = newest(&rig);
            let confirmed = (state.event(), state.confirmed());
            assert_eq!(confirmed, (Event::Confirmed as u8, trial), "{language:?}, byte {at:#x} of flash");
        }
    }
}

/// What a cut update has left may have weak bits, and what was rejected was rejected: neither is there to be
/// offered without a byte written.
#[test]
fn an_update_that_writes_nothing_offers_nothing() {
    for language in languages() {
        let [a, b] = slots();
        let mut rig = running(blinky(language, a, 1));
        rig.board.run_for(PROOF);
        assert!(rig.board.write_flash(b.base, &blinky(language, b, 2)));
        let refused = Err(Error::Image(ImageFault::NotErased).number());
        assert_eq!(ask(&mut rig), Ok(b.base));
        assert_eq!(upload(&mut rig, &[]), refused, "{language:?}");
        assert_eq!((newest(&rig).event(), newest(&rig).detail()), (Event::Refused as u8, 23));
        assert_eq!(ask(&mut rig), Ok(b.base));
        assert_eq!(upload(&mut rig, &blinky(language, b, 2)), Ok(()), "{language:?}");
        assert_eq!(runs(&mut rig), Some(b));
    }
}

/// An image on trial that runs by luck on the vector table of the other slot, or of the bootloader, would stop for
/// good once that is replaced: it does not confirm itself. Its own table and one in RAM are fine.
#[test]
fn an_image_confirms_itself_only_with_a_vector_table_of_its_own_or_in_ram() {
    if !needs::whole(needs::C) {
        return;
    }
    const VECTOR_TABLE: u32 = 11;
    let [a, b] = slots();
    let mut rig = running(blinky(In::C, a, 1));
    rig.board.run_for(PROOF);
    assert_eq!(ask(&mut rig), Ok(b.base));
    assert_eq!(upload(&mut rig, &signed(&state_c(b.base).unwrap(), b, 2)), Ok(()));
    assert_eq!(runs(&mut rig), Some(b));
    rig.board.run_for(Nanos::millis(100));
    let (trial, before) = (newest(&rig), rig.moment());
    for (table, result) in [
        (b.base, 0),
        (b.base + 0x200, 0),
        (0x2000_4000, 0),
        (a.base, VECTOR_TABLE),
        (a.base + 0x200, VECTOR_TABLE),
        (0x0800_0000, VECTOR_TABLE),
        (0, VECTOR_TABLE),
    ] {
        rig.back_to(&before);
        assert!(rig.board.write_memory(0x2000_1004 + 4 * 6, &table.to_le_bytes()));
        assert!(rig.board.write_memory(0x2000_1000, &2_u32.to_le_bytes()));
        rig.board.run_for(Nanos::millis(100));
        assert_eq!(rig.board.read_word(0x2000_1004 + 4 * 3), Some(result), "{table:#010x}");
        if result == 0 {
            let confirmed = (newest(&rig).event(), newest(&rig).confirmed());
            assert_eq!(confirmed, (Event::Confirmed as u8, trial.candidate()), "{table:#010x}");
        } else {
            assert_eq!(newest(&rig), trial, "{table:#010x}: nothing is written");
        }
        // STATE.running: confirmed, or still on trial. RESULTS[7..]: its own version.
        let running = rig.board.read_word(0x2000_1020).map(|word| word as u8);
        assert_eq!(running, Some(if result == 0 { 1 } else { 2 }), "{table:#010x}");
    }
    let version = rig.board.read_memory(0x2000_1100, 6).unwrap();
    assert_eq!(version, [2, 0, 0, 0, 0, 0], "it knows its own version");
}
