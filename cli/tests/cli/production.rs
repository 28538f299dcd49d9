//! What a production line does with the command: a factory file, and what a bootloader's file tells.

use crate::bench::{Bench, application};
use serde_json::{Value, json};

const A: u32 = 0x0800_C000;
const B: u32 = 0x0808_0000;

fn ready(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder .");
    bench.write("app.bin", application(0x0800_C000, 3000));
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --counter 4 --out app.dfu");
    bench
}

#[test]
fn a_sealed_bootloader_tells_its_board_policy_keys_and_version() {
    let bench = ready("production-inspect");
    let made = bench.ok("bootloader --out bootloader.hex");
    let seen = bench.ok("image inspect bootloader.hex")["bootloader"].clone();
    assert_eq!(
        (&seen["version"], &seen["signatures"], &seen["failsafe"]),
        (&made["version"], &true.into(), &true.into())
    );
    let sealed = &seen["sealed_for"];
    assert_eq!(sealed["board_id"], made["board_id"]);
    assert_eq!(
        (&sealed["policy"], &sealed["strategy"], &sealed["device_id"]),
        (&"signature".into(), &"backup".into(), &0x413.into())
    );
    let ids: Vec<Value> =
        bench.ok("image keys")["keys"].as_array().unwrap().iter().map(|k| k["id"].clone()).collect();
    let told: Vec<Value> = sealed["keys"].as_array().unwrap().iter().map(|k| k["id"].clone()).collect();
    assert_eq!((told.len(), told), (2, ids));
    let text = String::from_utf8_lossy(&bench.raw("image inspect bootloader.hex").stdout).into_owned();
    for part in ["policy", "signature", "key 1", "trusted", "backup slot"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Others are what they were.
    assert_eq!(bench.ok("image inspect app.dfu")["manifest"]["version"], "1.2.3");
}

#[test]
fn a_factory_file_boots_its_application_at_the_first_power_on() {
    let bench = ready("production-merge");
    bench.ok("bootloader --out bootloader.hex");
    let merged = bench.ok("merge app.dfu --bootloader bootloader.hex --out factory.hex");
    let built_in = bench.ok("merge app.dfu --out other.hex");
    assert_eq!(merged["board_id"], bench.ok("layout")["board_id"]);
    assert_eq!(
        (&merged["applications"][0]["version"], &merged["applications"][0]["slot"]),
        (&"1.2.3".into(), &"slot".into())
    );
    assert_eq!(merged["applications"], built_in["applications"]);
    let text = |name: &str| std::fs::read_to_string(bench.path(name)).unwrap();
    assert_eq!(text("factory.hex"), text("other.hex"), "the same bytes as the built-in bootloader");

    // A programmer writes it into a blank chip.
    bench.ok("merge app.dfu --bootloader bootloader.hex --out factory.bin");
    let flash = std::fs::read(bench.path("factory.bin")).unwrap();
    let inspected = bench.ok("image inspect factory.hex");
    let ends = |s: &Value| s["address"].as_u64().unwrap() + s["length"].as_u64().unwrap() - 0x0800_0000;
    assert_eq!(flash.len() as u64, inspected["segments"].as_array().unwrap().iter().map(ends).max().unwrap());
    assert_eq!(flash[0xC000..0xC020], application(0x0800_C000, 3000)[..0x20]);
    assert!(flash[0x8000..0xC000].iter().all(|b| *b == 0xFF), "the gap is erased flash");
    let ran = bench.ok("sim run factory.hex --state board.state --for 1s");
    assert_eq!(ran["in_application"], true, "{ran:#}");
    // On a bare chip the bootloader tells itself where applications run, and is none.
    let ran = bench.ok("sim run factory.hex --for 1s");
    assert_eq!((&ran["in_application"], &ran["astray"]), (&true.into(), &json!([])), "{ran:#}");
    let ran = bench.ok("sim run bootloader.hex --for 6s");
    assert_eq!((&ran["in_application"], &ran["astray"]), (&false.into(), &json!([])), "{ran:#}");
    assert_eq!(ran["starts"][0]["bootloader"], "in update mode");
    let info = bench.ok("info --link sim:board.state,button");
    assert_eq!(info["state"]["slots"][0]["image"]["version"], "1.2.3");
}

#[test]
fn what_does_not_go_together_is_not_merged() {
    let bench = ready("production-refused");
    bench.ok("bootloader --out bootloader.hex");
    let merge = |what: &str| format!("merge {what} --bootloader bootloader.hex --out factory.hex");
    bench.fails(&merge("app.bin"), 4, "image.no-manifest");
    bench.write("low.bin", application(0x0800_0000, 3000));
    bench.fails(&merge("low.bin"), 4, "image.reset-outside");
    bench.ok("new theirs");
    bench.ok("image sign app.bin --board theirs/board.toml --key theirs/keys/theirs.pem --out theirs.dfu");
    bench.fails(&merge("theirs.dfu"), 4, "image.board");
    bench.fails("merge app.dfu --bootloader app.dfu --out factory.hex", 3, "merge.not-a-bootloader");
    bench.fails("merge app.dfu --bootloader bootloader.hex --out factory.dfu", 2, "merge.format");
    bench.fails("merge missing.dfu --bootloader bootloader.hex --out factory.hex", 3, "file.read");
    assert!(!bench.path("factory.hex").exists());
    // The bootloader in the place of the application: linking it elsewhere would be no remedy.
    bench.ok("bootloader --out boot.bin");
    bench.ok("merge app.dfu --bootloader bootloader.hex --out both.bin");
    for file in ["bootloader.hex", "boot.bin", "both.bin"] {
        let sign = format!("image sign {file} --key keys/mine.pem --version 1.0.0 --out no.dfu");
        let error = bench.fails(&sign, 4, "image.bootloader");
        assert!(error["remedy"].as_str().unwrap().contains("application's file"), "{error:#}");
        bench.fails(&format!("flash {file} --link sim:board.state"), 4, "image.bootloader");
    }
    // Bytes behind the bootloader that its board uses otherwise.
    let mut bytes = vec![0xFF; 0x4004];
    bytes[0x4000..].copy_from_slice(&[1, 2, 3, 4]);
    bench.ok("bootloader --out bootloader.bin");
    let sealed = std::fs::read(bench.path("bootloader.bin")).unwrap();
    bytes[..sealed.len()].copy_from_slice(&sealed);
    bench.write("more.bin", bytes);
    bench.fails("merge app.dfu --bootloader more.bin --out factory.hex", 3, "merge.overlap");
    // Linked for the backup slot, in which nothing runs.
    bench.write("back.bin", application(B, 3000));
    bench.fails(&merge("back.bin"), 4, "image.reset-outside");
    bench.fails(&merge("app.dfu app.dfu"), 3, "merge.one-slot");
    bench.fails(&merge("bootloader.hex"), 4, "image.bootloader");
    // Nothing that is read is written over.
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --out app.hex");
    for out in ["app.hex", "bootloader.hex"] {
        let before = std::fs::read(bench.path(out)).unwrap();
        let error = bench.fails(
            &format!("merge app.hex --bootloader bootloader.hex --out {out}"),
            3,
            "file.over-input",
        );
        assert!(error["what"].as_str().unwrap().contains(out), "{error:#}");
        assert_eq!(std::fs::read(bench.path(out)).unwrap(), before);
    }
    let elsewhere = Bench::new("production-nowhere");
    elsewhere.write("app.bin", [0; 100]);
    let error = elsewhere.fails("merge app.bin --out factory.hex", 2, "merge.no-bootloader");
    assert_eq!(error["exit"], json!(2));
}

/// A board with two slots, and builds for both that sleep until the watchdog bites.
fn ready_ab(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy ab");
    for (base, name, version) in [(A, "a", "1.0.0"), (B, "b", "2.0.0")] {
        let mut bytes = application(base, 3000);
        // `wfi`, `b .-2`.
        bytes[0x40..0x44].copy_from_slice(&[0x30, 0xBF, 0xFD, 0xE7]);
        bench.write(&format!("{name}.bin"), bytes);
        let sign = format!("image sign {name}.bin --key keys/mine.pem --version {version} --counter 4");
        bench.ok(&format!("{sign} --out {name}.dfu"));
    }
    bench
}

#[test]
fn a_board_with_two_slots_takes_both_builds_and_starts_the_other_where_one_fails() {
    let bench = ready_ab("production-ab");
    // In any order.
    let merged = bench.ok("merge b.dfu a.dfu --out factory.hex");
    let told = |index: usize, name: &str| merged["applications"][index][name].clone();
    for (index, slot, base, version) in [(0, "slot A", A, "1.0.0"), (1, "slot B", B, "2.0.0")] {
        assert_eq!(
            (told(index, "slot"), told(index, "base"), told(index, "version")),
            (slot.into(), base.into(), version.into())
        );
    }
    let ran = bench.ok("sim run factory.hex --state board.state --for 200s");
    let starts: Vec<&str> =
        ran["starts"].as_array().unwrap().iter().map(|start| start["bootloader"].as_str().unwrap()).collect();
    let first = [1, 2, 3].map(|number| format!("trial {number} of 3 of 1.0.0"));
    assert_eq!(starts[..3], first);
    assert_eq!(starts[3], "1.0.0 was rejected, trial 1 of 3 of 2.0.0");
    // One of them alone goes to its own slot, a BIN too.
    let alone = bench.ok("merge b.dfu --out factory.hex");
    assert_eq!(alone["applications"].as_array().map(Vec::len), Some(1));
    assert_eq!(alone["applications"][0]["slot"], "slot B");
    bench.fails("merge b.bin --out no.hex", 4, "image.no-manifest");

    let error = bench.fails("merge a.dfu a.dfu --out no.hex", 3, "merge.same-slot");
    assert!(error["what"].as_str().unwrap().contains("slot A"), "{error:#}");
    bench.write("low.bin", application(0x0800_0000, 3000));
    for words in ["low.bin", "a.dfu low.bin"] {
        let error = bench.fails(&format!("merge {words} --out no.hex"), 4, "merge.no-slot");
        let (what, why) = (error["what"].as_str().unwrap(), error["why"].as_str().unwrap());
        assert!(what.contains("low.bin begins at 0x08000000"), "{error:#}");
        assert!(why.contains("slot A at 0x0800C000 and slot B at 0x08080000"), "{error:#}");
    }
    assert!(!bench.path("no.hex").exists());
}

#[test]
fn inspect_shows_every_image_in_the_slots_of_a_factory_file() {
    let bench = ready_ab("production-images");
    bench.ok("merge a.dfu b.dfu --out factory.hex");
    bench.ok("merge a.dfu b.dfu --out factory.bin");
    let ids = bench.ok("image keys");
    for words in ["factory.hex", "factory.bin --address 0x08000000", "factory.hex --key keys/mine.pub.pem"] {
        let seen = bench.ok(&format!("image inspect {words}"));
        let images = seen["images"].as_array().unwrap();
        assert_eq!(images.len(), 2, "{words}");
        for (image, (slot, base, version)) in
            images.iter().zip([("slot A", A, "1.0.0"), ("slot B", B, "2.0.0")])
        {
            assert_eq!((&image["slot"], &image["base"]), (&slot.into(), &base.into()));
            let manifest = &image["manifest"];
            assert_eq!(
                (&manifest["version"], &manifest["security_counter"], &manifest["image_length"]),
                (&version.into(), &4.into(), &3000.into())
            );
            assert_eq!((&image["key"], &image["refused"]), (&0.into(), &Value::Null));
            assert_eq!(manifest["key_id"], ids["keys"][0]["id"]);
            assert_eq!(
                image["signed_by_key"],
                if words.contains("--key") { true.into() } else { Value::Null }
            );
        }
    }
    let text = String::from_utf8_lossy(&bench.raw("image inspect factory.hex").stdout).into_owned();
    for part in
        ["version 1.0.0, counter 4, 3000 bytes", "version 2.0.0", "signed with key 0", "the board accepts it"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Another key, a damaged image, an empty slot, a bootloader alone.
    let refused = |words: &str| {
        let out = bench.raw(&format!("image inspect {words} --json"));
        assert_eq!(out.status.code(), Some(9), "{words}");
        serde_json::from_slice::<Value>(&out.stdout).unwrap()
    };
    assert_eq!(refused("factory.hex --key keys/mine-next.pub.pem")["images"][0]["signed_by_key"], false);
    let mut bytes = std::fs::read(bench.path("factory.bin")).unwrap();
    bytes[(B - 0x0800_0000) as usize + 100] ^= 1;
    bench.write("damaged.bin", bytes);
    let seen = refused("damaged.bin --address 0x08000000");
    assert_eq!(
        (&seen["images"][0]["refused"], &seen["images"][1]["refused"]),
        (&Value::Null, &"hash".into())
    );
    bench.ok("merge b.dfu --out one.hex");
    let seen = bench.ok("image inspect one.hex");
    assert_eq!(
        (seen["images"].as_array().map(Vec::len), &seen["images"][0]["slot"]),
        (Some(1), &"slot B".into())
    );
    bench.ok("bootloader --out bootloader.hex");
    assert_eq!(bench.ok("image inspect bootloader.hex")["images"], json!([]));
}

#[test]
fn a_copy_in_a_backup_slot_is_shown_as_what_it_is_a_copy_of() {
    let bench = ready("production-copy");
    bench.ok("merge app.dfu --out factory.bin");
    let mut flash = std::fs::read(bench.path("factory.bin")).unwrap();
    let image = flash[0xC000..].to_vec();
    flash.resize((B - 0x0800_0000) as usize, 0xFF);
    flash.extend(image);
    bench.write("flash.bin", flash);
    let images = bench.ok("image inspect flash.bin --address 0x08000000")["images"].clone();
    assert_eq!((&images[0]["slot"], &images[1]["slot"]), (&"slot".into(), &"backup slot".into()));
    assert_eq!((&images[1]["refused"], &images[1]["base"]), (&Value::Null, &B.into()));
    assert_eq!(
        (&images[1]["manifest"]["version"], &images[1]["length"]),
        (&"1.2.3".into(), &(3000 + 192).into())
    );
}

#[test]
fn the_smallest_build_that_serves_the_board_file_is_taken_and_the_reason_is_told() {
    let bench = ready("production-build");
    let build = |board: &str| {
        let made = bench.ok(&format!("bootloader --board {board} --out bootloader.hex"));
        let shown = bench.raw(&format!("bootloader --board {board} --out bootloader.hex"));
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        let why = text.lines().find(|line| line.starts_with("build")).expect("a line").to_owned();
        (made["build"].as_str().expect("a name").to_owned(), made["size"].as_u64().expect("a size"), why)
    };
    let (name, _, why) = build("board.toml");
    assert_eq!(name, "surefoot-f4");
    let lacks =
        "surefoot-f4-crc verifies no signatures, keeps no journal, keeps no backup, programs no option bytes";
    assert!(why.contains(&format!("the smallest that serves: {lacks} for a host")), "{why}");

    let boards = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let plain = std::fs::read_to_string(boards.join("f4-small.toml")).expect("an example");
    bench.write("plain.toml", &plain);
    let (name, _, why) = build("plain.toml");
    assert_eq!(name, "surefoot-f4", "its host may change the option bytes");
    assert!(why.ends_with("surefoot-f4-crc programs no option bytes for a host"), "{why}");

    bench.write("locked.toml", plain.replace("[boot]\n", "[boot]\noption-bytes = \"locked\"\n"));
    let (name, size, why) = build("locked.toml");
    assert_eq!(name, "surefoot-f4-crc");
    assert!(size <= 8192, "{size}");
    assert!(why.ends_with("the smallest: the board file asks for no more"), "{why}");
}
