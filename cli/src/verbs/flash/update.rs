//! What an update means on this board: which slot it goes to, and what becomes of it afterwards.

use super::super::info::state::version;
use super::super::talk::in_words;
use super::left;
use serde_json::{Value, json};
use std::path::Path;
use surefoot_core::image::Version;
use surefoot_host::files::Segments;
use surefoot_host::image;
use surefoot_host::job::{Finish, Plan, State, Target};

/// An update as the board will take it. Most of it is known only where slots and journal were read.
pub struct Update {
    file: String,
    slot: Option<&'static str>,
    version: Option<Version>,
    /// Boots of a trial; none without a journal.
    trial_boots: Option<u8>,
    /// What the board goes back to.
    confirmed: Option<Version>,
    /// The one before was cut short.
    was_cut: bool,
    /// This very image was given up before.
    was_rejected: bool,
}

impl Update {
    /// Of the image in `segments`.
    pub fn of(target: &Target, plan: &Plan, segments: &Segments, file: &Path) -> Self {
        let view = image::inspect(segments).manifest.and_then(Result::ok);
        let (id, manifest) = (view.as_ref().map(|view| view.id()), view.map(|view| view.manifest));
        let state = target.state.as_ref();
        let number = state.and_then(|s| s.slots.iter().position(|slot| slot.slot.base == plan.start));
        let journal = state.and_then(|s| s.journal.as_ref());
        let rejected = journal.filter(|j| j.state.candidate() != 0 && !j.state.on_trial());
        Self {
            file: file.display().to_string(),
            slot: state.zip(number).map(|(state, number)| state.name(number)),
            version: manifest.as_ref().map(|m| m.version),
            trial_boots: journal.and(state).map(|s| s.trial_boots),
            confirmed: state.and_then(State::kept).and_then(|s| s.manifest()).map(|m| m.version),
            was_cut: state.is_some_and(State::was_cut),
            was_rejected: rejected.zip(id).is_some_and(|(j, id)| id == j.state.candidate()),
        }
    }

    /// What the user should know before it begins.
    pub fn notes(&self) -> Vec<String> {
        let table = [
            (self.was_cut, "an earlier update was interrupted: everything is erased and written again"),
            (self.was_rejected, "this very image was on trial before and did not confirm itself"),
        ];
        table.into_iter().filter(|(is, _)| *is).map(|(_, text)| text.to_owned()).collect()
    }

    /// Which file goes where.
    pub fn place(&self) -> Option<String> {
        let version = self.version.map_or(String::new(), |v| format!(", version {}", version(v)));
        Some(format!("{}{version}, to {}", self.file, in_words(self.slot?)))
    }

    /// The board puts an update on record, and does so when it leaves update mode.
    pub fn is_installed(&self) -> bool {
        self.trial_boots.is_some()
    }

    /// What happens to it now.
    pub fn trial(&self) -> Option<String> {
        let back = match self.confirmed {
            Some(v) => format!("the board goes back to version {} by itself", version(v)),
            None => "the board waits in update mode: there is no confirmed image to go back to".into(),
        };
        Some(match self.trial_boots? {
            0 => "none: the board keeps the image, confirmed or not".into(),
            boots => format!("the image is on trial: unless it confirms itself within {boots} boots, {back}"),
        })
    }

    /// The same for machines.
    pub fn json(&self, end: Option<Finish>) -> Value {
        let on_trial = end.is_some_and(left) && self.trial_boots.is_some_and(|boots| boots != 0);
        json!({
            "file": self.file,
            "slot": self.slot,
            "version": self.version.map(version),
            "trial_boots": self.trial_boots,
            "on_trial": on_trial,
            "falls_back_to": self.confirmed.map(version),
            "after_a_cut": self.was_cut,
            "rejected_before": self.was_rejected,
        })
    }
}
