//! Bad input lines: each has its exit code, its name and its three sentences.

use crate::bench::{Bench, application};

const SLOT: u32 = 0x0801_0000;

/// A folder with a board and its keys.
fn board(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.write("app.bin", application(SLOT, 1000));
    bench
}

fn changed(bench: &Bench, from: &str, to: &str) {
    let text = std::fs::read_to_string(bench.path("board.toml")).unwrap();
    assert!(text.contains(from), "{from}");
    bench.write("other.toml", text.replace(from, to));
}

#[test]
fn a_command_line_without_meaning_ends_with_2() {
    let bench = Bench::new("usage");
    for words in ["", "nonsense", "flash", "flash a.bin --link smoke", "read --length 5", "image sign a.elf"]
    {
        assert_eq!(bench.raw(words).status.code(), Some(2), "{words}");
    }
    let error = bench.fails("flash a.bin --link smoke", 2, "usage");
    assert!(error["what"].as_str().unwrap().contains("smoke"), "{error:#}");
    let error = bench.fails("image sign", 2, "usage");
    let what = error["what"].as_str().unwrap();
    assert!(what.contains("--out <OUT>") && what.contains("<FILE>") && !what.contains('\n'), "{what}");
    bench.fails("image", 2, "usage");
    for words in ["--help", "--version", "flash --help", "completions bash"] {
        assert_eq!(bench.raw(words).status.code(), Some(0), "{words}");
    }
}

#[test]
fn the_exit_codes_are_the_same_in_the_help_and_in_the_page_about_the_command() {
    let out = Bench::new("help").raw("--help");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let page = include_str!("../../../docs/command.md");
    for code in 0..=9 {
        let line = text.lines().find_map(|l| l.strip_prefix(&format!("  {code}  ")));
        let line = line.unwrap_or_else(|| panic!("exit code {code} in {text}"));
        assert!(page.contains(&format!("| {code} | {line} |")), "exit code {code} in the page: {line}");
    }
}

#[test]
fn a_bad_board_file_ends_with_3_and_its_line() {
    let bench = board("board-files");
    let table = [
        ("hse = \"8 MHz\"", "hsee = \"8 MHz\"", "board.unknown-key"),
        ("STM32F407VG", "STM32F407XX", "board.chip"),
        ("application = \"0x08010000\"", "application = \"0x08011000\"", "board.layout"),
        ("application = \"0x08010000\"", "application = \"0x08002000\"", "board.layout"),
        ("pin = \"PD12\"", "pin = \"PQ12\"", "board.pin"),
        ("[clock]", "[clock", "board.syntax"),
    ];
    for (from, to, code) in table {
        changed(&bench, from, to);
        let error = bench.fails("layout --board other.toml", 3, code);
        assert!(error["what"].as_str().unwrap().contains("other.toml:"), "{error:#}");
    }
    bench.fails("layout --board missing.toml", 3, "board.unreadable");
    let error = {
        changed(&bench, "0x08010000", "0x08011000");
        bench.fails("layout --board other.toml", 3, "board.layout")
    };
    let what = error["what"].as_str().unwrap();
    assert!(what.contains("0x08010000") && what.contains("0x08020000"), "the two nearest: {what}");
}

#[test]
fn a_bad_file_ends_with_3() {
    let bench = board("files");
    bench.write("empty.bin", "");
    bench.write("cut.hex", ":020000040801F1\n:04000000DEADBEEFC4\n");
    bench.write("sum.hex", ":04000000DEADBEEFC5\n:00000001FF\n");
    bench.write("twice.hex", ":04000000DEADBEEFC4\n:04000200DEADBEEFC2\n:00000001FF\n");
    bench.write("short.elf", b"\x7FELF\x01\x01\x01");
    bench.write("random.dfu", (0..200u8).collect::<Vec<_>>());
    bench.write("app.xyz", "what");
    let table = [
        ("image inspect missing.hex", "file.read"),
        ("image inspect empty.bin --address 0", "file.empty"),
        ("image inspect app.bin", "file.no-address"),
        ("image inspect cut.hex", "file.hex"),
        ("image inspect sum.hex", "file.hex"),
        ("image inspect twice.hex", "file.overlap"),
        ("image inspect app.bin --address 0x08010001", "file.unaligned"),
        ("image inspect short.elf", "file.elf"),
        ("image inspect random.dfu", "file.dfu"),
        ("image inspect app.xyz", "file.unknown-format"),
        ("image inspect app.bin --address 0xFFFFFFF0", "file.past-the-end"),
        ("flash cut.hex --link sim:none.state", "file.hex"),
        ("verify app.bin --link sim:none.state", "sim.no-board"),
    ];
    // The virtual board would be made from board.toml; these must fail before that.
    for (words, code) in table {
        let words = if code == "sim.no-board" {
            std::fs::remove_file(bench.path("board.toml")).unwrap();
            words
        } else {
            words
        };
        bench.fails(words, 3, code);
    }
    assert!(!bench.path("none.state").exists());
}

#[test]
fn a_bad_key_ends_with_3_and_no_key_is_written_over() {
    let bench = board("keys");
    let sign = "image sign app.bin --out a.dfu --key";
    let missing = bench.fails(&format!("{sign} missing.pem"), 3, "file.read");
    let causes = missing.to_string().matches("os error").count();
    assert_eq!((causes, &missing["why"]), (1, &"There is no file of this name.".into()), "the cause once");
    // The other half of the pair is named, instead of another pair.
    let public = bench.fails(&format!("{sign} keys/mine.pub.pem"), 3, "key.not-private");
    assert!(public["remedy"].as_str().unwrap().ends_with(" keys/mine.pem."), "{public:#}");
    let private = bench.fails("image keys keys/mine.pem", 3, "key.not-public");
    assert!(private["remedy"].as_str().unwrap().contains(" keys/mine.pub.pem;"), "{private:#}");
    let negative = bench.fails("image sign app.bin --out a.dfu --counter -1", 2, "usage");
    assert!(negative["what"].as_str().unwrap().contains("invalid value '-1'"), "{negative:#}");
    bench.ok("image keygen k.pem");
    bench.fails("image keygen k.pem", 3, "key.exists");
    bench.ok("image keygen --out o.pem");
    assert!(bench.path("o.pem").exists() && bench.path("o.pub.pem").exists());
    bench.fails("image keygen --out k.pem", 3, "key.exists");
    bench.fails("image keygen a.pem --out b.pem", 2, "usage");
    bench.fails("image inspect app.bin --address 0x08010000 --key k.pem", 3, "key.not-public");
    bench.fails("new mine --folder .", 3, "new.exists");
}

#[test]
fn an_image_that_the_board_would_not_boot_ends_with_4_and_is_not_written() {
    let bench = board("images");
    bench.write("zero.bin", application(0x0800_0000, 1000));
    bench.write("big.bin", application(SLOT, 0xF_0000));
    let mut used = application(SLOT, 1000);
    used[0x28] = 9;
    bench.write("used.bin", used);
    bench.ok("image keygen other.pem");
    let key = "--key keys/mine.pem --out out.dfu";
    let table = [
        (format!("image sign zero.bin {key}"), "image.reset-outside"),
        (format!("image sign app.bin --address 0x08000000 {key}"), "image.start"),
        (format!("image sign big.bin {key}"), "image.too-big"),
        (format!("image sign used.bin {key}"), "image.reserved-vectors"),
        ("image sign app.bin --out out.dfu".into(), "image.not-signed"),
        ("image sign app.bin --key other.pem --out out.dfu".into(), "image.unknown-key"),
        ("image sign app.bin --crc image --out out.dfu".into(), "image.not-signed"),
    ];
    for (words, code) in table {
        bench.fails(&words, 4, code);
        assert!(!bench.path("out.dfu").exists(), "{words}");
    }
    bench.ok("image sign app.bin --key keys/mine.pem --out one.dfu");
    bench.fails("image sign one.dfu --key keys/mine.pem --out out.dfu", 4, "image.has-manifest");
    let again = bench.ok("image sign one.dfu --again --counter 3 --key keys/mine.pem --out two.hex");
    assert_eq!(again["manifest"]["security_counter"], 3);
    bench.ok("image sign app.bin --key other.pem --unchecked --out other.dfu");
}

#[test]
fn what_was_signed_is_seen_by_inspect_in_every_format() {
    let bench = board("inspect");
    for format in ["bin", "hex", "dfu"] {
        let out = format!("out.{format}");
        bench.ok(&format!("image sign app.bin --key keys/mine.pem --version 1.2.3 --counter 5 --out {out}"));
        let address = if format == "bin" { "--address 0x08010000" } else { "" };
        let seen = bench.ok(&format!("image inspect {out} {address} --key keys/mine.pub.pem"));
        let manifest = &seen["manifest"];
        assert_eq!(manifest["version"], "1.2.3");
        assert_eq!(manifest["security_counter"], 5);
        assert_eq!(manifest["crc_matches"], true);
        assert_eq!(manifest["sha256_matches"], true);
        assert_eq!(manifest["load_address"], SLOT);
        assert_eq!(manifest["device_id"], 0x413);
        assert_eq!(seen["signed_by_key"], true);
        assert_eq!(seen["base"], SLOT);
    }
}

#[test]
fn a_bare_crc_goes_to_the_image_or_to_the_regions_end() {
    let bench = Bench::new("crc");
    bench.ok("new mine --folder . --strategy single --no-journal --policy crc");
    bench.write("app.bin", application(SLOT, 1000));
    let image = bench.ok("image sign app.bin --crc image --out image.hex");
    assert_eq!((image["length"].as_u64(), &image["checked"]), (Some(1004), &true.into()));
    let region = bench.ok("image sign app.bin --crc region --out region.hex");
    assert_eq!(region["length"].as_u64(), Some(0xF_0000));
    let seen = bench.ok("image inspect region.hex");
    assert_eq!(seen["segments"].as_array().map(Vec::len), Some(2));
    assert_eq!(seen["last_word_is_crc"], true);
}

#[test]
fn no_device_ends_with_5() {
    let bench = Bench::new("no-device");
    bench.write("app.bin", application(SLOT, 1000));
    // Ids that nobody has; where USB cannot be listed at all, that is said instead.
    let out = bench.raw("info --vid fff0 --pid fff1 --json");
    assert_eq!(out.status.code(), Some(5));
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let code = value["error"]["code"].as_str().unwrap().to_owned();
    assert!(["link.no-device", "link.system"].contains(&code.as_str()), "{code}");
    bench.write("bad.state", "not a state");
    bench.fails("info --link sim:bad.state", 3, "link.state");
}

#[test]
fn an_error_for_people_has_three_parts_on_standard_error() {
    let bench = Bench::new("people");
    let out = bench.raw("image inspect missing.hex");
    assert_eq!(out.status.code(), Some(3));
    assert!(out.stdout.is_empty());
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with("error: ")
            && lines[1].starts_with("   why: ")
            && lines[2].starts_with("    do: ")
    );
    assert!(!text.contains('\x1b'), "no colour without a terminal");
}

#[test]
fn layout_writes_what_an_application_is_linked_with() {
    let bench = board("layout");
    let layout = bench.ok("layout --out link");
    assert_eq!(layout["slot"]["base"], SLOT);
    assert_eq!(layout["vect_tab_offset"], 0x1_0000);
    assert_eq!(layout["memory_string"], "@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg");
    let memory_x = std::fs::read_to_string(bench.path("link/memory.x")).unwrap();
    assert!(memory_x.contains("FLASH : ORIGIN = 0x08010000"), "{memory_x}");
    assert!(bench.path("link/surefoot.ld").is_file() && bench.path("link/surefoot_board.h").is_file());
    let drawn = String::from_utf8_lossy(&bench.raw("layout").stdout).into_owned();
    assert!(drawn.contains("| application  |    960K |"), "{drawn}");
}

#[test]
#[cfg(unix)]
fn only_regular_files_are_read_and_replaced() {
    let bench = board("special");
    let made = std::process::Command::new("mkfifo").arg(bench.path("pipe.bin")).status();
    let pipe = made.is_ok_and(|status| status.success());
    let there = ["/dev/zero", ".", "keys"].into_iter().chain(pipe.then_some("pipe.bin"));
    for name in there {
        bench.fails(&format!("image inspect {name} --address 0x08010000"), 3, "file.not-regular");
        bench.fails(&format!("image sign app.bin --key {name} --out a.dfu"), 3, "file.not-regular");
        bench.fails(&format!("layout --board {name}"), 3, "board.unreadable");
    }
    std::fs::create_dir(bench.path("folder.hex")).unwrap();
    bench.fails("bootloader --out folder.hex", 3, "file.not-regular");
}

#[test]
fn files_of_hundreds_of_megabytes_are_refused_as_what_they_are() {
    let bench = board("huge");
    for name in ["huge.dfu", "huge.toml"] {
        std::fs::File::create(bench.path(name)).and_then(|file| file.set_len(600 << 20)).unwrap();
    }
    let error = bench.fails("image inspect huge.dfu", 3, "file.too-big");
    assert!(error["what"].as_str().unwrap().contains("629145600 bytes"), "{error:#}");
    bench.fails("flash huge.dfu --link sim:none.state", 3, "file.too-big");
    let error = bench.fails("layout --board huge.toml", 3, "board.unreadable");
    assert!(error["what"].as_str().unwrap().contains("more than 1 MiB"), "{error:#}");
    assert!(!bench.path("none.state").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_standard_output_that_takes_nothing_ends_with_1() {
    let bench = board("full");
    for words in ["layout", "layout --json", "image inspect missing.hex --json"] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("the device that is full");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(bench.path("")).args(words.split(' ')).stdout(full);
        let out = command.output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{words}");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(
            said.contains("cannot be written to standard output") && !said.contains("panicked"),
            "{words}: {said}"
        );
    }
}

#[test]
fn a_board_that_cannot_be_started_leaves_no_folder_behind() {
    let bench = board("no-folder");
    bench.fails("new other --no-keys", 2, "new.no-keys");
    bench.fails("new other --key keys/mine.pem", 3, "key.not-public");
    bench.fails("new other --key missing.pem", 3, "file.read");
    bench.fails("new ..", 2, "new.name");
    bench.fails(&format!("new {}", "x".repeat(33)), 2, "new.name");
    assert!(!bench.path("other").exists());
    bench.ok("new other --key keys/mine.pub.pem");
    let text = std::fs::read_to_string(bench.path("other/board.toml")).unwrap();
    assert!(text.contains("must feed it") && text.contains("\nwatchdog = true"), "{text}");
}

#[test]
fn a_file_is_named_in_what_is_wrong_with_it_whatever_its_name_is() {
    let bench = Bench::new("names");
    for name in ["empty", "file", "the"] {
        bench.write(name, []);
        let error = bench.fails(&format!("image inspect {name}"), 3, "file.empty");
        assert_eq!(error["what"], format!("{name}: the file is empty"));
    }
    let error = bench.fails("image inspect cannot", 3, "file.read");
    assert!(error["what"].as_str().unwrap().starts_with("cannot read cannot: "), "{error:#}");
}

#[test]
fn text_that_an_editor_has_saved_and_chips_of_others_are_named() {
    let bench = Bench::new("editor");
    let hex = ":0400000001020304F2\n:00000001FF\n";
    let utf16: Vec<u8> = [0xFEFF].into_iter().chain(hex.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (bytes, what) in
        [([b"\xEF\xBB\xBF", hex.as_bytes()].concat(), "a byte order mark"), (utf16, "UTF-16")]
    {
        bench.write("saved.hex", bytes);
        let error = bench.fails("image inspect saved.hex", 3, "file.foreign");
        assert!(error["what"].as_str().unwrap().contains(what), "{error:#}");
        assert!(error["remedy"].as_str().unwrap().contains("plain ASCII"), "{error:#}");
    }
    // An RP2040's.
    let words: [u32; 8] = [0x0A32_4655, 0x9E5D_5157, 0x2000, 0x1000_0000, 256, 0, 1, 0xE48B_FF56];
    let mut block: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    block.resize(508, 0);
    block.extend(0x0AB1_6F30u32.to_le_bytes());
    bench.write("pico.uf2", block);
    assert_eq!(bench.ok("image inspect pico.uf2")["uf2_family"], "e48bff56");
    let text = String::from_utf8_lossy(&bench.raw("image inspect pico.uf2").stdout).into_owned();
    assert!(text.contains("none of the STM32 families"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_no_utf_8_are_taken_and_told() {
    use std::os::unix::ffi::OsStringExt as _;
    let bench = board("no-utf-8");
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.0.0 --out app.dfu");
    let link = "--link sim:board.state,button";
    for (words, ending, key, flag) in [
        ("image sign app.bin --key keys/mine.pem --version 1.0.0", ".dfu", "out", Some("--out")),
        ("bootloader", ".hex", "out", Some("--out")),
        ("merge app.dfu", ".hex", "out", Some("--out")),
        ("image keygen", ".pem", "private", None),
        ("image keys keys/mine.pub.pem", ".pem", "files", None),
        ("layout", ".d", "written", Some("--out")),
        ("man", ".d", "folder", None),
        (&format!("read --length 64 {link}"), ".bin", "out", Some("--out")),
    ] {
        let name = std::ffi::OsString::from_vec([b"o\xFFut", ending.as_bytes()].concat());
        match words {
            "man" => std::fs::create_dir_all(bench.path("").join(&name)).unwrap(),
            _ if words.contains("keys/") && flag.is_none() => {
                std::fs::copy(bench.path("keys/mine.pub.pem"), bench.path("").join(&name)).unwrap();
            }
            _ => {}
        }
        let mut command = bench.command(words);
        command.args(flag).arg(&name);
        let told = crate::bench::accepted(&mut command);
        assert!(told[key].to_string().contains('\u{FFFD}'), "{words}: {told:#}");
    }
}
