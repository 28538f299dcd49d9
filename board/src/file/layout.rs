//! The section `[layout]`: strategy and regions. Whether they fit the chip is [`Layout::check`]'s business.

use super::{Result, need_section};
use crate::board::Board;
use crate::error::Fault;
use crate::layout::{Layout, LayoutError, Request, Span, Use};
use crate::read::{Item, Section};
use crate::units;
use surefoot_chips::{Banks, Chip};
use surefoot_core::config::Strategy;

const ADDRESS: &str = "an address like \"0x08010000\", or address and size like \"0x08010000 + 64K\"";

pub fn read(file: &mut Section, chip: &Chip) -> Result<(Layout, Strategy)> {
    let example = "[layout] with `bootloader = \"16K\"` and `application = \"0x08004000\"`";
    let mut section = need_section(file, "layout", example)?;
    let strategy = strategy(&mut section)?;
    let bootloader = section.need("bootloader", "bootloader = \"16K\"")?;
    let application = section.need("application", "application = \"0x08010000\"")?;
    let second = slot_of(&mut section, Strategy::Ab, strategy, "application-b = \"0x08080000\"")?;
    let backup = slot_of(&mut section, Strategy::Backup, strategy, "backup = \"0x08080000\"")?;
    let journal = match strategy {
        Strategy::Single => section.get("journal"),
        _ => Some(section.need("journal", "journal = \"0x08004000\"")?),
    };
    let (data, staging) = (section.get("data"), section.get("staging"));
    let dual_bank = section.get("dual-bank");
    let banks = match &dual_bank {
        Some(item) => Some(if item.bool()? { Banks::Dual } else { Banks::Single }),
        None => None,
    };
    let request = Request {
        banks,
        bootloader: bootloader.number("a size like \"16K\"", units::size)?,
        application: span(&application)?,
        second: second.as_ref().map(span).transpose()?,
        backup: backup.as_ref().map(span).transpose()?,
        journal: journal.as_ref().map(span).transpose()?,
        data: data.as_ref().map(span).transpose()?,
        staging: staging.as_ref().map(span).transpose()?,
    };
    let layout = Layout::check(chip, &request).map_err(|e: LayoutError| {
        let key = format!("layout.{}", Board::layout_key(e.what()));
        let others = [second, backup, journal, data, staging, dual_bank].into_iter().flatten();
        let mut items = [bootloader, application.clone()].into_iter().chain(others);
        let item = items.find(|i| i.key == key).unwrap_or(application);
        item.error(Fault::Layout(e))
    })?;
    section.finish()?;
    Ok((layout, strategy))
}

/// What can be chosen.
const STRATEGIES: [(&str, Strategy); 3] =
    [("single", Strategy::Single), ("backup", Strategy::Backup), ("ab", Strategy::Ab)];
/// What comes with a later version: refused by name, so that nobody looks for a mistyped word.
const LATER: [&str; 2] = ["bank-swap", "external"];

fn strategy(section: &mut Section) -> Result<Strategy> {
    let Some(item) = section.get("strategy") else { return Ok(Strategy::Single) };
    match item.text("a word in quotes")? {
        word if LATER.contains(&word) => Err(item.error(Fault::NotYet {
            what: format!("the update strategy \"{word}\""),
            instead: "use \"single\", \"backup\" or \"ab\"".to_string(),
        })),
        _ => item.choice(&STRATEGIES),
    }
}

/// The second slot that belongs to the strategy `of`: it must be there, and under another must not.
fn slot_of<'s>(
    section: &mut Section<'s>,
    of: Strategy,
    strategy: Strategy,
    example: &'static str,
) -> Result<Option<Item<'s>>> {
    let (key, word) = match of {
        Strategy::Ab => (Use::Second.name(), "ab"),
        _ => (Use::Backup.name(), "backup"),
    };
    if of == strategy {
        return section.need(key, example).map(Some);
    }
    match section.get(key) {
        None => Ok(None),
        Some(item) => Err(item.value_fault(
            format!("this slot belongs to the strategy \"{word}\""),
            format!("add `strategy = \"{word}\"`, or take this line out"),
        )),
    }
}

/// An address, or address and size.
fn span(item: &Item) -> Result<Span> {
    if let Ok(text) = item.text(ADDRESS)
        && let Some((base, size)) = text.split_once('+')
    {
        let both = (units::address(base), units::size(size));
        let (Some(base), Some(size)) = both else {
            return Err(item.value_fault(format!("\"{text}\" is no region"), format!("write {ADDRESS}")));
        };
        return Ok(Span { base, size: Some(size) });
    }
    Ok(Span { base: item.number(ADDRESS, units::address)?, size: None })
}
