//! `surefoot run`: from a program to its output in one step.

use crate::bench::{Bench, application, refused};
use serde_json::{Value, json};
use std::process::Stdio;

const SLOT: u32 = 0x0800_C000;

/// Thumb code that sends "hello" and an end of line on USART2 and then waits for ever; made with
/// arm-none-eabi-as from: clocks of GPIOA and USART2, PA2 as AF7, BRR = 0x8B, CR1 = UE | TE, and a loop on SR.TXE.
const HELLO: [u8; 88] = [
    0x12, 0x48, 0x01, 0x6B, 0x41, 0xF0, 0x01, 0x01, 0x01, 0x63, 0x01, 0x6C, 0x41, 0xF4, 0x00, 0x31, 0x01,
    0x64, 0x0F, 0x48, 0x40, 0xF2, 0x00, 0x71, 0x01, 0x62, 0x01, 0x68, 0x41, 0xF0, 0x20, 0x01, 0x01, 0x60,
    0x0C, 0x48, 0x8B, 0x21, 0x81, 0x60, 0x42, 0xF2, 0x08, 0x01, 0xC1, 0x60, 0x05, 0xA2, 0x12, 0xF8, 0x01,
    0x3B, 0x23, 0xB1, 0x04, 0x68, 0x24, 0x06, 0xFC, 0xD5, 0x43, 0x60, 0xF7, 0xE7, 0xFE, 0xE7, 0x00, 0xBF,
    0x68, 0x65, 0x6C, 0x6C, 0x6F, 0x0A, 0x00, 0x00, 0x00, 0x38, 0x02, 0x40, 0x00, 0x00, 0x02, 0x40, 0x00,
    0x44, 0x00, 0x40,
];

/// An application that says hello and waits.
pub fn hello(base: u32) -> Vec<u8> {
    let mut bytes = application(base, 2000);
    bytes[0x40..0x40 + HELLO.len()].copy_from_slice(&HELLO);
    bytes
}

fn ready(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder .");
    bench.write("app.bin", hello(SLOT));
    bench
}

#[test]
fn a_program_is_signed_flashed_and_heard() {
    let bench = ready("run-hello");
    let ran = bench.ok("run app.bin --for 2s");
    assert_eq!(ran["uarts"], json!([{ "usart": 2, "text": "hello\n" }]));
    assert_eq!((&ran["signed_with"], &ran["board"]), (&"keys/mine.pem".into(), &"application".into()));
    assert_eq!(
        (&ran["ended_by"], &ran["resets"], &ran["confirmed_after"]),
        (&"time".into(), &0.into(), &Value::Null)
    );
    assert_eq!((&ran["version"], &ran["update"]["trial_boots"]), (&"0.0.0".into(), &3.into()));
    // For people: its output alone on standard output, up to the report.
    let out = bench.raw("run app.bin --for 2s --version 1.2.0");
    let (said, notes) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(said.starts_with("hello\n") && said.contains("not confirmed"), "{said}");
    assert!(notes.contains("version 1.2.0") && notes.contains("signed with keys/mine.pem"), "{notes}");
    assert!(std::fs::read_dir(bench.path(".")).unwrap().all(|e| !e.unwrap().path().ends_with("state")));
}

#[test]
fn cargo_runs_it_from_any_folder_below_with_the_crates_version() {
    let bench = ready("run-cargo");
    bench.write("src/app.bin", hello(SLOT));
    let mut below = bench.command("run app.bin --for 100ms");
    below.current_dir(bench.path("src")).env("CARGO_PKG_VERSION", "0.3.1-rc.2");
    let ran = crate::bench::accepted(&mut below);
    assert_eq!((&ran["version"], &ran["uarts"][0]["text"]), (&"0.3.1".into(), &"hello\n".into()));
    assert!(ran["signed_with"].as_str().is_some_and(|key| key.ends_with("keys/mine.pem")), "{ran:#}");
}

#[test]
fn a_board_that_is_kept_needs_nobody_at_its_button_and_no_counter() {
    let bench = ready("run-kept");
    let kept = "run app.bin --link sim:board.state --for 100ms";
    assert_eq!(bench.ok(kept)["uarts"][0]["text"], "hello\n");
    // It runs an application now, and it takes the next one all the same.
    assert_eq!(bench.ok(kept)["update"]["after_a_cut"], false);
    let info = bench.ok("info --link sim:board.state,button");
    assert_eq!(info["state"]["slots"][0]["image"]["version"], "0.0.0");
    // An image that is signed is taken as it is.
    bench.ok("image sign app.bin --key keys/mine-next.pem --version 4.0.0 --counter 9 --out app.dfu");
    let ran = bench.ok("run app.dfu --link sim:board.state --for 100ms");
    assert_eq!(
        (&ran["version"], &ran["signed_with"], &ran["security_counter"]),
        (&"4.0.0".into(), &Value::Null, &9.into())
    );
}

#[test]
fn a_program_that_never_confirms_itself_ends_as_on_a_board() {
    let bench = ready("run-rolled-back");
    let error = bench.fails("run app.bin --for 5min", 4, "image.rejected");
    assert!(error["what"].as_str().unwrap().contains("waits in update mode"), "{error:#}");
    let out = bench.raw("run app.bin --for 5min");
    let notes = String::from_utf8_lossy(&out.stderr);
    assert_eq!(notes.matches("reset by: independent watchdog").count(), 3, "{notes}");
    assert_eq!(String::from_utf8_lossy(&out.stdout).matches("hello\n").count(), 3);
}

#[test]
fn a_core_that_locks_up_is_no_success() {
    let bench = ready("run-lockup");
    let mut bytes = application(SLOT, 2000);
    // No handler for the fault of an undefined instruction.
    bytes[0x40..0x42].copy_from_slice(&[0x00, 0xDE]);
    bench.write("app.bin", bytes);
    let error = bench.fails("run app.bin --for 1s", 6, "link.locked-up");
    assert!(error["what"].as_str().unwrap().contains("locked up at 0x"), "{error:#}");
}

#[test]
fn what_is_missing_is_told_before_a_board_is_made() {
    let bench = ready("run-missing");
    bench.fails("run missing.bin --for 1s", 3, "file.read");
    bench.write("wrong.bin", application(0x0800_0000, 2000));
    bench.fails("run wrong.bin --for 1s", 4, "image.reset-outside");
    std::fs::remove_file(bench.path("keys/mine.pem")).unwrap();
    assert_eq!(
        bench.ok("run app.bin --for 10ms")["signed_with"],
        "keys/mine-next.pem",
        "the board trusts it too"
    );
    std::fs::remove_file(bench.path("keys/mine-next.pem")).unwrap();
    bench.fails("run app.bin --for 1s", 3, "run.no-key");
    let elsewhere = Bench::new("run-nowhere");
    elsewhere.write("app.bin", hello(SLOT));
    refused(&mut elsewhere.command("run app.bin"), 3, "run.no-board");
}

#[test]
#[cfg(unix)]
fn without_an_end_it_runs_until_somebody_has_enough() {
    let bench = ready("run-signal");
    let mut command = bench.command("run app.bin --link sim:board.state --json");
    let child = command.stdout(Stdio::piped()).spawn().expect("the command starts");
    std::thread::sleep(std::time::Duration::from_secs(6));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let out = child.wait_with_output().unwrap();
    let ran: Value = serde_json::from_slice(&out.stdout).expect("an object");
    assert_eq!((out.status.code(), &ran["ended_by"]), (Some(0), &"signal".into()));
    assert!(ran["seconds"].as_f64().unwrap() < 7.0, "a second of the board is a second: {ran:#}");
    assert_eq!(bench.ok("info --link sim:board.state,button")["state"]["slots"][0]["content"], "image");
}
