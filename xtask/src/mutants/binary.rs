//! The bugs in the binary that ships: `cargo xtask sweep` has to see them there.
//!
//! A bug that keeps a scenario from going as it is told is seen as well as one that a cut brings to
//! light. One may take more bytes than are free in the bootloader's sector. So they are put into a build without the
//! change of option bytes, except for scenarios that are about it.

use super::copy::Copy;
use anyhow::{Result, ensure};
use surefoot_images::{F4_FULL, Image, make};
use surefoot_tests::sweep::{self, Effort, Options, Tried, scenarios};

/// The firmware's feature that is left out where no scenario needs it.
const OPTIONS: &str = "options";
/// Cuts within which most bugs are seen.
const CUTS: u64 = 6_000;
/// Seeds for the last words of records.
const LAST_WORDS: u8 = 16;
/// Ways of a second cut at each place, where all places are cut.
const DRAWS: u8 = 3;
/// Faults of the flash in each scenario.
const FAULTS: usize = 60;

/// True when the sweep of the scenarios that are called for fails with the bootloader of this copy.
pub fn sees(copy: &Copy, only: &str) -> Result<bool> {
    let scenarios: Vec<_> = scenarios::all().into_iter().filter(|s| s.name.contains(only)).collect();
    ensure!(!scenarios.is_empty(), "no scenario is named like {only:?}");
    let elf = copy.firmware(OPTIONS, scenarios.iter().any(|s| s.changes_option_bytes()))?;
    let firmware = Image { name: F4_FULL.name, binary: make::flat(&elf)?.leak(), elf: elf.leak() };
    let options = |effort| Options {
        seed: 1,
        shard: 0,
        shards: 1,
        thread: (0, 1),
        seeds: 1,
        last_words: LAST_WORDS,
        effort,
        draws: DRAWS,
        tried: Tried::default(),
        states: Tried::default(),
        faults: FAULTS,
        only: Some(only.to_owned()),
        firmware,
        most_failures: 1,
    };
    let passes = |effort| {
        sweep::run(&options(effort), &mut |_| {})
            .is_ok_and(|parts| parts.iter().all(|part| part.figures.bricked + part.figures.unaccepted == 0))
    };
    // Most are seen among a few cuts, and only some want all of them.
    Ok(!passes(Effort::Spread(CUTS)) || !passes(Effort::Every(0)))
}
