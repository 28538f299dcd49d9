//! `surefoot erase`: the application, by whole sectors, after a question.

use super::info::state::version;
use super::talk::{in_words, unconfirmed, with_session};
use crate::exit::Exit;
use crate::link::LinkOptions;
use crate::output::{Report, Table, Ui};
use crate::problem::Problem;
use crate::progress::Bars;
use clap::Args;
use serde_json::{Value, json};
use surefoot_core::config::Strategy;
use surefoot_host::job::{Content, Role, SectorInfo, State, Target};

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    link: LinkOptions,
    /// From here [default: the slot, or all that may be erased]
    #[arg(long, value_parser = crate::number::address, requires = "length")]
    address: Option<u32>,
    /// How many bytes; each sector that they touch is erased
    #[arg(long, value_parser = crate::number::address, requires = "address")]
    length: Option<u32>,
    /// Tell what would be erased
    #[arg(long)]
    dry_run: bool,
}

/// Erases, after a question.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    with_session(&arguments.link, ui, |session, _| {
        session.look()?;
        let sectors = chosen(arguments, session.target())?;
        let what = contents(session.target(), &sectors);
        let bytes: u64 = sectors.iter().map(|s| u64::from(s.size)).sum();
        let first = sectors.first().map_or(0, |s| s.base);
        let about = what.as_ref().map_or(String::new(), |(text, _)| format!(": {text}"));
        let count = sectors.len();
        let noun = if count == 1 { "sector" } else { "sectors" };
        let range = format!("{count} {noun}, {bytes} bytes from 0x{first:08X}{about}");
        let question = format!("erase {range}");
        if !arguments.dry_run {
            if !ui.confirm(&format!("{question}?")) {
                return Err(unconfirmed(&question));
            }
            session.erase(&sectors, &mut Bars::new(*ui))?;
        }
        let mut table = Table::default();
        let label = if arguments.dry_run { "would erase" } else { "erased" };
        table.row(label, range);
        let list: Vec<_> = sectors.iter().map(|s| json!({ "base": s.base, "size": s.size })).collect();
        let json = json!({
            "erased": list,
            "bytes": bytes,
            "slot": what.map(|(_, json)| json),
            "dry_run": arguments.dry_run,
        });
        Ok(Report::new(json, table.text()))
    })
}

/// Which slot the sectors are of and what is in it, for people and for machines.
fn contents(target: &Target, sectors: &[SectorInfo]) -> Option<(String, Value)> {
    let state = target.state.as_ref()?;
    let (number, slot) = state.slot_at(sectors.first()?.base)?;
    let name = state.name(number);
    let image = slot.manifest().map(|m| version(m.version));
    let place = in_words(name);
    let text = match (&image, &slot.content) {
        (Some(version), _) => format!("{place} with version {version}{}", status(slot.role)),
        (None, Content::Erased) => format!("{place}, which is erased"),
        (None, _) => format!("{place}, which holds no image with a manifest"),
    };
    let back = match comes_back(state, number) {
        true => " (the board copies the confirmed image back from the backup slot at its next start)",
        false => "",
    };
    Some((format!("{text}{back}"), json!({ "name": name, "version": image })))
}

/// An erased slot is filled again where the backup slot holds the copy of the confirmed image.
fn comes_back(state: &State, number: usize) -> bool {
    state.strategy == Strategy::Backup
        && number == 0
        && state.slots.iter().any(|slot| slot.role == Role::Copy)
}

fn status(role: Role) -> &'static str {
    match role {
        Role::Confirmed => ", the confirmed image",
        Role::Trial { .. } => ", the image on trial",
        Role::Copy => ", the copy of the confirmed image",
        Role::Rejected | Role::Spare | Role::Unrecorded => "",
    }
}

/// Why the board does not let this sector be erased, and what to do.
fn closed(target: &Target, s: &SectorInfo) -> Problem {
    let what = format!("0x{:08X}..0x{:08X} may not be erased", s.base, s.end());
    let state = target.state.as_ref();
    let slot = state.and_then(|state| state.slot_at(s.base).map(|(number, slot)| (state, number, slot)));
    let (why, remedy) = match slot {
        Some((state, number, slot)) if matches!(slot.role, Role::Confirmed | Role::Copy) => {
            let name = state.name(number);
            let open = (0..state.slots.len()).find(|n| state.slots[*n].open);
            let other = open.map_or(String::new(), |n| format!(" What may be erased is {}.", state.name(n)));
            (
                format!("{name} keeps the image that the board goes back to{}.", status(slot.role)),
                format!("Nothing has to be erased before an update: flash the new image, and {name} becomes free once it is confirmed.{other}"),
            )
        }
        Some((state, number, _)) => (
            format!("An update does not go to {} now.", state.name(number)),
            "Flash an update without erasing first; `surefoot info` shows the slot that it goes to.".to_owned(),
        ),
        None => (
            "The bootloader and its journal are there, or the board keeps it for something else.".to_owned(),
            "Name a range in the application's slot; `surefoot info` draws it. Only a debug probe erases the \
             bootloader."
                .to_owned(),
        ),
    };
    Problem::new(Exit::Input, "erase.not-offered", what, &why, &remedy)
}

/// The sectors meant; asking for one that may not be erased is refused before anything is sent.
fn chosen(arguments: &Arguments, target: &Target) -> Result<Vec<SectorInfo>, Problem> {
    let slot = target.slot();
    let range = arguments.address.zip(arguments.length);
    let touched = |s: &&SectorInfo| match range {
        Some((address, length)) => s.base < address.saturating_add(length) && address < s.end(),
        None => s.erasable && slot.is_none_or(|slot| slot.contains(s.base, s.size)),
    };
    let chosen: Vec<SectorInfo> = target.device.sectors.iter().filter(touched).copied().collect();
    let problem = |what: String| {
        Problem::new(
            Exit::Input,
            "erase.not-offered",
            what,
            "A range is erased by whole sectors of the flash that the device offers.",
            "Take --address and --length from the map that `surefoot info` draws.",
        )
    };
    if let Some((address, length)) = range {
        let covered: u64 = chosen.iter().map(|s| overlap(s, address, length)).sum();
        if length == 0 || covered != u64::from(length) {
            let what = format!("{length} bytes from 0x{address:08X} are not all in the device's flash");
            return Err(problem(what));
        }
    }
    match chosen.iter().find(|s| !s.erasable || target.is_closed(s)) {
        Some(s) => Err(closed(target, s)),
        None if chosen.is_empty() => Err(problem("there is no sector to erase there".into())),
        None => Ok(chosen),
    }
}

/// Bytes of the range that lie in a sector.
fn overlap(sector: &SectorInfo, address: u32, length: u32) -> u64 {
    let end = u64::from(address) + u64::from(length);
    end.min(sector.end().into()).saturating_sub(address.max(sector.base).into())
}
