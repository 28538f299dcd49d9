//! `surefoot protect`: the option bytes that guard a board: shown, explained, and changed after a question.

use super::info::state::{protection_json, protection_rows};
use super::talk::with_session;
use crate::board::Loaded;
use crate::exit::Exit;
use crate::link::LinkOptions;
use crate::output::{BOLD, GOOD, Report, Table, Ui};
use crate::problem::Problem;
use clap::{Args, ValueEnum};
use serde_json::json;
use surefoot_host::job::{BrownOut, Change, JobError, Level, Protection, Refusal};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    link: LinkOptions,
    /// Write-protect the bootloader's own sector
    #[arg(long)]
    bootloader: bool,
    /// Read protection: 1 keeps probes out, 2 does so for ever
    #[arg(long, value_enum)]
    level: Option<LevelName>,
    /// Brown-out reset: below this supply the chip is held in reset
    #[arg(long, value_enum)]
    bor: Option<BorName>,
    /// Needed for level 2, which can never be taken back
    #[arg(long)]
    i_understand_this_is_for_ever: bool,
    /// For level 2 without a terminal: the board's name, as in the board file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Level 2 although the bootloader's sector is not write-protected, and never can be afterwards
    #[arg(long, conflicts_with = "bootloader")]
    without_write_protection: bool,
    /// Tell what would be changed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelName {
    /// None
    #[value(name = "0")]
    Zero,
    /// No access with a probe
    #[value(name = "1")]
    One,
    /// No probe and no ST bootloader, for ever
    #[value(name = "2")]
    Two,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BorName {
    /// No threshold of its own
    Off,
    /// About 2.2 V
    #[value(name = "1")]
    One,
    /// About 2.5 V
    #[value(name = "2")]
    Two,
    /// About 2.8 V
    #[value(name = "3")]
    Three,
}

const WRITE: &str = "Write protection of the bootloader's sector: neither a runaway application nor a bootloader \
    update can erase or program it any more; updates of the application go on as before. The option bytes \
    undo it, with a debug probe while read protection is not at level 2 (RM0090, 3.7.4).";
const LEVEL_1: &str = "Read protection level 1: the flash cannot be read or changed with a debug probe, from RAM or \
    through ST's ROM bootloader; from flash everything runs as before. What is in it is no secret: over USB \
    this bootloader reads it out to whoever asks. Going back to level 0 erases the whole \
    flash, the bootloader too. With a debugger connected it takes a power-on reset (RM0090, 3.7.3).";
const LEVEL_2: &str = "Read protection level 2: level 1, and the debug port and ST's ROM bootloader are off permanently. \
    No level and no option byte can be changed any more, by anybody; if the bootloader is ever lost, the chip is \
    lost (RM0090, 3.7.3).";
const NEVER_GUARDED: &str = "The bootloader's sector is not write-protected and never can be afterwards, as \
    --without-write-protection asked for.";
const BROWN_OUT: &str = "Brown-out reset: the chip stays in reset while its supply is below the threshold, so that \
    flash is not programmed with too little voltage. Above the lowest supply of the board the chip would not \
    start (RM0090, 5.2.2).";
const CUT: &str = "The chip erases all option bytes before it programs the new ones (RM0090, 3.7.2): keep the supply \
    on for the moment that it takes. After a cut in it, read protection may be at level 1.";

/// Shows; and changes, when asked to.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    let change = change(arguments);
    let confirms = arguments.i_understand_this_is_for_ever || arguments.without_write_protection;
    if arguments.level.is_none() && (confirms || arguments.name.is_some()) {
        return Err(Problem::new(
            Exit::Usage,
            "usage",
            "--i-understand-this-is-for-ever, --without-write-protection and --name go with --level 2",
            "They confirm what cannot be taken back, and nothing of the kind was asked for.",
            "Add --level 2, or leave them out.",
        ));
    }
    with_session(&arguments.link, ui, |session, board| {
        let info = session.target().info().copied();
        let before = info.as_ref().and_then(Protection::told_by);
        let before = before.ok_or(JobError::from(Refusal::NoOptions))?;
        let wanted = before.with(change).map_err(JobError::from)?;
        let board = board.filter(|b| info.is_some_and(|i| i.board_id == b.board.id));
        supply_suffices(change, board)?;
        if wanted == before {
            return Ok(shown(before, change == Change::default()));
        }
        session.target().allows_options().map_err(JobError::from)?;
        guarded_first(arguments, before, wanted)?;
        if arguments.dry_run {
            return Ok(changed(before, wanted, "would be"));
        }
        agree(arguments, before, wanted, board, ui)?;
        let after = session.protect(change)?;
        Ok(changed(before, after, "are"))
    })
}

fn change(arguments: &Arguments) -> Change {
    let level = arguments.level.map(|level| match level {
        LevelName::Zero => Level::Open,
        LevelName::One => Level::Protected,
        LevelName::Two => Level::Locked,
    });
    let brown_out = arguments.bor.map(|bor| match bor {
        BorName::Off => BrownOut::Off,
        BorName::One => BrownOut::Low,
        BorName::Two => BrownOut::Medium,
        BorName::Three => BrownOut::High,
    });
    Change { bootloader: arguments.bootloader, level, brown_out }
}

/// Level 2 is the last moment in which the bootloader's sector can be write-protected.
fn guarded_first(arguments: &Arguments, before: Protection, wanted: Protection) -> Result<(), Problem> {
    let locks = before.level() != wanted.level() && wanted.level() == Level::Locked;
    if !locks || wanted.guards_bootloader() || arguments.without_write_protection {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Unconfirmed,
        "protect.unguarded",
        "the bootloader's sector is not write-protected, and after level 2 it never can be",
        "No option byte changes after level 2 (RM0090, 3.7.3): a runaway application that erases the bootloader \
         would cost the chip.",
        "Add --bootloader, which write-protects its sector too; or --without-write-protection if it is to stay \
         writable for ever.",
    ))
}

/// A threshold above the board's lowest supply would keep it in reset.
fn supply_suffices(change: Change, board: Option<&Loaded>) -> Result<(), Problem> {
    // The greatest rising thresholds (DS8626 Rev 9, table 19), in millivolts.
    let threshold = match change.brown_out {
        None | Some(BrownOut::Off) => return Ok(()),
        Some(BrownOut::Low) => 2330,
        Some(BrownOut::Medium) => 2630,
        Some(BrownOut::High) => 2920,
    };
    let Some(lowest) = board.map(|b| b.board.supply.millivolts().0) else {
        return Err(Problem::new(
            Exit::Input,
            "protect.supply",
            format!("the board's lowest supply is not known, the threshold is as high as {threshold} mV"),
            "Below the threshold the chip is held in reset: such a board would not start, and nothing could take it back.",
            "Name the board file with --board: its `voltage` tells.",
        ));
    };
    match Some(lowest).filter(|lowest| *lowest < threshold) {
        None => Ok(()),
        Some(lowest) => Err(Problem::new(
            Exit::Input,
            "protect.supply",
            format!(
                "the board's supply may be as low as {lowest} mV, the threshold as high as {threshold} mV"
            ),
            "Below the threshold the chip is held in reset: such a board would not start.",
            "Take a lower level, or correct `voltage` in the board file.",
        )),
    }
}

/// Everything that is changed is explained, and somebody has to agree.
fn agree(
    arguments: &Arguments,
    before: Protection,
    wanted: Protection,
    board: Option<&Loaded>,
    ui: &Ui,
) -> Result<(), Problem> {
    for text in explanations(before, wanted) {
        ui.note(&wrapped(text));
    }
    if wanted.level() == Level::Locked {
        return agree_for_ever(arguments, board, ui);
    }
    if ui.confirm("Change the option bytes?") {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Unconfirmed,
        "unconfirmed",
        "not confirmed: change the option bytes",
        "This bootloader never removes protection, and the change was not confirmed.",
        "Answer y on a terminal, or add --yes.",
    ))
}

fn explanations(before: Protection, wanted: Protection) -> Vec<&'static str> {
    let level = before.level() != wanted.level();
    let table = [
        (before.guards_bootloader() != wanted.guards_bootloader(), WRITE),
        (level && wanted.level() == Level::Protected, LEVEL_1),
        (level && wanted.level() == Level::Locked, LEVEL_2),
        (level && wanted.level() == Level::Locked && !wanted.guards_bootloader(), NEVER_GUARDED),
        (before.brown_out() != wanted.brown_out(), BROWN_OUT),
        (true, CUT),
    ];
    table.into_iter().filter(|(is_changed, _)| *is_changed).map(|(_, text)| text).collect()
}

/// --yes is not enough for what can never be undone: the words are spelled out and the board is named.
fn agree_for_ever(arguments: &Arguments, board: Option<&Loaded>, ui: &Ui) -> Result<(), Problem> {
    let problem = |what: &str, remedy: &str| {
        Problem::new(
            Exit::Unconfirmed,
            "protect.for-ever",
            what,
            "Read protection level 2 can never be taken back, and no probe and no ST tool reaches the chip any more.",
            remedy,
        )
    };
    let Some(board) = board else {
        return Err(problem(
            "level 2 needs the board file of the connected board",
            "Give it with --board, so that the board is known by name.",
        ));
    };
    if !arguments.i_understand_this_is_for_ever {
        return Err(problem(
            "level 2 was not confirmed",
            "Add --i-understand-this-is-for-ever, and give the board's name when it is asked for or with --name.",
        ));
    }
    let name = board.board.name.as_str();
    let given = match &arguments.name {
        Some(given) => Some(given.clone()),
        None => ui.ask("Type the board's name to lock it permanently:"),
    };
    match given {
        Some(given) if given == name => Ok(()),
        Some(_) => {
            Err(problem("that is not the connected board's name", "Look at the board file, and try again."))
        }
        None => Err(problem("the board's name was not typed", "Run it on a terminal, or give --name NAME.")),
    }
}

/// Nothing was asked for, or it is in force already.
fn shown(now: Protection, only_looking: bool) -> Report {
    let mut table = Table::default();
    protection_rows(&mut table, now);
    let mut text = table.text();
    if only_looking {
        for (option, explanation) in [
            ("--bootloader", WRITE),
            ("--level 1", LEVEL_1),
            ("--level 2", LEVEL_2),
            ("--bor LEVEL", BROWN_OUT),
        ] {
            text.push_str(&format!("\n{BOLD}{option}{BOLD:#}\n{}\n", wrapped(explanation)));
        }
    } else {
        text.push_str(&format!("{GOOD}nothing to change{GOOD:#}\n"));
    }
    let json = json!({ "changed": false, "dry_run": false, "protection": protection_json(now) });
    Report::new(json, text)
}

fn changed(before: Protection, after: Protection, verb: &str) -> Report {
    let mut table = Table::default();
    table.row("option bytes", format!("{verb} 0x{:08X}, before 0x{:08X}", after.0, before.0));
    protection_rows(&mut table, after);
    let dry_run = verb != "are";
    let mut text = table.text();
    let mut explanation = explanations(before, after);
    if !dry_run {
        // Said before; what is left is when it counts.
        explanation.retain(|text| *text == LEVEL_1 || *text == LEVEL_2);
        explanation = if explanation.is_empty() { vec![] } else { vec![IN_FORCE] };
    }
    for line in &explanation {
        text.push_str(&format!("\n{}\n", wrapped(line)));
    }
    let json = json!({
        "changed": !dry_run,
        "dry_run": dry_run,
        "before": protection_json(before),
        "protection": protection_json(after),
        "explanation": explanation,
    });
    Report::new(json, text)
}

const IN_FORCE: &str = "Switch the supply off and on once: while a debugger is connected, read protection takes a \
    power-on reset and not a system reset (RM0090, 3.7.3).";

/// Lines of at most 100 characters, two blanks before each.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 98 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!(" {word}")),
        }
    }
    lines.iter().map(|line| format!(" {line}")).collect::<Vec<_>>().join("\n")
}
