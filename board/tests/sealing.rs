//! Sealing: what may be sealed, what is refused, and that nothing but the block changes.

use std::path::Path;
use surefoot_board::{Board, SealError, seal};
use surefoot_core::config::{
    BLOCK_LEN, BinaryHeader, Config, ConfigFault, FAMILY_F4, FEATURE_FAILSAFE, FEATURE_SIGNATURE, HEADER_LEN,
};

/// Where the header stands in the probes: behind a vector table of 98 words.
const HEADER: usize = 98 * 4;

fn board(name: &str) -> Board {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../boards/{name}.toml"));
    Board::load(&path).unwrap_or_else(|e| panic!("{e}"))
}

/// An unsealed bootloader as the firmware's linker script lays it out.
fn binary(family: u16, features: u16, size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
    bytes[..4].copy_from_slice(&0x2002_0000u32.to_le_bytes());
    bytes[4..8].copy_from_slice(&0x0800_0801u32.to_le_bytes());
    let header = BinaryHeader { version: [0, 1, 0], family, features };
    bytes[HEADER..HEADER + HEADER_LEN].copy_from_slice(&header.encode());
    bytes[HEADER + HEADER_LEN..HEADER + HEADER_LEN + BLOCK_LEN].fill(0xFF);
    bytes
}

fn full(size: usize) -> Vec<u8> {
    binary(FAMILY_F4, FEATURE_SIGNATURE, size)
}

fn block(image: &[u8]) -> &[u8; BLOCK_LEN] {
    image[HEADER + HEADER_LEN..].first_chunk().expect("a block")
}

#[test]
fn sealing_writes_the_block_and_changes_nothing_else() {
    let (board, unsealed) = (board("f4-discovery"), full(16_384));
    assert_eq!(Config::parse(block(&unsealed), FAMILY_F4).err(), Some(ConfigFault::Missing));
    let sealed = seal(&unsealed, &board).expect("sealed");
    assert_eq!((sealed.base, sealed.resealed), (0x0800_0000, false));
    let config = Config::parse(block(&sealed.image), FAMILY_F4).expect("a good block");
    assert_eq!((config.device_id(), config.board_id()), (0x413, board.id));
    let place = HEADER + HEADER_LEN..HEADER + HEADER_LEN + BLOCK_LEN;
    for (i, (before, after)) in unsealed.iter().zip(&sealed.image).enumerate() {
        assert!(place.contains(&i) || before == after, "byte {i} changed");
    }
    assert_eq!(unsealed.len(), sealed.image.len());
}

#[test]
fn a_sealed_bootloader_can_be_sealed_for_another_board() {
    let first = seal(&full(16_000), &board("f4-discovery")).expect("sealed");
    let second = seal(&first.image, &board("nucleo-f446re")).expect("sealed again");
    assert!(second.resealed);
    assert_eq!(second.image, seal(&full(16_000), &board("nucleo-f446re")).expect("sealed").image);
}

#[test]
fn a_broken_block_is_replaced_but_foreign_bytes_in_its_place_are_not() {
    let mut sealed = seal(&full(16_000), &board("f4-discovery")).expect("sealed").image;
    sealed[HEADER + HEADER_LEN + 100] ^= 1;
    assert_eq!(Config::parse(block(&sealed), FAMILY_F4).err(), Some(ConfigFault::Checksum));
    let again = seal(&sealed, &board("f4-discovery")).expect("sealed again");
    assert!(Config::parse(block(&again.image), FAMILY_F4).is_ok());
    sealed[HEADER + HEADER_LEN] ^= 1;
    let error = seal(&sealed, &board("f4-discovery")).expect_err("foreign bytes");
    assert_eq!(error, SealError::Damaged { offset: HEADER + HEADER_LEN });
}

#[test]
fn what_is_no_bootloader_is_refused() {
    let discovery = board("f4-discovery");
    let mut twice = full(16_384);
    let header = twice[HEADER..HEADER + HEADER_LEN].to_vec();
    twice[8192..8192 + HEADER_LEN].copy_from_slice(&header);
    let mut cut_short = full(16_384);
    cut_short.truncate(HEADER + HEADER_LEN + BLOCK_LEN - 1);
    for bytes in [Vec::new(), vec![0xFF; 16_384], twice, cut_short] {
        assert_eq!(seal(&bytes, &discovery), Err(SealError::NotABootloader));
    }
}

#[test]
fn the_binary_must_fit_the_board() {
    let (discovery, small) = (board("f4-discovery"), board("f4-small"));
    for (binary, board, message) in [
        (
            binary(0x00F1, FEATURE_SIGNATURE, 8192),
            &discovery,
            "the bootloader is built for family 0x00F1, but STM32F407VG is of family 0x00F4; take the binary for \
             that family",
        ),
        (
            binary(FAMILY_F4, 0, 8192),
            &discovery,
            "the board's policy is \"signature\", but this build cannot verify signatures; take the full build, \
             or use policy \"crc\"",
        ),
        (
            full(16_388),
            &discovery,
            "the bootloader has 16388 bytes, but the board gives it 16384 bytes (0x4000); give it at least 32K in \
             [layout] bootloader",
        ),
    ] {
        assert_eq!(seal(&binary, board).expect_err(message).to_string(), message);
    }
    for name in ["f4-discovery-ab", "f4-discovery-backup"] {
        assert_eq!(seal(&full(8192), &board(name)), Err(SealError::NoFailsafe), "{name}");
        assert!(seal(&binary(FAMILY_F4, FEATURE_SIGNATURE | FEATURE_FAILSAFE, 8192), &board(name)).is_ok());
    }
    let mut elsewhere = full(8192);
    elsewhere[4..8].copy_from_slice(&0x0802_0801u32.to_le_bytes());
    assert!(matches!(seal(&elsewhere, &discovery), Err(SealError::Linked { .. })));
    // The build without signatures serves a board with policy `crc`; so does the full one.
    assert!(seal(&binary(FAMILY_F4, 0, 8192), &small).is_ok());
    assert!(seal(&full(32_768), &small).is_ok());
}
