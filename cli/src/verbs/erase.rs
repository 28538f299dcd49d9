//! `surefoot erase`: sectors of the application.

use super::talk::{unconfirmed, with_session};
use crate::exit::Exit;
use crate::link::LinkOptions;
use crate::output::{Report, Table, Ui};
use crate::problem::Problem;
use crate::progress::Bars;
use clap::Args;
use serde_json::json;
use surefoot_host::job::{SectorInfo, Target};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    link: LinkOptions,
    /// From here [default: the slot, or all that may be erased]
    #[arg(long, value_parser = crate::number::address, requires = "length")]
    address: Option<u32>,
    /// So many bytes; every sector that they touch is erased
    #[arg(long, value_parser = crate::number::address, requires = "address")]
    length: Option<u32>,
    /// Tell what would be erased
    #[arg(long)]
    dry_run: bool,
}

/// Erases, after a question.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    with_session(&arguments.link, ui, |session, _| {
        let sectors = chosen(arguments, session.target())?;
        let bytes: u64 = sectors.iter().map(|s| u64::from(s.size)).sum();
        let first = sectors.first().map_or(0, |s| s.base);
        let question = format!("erase {} sectors, {bytes} bytes from 0x{first:08X}", sectors.len());
        if !arguments.dry_run {
            if !ui.confirm(&format!("{question}?")) {
                return Err(unconfirmed(&question));
            }
            session.erase(&sectors, &mut Bars::new(*ui))?;
        }
        let mut table = Table::default();
        let label = if arguments.dry_run { "would erase" } else { "erased" };
        table.row(label, format!("{} sectors, {bytes} bytes from 0x{first:08X}", sectors.len()));
        let list: Vec<_> = sectors.iter().map(|s| json!({ "base": s.base, "size": s.size })).collect();
        Ok(Report::new(json!({ "erased": list, "bytes": bytes, "dry_run": arguments.dry_run }), table.text()))
    })
}

/// The sectors meant; asking for one that may not be erased is refused before anything is sent.
fn chosen(arguments: &Arguments, target: &Target) -> Result<Vec<SectorInfo>, Problem> {
    let slot = target.slot();
    let range = arguments.address.zip(arguments.length);
    let touched = |s: &&SectorInfo| match range {
        Some((address, length)) => s.base < address.saturating_add(length) && address < s.end(),
        None => s.erasable && slot.is_none_or(|slot| slot.contains(s.base, s.size)),
    };
    let chosen: Vec<SectorInfo> = target.sectors.iter().filter(touched).copied().collect();
    let problem = |what: String| {
        Problem::new(
            Exit::Input,
            "erase.not-offered",
            what,
            "The device's memory string says what a host may erase.",
            "`surefoot info` draws it.",
        )
    };
    if let Some((address, length)) = range {
        let covered: u64 = chosen.iter().map(|s| overlap(s, address, length)).sum();
        if length == 0 || covered != u64::from(length) {
            let what = format!("{length} bytes from 0x{address:08X} are not all in the flash, or none");
            return Err(problem(what));
        }
    }
    match chosen.iter().find(|s| !s.erasable) {
        Some(s) => Err(problem(format!("0x{:08X}..0x{:08X} may not be erased", s.base, s.end()))),
        None if chosen.is_empty() => Err(problem("there is no sector to erase there".into())),
        None => Ok(chosen),
    }
}

/// Bytes of the range that lie in a sector.
fn overlap(sector: &SectorInfo, address: u32, length: u32) -> u64 {
    let end = u64::from(address) + u64::from(length);
    end.min(sector.end().into()).saturating_sub(address.max(sector.base).into())
}
