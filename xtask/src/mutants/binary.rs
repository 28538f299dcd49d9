//! The bugs in the binary that ships: `cargo xtask sweep` has to see them there.
//!
//! A bug that keeps a scenario from going as it is told is seen as well as one that a cut brings to
//! light.

use super::copy::Copy;
use anyhow::{Result, ensure};
use surefoot_images::{F4_FULL, Image, make};
use surefoot_tests::sweep::{self, Effort, Options, Tried, scenarios};

/// Faults of the flash in each scenario.
const FAULTS: usize = 60;

/// True when the sweep of the scenarios that are called for fails with the bootloader of this copy.
pub fn sees(copy: &Copy, only: &str) -> Result<bool> {
    ensure!(scenarios::all().iter().any(|s| s.name.contains(only)), "no scenario is named like {only:?}");
    let elf = copy.firmware()?;
    let firmware = Image { name: F4_FULL.name, binary: make::flat(&elf)?.leak(), elf: elf.leak() };
    let options = Options {
        seed: 1,
        shard: 0,
        shards: 1,
        seeds: 1,
        effort: Effort::Every(0),
        tried: Tried::default(),
        faults: FAULTS,
        only: Some(only.to_owned()),
        firmware,
        until_failure: true,
    };
    let passed = sweep::run(&options, &mut |_| {})
        .is_ok_and(|parts| parts.iter().all(|part| part.figures.bricked + part.figures.unaccepted == 0));
    Ok(!passed)
}
