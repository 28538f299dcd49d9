//! Every fuzz target on stable, over inputs mutated from its seeds.
//!
//! SUREFOOT_SEED takes a seed back; SUREFOOT_FUZZ_INPUTS is the number of inputs a target (10,000).

use surefoot_fuzz_harness::{Random, TARGETS, mutate};

#[test]
fn no_target_finds_anything_in_thousands_of_seeded_inputs() {
    let inputs = std::env::var("SUREFOOT_FUZZ_INPUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let mut random = Random::seeded(1);
    for target in TARGETS {
        let seeds = (target.seeds)();
        for (i, seed) in seeds.iter().enumerate() {
            check(target.name, target.run, seed, &format!("seed {i}"));
        }
        for i in 0..inputs {
            let input = mutate(&mut random, &seeds);
            check(target.name, target.run, &input, &format!("input {i}"));
        }
    }
}

/// Runs one input; a panic says which one it was.
fn check(name: &str, run: fn(&[u8]), input: &[u8], which: &str) {
    if let Err(panic) = std::panic::catch_unwind(|| run(input)) {
        let hex: String = input.iter().map(|b| format!("{b:02x}")).collect();
        println!("{name}, {which}: {hex}");
        std::panic::resume_unwind(panic);
    }
}

/// The seeds are only worth something when they get past the first checks.
#[test]
fn the_seeds_are_good_inputs() {
    use surefoot_board::Board;
    use surefoot_fuzz_harness::{files, memory};
    use surefoot_host::files::{Format, parse};

    for seed in memory::seeds() {
        surefoot_core::dfu::memory::parse(std::str::from_utf8(&seed).unwrap()).unwrap();
    }
    let boards = files::board_seeds();
    let good =
        |seed: &[u8]| Board::parse(std::str::from_utf8(seed).unwrap(), "/nonexistent".as_ref()).is_ok();
    assert!(boards.iter().any(|seed| good(seed)));
    for seed in files::elf_seeds() {
        parse(Format::Elf, &seed, None).unwrap();
    }
    for seed in files::hex_seeds() {
        parse(Format::Hex, &seed, None).unwrap();
    }
    assert!(parse(Format::Dfu, &files::dfu_seeds()[0], None).is_ok());
}
