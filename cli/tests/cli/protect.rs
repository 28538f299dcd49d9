//! Protection from outside: shown, asked for, in force, and never taken away.

use crate::bench::{Bench, application};
use serde_json::json;

const HELD: &str = "--link sim:board.state,button";

fn ready(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy ab");
    bench
}

#[test]
fn a_board_without_protection_says_so_and_nothing_changes_unasked() {
    let bench = ready("protect-shown");
    let shown = bench.ok(&format!("protect {HELD}"));
    let expected = json!({ "options": 0x0FFF_AAEC, "bootloader_write_protected": false,
        "write_protected_sectors": [], "read_protection_level": 0, "brown_out_level": 0 });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&shown["protection"][key], value, "{key}");
    }
    assert_eq!(shown["protection"]["warnings"].as_array().map(Vec::len), Some(2));
    assert_eq!(bench.ok(&format!("info {HELD}"))["protection"], shown["protection"]);
    let text = String::from_utf8_lossy(&bench.raw(&format!("info {HELD}")).stdout).into_owned();
    assert!(text.contains("the bootloader's own sector is not write-protected"), "{text}");
    let text = String::from_utf8_lossy(&bench.raw(&format!("protect {HELD}")).stdout).into_owned();
    for part in ["permanently", "RM0090, 3.7.3", "--bor LEVEL", "erases the whole flash"] {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "{part}: {text}");
    }
    bench.fails(&format!("protect --bootloader {HELD}"), 8, "unconfirmed");
    let dry = bench.ok(&format!("protect --bootloader --level 1 {HELD} --dry-run"));
    assert_eq!((&dry["changed"], &dry["protection"]["options"]), (&false.into(), &0x0FFE_55EC.into()));
    assert_eq!(bench.ok(&format!("protect {HELD}"))["protection"]["options"], 0x0FFF_AAEC);
}

#[test]
fn the_bootloaders_sector_is_protected_and_updates_go_on() {
    let bench = ready("protect-sector");
    let done = bench.ok(&format!("protect --bootloader --bor 2 --yes {HELD}"));
    assert_eq!((&done["changed"], &done["protection"]["options"]), (&true.into(), &0x0FFE_AAE4.into()));
    assert_eq!(done["remarks"], serde_json::Value::Null, "no rule of the manual was broken");
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["protection"]["write_protected_sectors"], json!([0]));
    assert_eq!(info["protection"]["brown_out_level"], 2);
    let again = bench.ok(&format!("protect --bootloader {HELD}"));
    assert_eq!(again["changed"], false, "nothing to ask about");
    bench.write("a.bin", application(0x0800_C000, 2000));
    bench.ok("image sign a.bin --key keys/mine.pem --out a.dfu");
    assert_eq!(bench.ok(&format!("flash a.dfu {HELD}"))["board"], "application");
}

#[test]
fn a_level_is_raised_with_what_it_takes_and_never_lowered() {
    let bench = ready("protect-level");
    bench.fails(&format!("protect --level 2 --bootloader --yes {HELD}"), 8, "protect.for-ever");
    bench.fails(&format!("protect --without-write-protection {HELD}"), 2, "usage");
    bench.fails(&format!("protect --i-understand-this-is-for-ever {HELD}"), 2, "usage");
    let done = bench.ok(&format!("protect --level 1 --yes {HELD}"));
    assert_eq!(done["protection"]["read_protection_level"], 1);
    assert!(done["explanation"][0].as_str().unwrap().contains("power-on reset"), "{done:#}");
    bench.fails(&format!("protect --level 0 --yes {HELD}"), 6, "protect.lowers");

    let dry = bench.ok(&format!("protect --level 2 --without-write-protection --dry-run {HELD}"));
    assert!(dry["explanation"][1].as_str().unwrap().contains("never can be"), "{dry:#}");
    let sure = "protect --level 2 --without-write-protection --i-understand-this-is-for-ever --yes";
    bench.fails(&format!("{sure} {HELD}"), 8, "protect.for-ever");
    bench.fails(&format!("{sure} --name yours {HELD}"), 8, "protect.for-ever");
    assert_eq!(bench.ok(&format!("info {HELD}"))["protection"]["read_protection_level"], 1);
    std::fs::rename(bench.path("board.toml"), bench.path("elsewhere.toml")).unwrap();
    bench.fails(&format!("{sure} --name mine {HELD}"), 8, "protect.for-ever");
    std::fs::rename(bench.path("elsewhere.toml"), bench.path("board.toml")).unwrap();
    let done = bench.ok(&format!("{sure} --name mine {HELD}"));
    assert_eq!(done["protection"]["read_protection_level"], 2);
    bench.fails(&format!("protect --bootloader --yes {HELD}"), 6, "protect.locked");
    bench.fails(&format!("protect --level 1 --yes {HELD}"), 6, "protect.lowers");
    assert_eq!(bench.ok(&format!("info {HELD}"))["bootloader"]["reason"], "button", "it lives");
}

#[test]
fn level_2_waits_for_the_bootloaders_write_protection() {
    let bench = ready("protect-first");
    let sure = "protect --level 2 --i-understand-this-is-for-ever --name mine --yes";
    for words in [sure, "protect --level 2 --dry-run"] {
        let error = bench.fails(&format!("{words} {HELD}"), 8, "protect.unguarded");
        let remedy = error["remedy"].as_str().unwrap();
        assert!(
            remedy.contains("--bootloader") && remedy.contains("--without-write-protection"),
            "{error:#}"
        );
    }
    bench.fails(&format!("{sure} --bootloader --without-write-protection {HELD}"), 2, "usage");
    assert_eq!(bench.ok(&format!("info {HELD}"))["protection"]["read_protection_level"], 0);
    // What is protected already needs no word.
    bench.ok(&format!("protect --bootloader --yes {HELD}"));
    let done = bench.ok(&format!("{sure} {HELD}"));
    assert_eq!(done["protection"]["read_protection_level"], 2);
    assert_eq!(done["protection"]["bootloader_write_protected"], true);
}

#[test]
fn option_bytes_that_a_host_may_not_change_name_what_changes_them() {
    let bench = Bench::new("protect-fixed");
    bench.ok("new mine --folder . --strategy ab");
    let board = std::fs::read_to_string(bench.path("board.toml")).unwrap();
    assert!(!board.contains("\noption-bytes"), "{board}");
    bench.write("board.toml", board.replacen("[boot]\n", "[boot]\noption-bytes = \"locked\"\n", 1));
    let error = bench.fails(&format!("protect --bootloader --yes {HELD}"), 6, "protect.fixed");
    let remedy = error["remedy"].as_str().unwrap();
    for line in
        ["STM32_Programmer_CLI -c port=SWD -ob nWRP0=0", "STM32_Programmer_CLI -c port=SWD -ob RDP=0xBB"]
    {
        assert!(remedy.contains(line), "{line}: {remedy}");
    }
}

#[test]
fn a_threshold_above_the_boards_supply_is_refused() {
    let bench = ready("protect-supply");
    let error = bench.fails(&format!("protect --bor 3 --yes {HELD}"), 3, "protect.supply");
    assert!(error["what"].as_str().unwrap().contains("2700 mV"), "{error:#}");
    // Without the board file nobody knows.
    std::fs::rename(bench.path("board.toml"), bench.path("another.toml")).unwrap();
    let error = bench.fails(&format!("protect --bor 2 --yes {HELD}"), 3, "protect.supply");
    assert!(error["what"].as_str().unwrap().contains("not known"), "{error:#}");
    bench.fails(&format!("protect --bor 4 {HELD}"), 2, "usage");
    bench.fails(&format!("protect --level 3 {HELD}"), 2, "usage");
}
