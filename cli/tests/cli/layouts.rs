//! Layouts from outside: two slots in board files, linker scripts and drawings.

use crate::bench::Bench;

#[test]
fn a_new_board_with_two_slots_has_a_linker_script_for_each() {
    let bench = Bench::new("new-ab");
    let made = bench.ok("new mine --strategy ab --policy crc");
    assert_eq!(made["strategy"], "ab");
    let layout = bench.ok("layout --board mine/board.toml --out link");
    assert_eq!(layout["strategy"], "ab");
    assert_eq!(layout["trial_boots"], 3);
    assert_eq!(layout["journal"]["base"], 0x0800_4000);
    assert_eq!(layout["slots"][0]["base"], 0x0800_C000);
    assert_eq!(layout["slots"][1]["base"], 0x0808_0000);
    let uses: Vec<_> =
        layout["map"].as_array().expect("a map").iter().filter_map(|r| r["use"].as_str()).collect();
    assert_eq!(uses, ["bootloader", "journal", "application", "application-b"]);
    for (name, origin) in [("memory-a.x", "0x0800C000"), ("memory-b.x", "0x08080000")] {
        let text = std::fs::read_to_string(bench.path("link").join(name)).expect(name);
        assert!(text.contains(&format!("FLASH : ORIGIN = {origin}")), "{name}: {text}");
    }
    assert!(!bench.path("link/memory.x").exists(), "one for both would be wrong for one of them");
    let drawn = String::from_utf8_lossy(&bench.raw("layout --board mine/board.toml").stdout).into_owned();
    for line in [
        "| slot B       |    512K | sectors 8-11   | read, erase, write  | 0x080FFFFF",
        "| slot A       |    464K | sectors 3-7    | read, erase, write  | 0x0807FFFF",
        "| journal      |     32K | sectors 1-2    | read                | 0x0800BFFF",
    ] {
        assert!(drawn.contains(line), "{line}\n{drawn}");
    }
}

#[test]
fn a_new_board_with_a_backup_slot_has_one_link_address() {
    let bench = Bench::new("new-backup");
    bench.ok("new mine --strategy backup");
    let layout = bench.ok("layout --board mine/board.toml --out link");
    assert_eq!(layout["strategy"], "backup");
    assert!(bench.path("link/memory.x").is_file() && !bench.path("link/memory-b.x").exists());
    let next = String::from_utf8_lossy(&bench.raw("new other --strategy backup").stdout).into_owned();
    assert!(next.contains("application at 0x0800C000 with 475136 bytes"), "{next}");
}

#[test]
fn two_slots_without_manifests_are_refused_before_a_folder_is_made() {
    let bench = Bench::new("new-none");
    for strategy in ["ab", "backup"] {
        bench.fails(&format!("new mine --strategy {strategy} --policy none"), 2, "new.no-manifest");
    }
    assert!(!bench.path("mine").exists());
    bench.fails("new mine --strategy swap", 2, "usage");
}
