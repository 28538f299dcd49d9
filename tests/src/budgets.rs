//! The figures that a device ships with: flash, RAM, stack, and times in the board's own time.
//!
//! Sizes and simulated times are exact and the same on every machine; the simulator's own speed is
//! not, and is only ever compared as a bound.

use crate::rig::{Found, Rig, board_file, example_key};
use crate::sweep::bench;
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, SectionKind};
use std::time::Instant;
use surefoot_board::Board as BoardFile;
use surefoot_core::config::Policy;
use surefoot_core::image::manifest;
use surefoot_host::job::{Finish, Session, Silent};
use surefoot_images::{F4_CRC, F4_FULL, Image};
use surefoot_sim::{Cut, Nanos, When};

/// Bytes of the update whose time is measured.
const UPDATE: u32 = 512 * 1024;
/// Repetitions of the cut and reboot; the best one counts.
const REBOOTS: u32 = 200;

/// Resolution of the boot delays.
const STEP: Nanos = Nanos::micros(10);

/// One figure.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Its name in `--json` and in the table of limits.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it counts.
    pub unit: &'static str,
}

/// Measures everything. Takes some seconds.
pub fn measure() -> Result<Vec<Figure>> {
    let speed = surefoot_sim::bench::run();
    let figure = |name, value, unit| Figure { name, value, unit };
    Ok(vec![
        figure("f407_full_flash_bytes", F4_FULL.binary.len() as f64, "bytes"),
        // The full build is the one with A/B slots; there is none with less beside the smallest.
        figure("f407_ab_flash_bytes", F4_FULL.binary.len() as f64, "bytes"),
        figure("f407_crc_flash_bytes", F4_CRC.binary.len() as f64, "bytes"),
        figure("f407_ram_bytes", f64::from(ram(F4_FULL)?), "bytes"),
        figure("f407_stack_bytes", f64::from(stack(F4_FULL)?), "bytes"),
        figure("sim_warm_mips", speed.warm, "MIPS"),
        figure("sim_cold_mips", speed.cold, "MIPS"),
        figure("cut_reboot_us", cut_reboot()?, "us"),
        figure("usb_update_ratio", update_ratio()?, "x"),
        figure("boot_crc_ms", boot(F4_CRC, Policy::Crc)?, "ms"),
        figure("boot_signature_ms", boot(F4_FULL, Policy::Signature)?, "ms"),
        figure("boot_trial_ms", boot_on_trial()?, "ms"),
    ])
}

/// Bytes of flash that an ELF file fills.
pub fn flash_bytes(elf: &[u8]) -> Result<f64> {
    let file = object::File::parse(elf)?;
    let in_flash = |address: u64| (0x0800_0000..0x0820_0000).contains(&address);
    let kept = |kind| kind != SectionKind::Metadata && kind != SectionKind::UninitializedData;
    Ok(file.sections().filter(|s| in_flash(s.address()) && kept(s.kind())).map(|s| s.size()).sum::<u64>()
        as f64)
}

/// Static RAM: every section that occupies RAM and is not flash.
fn ram(image: Image) -> Result<u32> {
    let file = object::File::parse(image.elf)?;
    let in_ram = |address: u64| (0x2000_0000..0x2010_0000).contains(&address);
    let bytes: u64 = file
        .sections()
        .filter(|s| in_ram(s.address()) && s.kind() != SectionKind::Metadata)
        .map(|s| s.size())
        .sum();
    Ok(u32::try_from(bytes)?)
}

/// A board in update mode, enumerated, with nothing in its slot.
fn waiting(image: Image, policy: Policy) -> Result<Rig> {
    let mut rig = Rig::new(image, policy)?;
    wait(&mut rig)?;
    Ok(rig)
}

fn wait(rig: &mut Rig) -> Result<()> {
    ensure!(rig.power_on(Nanos::secs(1)) == Found::UpdateMode, "the board does not wait for an update");
    rig.attach()
}

/// The deepest stack of a whole signed update: wait, download, verify, jump.
fn stack(image: Image) -> Result<u32> {
    let mut rig = Rig::new(image, Policy::Signature)?;
    let top = u32::from_le_bytes(rig.sealed[..4].try_into()?);
    let length = top - 0x2000_0000 - ram(image)? - surefoot_core::handoff::LEN;
    rig.board.power_on();
    rig.board.paint_stack(top, length);
    rig.attach()?;
    let filler = rig.filler(0x4000);
    let update = rig.manifest(filler, [1, 0, 0], Some(&example_key()?))?;
    ensure!(rig.flash(&update)? == Finish::Application, "the update does not boot");
    rig.board.assert_no_violations(|_| false);
    Ok(rig.board.stack_depth(top, length))
}

/// Restore a board whose supply failed inside an operation, power it, wait for its decision.
fn cut_reboot() -> Result<f64> {
    let mut rig = Rig::on(bench::parts(), F4_FULL, board_file(Policy::Signature)?)?;
    wait(&mut rig)?;
    let filler = rig.filler(0x2000);
    let update = rig.manifest(filler, [1, 0, 0], Some(&example_key()?))?;
    let plan = rig.plan(&update)?;
    let operation = rig.board.operations() + 700;
    rig.board.cut(Cut::new(operation, When::Inside, 1));
    ensure!(rig.update(&plan).is_err() && !rig.board.is_powered(), "the supply did not fail");
    let dark = rig.moment();
    let mut best = f64::INFINITY;
    for _ in 0..REBOOTS {
        let start = Instant::now();
        rig.back_to(&dark);
        ensure!(rig.power_on(Nanos::secs(1)) == Found::UpdateMode, "the board does not come back");
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(best)
}

/// Time of erasing and programming 512 KB over USB, as a multiple of the flash's own busy time.
fn update_ratio() -> Result<f64> {
    let mut rig = waiting(F4_FULL, Policy::Signature)?;
    let filler = rig.filler(UPDATE - manifest::LEN as u32);
    let update = rig.manifest(filler, [1, 0, 0], Some(&example_key()?))?;
    let plan = rig.plan(&update)?;
    let (start, busy) = (rig.board.now(), rig.board.flash_time());
    Session::open(&mut rig, false)?.flash(&plan, &mut Silent)?;
    let taken = rig.board.now().since(start);
    let busy = rig.board.flash_time().since(busy);
    rig.board.assert_no_violations(|_| false);
    Ok(taken.0 as f64 / busy.0 as f64)
}

/// Power-on to the application's first instruction with a slot full of image, in milliseconds.
fn boot(image: Image, policy: Policy) -> Result<f64> {
    started(&mut filled(Rig::new(image, policy)?)?)
}

/// The same with a journal that is written: the second boot of a trial, on the same signed image.
fn boot_on_trial() -> Result<f64> {
    let path = crate::fixtures::root().join("boards/f4-discovery.toml");
    let text = std::fs::read_to_string(&path)?;
    let with_journal = text.replace("[layout]\n", "[layout]\njournal = \"0x08004000\"\n");
    ensure!(with_journal != text, "the example board's file has changed its form");
    let file = BoardFile::parse(&with_journal, path.parent().context("boards")?)?;
    let mut rig = filled(Rig::with(F4_FULL, file)?)?;
    // The first one makes the journal, with an erase.
    started(&mut rig)?;
    rig.board.power_off();
    let operations = rig.board.operations();
    let taken = started(&mut rig)?;
    ensure!(rig.board.operations() > operations, "the trial was not put on record");
    Ok(taken)
}

/// With a signed image that fills the slot.
fn filled(mut rig: Rig) -> Result<Rig> {
    let policy = rig.config().policy();
    let filler = rig.filler(rig.slot().length - manifest::LEN as u32);
    let key = example_key()?;
    let full = rig.manifest(filler, [1, 0, 0], (policy == Policy::Signature).then_some(&key))?;
    let only = full.iter().next().context("an image")?;
    rig.board.load(only.address, &only.bytes)?;
    Ok(rig)
}

fn started(rig: &mut Rig) -> Result<f64> {
    rig.board.power_on();
    let (start, slot) = (rig.board.now(), rig.slot());
    while !slot.contains(rig.board.pc(), 2) && rig.board.now().since(start) < Nanos::secs(2) {
        rig.board.run_for(STEP);
    }
    ensure!(slot.contains(rig.board.pc(), 2), "the image does not boot");
    rig.board.assert_no_violations(|_| false);
    Ok(rig.board.now().since(start).0 as f64 / 1e6)
}
