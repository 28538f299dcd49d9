//! Other tools' words, what is shown of the traffic, and the language of the command.

use crate::bench::{Bench, application, warns};

#[test]
fn other_tools_words_are_understood_or_get_a_hint() {
    let bench = Bench::new("words");
    bench.ok("init mine --folder .");
    bench.write("app.bin", application(0x0800_C000, 2000));
    bench.ok("sign app.bin --key keys/mine.pem --out app.dfu");
    bench.ok("keygen other.pem");
    let without = bench.ok("sign app.bin --key keys/mine.pem --version 1.0.0 --out zero.dfu");
    assert!(warns(&without, "no --counter was given"), "{without:#}");
    bench.ok("inspect app.dfu");
    let signed = bench.ok("sign app.bin --key keys/mine.pem --security-counter 7 --out seven.dfu");
    assert_eq!(signed["manifest"]["security_counter"], 7);
    assert!(!warns(&signed, "--counter"), "{signed:#}");
    for word in ["download", "program", "write", "update"] {
        assert_eq!(bench.ok(&format!("{word} app.dfu --link sim:board.state --dry-run"))["dry_run"], true);
    }
    for word in ["status", "log", "slots"] {
        assert_eq!(bench.ok(&format!("{word} --link sim:board.state"))["kind"], "surefoot");
    }
    // There is nothing to start.
    bench.fails("detach --link sim:board.state", 4, "image.erased");
    for (word, part) in [
        ("reset", "`surefoot boot`"),
        ("monitor", "`surefoot run APP.elf`"),
        ("chips", "`surefoot layout --chip"),
        ("upload", "`surefoot read`"),
        ("install", "`surefoot bootloader`"),
        ("test", "`surefoot flash`"),
        ("revert", "`surefoot info`"),
    ] {
        let error = bench.fails(word, 2, "usage");
        assert!(error["remedy"].as_str().unwrap().contains(part), "{error:#}");
        let shown = String::from_utf8_lossy(&bench.raw(word).stderr).into_owned();
        assert!(shown.contains(part) && !shown.contains("erase"), "{shown}");
    }
}

/// What a command says where it is misused: what, why, what to do.
fn three_parts(bench: &Bench, words: &str) -> [String; 3] {
    let out = bench.raw(words);
    assert_eq!(out.status.code(), Some(2), "{words}");
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let part = |label: &str| {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(label));
        line.unwrap_or_else(|| panic!("{words}: no {label} in {text}")).to_owned()
    };
    [part("error: "), part("why: "), part("do: ")]
}

#[test]
fn a_misused_verb_gets_a_what_a_why_and_a_remedy() {
    let bench = Bench::new("words-usage");
    let [what, _, remedy] = three_parts(&bench, "image verify app.dfu");
    assert!(what.contains("--key") && remedy.contains("surefoot image verify --key"), "{what} {remedy}");
    let [what, _, remedy] = three_parts(&bench, "--link sim:x info");
    assert!(what.contains("'--link'") && remedy.contains("behind it"), "{what} {remedy}");
    let [_, _, remedy] = three_parts(&bench, "--lonk sim:x info");
    assert!(!remedy.contains("behind it"), "no verb has it: {remedy}");
    let [_, _, remedy] = three_parts(&bench, "flash app.dfu --force");
    assert!(remedy.contains("--unchecked") && remedy.contains("--yes"), "{remedy}");
    let [what, _, remedy] = three_parts(&bench, "info --jsn");
    assert!(!what.contains("tip") && remedy.contains("'--json'"), "{what} {remedy}");
    bench.ok("new mine --folder .");
    bench.write("app.bin", application(0x0800_C000, 2000));
    for (out, article) in [("x.elf", "an ELF"), ("x.uf2", "a UF2")] {
        let sign = format!("image sign app.bin --key keys/mine.pem --out {out}");
        let error = bench.fails(&sign, 3, "file.unknown-format");
        assert_eq!(error["what"], format!("{out}: {article} file cannot be written"));
        assert_eq!(error["remedy"], "Name the result .bin, .hex or .dfu.");
    }
    let seen = bench.raw("image inspect app.bin --address 0x0800C000");
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    let line = seen.lines().find_map(|line| line.strip_prefix("CRC-32")).expect("a line");
    assert_eq!(line.trim(), "none");
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
