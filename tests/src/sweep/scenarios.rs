//! The scenarios: scripts of real runs, for each strategy.
//!
//! A script prepares a board without being recorded, starts the tape, and does what the scenario
//! is about. It returns the image that the host sends again after a cut, if that makes sense.

use super::bench::{App, Bench, Recipe, Seen};
use super::checks::State;
use crate::fixtures;
use crate::rig;
use anyhow::{Context, Result, ensure};
use surefoot_board::Board as BoardFile;
use surefoot_core::config::{Policy, Strategy};
use surefoot_images::{F4_FULL, Image};
use surefoot_sim::Nanos;

/// A scenario.
pub struct Scenario {
    /// Its name: strategy, then what happens.
    pub name: &'static str,
    /// What happens.
    pub about: &'static str,
    board: fn() -> Result<BoardFile>,
    firmware: &'static Image,
    script: fn(&mut Bench) -> Result<Option<usize>>,
}

impl Scenario {
    /// Its board.
    pub fn bench(&self) -> Result<Bench> {
        let keys = vec![rig::example_key()?];
        Bench::new(*self.firmware, (self.board)()?, keys).context(self.name)
    }

    /// Runs it with the tape.
    pub fn run(&self, bench: &mut Bench) -> Result<Option<usize>> {
        (self.script)(bench).context(self.name)
    }

    /// The scenario of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }
}

/// All of them.
pub static ALL: &[Scenario] = &[
    Scenario {
        name: "plain-first-install",
        about: "a board without a journal takes its first image",
        board: plain,
        firmware: &F4_FULL,
        script: first_install,
    },
    Scenario {
        name: "plain-update",
        about: "a board without a journal takes another image",
        board: plain,
        firmware: &F4_FULL,
        script: plain_update,
    },
    Scenario {
        name: "ab-first-install",
        about: "a board with two slots takes its first image",
        board: ab,
        firmware: &F4_FULL,
        script: first_install,
    },
    Scenario {
        name: "ab-update",
        about: "a board with two slots takes another image, which never confirms itself",
        board: ab,
        firmware: &F4_FULL,
        script: update_silent,
    },
    Scenario {
        name: "backup-update",
        about: "a board with a backup slot takes another image, which never confirms itself",
        board: backup,
        firmware: &F4_FULL,
        script: update_silent,
    },
];

fn plain() -> Result<BoardFile> {
    board("application = \"0x08010000 + 64K\"", Policy::Crc)
}

fn ab() -> Result<BoardFile> {
    let layout = "strategy = \"ab\"\njournal = \"0x08008000\"\napplication = \"0x08010000 + 64K\"\n\
                  application-b = \"0x08020000 + 128K\"";
    board(layout, Policy::Crc)
}

fn backup() -> Result<BoardFile> {
    let layout = "strategy = \"backup\"\njournal = \"0x08008000\"\napplication = \"0x08010000 + 64K\"\n\
                  backup = \"0x08020000 + 128K\"";
    board(layout, Policy::Crc)
}

/// The example board with another layout and policy.
fn board(layout: &str, policy: Policy) -> Result<BoardFile> {
    let policy = match policy {
        Policy::None => "none",
        Policy::Crc => "crc",
        Policy::Signature => "signature",
    };
    let text = format!(
        "name = \"sweep\"\nchip = \"STM32F407VG\"\nvoltage = \"2.7V-3.6V\"\n\
         [layout]\nbootloader = \"32K\"\n{layout}\n\
         [clock]\nhse = \"8 MHz\"\nsysclk = \"168 MHz\"\n\
         [led]\npin = \"PD12\"\nactive = \"high\"\n\
         [button]\npin = \"PA0\"\nactive = \"high\"\npull = \"down\"\n\
         [boot]\nmagic = 0xDEADBEEF\ndouble-tap = \"0 ms\"\n\
         [validation]\npolicy = \"{policy}\"\nkeys = [\"keys/example.pub.pem\"]\n"
    );
    Ok(BoardFile::parse(&text, &fixtures::root().join("boards"))?)
}

fn first_install(bench: &mut Bench) -> Result<Option<usize>> {
    let one = bench.make(Recipe::new("one", App::Silent, 1))?;
    ensure!(bench.power_on() == Seen::UpdateMode, "an empty board waits");
    bench.rig.attach()?;
    bench.record();
    bench.send(one)??;
    Ok(Some(one))
}

fn plain_update(bench: &mut Bench) -> Result<Option<usize>> {
    first_install(bench)?;
    bench.stop();
    let two = bench.make(Recipe::new("two", App::Silent, 2))?;
    bench.record();
    bench.update(two)?;
    Ok(Some(two))
}

/// Image one runs and has confirmed itself.
fn confirmed(bench: &mut Bench) -> Result<()> {
    let one = bench.make(Recipe { filler: 16, ..Recipe::new("one", App::Confirms, 1) })?;
    ensure!(bench.power_on() == Seen::UpdateMode, "an empty board waits");
    bench.rig.attach()?;
    bench.send(one)??;
    bench.run_for(Nanos::millis(500));
    let record = State::of(&bench.rig.board, &bench.journal).newest.context("no record")?;
    ensure!(record.confirmed() == bench.images[one].id, "image one has not confirmed itself");
    Ok(())
}

/// The slot that an update goes to while image one is confirmed.
fn spare(bench: &Bench) -> usize {
    usize::from(bench.strategy() == Strategy::Ab)
}

fn update_silent(bench: &mut Bench) -> Result<Option<usize>> {
    confirmed(bench)?;
    let slot = spare(bench);
    let two = bench.make(Recipe { slot, ..Recipe::new("two", App::Silent, 2) })?;
    bench.record();
    bench.update(two)?;
    Ok(Some(two))
}
