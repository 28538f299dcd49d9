//! Other tools' words, what is shown of the traffic, and the language of the command.

use crate::bench::{Bench, application};

#[test]
fn other_tools_words_are_understood_or_get_a_hint() {
    let bench = Bench::new("words");
    bench.ok("init mine --folder .");
    bench.write("app.bin", application(0x0800_C000, 2000));
    bench.ok("sign app.bin --key keys/mine.pem --out app.dfu");
    bench.ok("keygen other.pem");
    bench.ok("inspect app.dfu");
    for word in ["download", "program", "write", "update"] {
        assert_eq!(bench.ok(&format!("{word} app.dfu --link sim:board.state --dry-run"))["dry_run"], true);
    }
    for word in ["status", "log"] {
        assert_eq!(bench.ok(&format!("{word} --link sim:board.state"))["kind"], "surefoot");
    }
    for (word, part) in [
        ("reset", "`surefoot boot`"),
        ("monitor", "`surefoot run APP.elf`"),
        ("chips", "`surefoot layout --chip"),
        ("upload", "`surefoot read`"),
        ("install", "`surefoot bootloader`"),
    ] {
        let error = bench.fails(word, 2, "usage");
        assert!(error["remedy"].as_str().unwrap().contains(part), "{error:#}");
        let shown = String::from_utf8_lossy(&bench.raw(word).stderr).into_owned();
        assert!(shown.contains(part) && !shown.contains("erase"), "{shown}");
    }
}

#[test]
fn nothing_that_erases_is_suggested_for_another_word() {
    let bench = Bench::new("words-danger");
    for word in ["reset", "release", "rease", "ease", "project", "detect"] {
        let error = bench.fails(word, 2, "usage");
        let said = error["remedy"].as_str().unwrap();
        assert!(!said.contains("erase") && !said.contains("protect"), "{word}: {said}");
    }
    let said = |word: &str| bench.fails(word, 2, "usage")["remedy"].as_str().unwrap().to_owned();
    assert!(said("eras").contains("`surefoot erase`"), "a slip of the finger: {}", said("eras"));
    assert!(said("falsh").contains("`surefoot flash`"), "{}", said("falsh"));
}

#[test]
fn the_traffic_is_shown_on_standard_error_alone() {
    let bench = Bench::new("words-traffic");
    bench.ok("new mine --folder .");
    let out = bench.raw("info --link sim:board.state -v --json");
    let traffic = String::from_utf8_lossy(&out.stderr);
    for part in ["GET_DESCRIPTOR", "INFO", "DFU_UPLOAD", "DFU_GETSTATUS", "poll timeout"] {
        assert!(traffic.contains(part), "{part}: {traffic}");
    }
    let object: serde_json::Value = serde_json::from_slice(&out.stdout).expect("one object");
    assert_eq!(object["kind"], "surefoot");
    let silent = bench.raw("info --link sim:board.state --json");
    assert!(silent.stderr.is_empty(), "{}", String::from_utf8_lossy(&silent.stderr));
}
