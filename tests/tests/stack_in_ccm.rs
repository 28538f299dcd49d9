//! A stack in CCM, the RAM that only the core reaches: host and chip accept it, with exact limits.
//!
//! RM0090 Rev 21, 2.3.1: the F405/407 has 64 KB of it at 0x10000000.

use surefoot_core::config::Policy;
use surefoot_core::image::ImageFault;
use surefoot_host::job::Finish;
use surefoot_images::{F4_CRC, F4_FULL};
use surefoot_sim::Nanos;
use surefoot_tests::rig::{Found, Rig, example_key};

/// A program whose stack begins there; it pushes a word first of all, then sleeps.
fn image(rig: &Rig, stack: u32) -> Vec<u8> {
    let mut bytes = rig.filler(0x400);
    bytes[0..4].copy_from_slice(&stack.to_le_bytes());
    // push {r0}; wfi; b .-2
    bytes[0x200..0x206].copy_from_slice(&[0x01, 0xB4, 0x30, 0xBF, 0xFD, 0xE7]);
    bytes
}

#[test]
fn a_stack_in_ccm_is_accepted_by_host_and_chip_and_one_beside_it_by_neither() {
    let table = [
        (0x1000_0008, true),
        (0x1000_8000, true),
        (0x1001_0000, true),
        (0x1000_0000, false),
        (0x1001_0008, false),
        (0x1000_FFFC, false),
        (0x0FFF_FFF8, false),
    ];
    for (firmware, policy) in [(F4_FULL, Policy::Signature), (F4_FULL, Policy::Crc), (F4_CRC, Policy::Crc)] {
        let key = (policy == Policy::Signature).then(|| example_key().unwrap());
        for (stack, accepted) in table {
            let what = format!("{policy:?}, {stack:#010x}");
            let mut rig = Rig::new(firmware, policy).unwrap();
            assert_eq!(rig.power_on(Nanos::secs(1)), Found::UpdateMode);
            rig.attach().unwrap();
            let image = rig.manifest(image(&rig, stack), [1, 0, 0], key.as_ref()).unwrap();
            assert_eq!(rig.plan(&image).is_ok(), accepted, "{what}: the host");
            let plan = rig.blind_plan(&image).unwrap();
            let finish = rig.update(&plan);
            if accepted {
                assert_eq!(finish.unwrap(), Finish::Application, "{what}: the chip");
                rig.board.run_for(Nanos::millis(1));
                assert!(rig.board.asleep() && rig.slot().contains(rig.board.pc(), 2), "{what}: it runs");
            } else {
                rig.attach().unwrap();
                let told = rig.info().unwrap().image_fault;
                assert_eq!(told, ImageFault::StackPointer as u8, "{what}: the chip");
            }
            rig.board.assert_no_violations(|_| false);
        }
    }
}
