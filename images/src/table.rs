//! The bootloader binaries: which there are, for which chips, what they can do and how large they may be.
//!
//! The one place that says so. `build.rs` and `cargo xtask images` build from it, `cargo xtask budgets` holds
//! the sizes against its limits, tests hold the headers against its features, and [`choose`](crate::choose)
//! picks from it.

/// What a build has beyond USB DFU, one slot and the policies `none` and `crc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Ed25519.
    Signature,
    /// Journal, trial boots, rollback, security counter, two slots that run in turn.
    Failsafe,
    /// The strategy `backup`.
    Backup,
    /// Option bytes, programmed for a host.
    Options,
}

impl Feature {
    /// Its name in firmware/Cargo.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Failsafe => "failsafe",
            Self::Backup => "backup",
            Self::Options => "options",
        }
    }

    /// What a build without it does not do.
    pub const fn lacking(self) -> &'static str {
        match self {
            Self::Signature => "verifies no signatures",
            Self::Failsafe => "keeps no journal",
            Self::Backup => "keeps no backup",
            Self::Options => "programs no option bytes for a host",
        }
    }
}

/// One binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Name of its files in `prebuilt`.
    pub file: &'static str,
    /// What it is called in messages.
    pub name: &'static str,
    /// The number of the chips' family, as in the header and in the chip data.
    pub family: u16,
    /// rustc's name of the chips.
    pub target: &'static str,
    /// The program in the firmware's workspace.
    pub program: &'static str,
    /// What it has.
    pub features: &'static [Feature],
    /// Cargo's arguments for that.
    pub arguments: &'static [&'static str],
    /// Most bytes of flash that it may take.
    pub limit: u32,
}

/// Every binary that is embedded.
pub const BINARIES: [Binary; 2] = [F4_FULL, F4_CRC];

/// STM32F4 with everything.
pub const F4_FULL: Binary = Binary {
    file: "f4-full",
    name: "surefoot-f4",
    family: 0x00F4,
    target: "thumbv7em-none-eabi",
    program: "surefoot-f4",
    features: &[Feature::Signature, Feature::Failsafe, Feature::Backup, Feature::Options],
    arguments: &[],
    limit: 16_384,
};

/// STM32F4 with USB DFU, CRC-32 and one slot only.
pub const F4_CRC: Binary = Binary {
    file: "f4-crc",
    name: "surefoot-f4-crc",
    features: &[],
    arguments: &["--no-default-features"],
    limit: 8_192,
    ..F4_FULL
};
