//! What a production line does with the command: a factory file, and what a bootloader's file tells.

use crate::bench::{Bench, application};
use serde_json::{Value, json};

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
        (&merged["application"]["version"], &merged["application"]["slot"]),
        (&"1.2.3".into(), &"slot".into())
    );
    assert_eq!(merged["application"], built_in["application"]);
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
    let elsewhere = Bench::new("production-nowhere");
    elsewhere.write("app.bin", [0; 100]);
    let error = elsewhere.fails("merge app.bin --out factory.hex", 2, "merge.no-bootloader");
    assert_eq!(error["exit"], json!(2));
}
