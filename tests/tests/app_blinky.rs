//! The application library at work: the blinkies and the jump to the ROM on the virtual board, each
//! program alone on the chip. What the bootloader makes of a request is tested with the bootloader.

use std::fs;
use std::path::PathBuf;

use surefoot_app::{Board as Known, Rom};
use surefoot_core::handoff::{self, Record};
use surefoot_sim::{Board, ChipModel, Nanos, Pin, ResetCause, Stop};
use surefoot_tests::fixtures::{self, SLOT};
use surefoot_tests::needs;

const RESET_VECTOR: u32 = 0x0800_0000;
const GREEN: Pin = Pin::new('D', 12);
const ORANGE: Pin = Pin::new('D', 13);
const BUTTON: Pin = Pin::new('A', 0);
/// Bytes of cortex-m-rt's vector table.
const VECTORS: usize = 0x400;
const HANDOFF: u32 = Known::F4.handoff;

/// Both blinkies with `period_ms`, linked to start without a bootloader; without a C compiler the one in Rust.
#[track_caller]
fn blinkies(period_ms: u32) -> Vec<PathBuf> {
    let rust = fixtures::blinky_rust(period_ms, RESET_VECTOR).unwrap();
    let c = needs::part(needs::C).then(|| fixtures::blinky_c(period_ms, RESET_VECTOR).unwrap());
    std::iter::once(rust).chain(c).collect()
}

/// A board that was just switched on, with this program in its flash and the button released.
fn board(program: &PathBuf) -> Board {
    let mut board = Board::new(ChipModel::stm32f407vg());
    board.load_elf(&fs::read(program).unwrap()).unwrap();
    board.set_pin(BUTTON, Some(false));
    board.power_on();
    board
}

/// Times between the changes of the green LED, in microseconds.
fn changes(board: &Board) -> Vec<u64> {
    let at: Vec<u64> = board.pin_trace(GREEN).iter().map(|edge| edge.at.0 / 1000).collect();
    at.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn the_led_changes_at_the_period_it_was_built_with() {
    for period_ms in [500, 250] {
        for program in blinkies(period_ms) {
            let mut board = board(&program);
            assert_eq!(board.run_for(Nanos::secs(3)), Stop::Limit);
            let changes = changes(&board);
            assert!(changes.len() >= 4, "{}: {changes:?}", program.display());
            let period = u64::from(period_ms) * 1000;
            // A few microseconds of code between the tick and the store.
            assert!(changes.iter().all(|c| c.abs_diff(period) < 20), "{}: {changes:?}", program.display());
            board.assert_no_violations(|_| false);
        }
    }
}

#[test]
fn a_blinky_sleeps_between_its_ticks() {
    for program in blinkies(500) {
        let mut board = board(&program);
        board.run_for(Nanos::secs(1));
        // 16 million cycles passed; a loop that polls would have used most of them.
        assert!(board.instructions() < 200_000, "{}: {}", program.display(), board.instructions());
    }
}

#[test]
fn the_orange_led_tells_whether_a_bootloader_left_its_record() {
    let record = Record { version: [1, 2, 3], reset_cause: 0x0C, reason: 5, slot: SLOT };
    for program in blinkies(500) {
        let mut board = board(&program);
        board.run_for(Nanos::millis(10));
        assert!(!board.pin(ORANGE), "{}: RAM after power-on is no record", program.display());
        for (word, at) in record.encode().iter().zip((HANDOFF + handoff::RECORD..).step_by(4)) {
            assert!(board.write_memory(at, &word.to_le_bytes()));
        }
        board.reset_pin();
        board.run_for(Nanos::millis(10));
        assert!(board.pin(ORANGE), "{}: the record is there", program.display());
        // One wrong bit is no record.
        assert!(board.write_memory(HANDOFF + handoff::RECORD + 8, &[4]));
        board.reset_pin();
        board.run_for(Nanos::millis(10));
        assert!(!board.pin(ORANGE), "{}: a damaged record", program.display());
        board.assert_no_violations(|_| false);
    }
}

#[test]
fn the_button_held_for_50_ms_asks_for_an_update_in_ram_and_in_the_backup_register() {
    for program in blinkies(500) {
        let mut board = board(&program);
        board.run_for(Nanos::millis(100));
        board.set_pin(BUTTON, Some(true));
        let resets = board.resets();
        assert_eq!(board.run_until(|b| b.resets() > resets, Nanos::secs(1)), Stop::Condition);
        assert_eq!(board.reset_cause(), ResetCause::Software);
        let magic = handoff::DEFAULT_MAGIC_WORD;
        assert_eq!(board.read_word(HANDOFF + handoff::REQUEST), Some(magic));
        assert_eq!(board.read_word(HANDOFF + handoff::REQUEST_COMPLEMENT), Some(!magic));
        assert_eq!(board.backup_register(0), magic);
        board.assert_no_violations(|_| false);
    }
}

#[test]
fn a_button_that_is_let_go_after_40_ms_asks_for_nothing() {
    for program in blinkies(500) {
        let mut board = board(&program);
        board.run_for(Nanos::millis(100));
        let resets = board.resets();
        for _ in 0..3 {
            board.set_pin(BUTTON, Some(true));
            board.run_for(Nanos::millis(40));
            board.set_pin(BUTTON, Some(false));
            board.run_for(Nanos::millis(5));
        }
        assert_eq!(board.resets(), resets, "{}", program.display());
        assert_eq!(board.backup_register(0), 0);
    }
}

#[test]
fn the_jump_to_the_rom_leaves_the_chip_as_after_a_reset_with_boot0_high() {
    let program = fixtures::rom_rust().unwrap();
    let mut board = Board::new(ChipModel::stm32f407vg());
    board.load_elf(&fs::read(program).unwrap()).unwrap();
    // It is linked for the slot and there is no bootloader: a copy of its vectors starts it.
    let vectors = board.flash()[(SLOT - RESET_VECTOR) as usize..][..VECTORS].to_vec();
    board.load(RESET_VECTOR, &vectors).unwrap();
    board.set_pin(BUTTON, Some(false));
    board.power_on();
    board.run_for(Nanos::millis(20));
    assert_eq!(board.clocks().hclk, 48_000_000);
    assert!(!board.in_rom());

    board.set_pin(BUTTON, Some(true));
    board.run_for(Nanos::millis(20));
    assert!(board.in_rom(), "pc {:#010x}", board.pc());
    assert_eq!(board.resets(), 1);
    let rom = Rom::of("STM32F407VG").and_then(|rom| rom.table()).unwrap();
    let stack = board.read_word(rom).unwrap();
    assert_eq!(board.register(13), stack);
    assert_eq!(board.clocks().hclk, 16_000_000);
    let mut system = |address| board.read_system(address).unwrap();
    assert_eq!(system(0xE000_ED08), rom, "VTOR");
    assert_eq!(system(0xE000_E010) & 0b11, 0, "SysTick off, its interrupt off");
    assert_eq!(system(0xE000_ED04) & (1 << 26 | 1 << 28), 0, "SysTick and PendSV not pending");
    for word in 0..3 {
        assert_eq!(system(0xE000_E100 + 4 * word), 0, "no interrupt enabled");
        assert_eq!(system(0xE000_E200 + 4 * word), 0, "no interrupt pending");
    }
    assert_eq!(board.faults().exception, 0, "thread mode");
    // The LED's pin went back to an input with its port's reset.
    assert_eq!(board.pin_output(Pin::new('D', 15)), None);
    board.assert_no_violations(|_| false);
}

#[test]
fn c_starts_the_rom_by_name_by_table_and_by_entry_and_hears_of_an_unknown_chip() {
    if !needs::whole(needs::C) {
        return;
    }
    const WAY: u32 = 0x2000_1000;
    const REFUSED: u32 = 0x5E70;
    let rom = Rom::of("STM32F407VG").and_then(|rom| rom.table()).unwrap();
    let mut board = board(&fixtures::rom_c().unwrap());
    for way in [1_u32, 2, 3] {
        board.reset_pin();
        board.run_for(Nanos::millis(10));
        assert!(!board.in_rom());
        assert!(board.write_memory(WAY, &way.to_le_bytes()));
        board.run_for(Nanos::millis(10));
        assert!(board.in_rom(), "way {way}: pc {:#010x}", board.pc());
        assert_eq!(Some(board.register(13)), board.read_word(rom), "way {way}");
    }
    board.reset_pin();
    board.run_for(Nanos::millis(10));
    assert!(board.write_memory(WAY, &4_u32.to_le_bytes()));
    board.run_for(Nanos::millis(10));
    assert_eq!(board.read_word(WAY), Some(REFUSED));
    board.assert_no_violations(|_| false);
}
