//! Board files that are refused: the exact message, with line, column and remedy.

use std::path::Path;
use surefoot_board::{Board, BoardError};

/// A board file without a mistake; the cases replace one line of it.
const GOOD: &str = r#"name = "probe"
chip = "STM32F407VG"
voltage = "2.7V-3.6V"

[layout]
bootloader = "16K"
application = "0x08010000"

[clock]
hse = "8 MHz"
sysclk = "168 MHz"

[usb]
vid = 0x0483
pid = 0xDF11
manufacturer = "Surefoot"
product = "STM32 BOOTLOADER"
transfer-size = 2048

[led]
pin = "PD12"
active = "high"

[button]
pin = "PA0"
active = "high"
pull = "down"

[boot]
magic = 0xDEADBEEF
backup-register = 0
double-tap = "0 ms"
timeout = "30 s"
watchdog = true

[validation]
policy = "signature"
keys = ["keys/example.pub.pem"]
"#;

fn boards() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../boards"))
}

fn parse(text: &str) -> Result<Board, BoardError> {
    Board::parse(text, boards())
}

/// `GOOD` with `old` replaced by `new`.
fn with(old: &str, new: &str) -> String {
    assert_eq!(GOOD.matches(old).count(), 1, "{old:?} stands once in the good file");
    GOOD.replace(old, new)
}

#[test]
fn the_file_without_a_mistake_is_accepted() {
    let board = parse(GOOD).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(board.name, "probe");
    assert!(board.warnings.iter().any(|w| w.contains("example key")), "{:?}", board.warnings);
}

#[test]
fn a_debug_pin_for_the_led_is_worth_a_warning() {
    let led = |pin: &str| with("pin = \"PD12\"", &format!("pin = \"{pin}\""));
    let warned = |text: &str| {
        let board = parse(text).unwrap_or_else(|e| panic!("{e}"));
        board.warnings.iter().any(|w| w.contains("debug port"))
    };
    assert!(warned(&led("PA13")) && warned(&led("PA14")));
    assert!(!warned(&led("PA15")) && !warned(&led("PB13")));
}

/// What is replaced, by what, and what is said.
const CASES: &[(&str, &str, &str)] = &[
    // Keys that are not known.
    (
        "[layout]\nbootloader",
        "[layout]\nbotloader",
        "6:1: layout.botloader: unknown key; did you mean \"bootloader\"?",
    ),
    ("timeout = ", "time-out = ", "33:1: boot.time-out: unknown key; did you mean \"timeout\"?"),
    ("[clock]", "[clocks]", "9:2: clocks: unknown key; did you mean \"clock\"?"),
    (
        "name = ",
        "x = 1\nname = ",
        "1:1: x: unknown key; known here: name, id, chip, voltage, layout, clock, usb, led, button, boot, validation",
    ),
    (
        "watchdog = true",
        "watchdog = true\ncolour = 1",
        "35:1: boot.colour: unknown key; known here: magic, backup-register, double-tap, timeout, watchdog, option-bytes, trial-boots",
    ),
    // Keys that are missing.
    ("chip = \"STM32F407VG\"\n", "", "1:1: chip: is missing; add chip = \"STM32F407VG\""),
    (
        "application = \"0x08010000\"\n",
        "",
        "5:1: layout.application: is missing; add application = \"0x08010000\"",
    ),
    ("pin = \"PD12\"\n", "", "20:1: led.pin: is missing; add pin = \"PD12\""),
    ("policy = \"signature\"\n", "", "36:1: validation.policy: is missing; add policy = \"signature\""),
    // Not TOML, or another type.
    ("vid = 0x0483", "vid = 0x04G3", "14:11: not valid TOML: "),
    ("[led]", "[usb]", "20:2: not valid TOML: "),
    ("name = \"probe\"", "name = 7", "1:8: name: expected a name in quotes, found 7"),
    (
        "[led]\npin = \"PD12\"\nactive = \"high\"",
        "[led]\npin = []\nactive = \"high\"",
        "21:7: led.pin: expected a pin in quotes like \"PD12\", found an array",
    ),
    ("watchdog = true", "watchdog = \"on\"", "34:12: boot.watchdog: expected true or false, found \"on\""),
    (
        "sysclk = \"168 MHz\"",
        "sysclk = \"168 GHz\"",
        "11:10: clock.sysclk: expected a frequency like \"168 MHz\", found \"168 GHz\"",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = -1",
        "6:14: layout.bootloader: expected a size like \"16K\", found -1",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = 1.5",
        "6:14: layout.bootloader: expected a size like \"16K\", found a float",
    ),
    (
        "timeout = \"30 s\"",
        "timeout = \"soon\"",
        "33:11: boot.timeout: expected a time like \"500 ms\" or \"30 s\", found \"soon\"",
    ),
    (
        "timeout = \"30 s\"",
        "timeout = \"1 s\"",
        "33:11: boot.timeout: in 1000 ms no host finds the board in update mode; use \"5 s\" or more, or \"never\"",
    ),
    (
        "keys = [\"keys/example.pub.pem\"]",
        "keys = \"keys/example.pub.pem\"",
        "38:8: validation.keys: expected a list of files or of 64 hex digits each, found \"keys/example.pub.pem\"",
    ),
    // Names.
    (
        "name = \"probe\"",
        "name = \"../probe\"",
        "1:8: name: \"../probe\" is no board name; use 1-32 letters, digits, \"-\", \"_\" or \".\" (it names files too)",
    ),
    (
        "name = \"probe\"",
        "name = \"probe\"\nid = 0",
        "2:6: id: 0 means any board; use another number, or leave it out",
    ),
    (
        "STM32F407VG",
        "STM32F407VH",
        "2:8: chip: no chip is called \"STM32F407VH\"; did you mean STM32F407VE, STM32F407VG?",
    ),
    (
        "STM32F407VG",
        "STM32H743ZI",
        "2:8: chip: a bootloader for STM32H743ZI is not available yet; there is one for STM32F4 parts with USB",
    ),
    (
        "STM32F407VG",
        "STM32F410RB",
        "2:8: chip: a bootloader for STM32F410RB is not available yet; there is one for STM32F4 parts with USB",
    ),
    (
        "2.7V-3.6V",
        "3.3V",
        "3:11: voltage: \"3.3V\" is no supply range of STM32F407VG; use the one that the supply never leaves: \"1.8V-2.1V\", \"2.1V-2.4V\", \"2.4V-2.7V\", \"2.7V-3.6V\"",
    ),
    // Layout.
    (
        "application = \"0x08010000\"",
        "application = \"0x08012000\"",
        "7:15: layout.application: the application begins at 0x08012000, inside sector 4 (0x08010000-0x0801FFFF, 64K); the nearest legal addresses are 0x08010000 and 0x08020000",
    ),
    (
        "application = \"0x08010000\"",
        "application = \"0x08010000 + 50K\"",
        "7:15: layout.application: the application ends at 0x0801C800, inside sector 4 (0x08010000-0x0801FFFF, 64K); the nearest legal addresses are 0x08020000 (size 64K) and 0x08040000 (size 192K)",
    ),
    (
        "application = \"0x08010000\"",
        "application = \"0x08010000 + x\"",
        "7:15: layout.application: \"0x08010000 + x\" is no region; write an address like \"0x08010000\", or address and size like \"0x08010000 + 64K\"",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"17K\"",
        "6:14: layout.bootloader: the bootloader ends at 0x08004400, inside sector 1 (0x08004000-0x08007FFF, 16K); the nearest legal addresses are 0x08004000 (size 16K) and 0x08008000 (size 32K)",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\ndata = \"0x08000000\"",
        "7:8: layout.data: the data begins at 0x08000000, but the bootloader reaches from 0x08000000 to 0x08003FFF; the nearest legal addresses are 0x08004000 and 0x08008000",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\ndual-bank = true",
        "7:13: layout.dual-bank: STM32F407VG has no dual-bank arrangement of its flash; leave `dual-bank` out",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\nstrategy = \"bank-swap\"",
        "7:12: layout.strategy: the update strategy \"bank-swap\" is not available yet; use \"single\", \"backup\" or \"ab\"",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\nstrategy = \"ab\"",
        "5:1: layout.application-b: is missing; add application-b = \"0x08080000\"",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\nstrategy = \"backup\"\njournal = \"0x08004000\"",
        "5:1: layout.backup: is missing; add backup = \"0x08080000\"",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\nstrategy = \"ab\"\napplication-b = \"0x08080000\"",
        "5:1: layout.journal: is missing; add journal = \"0x08004000\"",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\napplication-b = \"0x08080000\"",
        "7:17: layout.application-b: this slot belongs to the strategy \"ab\"; add `strategy = \"ab\"`, or take this line out",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\nstrategy = \"ab\"\njournal = \"0x08004000\"\nbackup = \"0x08080000\"\napplication-b = \"0x080A0000\"",
        "9:10: layout.backup: this slot belongs to the strategy \"backup\"; add `strategy = \"backup\"`, or take this line out",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\njournal = \"0x08004000 + 16K\"",
        "7:11: layout.journal: the journal has 1 sector, but takes exactly two, which are erased in turn; for its end the only legal address is 0x0800C000 (size 32K)",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\nstrategy = \"backup\"\njournal = \"0x08004000\"\nbackup = \"0x080C0000\"",
        "10:15: layout.application: the backup slot has 256K, but takes a copy of the application, which has 704K; for the end of the application the nearest legal addresses are 0x08020000 (size 64K) and 0x08040000 (size 192K)",
    ),
    (
        "bootloader = \"16K\"",
        "bootloader = \"16K\"\nstrategy = \"magic\"",
        "7:12: layout.strategy: \"magic\" is not known; use \"single\" or \"backup\" or \"ab\"",
    ),
    // Clocks.
    (
        "hse = \"8 MHz\"",
        "hse = \"9.5 MHz\"",
        "10:7: clock.hse: no PLL setting makes 48 MHz for USB from 9.5 MHz; use a crystal like 9 MHz or 10 MHz",
    ),
    (
        "hse = \"8 MHz\"",
        "hse = \"32 MHz\"",
        "10:7: clock.hse: a crystal of 32 MHz is outside 4-26 MHz; fit one in this range, 8 MHz is common",
    ),
    (
        "sysclk = \"168 MHz\"",
        "sysclk = \"180 MHz\"",
        "11:10: clock.sysclk: 180 MHz cannot be had together with 48 MHz for USB (the chip's limit at this supply, without over-drive, is 168 MHz); use 144 MHz or 168 MHz",
    ),
    // USB.
    ("vid = 0x0483", "vid = 0x10483", "14:7: usb.vid: 0x10483 is not between 1 and 0xFFFF; use 16 bits"),
    ("vid = 0x0483", "vid = 0", "14:7: usb.vid: 0x0 is not between 1 and 0xFFFF; use 16 bits"),
    (
        "transfer-size = 2048",
        "transfer-size = 1000",
        "18:17: usb.transfer-size: 1000 is not a multiple of 64 between 64 and 4096; use 960 or 1024",
    ),
    (
        "transfer-size = 2048",
        "transfer-size = 8192",
        "18:17: usb.transfer-size: 8192 is not a multiple of 64 between 64 and 4096; use 4096",
    ),
    (
        "transfer-size = 2048",
        "transfer-size = 0",
        "18:17: usb.transfer-size: 0 is not a multiple of 64 between 64 and 4096; use 64",
    ),
    (
        "product = \"STM32 BOOTLOADER\"",
        "product = \"Läufer\"",
        "17:11: usb.product: \"L\\u{e4}ufer\" does not fit a USB string here; use 1-60 printable ASCII characters",
    ),
    (
        "product = \"STM32 BOOTLOADER\"",
        "product = \"\"",
        "17:11: usb.product: \"\" does not fit a USB string here; use 1-60 printable ASCII characters",
    ),
    // Pins.
    (
        "pin = \"PD12\"",
        "pin = \"LED1\"",
        "21:7: led.pin: \"LED1\" is not a pin; write port and number as in \"PD12\"",
    ),
    (
        "pin = \"PD12\"",
        "pin = \"PD16\"",
        "21:7: led.pin: \"PD16\" is not a pin; write port and number as in \"PD12\"",
    ),
    (
        "pin = \"PD12\"",
        "pin = \"PF3\"",
        "21:7: led.pin: STM32F407VG has no pin PF3 in this package; its ports are PA, PB, PC, PD, PE, PH",
    ),
    (
        "pin = \"PD12\"",
        "pin = \"PH5\"",
        "21:7: led.pin: STM32F407VG has no pin PH5 in this package; it brings out PH0-PH1",
    ),
    ("pin = \"PD12\"", "pin = \"PA11\"", "21:7: led.pin: PA11 carries USB; choose another pin"),
    ("pin = \"PD12\"", "pin = \"pa12\"", "21:7: led.pin: PA12 carries USB; choose another pin"),
    (
        "pin = \"PD12\"",
        "pin = \"PH0\"",
        "21:7: led.pin: PH0 carries the crystal; choose another pin or take `hse` out of [clock]",
    ),
    (
        "pin = \"PD12\"",
        "pin = \"PA0\"",
        "25:7: button.pin: PA0 is the LED already; choose another pin for one of them",
    ),
    (
        "pull = \"down\"",
        "pull = \"weak\"",
        "27:8: button.pull: \"weak\" is not known; use \"none\" or \"up\" or \"down\"",
    ),
    // Boot.
    (
        "magic = 0xDEADBEEF",
        "magic = 0",
        "30:9: boot.magic: 0x0 can be in a register that was never written; use another word, 0xDEADBEEF for example",
    ),
    (
        "magic = 0xDEADBEEF",
        "magic = 0xFFFFFFFF",
        "30:9: boot.magic: 0xFFFFFFFF can be in a register that was never written; use another word, 0xDEADBEEF for example",
    ),
    (
        "magic = 0xDEADBEEF",
        "magic = 0x1_DEADBEEF",
        "30:9: boot.magic: expected a number like 0xDEADBEEF, found 0x1DEADBEEF",
    ),
    (
        "backup-register = 0",
        "backup-register = 20",
        "31:19: boot.backup-register: there is no backup register 20; use 0 to 19 (RTC_BKP0R to RTC_BKP19R)",
    ),
    (
        "double-tap = \"0 ms\"",
        "double-tap = \"10 s\"",
        "32:14: boot.double-tap: 10000 ms is more than 5000 ms; use \"500 ms\", or \"0 ms\" for none",
    ),
    (
        "watchdog = true",
        "watchdog = true\ntrial-boots = 3",
        "35:15: boot.trial-boots: trial boots are counted in the journal, and there is none; add `journal = \"0x08004000\"` to [layout], or take this line out",
    ),
    (
        "watchdog = true",
        "watchdog = true\ntrial-boots = 31",
        "35:15: boot.trial-boots: 31 boots are too many; use 0 (none) to 30",
    ),
    (
        "watchdog = true",
        "watchdog = true\ntrial-boots = -1",
        "35:15: boot.trial-boots: expected a number of boots like 3, found -1",
    ),
    // Validation.
    (
        "policy = \"signature\"",
        "policy = \"maybe\"",
        "37:10: validation.policy: \"maybe\" is not known; use \"none\" or \"crc\" or \"signature\"",
    ),
    (
        "keys = [\"keys/example.pub.pem\"]",
        "keys = []",
        "37:10: validation.policy: the policy \"signature\" has no key that is not revoked, so nothing could ever boot; add `keys = [\"keys/my-key.pub.pem\"]`; `surefoot image keygen` makes one",
    ),
    (
        "keys = [\"keys/example.pub.pem\"]",
        "revoked = [\"keys/example.pub.pem\"]",
        "37:10: validation.policy: the policy \"signature\" has no key that is not revoked, so nothing could ever boot; add `keys = [\"keys/my-key.pub.pem\"]`; `surefoot image keygen` makes one",
    ),
    (
        "keys = [\"keys/example.pub.pem\"]",
        "keys = [\"keys/example.pub.pem\", \"keys/example.pub.pem\"]",
        "38:33: validation.keys[1]: this key is in the list already; name each key once",
    ),
    (
        "keys = [\"keys/example.pub.pem\"]",
        "keys = [\"keys/example.key.pem\"]",
        "38:9: validation.keys[0]: keys/example.key.pem is a private key; name the public half; a private key never goes into a board file",
    ),
    (
        "keys = [\"keys/example.pub.pem\"]",
        "keys = [\"keys/README.md\"]",
        "38:9: validation.keys[0]: keys/README.md is not an Ed25519 public key in PEM (SubjectPublicKeyInfo); make one with `surefoot image keygen` or `openssl pkey -pubout`",
    ),
    (
        "keys = [\"keys/example.pub.pem\"]",
        "keys = [\"0100000000000000000000000000000000000000000000000000000000000000\"]",
        "38:9: validation.keys[0]: 0100000000000000000000000000000000000000000000000000000000000000 is a weak key; make a new one with `surefoot image keygen`",
    ),
];

#[test]
fn every_mistake_is_named_with_its_place_and_its_remedy() {
    let mut wrong = Vec::new();
    for (old, new, message) in CASES {
        let error = match parse(&with(old, new)) {
            Err(error) => error.to_string(),
            Ok(_) => "accepted".to_string(),
        };
        // What the TOML parser says is its own; the place is ours.
        let exact = !message.ends_with("TOML: ");
        if !(if exact { error == *message } else { error.starts_with(message) }) {
            wrong.push(format!("is  {error}\nnot {message}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The good file with a journal, and other lines changed.
fn with_journal(changes: &[(&str, &str)]) -> Result<Board, BoardError> {
    let text = with("bootloader = \"16K\"", "bootloader = \"16K\"\njournal = \"0x08004000\"");
    parse(&changes.iter().fold(text, |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "{old:?}");
        text.replace(old, new)
    }))
}

#[test]
fn a_journal_brings_trial_boots_and_asks_for_manifests() {
    assert_eq!(parse(GOOD).map(|b| b.boot.trial_boots), Ok(0));
    assert_eq!(with_journal(&[]).map(|b| b.boot.trial_boots), Ok(3));
    for (number, boots) in [("0", 0), ("1", 1), ("30", 30)] {
        let line = format!("watchdog = true\ntrial-boots = {number}");
        assert_eq!(with_journal(&[("watchdog = true", &line)]).map(|b| b.boot.trial_boots), Ok(boots));
    }
    assert!(with_journal(&[("policy = \"signature\"", "policy = \"crc\"")]).is_ok());
    let error = with_journal(&[("policy = \"signature\"", "policy = \"none\"")]).expect_err("no manifests");
    assert_eq!(
        error.to_string(),
        "38:10: validation.policy: the journal knows images by their manifest, for which the policy \"none\" does not \
         ask; use \"signature\" or \"crc\", or take `journal` out of [layout]"
    );
}

#[test]
fn two_slots_without_trial_boots_are_worth_a_warning() {
    let text = std::fs::read_to_string(boards().join("f4-discovery-ab.toml")).expect("the example");
    let warned = |text: &str| {
        let board = parse(text).unwrap_or_else(|e| panic!("{e}"));
        board.warnings.iter().any(|w| w.contains("never rolled back"))
    };
    assert!(!warned(&text));
    assert!(warned(&text.replace("trial-boots = 3", "trial-boots = 0")));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Board::load(&boards().join("nowhere.toml")).expect_err("no file").to_string();
    assert!(
        error.ends_with("nowhere.toml: cannot be read: No such file or directory (os error 2)"),
        "{error}"
    );
    assert!(error.contains("boards"), "{error}");
}

#[test]
fn a_key_file_that_is_not_there_is_named() {
    let text = with("keys/example.pub.pem", "keys/nobody.pem");
    let error = parse(&text).expect_err("no key").to_string();
    assert!(error.starts_with("38:9: validation.keys[0]: ") && error.contains("keys/nobody.pem"), "{error}");
    assert!(error.contains("make a key with `surefoot image keygen`"), "{error}");
}

#[test]
fn the_fifth_key_is_refused() {
    // Points of the curve by RFC 8032's test vectors and Surefoot's example.
    let keys = [
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    ];
    let list = |keys: &[&str]| format!("keys = {keys:?}");
    let old = "keys = [\"keys/example.pub.pem\"]";
    let four = parse(&with(old, &list(&keys[..4]))).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(four.keys.len(), 4);
    let error = parse(&with(old, &list(&keys))).expect_err("five keys").to_string();
    assert!(
        error.ends_with("validation.keys[4]: there is room for 4 keys, revoked ones included; take one out")
    );
    let revoked = with(old, &format!("{}\nrevoked = [\"{}\"]", list(&keys[..3]), keys[3]));
    let revoked = parse(&revoked).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(revoked.keys.iter().map(|k| k.revoked).collect::<Vec<_>>(), [false, false, false, true]);
}

/// The chip takes the first key whose id, four bytes, is the manifest's: the second one would verify nothing.
#[test]
fn two_keys_with_the_same_id_are_refused() {
    // Both hash to 65 28 02 91...
    let [one, two] = [
        "4c06a4ae9ff1efd25180797bfdad8070719bd6e43075197a02bf74815f8b7142",
        "9df82a3aad003c07dc20c3193cc2b62200eeabf1c93cecd4a9ea16e91186b4a7",
    ];
    let old = "keys = [\"keys/example.pub.pem\"]";
    for key in [one, two] {
        parse(&with(old, &format!("keys = [\"{key}\", \"keys/example.pub.pem\"]")))
            .unwrap_or_else(|e| panic!("{e}"));
    }
    for keys in [
        format!("keys = [\"{one}\", \"{two}\"]"),
        format!("keys = [\"{two}\", \"keys/example.pub.pem\"]\nrevoked = [\"{one}\"]"),
    ] {
        let error = parse(&with(old, &keys)).expect_err(&keys).to_string();
        assert!(
            error.ends_with(
                "this key has the same id as one before it, though they differ: its signatures would never be \
                 accepted; make another one with `surefoot image keygen`"
            ),
            "{error}"
        );
    }
}

#[test]
fn usb_texts_that_leave_no_room_for_the_memory_string_are_refused() {
    let long = "x".repeat(60);
    let usb = format!("\n[usb]\nmanufacturer = \"{long}\"\nproduct = \"{long}\"\n");
    let board = |name: &str| std::fs::read_to_string(boards().join(name)).expect(name) + &usb;
    // One slot behind a bootloader: room for the longest texts.
    assert_eq!(parse(&board("nucleo-f446re.toml")).unwrap_or_else(|e| panic!("{e}")).usb.product, long);
    // Seven runs of sectors in two banks: none.
    let error = parse(&board("fmu-v2.toml")).expect_err("too long").to_string();
    assert_eq!(
        error,
        "usb: the USB texts and the memory string \"@Internal Flash   /0x08000000/01*016Ka,03*016Kg,01*064Kg,\
         07*128Kg,04*016Ka,01*064Ka,07*128Ka\" together are too long; shorten `manufacturer` or `product` in [usb]"
    );
}

/// Files cut short, with bytes changed, and of noise: an error or a board, never a panic.
#[test]
fn damaged_files_never_panic() {
    for end in (0..GOOD.len()).filter(|e| GOOD.is_char_boundary(*e)) {
        drop(parse(&GOOD[..end]));
    }
    let seed = 0x5EED_0001_u64;
    println!("seed {seed:#X}");
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..3000 {
        let mut bytes = GOOD.as_bytes().to_vec();
        for _ in 0..1 + next() % 4 {
            let at = next() % bytes.len();
            match next() % 3 {
                0 => bytes[at] = b' ' + (next() % 95) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"0159\"[]=.xK-\n+"[next() % 14]),
            }
        }
        if let Ok(text) = String::from_utf8(bytes) {
            drop(parse(&text));
        }
    }
}
