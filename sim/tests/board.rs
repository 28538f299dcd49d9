//! The board itself: time, sleep, resets, supply, snapshots.

mod common;

use common::{RESULTS, Script, board};
use surefoot_sim::device::Width;
use surefoot_sim::{Board, BoardOptions, ChipModel, Hse, Kind, Nanos, Pin, ResetCause, Stop};

const RCC: u32 = 0x4002_3800;
const CFGR: u32 = RCC + 0x08;
const AHB1ENR: u32 = RCC + 0x30;
const APB1ENR: u32 = RCC + 0x40;
const CSR: u32 = RCC + 0x74;
const ACR: u32 = 0x4002_3C00;
const GPIOD: u32 = 0x4002_0C00;
const BSRR: u32 = GPIOD + 0x18;
const PWR_CR: u32 = 0x4000_7000;
const BKP0R: u32 = 0x4000_2850;
const IWDG: u32 = 0x4000_3000;
const STK: u32 = 0xE000_E010;
const AIRCR: u32 = 0xE000_ED0C;
const SCR: u32 = 0xE000_ED10;
const LED: Pin = Pin::new('D', 12);

fn led() -> Script {
    Script::new().set(AHB1ENR, 1 << 3 | 1 << 20).get(AHB1ENR).set(GPIOD, 1 << 24)
}

/// HSE on, PLL to 168 MHz (8 / 8 * 336 / 2), prescalers, wait states, switch.
fn to_168_mhz(script: Script) -> Script {
    script
        .set(RCC, 0x83 | 1 << 16)
        .wait(RCC, 1 << 17, 1 << 17)
        .set(RCC + 4, 0x2000_0000 | 8 | 336 << 6 | 1 << 22 | 7 << 24)
        .set(RCC, 0x83 | 1 << 16 | 1 << 24)
        .wait(RCC, 1 << 25, 1 << 25)
        .set(ACR, 5 | 7 << 8)
        .set(CFGR, 5 << 10 | 4 << 13 | 2)
        .wait(CFGR, 0xC, 8)
}

#[test]
fn code_runs_at_16_mhz_after_power_on() {
    let ran = led().set(BSRR, 1 << 12).spin(16_000).set(BSRR, 1 << 28).run();
    ran.clean();
    let edges = ran.board.pin_trace(LED);
    assert_eq!(edges.len(), 2);
    let high = edges[1].at - edges[0].at;
    // 16,000 rounds of three cycles are 3 ms, and a few instructions.
    assert!((3_000_000..3_002_000).contains(&high.0), "{high}");
    assert!(edges[0].at >= Nanos::micros(1_500), "after the reset temporisation");
}

#[test]
fn time_follows_the_clock_tree_to_168_mhz() {
    let ran = to_168_mhz(led()).set(BSRR, 1 << 12).spin(168_000).set(BSRR, 1 << 28).run();
    ran.clean();
    let clocks = ran.board.clocks();
    assert_eq!(
        (clocks.hclk, clocks.pclk1, clocks.pclk2, clocks.pll48),
        (168_000_000, 42_000_000, 84_000_000, 48_000_000)
    );
    let edges = ran.board.pin_trace(LED);
    let high = edges[1].at - edges[0].at;
    assert!((3_000_000..3_000_200).contains(&high.0), "{high}");
    // The crystal's 2 ms and the PLL's lock passed before.
    assert!(edges[0].at >= Nanos::micros(1_500 + 2_000 + 200), "{}", edges[0].at);
}

#[test]
fn a_sleeping_core_wakes_each_millisecond_by_systick() {
    for fast in [false, true] {
        let mut script = led();
        let mut reload = 16_000 - 1;
        if fast {
            (script, reload) = (to_168_mhz(script), 168_000 - 1);
        }
        // SEVONPEND; SysTick with TICKINT and PRIMASK set, so that it only pends.
        script = script.raw(&[0xB672]).set(SCR, 1 << 4).set(STK + 4, reload).set(STK + 8, 0).set(STK, 7);
        for i in 0..3 {
            // Clear the pending tick (ICSR.PENDSTCLR), sleep, toggle.
            script = script.set(0xE000_ED04, 1 << 25).wfe();
            script = script.get(STK).set(BSRR, if i % 2 == 0 { 1 << 12 } else { 1 << 28 });
        }
        let ran = script.run();
        let reads = ran.clean();
        assert!(reads[1..].iter().all(|csr| csr & 1 << 16 != 0), "COUNTFLAG: {reads:x?}");
        let edges = ran.board.pin_trace(LED);
        let gaps: Vec<u64> = edges.windows(2).map(|e| (e[1].at - e[0].at).0).collect();
        assert_eq!(gaps.len(), 2);
        for gap in gaps {
            assert!(gap.abs_diff(1_000_000) < 2_000, "a tick of {gap} ns");
        }
    }
}

#[test]
fn a_dead_crystal_never_gets_ready() {
    let mut board =
        Board::with(BoardOptions { hse: Hse::DeadCrystal, ..BoardOptions::new(ChipModel::stm32f407vg()) });
    let script = Script::new().set(RCC, 0x83 | 1 << 16).spin(5_000_000).get(RCC);
    script.start(&mut board);
    board.run_for(Nanos::secs(2));
    assert_eq!(script.ran(board).clean()[0] & 3 << 16, 1 << 16);
}

/// Flags in RCC_CSR, bits 25-31: BOR, PIN, POR, software, IWDG, WWDG, low power.
#[test]
fn every_reset_leaves_its_flags() {
    let mut board = board();
    let script = Script::new().get(CSR).set(CSR, 1 << 24).get(CSR);
    script.start(&mut board);
    board.run_for(Nanos::millis(3));
    let flags = |board: &Board, i: u32| board.read_word(RESULTS + 4 * i).unwrap() >> 25;
    assert_eq!((flags(&board, 0), flags(&board, 1)), (0b111, 0), "power-on, then RMVF");
    board.reset_pin();
    board.run_for(Nanos::millis(3));
    assert_eq!(flags(&board, 0), 0b10);

    let software = Script::new().get(CSR).set(AIRCR, 0x05FA_0004);
    software.start(&mut board);
    board.load(0x0800_0000, &software.image(0x0800_0000)).unwrap();
    let resets = board.resets();
    board.reset_pin();
    board.run_until(|b| b.resets() == resets + 2, Nanos::millis(1));
    assert_eq!((board.reset_cause(), board.reset_flags() >> 25), (ResetCause::Software, 0b1010));
    board.run_until(|b| b.resets() == resets + 3, Nanos::millis(1));
    assert_eq!(flags(&board, 0), 0b1010, "read by the program after the reset");
    board.assert_no_violations(|_| false);
}

#[test]
fn the_watchdog_resets_at_the_time_it_was_set_to_even_while_the_core_sleeps() {
    // Prescaler 32, reload 999: a second. The update flags clear after the watchdog has started.
    let script = Script::new()
        .set(IWDG, 0xCCCC)
        .set(IWDG, 0x5555)
        .set(IWDG + 4, 3)
        .set(IWDG + 8, 999)
        .wait(IWDG + 12, 3, 0)
        .set(IWDG, 0xAAAA)
        .wfe();
    let mut board = board();
    script.start(&mut board);
    let stop = board.run_until(|b| b.resets() == 2, Nanos::secs(2));
    assert_eq!(stop, Stop::Condition);
    assert_eq!(board.reset_cause(), ResetCause::IndependentWatchdog);
    assert_eq!(board.reset_flags() >> 25, 0b1_0111, "beside the flags of power-on");
    assert!(board.now() > Nanos::millis(1000) && board.now() < Nanos::millis(1005), "{}", board.now());
    board.assert_no_violations(|_| false);
}

#[test]
fn the_hardware_watchdog_option_starts_it() {
    let mut board = board();
    board.set_option_bytes(board.option_bytes() & !(1 << 5));
    Script::new().start(&mut board);
    assert!(board.watchdog_running());
    // Prescaler 4, reload 0xFFF: 512 ms.
    assert_eq!(board.run_until(|b| b.resets() == 2, Nanos::millis(520)), Stop::Condition);
}

#[test]
fn backup_registers_survive_a_reset_and_with_a_battery_a_loss_of_the_supply() {
    let magic = 0xDEAD_BEEF;
    let script = Script::new()
        .get(BKP0R)
        .set(APB1ENR, 1 << 28)
        .get(APB1ENR)
        .set(PWR_CR, 1 << 14 | 1 << 8)
        .set(BKP0R, magic)
        .get(BKP0R);
    let mut board = board();
    script.start(&mut board);
    board.run_for(Nanos::millis(3));
    let reads = |b: &Board| [0, 2].map(|i| b.read_word(RESULTS + 4 * i).unwrap());
    assert_eq!(reads(&board), [0, magic]);
    board.reset_pin();
    board.run_for(Nanos::millis(3));
    assert_eq!(reads(&board), [magic, magic]);
    for (battery, kept) in [(true, magic), (false, 0)] {
        board.fit_battery(battery);
        board.power_off();
        board.run_for(Nanos::secs(1));
        board.power_on();
        board.run_for(Nanos::millis(3));
        assert_eq!(reads(&board), [kept, magic], "battery: {battery}");
    }
    board.assert_no_violations(|_| false);
}

#[test]
fn ram_is_noise_after_power_on_and_the_same_noise_for_the_same_seed() {
    let ram = |seed| {
        let mut board = Board::with(BoardOptions { seed, ..BoardOptions::new(ChipModel::stm32f407vg()) });
        Script::new().start(&mut board);
        board.read_memory(0x2000_0000, 64).unwrap().to_vec()
    };
    assert_eq!(ram(1), ram(1));
    assert_ne!(ram(1), ram(2));
    let mut board = board();
    Script::new().start(&mut board);
    board.write_memory(0x2000_0000, &[7; 64]);
    board.reset_pin();
    assert_eq!(board.read_memory(0x2000_0000, 64).unwrap(), [7; 64], "a reset keeps RAM");
    board.power_off();
    assert_ne!(board.read_memory(0x2000_0000, 64).unwrap(), [7; 64]);
}

#[test]
fn a_board_without_supply_only_lets_time_pass() {
    let mut board = board();
    assert_eq!(board.run_for(Nanos::secs(3)), Stop::Off);
    assert!(board.now() >= Nanos::secs(3));
    assert_eq!(board.instructions(), 0);
}

#[test]
fn erased_flash_locks_the_core_up_and_the_board_says_so_once() {
    let mut board = board();
    board.power_on();
    assert_eq!(board.run_for(Nanos::secs(1)), Stop::Lockup);
    assert_eq!(board.run_for(Nanos::secs(1)), Stop::Limit);
}

#[test]
fn the_boot_pins_choose_rom_or_ram() {
    let mut board = board();
    Script::new().start(&mut board);
    board.set_boot_pins(true, false);
    board.reset_pin();
    board.run_for(Nanos::millis(1));
    assert!(board.in_rom());
    board.set_boot_pins(true, true);
    let image = Script::new().set(0x2000_9000, 0x1234).image(0x2000_0000);
    board.write_memory(0x2000_0000, &image);
    board.reset_pin();
    board.run_for(Nanos::millis(1));
    assert_eq!(board.read_word(0x2000_9000), Some(0x1234));
    assert_eq!(board.pc() >> 24, 0x20);
    board.set_boot_pins(false, false);
    board.reset_pin();
    board.run_for(Nanos::millis(1));
    assert_eq!(board.pc() >> 24, 0x08);
    board.assert_no_violations(|_| false);
}

#[test]
fn a_restored_board_does_exactly_what_it_did_before() {
    let script = to_168_mhz(led()).set(BSRR, 1 << 12).spin(100_000).set(BSRR, 1 << 28).get(CSR);
    let mut board = board();
    script.start(&mut board);
    board.run_for(Nanos::micros(2_700));
    let snapshot = board.snapshot();
    let rest = |board: &mut Board| {
        board.run_for(Nanos::millis(5));
        (board.now(), board.instructions(), board.pin_trace(LED), board.register(0))
    };
    let first = rest(&mut board);
    board.power_off();
    board.write_flash(0x0800_0200, &[0; 64]);
    board.restore(&snapshot);
    assert_eq!(rest(&mut board), first);
    assert_eq!(first.2.len(), 2);
    board.assert_no_violations(|_| false);
}

#[test]
fn how_a_run_is_split_changes_nothing() {
    let script = to_168_mhz(led()).set(BSRR, 1 << 12).spin(50_000).set(BSRR, 1 << 28);
    let mut whole = board();
    script.start(&mut whole);
    whole.run_to(Nanos::millis(8));
    let mut parts = board();
    script.start(&mut parts);
    while parts.now() < Nanos::millis(8) {
        let next = parts.now() + Nanos(7_777);
        parts.run_to(next.min(Nanos::millis(8)));
    }
    assert_eq!(whole.pin_trace(LED), parts.pin_trace(LED));
    assert_eq!(whole.instructions(), parts.instructions());
    assert_eq!(whole.now(), parts.now());
}

#[test]
fn boards_are_many_in_a_process_and_move_between_threads() {
    let boards: Vec<Board> = (0..4).map(|_| board()).collect();
    let threads: Vec<_> = boards
        .into_iter()
        .map(|mut board| {
            std::thread::spawn(move || {
                led().set(BSRR, 1 << 12).start(&mut board);
                board.run_for(Nanos::millis(5));
                board.pin(LED)
            })
        })
        .collect();
    assert!(threads.into_iter().all(|t| t.join().unwrap()));
}

#[test]
fn the_stack_is_measured_by_painting() {
    let mut board = board();
    // push {r0-r7} twice: 64 bytes below the top.
    let script = Script::new().raw(&[0xB4FF, 0xB4FF]);
    board.load(0x0800_0000, &script.image(0x0800_0000)).unwrap();
    board.power_on();
    board.paint_stack(0x2000_4000, 0x1000);
    board.run_for(Nanos::millis(3));
    assert_eq!(board.stack_depth(0x2000_4000, 0x1000), 64);
}

#[test]
fn deep_sleep_is_refused_rather_than_pretended() {
    let ran = Script::new().set(SCR, 1 << 2).wfe().run();
    assert_eq!(ran.violation().kind, Kind::Unmodelled);
}

#[test]
fn a_bus_fault_reaches_the_core_and_is_recorded() {
    for (script, what) in [
        (Script::new().get(0x3000_0000), "beyond RAM"),
        (Script::new().set(0x0810_0000, 0), "beyond flash"),
        (Script::new().get(0x4002_5000), "a hole between peripherals"),
        (Script::new().read(Width::Byte, 0x1FFF_7C00), "behind the information block"),
    ] {
        let mut ran = script.run();
        assert!(!ran.finished, "{what}");
        assert_eq!(ran.violation().kind, Kind::Unmapped, "{what}");
        let faults = ran.board.faults();
        assert_eq!(faults.exception, 3, "{what}");
        assert_ne!(faults.cfsr & 1 << 9 | faults.cfsr & 1 << 10, 0, "{what}");
    }
}

#[test]
fn identity_registers_read_as_the_chip() {
    let ran = Script::new()
        .get(0xE004_2000)
        .get(0x1FFF_7A10)
        .get(0x1FFF_7A14)
        .get(0x1FFF_7A18)
        .read(Width::Half, 0x1FFF_7A22)
        .get(0x1FFF_C000)
        .get(0x1FFF_C008)
        .read(Width::Half, 0x1FFF_7A2A)
        .read(Width::Half, 0x1FFF_7A2C)
        .read(Width::Half, 0x1FFF_7A2E)
        .read(Width::Byte, 0x1FFF_7A1D)
        .get(0x1FFF_7A02) // the lock bytes of the OTP area; the core splits it
        .get(0x1FFF_7A2B)
        .get(0x1FFF_7A24)
        .run();
    let chip = ChipModel::stm32f407vg();
    let [a, b, c] = chip.unique_id;
    assert_eq!(
        ran.clean(),
        [0x100F_0413, a, b, c, 1024, 0x5513_AAEC, 0xF000_0FFF]
            .iter()
            .chain(&[1501, 958, 1207, 0xFF, u32::MAX, 0xB703_BE05, u32::MAX,])
            .copied()
            .collect::<Vec<u32>>()
    );
}

#[test]
fn a_run_ends_before_an_address_and_goes_on_from_there() {
    let script = Script::new().nop().nop().get(0x0800_0000);
    let mut board = board();
    let (start, end) = (0x0800_0200, script.end(0x0800_0000));
    board.stop_at(&[start + 2, end]);
    script.start(&mut board);
    for at in [start + 2, end] {
        assert_eq!(board.run_for(Nanos::millis(50)), Stop::Address);
        assert_eq!(board.pc(), at);
    }
    board.stop_at(&[]);
    board.power_off();
    board.power_on();
    assert_eq!(board.run_for(Nanos::millis(50)), Stop::Limit);
    script.ran(board).clean();
}

#[test]
fn an_access_to_a_register_takes_its_bus_cycles() {
    const DEMCR: u32 = 0xE000_EDFC;
    const CYCCNT: u32 = 0xE000_1004;
    // Six instructions for each read. AHB; APB1 (PWR) and APB2 (SYSCFG), with dividers 1 and 1, then 4 and 2.
    for (fast, expected) in [(false, [1, 3, 3]), (true, [1, 9, 5])] {
        let mut script = Script::new().set(APB1ENR, 1 << 28).set(RCC + 0x44, 1 << 14);
        script = if fast { to_168_mhz(script) } else { script };
        script = script.set(DEMCR, 1 << 24).set(CYCCNT - 4, 0x4000_0001);
        for register in [0x2000_0000, AHB1ENR, PWR_CR, 0x4001_3800] {
            script = script.get(CYCCNT).get(register).get(CYCCNT);
        }
        let ran = script.run();
        let spans: Vec<u32> = ran.clean().chunks(3).map(|reads| reads[2] - reads[0] - 12).collect();
        assert_eq!(spans[0], 0, "RAM");
        assert_eq!(spans[1..], expected, "AHB1, APB1, APB2");
    }
}

#[test]
fn a_crystal_starts_in_the_time_that_the_board_gives_it() {
    for (start, ready) in [(Nanos::millis(2), 0), (Nanos::millis(1), 1 << 17)] {
        let options = BoardOptions { hse_start: start, ..BoardOptions::new(ChipModel::stm32f407vg()) };
        let script = Script::new().set(RCC, 0x83 | 1 << 16).spin(8_000).get(RCC); // 1.5 ms
        let mut board = Board::with(options);
        script.start(&mut board);
        board.run_for(Nanos::millis(10));
        assert_eq!(script.ran(board).clean()[0] & 1 << 17, ready, "{start}");
    }
}

#[test]
fn a_run_ends_after_a_number_of_instructions_and_goes_on_from_there() {
    let script = Script::new().nop().nop().nop().get(0x0800_0000);
    let mut board = board();
    // Behind the first instruction: a run that begins at a stop goes on.
    let start = 0x0800_0202;
    board.stop_at(&[start]);
    script.start(&mut board);
    assert_eq!(board.run_for(Nanos::millis(50)), Stop::Address);
    let before = board.instructions();
    for count in 1..=2 {
        assert_eq!(board.run_instructions(1, Nanos::millis(1)), Stop::Instructions);
        assert_eq!((board.pc(), board.instructions()), (start + 2 * count, before + u64::from(count)));
    }
    assert_eq!(board.run_for(Nanos::millis(50)), Stop::Limit);
    script.ran(board).clean();
}
