//! The boot decision: what asks for update mode, and the answers the host reads.

mod common;

use common::*;
use surefoot_core::config::{Policy, Slot};
use surefoot_core::decide::{Decision, Reason, decide};
use surefoot_core::handoff::Record;
use surefoot_core::image::ImageFault;
use surefoot_core::info::{Info, LEN};

#[test]
fn what_asks_for_update_mode_is_the_reason_and_no_image_is_looked_at() {
    for asked in (0..=7).map(Reason::from_number) {
        let mut looked = false;
        let decision = decide(asked, || {
            looked = true;
            check(Policy::None, &[], plain(0x400))
        });
        assert_eq!(looked, asked.is_none(), "an image is looked at only when nothing asks");
        match (decision, asked) {
            (Decision::Update(reason, None), Some(asked)) => assert_eq!(reason, asked),
            (Decision::Boot(_), None) => {}
            (decision, _) => panic!("{asked:?}: {decision:?}"),
        }
    }
}

#[test]
fn without_a_valid_image_the_board_waits_and_says_why() {
    let decision = decide(None, || check(Policy::None, &[], vec![0xFF; SLOT.length as usize]));
    let Decision::Update(reason, fault) = decision else { panic!("booted an erased slot") };
    assert_eq!((reason, fault), (Reason::NoValidImage, Some(ImageFault::Erased)));
}

#[test]
fn a_handoff_record_is_read_back_and_a_damaged_one_is_none() {
    let record = Record { version: [1, 2, 3], reset_cause: 0x22, reason: 1, slot: SLOT.base };
    let words = record.encode();
    assert_eq!(Record::decode(&words), Some(record));
    for bit in 0..words.len() * 32 {
        let mut broken = words;
        broken[bit / 32] ^= 1 << (bit % 32);
        assert_eq!(Record::decode(&broken), None, "bit {bit}");
    }
}

#[test]
fn the_info_answer_is_read_back() {
    let info = Info {
        version: [1, 2, 3],
        family: 0xF4,
        features: 1,
        config_fault: 2,
        reason: 3,
        image_fault: 4,
        policy: 2,
        reset_cause: 6,
        flags: 1,
        last_fault: 8,
        device_id: 0x413,
        flash_kib: 1024,
        board_id: BOARD,
        slot_base: SLOT.base,
        slot_length: SLOT.length,
        options: 0x0FFF_AAEC,
        unique_id: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        hse_ticks: 496,
    };
    assert_eq!(Info::decode(&info.encode()), Some(info));
    assert_eq!((info.hse_hz(), Info::default().hse_hz()), (Some(8_000_000), None));
    let locked = Info { options: 0x0FFF_AAED, ..info };
    assert_eq!(Info::decode(&locked.encode()), Some(info), "lock and start bits are no option bytes");
    assert_eq!(Info::decode(&info.encode()[..LEN - 1]), None);
    assert_eq!(Info::decode(&[0; LEN]), None);
}

#[test]
fn a_slot_contains_exactly_its_own_ranges() {
    let slot = Slot { base: 0x1000, length: 0x100 };
    let table = [
        (0x1000, 0x100, true),
        (0x10FF, 1, true),
        (0x1100, 0, true),
        (0x1100, 1, false),
        (0xFFF, 1, false),
        (0x1001, 0x100, false),
        (0x1080, u32::MAX, false),
        (u32::MAX, 1, false),
    ];
    for (address, length, expected) in table {
        assert_eq!(slot.contains(address, length), expected, "{address:#x} + {length:#x}");
    }
}
