//! The bootloader at reset and in update mode: every way in, every fault of its surroundings, and
//! the state in which it hands the chip over.

use std::time::Duration;
use surefoot_board::Board as BoardFile;
use surefoot_core::config::{BLOCK_LEN, BinaryHeader, ConfigFault, Policy, Slot};
use surefoot_core::decide::Reason;
use surefoot_core::dfu::command;
use surefoot_core::image::{ImageFault, Version, crc32, manifest};
use surefoot_core::info::FLAG_HSE_FAILED;
use surefoot_host::files::Segments;
use surefoot_host::image::Identity;
use surefoot_host::job::{Finish, JobError, Session};
use surefoot_host::link::{LinkError, Usb};
use surefoot_images::{F4_CRC, F4_FULL, Image};
use surefoot_sim::{Board, Hse, Nanos, ResetCause};
use surefoot_tests::fixtures::{SLOT, blinky_rust, root};
use surefoot_tests::rig::{BUTTON, Found, LED, Rig, board_file, example_key};

const SECOND: Nanos = Nanos::secs(1);
const FLASH: u32 = 0x0800_0000;

/// The example board with `change` made to its text.
fn file(change: impl FnOnce(String) -> String) -> BoardFile {
    let path = root().join("boards/f4-discovery.toml");
    let text = std::fs::read_to_string(&path).expect("the example board");
    let changed = change(text.clone());
    assert_ne!(text, changed, "nothing was changed");
    BoardFile::parse(&changed, path.parent().expect("boards")).expect("a good board")
}

fn on(mut rig: Rig) -> Rig {
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    rig.attach().expect("enumerates");
    rig
}

/// A board that runs a signed blinky.
fn running() -> Rig {
    running_on(Rig::new(F4_FULL, Policy::Signature).expect("the example board"))
}

fn running_on(rig: Rig) -> Rig {
    let mut rig = on(rig);
    let elf = blinky_rust(500, SLOT).expect("builds");
    let image = rig.image(&elf, [1, 0, 0], Some(&example_key().expect("published"))).expect("fits");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    rig.board.run_for(Nanos::millis(10));
    rig
}

#[test]
fn the_button_held_at_reset_asks_for_update_mode_and_a_bounce_does_not() {
    let mut rig = running();
    rig.into_update_mode().expect("the button is held");
    assert_eq!(rig.info().expect("answers").reason, Reason::Button as u8);
    // A spike of 100 us while the level is sampled.
    rig.board.power_off();
    rig.board.power_on();
    rig.board.set_pin(BUTTON, Some(true));
    rig.board.run_for(Nanos::micros(100));
    rig.board.set_pin(BUTTON, Some(false));
    assert_eq!(rig.look(SECOND), Found::Application);
}

#[test]
fn a_double_tap_of_reset_asks_for_update_mode_inside_its_window_only() {
    let double_tap = file(|text| text.replace("double-tap = \"0 ms\"", "double-tap = \"500 ms\""));
    let mut rig = running_on(Rig::with(F4_FULL, double_tap).expect("seals"));
    rig.board.reset_pin();
    rig.board.run_for(Nanos::millis(200));
    rig.board.reset_pin();
    rig.attach().expect("two taps");
    assert_eq!(rig.info().expect("answers").reason, Reason::DoubleTap as u8);
    // One tap boots after the window, and a second one later is a first one again.
    for _ in 0..2 {
        rig.board.reset_pin();
        rig.board.run_for(Nanos::millis(400));
        assert_eq!(rig.look(Nanos(1)), Found::Nothing, "the window is open");
        assert_eq!(rig.look(SECOND), Found::Application);
    }
    // A loss of the supply is no tap.
    rig.board.power_off();
    assert_eq!(rig.power_on(SECOND), Found::Application);
    rig.board.assert_no_violations(|_| false);
}

#[test]
fn the_led_shows_update_mode_with_six_toggles_and_then_5_hz() {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).expect("the example board");
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    let changes = rig.blinks(Nanos::secs(3));
    assert!(changes.len() >= 25, "{changes:?}");
    // The first one began while the clocks and USB were started.
    assert!(changes[1..].iter().all(|c| c.abs_diff(100_000) < 2_000), "{changes:?}");
    assert!(rig.board.pin_trace(LED).len() >= 26);
}

#[test]
fn a_crystal_that_does_not_start_is_replaced_by_the_internal_oscillator_and_told() {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).expect("the example board");
    rig.board.fit_hse(Hse::None);
    let mut rig = running_on(rig);
    rig.into_update_mode().expect("the button is held");
    let info = rig.info().expect("answers");
    assert_eq!(info.flags & FLAG_HSE_FAILED, FLAG_HSE_FAILED);
    rig.board.assert_no_violations(|_| false);
}

/// The bootloader with `change` made to its configuration block, on a board of its own.
fn with_block(image: Image, change: impl FnOnce(&mut [u8])) -> Rig {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).expect("the example board");
    let mut bytes = image.binary.to_vec();
    let (_, at) = BinaryHeader::find(&bytes).expect("our own binary");
    let sealed = rig.sealed.clone();
    let (_, from) = BinaryHeader::find(&sealed).expect("sealed");
    bytes[at..at + BLOCK_LEN].copy_from_slice(&sealed[from..from + BLOCK_LEN]);
    change(&mut bytes[at..at + BLOCK_LEN]);
    rig.board.write_flash(FLASH, &vec![0xFF; 0x4000]);
    rig.board.write_flash(FLASH, &bytes);
    rig
}

#[test]
fn a_configuration_block_that_cannot_be_used_is_told_over_usb_and_nothing_is_writable() {
    type Change = fn(&mut [u8]);
    let table: [(&str, Image, Change, ConfigFault); 4] = [
        ("never sealed", F4_FULL, |b| b.fill(0xFF), ConfigFault::Missing),
        ("one flipped bit", F4_FULL, |b| b[0x80] ^= 1, ConfigFault::Checksum),
        ("another format", F4_FULL, |b| b[4] = 2, ConfigFault::Format),
        ("signatures asked of the build without", F4_CRC, |_| (), ConfigFault::Policy),
    ];
    for (name, image, change, fault) in table {
        // A good application lies in the slot; it must not run on a guess.
        let mut rig = with_block(image, change);
        let elf = blinky_rust(500, SLOT).expect("builds");
        let good = rig.image(&elf, [1, 0, 0], Some(&example_key().expect("published"))).expect("fits");
        rig.board.write_flash(SLOT, &good.flat(SLOT, good.end()));
        let mut rig = on(rig);
        let info = rig.info().expect("answers");
        assert_eq!((info.reason, info.config_fault), (Reason::Configuration as u8, fault as u8), "{name}");
        assert!(rig.plan(&good).is_err(), "{name}");
        // A host that does not ask: set address, then erase that sector.
        for command in [0x21, 0x41] {
            let mut data = vec![command];
            data.extend(SLOT.to_le_bytes());
            let _ = rig.control_out([0x21, 1, 0, 0, 0, 0, 5, 0], &data, Duration::from_secs(1));
            let mut status = [0; 6];
            let _ = rig.control_in([0xA1, 3, 0, 0, 0, 0, 6, 0], &mut status, Duration::from_secs(5));
            let _ = rig.control_in([0xA1, 3, 0, 0, 0, 0, 6, 0], &mut status, Duration::from_secs(5));
            let _ = rig.control_out([0x21, 4, 0, 0, 0, 0, 0, 0], &[], Duration::from_secs(1));
        }
        assert_eq!(rig.board.operations(), 0, "{name}");
        rig.board.run_for(Nanos::secs(40));
        assert_eq!(rig.look(Nanos(1)), Found::UpdateMode, "{name}: nothing boots");
        rig.board.assert_no_violations(|_| false);
    }
}

#[test]
fn the_build_without_signatures_takes_images_under_crc_and_none() {
    for policy in [Policy::Crc, Policy::None] {
        let mut rig = on(Rig::new(F4_CRC, policy).expect("seals"));
        let elf = blinky_rust(500, SLOT).expect("builds");
        let image = rig.image(&elf, [1, 0, 0], None).expect("fits");
        assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application, "{policy:?}");
        rig.board.run_for(Nanos::millis(100));
        rig.into_update_mode().expect("the button is held");
        let mut broken = image.flat(SLOT, image.end());
        broken[0x200] ^= 1;
        let broken = Segments::one(SLOT, broken).expect("one segment");
        let plan = rig.blind_plan(&broken).expect("unchecked");
        match (policy, rig.update(&plan)) {
            (Policy::Crc, Err(JobError::NotBooted(fault))) => assert_eq!(fault, Some(ImageFault::Crc)),
            (Policy::None, Ok(Finish::Application)) => {}
            (_, other) => panic!("{policy:?}: {other:?}"),
        }
        rig.board.assert_no_violations(|_| false);
    }
}

/// Every register that the bootloader may have touched, as a debugger sees it.
fn state(board: &mut Board) -> Vec<(&'static str, u32)> {
    let table = [
        ("RCC_CR without ready and trim", 0x4002_3800, 0x0005_00C1),
        ("RCC_PLLCFGR", 0x4002_3804, u32::MAX),
        ("RCC_CFGR", 0x4002_3808, u32::MAX),
        ("RCC_CIR", 0x4002_380C, u32::MAX),
        ("RCC_AHB1RSTR", 0x4002_3810, u32::MAX),
        ("RCC_AHB2RSTR", 0x4002_3814, u32::MAX),
        ("RCC_APB1RSTR", 0x4002_3820, u32::MAX),
        ("RCC_APB2RSTR", 0x4002_3824, u32::MAX),
        ("RCC_AHB1ENR", 0x4002_3830, u32::MAX),
        ("RCC_AHB2ENR", 0x4002_3834, u32::MAX),
        ("RCC_APB1ENR", 0x4002_3840, u32::MAX),
        ("RCC_APB2ENR", 0x4002_3844, u32::MAX),
        ("FLASH_ACR", 0x4002_3C00, u32::MAX),
        ("FLASH_SR", 0x4002_3C0C, u32::MAX),
        ("FLASH_CR", 0x4002_3C10, u32::MAX),
        ("SysTick CTRL", 0xE000_E010, u32::MAX),
        ("SysTick LOAD", 0xE000_E014, 0x00FF_FFFF),
        ("NVIC_ISER0", 0xE000_E100, u32::MAX),
        ("NVIC_ISER1", 0xE000_E104, u32::MAX),
        ("NVIC_ISER2", 0xE000_E108, u32::MAX),
        ("NVIC_ISPR0", 0xE000_E200, u32::MAX),
        ("NVIC_ISPR1", 0xE000_E204, u32::MAX),
        ("NVIC_ISPR2", 0xE000_E208, u32::MAX),
        ("ICSR pending", 0xE000_ED04, 0x1400_0000),
        ("SCR", 0xE000_ED10, u32::MAX),
    ];
    table
        .into_iter()
        .map(|(name, address, mask)| (name, board.read_system(address).unwrap_or(0xDEAD) & mask))
        .collect()
}

/// Runs to the first instruction of the slot, the last stretch of it one by one, and gives the
/// state there.
fn at_the_applications_first_instruction(rig: &mut Rig) -> Vec<(&'static str, u32)> {
    let slot = rig.slot();
    for _ in 0..20_000 {
        let before = rig.moment();
        rig.board.run_for(Nanos::micros(5));
        if !slot.contains(rig.board.pc(), 2) {
            continue;
        }
        rig.back_to(&before);
        while !slot.contains(rig.board.pc(), 2) {
            // Less than a cycle at 16 MHz.
            rig.board.run_for(Nanos(50));
        }
        return state(&mut rig.board);
    }
    panic!("the application is not reached");
}

#[test]
fn the_application_starts_as_if_from_reset() {
    // The same chip with the program alone at the start of flash, stopped right after reset.
    let mut bare = Board::new(surefoot_sim::ChipModel::stm32f407vg());
    bare.write_flash(FLASH, &[0, 0, 2, 0x20, 0x11, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0xE7]);
    bare.power_on();
    bare.run_for(Nanos::millis(2));
    let expected = state(&mut bare);

    let mut rig = running();
    // From power-on straight through, and out of update mode after a transfer.
    for through_update_mode in [false, true] {
        if through_update_mode {
            rig.into_update_mode().expect("the button is held");
            Session::open(&mut rig, false).expect("answers");
            let _ = rig.control_out([0x21, 1, 0, 0, 0, 0, 0, 0], &[], Duration::from_secs(1));
            let mut status = [0; 6];
            rig.control_in([0xA1, 3, 0, 0, 0, 0, 6, 0], &mut status, Duration::from_secs(1))
                .expect("manifest");
            rig.board.run_for(Nanos::millis(1));
        } else {
            rig.board.power_off();
            rig.board.power_on();
            rig.board.run_for(Nanos::millis(2));
        }
        let seen = at_the_applications_first_instruction(&mut rig);
        assert_eq!(seen, expected, "through update mode: {through_update_mode}");
        assert_eq!(rig.board.read_system(0xE000_ED08), Some(SLOT), "VTOR");
        assert_eq!(rig.board.register(13), 0x2002_0000, "MSP as in the vector table");
    }
}

#[test]
fn the_watchdog_ends_a_hang_and_not_an_idle_update_mode() {
    let never = file(|text| text.replace("timeout = \"30 s\"", "timeout = \"never\""));
    let mut rig = on(Rig::with(F4_FULL, never).expect("seals"));
    assert!(rig.board.watchdog_running());
    let resets = rig.board.resets();
    rig.board.run_for(Nanos::secs(40));
    assert_eq!(rig.board.resets(), resets, "idle is no hang");
    assert_eq!(rig.look(Nanos(1)), Found::UpdateMode);
    // The core is sent into an endless loop behind the bootloader, as a fault of it might: wfe; b .-2
    const END: u32 = FLASH + 0x4000 - 4;
    assert_eq!(rig.board.read_word(END), Some(u32::MAX));
    assert!(rig.board.write_flash(END, &[0x20, 0xBF, 0xFD, 0xE7]));
    rig.board.set_register(15, END);
    rig.board.run_for(Nanos::secs(35));
    assert!(rig.board.resets() > resets, "the watchdog ends it");
    assert_eq!(rig.board.reset_cause(), ResetCause::IndependentWatchdog);
}

#[test]
fn a_hardware_watchdog_survives_a_long_erase() {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).expect("the example board");
    // WDG_SW cleared (RM0090 section 3.6.3): the watchdog runs from reset with 512 ms.
    let options = rig.board.option_bytes() & !(1 << 5);
    rig.board.set_option_bytes(options);
    let mut rig = on(rig);
    let filler = rig.filler(0x2_0000);
    let image = rig.manifest(filler, [1, 0, 0], Some(&example_key().expect("published"))).expect("fits");
    let resets = rig.board.resets();
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    assert_eq!(rig.board.resets(), resets);
}

#[test]
fn every_control_request_leaves_the_board_alive_and_the_flash_outside_the_slot_alone() {
    let mut rig = on(Rig::new(F4_FULL, Policy::Signature).expect("the example board"));
    let before = rig.board.flash()[..(SLOT - FLASH) as usize].to_vec();
    let resets = rig.board.resets();
    let patience = Duration::from_millis(50);
    let mut answered = 0;
    for request_type in 0..=255u8 {
        for request in 0..=255u8 {
            // Requests that have a meaning get more arguments; lengths around a packet and a block.
            let known = matches!(request, 0..=12 | 0x20 | 0x53);
            let lengths: &[u16] = if known { &[0, 1, 6, 64, 2048, 65535] } else { &[0, 64] };
            for &length in lengths {
                let value = if length == 6 { 0 } else { u16::from(request) ^ u16::from(request_type) << 3 };
                let (v, l) = (value.to_le_bytes(), length.to_le_bytes());
                let index = if request_type & 3 == 1 { 0 } else { request % 5 };
                let setup = [request_type, request, v[0], v[1], index, 0, l[0], l[1]];
                // A new address or another configuration is this host's end; others try that.
                if request_type & 0x7F == 0 && matches!(request, 5 | 9) {
                    continue;
                }
                let result = if request_type & 0x80 != 0 {
                    rig.control_in(setup, &mut vec![0; usize::from(length)], patience).map(|_| ())
                } else {
                    rig.control_out(setup, &vec![0x21; usize::from(length)], patience)
                };
                // DETACH and an empty DNLOAD make the board leave: back it comes, without a valid image.
                let leaves = request_type == 0x21 && (request == 0 || request == 1 && length == 0);
                match result {
                    Ok(()) => answered += 1,
                    Err(LinkError::Stall) => {}
                    Err(_) if leaves => {}
                    Err(error) => panic!("{setup:02x?}: {error}"),
                }
                if leaves {
                    rig.board.run_for(Nanos::millis(20));
                    rig.attach().unwrap_or_else(|e| panic!("{setup:02x?}: {e:#}"));
                }
            }
        }
    }
    assert!(answered >= 10, "{answered} answered");
    assert_eq!(rig.board.resets(), resets, "no fault, no watchdog");
    assert_eq!(rig.board.flash()[..before.len()], before, "nothing outside the slot changed");
    rig.info().expect("still answers");
    rig.board.assert_no_violations(|_| false);
}

/// True when the board answers errADDRESS to an erase, or to a block, at `address`.
fn is_refused(rig: &mut Rig, command: u8, address: u32) -> bool {
    let mut data = vec![command];
    data.extend(address.to_le_bytes());
    let _ = download(rig, 0, &data);
    let mut refused = [status(rig), status(rig)].contains(&0x08);
    if command == command::SET_ADDRESS && !refused {
        let _ = download(rig, 2, &[0; 64]);
        refused = [status(rig), status(rig)].contains(&0x08);
    }
    rig.control_out([0x21, 4, 0, 0, 0, 0, 0, 0], &[], Duration::from_secs(1)).expect("CLRSTATUS");
    refused
}

fn download(rig: &mut Rig, block: u8, data: &[u8]) -> Result<(), LinkError> {
    let length = (data.len() as u16).to_le_bytes();
    rig.control_out([0x21, 1, block, 0, 0, 0, length[0], length[1]], data, Duration::from_secs(1))
}

/// bStatus.
fn status(rig: &mut Rig) -> u8 {
    let mut status = [0; 6];
    let read = rig.control_in([0xA1, 3, 0, 0, 0, 0, 6, 0], &mut status, Duration::from_secs(5));
    read.map(|_| status[0]).expect("GETSTATUS is always answered")
}

#[test]
fn a_write_into_the_bootloaders_sectors_is_refused_and_nothing_is_erased() {
    let mut rig = on(Rig::new(F4_FULL, Policy::Signature).expect("the example board"));
    let operations = rig.board.operations();
    for address in [FLASH, FLASH + 0x4000, SLOT - 4, 0x0810_0000, 0x1FFF_C000, 0x2000_0000, u32::MAX - 3] {
        for command in [command::ERASE, command::SET_ADDRESS] {
            assert!(is_refused(&mut rig, command, address), "{command:#x} {address:#x}: errADDRESS");
        }
    }
    assert_eq!(rig.board.operations(), operations, "nothing was erased or programmed");
    assert_eq!(board_file(Policy::Signature).expect("a board").slot().base, SLOT);
}

#[test]
fn the_slot_of_the_confirmed_image_and_the_journal_are_closed_to_the_host() {
    let file = BoardFile::load(&root().join("boards/f4-discovery-ab.toml")).expect("an example");
    let [a, b] = file.slots().try_into().expect("two slots");
    let mut rig = on(Rig::with(F4_FULL, file).expect("the example board"));
    let key = example_key().expect("published");
    let image = rig.image(&blinky_rust(50, a.base).expect("builds"), [1, 0, 0], Some(&key)).expect("fits");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    // It confirms itself after its self-test.
    rig.board.run_for(Nanos::millis(400));
    rig.into_update_mode().expect("by its button");
    assert_eq!(rig.info().expect("answers").slot_base, b.base, "the update goes to the other slot");
    let operations = rig.board.operations();
    let before = rig.board.flash()[..(b.base - FLASH) as usize].to_vec();
    for address in [FLASH, FLASH + 0x4000, FLASH + 0x8000, a.base, a.base + 0x1_0000, b.base - 4] {
        for command in [command::ERASE, command::SET_ADDRESS] {
            assert!(is_refused(&mut rig, command, address), "{command:#x} {address:#x}: errADDRESS");
        }
    }
    assert_eq!(rig.board.operations(), operations, "nothing was erased or programmed");
    // Erasing "everything" is erasing the open slot; the journal says so first.
    download(&mut rig, 0, &[command::ERASE]).expect("taken");
    while status(&mut rig) == 0 && rig.board.operations() < operations + 16 + 4 {
        rig.board.run_for(Nanos::millis(100));
    }
    rig.board.run_for(Nanos::secs(2));
    let after = &rig.board.flash()[..before.len()];
    let changed: Vec<usize> = (0..before.len()).filter(|i| after[*i] != before[*i]).collect();
    let journal = 0x4000..0xC000;
    assert!(!changed.is_empty() && changed.iter().all(|i| journal.contains(i)), "{changed:x?}");
    assert!(rig.board.flash()[(b.base - FLASH) as usize..].iter().all(|byte| *byte == 0xFF));
    rig.board.power_off();
    assert_eq!(rig.power_on(Nanos::secs(2)), Found::Application, "the confirmed image");
    rig.board.assert_no_violations(|_| false);
}

/// The manifest's CRC-32 is no secret: whoever may write a slot can give an image any id.
#[test]
fn an_image_with_the_confirmed_ones_id_does_not_open_the_confirmed_slot() {
    let file = BoardFile::load(&root().join("boards/f4-discovery-ab.toml")).expect("an example");
    let [a, b] = file.slots().try_into().expect("two slots");
    let mut rig = on(Rig::with(F4_FULL, file).expect("the example board"));
    let key = example_key().expect("published");
    let image = |rig: &Rig, slot: Slot, version| {
        let elf = blinky_rust(50, slot.base).expect("builds");
        let loaded = surefoot_host::files::read(&elf, None).expect("an ELF file");
        let flat = surefoot_host::image::flat(&loaded.segments, slot).expect("fits");
        let identity = Identity {
            version: Version { major: version, minor: 0, patch: 0 },
            security_counter: 1,
            device_id: 0x413,
            board_id: rig.config().board_id(),
        };
        surefoot_host::image::sign(flat, slot, identity, Some(&key), false).expect("signs")
    };
    for (slot, version) in [(a, 1), (b, 2)] {
        let bytes = image(&rig, slot, version);
        let segments = Segments::one(slot.base, bytes).expect("in place");
        assert_eq!(rig.flash(&segments).expect("flashes"), Finish::Application);
        // It confirms itself after its self-test.
        rig.board.run_for(Nanos::millis(400));
        rig.into_update_mode().expect("by its button");
    }
    assert_eq!(rig.info().expect("answers").slot_base, a.base, "slot B runs");
    // The attacker's: the signature's last word makes the CRC-32 what it has to be.
    let confirmed = manifest_of(&rig, b);
    let mut forged = image(&rig, a, 3);
    let at = forged.len() - manifest::LEN;
    let wanted = u32::from_le_bytes(confirmed[0xA0..0xA4].try_into().expect("four"));
    let before = crc32(&forged[at..at + 0x9C]);
    let word = before
        ^ (0..32)
            .fold(wanted, |crc, _| if crc & 1 == 0 { crc >> 1 } else { (crc ^ 0x04C1_1DB7) >> 1 | 1 << 31 });
    forged[at + 0x9C..at + 0xA0].copy_from_slice(&word.to_le_bytes());
    forged[at + 0xA0..at + 0xA4].copy_from_slice(&wanted.to_le_bytes());
    assert_eq!(crc32(&forged[at..at + 0xA0]), wanted, "forged");
    let segments = Segments::one(a.base, forged).expect("in place");
    let plan = rig.blind_plan(&segments).expect("the host is the attacker's");
    assert!(rig.update(&plan).is_err() || rig.info().is_ok(), "it does not start");
    rig.board.power_off();
    rig.board.set_pin(BUTTON, Some(true));
    assert_eq!(rig.power_on(SECOND), Found::UpdateMode);
    rig.attach().expect("enumerates");
    assert_eq!(manifest_of(&rig, a)[0xA0..0xA4], confirmed[0xA0..0xA4], "both slots show the same id");
    assert_eq!(rig.info().expect("answers").slot_base, a.base, "the confirmed slot stays closed");
    assert!(is_refused(&mut rig, command::ERASE, b.base), "errADDRESS");
}

/// The manifest at the end of the image in a slot.
fn manifest_of(rig: &Rig, slot: Slot) -> Vec<u8> {
    let flash = &rig.board.flash()[(slot.base - FLASH) as usize..];
    let at = manifest::offset(flash).expect("an image") as usize;
    flash[at..at + manifest::LEN].to_vec()
}
