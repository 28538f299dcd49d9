//! Orders in a signed manifest: leave for a downgrade, and keys to revoke.

use crate::bench::{Bench, application};
use serde_json::json;

const DEVICE: &str = "31002a000c47383335373930";

/// A board with two slots and three keys, the last of them revoked in its file.
fn board(name: &str) -> Bench {
    let bench = Bench::new(name);
    for key in ["a", "b", "c"] {
        bench.ok(&format!("image keygen {key}.pem"));
    }
    bench.ok("new mine --folder . --strategy ab --key a.pub.pem");
    let text = std::fs::read_to_string(bench.path("board.toml")).unwrap();
    let keys = "keys = [\"a.pub.pem\", \"b.pub.pem\"]\nrevoked = [\"c.pub.pem\"]";
    assert!(text.contains("keys = [\"keys/mine.pub.pem\"]"), "{text}");
    bench.write("board.toml", text.replace("keys = [\"keys/mine.pub.pem\"]", keys));
    let slot = bench.ok("layout")["slots"][1]["base"].as_u64().expect("slot B") as u32;
    bench.write("app.bin", application(slot, 1000));
    bench
}

/// The id of a key that was made here.
fn id(bench: &Bench, key: &str) -> String {
    let seen = bench.ok(&format!("image keys {key}.pub.pem"));
    seen["files"][0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_boards_keys_are_listed_with_number_id_and_state() {
    let bench = board("keys-list");
    let ids = ["a", "b", "c"].map(|key| id(&bench, key));
    let seen = bench.ok("image keys b.pub.pem");
    let keys = seen["keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 3);
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(key["number"], number);
        assert_eq!(key["id"], ids[number]);
        assert_eq!(key["revoked"], number == 2);
        assert_eq!(key["public"].as_str().map(str::len), Some(64));
    }
    assert_eq!(seen["files"], json!([{ "file": "b.pub.pem", "id": ids[1], "number": 1 }]));
    bench.ok("image keygen d.pem");
    assert_eq!(bench.ok("image keys d.pub.pem")["files"][0]["number"], json!(null));
    let drawn = String::from_utf8_lossy(&bench.raw("image keys").stdout).into_owned();
    assert!(drawn.contains("trusted") && drawn.contains("revoked in the board file"), "{drawn}");

    bench.fails("image keys a.pem", 3, "key.not-public");
    bench.fails("image keys missing.pem", 3, "file.read");
    bench.fails("image keys --board missing.toml", 3, "board.unreadable");
    let elsewhere = Bench::new("keys-nowhere");
    elsewhere.fails("image keys", 3, "board.unreadable");
}

#[test]
fn leave_for_a_downgrade_is_signed_and_shown() {
    let bench = board("leave");
    let sign = "image sign app.bin --key a.pem --counter 2 --out out.hex";
    let table = [
        ("", json!(null)),
        ("--allow-downgrade", json!({ "device": null })),
        (&format!("--allow-downgrade-on {DEVICE}"), json!({ "device": DEVICE })),
        (&format!("--allow-downgrade-on {}", DEVICE.to_uppercase()), json!({ "device": DEVICE })),
    ];
    for (words, expected) in table {
        let made = bench.ok(&format!("{sign} {words}"));
        assert_eq!(made["manifest"]["downgrade"], expected, "{words}");
        let seen = bench.ok("image inspect out.hex --key a.pub.pem");
        assert_eq!(seen["manifest"]["downgrade"], expected, "{words}");
        assert_eq!(seen["manifest"]["revokes"], json!([]));
        assert_eq!(seen["signed_by_key"], true, "{words}");
        let drawn = String::from_utf8_lossy(&bench.raw("image inspect out.hex").stdout).into_owned();
        assert_eq!(drawn.contains("downgrade"), !expected.is_null(), "{drawn}");
    }
}

#[test]
fn keys_are_revoked_by_number_and_by_id_but_never_the_one_that_signs() {
    let bench = board("revoke");
    let (a, b, c) = (id(&bench, "a"), id(&bench, "b"), id(&bench, "c"));
    let sign = |key: &str, words: &str| format!("image sign app.bin --key {key}.pem --out out.hex {words}");
    for words in [format!("--revoke {a}"), "--revoke 0".to_owned(), format!("--revoke 0 --revoke {a}")] {
        let made = bench.ok(&sign("b", &words));
        assert_eq!(made["manifest"]["revokes"], json!([0]), "{words}");
        assert_eq!(bench.ok("image inspect out.hex")["manifest"]["revokes"], json!([0]));
    }
    let text = String::from_utf8_lossy(&bench.raw(&sign("b", "--revoke 0")).stdout).into_owned();
    assert!(text.contains("revokes") && text.contains(&a), "{text}");
    std::fs::remove_file(bench.path("out.hex")).unwrap();

    let table = [
        (sign("a", "--revoke 0"), "orders.revokes-signer"),
        (sign("a", &format!("--revoke {b} --revoke {a}")), "orders.revokes-signer"),
        (sign("a", "--revoke 2"), "orders.revoked-already"),
        (sign("a", &format!("--revoke {c}")), "orders.revoked-already"),
        (sign("a", "--revoke 3"), "orders.unknown-key"),
        (sign("a", "--revoke 00000000"), "orders.unknown-key"),
        ("image sign app.bin --out out.hex --revoke 1".to_owned(), "orders.not-signed"),
        ("image sign app.bin --out out.hex --allow-downgrade".to_owned(), "orders.not-signed"),
    ];
    for (words, code) in table {
        bench.fails(&words, 3, code);
        assert!(!bench.path("out.hex").exists(), "{words}");
    }
    bench.fails(&sign("c", ""), 4, "image.revoked-key");
}

#[test]
fn orders_without_meaning_are_usage_errors() {
    let bench = board("orders-usage");
    for words in [
        "--allow-downgrade-on 31002a00",
        "--allow-downgrade-on 31002a000c4738333537393z",
        "--allow-downgrade --allow-downgrade-on 31002a000c47383335373930",
        "--revoke 4",
        "--revoke mine",
        "--revoke a1b2c3",
        "--crc image --revoke 1",
        "--crc image --allow-downgrade",
    ] {
        bench.fails(&format!("image sign app.bin --out out.hex {words}"), 2, "usage");
    }
}

#[test]
fn a_board_that_records_nothing_takes_no_orders() {
    let bench = Bench::new("orders-single");
    bench.ok("image keygen a.pem");
    bench.ok("new mine --folder . --strategy single --no-journal --key a.pub.pem");
    bench.write("app.bin", application(0x0801_0000, 1000));
    let sign = "image sign app.bin --key a.pem --out out.hex";
    bench.fails(&format!("{sign} --allow-downgrade"), 3, "orders.no-journal");
    bench.fails(&format!("{sign} --revoke 0"), 3, "orders.no-journal");
    bench.ok(sign);
}

#[test]
fn an_image_for_either_slot_of_two_finds_its_slot() {
    let bench = board("two-slots");
    let slots = bench.ok("layout")["slots"].clone();
    for slot in slots.as_array().expect("slots") {
        let base = slot["base"].as_u64().expect("a base") as u32;
        bench.write("one.bin", application(base, 1000));
        let made = bench.ok("image sign one.bin --key a.pem --out one.hex");
        assert_eq!((&made["base"], &made["checked"]), (&json!(base), &json!(true)));
        // A file with addresses says it itself.
        let again = bench.ok("image sign one.hex --again --counter 1 --key a.pem --out two.hex");
        assert_eq!(again["manifest"]["load_address"], base);
    }
    bench.write("zero.bin", application(0x0800_0000, 1000));
    bench.fails("image sign zero.bin --key a.pem --out zero.hex", 4, "image.reset-outside");
}

#[test]
fn signing_promises_no_more_than_the_board_file_can_prove() {
    let bench = board("promises");
    let said = |words: &str| {
        let out = bench.raw(&format!("image sign app.bin --key a.pem {words} --out out.hex"));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let text = said("--counter 2");
    assert!(text.contains("the policy and keys of board mine accept it"), "{text}");
    let refused = "a board that has confirmed a counter above 2 or revoked the key refuses it";
    assert!(text.contains(refused) && !text.contains("will boot"), "{text}");
    let signed = bench.ok("image sign app.bin --key a.pem --version 1.0.0 --counter 2 --out out.hex");
    assert_eq!((&signed["unproved"], &signed["warnings"]), (&json!([refused]), &json!([])));
    let last = bench
        .ok(&format!("image sign app.bin --key a.pem --version 1.0.0 --counter {} --out out.hex", u32::MAX));
    assert!(last["warnings"][0].as_str().is_some_and(|s| s.starts_with("no counter is higher")), "{last:#}");
    // On every device the leave stands above the counter, on one device only there.
    let text = said("--counter 2 --allow-downgrade");
    assert!(text.contains("a board that has revoked the key refuses it"), "{text}");
    let text = said(&format!("--counter 2 --allow-downgrade-on {DEVICE}"));
    assert!(text.contains(refused), "{text}");
    // Without a journal nothing is recorded.
    let plain = Bench::new("promises-plain");
    plain.ok("new mine --folder . --strategy single --no-journal --policy crc");
    plain.write("app.bin", application(0x0801_0000, 1000));
    let text = String::from_utf8_lossy(&plain.raw("image sign app.bin --out out.hex").stdout).into_owned();
    assert!(text.contains("the policy of board mine accepts it") && !text.contains("refuses"), "{text}");
}
