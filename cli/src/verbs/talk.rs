//! What the verbs that talk to a board share: open, do, close, and tell what the link noticed.

use super::info::state::version;
use crate::board::Loaded;
use crate::exit::Exit;
use crate::link::LinkOptions;
use crate::output::{Report, Ui};
use crate::problem::{Problem, link_exit};
use serde_json::{Value, json};
use std::time::Duration;
use surefoot_host::job::{Finish, JobError, Refusal, Role, Session, State};
use surefoot_host::protocol::Connection;
use surefoot_host::protocol::dfuse::{DfuSe, Trace};
use surefoot_host::texts;

/// Opens the link, lets `job` work with a session, and closes the link whatever came of it.
pub fn with_session(
    options: &LinkOptions,
    ui: &Ui,
    job: impl FnOnce(&mut Session, Option<&Loaded>) -> Result<Report, Problem>,
) -> Result<Report, Problem> {
    with_protocol(options, ui, DfuSe::default(), job)
}

/// The same with a protocol of the caller's choice.
pub fn with_protocol(
    options: &LinkOptions,
    ui: &Ui,
    protocol: DfuSe,
    job: impl FnOnce(&mut Session, Option<&Loaded>) -> Result<Report, Problem>,
) -> Result<Report, Problem> {
    let board = options.board.load()?;
    let mut link = options.open(board.as_ref(), ui)?;
    let name = link.name();
    let tell = |text: &str| ui.traffic(text);
    let mut traced = Trace::new(&mut *link, &tell);
    let connection = Connection { link: &mut traced, programmer: Box::new(protocol) };
    let done = Session::open(connection, false).map_err(Problem::from).and_then(|mut session| {
        if let Some(note) = &session.target().device.note {
            ui.note(note);
        }
        job(&mut session, board.as_ref())
    });
    let (elapsed, remarks) = (link.elapsed(), link.remarks());
    let closed = link.close();
    for remark in &remarks {
        ui.note(&format!("virtual board: {remark}"));
    }
    let mut report = done?;
    closed?;
    add(&mut report.json, &name, elapsed, &remarks);
    Ok(report)
}

fn add(json: &mut Value, name: &str, elapsed: Duration, remarks: &[String]) {
    if let Some(object) = json.as_object_mut() {
        object.insert("link".into(), json!(name));
        object.insert("seconds".into(), json!(elapsed.as_secs_f64()));
        if !remarks.is_empty() {
            object.insert("remarks".into(), json!(remarks));
        }
    }
}

/// The end of a job for people and for machines.
pub fn finish(finish: Finish) -> (&'static str, String) {
    match finish {
        Finish::Stayed => ("stayed", "the board stays in update mode".into()),
        Finish::Application => ("application", "the application runs".into()),
        Finish::Left => ("left", "the board left update mode and boots the application".into()),
        Finish::Back(reason) => {
            let why = reason.map_or("for an unknown reason", |r| texts::reason(r).what);
            ("back", format!("the board is in update mode again: {why}"))
        }
    }
}

/// The board is out of update mode.
pub fn left(finish: Finish) -> bool {
    matches!(finish, Finish::Application | Finish::Left)
}

/// What a board that leaves without an update starts, by its journal.
pub fn started(state: &State) -> Option<(String, Value)> {
    let slot = state.next()?;
    let manifest = slot.manifest()?;
    let number = state.slots.iter().position(|s| s == slot)?;
    let on_trial = matches!(slot.role, Role::Trial { .. }) && state.trial_boots != 0;
    let (name, version) = (state.name(number), version(manifest.version));
    let how = if on_trial { "on trial: it has to confirm itself" } else { "confirmed" };
    let json = json!({ "slot": name, "version": version, "on_trial": on_trial });
    Some((format!("version {version} in {}, {how}", in_words(name)), json))
}

/// A slot's name in a sentence: "slot A", but "the slot" where there is one of its kind.
pub fn in_words(name: &str) -> String {
    match name {
        "slot" | "backup slot" => format!("the {name}"),
        _ => name.to_owned(),
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let exit = match &error {
            JobError::Link(error) => link_exit(error),
            JobError::Refusal(Refusal::Ambiguous { .. }) => Exit::Input,
            JobError::Refusal(
                Refusal::Lowers { .. } | Refusal::Locked | Refusal::OptionsFixed | Refusal::NoOptions,
            ) => Exit::Device,
            JobError::Image(_)
            | JobError::Refused(_)
            | JobError::Refusal(_)
            | JobError::NotBooted(_)
            | JobError::Downgrade { .. } => Exit::Image,
            JobError::Mismatch { .. } => Exit::Verify,
            _ => Exit::Device,
        };
        Self::of(exit, &error)
    }
}

/// The range of a read or a comparison, checked before anything is sent. A range that is not there
/// is a mistake in what was asked for.
pub fn readable(session: &Session, address: u32, length: usize) -> Result<(), Problem> {
    session.readable(address, length).map_err(|error| Problem { exit: Exit::Input, ..Problem::from(error) })
}

/// Not confirmed.
pub fn unconfirmed(what: &str) -> Problem {
    Problem::new(
        Exit::Unconfirmed,
        "unconfirmed",
        format!("not confirmed: {what}"),
        "It cannot be undone, and it was not confirmed.",
        "Answer y on a terminal, or add --yes.",
    )
}
