//! `surefoot new`: a board file to start from, with its keys, and what to do next.

use super::image::keygen::public_beside;
use super::layout::solve::{Asked, Question, VOLTAGE, crystal};
use crate::board::refused;
use crate::exit::Exit;
use crate::number;
use crate::output::{BOLD, Report};
use crate::problem::Problem;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_board::Board;
use surefoot_board::solve::Plan;
use surefoot_board::solve::words::strategy;
use surefoot_core::config::{Policy, Strategy};
use surefoot_host::files::{self, FileError};
use surefoot_host::image::keys;
use surefoot_sim::ChipModel;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The board's name; the folder of this name is made and filled
    name: String,
    /// The example to start from
    #[arg(long, value_enum, default_value = "f4-discovery", conflicts_with = "chip")]
    example: Example,
    /// Start from this chip and the best layout for it; `surefoot layout --chip` shows it beforehand
    #[arg(long)]
    chip: Option<String>,
    /// Bytes of the application that has to fit (120K); left out: as many as can be had
    #[arg(long, requires = "chip", value_parser = number::address)]
    application: Option<u32>,
    /// The crystal (8MHz)
    #[arg(long, requires = "chip", value_parser = crystal)]
    hse: Option<u32>,
    /// What the supply never leaves
    #[arg(long, requires = "chip", default_value = VOLTAGE)]
    voltage: String,
    /// What an update does with the slots
    #[arg(long, value_enum, default_value = "single")]
    strategy: StrategyName,
    /// What an image must bring
    #[arg(long, value_enum, default_value = "signature")]
    policy: PolicyName,
    /// Trust this public key and make no pair
    #[arg(long, conflicts_with = "no_keys")]
    key: Option<PathBuf>,
    /// Make no keys
    #[arg(long)]
    no_keys: bool,
    /// Put the files here and not into a folder of the board's name
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Example {
    #[value(name = "f4-discovery")]
    F4Discovery,
}

impl Example {
    const fn text(self, strategy: StrategyName) -> &'static str {
        match (self, strategy) {
            (Self::F4Discovery, StrategyName::Single) => include_str!("../../../boards/f4-discovery.toml"),
            (Self::F4Discovery, StrategyName::Backup) => {
                include_str!("../../../boards/f4-discovery-backup.toml")
            }
            (Self::F4Discovery, StrategyName::Ab) => include_str!("../../../boards/f4-discovery-ab.toml"),
        }
    }
}

/// The strategies by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyName {
    /// One slot
    Single,
    /// One slot, and one for the old image
    Backup,
    /// Two slots that run in turn
    Ab,
}

impl StrategyName {
    /// As it stands in the configuration block.
    pub const fn strategy(self) -> Strategy {
        match self {
            Self::Single => Strategy::Single,
            Self::Backup => Strategy::Backup,
            Self::Ab => Strategy::Ab,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyName {
    None,
    Crc,
    Signature,
}

/// Writes the files.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let name = arguments.name.as_str();
    if name.is_empty()
        || name.starts_with(['.', '-'])
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Err(Problem::new(
            Exit::Usage,
            "new.name",
            format!("{name:?} cannot be a board's name"),
            "It becomes a folder and goes into images.",
            "Use letters, digits, - and _; begin with a letter or a digit.",
        ));
    }
    let folder = arguments.folder.clone().unwrap_or_else(|| PathBuf::from(name));
    let file = folder.join("board.toml");
    if file.exists() {
        return Err(Problem::new(
            Exit::Input,
            "new.exists",
            format!("{} exists already", file.display()),
            "A board file is never written over.",
            "Choose another name, or move the file away.",
        ));
    }
    // Whatever may be wrong with the keys is told before anything is made.
    if let Some(key) = &arguments.key {
        keys::read_public(key)?;
    }
    if arguments.no_keys && arguments.policy == PolicyName::Signature {
        return Err(Problem::new(
            Exit::Usage,
            "new.no-keys",
            "the policy \"signature\" needs a public key, and --no-keys was given",
            "A board that trusts no key takes no image at all.",
            "Give --key PUBLIC.pem, or --policy crc or none.",
        ));
    }
    if arguments.policy == PolicyName::None && arguments.strategy != StrategyName::Single {
        return Err(Problem::new(
            Exit::Usage,
            "new.no-manifest",
            "a strategy with two slots knows images by their manifest, and the policy \"none\" asks for none",
            "Without it nobody could say which image is confirmed.",
            "Give --policy crc or signature.",
        ));
    }
    let start = Start::of(&arguments)?;
    make_folder(&folder)?;
    let keys = keys_for(&arguments, name, &folder)?;
    let text = start.text(name, arguments.policy, keys.public_name.as_deref());
    let board = Board::parse(&text, &folder).map_err(|e| refused(&e))?;
    files::write_bytes(&file, text.as_bytes())?;
    let json = json!({
        "board": file,
        "id": board.id,
        "chip": board.chip.name,
        "strategy": strategy(board.strategy),
        "private_key": keys.private,
        "public_key": keys.public_name.map(|n| folder.join(n)),
    });
    Ok(Report::new(json, next_steps(&board, &file, keys.private.as_deref(), arguments.policy)))
}

/// What the board file begins as.
enum Start {
    Example(&'static str),
    Chip(Box<Asked>, Box<Plan>, Option<u32>),
}

impl Start {
    /// Looks everything up that can be refused.
    fn of(arguments: &Arguments) -> Result<Self, Problem> {
        let Some(chip) = &arguments.chip else {
            return Ok(Self::Example(arguments.example.text(arguments.strategy)));
        };
        let question = Question { application: arguments.application, ..Question::new(&arguments.voltage) };
        // Images without a manifest leave nothing for a journal to go by.
        let question = Question { no_journal: arguments.policy == PolicyName::None, ..question };
        let asked = question.look_up(chip)?;
        let plan = asked.plan(arguments.strategy.strategy())?;
        let sheet = asked.sheet("probe", arguments.hse, Policy::Crc, &[]);
        // A crystal that does not do is told before anything is made.
        Board::parse(&plan.board_file(&sheet), Path::new("")).map_err(|e| refused(&e))?;
        Ok(Self::Chip(Box::new(asked), Box::new(plan), arguments.hse))
    }

    /// The board file.
    fn text(&self, name: &str, policy: PolicyName, key: Option<&str>) -> String {
        match self {
            Self::Example(example) => filled(example, name, policy, key),
            Self::Chip(asked, plan, hse) => {
                let policy = match policy {
                    PolicyName::None => Policy::None,
                    PolicyName::Crc => Policy::Crc,
                    PolicyName::Signature => Policy::Signature,
                };
                let keys: Vec<String> = key.iter().map(|k| (*k).to_owned()).collect();
                let text = plan.board_file(&asked.sheet(name, *hse, policy, &keys));
                text.replace("watchdog = true", &format!("{WATCHDOG}watchdog = true"))
            }
        }
    }
}

struct Keys {
    private: Option<PathBuf>,
    /// As the board file names it, relative to its folder.
    public_name: Option<String>,
}

fn keys_for(arguments: &Arguments, name: &str, folder: &Path) -> Result<Keys, Problem> {
    if let Some(key) = &arguments.key {
        let target = folder.join("keys").join(format!("{name}.pub.pem"));
        make_folder(&folder.join("keys"))?;
        files::write_bytes(&target, &files::read_bytes(key)?)?;
        return Ok(Keys { private: None, public_name: Some(format!("keys/{name}.pub.pem")) });
    }
    if arguments.no_keys || arguments.policy != PolicyName::Signature {
        return Ok(Keys { private: None, public_name: None });
    }
    make_folder(&folder.join("keys"))?;
    let private = folder.join("keys").join(format!("{name}.pem"));
    keys::write_pair(&keys::generate()?, &private, &public_beside(&private), None)?;
    Ok(Keys { private: Some(private), public_name: Some(format!("keys/{name}.pub.pem")) })
}

fn make_folder(folder: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(folder).map_err(|source| FileError::Write { path: folder.to_owned(), source })
}

/// What a newcomer's first application falls over.
const WATCHDOG: &str = "\
# The bootloader starts the independent watchdog, which nothing but a reset stops: the application\n\
# must feed it, at the latest every 20 s (write 0xAAAA to IWDG_KR, 0x40003000). false: it runs only while\n\
# a new image is on trial, on boards that have trials: such an image confirms itself or feeds it in 20 s.\n";

/// The example with its name, policy and keys replaced; everything else, comments too, stays.
fn filled(example: &str, name: &str, policy: PolicyName, key: Option<&str>) -> String {
    let policy = match policy {
        PolicyName::None => "none",
        PolicyName::Crc => "crc",
        PolicyName::Signature => "signature",
    };
    let keys = key.map_or(String::new(), |k| format!("{k:?}"));
    let mut text = String::new();
    for (index, line) in example.lines().enumerate() {
        let key = line.split('=').next().unwrap_or("").trim();
        match key {
            _ if index == 0 && line.starts_with('#') => {
                text.push_str(&format!("# {name}: from the example, {}", line.trim_start_matches("# ")));
            }
            "name" => text.push_str(&format!("name = {name:?}")),
            "policy" => text.push_str(&format!("policy = {policy:?}")),
            "watchdog" if line.contains("true") => {
                text.push_str(WATCHDOG);
                text.push_str(line);
            }
            "keys" => text.push_str(&format!("keys = [{keys}]")),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn next_steps(board: &Board, file: &Path, private: Option<&Path>, policy: PolicyName) -> String {
    let file = shell(file);
    let slot = board.slot();
    let sign = match (policy, private) {
        (PolicyName::Signature, Some(key)) => format!(" --key {}", shell(key)),
        (PolicyName::Signature, None) => " --key PRIVATE.pem".to_owned(),
        _ => String::new(),
    };
    let keep = private.map_or(String::new(), |key| {
        format!(
            "Keep {} secret and a copy of it safe: who has it can sign, without it nobody can.\n",
            key.display()
        )
    });
    let slots = match board.running_slots()[..] {
        [a, b] => format!(
            "slots at 0x{:08X} with {} bytes and at 0x{:08X} with {}",
            a.base, a.length, b.base, b.length
        ),
        _ => format!("application at 0x{:08X} with {} bytes", slot.base, slot.length),
    };
    let (scripts, twice) = match board.strategy {
        Strategy::Ab => (
            "memory-a.x, memory-b.x, .ld and header for the application",
            "      (once linked for slot A, once for slot B)",
        ),
        _ => ("memory.x, .ld and header for the application", ""),
    };
    // The board takes whichever build is linked for the slot that is free.
    let (first, files) = match board.strategy {
        Strategy::Ab => ("app-a.dfu", "app-a.dfu app-b.dfu"),
        _ => ("app.dfu", "app.dfu"),
    };
    let virtual_board = match ChipModel::find(board.chip.name) {
        Some(_) => "      (without hardware: --link sim:board.state)",
        None => "",
    };
    format!(
        "{BOLD}{file}{BOLD:#}: {}, bootloader {} bytes, {slots}.\n{keep}\n\
         Next:\n  \
         1. set chip, pins, crystal and layout in {file}\n  \
         2. surefoot layout --board {file} --out link      ({scripts})\n  \
         3. surefoot bootloader --board {file} --out bootloader.hex      (write it once, with a probe or ST's ROM)\n  \
         4. surefoot image sign APP.elf --board {file}{sign} --version 1.0.0 --out {first}{twice}\n  \
         5. surefoot flash {files} --board {file}{virtual_board}\n",
        board.chip.name,
        board.bootloader().length,
    )
}

/// A path as it is written on a command line, quoted where a shell would take it apart.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-+:@%,".contains(c);
    match text.chars().all(plain) {
        true => text,
        false if cfg!(windows) => format!("\"{text}\""),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_path_in_the_next_steps_is_one_word_for_the_shell() {
        assert_eq!(shell(Path::new("mine/board.toml")), "mine/board.toml");
        assert_eq!(shell(Path::new("my boards/it's.toml")), "'my boards/it'\\''s.toml'");
    }

    #[test]
    fn every_example_makes_a_board_under_every_policy() {
        for example in Example::value_variants() {
            for (strategy, policy) in [
                (StrategyName::Single, PolicyName::None),
                (StrategyName::Single, PolicyName::Crc),
                (StrategyName::Backup, PolicyName::Crc),
                (StrategyName::Ab, PolicyName::Crc),
            ] {
                let text = filled(example.text(strategy), "mine", policy, None);
                let board = Board::parse(&text, Path::new(".")).expect("a good board");
                assert_eq!(board.name, "mine");
                assert_eq!(board.keys.len(), 0);
            }
        }
    }
}
