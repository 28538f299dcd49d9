//! The newcomer's way on a virtual board, each step a command of its own.

use crate::bench::{Bench, application};
use surefoot_host::files::{self, Ids};

const SLOT: u32 = 0x0801_0000;
const LINK: &str = "--link sim:board.state";
const HELD: &str = "--link sim:board.state,button";

/// A board whose bootloader waits in update mode, and a signed image for it.
fn ready(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.write("app.bin", application(SLOT, 5000));
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --counter 7 --out app.dfu");
    bench
}

#[test]
fn from_a_board_file_to_a_running_application() {
    let bench = ready("newcomer");
    let sealed = bench.ok("bootloader --out bootloader.hex");
    assert_eq!((&sealed["base"], &sealed["signatures"]), (&0x0800_0000.into(), &true.into()));

    let info = bench.ok(&format!("info {LINK}"));
    assert_eq!(info["kind"], "surefoot");
    assert_eq!(info["bootloader"]["reason"], "no-valid-image");
    assert_eq!(info["bootloader"]["image_fault"], "erased");
    assert_eq!(info["bootloader"]["board"], "mine");

    let dry = bench.ok(&format!("flash app.dfu {LINK} --dry-run"));
    assert_eq!(dry["dry_run"], true);
    let flashed = bench.ok(&format!("flash app.dfu {LINK}"));
    assert_eq!(flashed["board"], "application");
    assert_eq!(flashed["verified"], true);
    assert_eq!(flashed["erase"].as_array().map(Vec::len), Some(1));
    assert_eq!(flashed["remarks"], serde_json::Value::Null, "the bootloader broke no rule of the manual");
    assert!(flashed["seconds"].as_f64().is_some_and(|s| s > 0.5), "erasing 64K takes 550 ms of its time");

    bench.fails(&format!("info {LINK}"), 5, "link.running");
    bench.ok(&format!("verify app.dfu {HELD}"));
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["bootloader"]["reason"], "button");
    let slot = &info["state"]["slots"][0];
    assert_eq!((&slot["image"]["version"], &slot["image"]["security_counter"]), (&"1.2.3".into(), &7.into()));
    assert_eq!((&slot["role"], &info["state"]["log"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    let asked = bench.ok("info --link sim:board.state,magic");
    assert_eq!(asked["bootloader"]["reason"], "magic-word");
    assert_eq!(bench.ok(&format!("boot {HELD}"))["board"], "application");

    bench.ok(&format!("read back.bin --length 5000 {HELD}"));
    let (back, app) = (std::fs::read(bench.path("back.bin")).unwrap(), application(SLOT, 5000));
    assert_eq!(back[..0x20], app[..0x20]);
    assert_eq!(back[0x2C..], app[0x2C..], "all but the three reserved vectors");
}

#[test]
fn a_bare_device_without_board_file_is_flashed_by_its_own_words() {
    let bench = ready("no-file");
    bench.ok(&format!("info {LINK}"));
    std::fs::rename(bench.path("board.toml"), bench.path("elsewhere.toml")).unwrap();
    let flashed = bench.ok(&format!("flash app.dfu {LINK}"));
    assert_eq!(flashed["board"], "application");
    assert_eq!(flashed["unproved"].as_array().map(Vec::len), Some(0), "its own sealed keys proved it");
    bench.ok("image keygen other.pem");
    bench.ok("image sign app.bin --board elsewhere.toml --key other.pem --unchecked --out other.dfu");
    bench.fails(&format!("flash other.dfu {HELD}"), 4, "image.unknown-key");
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["bootloader"]["image_fault"], serde_json::Value::Null, "the old image was not erased");
}

#[test]
fn what_the_host_lets_through_the_board_itself_refuses() {
    let bench = ready("refused");
    bench.ok("image keygen other.pem");
    bench.ok("image sign app.bin --key other.pem --unchecked --out other.dfu");
    bench.fails(&format!("flash other.dfu {LINK}"), 4, "image.unknown-key");
    let fresh = bench.ok(&format!("info {LINK}"));
    assert_eq!(fresh["bootloader"]["image_fault"], "erased", "nothing was transferred");
    bench.fails(&format!("flash other.dfu {LINK} --unchecked"), 4, "image.unknown-key");
    let info = bench.ok(&format!("info {LINK}"));
    assert_eq!(info["bootloader"]["image_fault"], "unknown-key", "the board's own verdict");
    assert_eq!(bench.ok(&format!("flash app.dfu {LINK}"))["board"], "application");
}

#[test]
fn a_file_that_differs_ends_with_7() {
    let bench = ready("differs");
    bench.ok(&format!("flash app.dfu {LINK}"));
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.4 --out newer.dfu");
    let error = bench.fails(&format!("verify newer.dfu {HELD}"), 7, "verify.mismatch");
    assert!(error["remedy"].as_str().unwrap().contains("signed"), "{error:#}");
    bench.fails(&format!("verify app.bin --address 0x08100000 {HELD}"), 3, "plan.no-memory");
}

#[test]
fn an_erase_asks_first_and_is_limited_to_what_the_board_allows() {
    let bench = ready("erase");
    bench.ok(&format!("flash app.dfu {LINK}"));
    bench.fails(&format!("erase {HELD}"), 8, "unconfirmed");
    bench.fails(&format!("erase --yes --address 0x08000000 --length 16K {HELD}"), 3, "erase.not-offered");
    for range in
        ["--address 0x08010004 --length 0", "--address 0x080F0000 --length 1M", "--address 0 --length 4"]
    {
        bench.fails(&format!("erase --yes {range} {HELD}"), 3, "erase.not-offered");
    }
    assert_eq!(bench.ok(&format!("info {HELD}"))["bootloader"]["image_fault"], serde_json::Value::Null);
    let erased = bench.ok(&format!("erase --yes {HELD}"));
    assert_eq!(erased["erased"].as_array().map(Vec::len), Some(8));
    let info = bench.ok(&format!("info {LINK}"));
    assert_eq!(info["bootloader"]["image_fault"], "erased");
    bench.fails(&format!("boot {LINK}"), 4, "image.erased");
}

#[test]
fn another_boards_file_and_another_layout_are_refused_with_the_board_untouched() {
    let bench = ready("other-board");
    bench.ok(&format!("info {LINK}"));
    bench.ok("new theirs --strategy single --no-journal");
    bench.fails(&format!("flash app.dfu --board theirs/board.toml {LINK}"), 4, "plan.other-board");
    let text = std::fs::read_to_string(bench.path("board.toml")).unwrap();
    bench.write("moved.toml", text.replace("\"0x08010000\"", "\"0x08020000\""));
    bench.fails(&format!("flash app.dfu --board moved.toml {LINK}"), 4, "plan.other-layout");
    bench.write("zero.bin", application(0x0800_0000, 400));
    bench.fails(&format!("flash zero.bin --address 0x08000000 {LINK}"), 4, "image.start");
    let error = bench.fails(&format!("flash zero.bin {LINK}"), 4, "image.reset-outside");
    assert!(error["remedy"].as_str().unwrap().contains("VECT_TAB_OFFSET = 0x10000"), "{error:#}");
    let info = bench.ok(&format!("info {LINK}"));
    assert_eq!(info["bootloader"]["image_fault"], "erased");
}

#[test]
fn every_way_of_sending_ends_with_the_same_flash() {
    let bench = ready("ways");
    for (name, words) in [
        ("counting.bin", "--counting"),
        ("address.bin", "--address-each"),
        ("stay.bin", "--stay"),
        ("all.bin", "--erase all --no-verify"),
    ] {
        let flashed = bench.ok(&format!("flash app.dfu {HELD} {words}"));
        assert_eq!(flashed["verified"], name != "all.bin");
        bench.ok(&format!("read {name} --length 8K {HELD}"));
    }
    let first = std::fs::read(bench.path("counting.bin")).unwrap();
    for name in ["address.bin", "stay.bin", "all.bin"] {
        assert_eq!(std::fs::read(bench.path(name)).unwrap(), first, "{name}");
    }
}

#[test]
fn any_program_runs_on_the_bare_chip() {
    let bench = Bench::new("bare");
    bench.write("loop.bin", application(0x0800_0000, 256));
    let ran = bench.ok("sim run loop.bin --address 0x08000000 --for 10ms --pin PA5 --strict");
    assert_eq!(ran["nanoseconds"], 10_000_000);
    assert_eq!(ran["violations"].as_array().map(Vec::len), Some(0));
    assert_eq!(ran["pins"][0]["pin"], "PA5");
    // A reset vector into nothing.
    let mut lost = application(0x0800_0000, 256);
    lost[4..8].copy_from_slice(&0x6000_0001u32.to_le_bytes());
    bench.write("lost.bin", lost);
    bench.fails("sim run lost.bin --address 0x08000000 --for 10ms --strict", 6, "sim.locked-up");
    bench.fails("sim run loop.bin --address 0x08000000 --chip STM32H743ZI", 3, "link.no-model");
    bench.fails("sim run loop.bin --address 0x09000000", 3, "sim.outside");
    bench.fails("sim run", 2, "sim.nothing");
}

#[test]
fn a_board_keeps_its_age_and_its_flash_between_commands() {
    let bench = ready("age");
    bench.ok("sim run --state board.state --for 2s");
    bench.ok(&format!("flash app.dfu {LINK}"));
    let ran = bench.ok("sim run --state board.state --for 3s");
    assert_eq!(ran["in_application"], true);
    let list = bench.raw(&format!("list {LINK}"));
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(text.contains("virtual mine") && !text.contains(" 0.0"), "{text}");
    let listed = bench.ok(&format!("list {LINK}"));
    assert_eq!(listed["devices"][0]["board"], "mine");
}

#[test]
fn absurd_values_in_a_state_file_are_refused_and_the_file_is_left_alone() {
    let bench = ready("absurd");
    bench.ok(&format!("info {LINK}"));
    let state = std::fs::read(bench.path("board.state")).unwrap();
    let end = state.iter().position(|b| *b == b'\n').unwrap();
    let header: serde_json::Value = serde_json::from_slice(&state[..end]).unwrap();
    let absurd = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut header = header.clone();
        change(&mut header);
        [header.to_string().into_bytes(), state[end..].to_vec()].concat()
    };
    let table = [
        absurd(&|h| h["fitting"]["button"] = 65535.into()),
        absurd(&|h| h["fitting"]["led"] = 0x90.into()),
        absurd(&|h| h["fitting"]["backup_register"] = 20.into()),
        absurd(&|h| h["fitting"]["slot_length"] = u32::MAX.into()),
        absurd(&|h| h["fitting"]["hse_hz"] = u32::MAX.into()),
        absurd(&|h| h["now"] = u64::MAX.into()),
        state[..state.len() - 1].to_vec(),
        [&state[..], &[0xFF]].concat(),
    ];
    for bytes in table {
        bench.write("absurd.state", &bytes);
        for words in ["info --link sim:absurd.state,button,magic", "list --link sim:absurd.state"] {
            bench.fails(words, 3, "link.state");
        }
        bench.fails("sim run --state absurd.state", 3, "link.state");
        assert!(std::fs::read(bench.path("absurd.state")).unwrap() == bytes);
    }
}

#[test]
fn commands_at_once_on_one_virtual_board_wait_for_each_other() {
    let bench = ready("at-once");
    bench.ok(&format!("info {LINK}"));
    let age = |bench: &Bench| {
        let state = std::fs::read(bench.path("board.state")).unwrap();
        let end = state.iter().position(|b| *b == b'\n').unwrap();
        serde_json::from_slice::<serde_json::Value>(&state[..end]).unwrap()["now"].as_u64().unwrap()
    };
    let before = age(&bench);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bench.ok("sim run --state board.state --for 1s"));
        }
    });
    assert!(age(&bench) >= before + 4_000_000_000, "each second counts");
}

#[test]
fn a_state_that_cannot_be_kept_is_told_before_anything_is_done() {
    let bench = ready("unkept");
    let error = bench.fails("flash app.dfu --link sim:missing/board.state", 3, "link.unkept");
    let what = error["what"].as_str().unwrap();
    assert_eq!(what.matches("there is no folder missing").count(), 1, "{what}");
    assert!(!bench.path("missing").exists());
}

/// What a command says to people, and whether it did its job.
fn said(bench: &Bench, words: &str) -> (bool, String) {
    let out = bench.raw(words);
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn a_new_board_is_announced_when_its_file_is_there_and_not_before() {
    let bench = ready("announced");
    const NEW: &str = "a new virtual mine with its bootloader in ";
    bench.write("broken.dfu", [0x5A; 300]);
    let text = std::fs::read_to_string(bench.path("board.toml")).unwrap();
    bench.write("no-model.toml", text.replace("STM32F407VG", "STM32F429ZI"));
    let mut table = vec![
        "flash broken.dfu --link sim:new.state",
        "flash app.dfu --link sim:missing/new.state",
        "info --board no-model.toml --link sim:new.state",
        "sim run missing.elf --state new.state",
    ];
    if cfg!(target_os = "linux") {
        table.push("flash app.dfu --link sim:/proc/new.state");
    }
    for words in table {
        let (done, text) = said(&bench, words);
        assert!(!done && !text.contains("a new virtual"), "{words}: {text}");
        assert!(!bench.path("new.state").exists() && !bench.path("new.state.lock").exists(), "{words}");
    }
    // What fails after that leaves the whole board that was announced.
    for (name, words) in [
        ("one.state", "flash app.bin --link sim:one.state"),
        ("two.state", "sim serve --state two.state --socket missing/usb.sock"),
    ] {
        let (done, text) = said(&bench, words);
        let line = format!("{NEW}{name}");
        assert!(!done && text.contains(&line), "{words}: {text}");
        let (done, text) = said(&bench, &format!("info --link sim:{name}"));
        assert!(done && !text.contains("a new virtual"), "{text}");
    }
}

#[test]
fn a_board_without_a_button_is_not_told_to_hold_it() {
    let bench = ready("no-button");
    let text = std::fs::read_to_string(bench.path("board.toml")).unwrap();
    let from = text.find("[button]").unwrap();
    let to = from + text[from..].find("\n\n").unwrap();
    bench.write("board.toml", [&text[..from], &text[to..]].concat());
    bench.ok(&format!("flash app.dfu {LINK}"));
    for link in [LINK, HELD] {
        let error = bench.fails(&format!("info {link}"), 5, "link.running");
        let (why, remedy) = (error["why"].as_str().unwrap(), error["remedy"].as_str().unwrap());
        assert!(why.contains("It has no button"), "{why}");
        assert_eq!(remedy, "Let the application ask for it: --link sim:board.state,magic.");
    }
    bench.ok("info --link sim:board.state,magic");
    let error = bench.raw("info --vid fff0 --pid fff1 --json");
    let error: serde_json::Value = serde_json::from_slice(&error.stdout).unwrap();
    let remedy = error["error"]["remedy"].as_str().unwrap();
    assert!(!remedy.contains("button"), "{remedy}");
}

#[test]
fn a_read_that_cannot_end_well_is_refused_before_it_begins() {
    let bench = ready("reads");
    let table = [
        ("read a.bin --length 0", "read.nothing"),
        ("read a.bin --address 0x09000000 --length 4", "plan.no-memory"),
        ("read a.bin --address 0x080FFFFC --length 8", "plan.no-memory"),
        ("read a.bin --address 0x08010002 --length 4", "read.unaligned"),
        ("read a.elf", "file.unknown-format"),
        ("read a", "file.unknown-format"),
        ("read missing/a.bin", "file.write"),
    ];
    for (words, code) in table {
        bench.fails(&format!("{words} {LINK}"), 3, code);
    }
    assert!(!bench.path("a.bin").exists());
    // By --out as with every other verb that writes a file.
    let part = "--address 0x08000000 --length 16";
    bench.ok(&format!("read a.bin {part} {LINK}"));
    bench.ok(&format!("read --out b.bin {part} {LINK}"));
    assert_eq!(std::fs::read(bench.path("a.bin")).unwrap(), std::fs::read(bench.path("b.bin")).unwrap());
    bench.fails(&format!("read a.bin --out b.bin {LINK}"), 2, "usage");
    bench.fails(&format!("read {LINK}"), 2, "usage");
}

#[test]
fn a_dfu_file_for_another_usb_device_is_refused() {
    let bench = ready("ids");
    let segments = files::read(&bench.path("app.dfu"), None).unwrap().segments;
    let with = |name: &str, vid, pid| {
        files::write(&bench.path(name), &segments, Ids { vid, pid, device: 0xFFFF }).unwrap();
    };
    for (vid, pid) in [(0x1209, 0xDF11), (0x0483, 0x0001)] {
        with("other.dfu", vid, pid);
        bench.fails(&format!("flash other.dfu {LINK}"), 4, "plan.other-ids");
    }
    assert_eq!(bench.ok(&format!("info {LINK}"))["bootloader"]["image_fault"], "erased");
    with("any.dfu", 0xFFFF, 0xFFFF);
    assert_eq!(bench.ok(&format!("flash any.dfu {LINK}"))["board"], "application");
}

#[test]
fn list_says_what_fits_of_a_state_file_that_it_cannot_show() {
    let bench = Bench::new("list-odd");
    bench.ok("new mine --folder .");
    let error = bench.fails("list --link sim:missing.state", 3, "sim.no-board");
    assert!(error["what"].as_str().unwrap().contains("no virtual board in missing.state"), "{error:#}");
    assert!(
        error["remedy"].as_str().unwrap().contains("surefoot info --link sim:missing.state"),
        "{error:#}"
    );
    assert!(!bench.path("missing.state").exists());

    bench.ok("info --link sim:board.state");
    let state = std::fs::read(bench.path("board.state")).unwrap();
    bench.write("cut.state", &state[..state.len() / 2]);
    std::fs::create_dir(bench.path("folder.state")).unwrap();
    for (file, code, why, remedy) in [
        ("board.toml", "link.state", "not written by surefoot", "Check its name"),
        ("cut.state", "link.state", "cut short", "remove it"),
        ("folder.state", "link.unread", "kept in a file", "Check its name"),
    ] {
        for verb in ["list", "info"] {
            let error = bench.fails(&format!("{verb} --link sim:{file}"), 3, code);
            assert!(error["why"].as_str().unwrap().contains(why), "{verb} {file}: {error:#}");
            assert!(error["remedy"].as_str().unwrap().contains(remedy), "{verb} {file}: {error:#}");
            assert!(!bench.path(&format!("{file}.lock")).exists());
        }
    }
}

#[test]
fn list_shows_a_board_that_another_command_has_and_says_so() {
    use surefoot_host::link::sim::StateLock;
    let bench = Bench::new("list-in-use");
    bench.ok("new mine --folder .");
    bench.ok("info --link sim:board.state");
    let seen = || bench.ok("list --link sim:board.state")["devices"][0]["in_use"].clone();
    assert_eq!(seen(), false);
    let lock = StateLock::take(&bench.path("board.state"), std::time::Duration::ZERO).unwrap();
    assert_eq!(seen(), true);
    let text = String::from_utf8_lossy(&bench.raw("list --link sim:board.state").stdout).into_owned();
    assert!(text.contains("in use by another command"), "{text}");
    drop(lock);
    assert_eq!(seen(), false);
}
