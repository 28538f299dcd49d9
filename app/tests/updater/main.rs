//! The updater that an application runs, on a flash in memory: every piece, every refusal, every cut.
//!
//! On the virtual board, with the real driver, it is seen in `surefoot-tests`.

mod model;

use std::collections::BTreeSet;

use model::{A, B, BOARD, DEVICE, Model, SLOT_A, SLOT_B, Trouble, block, id_of, image, image_with};
use surefoot_app::{Error, Event, FlashFault, ImageFault, Updater};
use surefoot_core::config::{BLOCK_LEN, Config, FAMILY_F4, Slot, Strategy};
use surefoot_core::image::crc32;
use surefoot_core::image::manifest::Override;

/// Bytes of a small image without its manifest.
const LENGTH: u32 = 0x1234;

fn config(block: &[u8; BLOCK_LEN]) -> Config<'_> {
    Config::parse(block, FAMILY_F4).unwrap()
}

/// A board of strategy `ab` that runs its confirmed version 5 in slot A.
fn board() -> ([u8; BLOCK_LEN], Model) {
    let block = block(Strategy::Ab);
    let mut flash = Model::new();
    flash.load(A, &image(A, 5, LENGTH));
    assert_eq!(flash.boot(&block), Ok(SLOT_A));
    assert!(flash.confirm(&block, A));
    (block, flash)
}

fn begin<'a>(
    block: &'a [u8; BLOCK_LEN],
    flash: &'a mut Model,
    running: u8,
) -> Result<Updater<'a, &'a mut Model>, Error> {
    Updater::begin_with(flash, config(block), running, DEVICE)
}

/// Writes all of `image` in pieces of `step` bytes and ends the update.
fn update(block: &[u8; BLOCK_LEN], flash: &mut Model, image: &[u8], step: usize) -> Result<(), Error> {
    let mut updater = begin(block, flash, SLOT_A)?;
    for (i, piece) in image.chunks(step).enumerate() {
        updater.write((i * step) as u32, piece)?;
    }
    updater.finish()
}

#[test]
fn an_image_in_pieces_of_any_length_arrives_whole_is_tried_and_confirmed() {
    let new = image(B, 6, LENGTH);
    for step in [1, 2, 3, 31, 32, 33, 100, 255, 4096, new.len()] {
        let (block, mut flash) = board();
        assert_eq!(update(&block, &mut flash, &new, step), Ok(()), "{step}");
        assert_eq!(flash.read(B)[..new.len()], new, "{step}");
        let state = flash.state(&block);
        assert_eq!((state.event(), state.candidate()), (Event::Installed as u8, id_of(&new)));
        assert_eq!(state.floor(), 5, "the counter rises when it is confirmed, not before");
        assert_eq!(flash.boot(&block), Ok(SLOT_B), "{step}");
        assert!(flash.confirm(&block, B));
        assert_eq!(flash.state(&block).floor(), 6);
        // And back again, from there.
        let mut updater = begin(&block, &mut flash, SLOT_B).unwrap();
        assert_eq!(updater.slot(), A);
        updater.write(0, &image(A, 7, LENGTH)).unwrap();
        updater.finish().unwrap();
        assert_eq!(flash.boot(&block), Ok(SLOT_A));
    }
}

#[test]
fn an_image_that_fills_the_slot_fits_and_one_byte_more_does_not() {
    let (block, mut flash) = board();
    let new = image(B, 6, B.length - 0xC0);
    assert_eq!(new.len() as u32, B.length);
    let mut updater = begin(&block, &mut flash, SLOT_A).unwrap();
    updater.write(0, &new).unwrap();
    assert_eq!(updater.write(B.length, &[0]), Err(Error::TooLong));
    assert_eq!(updater.finish(), Ok(()));
    assert_eq!(flash.boot(&block), Ok(SLOT_B));
}

#[test]
fn only_strategy_ab_has_a_slot_that_the_application_may_write() {
    for strategy in [Strategy::Single, Strategy::Backup] {
        let block = block(strategy);
        let mut flash = Model::new();
        flash.load(A, &image(A, 5, LENGTH));
        assert_eq!(begin(&block, &mut flash, SLOT_A).unwrap_err(), Error::Strategy);
        assert_eq!(flash.operations().get(), 0);
    }
}

#[test]
fn an_image_on_trial_confirms_itself_before_it_updates() {
    let (block, mut flash) = board();
    update(&block, &mut flash, &image(B, 6, LENGTH), 64).unwrap();
    // Installed and not started yet: the running image may begin again.
    update(&block, &mut flash, &image(B, 7, LENGTH), 64).unwrap();
    assert_eq!(flash.boot(&block), Ok(SLOT_B));
    let operations = flash.operations().get();
    assert_eq!(begin(&block, &mut flash, SLOT_B).unwrap_err(), Error::OnTrial);
    assert_eq!(flash.operations().get(), operations, "the image to go back to is as it was");
    assert!(flash.confirm(&block, B));
    assert!(begin(&block, &mut flash, SLOT_B).is_ok());
}

#[test]
fn a_confirmation_is_for_the_image_that_runs_and_for_no_other() {
    let (block, mut flash) = board();
    let new = image(B, 6, LENGTH);
    update(&block, &mut flash, &new, 64).unwrap();
    let installed = flash.state(&block);
    assert!(flash.confirm(&block, A), "confirmed already");
    assert_eq!(flash.state(&block), installed);
    assert_eq!(flash.boot(&block), Ok(SLOT_B));
    // A debugger starts the old one in the middle of the new one's trial.
    let trial = flash.state(&block);
    assert!(flash.confirm(&block, A));
    assert_eq!(flash.state(&block), trial);
    assert!(flash.confirm(&block, B));
    assert_eq!(flash.state(&block).confirmed(), id_of(&new));
    assert!(!flash.confirm(&block, A), "there is no trial of it");
    assert_eq!(flash.state(&block).confirmed(), id_of(&new));
}

#[test]
fn the_slot_of_the_confirmed_image_is_not_open() {
    // A debugger has started what the bootloader would not.
    let (block, mut flash) = board();
    flash.load(B, &image(B, 6, LENGTH));
    let operations = flash.operations().get();
    assert_eq!(begin(&block, &mut flash, SLOT_B).unwrap_err(), Error::NotOpen);
    assert_eq!(flash.operations().get(), operations);
}

#[test]
fn pieces_out_of_order_or_behind_the_slot_change_nothing_and_the_update_goes_on() {
    let (block, mut flash) = board();
    let new = image(B, 6, LENGTH);
    let operations = flash.operations();
    let mut updater = begin(&block, &mut flash, SLOT_A).unwrap();
    updater.write(0, &new[..1000]).unwrap();
    let before = operations.get();
    assert_eq!(updater.write(999, &new[999..]), Err(Error::Order));
    assert_eq!(updater.write(0, &[]), Err(Error::Order));
    assert_eq!(updater.write(B.length - 1, &[1, 2]), Err(Error::TooLong));
    assert_eq!(updater.write(u32::MAX, &[1]), Err(Error::TooLong));
    assert_eq!(operations.get(), before);
    updater.write(1000, &new[1000..]).unwrap();
    assert_eq!(updater.finish(), Ok(()));
}

#[test]
fn what_is_left_out_is_erased_although_an_older_image_was_there() {
    let (block, mut flash) = board();
    flash.load(B, &[0x5A; 0x2800]);
    let mut new = image(B, 6, 0x2000);
    new[0x300..0x1F00].fill(0xFF);
    let crc = surefoot_core::image::crc32(&new[..0x2000]);
    let manifest = image_with(B, 6, 0x2000, |m| m.crc = crc).split_off(0x2000);
    new[0x2000..].copy_from_slice(&manifest);
    let mut updater = begin(&block, &mut flash, SLOT_A).unwrap();
    updater.write(0, &new[..0x300]).unwrap();
    updater.write(0x1F00, &new[0x1F00..]).unwrap();
    assert_eq!(updater.finish(), Ok(()));
    assert_eq!(flash.read(B)[..new.len()], new);
}

#[test]
fn a_sector_that_an_image_only_just_reaches_is_erased_too() {
    let (block, mut flash) = board();
    flash.load(B, &[0x5A; 0x2800]);
    // The manifest ends with 28 bytes of 0xFF, of which 20 are in the second sector.
    let new = image(B, 6, 0x1400 + 20 - 0xC0);
    assert_eq!(update(&block, &mut flash, &new, 64), Ok(()));
    assert_eq!(flash.boot(&block), Ok(SLOT_B));
}

#[test]
fn what_the_bootloader_would_refuse_is_refused_before_the_reset() {
    let other_device = *b"some device.";
    let mut torn = image(B, 6, LENGTH);
    torn[0x800] ^= 0x10;
    let mut nothing = image(B, 6, LENGTH);
    nothing.truncate(LENGTH as usize);
    let with = |change: fn(&mut surefoot_core::image::Manifest)| image_with(B, 6, LENGTH, change);
    let older = image_with(B, 4, LENGTH, |m| m.overrides = Override::Device(*b"some device."));
    assert_ne!(DEVICE, other_device);
    let cases = [
        (torn, ImageFault::Crc),
        (nothing, ImageFault::NoManifest),
        (Vec::new(), ImageFault::Erased),
        (image(A, 6, LENGTH), ImageFault::ResetOutside),
        (with(|m| m.load_address = A.base), ImageFault::LoadAddress),
        (with(|m| m.board_id = BOARD + 1), ImageFault::Board),
        (with(|m| m.device_id = 0x419), ImageFault::Chip),
        (with(|m| m.image_length += 4), ImageFault::Length),
        (image(B, 4, LENGTH), ImageFault::Downgrade),
        (older, ImageFault::Downgrade),
    ];
    for (new, fault) in cases {
        let (block, mut flash) = board();
        assert_eq!(update(&block, &mut flash, &new, 100), Err(Error::Image(fault)));
        let state = flash.state(&block);
        assert_eq!((state.event(), state.detail()), (Event::Refused as u8, fault as u8));
        assert_eq!(state.candidate(), 0, "{fault:?}");
        assert_eq!(flash.boot(&block), Ok(SLOT_A), "{fault:?}");
    }
}

#[test]
fn an_older_image_with_an_override_for_this_device_is_taken() {
    for overrides in [Override::Device(DEVICE), Override::Image] {
        let (block, mut flash) = board();
        let new = image_with(B, 4, LENGTH, |m| m.overrides = overrides);
        assert_eq!(update(&block, &mut flash, &new, 100), Ok(()));
        assert_eq!(flash.boot(&block), Ok(SLOT_B));
    }
}

#[test]
fn a_fault_of_the_flash_ends_the_update_is_on_record_and_another_one_may_begin() {
    let new = image(B, 6, LENGTH);
    let (block, whole) = board();
    // Three records of UpdateBegun, the first state since the start; then the first erase, and so on.
    for number in [3, 4, 5, 51] {
        let mut flash = whole.copy();
        flash.trouble(number, Trouble::Fault(FlashFault::Operation));
        let operations = flash.operations();
        let mut updater = begin(&block, &mut flash, SLOT_A).unwrap();
        let fault = Err(Error::Flash(FlashFault::Operation));
        assert_eq!(updater.write(0, &new), fault, "{number}");
        let before = operations.get();
        assert_eq!(updater.write(new.len() as u32, &[1]), fault, "nothing goes on");
        assert_eq!(updater.finish(), fault);
        assert_eq!(operations.get(), before);
        let state = flash.state(&block);
        assert_eq!(state.event(), Event::UpdateFault as u8);
        assert_eq!(state.detail(), FlashFault::Operation as u8);
        assert_eq!(flash.copy().boot(&block), Ok(SLOT_A));
        assert_eq!(update(&block, &mut flash, &new, 64), Ok(()), "{number}");
        assert_eq!(flash.boot(&block), Ok(SLOT_B));
    }
}

#[test]
fn a_cut_at_any_operation_leaves_the_running_image_or_the_whole_new_one() {
    let old = image(A, 5, LENGTH);
    let new = image(B, 6, LENGTH);
    let (block, mut whole) = board();
    whole.load(B, &image(B, 4, LENGTH));
    let operations = {
        let mut flash = whole.copy();
        update(&block, &mut flash, &new, 128).unwrap();
        flash.operations().get()
    };
    assert!(operations > 150, "{operations}");
    let mut found = BTreeSet::new();
    for number in 0..operations {
        let mut flash = whole.copy();
        flash.trouble(number, Trouble::Cut);
        let _ = update(&block, &mut flash, &new, 128);
        let mut after = flash.copy();
        let started = after.boot(&block);
        assert_eq!(after.read(A)[..old.len()], old, "cut in {number}");
        match started {
            Ok(SLOT_A) => {
                // And the next update is taken.
                assert_eq!(update(&block, &mut after, &new, 128), Ok(()), "cut in {number}");
                assert_eq!(after.boot(&block), Ok(SLOT_B), "cut in {number}");
            }
            Ok(_) => assert_eq!(after.read(B)[..new.len()], new, "cut in {number}"),
            Err(fault) => panic!("cut in {number}: {fault:?}"),
        }
        found.insert(started.unwrap());
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [SLOT_A, SLOT_B], "some cuts come after the last word");
}

#[test]
fn an_update_that_is_given_up_leaves_the_running_image() {
    let (block, mut flash) = board();
    let new = image(B, 6, LENGTH);
    let mut updater = begin(&block, &mut flash, SLOT_A).unwrap();
    assert_eq!(updater.slot(), Slot { base: B.base, length: B.length });
    updater.write(0, &new[..LENGTH as usize]).unwrap();
    updater.abort();
    assert_eq!(flash.state(&block).event(), Event::UpdateBegun as u8);
    assert_eq!(flash.boot(&block), Ok(SLOT_A));
}

/// Unsigned bytes that name themselves as the confirmed image: ids can be forged, signatures cannot.
#[test]
fn an_image_with_the_confirmed_ones_id_is_refused_and_does_not_end_updates() {
    let (block, mut flash) = board();
    let id = id_of(&image(A, 5, LENGTH));
    let mut bytes = image(B, 6, LENGTH);
    let at = bytes.len() - 0xC0;
    // The last word of the signature makes the manifest's CRC-32 what it has to be.
    let back = |crc: u32| if crc & 1 == 0 { crc >> 1 } else { (crc ^ 0x04C1_1DB7) >> 1 | 1 << 31 };
    let word = crc32(&bytes[at..at + 0x9C]) ^ (0..32).fold(id, |crc, _| back(crc));
    bytes[at + 0x9C..at + 0xA0].copy_from_slice(&word.to_le_bytes());
    bytes[at + 0xA0..at + 0xA4].copy_from_slice(&id.to_le_bytes());
    assert_eq!(update(&block, &mut flash, &bytes, 64), Err(Error::Image(ImageFault::Signature)));
    assert_eq!(flash.boot(&block), Ok(SLOT_A));
    assert!(!flash.state(&block).on_trial());
    assert_eq!(update(&block, &mut flash, &image(B, 6, LENGTH), 64), Ok(()));
    assert_eq!(flash.boot(&block), Ok(SLOT_B));
}
