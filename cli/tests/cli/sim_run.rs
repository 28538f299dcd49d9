//! `sim run`: what happens to a board on the way, what it says of its starts, and how a run ends.

use crate::bench::{Bench, application};
use serde_json::Value;

const FLASH: u32 = 0x0800_0000;
const RCC: u32 = 0x4002_3800;
const AHB1ENR: u32 = RCC + 0x30;
const APB1ENR: u32 = RCC + 0x40;
const GPIOA: u32 = 0x4002_0000;
const GPIOD: u32 = 0x4002_0C00;
const USART2: u32 = 0x4000_4400;
const IWDG: u32 = 0x4000_3000;
const CCM: u32 = 1 << 20;

/// `movw`/`movt` (ARM DDI 0403E A7.7.76, A7.7.79).
fn constant(code: &mut Vec<u16>, register: u16, value: u32) {
    for (opcode, half) in [(0xF240, value & 0xFFFF), (0xF2C0, value >> 16)] {
        let half = half as u16;
        code.push(opcode | half >> 12 | (half >> 11 & 1) << 10);
        code.push((half >> 8 & 7) << 12 | register << 8 | half & 0xFF);
    }
}

/// A program that writes these words, then runs this code with r0 to r2 set to these constants.
fn program(base: u32, writes: &[(u32, u32)], constants: &[u32], tail: &[u16]) -> Vec<u8> {
    let mut code = Vec::new();
    for &(address, value) in writes {
        constant(&mut code, 0, address);
        constant(&mut code, 1, value);
        code.push(0x6001); // str r1, [r0]
    }
    for (register, value) in constants.iter().enumerate() {
        constant(&mut code, register as u16, *value);
    }
    code.extend(tail);
    let mut image = application(base, 0x80);
    image.truncate(0x40);
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    image.resize(image.len().next_multiple_of(4) + 64, 0);
    image
}

fn bare(bench: &Bench, name: &str, image: &[u8], words: &str) -> Value {
    bench.write(name, image);
    bench.ok(&format!("sim run {name} --address 0x08000000 {words}"))
}

fn edges(ran: &Value) -> Vec<u64> {
    ran["pins"][0]["edges"].as_array().unwrap().iter().map(|edge| edge["at"].as_u64().unwrap()).collect()
}

fn causes(ran: &Value) -> Vec<&str> {
    ran["starts"].as_array().unwrap().iter().map(|start| start["cause"].as_str().unwrap()).collect()
}

fn told(ran: &Value) -> Vec<&str> {
    let starts = ran["starts"].as_array().unwrap();
    starts.iter().map(|start| start["bootloader"].as_str().unwrap_or("")).collect()
}

#[test]
fn a_lock_up_is_no_success_and_goes_on_to_the_watchdog() {
    let bench = Bench::new("lock-up");
    let mut lost = application(FLASH, 256);
    lost[4..8].copy_from_slice(&0x6000_0001u32.to_le_bytes());
    bench.write("lost.bin", &lost);
    let error = bench.fails("sim run lost.bin --address 0x08000000 --for 10ms", 6, "sim.locked-up");
    assert!(error["what"].as_str().unwrap().contains("CFSR"), "{error:#}");
    // The watchdog runs (512 ms), then a load from nowhere with no handler.
    let image = program(FLASH, &[(IWDG, 0xCCCC)], &[0x3000_0000], &[0x6801]);
    bench.write("watched.bin", &image);
    let out = bench.raw("sim run watched.bin --address 0x08000000 --for 1.2s");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(said.matches("  independent watchdog\n").count(), 2, "{said}");
    assert_eq!(out.status.code(), Some(6), "locked up again at the end: {said}");
}

#[test]
fn a_program_for_a_slot_says_that_it_needs_a_board() {
    let bench = Bench::new("no-start");
    bench.write("app.bin", application(0x0801_0000, 256));
    let error = bench.fails("sim run app.bin --address 0x08010000", 3, "sim.no-start");
    assert!(error["what"].as_str().unwrap().contains("0x08010000"), "{error:#}");
}

#[test]
fn a_press_reaches_the_pin_at_its_time_and_for_its_length() {
    let bench = Bench::new("press");
    // PA0 to PD12, without end: ldr r2,[r0]; movs r3,#1; ands r2,r3; lsls r2,#12; str r2,[r1]; b.
    let writes = [(AHB1ENR, CCM | 1 | 8), (AHB1ENR, CCM | 1 | 8), (GPIOD, 1 << 24)];
    let follow = [0x6802, 0x2301, 0x401A, 0x0312, 0x600A, 0xE7F9];
    let image = program(FLASH, &writes, &[GPIOA + 0x10, GPIOD + 0x14], &follow);
    let ran = bare(
        &bench,
        "follow.bin",
        &image,
        "--for 60ms --pin PD12 --press PA0@10ms+5ms --press PA0=1@30ms+8ms",
    );
    let expected = [10, 15, 30, 38].map(|ms| ms * 1_000_000);
    let at = edges(&ran);
    assert_eq!(at.len(), 4, "{at:?}");
    assert!(at.iter().zip(expected).all(|(at, then)| at.abs_diff(then) < 5_000), "{at:?}");
    let held = bare(&bench, "follow.bin", &image, "--for 20ms --pin PD12 --hold PA0=1");
    assert_eq!(held["pins"][0]["high"], true);
}

#[test]
fn a_file_comes_in_on_a_serial_line_and_what_goes_out_is_shown_as_it_comes() {
    let bench = Bench::new("uart");
    bench.write("in.txt", "hello\nboard\n");
    // Echo: 1: ldr r1,[r0]; lsls r1,#26; bpl 1b; ldr r1,[r0,#4]; str r1,[r0,#4]; b 1b.
    let writes = [
        (AHB1ENR, CCM | 1),
        (APB1ENR, 1 << 17),
        (GPIOA + 0x20, 7 << 8 | 7 << 12),
        (GPIOA, 0xA800_00A0),
        (USART2 + 8, 139),
        (USART2 + 0x0C, 1 << 13 | 1 << 3 | 1 << 2),
    ];
    let echo = [0x6801, 0x0689, 0xD5FC, 0x6841, 0x6041, 0xE7F9];
    let image = program(FLASH, &writes, &[USART2], &echo);
    let ran = bare(&bench, "echo.bin", &image, "--for 50ms --uart 2=in.txt --strict=all");
    assert_eq!((&ran["uarts"][0]["usart"], &ran["uarts"][0]["text"]), (&2.into(), &"hello\nboard\n".into()));
    let out = bench.raw("sim run echo.bin --address 0x08000000 --for 50ms --uart 2=in.txt");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.starts_with("USART2 | hello\nUSART2 | board\n"), "{text}");
}

#[test]
fn the_crystal_is_the_one_that_was_asked_for() {
    let bench = Bench::new("hse");
    // HSE on; wait for it; run from it; PD12 up, 25,000 rounds of three cycles, PD12 down, b .
    let writes = [(AHB1ENR, CCM | 8), (RCC, 0x83 | 1 << 16), (GPIOD, 1 << 24)];
    // 1: ldr r3,[r0]; lsls r3,#14; bpl 1b (HSERDY is bit 17); movs r3,#1; str r3,[r0,#8] (SW: HSE)
    let mut code = vec![0x6803, 0x039B, 0xD5FC, 0x2301, 0x6083];
    // movs r3,#1; lsls r3,#12; str r3,[r1]; 2: subs r2,#1; nop; bne 2b; movs r3,#0; str r3,[r1]; b .
    code.extend([0x2301, 0x031B, 0x600B, 0x3A01, 0xBF00, 0xD1FC, 0x2300, 0x600B, 0xE7FE]);
    let image = program(FLASH, &writes, &[RCC, GPIOD + 0x14, 25_000], &code);
    let span = |words: &str| {
        let at = edges(&bare(&bench, "hse.bin", &image, &format!("--for 40ms --pin PD12 {words}")));
        at.get(1).map(|down| down - at[0])
    };
    for (words, expected) in
        [("--hse 25MHz", 3_000_000), ("", 9_375_000), ("--hse 12M --hse-start 500us", 6_250_000)]
    {
        let span = span(words).unwrap();
        assert!(span.abs_diff(expected) < 2_000, "{words}: {span}");
    }
    assert_eq!((span("--hse none"), span("--hse dead")), (None, None));
    let early = edges(&bare(&bench, "hse.bin", &image, "--for 40ms --pin PD12 --hse-start 500us"))[0];
    assert!((2_000_000..2_100_000).contains(&early), "1.5 ms of reset, half a millisecond: {early}");
}

#[test]
fn a_cut_is_a_loss_of_the_supply_and_the_board_comes_back() {
    let bench = Bench::new("cut");
    let ran = bare(&bench, "loop.bin", &application(FLASH, 256), "--for 3s --cut 5ms --cut 1.5s");
    assert_eq!(causes(&ran), ["power-on"; 3]);
    assert_eq!(ran["starts"][1]["at"].as_u64().unwrap() / 1_000_000, 1_005);
}

#[test]
fn a_cut_is_told_behind_the_start_that_it_ended() {
    let bench = Bench::new("cut-told");
    board(&bench);
    let out = bench.raw("sim run --state board.state --for 3s --cut 500ms --usb");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    let at = |text: &str| told.find(text).unwrap_or_else(|| panic!("{text}: {told}"));
    assert!(at("0 ns  power-on: in update mode") < at("  USB: 0483:df11"), "{told}");
    assert!(at("  USB: 0483:df11") < at("500.000 ms  the supply failed"), "{told}");
    assert!(at("the supply failed") < at("1.500 s  power-on"), "{told}");
}

#[test]
fn reserved_bits_are_no_alarm_and_strict_tells_them_from_harm() {
    let bench = Bench::new("grades");
    let image = program(FLASH, &[(AHB1ENR, CCM | 1 << 15)], &[], &[0xE7FE]);
    let ran = bare(&bench, "reserved.bin", &image, "--for 5ms --strict");
    assert_eq!(ran["grades"], serde_json::json!({ "forbidden": 0, "reserved": 1, "hints": 0 }));
    let out = bench.raw("sim run reserved.bin --address 0x08000000 --for 5ms");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("none broken") && text.contains("which silicon ignores"), "{text}");
    bench.fails("sim run reserved.bin --address 0x08000000 --for 5ms --strict=all", 6, "sim.violations");
    let bad = program(FLASH, &[(GPIOD, 1)], &[], &[0xE7FE]);
    bench.write("bad.bin", bad);
    bench.fails("sim run bad.bin --address 0x08000000 --for 5ms --strict", 6, "sim.violations");
    let adc = program(FLASH, &[(0x4001_2000, 1), (0x4001_2000, 2)], &[], &[0xE7FE]);
    let ran = bare(&bench, "adc.bin", &adc, "--for 5ms --strict");
    assert_eq!(ran["violations"].as_array().map(Vec::len), Some(1), "said once: {ran:#}");
}

/// A board with one slot in `board.state`.
fn board(bench: &Bench) {
    bench.ok("new mine --folder . --strategy single --no-journal");
}

#[test]
fn a_held_button_pin_stays_held_and_a_host_lists_the_bootloader() {
    let bench = Bench::new("held-button");
    board(&bench);
    bench.write("app.bin", application(0x0801_0000, 5000));
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --out app.dfu");
    bench.ok("flash app.dfu --link sim:board.state");
    let ran = bench.ok("sim run --state board.state --for 2s");
    assert_eq!(told(&ran), ["started 1.2.3"]);
    let ran = bench.ok("sim run --state board.state --for 8s --hold PA0=1 --usb");
    assert_eq!((told(&ran), &ran["in_application"]), (vec!["in update mode"], &false.into()));
    let device = &ran["usb"][0];
    assert_eq!((&device["vid"], &device["product"]), (&0x0483.into(), &"STM32 BOOTLOADER".into()));
    assert_eq!(device["interfaces"][0]["class"], 0xFE);
    // Pressed at power-on by --button, and on the way: only a reset looks at it.
    assert_eq!(told(&bench.ok("sim run --state board.state --for 8s --button")), ["in update mode"]);
    assert_eq!(told(&bench.ok("sim run --state board.state --for 2s --press PA0@1s")), ["started 1.2.3"]);
}

#[test]
fn an_application_that_goes_back_to_the_bootloader_s_vectors_is_named() {
    let bench = Bench::new("vtor");
    board(&bench);
    let slot = 0x0801_0000;
    // VTOR back to 0x08000000, a while, then a supervisor call.
    let tail = [0x3A01, 0xBF00, 0xD1FC, 0xDF00, 0xE7FE];
    bench.write("app.bin", program(slot, &[(0xE000_ED08, FLASH)], &[0, 0, 4_000_000], &tail));
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.0.0 --out app.dfu");
    bench.raw("flash app.dfu --link sim:board.state");
    let ran = bench.ok("sim run --state board.state --for 5s");
    let astray: Vec<&str> =
        ran["astray"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert_eq!(astray.len(), 2, "{ran:#}");
    assert!(astray[0].contains("set VTOR to 0x08000000"), "{astray:?}");
    assert!(
        astray[1].contains("an exception was taken through the bootloader's vector table (number 11)"),
        "{astray:?}"
    );
}

#[cfg(unix)]
mod signals {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    fn age(bench: &Bench) -> u64 {
        let state = std::fs::read(bench.path("board.state")).unwrap();
        let end = state.iter().position(|b| *b == b'\n').unwrap();
        serde_json::from_slice::<Value>(&state[..end]).unwrap()["now"].as_u64().unwrap()
    }

    /// The command, interrupted after a while: its exit code and its object.
    fn interrupted(bench: &Bench, words: &str, after: Duration) -> (Option<i32>, Value) {
        let child: Child =
            bench.command(words).arg("--json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let line = format!("kill -INT {}", child.id());
        let _ = Command::new("sh").args(["-c", &line]).status();
        let out = child.wait_with_output().unwrap();
        (out.status.code(), serde_json::from_slice(&out.stdout).unwrap_or(Value::Null))
    }

    #[test]
    fn ctrl_c_in_a_run_leaves_the_board_as_after_pulling_the_plug() {
        let bench = Bench::new("ctrl-c-run");
        board(&bench);
        bench.ok("sim run --state board.state --for 1ms");
        let before = age(&bench);
        let (code, ran) =
            interrupted(&bench, "sim run --state board.state --for 50000000s", Duration::from_secs(2));
        assert_eq!((code, &ran["ended_by_signal"]), (Some(0), &true.into()), "{ran:#}");
        assert_eq!(age(&bench) - before, ran["nanoseconds"].as_u64().unwrap());
    }

    #[test]
    fn ctrl_c_in_a_flash_leaves_the_board_as_after_pulling_the_plug() {
        let bench = Bench::new("ctrl-c-flash");
        board(&bench);
        bench.write("app.bin", application(0x0801_0000, 900_000));
        bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --out app.dfu");
        bench.ok("sim run --state board.state --for 1ms");
        // How far it is by then is the machine's: later and later until it is in the middle of the job.
        for tenths in [5, 2, 10, 1, 20, 40] {
            let before = age(&bench);
            let words = "flash app.dfu --link sim:board.state,button";
            let (code, said) = interrupted(&bench, words, Duration::from_millis(100 * tenths));
            if code != Some(5) {
                continue;
            }
            assert_eq!(said["error"]["code"], "link.ended", "{said:#}");
            if age(&bench) > before + 1_000_000_000 {
                let info = bench.ok("info --link sim:board.state");
                assert_eq!(info["bootloader"]["reason"], "no-valid-image", "half an image starts nowhere");
                return;
            }
        }
        panic!("never in the middle of the job");
    }
}
