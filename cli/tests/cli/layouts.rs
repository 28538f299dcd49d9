//! Layouts from outside: two slots in board files, linker scripts and drawings.

use crate::bench::Bench;

#[test]
fn a_new_board_with_two_slots_has_a_linker_script_for_each() {
    let bench = Bench::new("new-ab");
    let made = bench.ok("new mine --strategy ab --policy crc");
    assert_eq!(made["strategy"], "ab");
    let next =
        String::from_utf8_lossy(&bench.raw("new other --strategy ab --policy crc").stdout).into_owned();
    assert!(next.contains("surefoot flash app-a.dfu app-b.dfu"), "{next}");
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
        "| slot B       |    512K | sectors 8-11   | read; write in turn | 0x080FFFFF",
        "| slot A       |    464K | sectors 3-7    | read; write in turn | 0x0807FFFF",
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

#[test]
fn the_best_layout_of_a_chip_is_drawn_with_times_and_its_lines_for_a_board_file() {
    let bench = Bench::new("solve");
    let words = "layout --chip STM32F401CE --application 120K --strategy ab";
    let answer = bench.ok(words);
    assert_eq!(answer["room"], 208 * 1024 - 192);
    assert_eq!(answer["slots"][1]["base"], 0x0804_0000);
    // Sectors 3-5, the journal's erase, 123,072 bytes: 1800 + 250 + 493 ms and a little.
    assert_eq!(answer["effort"]["update_ms"]["typical"], 2545);
    assert_eq!(answer["effort"]["way_back_ms"]["max"], 0);
    let shown = String::from_utf8_lossy(&bench.raw(words).stdout).into_owned();
    for line in [
        "| slot A       |    208K | sectors 3-5    | read; write in turn | 0x0803FFFF",
        "update       2.6 s typically, 7.2 s at most, image of 123072 bytes",
        "application-b = \"0x08040000 + 256K\" # sectors 6-7",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(answer["section"].as_str().is_some_and(|section| shown.ends_with(section)), "{shown}");
    let all = bench.ok("layout --chip F401CE --application 300K");
    assert_eq!(all["strategies"][0]["room"], 474_944);
    assert!(all["strategies"][2]["impossible"].as_str().is_some_and(|s| s.contains("in each of two slots")));
}

#[test]
fn a_layout_that_was_found_becomes_a_board_file_and_linker_scripts() {
    let bench = Bench::new("solve-write");
    let words = "layout --chip F407VG --strategy backup --hse 8MHz --write found.toml --out link";
    assert_eq!(bench.ok(words)["written"].as_array().map(Vec::len), Some(7));
    let board = bench.ok("layout --board found.toml");
    assert_eq!((board["strategy"].as_str(), board["board"].as_str()), (Some("backup"), Some("found")));
    assert_eq!(board["slots"][1]["base"], 0x0808_0000);
    assert!(bench.path("link/memory.x").is_file());
    bench.fails(words, 3, "layout.exists");
    let made = bench.ok("new mine --chip F427VG --application 400K --strategy ab --hse 24MHz");
    assert_eq!((made["chip"].as_str(), made["strategy"].as_str()), (Some("STM32F427VG"), Some("ab")));
    let text = std::fs::read_to_string(bench.path("mine/board.toml")).expect("a board file");
    assert!(text.contains("keys/mine.pub.pem") && text.contains("must feed it"), "{text}");
    bench.ok("layout --board mine/board.toml");
}

#[test]
fn a_layout_that_cannot_be_found_is_refused_with_a_proof_and_what_would_do() {
    let bench = Bench::new("solve-bad");
    let error = bench.fails("layout --chip F401CC --application 120K --strategy ab", 3, "layout.impossible");
    assert_eq!(
        error["what"],
        "the application needs 120K and 192 bytes for its manifest in each of two slots; of 256K, 48K go to the \
         bootloader and the journal (sectors 0-2), and the sectors left, which cannot be divided, split at best into \
         80K (sectors 3-4) and 128K (sector 5): the application can have 81728 bytes at most"
    );
    assert_eq!(error["remedy"], "These would do: strategy \"single\"; STM32F401CD with the same pins.");
    let error = bench.fails("layout --chip F407VG --strategy ab --bootloader 1M", 3, "layout.impossible");
    assert!(
        error["remedy"].as_str().is_some_and(|s| s.starts_with("Take a smaller bootloader")),
        "{error:#}"
    );
    for (words, exit, code) in [
        ("--chip F407VG --strategy ab --application 4095M", 3, "layout.impossible"),
        ("--chip F401CB --application 100K", 3, "layout.impossible"),
        ("--chip F407VG --strategy ab --dual-bank", 3, "layout.impossible"),
        ("--chip F407VG --strategy ab --bootloader 2M", 3, "layout.impossible"),
        ("--chip F407VH", 3, "layout.chip"),
        ("--chip STM32H743ZI", 3, "layout.no-bootloader"),
        ("--chip F410RB", 3, "layout.no-bootloader"),
        ("--chip F407VG --voltage 5V", 3, "layout.voltage"),
        ("--chip F407VG --strategy ab --no-journal", 2, "layout.no-journal"),
        ("--chip F407VG --out link", 2, "layout.strategy"),
        ("--chip F407VG --strategy swap", 2, "usage"),
        ("--chip F407VG --application lots", 2, "usage"),
        ("--chip F407VG --application 0", 2, "usage"),
        ("--chip F407VG --strategy ab --bootloader 0", 2, "usage"),
        ("--chip F407VG --board board.toml", 2, "usage"),
        ("--application 120K", 2, "usage"),
        ("--write board.toml", 2, "usage"),
        ("--chip F407VG --strategy ab --hse 50MHz --write found.toml", 3, "board.clock"),
    ] {
        bench.fails(&format!("layout {words}"), exit, code);
    }
    for (words, exit, code) in [
        ("--chip F401CC --application 120K --strategy ab", 3, "layout.impossible"),
        ("--chip F401CC --hse 50MHz", 3, "board.clock"),
        ("--chip F401CC --example f4-discovery", 2, "usage"),
    ] {
        bench.fails(&format!("new mine {words}"), exit, code);
    }
    assert!(!bench.path("mine").exists() && !bench.path("found.toml").exists());
}
