//! The shipped binary, unchanged, on every line of chips that has a model: it boots and takes updates.
//!
//! The example board has an STM32F407; these have the same parts around another chip.

use surefoot_board::Board as BoardFile;
use surefoot_core::info::HSE_TICKS_HZ;
use surefoot_host::files::{self, Segments};
use surefoot_host::image::{self, Identity};
use surefoot_host::job::Finish;
use surefoot_images::F4_FULL;
use surefoot_sim::{BoardOptions, ChipModel, Hse, Nanos};
use surefoot_tests::fixtures::blinky_rust;
use surefoot_tests::rig::{BUTTON, Found, Rig, example_key, parsed};

const SECOND: Nanos = Nanos::secs(1);
const MHZ: u32 = 1_000_000;

/// A chip, its clocks, and what the bootloader says of it.
struct Case {
    chip: &'static str,
    sysclk: u32,
    device_id: u16,
}

const CASES: [Case; 3] = [
    Case { chip: "STM32F407VE", sysclk: 168, device_id: 0x413 },
    // USB needs 48 MHz out of the same PLL, which 100 MHz does not allow.
    Case { chip: "STM32F411VE", sysclk: 96, device_id: 0x431 },
    Case { chip: "STM32F446ZE", sysclk: 168, device_id: 0x421 },
];

const SINGLE: &str = r#"
application = "0x0800C000"     # sectors 3-7
"#;
const AB: &str = r#"
strategy = "ab"
application = "0x0800C000"     # sectors 3-5
application-b = "0x08040000"   # sectors 6-7
"#;

fn file(case: &Case, slots: &str) -> BoardFile {
    let Case { chip, sysclk, .. } = case;
    let text = format!(
        r#"
name = "test-board"
chip = "{chip}"
voltage = "2.7V-3.6V"
[layout]
bootloader = "16K"
journal = "0x08004000"
{slots}
[clock]
hse = "8 MHz"
sysclk = "{sysclk} MHz"
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
trial-boots = 3
[validation]
policy = "signature"
keys = ["keys/example.pub.pem"]
"#
    );
    parsed(&text).expect("a board file")
}

/// The board, waiting for its first application.
fn waiting(case: &Case, slots: &str) -> Rig {
    let chip = ChipModel::find(case.chip).expect("a model");
    let options = BoardOptions { battery: true, ..BoardOptions::new(chip) };
    let mut rig = Rig::on(options, F4_FULL, file(case, slots)).expect("seals");
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode, "{}", case.chip);
    rig.attach().expect("enumerates");
    rig
}

/// The blinky with this period for a slot, signed.
fn signed(rig: &Rig, slot: usize, period_ms: u32, version: [u16; 3]) -> Segments {
    let slot = rig.config().slot(slot);
    let elf = blinky_rust(period_ms, slot.base).expect("builds");
    let loaded = files::read(&elf, None).expect("an ELF file");
    let flat = image::flat(&loaded.segments, slot).expect("fits");
    let [major, minor, patch] = version;
    let identity = Identity {
        version: surefoot_core::image::Version { major, minor, patch },
        security_counter: 1,
        device_id: rig.file.device_id(),
        board_id: rig.file.id,
    };
    let key = example_key().expect("published");
    let bytes = image::sign(flat, slot, identity, Some(&key), false).expect("signs");
    Segments::one(slot.base, bytes).expect("one segment")
}

/// Takes an image over USB and runs it; its LED tells that it is this one.
fn update(rig: &mut Rig, slot: usize, period_ms: u32, version: [u16; 3]) {
    let image = signed(rig, slot, period_ms, version);
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    let changes = rig.blinks(SECOND);
    assert!(changes.len() >= 3, "{changes:?}");
    assert!(changes.iter().all(|c| c.abs_diff(u64::from(period_ms) * 1000) < 20), "{changes:?}");
}

#[test]
fn the_shipped_binary_boots_measures_its_crystal_and_takes_updates_on_every_modelled_line() {
    for case in &CASES {
        for (slots, second) in [(SINGLE, 0), (AB, 1)] {
            let mut rig = waiting(case, slots);
            let info = rig.info().expect("answers");
            assert_eq!((info.device_id, info.flash_kib), (case.device_id, 512));
            assert_eq!((info.config_fault, info.last_fault), (0, 0), "{}", case.chip);
            let expected = HSE_TICKS_HZ / (8 * MHZ);
            assert!(expected.abs_diff(info.hse_ticks.into()) <= 1, "{}: {}", case.chip, info.hse_ticks);
            let clocks = rig.board.clocks();
            assert_eq!((clocks.hclk, clocks.pll48), (case.sysclk * MHZ, 48 * MHZ), "{}", case.chip);
            update(&mut rig, 0, 100, [1, 0, 0]);
            // The application asks for the next update: the button is its cue.
            rig.board.set_pin(BUTTON, Some(true));
            rig.board.run_for(Nanos::millis(100));
            rig.board.set_pin(BUTTON, Some(false));
            rig.attach().expect("comes back in update mode");
            update(&mut rig, second, 150, [2, 0, 0]);
            rig.board.power_off();
            assert_eq!(rig.power_on(SECOND), Found::Application, "{}", case.chip);
            rig.board.assert_no_violations(|_| false);
        }
    }
}

#[test]
fn without_a_crystal_update_mode_comes_from_hsi_on_every_modelled_line() {
    for case in &CASES {
        let chip = ChipModel::find(case.chip).expect("a model");
        let options = BoardOptions { hse: Hse::DeadCrystal, ..BoardOptions::new(chip) };
        let mut rig = Rig::on(options, F4_FULL, file(case, SINGLE)).expect("seals");
        assert_eq!(rig.power_on(SECOND), Found::UpdateMode, "{}", case.chip);
        rig.attach().expect("enumerates");
        assert_eq!(rig.board.clocks().pll48, 48 * MHZ);
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_binary_sealed_for_another_line_waits_and_starts_nothing() {
    let [_, f411, f446] = &CASES;
    let chip = ChipModel::find(f446.chip).expect("a model");
    let mut rig = Rig::on(BoardOptions::new(chip), F4_FULL, file(f411, SINGLE)).expect("seals");
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    rig.attach().expect("enumerates");
    let info = rig.info().expect("answers");
    assert_ne!(info.config_fault, 0);
    assert_eq!(info.device_id, f446.device_id);
    rig.board.assert_no_violations(|_| false);
}
