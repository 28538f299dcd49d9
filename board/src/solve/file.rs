//! From an answer to a board file, and what else would do where there is no answer.

use super::{Plan, Task, effort, solve, words};
use crate::clock;
use crate::units::show_frequency;
use surefoot_chips::{Chip, Supply};
use surefoot_core::config::{Policy, Strategy};

/// What a board file says beside the layout.
#[derive(Clone, Debug)]
pub struct Sheet<'a> {
    /// The board's name.
    pub name: &'a str,
    /// Its chip.
    pub chip: &'a Chip,
    /// What the supply never leaves.
    pub supply: &'a Supply,
    /// The crystal in hertz, if there is one.
    pub hse: Option<u32>,
    /// What an image must bring.
    pub policy: Policy,
    /// Files of public keys, as seen from the board file.
    pub keys: &'a [String],
}

impl Plan {
    /// A board file with this layout: chip, clocks and validation, no pins.
    pub fn board_file(&self, sheet: &Sheet) -> String {
        let Sheet { name, chip, supply, .. } = sheet;
        let policy = match sheet.policy {
            Policy::None => "none",
            Policy::Crc => "crc",
            Policy::Signature => "signature",
        };
        let mut text = format!(
            "# {name}: the layout is surefoot's answer for {}; pins, USB ids and the rest are yours to add.\n\
             name = \"{name}\"\nchip = \"{}\"\nvoltage = \"{}\"          # what the supply never leaves\n\n{}\n[clock]\n",
            chip.name,
            chip.name,
            supply.range,
            self.section(),
        );
        match sheet.hse {
            Some(hse) => text.push_str(&format!("hse = \"{}\"\n", show_frequency(hse))),
            None => text
                .push_str("# hse = \"8 MHz\"               # the crystal, without which USB is not exact\n"),
        }
        text.push_str(&format!("sysclk = \"{}\"\n\n", show_frequency(sysclk(sheet))));
        text.push_str(
            "[boot]\nwatchdog = true                # the bootloader starts the independent watchdog\n",
        );
        if self.request.journal.is_some() {
            text.push_str(
                "trial-boots = 3                # boots in which a new image has to confirm itself\n",
            );
        }
        text.push('\n');
        let keys: Vec<String> = sheet.keys.iter().map(|k| format!("{k:?}")).collect();
        text.push_str(&format!("[validation]\npolicy = \"{policy}\"\nkeys = [{}]\n", keys.join(", ")));
        text
    }
}

/// The fastest SYSCLK that goes with USB.
fn sysclk(sheet: &Sheet) -> u32 {
    let most = sheet.chip.clock.map_or(0, |c| c.max_mhz);
    let legal = |mhz: &u32| clock::solve(sheet.chip, sheet.supply, sheet.hse, false, mhz * 1_000_000).is_ok();
    // Where no crystal does, the board file is refused for the crystal.
    (24..=most).rev().find(legal).unwrap_or(most) * 1_000_000
}

/// What takes an application that `task` has no room for: other strategies on this chip, the same
/// strategy on the chips that differ in nothing but the size of their flash.
pub fn instead(chip: &Chip, task: &Task) -> Vec<String> {
    let mut ways = Vec::new();
    for strategy in [Strategy::Ab, Strategy::Backup, Strategy::Single] {
        let other = Task { strategy, ..*task };
        if strategy != task.strategy && solve(chip, &other, None).is_ok() {
            ways.push(format!("strategy \"{}\"", words::strategy(strategy)));
        }
    }
    // The last letter of an F4's name is its flash.
    let Some(line) = chip.name.get(..chip.name.len() - 1) else { return ways };
    let mut sisters: Vec<Chip> = surefoot_chips::names()
        .filter(|name| name.len() == chip.name.len() && name.starts_with(line))
        .filter_map(|name| surefoot_chips::find(name).ok())
        .filter(|c| c.default_flash().size() > chip.default_flash().size() && c.binary_family.is_some())
        .collect();
    sisters.sort_by_key(|c| c.default_flash().size());
    let fits = |c: &&Chip| {
        let plan = solve(c, &Task { banks: None, ..*task }, None);
        plan.is_ok_and(|p| task.application.is_none_or(|a| effort::image_len(a) <= p.capacity.into()))
    };
    if let Some(sister) = sisters.iter().find(fits) {
        ways.push(format!("{} with the same pins", sister.name));
    }
    ways
}
