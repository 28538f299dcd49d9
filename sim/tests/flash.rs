//! The flash interface: its sequences, its refusals, its times, and what a power cut leaves.

mod common;

use common::{Script, board};
use surefoot_sim::device::Width;
use surefoot_sim::{Board, Cut, Kind, Nanos, Stop, When};

const ACR: u32 = 0x4002_3C00;
const KEYR: u32 = ACR + 4;
const OPTKEYR: u32 = ACR + 8;
const SR: u32 = ACR + 0xC;
const CR: u32 = ACR + 0x10;
const OPTCR: u32 = ACR + 0x14;
const PG: u32 = 1;
const SER: u32 = 2;
const MER: u32 = 4;
const X16: u32 = 1 << 8;
const X32: u32 = 2 << 8;
const STRT: u32 = 1 << 16;
const EOPIE: u32 = 1 << 24;
const ERRIE: u32 = 1 << 25;
const LOCK: u32 = 1 << 31;
/// Sector 5 at 0x08020000.
const SECTOR: u32 = 5 << 3;
const PLACE: u32 = 0x0802_0000;

fn unlocked() -> Script {
    Script::new().set(KEYR, 0x4567_0123).set(KEYR, 0xCDEF_89AB)
}

fn options_unlocked() -> Script {
    Script::new().set(OPTKEYR, 0x0819_2A3B).set(OPTKEYR, 0x4C5D_6E7F)
}

fn idle(script: Script) -> Script {
    script.wait(SR, 1 << 16, 0)
}

#[test]
fn a_word_is_programmed_in_16_us_and_a_sector_erased_in_a_second() {
    let script = idle(
        idle(unlocked().set(CR, X32 | PG).set(PLACE, 0x1234_5678)).get(PLACE).set(CR, X32 | SER | SECTOR),
    )
    .set(CR, X32 | SER | SECTOR | STRT);
    let script = idle(script).get(PLACE).set(CR, LOCK).get(CR);
    let mut board = board();
    script.start(&mut board);
    board.run_until(|b| b.operations() == 1, Nanos::millis(5));
    let programmed = board.now();
    board.run_until(|b| b.read_word(PLACE) == Some(0x1234_5678), Nanos::millis(5));
    assert!((16_000..16_100).contains(&(board.now() - programmed).0));
    board.run_for(Nanos::millis(990));
    assert_eq!(board.read_word(PLACE), Some(0x1234_5678), "still erasing");
    board.run_for(Nanos::millis(20));
    let ran = script.ran(board);
    assert_eq!(ran.clean(), [0x1234_5678, u32::MAX, LOCK]);
    assert_eq!(ran.board.operations(), 2);
}

#[test]
fn erase_times_follow_the_sector_and_the_parallelism() {
    for (sector, psize, ms) in [
        (1, 0, 400),
        (1, 1, 300),
        (1, 2, 250),
        (4, 0, 1_200),
        (4, 1, 700),
        (4, 2, 550),
        (11, 0, 2_000),
        (11, 1, 1_300),
        (11, 2, 1_000),
    ] {
        let script = idle(unlocked().set(CR, psize << 8 | SER | sector << 3 | STRT));
        let mut board = board();
        script.start(&mut board);
        board.run_until(|b| b.operations() == 1, Nanos::millis(5));
        let started = board.now();
        let end = script.end(0x0800_0000);
        while board.pc() != end {
            board.run_for(Nanos::micros(100));
        }
        let took = board.now() - started;
        assert_eq!(took.as_millis(), ms, "sector {sector}, PSIZE {psize}");
        board.assert_no_violations(|_| false);
    }
}

#[test]
fn the_core_stalls_only_when_it_fetches_from_the_busy_flash() {
    // The same script from flash and from RAM: three reads of SR right after STRT.
    let script = unlocked().set(CR, X32 | SER | SECTOR | STRT).get(SR).get(SR);
    let in_flash = script.run_for(Nanos::secs(2));
    assert_eq!(in_flash.clean(), [0, 0], "both reads came after the second's stall");

    let mut board = board();
    board.set_boot_pins(true, true);
    board.write_memory(0x2000_0000, &script.image(0x2000_0000));
    board.load(0x0800_0000, &script.image(0x0800_0000)).unwrap();
    board.power_on();
    board.write_memory(0x2000_0000, &script.image(0x2000_0000));
    board.reset_pin();
    board.run_for(Nanos::millis(10));
    let busy = |i: u32| board.read_word(common::RESULTS + 4 * i).unwrap();
    assert_eq!([busy(0), busy(1)], [1 << 16; 2], "RAM code sees BSY");
    board.assert_no_violations(|_| false);
}

/// What the firmware does wrong, the kind of violation, and the flags that FLASH_SR shows.
#[test]
fn every_wrong_sequence_is_refused() {
    const PGSERR: u32 = 1 << 7;
    const PGPERR: u32 = 1 << 6;
    const WRPERR: u32 = 1 << 4;
    const OPERR: u32 = 1 << 1;
    let cases: [(&str, Script, Kind, u32); 14] = [
        ("CR while locked", Script::new().set(CR, PG), Kind::Locked, 0),
        ("store while locked", Script::new().set(PLACE, 0), Kind::Sequence, PGSERR),
        ("store without PG", unlocked().set(CR, X32).set(PLACE, 0), Kind::Sequence, PGSERR),
        ("store with PG and SER", unlocked().set(CR, X32 | PG | SER).set(PLACE, 0), Kind::Sequence, PGSERR),
        ("word store at x16", unlocked().set(CR, X16 | PG).set(PLACE, 0), Kind::Width, PGPERR),
        ("byte store at x32", unlocked().set(CR, X32 | PG).write(Width::Byte, PLACE, 0), Kind::Width, PGPERR),
        ("x64 without its voltage", unlocked().set(CR, 3 << 8 | PG).set(PLACE, 0), Kind::Range, PGPERR),
        (
            "error interrupt enabled",
            unlocked().set(CR, ERRIE | X16 | PG).set(PLACE, 0),
            Kind::Width,
            PGPERR | OPERR,
        ),
        ("STRT alone", unlocked().set(CR, X32 | STRT), Kind::Sequence, PGSERR),
        ("SER and MER", unlocked().set(CR, X32 | SER | MER | STRT), Kind::Sequence, PGSERR),
        ("no such sector", unlocked().set(CR, X32 | SER | 12 << 3 | STRT), Kind::Range, WRPERR),
        ("reserved bits of CR", unlocked().set(CR, 1 << 20), Kind::Reserved, 0),
        ("keys again", unlocked().set(KEYR, 0x4567_0123), Kind::Sequence, 0),
        ("OPTCR while locked", Script::new().set(OPTCR, 0), Kind::Locked, 0),
    ];
    for (what, script, kind, flags) in cases {
        let ran = script.get(SR).get(PLACE).run();
        assert_eq!(ran.violation().kind, kind, "{what}");
        assert_eq!(ran.reads, [flags, u32::MAX], "{what}");
        assert_eq!(ran.board.operations(), 0, "{what}");
    }
}

#[test]
fn a_wrong_key_is_a_bus_fault_and_locks_until_reset() {
    for (name, keyr, control, keys) in [
        ("KEYR", KEYR, CR, [0x4567_0123, 0xCDEF_89AB]),
        ("OPTKEYR", OPTKEYR, OPTCR, [0x0819_2A3B, 0x4C5D_6E7F]),
    ] {
        let lock = if control == CR { LOCK } else { 1 };
        let wrong = Script::new().set(keyr, keys[1]);
        let mut ran = wrong.run();
        assert!(!ran.finished, "{name}");
        assert_eq!(ran.violation().kind, Kind::Locked, "{name}");
        assert_eq!(ran.board.faults().exception, 3);
        // With faults ignored (CCR.BFHFNMIGN and FAULTMASK), the right keys then come too late.
        let late = Script::new().set(0xE000_ED14, 1 << 8 | 1 << 9).raw(&[0xB671]);
        let late = late.set(keyr, 1).set(keyr, keys[0]).set(keyr, keys[1]).get(control);
        assert_eq!(late.run().reads[0] & lock, lock, "{name}");
        let right = Script::new().set(keyr, keys[0]).set(keyr, keys[1]).get(control);
        assert_eq!(right.run().clean()[0] & lock, 0, "{name}");
    }
}

#[test]
fn bits_are_only_cleared_and_setting_one_is_recorded() {
    let program = |script: Script, value| idle(script.set(PLACE, value));
    let script = program(program(unlocked().set(CR, X32 | PG), 0xFFFF_0F0F), 0xFFFF_0000).get(PLACE);
    assert_eq!(script.run().clean(), [0xFFFF_0000], "clearing more bits is allowed");
    let ran = program(script, 0x0000_00F0).get(PLACE).run();
    assert_eq!(ran.violation().kind, Kind::Unerased);
    assert_eq!(ran.reads[1], 0);
}

#[test]
fn the_end_of_an_operation_shows_only_when_its_interrupt_is_enabled() {
    for (enable, flag) in [(0, 0), (EOPIE, 1)] {
        let script = idle(unlocked().set(CR, enable | X32 | PG).set(PLACE, 0)).get(SR).set(SR, 1).get(SR);
        assert_eq!(script.run().clean(), [flag, 0]);
    }
}

#[test]
fn ram_code_that_touches_the_interface_while_it_is_busy_is_recorded() {
    for (what, script) in [
        ("CR", unlocked().set(CR, X32 | PG).set(PLACE, 0).set(CR, 0)),
        ("store", unlocked().set(CR, X32 | PG).set(PLACE, 0).set(PLACE + 4, 0)),
        ("OPTCR", unlocked().set(CR, X32 | PG).set(PLACE, 0).set(OPTCR, 0)),
    ] {
        let mut board = board();
        board.set_boot_pins(true, true);
        board.power_on();
        board.write_memory(0x2000_0000, &script.image(0x2000_0000));
        board.reset_pin();
        board.run_for(Nanos::millis(1));
        let kinds: Vec<Kind> = board.violations().iter().map(|v| v.kind).collect();
        assert_eq!(kinds, [Kind::Busy], "{what}");
    }
}

#[test]
fn write_protection_refuses_erase_and_program_of_its_sectors_only() {
    let protect = |board: &mut Board| {
        let options = board.option_bytes() & !(1 << (16 + 5));
        board.set_option_bytes(options);
    };
    for (what, script, refused) in [
        ("erase", unlocked().set(CR, X32 | SER | SECTOR | STRT), true),
        ("program", unlocked().set(CR, X32 | PG).set(PLACE, 0), true),
        ("mass erase", unlocked().set(CR, X32 | MER | STRT), true),
        ("erase of another", unlocked().set(CR, X32 | SER | 6 << 3 | STRT), false),
    ] {
        let mut board = board();
        protect(&mut board);
        let script = script.get(SR);
        script.start(&mut board);
        board.run_for(Nanos::secs(2));
        let ran = script.ran(board);
        if refused {
            assert_eq!(ran.violation().kind, Kind::Protected, "{what}");
            assert_eq!((ran.reads[0], ran.board.operations()), (1 << 4, 0), "{what}");
        } else {
            ran.clean();
            assert_eq!(ran.board.operations(), 1, "{what}");
        }
    }
}

#[test]
fn option_bytes_are_programmed_and_survive_the_supply() {
    let options = 0x0FFD_AAEC; // sector 1 protected
    let script = idle(options_unlocked().set(OPTCR, options).set(OPTCR, options | 2))
        .get(OPTCR)
        .set(OPTCR, options | 1);
    let mut board = board();
    script.start(&mut board);
    board.run_for(Nanos::secs(1));
    let mut board = {
        let ran = script.ran(board);
        assert_eq!(ran.clean(), [options]);
        ran.board
    };
    assert_eq!((board.option_bytes(), board.operations()), (options, 1));
    board.power_off();
    assert_eq!(board.option_bytes(), options);
}

#[test]
fn leaving_read_protection_level_1_erases_the_main_memory() {
    let mut board = board();
    board.set_option_bytes(0x0FFF_55EC);
    board.load(PLACE, &[1, 2, 3, 4]).unwrap();
    let script = options_unlocked().set(OPTCR, 0x0FFF_AAEC).set(OPTCR, 0x0FFF_AAEE);
    script.start(&mut board);
    board.run_for(Nanos::secs(10));
    assert!(board.flash().iter().all(|&b| b == 0xFF));

    let mut board = common::board();
    board.set_option_bytes(0x0FFF_CCEC);
    script.start(&mut board);
    board.run_for(Nanos::secs(10));
    assert_eq!(board.option_bytes(), 0x0FFF_CCEC, "level 2 is final");
    assert_eq!(board.violations()[0].kind, Kind::Protected);
}

#[test]
fn otp_takes_bits_once_and_its_lock_holds() {
    let otp = 0x1FFF_7800;
    let script = idle(unlocked().set(CR, X32 | PG).set(otp, 0x0000_FFFF)).get(otp);
    assert_eq!(script.run().clean(), [0xFFFF]);
    let locked = idle(script.set(CR, PG).write(Width::Byte, otp + 512, 0));
    let ran = locked.set(CR, X32 | PG).set(otp, 0).get(otp).run();
    assert_eq!(ran.violation().kind, Kind::Protected);
    assert_eq!(ran.reads[1], 0xFFFF);
}

#[test]
fn too_few_wait_states_for_the_clock_are_recorded_once() {
    const RCC: u32 = 0x4002_3800;
    // HSI through the PLL: 16 / 8 * 84 / 2 = 84 MHz, which needs two wait states.
    let script = Script::new()
        .set(RCC + 4, 0x2000_0000 | 8 | 84 << 6 | 4 << 24)
        .set(RCC, 0x83 | 1 << 24)
        .wait(RCC, 1 << 25, 1 << 25);
    let enough = script.clone().set(ACR, 2).set(RCC + 8, 4 << 10 | 2).spin(10);
    enough.run().clean();
    let ran = script.set(ACR, 1).set(RCC + 8, 4 << 10 | 2).spin(10).run();
    assert_eq!(ran.violation().kind, Kind::Range);
}

#[test]
fn cache_resets_need_the_cache_off() {
    Script::new().set(ACR, 3 << 11).set(ACR, 3 << 9).run().clean();
    let ran = Script::new().set(ACR, 1 << 10).set(ACR, 1 << 12 | 1 << 10).run();
    assert_eq!(ran.violation().kind, Kind::Sequence);
}

// ---- power cuts ----

/// Erases sector 5, then programs eight words.
fn update() -> Script {
    let mut script = idle(unlocked().set(CR, X32 | SER | SECTOR | STRT)).set(CR, X32 | PG);
    for i in 0..8 {
        script = idle(script.set(PLACE + 4 * i, 0x1111_1111 * i));
    }
    script
}

fn ready() -> Board {
    let mut board = board();
    board.load(PLACE, &[0xA5; 128 << 10]).unwrap();
    update().start(&mut board);
    board
}

fn word(board: &Board, i: u32) -> u32 {
    board.read_word(PLACE + 4 * i).unwrap()
}

#[test]
fn a_cut_before_or_after_an_operation_is_exact() {
    let mut board = ready();
    let start = board.snapshot();
    for n in 1..=9u64 {
        for when in [When::Before, When::After] {
            board.restore(&start);
            board.cut(Cut::new(n, when, 3));
            assert_eq!(board.run_for(Nanos::secs(3)), Stop::PowerCut);
            assert!(!board.is_powered());
            let done = n - u64::from(when == When::Before);
            for i in 0..8 {
                let expected = match done {
                    0 => 0xA5A5_A5A5,
                    d if u64::from(i) + 1 < d => 0x1111_1111 * i,
                    _ => u32::MAX,
                };
                assert_eq!(word(&board, i), expected, "operation {n} {when:?}, word {i}");
            }
        }
    }
    board.assert_no_violations(|_| false);
}

#[test]
fn a_cut_inside_tears_the_word_and_half_erases_the_sector_by_its_seed() {
    let mut board = ready();
    let start = board.snapshot();
    let mut torn = |n, seed| {
        board.restore(&start);
        board.cut(Cut::new(n, When::Inside, seed));
        assert_eq!(board.run_for(Nanos::secs(3)), Stop::PowerCut);
        board.read_memory(PLACE, 128 << 10).unwrap().to_vec()
    };
    assert_eq!(torn(1, 5), torn(1, 5), "the same seed, the same sector");
    assert_ne!(torn(1, 5), torn(1, 6));
    let sector = torn(1, 5);
    let erased = sector.iter().take_while(|&&b| b == 0xFF).count();
    assert!(erased < sector.len(), "never all of it with this seed");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let sector = torn(3, seed);
        let word = u32::from_le_bytes(sector[4..8].try_into().unwrap());
        assert_eq!(word & 0x1111_1111, 0x1111_1111, "only bits that should clear may clear");
        assert_eq!(sector[8..12], [0xFF; 4], "the next word was not touched");
        seen.insert(word);
    }
    assert!(seen.len() > 32, "many different torn words: {}", seen.len());
}

#[test]
fn after_a_cut_the_board_boots_again_and_a_second_cut_can_follow() {
    let mut board = ready();
    board.cut(Cut::new(4, When::Inside, 1));
    assert_eq!(board.run_for(Nanos::secs(3)), Stop::PowerCut);
    assert_eq!(board.run_for(Nanos::secs(1)), Stop::Off);
    board.power_on();
    board.cut(Cut::new(board.operations() + 1, When::Inside, 2));
    assert_eq!(board.run_for(Nanos::secs(3)), Stop::PowerCut);
    board.power_on();
    assert_eq!(board.run_for(Nanos::secs(3)), Stop::Limit);
    assert_eq!(
        (0..8).map(|i| word(&board, i)).collect::<Vec<_>>(),
        (0..8).map(|i| 0x1111_1111 * i).collect::<Vec<_>>()
    );
}

#[test]
fn a_reset_or_a_switch_off_inside_an_operation_tears_it_too() {
    for off in [false, true] {
        let mut board = ready();
        board.run_until(|b| b.operations() == 1, Nanos::secs(1));
        board.run_for(Nanos::millis(500));
        if off {
            board.power_off();
        } else {
            board.reset_pin();
        }
        let sector = board.read_memory(PLACE, 128 << 10).unwrap();
        assert!(sector.iter().any(|&b| b != 0xA5), "some of it is changed");
        assert!(sector.iter().any(|&b| b != 0xFF), "and some is not");
    }
}

#[test]
fn a_torn_option_byte_write_leaves_something_in_between() {
    let script = options_unlocked().set(OPTCR, 0x0000_AAEC).set(OPTCR, 0x0000_AAEE);
    let mut board = board();
    script.start(&mut board);
    board.cut(Cut::new(1, When::Inside, 9));
    assert_eq!(board.run_for(Nanos::secs(3)), Stop::PowerCut);
    let options = board.option_bytes();
    assert_ne!(options, 0x0FFF_AAEC);
    assert_ne!(options, 0x0000_AAEC);
    assert_eq!(options & 0x0000_AAEC, 0x0000_AAEC, "bits that stay set are set");
}
