//! The configuration block: what was sealed is read back, anything else is a fault of its own.

mod common;

use common::*;
use surefoot_core::config::{
    self, BLOCK_LEN, BinaryHeader, Config, ConfigFault, EncodeError, FAMILY_F4, FEATURE_SIGNATURE,
    HEADER_LEN, Key, Policy, Slot, Text,
};

#[test]
fn what_was_sealed_is_read_back() {
    let keys = [public(1), Key { revoked: true, ..public(2) }];
    let fields = fields(Policy::Signature, &keys);
    let block = block(&fields);
    let c = Config::parse(&block, FAMILY_F4).expect("sealed above");
    assert_eq!((c.device_id(), c.board_id(), c.policy()), (DEVICE, BOARD, Policy::Signature));
    assert_eq!((c.psize(), c.ram_base(), c.ram_size(), c.handoff()), (2, 0x2000_0000, 0x2_0000, 0x2000_0000));
    assert_eq!((c.magic_word(), c.backup_register()), (0xDEAD_BEEF, 0));
    assert_eq!((c.update_timeout_ms(), c.double_tap_ms()), (30_000, 0));
    assert_eq!((c.button(), c.led()), (fields.button, None));
    assert_eq!((c.hse_hz(), c.hse_bypass(), c.pll_hse(), c.pll_hsi()), (8_000_000, false, 1, 2));
    assert_eq!((c.rcc_cfgr(), c.flash_acr(), c.pwr_cr(), c.sysclk_hz()), (3, 4, 5, 168_000_000));
    assert_eq!((c.vid(), c.pid(), c.bcd_device(), c.transfer_size()), (0x0483, 0xDF11, 0x0100, 2048));
    assert_eq!((c.program_ns(), c.uid_address(), c.flash_size_address()), (16_000, 0x1FFF_7A10, 0x1FFF_7A22));
    assert_eq!((c.watchdog(), c.read_unprotect()), (true, false));
    for (open, fixed) in [(false, false), (true, false), (false, true)] {
        let block =
            common::block(&config::Fields { options_open: open, options_fixed: fixed, ..fields.clone() });
        let c = Config::parse(&block, FAMILY_F4).expect("sealed above");
        assert_eq!((c.options_open(), c.options_fixed()), (open, fixed));
    }
    assert_eq!(c.slots().collect::<Vec<_>>(), [SLOT]);
    assert_eq!(c.regions().collect::<Vec<_>>(), REGIONS);
    let read: Vec<Key> = c.keys().map(|(bytes, revoked)| Key { bytes: *bytes, revoked }).collect();
    assert_eq!(read, keys);
    assert_eq!(c.text(Text::Manufacturer), fields.manufacturer.as_bytes());
    assert_eq!(c.text(Text::Product), fields.product.as_bytes());
    assert_eq!(c.text(Text::Memory), fields.memory.as_bytes());
}

#[test]
fn a_block_that_is_not_whole_is_a_fault_of_its_own() {
    assert_eq!(Config::parse(&[0xFF; BLOCK_LEN], FAMILY_F4).map(|_| ()), Err(ConfigFault::Missing));
    let good = block(&fields(Policy::Crc, &[]));
    assert_eq!(Config::parse(&good, 0x00F1).map(|_| ()), Err(ConfigFault::Family));
    for bit in 0..BLOCK_LEN * 8 {
        let mut broken = good;
        broken[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..4 => ConfigFault::Missing,
            4..8 => ConfigFault::Format,
            _ => ConfigFault::Checksum,
        };
        assert_eq!(Config::parse(&broken, FAMILY_F4).map(|_| ()), Err(expected), "bit {bit}");
    }
}

#[test]
fn values_that_do_not_fit_are_refused_when_sealing() {
    let keys = [public(1); 5];
    let slots = [SLOT; 3];
    let long = "x".repeat(127);
    let mut open = common::REGIONS;
    open[0].owner = 1;
    let mut longer = common::REGIONS;
    longer[1].count = 2;
    let table: [(&str, config::Fields, EncodeError); 10] = [
        ("five keys", fields(Policy::Signature, &keys), EncodeError::Count),
        ("three slots", config::Fields { slots: &slots, ..fields(Policy::Crc, &[]) }, EncodeError::Count),
        ("no slot", config::Fields { slots: &[], ..fields(Policy::Crc, &[]) }, EncodeError::Count),
        ("a long string", config::Fields { product: &long, ..fields(Policy::Crc, &[]) }, EncodeError::Text),
        ("not ASCII", config::Fields { product: "ü", ..fields(Policy::Crc, &[]) }, EncodeError::Text),
        (
            "transfer size 65",
            config::Fields { transfer_size: 65, ..fields(Policy::Crc, &[]) },
            EncodeError::Field,
        ),
        ("PSIZE 4", config::Fields { psize: 4, ..fields(Policy::Crc, &[]) }, EncodeError::Field),
        (
            "a slot past the address space",
            config::Fields { slots: &[Slot { base: 0xFFFF_FFF0, length: 0x20 }], ..fields(Policy::Crc, &[]) },
            EncodeError::Field,
        ),
        (
            "writable sectors outside the slots",
            config::Fields { regions: &open, ..fields(Policy::Crc, &[]) },
            EncodeError::Field,
        ),
        (
            "writable sectors past a slot's end",
            config::Fields { regions: &longer, ..fields(Policy::Crc, &[]) },
            EncodeError::Field,
        ),
    ];
    for (name, fields, expected) in table {
        assert_eq!(config::encode(&fields, &mut [0; BLOCK_LEN]), Err(expected), "{name}");
    }
}

#[test]
fn the_block_is_found_behind_the_one_header_of_a_binary() {
    let header = BinaryHeader { version: [1, 2, 3], family: FAMILY_F4, features: FEATURE_SIGNATURE };
    let mut binary = vec![0xAA; 0x188];
    binary.extend(header.encode());
    binary.extend([0xFF; BLOCK_LEN]);
    assert_eq!(BinaryHeader::find(&binary), Some((header, 0x188 + HEADER_LEN)));
    assert_eq!(BinaryHeader::find(&binary[..binary.len() - 1]), None, "no room for the block");
    let mut twice = binary.clone();
    twice.extend(&binary);
    assert_eq!(BinaryHeader::find(&twice), None, "two headers");
    assert_eq!(BinaryHeader::find(&binary[..0x180]), None, "no header");
}

#[test]
fn what_is_writable_is_all_of_it_in_writable_sectors() {
    let sealed = block(&fields(Policy::Crc, &[]));
    let config = Config::parse(&sealed, FAMILY_F4).expect("good");
    let table = [
        (SLOT.base, SLOT.length, true),
        (SLOT.base + 4, 4, true),
        (SLOT.end() - 4, 4, true),
        (SLOT.base - 4, 8, false),
        (SLOT.end() - 4, 8, false),
        (SLOT.base, SLOT.length + 1, false),
        (SLOT.base, 0, false),
        (SLOT.base, u32::MAX, false),
        (0x0800_0000, 4, false),
        (SLOT.end(), 4, false),
        (u32::MAX - 3, 8, false),
        (0, u32::MAX, false),
    ];
    for (address, length, expected) in table {
        assert_eq!(config.is_writable(address, length), expected, "{address:#x}, {length:#x}");
    }
}
