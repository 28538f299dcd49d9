//! What unmodified clients do with the shipped bootloader over a Linux USB stack, one function each.
//!
//! dfu-util sets the address anew for each chunk. Counting blocks are sent by `surefoot flash --counting`, which runs
//! in the guest too, over nusb and the guest's usbfs.

use anyhow::{Context, Result, ensure};
use std::time::Duration;

use super::desk::{Desk, FLASH, PIECES};
use surefoot_sim::usb::redir::Control;
use surefoot_tests::fixtures::SLOT;

/// A scenario by name.
pub type Scenario = (&'static str, fn(&mut Desk) -> Result<()>);

/// All of them, in the order in which they run in one boot.
pub const ALL: &[Scenario] = &[
    ("list-shows-the-whole-memory-string", list_shows_the_whole_memory_string),
    ("download-upload-compare", download_upload_compare),
    ("leave-runs-the-application", leave_runs_the_application),
    ("address-for-each-chunk", address_for_each_chunk),
    ("counting-blocks", counting_blocks),
    ("dfu-file-with-two-elements", dfu_file_with_two_elements),
    ("short-last-block", short_last_block),
    ("bootloader-sectors-are-refused", bootloader_sectors_are_refused),
    ("mass-erase", mass_erase),
    ("unplugged-in-the-middle-and-again", unplugged_in_the_middle_and_again),
    ("supply-cut-in-the-middle-and-again", supply_cut_in_the_middle_and_again),
    ("an-unsigned-image-is-taken-and-not-run", an_unsigned_image_is_taken_and_not_run),
    ("twenty-downloads-in-a-row", twenty_downloads_in_a_row),
];

const DOWNLOAD_BLINKY: &str = "dfu -a 0 -s 0x08010000 -D /images/blinky.bin";
const DOWNLOAD_ODD: &str = "dfu -a 0 -s 0x08010000 -D /images/odd.bin";

fn list_shows_the_whole_memory_string(desk: &mut Desk) -> Result<()> {
    let text = desk.expect("dfu -l")?;
    let wanted = "alt=0, name=\"@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg\", serial=\"";
    ensure!(text.contains("Found DFU: [0483:df11]") && text.contains(wanted), "{text}");
    Ok(())
}

fn download_upload_compare(desk: &mut Desk) -> Result<()> {
    let text = desk.expect(DOWNLOAD_BLINKY)?;
    ensure!(text.contains("File downloaded successfully"), "{text}");
    let image = desk.images.blinky.clone();
    desk.slot_holds(&image)?;
    upload_is(desk, "blinky.bin", image.len())
}

/// Reads `length` bytes of the slot back and compares them with a file, both in the guest.
fn upload_is(desk: &mut Desk, file: &str, length: usize) -> Result<()> {
    desk.expect("rm -f /tmp/back")?;
    desk.expect(&format!("dfu -a 0 -s 0x08010000:{length} -U /tmp/back"))?;
    desk.expect(&format!("cmp /images/{file} /tmp/back"))?;
    Ok(())
}

fn leave_runs_the_application(desk: &mut Desk) -> Result<()> {
    let text = desk.expect("dfu -a 0 -s 0x08010000:leave -D /images/blinky.bin")?;
    ensure!(text.contains("Submitting leave request"), "{text}");
    desk.blinks()?;
    desk.expect("gone")?;
    Ok(())
}

/// The DNLOAD requests among `controls`: block number, length, first byte.
fn downloads(controls: &[Control]) -> Vec<(u16, u16, u8)> {
    let dnload = |control: &&Control| control.setup[..2] == [0x21, 1];
    let word = |control: &Control, at: usize| u16::from_le_bytes([control.setup[at], control.setup[at + 1]]);
    let first = |control: &Control| control.head.first().copied().unwrap_or(0);
    controls.iter().filter(dnload).map(|c| (word(c, 2), word(c, 6), first(c))).collect()
}

const SET_ADDRESS: u8 = 0x21;

fn address_for_each_chunk(desk: &mut Desk) -> Result<()> {
    desk.expect(DOWNLOAD_ODD)?;
    let sent = downloads(&desk.guest.cable.take_controls());
    let data: Vec<u16> = sent.iter().filter(|(block, ..)| *block != 0).map(|(block, ..)| *block).collect();
    let addresses = sent.iter().filter(|(block, _, command)| *block == 0 && *command == SET_ADDRESS).count();
    ensure!(
        data.len() == 25 && data.iter().all(|&block| block == 2),
        "not all blocks have number 2: {data:?}"
    );
    ensure!(addresses >= 25, "{addresses} addresses for {} blocks", data.len());
    let image = desk.images.odd.clone();
    desk.slot_holds(&image)
}

fn counting_blocks(desk: &mut Desk) -> Result<()> {
    desk.expect(
        "surefoot flash --link usb --board /boards/f4-discovery.toml --counting /images/large.bin 2>&1",
    )?;
    let sent = downloads(&desk.guest.cable.take_controls());
    let data: Vec<u16> =
        sent.iter().filter(|(block, length, _)| *block >= 2 && *length > 0).map(|s| s.0).collect();
    // The first block of an image goes last, so that a transfer that breaks off leaves nothing that could boot.
    let blocks = desk.images.large.len().div_ceil(2048) as u16;
    let counted: Vec<u16> = (2..=blocks).chain([2]).collect();
    ensure!(data == counted, "blocks {data:?} instead of {counted:?}");
    let image = desk.images.large.clone();
    desk.slot_holds(&image)?;
    desk.blinks()
}

fn dfu_file_with_two_elements(desk: &mut Desk) -> Result<()> {
    desk.expect("dfu -a 0 -D /images/two.dfu")?;
    for (piece, address) in desk.images.pieces.iter().zip(PIECES) {
        let at = (address - FLASH) as usize;
        ensure!(
            desk.board.flash()[at..at + piece.len()] == piece[..],
            "the element for {address:#x} is not there"
        );
    }
    Ok(())
}

fn short_last_block(desk: &mut Desk) -> Result<()> {
    desk.expect(DOWNLOAD_ODD)?;
    let image = desk.images.odd.clone();
    desk.slot_holds(&image)?;
    upload_is(desk, "odd.bin", image.len())
}

fn bootloader_sectors_are_refused(desk: &mut Desk) -> Result<()> {
    let (before, operations) = (desk.board.flash().to_vec(), desk.board.operations());
    for address in ["0x08000000", "0x08004000", "0x0800c000", "0x08100000"] {
        let output = desk.run(&format!("dfu -a 0 -s {address} -D /images/blinky.bin"))?;
        ensure!(output.code != 0, "{address} was accepted:\n{}", output.text);
    }
    ensure!(desk.board.flash() == before, "the flash changed");
    ensure!(desk.board.operations() == operations, "something was erased or programmed");
    desk.expect("dfu -l").context("the board answers afterwards")?;
    Ok(())
}

fn mass_erase(desk: &mut Desk) -> Result<()> {
    // Traces of an older and longer image in the first and last sectors of the slot.
    for address in [SLOT + 0x8000, 0x080F_FF00] {
        desk.board.write_flash(address, &[0x12; 64]);
    }
    desk.expect("dfu -a 0 -s 0x08010000:mass-erase:force -D /images/odd.bin")?;
    let image = desk.images.odd.clone();
    desk.slot_holds(&image)?;
    let bootloader = desk.images.bootloader.clone();
    ensure!(desk.board.flash().starts_with(&bootloader), "the bootloader is not what it was");
    Ok(())
}

/// Starts a download and waits until it has programmed some words.
fn start_and_wait(desk: &mut Desk) -> Result<()> {
    desk.guest.start(DOWNLOAD_ODD)?;
    let goal = desk.board.operations() + 2_000;
    let reached = |_: &mut _, board: &mut surefoot_sim::Board| board.operations() >= goal;
    ensure!(
        desk.guest.turn_until(&mut desk.board, Duration::from_secs(30), reached)?,
        "the download did not get to its middle"
    );
    Ok(())
}

fn broken_off(desk: &mut Desk) -> Result<()> {
    let output = desk.guest.finish(&mut desk.board, Duration::from_secs(30))?;
    ensure!(output.code != 0, "dfu-util says that all went well:\n{}", output.text);
    desk.expect("gone")?;
    Ok(())
}

fn whole_again(desk: &mut Desk) -> Result<()> {
    desk.expect("device")?;
    desk.expect(DOWNLOAD_ODD)?;
    let image = desk.images.odd.clone();
    desk.slot_holds(&image)?;
    leave_runs_the_application(desk)
}

fn unplugged_in_the_middle_and_again(desk: &mut Desk) -> Result<()> {
    start_and_wait(desk)?;
    desk.guest.cable.unplug(&mut desk.board);
    broken_off(desk)?;
    desk.guest.cable.plug(&mut desk.board);
    whole_again(desk)
}

fn supply_cut_in_the_middle_and_again(desk: &mut Desk) -> Result<()> {
    start_and_wait(desk)?;
    desk.board.power_off();
    broken_off(desk)?;
    desk.board.power_on();
    whole_again(desk)
}

fn an_unsigned_image_is_taken_and_not_run(desk: &mut Desk) -> Result<()> {
    desk.expect("dfu -a 0 -s 0x08010000:leave -D /images/odd.bin")?;
    desk.expect("gone; device").context("the board comes back in update mode")?;
    leave_runs_the_application(desk).context("and takes a good image")
}

fn twenty_downloads_in_a_row(desk: &mut Desk) -> Result<()> {
    for round in 1..=20 {
        desk.expect(DOWNLOAD_BLINKY).with_context(|| format!("download {round}"))?;
        let image = desk.images.blinky.clone();
        desk.slot_holds(&image).with_context(|| format!("download {round}"))?;
    }
    leave_runs_the_application(desk)
}
