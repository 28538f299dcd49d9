//! The hand-kept overlays: what the metadata lack, per family and part.
//!
//! Read once, unknown keys refused; the files are part of the program, so a mistake in them is a
//! mistake in the program and found by the tests.

use serde::Deserialize;
use std::sync::LazyLock;

/// The overlays, one for each family that has one.
pub static FAMILIES: LazyLock<Vec<Family>> = LazyLock::new(|| {
    FILES.iter().map(|(name, text)| parse(text).unwrap_or_else(|e| panic!("overlay/{name}: {e}"))).collect()
});

/// Every overlay file.
const FILES: &[(&str, &str)] = &[
    ("f4.toml", include_str!("../overlay/f4.toml")),
    ("f0.toml", include_str!("../overlay/f0.toml")),
    ("f1.toml", include_str!("../overlay/f1.toml")),
    ("f7.toml", include_str!("../overlay/f7.toml")),
    ("g0.toml", include_str!("../overlay/g0.toml")),
    ("g4.toml", include_str!("../overlay/g4.toml")),
    ("h5.toml", include_str!("../overlay/h5.toml")),
    ("h7.toml", include_str!("../overlay/h7.toml")),
    ("l4.toml", include_str!("../overlay/l4.toml")),
    ("l5.toml", include_str!("../overlay/l5.toml")),
    ("u5.toml", include_str!("../overlay/u5.toml")),
];

fn parse(text: &str) -> Result<Family, toml::de::Error> {
    toml::from_str(text)
}

/// One family's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Family {
    /// As in the table: "STM32F4".
    pub family: String,
    /// `BinaryHeader::family` of the bootloader for this family, when there is one.
    pub binary_family: Option<u16>,
    /// The processor.
    pub core: String,
    /// Start of the system memory, whose first words are the ROM bootloader's vector table.
    pub rom: Option<u32>,
    /// Address of the 16-bit flash size in KiB.
    pub flash_size_address: Option<u32>,
    /// Address of DBGMCU_IDCODE.
    pub debug_id_address: Option<u32>,
    /// Widths in bytes with which the flash can be programmed.
    pub program_units: Vec<u8>,
    /// What the flash controller calls the second bank's first sector, where it is not one more
    /// than the first bank's last.
    pub second_bank_number: Option<u8>,
    /// What the manual calls the second bank's first sector.
    pub second_bank_sector: Option<u16>,
    /// Start of the RAM that a program gets by default, where it is not 0x20000000.
    pub ram_base: Option<u32>,
    /// Supply voltage ranges, ascending.
    #[serde(default)]
    pub supply: Vec<Supply>,
    /// Flash times by program unit.
    #[serde(default)]
    pub timing: Vec<Timing>,
    /// The parts.
    pub part: Vec<Part>,
}

/// Parts that share what follows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Part {
    /// Beginnings of chip names; a small `x` stands for any character. The longest match counts.
    pub names: Vec<String>,
    /// DEV_ID of DBGMCU_IDCODE.
    pub device_id: u16,
    /// Instead of the family's.
    pub rom: Option<u32>,
    /// Instead of the family's.
    pub flash_size_address: Option<u32>,
    /// Instead of the family's.
    pub program_units: Option<Vec<u8>>,
    /// Clock limits.
    pub clock: Option<Clock>,
}

/// A range of supply voltage.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Supply {
    /// As in "2.7V-3.6V".
    pub range: String,
    /// Widest program unit in bytes without an external programming voltage.
    pub unit: u8,
    /// The prefetch buffer may be on.
    pub prefetch: bool,
}

impl Supply {
    /// The range's ends in millivolts.
    pub fn millivolts(&self) -> (u32, u32) {
        let one = |text: &str| {
            let volts: f64 = text.trim_end_matches('V').parse().unwrap_or(0.0);
            (volts * 1000.0).round() as u32
        };
        let (low, high) = self.range.split_once('-').unwrap_or(("0V", "0V"));
        (one(low), one(high))
    }
}

/// Clock limits of a part. Frequencies in MHz, as the manuals give them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Clock {
    /// SYSCLK without over-drive.
    pub max_mhz: u32,
    /// Low-speed peripheral bus.
    pub apb1_mhz: u32,
    /// High-speed peripheral bus.
    pub apb2_mhz: u32,
    /// Crystal: lowest and highest.
    pub hse_mhz: [u32; 2],
    /// VCO output: lowest and highest.
    pub vco_mhz: [u32; 2],
    /// Voltage scales of the core regulator, ascending.
    pub scales: Vec<Scale>,
    /// HCLK per flash wait state, in the order of the family's supply ranges: n wait states are
    /// enough up to (n + 1) times this.
    pub wait_mhz: Vec<u32>,
    /// Highest HCLK in each supply range.
    pub supply_max_mhz: Vec<u32>,
    /// Most wait states that FLASH_ACR can hold.
    pub max_wait_states: u32,
}

/// One setting of the core regulator.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scale {
    /// The VOS bits of PWR_CR.
    pub pwr_cr: u32,
    /// Highest SYSCLK at this setting.
    pub max_mhz: u32,
}

/// A time: typical and maximum.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "[u32; 2]")]
pub struct Time {
    /// Typical.
    pub typical: u32,
    /// Maximum.
    pub max: u32,
}

impl From<[u32; 2]> for Time {
    fn from([typical, max]: [u32; 2]) -> Self {
        Self { typical, max }
    }
}

/// Flash times for one program unit.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timing {
    /// Bytes per program operation.
    pub unit: u8,
    /// One program operation, microseconds.
    pub program_us: Time,
    /// Sector erase by sector size.
    pub erase_ms: Vec<EraseTime>,
}

/// Erase time of one sector size.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct EraseTime {
    /// Sector size as in "16K".
    pub sector: String,
    /// Milliseconds.
    pub time: Time,
}

impl EraseTime {
    /// Sector size in bytes.
    pub fn sector_size(&self) -> u32 {
        self.sector.trim_end_matches('K').parse().map_or(0, |kib: u32| kib * 1024)
    }
}

impl Timing {
    /// Erase time of a sector in milliseconds, when the data sheet gives one for its size.
    pub fn erase(&self, sector_size: u32) -> Option<Time> {
        self.erase_ms.iter().find(|e| e.sector_size() == sector_size).map(|e| e.time)
    }
}

/// The overlay of a chip: its family's and its part's.
pub fn of(family: &str, name: &str) -> (Option<&'static Family>, Option<&'static Part>) {
    let Some(family) = FAMILIES.iter().find(|f| f.family == family) else { return (None, None) };
    let longest = |p: &Part| p.names.iter().filter(|n| matches(n, name)).map(String::len).max();
    let part = family.part.iter().filter_map(|p| Some((longest(p)?, p))).max_by_key(|(len, _)| *len);
    (Some(family), part.map(|(_, p)| p))
}

/// True when `name` begins as `pattern` says.
pub fn matches(pattern: &str, name: &str) -> bool {
    name.len() >= pattern.len() && pattern.bytes().zip(name.bytes()).all(|(p, n)| p == b'x' || p == n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_an_overlay_is_the_longest_of_some_chip_and_no_two_are_equal() {
        for family in FAMILIES.iter() {
            let mut seen = std::collections::BTreeSet::new();
            for name in family.part.iter().flat_map(|p| &p.names) {
                assert!(seen.insert(name), "{name} stands twice");
                let chips = crate::table::GROUPS.iter().filter(|g| g.family == family.family);
                let mut chips = chips.flat_map(|g| g.chips.iter().map(|(chip, _)| *chip));
                let longest = |chip: &str| {
                    let of_chip = family.part.iter().flat_map(|p| &p.names).filter(|n| matches(n, chip));
                    of_chip.max_by_key(|n| n.len()) == Some(name)
                };
                assert!(chips.any(longest), "{name} is the name of no chip");
            }
        }
    }

    #[test]
    fn an_unknown_key_in_an_overlay_is_refused() {
        let good = FILES[0].1;
        assert!(parse(good).is_ok());
        let bad = good.replace("device-id = 0x413", "device-id = 0x413\ndevice-ld = 0x413");
        let error = parse(&bad).expect_err("an unknown key").to_string();
        assert!(error.contains("unknown field `device-ld`"), "{error}");
    }
}
