//! The example boards: each is legal, makes a block, and the block says what the file says.

use std::path::{Path, PathBuf};
use surefoot_board::Board;
use surefoot_core::config::{
    Config, FAMILY_F4, OWNER_JOURNAL, OWNER_SLOT0, OWNER_SLOT1, Policy, Slot, Strategy, Text,
};
use surefoot_core::dfu::memory;

fn boards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards")
}

fn load(name: &str) -> Board {
    Board::load(&boards().join(format!("{name}.toml"))).unwrap_or_else(|e| panic!("{e}"))
}

/// name, memory string, slot base, slot length, SYSCLK in MHz, policy.
const EXAMPLES: &[(&str, &str, u32, u32, u32, Policy)] = &[
    ("f4-discovery", "/0x08000000/04*016Ka,01*064Kg,07*128Kg", 0x0801_0000, 960, 168, Policy::Signature),
    (
        "f4-discovery-ab",
        "/0x08000000/03*016Ka,01*016Kg,01*064Kg,07*128Kg",
        0x0800_C000,
        464,
        168,
        Policy::Signature,
    ),
    (
        "f4-discovery-backup",
        "/0x08000000/03*016Ka,01*016Kg,01*064Kg,03*128Kg,04*128Ka",
        0x0800_C000,
        464,
        168,
        Policy::Signature,
    ),
    ("f4-small", "/0x08000000/02*016Ka,02*016Kg,01*064Kg,07*128Kg", 0x0800_8000, 992, 168, Policy::Crc),
    (
        "nucleo-f446re",
        "/0x08000000/01*016Ka,03*016Kg,01*064Kg,03*128Kg",
        0x0800_4000,
        496,
        168,
        Policy::Signature,
    ),
    ("blackpill-f411ce", "/0x08000000/04*016Ka,01*064Kg,03*128Kg", 0x0801_0000, 448, 96, Policy::Signature),
    (
        "nucleo-f429zi",
        "/0x08000000/04*016Ka,01*064Kg,07*128Kg,04*016Kg,01*064Kg,07*128Kg",
        0x0801_0000,
        1984,
        168,
        Policy::Signature,
    ),
    (
        "fmu-v2",
        "/0x08000000/01*016Ka,03*016Kg,01*064Kg,07*128Kg,04*016Ka,01*064Ka,07*128Ka",
        0x0800_4000,
        1008,
        168,
        Policy::Signature,
    ),
];

#[test]
fn every_example_board_is_in_the_table() {
    let files = std::fs::read_dir(boards()).expect("boards/").flatten().map(|e| e.path());
    let mut names: Vec<String> = files
        .filter(|p| p.extension().is_some_and(|e| e == "toml") && !p.ends_with("Cargo.toml"))
        .map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut known: Vec<String> = EXAMPLES.iter().map(|e| e.0.to_string()).collect();
    known.sort();
    assert_eq!(names, known);
}

#[test]
fn every_example_board_makes_a_block_that_says_what_its_file_says() {
    for &(name, memory, base, kib, mhz, policy) in EXAMPLES {
        let board = load(name);
        assert_eq!(board.name, name, "the file is named after its board");
        assert_eq!(board.memory_string(), format!("@Internal Flash   {memory}"), "{name}");
        let block = board.block();
        let config = Config::parse(&block, FAMILY_F4).expect(name);
        let slot = config.slots().next().expect("a slot");
        assert_eq!((slot.base, slot.length), (base, kib * 1024), "{name}");
        assert_eq!(config.sysclk_hz(), mhz * 1_000_000, "{name}");
        assert_eq!(config.policy(), policy, "{name}");
        assert_eq!(config.text(Text::Memory), board.memory_string().as_bytes(), "{name}");
        assert_eq!(config.device_id(), board.chip.device_id.expect("an id"), "{name}");
        assert_eq!(config.board_id(), board.id, "{name}");
        let said = memory::parse(&board.memory_string()).map(|m| m.sectors().map(|s| s.size).sum::<u32>());
        assert_eq!(said, Ok(board.layout.flash.size()), "{name}: hosts read the whole flash in the string");
        let regions: Vec<_> = config.regions().collect();
        assert_eq!(regions, board.regions(), "{name}");
        let end = regions.iter().fold(0x0800_0000, |at, r| {
            assert_eq!(r.base, at, "{name}: the flash map has no gap");
            assert!(r.erase_ms >= 250, "{name}: an erase time");
            r.base + r.sector_size * u32::from(r.count)
        });
        assert_eq!(end, board.layout.flash.end(), "{name}: the flash map covers the chip");
        for (number, slot) in config.slots().enumerate() {
            let owned: u32 = regions
                .iter()
                .filter(|r| r.owner == 1 << number)
                .map(surefoot_core::config::Region::length)
                .sum();
            assert_eq!(owned, slot.length, "{name}: the sectors of slot {number} are the slot");
        }
        assert_eq!(config.keys().count(), usize::from(policy == Policy::Signature), "{name}");
    }
}

#[test]
fn the_file_with_every_key_in_the_readme_is_a_board() {
    let readme = std::fs::read_to_string(boards().join("README.md")).expect("boards/README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("an example");
    let (text, _) = rest.split_once("```").expect("its end");
    let board = Board::parse(text, &boards()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((board.id, board.boot.double_tap_ms), (0x1234_5678, 500));
}

#[test]
fn two_slots_and_a_journal_stand_in_the_block_with_their_owners() {
    let a = Slot { base: 0x0800_C000, length: 464 * 1024 };
    let b = Slot { base: 0x0808_0000, length: 512 * 1024 };
    for (name, strategy) in [("f4-discovery-ab", Strategy::Ab), ("f4-discovery-backup", Strategy::Backup)] {
        let board = load(name);
        let block = board.block();
        let config = Config::parse(&block, FAMILY_F4).expect(name);
        assert_eq!((config.strategy(), config.trial_boots()), (strategy, 3), "{name}");
        assert!(config.has_journal() && board.has_journal(), "{name}");
        assert_eq!(config.slots().collect::<Vec<_>>(), [a, b], "{name}");
        assert_eq!(board.slots(), [a, b], "{name}");
        let owners: Vec<_> = config.regions().map(|r| (r.base, r.owner)).collect();
        assert_eq!(
            owners,
            [
                (0x0800_0000, 0),
                (0x0800_4000, OWNER_JOURNAL),
                (0x0800_C000, OWNER_SLOT0),
                (0x0801_0000, OWNER_SLOT0),
                (0x0802_0000, OWNER_SLOT0),
                (0x0808_0000, OWNER_SLOT1),
            ],
            "{name}"
        );
        let journal = config.with_open(OWNER_JOURNAL);
        assert!(journal.is_writable(0x0800_4000, 0x8000), "{name}: two sectors");
        assert!(!journal.is_writable(0x0800_0000, 4) && !journal.is_writable(0x0800_C000, 4), "{name}");
        // A host is told of the slots that it may write at some time, the first sector behind them not.
        let memory = board.memory_string();
        let said = memory::parse(&memory).expect(name);
        let g: u32 = said.sectors().filter(|s| s.access == memory::Access::ALL).map(|s| s.size).sum();
        let both = if strategy == Strategy::Ab { b.length } else { 0 };
        assert_eq!(g, a.length + both, "{name}");
    }
    assert_eq!(load("f4-discovery-ab").running_slots(), [a, b]);
    assert_eq!(load("f4-discovery-backup").running_slots(), [a]);
    let single = load("f4-discovery");
    let block = single.block();
    let config = Config::parse(&block, FAMILY_F4).expect("a block");
    assert_eq!((config.strategy(), config.trial_boots()), (Strategy::Single, 0), "as before");
    assert!(!config.has_journal());
}
