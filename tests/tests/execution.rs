//! The bootloader runs its own code only: wherever else the core goes, it is a fault and a reset.

use surefoot_core::config::Policy;
use surefoot_host::job::Finish;
use surefoot_images::F4_FULL;
use surefoot_sim::{BoardOptions, Nanos};
use surefoot_tests::rig::{Found, Rig, board_file, example_key};

/// `b .`
const TRAP: [u8; 2] = [0xFE, 0xE7];
const THUMB: u32 = 1 << 24;

/// A board that waits for an update, with the trap at `place`; the core is sent there.
fn astray(options: BoardOptions, place: u32) -> Rig {
    let file = board_file(Policy::Signature).expect("the example board");
    let mut rig = Rig::on(options, F4_FULL, file).expect("seals");
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    let written = rig.board.write_flash(place, &TRAP) || rig.board.write_memory(place, &TRAP);
    assert!(written, "{place:#x} is no memory");
    rig.board.set_register(15, place);
    rig.board.set_register(16, rig.board.register(16) | THUMB);
    rig
}

#[test]
fn a_return_address_that_leads_out_of_the_bootloader_is_a_reset() {
    let slot = board_file(Policy::Signature).expect("the example board").slot();
    // A slot's first and last instruction, the journal's place, and RAM: the bootloader's, what is above, the CCM.
    let end = slot.base + slot.length - 2;
    for place in [slot.base, end, 0x0800_4000, 0x2000_0400, 0x2000_4000, 0x2001_FFFE, 0x1000_0000] {
        let mut rig = astray(Rig::options(), place);
        let resets = rig.board.resets();
        rig.board.run_for(Nanos::millis(1));
        assert_eq!(rig.board.resets(), resets + 1, "{place:#x}: at {:#x}", rig.board.pc());
        assert_eq!(rig.look(Nanos::secs(1)), Found::UpdateMode, "{place:#x}");

        // It is the memory protection unit that stops it.
        let mut rig = astray(BoardOptions { mpu: false, ..Rig::options() }, place);
        rig.board.run_for(Nanos::millis(1));
        assert_eq!((rig.board.pc(), rig.board.resets()), (place, resets), "without it the core stays there");
    }
}

/// One that switches the unit on has set up its own regions, and expects no other ones.
#[test]
fn an_application_finds_the_unit_off_and_without_regions() {
    let mut rig = Rig::new(F4_FULL, Policy::Signature).expect("the example board");
    assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
    rig.attach().expect("enumerates");
    let mut image = rig.filler(0x400);
    // MPU_CTRL: PRIVDEFENA, ENABLE. ldr r0, [pc, #8]; movs r1, #5; str r1, [r0]; nop; b .
    let code: [u16; 8] = [0x4802, 0x2105, 0x6001, 0xBF00, 0xE7FE, 0xBF00, 0xED94, 0xE000];
    for (place, half) in image[0x200..].as_chunks_mut().0.iter_mut().zip(code) {
        *place = half.to_le_bytes();
    }
    let image = rig.manifest(image, [1, 0, 0], Some(&example_key().expect("published"))).expect("fits");
    assert_eq!(rig.flash(&image).expect("flashes"), Finish::Application);
    let resets = rig.board.resets();
    rig.board.run_for(Nanos::millis(10));
    assert_eq!((rig.board.pc(), rig.board.resets()), (rig.slot().base + 0x208, resets));
    assert_eq!(rig.board.read_system(0xE000_ED94), Some(5), "it has switched the unit on");
}
