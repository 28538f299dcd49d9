//! The example board files, embedded: `surefoot new` starts from them, the demo and the tests run on them.
//!
//! Plain text and nothing else. What they mean, surefoot-board says.
#![no_std]

/// The STM32F4DISCOVERY with one slot.
pub const F4_DISCOVERY: &str = include_str!("f4-discovery.toml");
/// The same with two slots that run in turn.
pub const F4_DISCOVERY_AB: &str = include_str!("f4-discovery-ab.toml");
/// The same with a slot for the old image.
pub const F4_DISCOVERY_BACKUP: &str = include_str!("f4-discovery-backup.toml");
/// STM32F407VG with a bootloader of 32K.
pub const F4_SMALL: &str = include_str!("f4-small.toml");
/// WeAct Black Pill V2.
pub const BLACKPILL_F411CE: &str = include_str!("blackpill-f411ce.toml");
/// Pixhawk flight controller (FMUv2).
pub const FMU_V2: &str = include_str!("fmu-v2.toml");
/// NUCLEO-F429ZI.
pub const NUCLEO_F429ZI: &str = include_str!("nucleo-f429zi.toml");
/// NUCLEO-F446RE.
pub const NUCLEO_F446RE: &str = include_str!("nucleo-f446re.toml");

/// The public key that the example boards trust, where their files name it.
pub const EXAMPLE_PUBLIC_KEY: (&str, &str) = ("keys/example.pub.pem", include_str!("keys/example.pub.pem"));
/// Its private key: published, so good for examples and tests only.
pub const EXAMPLE_KEY: (&str, &str) = ("keys/example.key.pem", include_str!("keys/example.key.pem"));
