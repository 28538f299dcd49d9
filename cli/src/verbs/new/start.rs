//! The board file that `surefoot new` begins with: an example board's, or one for a chip.
//!
//! An example keeps its pins, crystal and comments; its layout is kept where it is what was asked
//! for, and is the solver's answer otherwise. Nothing is written here.

use super::{Arguments, PolicyName, StrategyName};
use crate::board::refused;
use crate::problem::Problem;
use crate::verbs::layout::solve::{Asked, Question};
use clap::ValueEnum;
use std::path::Path;
use surefoot_board::Board;
use surefoot_board::solve::Plan;
use surefoot_core::config::{Policy, Strategy};

/// The example boards, by the names of their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    /// STM32F4DISCOVERY
    #[value(name = "f4-discovery")]
    F4Discovery,
    /// STM32F4DISCOVERY with two slots that run in turn
    #[value(name = "f4-discovery-ab")]
    F4DiscoveryAb,
    /// STM32F4DISCOVERY with a backup slot
    #[value(name = "f4-discovery-backup")]
    F4DiscoveryBackup,
    /// STM32F407VG with a bootloader of 32K
    #[value(name = "f4-small")]
    F4Small,
    /// WeAct Black Pill V2
    #[value(name = "blackpill-f411ce")]
    Blackpill,
    /// Pixhawk flight controller (FMUv2)
    #[value(name = "fmu-v2")]
    FmuV2,
    /// NUCLEO-F429ZI
    #[value(name = "nucleo-f429zi")]
    NucleoF429,
    /// NUCLEO-F446RE
    #[value(name = "nucleo-f446re")]
    NucleoF446,
}

impl Example {
    const fn text(self) -> &'static str {
        match self {
            Self::F4Discovery => surefoot_boards::F4_DISCOVERY,
            Self::F4DiscoveryAb => surefoot_boards::F4_DISCOVERY_AB,
            Self::F4DiscoveryBackup => surefoot_boards::F4_DISCOVERY_BACKUP,
            Self::F4Small => surefoot_boards::F4_SMALL,
            Self::Blackpill => surefoot_boards::BLACKPILL_F411CE,
            Self::FmuV2 => surefoot_boards::FMU_V2,
            Self::NucleoF429 => surefoot_boards::NUCLEO_F429ZI,
            Self::NucleoF446 => surefoot_boards::NUCLEO_F446RE,
        }
    }

    /// The same board with other layouts, this one first.
    fn variants(self) -> &'static [Self] {
        match self {
            Self::F4Discovery => &[Self::F4Discovery, Self::F4DiscoveryAb, Self::F4DiscoveryBackup],
            Self::F4DiscoveryAb => &[Self::F4DiscoveryAb, Self::F4Discovery, Self::F4DiscoveryBackup],
            Self::F4DiscoveryBackup => &[Self::F4DiscoveryBackup, Self::F4Discovery, Self::F4DiscoveryAb],
            Self::F4Small => &[Self::F4Small],
            Self::Blackpill => &[Self::Blackpill],
            Self::FmuV2 => &[Self::FmuV2],
            Self::NucleoF429 => &[Self::NucleoF429],
            Self::NucleoF446 => &[Self::NucleoF446],
        }
    }

    /// Checked without keys.
    fn board(self) -> Result<Board, Problem> {
        let text = filled(self.text(), "probe", Policy::Crc, &[], None);
        Board::parse(&text, Path::new("")).map_err(|e| refused(&e))
    }

    fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// Those with this chip.
    fn with_chip(chip: &str) -> Vec<String> {
        let all = Self::value_variants().iter().filter(|e| e.variants()[0] == **e);
        all.filter(|e| e.board().is_ok_and(|b| b.chip.name == chip)).map(|e| e.name()).collect()
    }
}

/// What the board file begins as.
pub struct Start {
    from: From,
    /// What the user did not ask for and gets.
    pub notes: Vec<String>,
}

enum From {
    /// Its text, and the layout that takes the place of its own.
    Example(Example, Option<Box<Plan>>),
    Chip(Box<Asked>, Box<Plan>, Option<u32>),
}

impl Start {
    /// Looks everything up that can be refused.
    pub fn of(arguments: &Arguments) -> Result<Self, Problem> {
        let journal = !arguments.no_journal && arguments.policy != PolicyName::None;
        match &arguments.chip {
            Some(chip) => Self::of_chip(arguments, chip, journal),
            None => Self::of_example(arguments.example, arguments.strategy, journal),
        }
    }

    fn of_chip(arguments: &Arguments, chip: &str, journal: bool) -> Result<Self, Problem> {
        let question = Question {
            application: arguments.application,
            no_journal: !journal,
            ..Question::new(&arguments.voltage)
        };
        let asked = question.look_up(chip)?;
        let mut notes = Vec::new();
        let plan = best(&asked, arguments.strategy, journal, &mut notes)?;
        let sheet = asked.sheet("probe", arguments.hse, Policy::Crc, &[]);
        // A crystal that does not do is told before anything is made.
        let board = Board::parse(&plan.board_file(&sheet), Path::new("")).map_err(|e| refused(&e))?;
        let examples = Example::with_chip(board.chip.name);
        if !examples.is_empty() {
            notes.push(format!(
                "with --example {} instead of --chip the file has a board's pins and crystal too",
                examples.join(" or --example ")
            ));
        }
        Ok(Self { from: From::Chip(Box::new(asked), Box::new(plan), arguments.hse), notes })
    }

    fn of_example(example: Example, asked: Option<StrategyName>, journal: bool) -> Result<Self, Problem> {
        let own = example.board()?;
        let wanted = match asked {
            Some(name) => Some(name.strategy()),
            None if !journal => Some(Strategy::Single),
            None if own.has_journal() => Some(own.strategy),
            None => None,
        };
        let mut notes = Vec::new();
        for variant in example.variants() {
            let board = variant.board()?;
            let strategy = wanted.unwrap_or(Strategy::Backup);
            if (board.strategy, board.has_journal()) == (strategy, journal) {
                return Ok(Self { from: From::Example(*variant, None), notes });
            }
        }
        let range = own.supply.range.as_str();
        let question =
            Question { bootloader: own.bootloader().length, no_journal: !journal, ..Question::new(range) };
        let looked_up = question.look_up(own.chip.name)?;
        let plan = match wanted {
            Some(strategy) => looked_up.plan(strategy)?,
            None => best(&looked_up, None, journal, &mut notes)?,
        };
        Ok(Self { from: From::Example(example, Some(Box::new(plan))), notes })
    }

    /// The board file.
    pub fn text(&self, name: &str, policy: PolicyName, keys: &[String]) -> String {
        let policy = match policy {
            PolicyName::None => Policy::None,
            PolicyName::Crc => Policy::Crc,
            PolicyName::Signature => Policy::Signature,
        };
        match &self.from {
            From::Example(example, plan) => filled(example.text(), name, policy, keys, plan.as_deref()),
            From::Chip(asked, plan, hse) => {
                let text = plan.board_file(&asked.sheet(name, *hse, policy, keys));
                with_a_way_in(&text.replace("watchdog = true", &format!("{WATCHDOG}watchdog = true")))
            }
        }
    }
}

/// The layout that was asked for; unasked a backup slot, since its image is linked for one address
/// only, and one slot with a journal where two do not fit.
fn best(
    asked: &Asked,
    strategy: Option<StrategyName>,
    journal: bool,
    notes: &mut Vec<String>,
) -> Result<Plan, Problem> {
    if let Some(name) = strategy {
        return asked.plan(name.strategy());
    }
    if journal {
        match asked.plan(Strategy::Backup) {
            Ok(plan) => return Ok(plan),
            Err(problem) => notes.push(format!("one slot, since two do not fit: {}", problem.what)),
        }
    }
    asked.plan(Strategy::Single)
}

/// What a newcomer's first application falls over.
const WATCHDOG: &str = "\
# The bootloader starts the independent watchdog, which nothing but a reset stops: the application\n\
# must feed it, at the latest every 20 s (write 0xAAAA to IWDG_KR, 0x40003000). false: it runs only while\n\
# a new image is on trial, on boards that have trials: such an image confirms itself or feeds it in 20 s.\n";

/// Where no button asks for update mode, two resets in a row do.
const DOUBLE_TAP: &str =
    "double-tap = \"500 ms\"          # two resets within this time enter update mode; there is no button\n";

fn with_a_way_in(text: &str) -> String {
    let has = |word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
    if has("[button]") || has("double-tap") {
        return text.to_owned();
    }
    match text.contains("\n[boot]\n") {
        true => text.replacen("\n[boot]\n", &format!("\n[boot]\n{DOUBLE_TAP}"), 1),
        false => text.replacen("\n[validation]", &format!("\n[boot]\n{DOUBLE_TAP}\n[validation]"), 1),
    }
}

/// The example with its name, policy, keys and perhaps its layout replaced; everything else, comments
/// too, stays.
fn filled(example: &str, name: &str, policy: Policy, keys: &[String], plan: Option<&Plan>) -> String {
    let policy = match policy {
        Policy::None => "none",
        Policy::Crc => "crc",
        Policy::Signature => "signature",
    };
    let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
    let keys = format!("keys = [{}]", keys.join(", "));
    let has_keys = example.lines().any(|line| line.starts_with("keys "));
    let mut text = String::new();
    let mut section = "";
    for (index, line) in example.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
            if let Some(plan) = plan.filter(|_| line == "[layout]") {
                text.push_str(&plan.section());
                text.push('\n');
            }
        }
        let key = line.split('=').next().unwrap_or("").trim();
        match key {
            _ if section == "[layout]" && plan.is_some() => continue,
            _ if index == 0 && line.starts_with('#') => {
                text.push_str(&format!("# {name}: from the example, {}", line.trim_start_matches("# ")));
            }
            "name" => text.push_str(&format!("name = {name:?}")),
            "policy" if has_keys => text.push_str(&format!("policy = {policy:?}")),
            "policy" => text.push_str(&format!("policy = {policy:?}\n{keys}")),
            "watchdog" if line.contains("true") => {
                text.push_str(WATCHDOG);
                text.push_str(line);
            }
            "keys" => text.push_str(&keys),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    with_a_way_in(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(example: Example, strategy: Option<StrategyName>, policy: PolicyName) -> Board {
        let journal = policy != PolicyName::None;
        let start = Start::of_example(example, strategy, journal).unwrap_or_else(|e| panic!("{}", e.what));
        Board::parse(&start.text("mine", policy, &[]), Path::new(".")).expect("a good board")
    }

    #[test]
    fn every_example_makes_a_board_under_every_strategy_with_a_way_into_update_mode() {
        use StrategyName::*;
        for example in Example::value_variants() {
            for (strategy, policy) in [
                (None, PolicyName::Crc),
                (None, PolicyName::None),
                (Some(Single), PolicyName::Crc),
                (Some(Backup), PolicyName::Crc),
                (Some(Ab), PolicyName::Crc),
            ] {
                let made = board(*example, strategy, policy);
                assert_eq!((made.name.as_str(), made.keys.len()), ("mine", 0), "{example:?}");
                assert_eq!(made.has_journal(), policy != PolicyName::None, "{example:?} {strategy:?}");
                if let Some(strategy) = strategy {
                    assert_eq!(made.strategy, strategy.strategy(), "{example:?}");
                }
                assert!(made.button.is_some() || made.boot.double_tap_ms == 500, "{example:?}");
                let original = example.board().unwrap();
                let same = |a: &Board, b: &Board| {
                    (a.led, a.button, a.chip.name, a.clocks.sysclk_hz, a.bootloader())
                        == (b.led, b.button, b.chip.name, b.clocks.sysclk_hz, b.bootloader())
                };
                assert!(same(&made, &original), "{example:?}");
            }
        }
    }

    #[test]
    fn two_slots_are_the_default_of_every_example_board() {
        for example in Example::value_variants() {
            let wanted = match example {
                Example::F4DiscoveryAb => Strategy::Ab,
                _ => Strategy::Backup,
            };
            let made = board(*example, None, PolicyName::Crc);
            assert_eq!((made.strategy, made.boot.trial_boots), (wanted, 3), "{example:?}");
        }
    }

    #[test]
    fn every_board_file_of_the_project_is_an_example() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "Cargo.toml")
            .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
            .collect();
        let mut known: Vec<String> = Example::value_variants().iter().map(|e| e.name()).collect();
        files.sort();
        known.sort();
        assert_eq!(known, files);
    }
}
