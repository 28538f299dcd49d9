//! `surefoot layout --chip`: the best layout for a chip, an application and a strategy, or why none.

use super::{map_json, write_scripts};
use crate::board::refused;
use crate::draw;
use crate::exit::Exit;
use crate::number;
use crate::output::{Report, Table};
use crate::problem::Problem;
use crate::shown;
use crate::verbs::new::StrategyName;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use surefoot_board::layout::Use;
use surefoot_board::solve::effort::{Effort, Took, effort};
use surefoot_board::solve::file::{Sheet, instead};
use surefoot_board::solve::words::{seconds, strategy};
use surefoot_board::solve::{Impossible, Plan, Task, solve};
use surefoot_board::{Board, units};
use surefoot_chips::{Banks, Chip, Supply};
use surefoot_core::config::{Policy, Strategy};
use surefoot_host::files;

/// What a layout is looked for with.
#[derive(Debug, Args)]
pub struct Question {
    /// Find the best layout for this chip, without a board file
    #[arg(long, conflicts_with = "board")]
    pub chip: Option<String>,
    /// Bytes of the application without its manifest (120K); left out: as many as can be had
    #[arg(long, requires = "chip", value_parser = number::size)]
    pub application: Option<u32>,
    /// What an update does with the slots; left out: all strategies side by side
    #[arg(long, value_enum, requires = "chip")]
    pub strategy: Option<StrategyName>,
    /// Bytes of the bootloader
    #[arg(long, requires = "chip", value_parser = number::size, default_value = "16K")]
    pub bootloader: u32,
    /// What the supply never leaves, as in a board file; it decides how fast the flash is
    #[arg(long, requires = "chip", default_value = VOLTAGE)]
    pub voltage: String,
    /// Use the flash as two banks, where the chip leaves the choice
    #[arg(long, requires = "chip")]
    pub dual_bank: bool,
    /// No journal: no trial boots, no downgrade protection, no boot log (strategy single only)
    #[arg(long, requires = "chip")]
    pub no_journal: bool,
    /// The crystal, for --write (8MHz)
    #[arg(long, requires = "chip", value_parser = crystal)]
    pub hse: Option<u32>,
    /// Write a board file with this layout, which must not be there yet
    #[arg(long, requires = "strategy", value_name = "BOARD.toml")]
    pub write: Option<PathBuf>,
}

/// The supply that most boards have.
pub const VOLTAGE: &str = "2.7V-3.6V";

impl Question {
    /// The biggest application, at a supply.
    pub fn new(voltage: &str) -> Self {
        Self {
            chip: None,
            application: None,
            strategy: None,
            bootloader: 16 * 1024,
            voltage: voltage.to_owned(),
            dual_bank: false,
            no_journal: false,
            hse: None,
            write: None,
        }
    }
}

/// A crystal's frequency on the command line.
pub fn crystal(text: &str) -> Result<u32, String> {
    units::frequency(text).ok_or_else(|| "a frequency such as 8MHz is expected".to_owned())
}

/// A question whose chip and supply are known.
pub struct Asked {
    chip: Chip,
    supply: &'static Supply,
    task: Task,
}

impl Question {
    /// Looks chip and supply up.
    pub fn look_up(&self, name: &str) -> Result<Asked, Problem> {
        let chip = surefoot_chips::find(name).map_err(|e| {
            let why = "Sectors, RAM and flash times come from the chip's name.";
            Problem::new(Exit::Input, "layout.chip", e.to_string(), why, "Write it as in STM32F407VG.")
        })?;
        if chip.binary_family.is_none() {
            return Err(Problem::new(
                Exit::Input,
                "layout.no-bootloader",
                format!("a bootloader for {} is not available yet", chip.name),
                "There is one for STM32F4 parts with USB.",
                "Choose one of them.",
            ));
        }
        let plain = self.voltage.replace(' ', "");
        let Some(supply) = chip.supplies.iter().find(|s| s.range.eq_ignore_ascii_case(&plain)) else {
            let ranges: Vec<&str> = chip.supplies.iter().map(|s| s.range.as_str()).collect();
            return Err(Problem::new(
                Exit::Input,
                "layout.voltage",
                format!("\"{}\" is no supply range of {}", self.voltage, chip.name),
                "The supply decides how many bytes the flash takes at once.",
                &format!("Use the one that the supply never leaves: {}.", ranges.join(", ")),
            ));
        };
        let task = Task {
            banks: self.dual_bank.then_some(Banks::Dual),
            bootloader: self.bootloader,
            application: self.application,
            journal: !self.no_journal,
            ..Task::new(Strategy::Single)
        };
        Ok(Asked { chip, supply, task })
    }
}

impl Asked {
    /// The best layout under a strategy.
    pub fn plan(&self, strategy: Strategy) -> Result<Plan, Problem> {
        let task = Task { strategy, ..self.task };
        solve(&self.chip, &task, self.chip.timing(self.supply.unit)).map_err(|error| {
            let ways = instead(&self.chip, &task);
            let remedy = match ways.as_slice() {
                _ if matches!(error, Impossible::Arrangement(_)) => "Leave --dual-bank out.".to_owned(),
                [] if matches!(error, Impossible::NoSectors { .. }) => {
                    "Take a smaller bootloader (16K is the usual one), or a chip with more sectors."
                        .to_owned()
                }
                [] => "Make the application smaller, or take a chip with more flash.".to_owned(),
                ways => format!("These would do: {}.", ways.join("; ")),
            };
            let why = "Flash is erased in whole sectors, so a slot is a run of whole sectors.";
            Problem::new(Exit::Input, "layout.impossible", error.to_string(), why, &remedy)
        })
    }

    /// What a board file says beside the layout.
    pub fn sheet<'a>(
        &'a self,
        name: &'a str,
        hse: Option<u32>,
        policy: Policy,
        keys: &'a [String],
    ) -> Sheet<'a> {
        Sheet { name, chip: &self.chip, supply: self.supply, hse, policy, keys }
    }

    fn effort(&self, plan: &Plan) -> Option<Effort> {
        let trial_boots = if plan.request.journal.is_some() { 3 } else { 0 };
        Some(effort(plan, self.chip.timing(self.supply.unit)?, trial_boots))
    }
}

/// Answers.
pub fn run(question: &Question, chip: &str, out: Option<&Path>) -> Result<Report, Problem> {
    let asked = question.look_up(chip)?;
    let Some(name) = question.strategy else {
        if out.is_some() {
            return Err(Problem::new(
                Exit::Usage,
                "layout.strategy",
                "--out needs a strategy",
                "Each strategy has linker scripts of its own.",
                "Give --strategy single, backup or ab.",
            ));
        }
        return side_by_side(&asked);
    };
    if question.no_journal && name != StrategyName::Single {
        return Err(Problem::new(
            Exit::Usage,
            "layout.no-journal",
            "two slots need a journal",
            "It says which image is confirmed.",
            "Leave --no-journal out.",
        ));
    }
    let plan = asked.plan(name.strategy())?;
    let written = write(question, &asked, &plan, out)?;
    Ok(Report::new(to_json(&asked, &plan, &written), to_text(&asked, &plan, &written)))
}

fn write(
    question: &Question,
    asked: &Asked,
    plan: &Plan,
    out: Option<&Path>,
) -> Result<Vec<PathBuf>, Problem> {
    let file = question.write.as_deref();
    let stem = file.and_then(Path::file_stem).and_then(|s| s.to_str()).filter(|s| *s != "board");
    let sheet = asked.sheet(stem.unwrap_or("my-board"), question.hse, Policy::Crc, &[]);
    let mut written = Vec::new();
    if file.is_none() && out.is_none() {
        return Ok(written);
    }
    let text = plan.board_file(&sheet);
    let board = Board::parse(&text, Path::new("")).map_err(|e| refused(&e))?;
    if let Some(file) = file {
        if file.exists() {
            return Err(Problem::new(
                Exit::Input,
                "layout.exists",
                format!("{} exists already", file.display()),
                "A board file is never written over.",
                "Choose another name, or move the file away.",
            ));
        }
        files::write_bytes(file, text.as_bytes())?;
        written.push(file.to_owned());
    }
    if let Some(folder) = out {
        written.extend(write_scripts(&board, folder)?);
    }
    Ok(written)
}

fn to_json(asked: &Asked, plan: &Plan, written: &[PathBuf]) -> Value {
    let area = |what| plan.layout.area(what).map(|a| json!({ "base": a.base, "length": a.size }));
    json!({
        "chip": asked.chip.name,
        "strategy": strategy(plan.task.strategy),
        "application": plan.task.application,
        "room": plan.room(),
        "slots": plan.layout.slots().map(|a| json!({ "base": a.base, "length": a.size })).collect::<Vec<_>>(),
        "journal": area(Use::Journal),
        "bootloader": area(Use::Bootloader),
        "map": map_json(&plan.layout.map()),
        "effort": asked.effort(plan).map(|e| effort_json(&e)),
        "section": plan.section(),
        "written": shown::paths(written),
    })
}

fn effort_json(effort: &Effort) -> Value {
    let took = |t: &Took| json!({ "typical": t.typical, "max": t.max });
    json!({
        "image": effort.image,
        "update_ms": took(&effort.update),
        "copy_ms": effort.copy.as_ref().map(took),
        "way_back_ms": effort.way_back.as_ref().map(took),
        "erased": effort.erased.iter().map(|(u, n)| json!({ "use": u.name(), "sectors": n })).collect::<Vec<_>>(),
        "updates_per_erase": effort.updates_per_erase,
        "updates_per_journal_erase": effort.journal_updates,
    })
}

fn to_text(asked: &Asked, plan: &Plan, written: &[PathBuf]) -> String {
    let mut table = Table::default();
    table
        .row("chip", format!("{}, {}", asked.chip.name, asked.supply.range))
        .row("strategy", strategy(plan.task.strategy))
        .row("application", format!("{} bytes at most", plan.room()));
    for (label, value) in asked.effort(plan).map(|e| e.lines()).unwrap_or_default() {
        table.row(label, value);
    }
    if plan.task.banks.is_none() && asked.chip.flash_with(Banks::Dual) != Some(&plan.layout.flash) {
        let dual = Task { banks: Some(Banks::Dual), ..plan.task };
        if let Ok(dual) = solve(&asked.chip, &dual, None).map(|p| p.room())
            && dual > plan.room()
        {
            table.row("two banks", format!("{dual} bytes with --dual-bank (an option bit of the chip)"));
        }
    }
    for path in written {
        table.row("written", path.display().to_string());
    }
    format!("{}\n{}\n{}", draw::map(&plan.layout.map()), table.text(), plan.section())
}

/// All strategies, with what each holds.
fn side_by_side(asked: &Asked) -> Result<Report, Problem> {
    let mut fits = false;
    let mut table = Table::default();
    let mut all = Vec::new();
    for which in [Strategy::Single, Strategy::Backup, Strategy::Ab] {
        let word = strategy(which);
        match asked.plan(which) {
            Ok(plan) => {
                let took = asked.effort(&plan).map_or(0, |e| e.update.max);
                table.row(word, format!("{} bytes, update {} at most", plan.room(), seconds(took)));
                all.push(to_json(asked, &plan, &[]));
                fits = true;
            }
            Err(problem) => {
                table.row(word, problem.what.clone());
                all.push(json!({ "strategy": word, "impossible": problem.what }));
            }
        }
    }
    if !fits {
        // What one slot has no room for has none in two.
        asked.plan(Strategy::Single)?;
    }
    Ok(Report::new(json!({ "chip": asked.chip.name, "strategies": all }), table.text()))
}
