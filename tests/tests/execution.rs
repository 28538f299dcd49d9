//! The bootloader runs its own code only: wherever else the core goes, it is a fault and a reset.

use surefoot_core::config::Policy;
use surefoot_images::F4_FULL;
use surefoot_sim::{BoardOptions, Nanos};
use surefoot_tests::rig::{Found, Rig, board_file};

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
