//! The images behind a bootloader, in the slots of the board that it was sealed for.
//!
//! Each is proved by the bootloader's own configuration block, and by the floor and the revoked keys of the journal
//! where the file holds it; else as a board without a history would prove it. A copy in a backup slot is proved for the slot that it
//! is a copy of.

use super::inspect::{fault, manifest_json};
use super::keygen::hex;
use crate::output::{BAD, GOOD, Table};
use crate::verbs::info::state::version;
use serde_json::{Value, json};
use surefoot_core::config::{Config, Slot, Strategy};
use surefoot_core::image::Demand;
use surefoot_core::image::manifest::{LEN, Override};
use surefoot_host::files::{MOST_FLASH, Segments};
use surefoot_host::image::{self, Inspection, ManifestView, Refused, inspect, keys};
use surefoot_host::job::{History, is_signed, slot_name};
use surefoot_host::texts;

/// What a slot holds.
pub struct Found {
    slot: Slot,
    name: &'static str,
    seen: Inspection,
    /// Bytes up to the end of its manifest, or to the last one that is not erased flash.
    length: usize,
    /// Number of the board's key that it names.
    key: Option<usize>,
    signed_by_key: Option<bool>,
    refused: Option<Refused>,
}

/// The slots of `config` in which `segments` have bytes that are not erased flash.
pub fn find(
    segments: &Segments,
    config: Config,
    history: Option<&History>,
    key: Option<&[u8; 32]>,
) -> Vec<Found> {
    // A block from a file may say anything.
    let real = |slot: &Slot| slot.length <= MOST_FLASH && slot.base.checked_add(slot.length).is_some();
    let slots = config.slots().enumerate().filter(|(_, slot)| real(slot) && real(&config.first_slot()));
    slots.filter_map(|(number, slot)| one(segments, config, history, (number, slot), key)).collect()
}

fn one(
    segments: &Segments,
    config: Config,
    history: Option<&History>,
    (number, slot): (usize, Slot),
    key: Option<&[u8; 32]>,
) -> Option<Found> {
    let mut bytes = segments.flat(slot.base, slot.end());
    let used = bytes.iter().rposition(|byte| *byte != 0xFF)? + 1;
    // A manifest may end in bytes that look like erased flash.
    bytes.truncate((used + LEN).next_multiple_of(4));
    let is_copy = config.strategy() == Strategy::Backup && number == 1;
    let runs = if is_copy { config.first_slot() } else { slot };
    let there = Segments::one(runs.base, bytes).ok()?;
    let seen = inspect(&there);
    let view = seen.manifest.as_ref().and_then(|m| m.as_ref().ok());
    let mut demand = Demand::new(config, runs);
    if let Some(history) = history {
        (demand.floor, demand.revoked) = (history.state.floor(), history.state.revoked());
    }
    // The dump does not tell whose it is.
    if let Some(Override::Device(id)) = view.map(|view| &view.manifest.overrides) {
        demand.device = id;
    }
    let refused = image::check_for(demand, &there).err();
    let id = view.filter(|view| is_signed(&view.manifest)).map(|view| view.manifest.key_id);
    let number_of = |id| config.keys().position(|(key, _)| keys::id(key) == id);
    let signed_by_key = key.map(|key| view.is_some_and(|view| view.signed_by(key)));
    Some(Found {
        slot,
        name: slot_name(config.strategy(), number),
        key: id.and_then(number_of),
        length: view.map_or(used, |view| view.offset as usize + LEN),
        signed_by_key,
        refused,
        seen,
    })
}

impl Found {
    /// It is what this slot holds.
    pub fn is_in(&self, slot: Slot) -> bool {
        self.slot == slot
    }

    /// The board would start it, and the key that was given signed it.
    pub fn is_good(&self) -> bool {
        self.refused.is_none() && self.signed_by_key != Some(false)
    }

    fn view(&self) -> Option<&ManifestView> {
        self.seen.manifest.as_ref().and_then(|m| m.as_ref().ok())
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
            "slot": self.name,
            "base": self.slot.base,
            "length": self.length,
            "manifest": self.view().map(manifest_json),
            "manifest_fault": self.seen.manifest.as_ref().and_then(|m| m.as_ref().err()).map(|f| fault(*f)),
            "key": self.key,
            "signed_by_key": self.signed_by_key,
            "refused": self.refused.as_ref().map(|refused| texts::image_fault(refused.fault).name),
        })
    }

    /// Below the row of its slot.
    pub fn rows(&self, table: &mut Table) {
        let Some(view) = self.view() else {
            let what = match &self.seen.manifest {
                Some(Err(f)) => format!("with a manifest that cannot be used ({})", fault(*f)),
                _ => "without a manifest".to_owned(),
            };
            table.row("", format!("{} bytes {what}", self.length));
            self.verdict(table);
            return;
        };
        let m = &view.manifest;
        let signed = match (is_signed(m), self.key) {
            (true, Some(number)) => format!("signed with key {number} ({})", hex(&m.key_id)),
            (true, None) => format!("signed with key {}, which the board does not have", hex(&m.key_id)),
            (false, _) => "not signed".into(),
        };
        let (version, counter, bytes) = (version(m.version), m.security_counter, m.image_length);
        table.row(
            "",
            format!("version {version}, counter {counter}, {bytes} bytes, id {:08x}, {signed}", view.id()),
        );
        match self.signed_by_key {
            Some(true) => table.row("", format!("{GOOD}made by the given key{GOOD:#}")),
            Some(false) => table.row("", format!("{BAD}not made by the given key{BAD:#}")),
            None => table,
        };
        self.verdict(table);
    }

    /// An override for one device, which the file does not name.
    fn only_on(&self) -> String {
        match self.view().map(|view| &view.manifest.overrides) {
            Some(Override::Device(id)) => format!(", whatever its counter if its unique id is {}", hex(id)),
            _ => String::new(),
        }
    }

    fn verdict(&self, table: &mut Table) {
        table.row(
            "",
            match &self.refused {
                None => format!("{GOOD}the board accepts it{GOOD:#}{}", self.only_on()),
                Some(refused) => {
                    format!("{BAD}the board refuses it{BAD:#}: {}", texts::image_fault(refused.fault).what)
                }
            },
        );
    }
}
