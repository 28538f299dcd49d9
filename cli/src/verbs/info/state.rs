//! Slots, journal and protection in words and for machines.

use crate::output::{BAD, GOOD, Table};
use serde_json::{Value, json};
use surefoot_core::image::Version;
use surefoot_core::image::manifest::Manifest;
use surefoot_core::journal::{Event, Record};
use surefoot_core::slot::CHARGE;
use surefoot_host::job::{Content, History, Level, Protection, Role, SlotState, State, is_signed};
use surefoot_host::texts;

/// What a board without any protection is told.
const UNGUARDED: &str = "the bootloader's own sector is not write-protected: a runaway application can erase it; \
    see `surefoot protect --bootloader`";
const UNREAD: &str = "read protection is off: a debug probe reads and changes everything; \
    see `surefoot protect --level 1`";

/// `version 1.2.3`, for a sentence.
pub fn version(v: Version) -> String {
    format!("{}.{}.{}", v.major, v.minor, v.patch)
}

/// Slots and journal for machines.
pub fn state_json(state: &State, log: usize) -> Value {
    let slots: Vec<_> = (0..state.slots.len()).map(|number| slot_json(state, number)).collect();
    let journal = state.journal.as_ref();
    json!({
        "strategy": texts::strategy(state.strategy),
        "trial_boots": state.trial_boots,
        "slots": slots,
        "floor": journal.map(|j| j.state.floor()),
        "revoked_keys": journal.map(History::revoked),
        "revoked_key_ids": state.revoked_keys().iter().map(|(_, id)| hex(id)).collect::<Vec<_>>(),
        "update_was_cut": state.was_cut(),
        "lacks_backup": state.lacks_backup(),
        "log": journal.map(|j| j.log.iter().take(log).map(|r| record_json(state, r)).collect::<Vec<_>>()),
        "log_length": journal.map(|j| j.log.len()),
    })
}

fn slot_json(state: &State, number: usize) -> Value {
    let s = &state.slots[number];
    let (role, eighths) = match s.role {
        Role::Unrecorded => (None, None),
        Role::Confirmed => (Some("confirmed"), None),
        Role::Trial { eighths } => (Some("trial"), Some(eighths)),
        Role::Rejected => (Some("rejected"), None),
        Role::Copy => (Some("copy"), None),
        Role::Spare => (Some("spare"), None),
    };
    let content = match s.content {
        Content::Erased => "erased",
        Content::Unknown => "unknown",
        Content::Image { .. } => "image",
    };
    json!({
        "name": state.name(number),
        "base": s.slot.base,
        "length": s.slot.length,
        "open": s.open,
        "content": content,
        "image": s.manifest().map(|m| image_json(m, &s.content)),
        "role": role,
        "boots": eighths.map(|eighths| f64::from(eighths) / f64::from(CHARGE)),
    })
}

fn image_json(m: &Manifest, content: &Content) -> Value {
    let key = match content {
        Content::Image { key, .. } => *key,
        _ => None,
    };
    json!({
        "version": version(m.version),
        "security_counter": m.security_counter,
        "length": m.image_length,
        "id": format!("{:08x}", content.id()),
        "key": key,
        "key_id": is_signed(m).then(|| hex(&m.key_id)),
    })
}

fn record_json(state: &State, record: &Record) -> Value {
    let event = Event::from_number(record.event());
    json!({
        "sequence": record.sequence(),
        "event": event.map(|e| texts::event(e).name),
        "text": event.map(|e| texts::event(e).what),
        "detail": event.and_then(|e| texts::event_detail(e, record.detail())),
        "detail_number": record.detail(),
        "image": event.map(|e| texts::event_image(e, record)).and_then(id),
        "version": event.and_then(|e| state.image(texts::event_image(e, record))).map(|m| version(m.version)),
        "reset_cause": record.cause(),
        "confirmed": id(record.confirmed()),
        "candidate": id(record.candidate()),
        "floor": record.floor(),
    })
}

fn id(id: u32) -> Option<String> {
    (id != 0).then(|| format!("{id:08x}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Slots and journal in rows.
pub fn state_rows(table: &mut Table, state: &State, log: usize) {
    let trial = match (&state.journal, state.trial_boots) {
        (None, _) => String::new(),
        (_, 0) => ", a new image need not confirm itself".into(),
        (_, boots) => format!(", a new image has {boots} boots to confirm itself in"),
    };
    table.row("strategy", format!("{}{trial}", texts::strategy(state.strategy)));
    for (number, slot) in state.slots.iter().enumerate() {
        let place = format!("0x{:08X}, {} bytes", slot.slot.base, slot.slot.length);
        table.row(state.name(number), place).row("", content(&slot.content));
        if let Some(role) = role(slot, state.trial_boots) {
            table.row("", role);
        }
    }
    let Some(journal) = &state.journal else { return };
    table.row(
        "anti-rollback",
        match journal.state.floor() {
            0 => "images with any security counter are accepted".into(),
            floor => format!("images with a security counter below {floor} are refused"),
        },
    );
    let revoked = state.revoked_keys();
    let revoked: Vec<_> = revoked.iter().map(|(number, id)| format!("key {number} ({})", hex(id))).collect();
    if !state.keys.is_empty() {
        table.row("revoked keys", if revoked.is_empty() { "none".into() } else { revoked.join(", ") });
    }
    if state.lacks_backup() {
        table.row("update", format!("{BAD}not possible{BAD:#}: the copy to the backup slot failed"));
        table.row("", texts::NO_BACKUP);
    }
    if state.was_cut() {
        table.row(
            "update",
            format!("{BAD}interrupted{BAD:#}; flash again, all of it is erased and written again"),
        );
    }
    log_rows(table, state, journal, log);
}

fn log_rows(table: &mut Table, state: &State, journal: &History, log: usize) {
    let shown = journal.log.len().min(log);
    let label = |index| if index == 0 { "boot log" } else { "" };
    for (index, record) in journal.log.iter().take(log).enumerate() {
        table.row(label(index), line(state, record));
    }
    match journal.log.len() - shown {
        0 if shown == 0 => table.row("boot log", "empty"),
        0 => table,
        left => table.row(label(shown), format!("and {left} older ones (--log {})", journal.log.len())),
    };
}

fn line(state: &State, record: &Record) -> String {
    let event = Event::from_number(record.event());
    let what = event.map_or_else(|| format!("event {}", record.event()), |e| texts::event(e).what.to_owned());
    let detail = event.and_then(|e| texts::event_detail(e, record.detail()));
    let detail = match (detail, record.detail()) {
        (Some(text), _) => format!(": {text}"),
        (None, 0) => String::new(),
        (None, number) => format!(": {number}"),
    };
    let about = event.map_or(0, |e| texts::event_image(e, record));
    let about = match (about, state.image(about)) {
        (0, _) => String::new(),
        (_, Some(m)) => format!(" ({})", version(m.version)),
        (id, None) => format!(" (image {id:08x})"),
    };
    // In update mode nothing was reset for it.
    let cause = match record.cause() {
        0 => String::new(),
        bits => format!(" [reset by: {}]", texts::reset_cause(bits)),
    };
    format!("{:>6}  {what}{about}{detail}{cause}", record.sequence())
}

fn content(content: &Content) -> String {
    let Content::Image { manifest: m, id, key } = content else {
        return match content {
            Content::Erased => "erased".into(),
            _ => "no image with a readable manifest".into(),
        };
    };
    let signed = match (is_signed(m), key) {
        (true, Some(key)) => format!("signed with key {key} ({})", hex(&m.key_id)),
        (true, None) => format!("signed with key {}, which the board does not have", hex(&m.key_id)),
        (false, _) => "not signed".into(),
    };
    let (version, counter, bytes) = (version(m.version), m.security_counter, m.image_length);
    format!("version {version}, counter {counter}, {bytes} bytes, id {id:08x}, {signed}")
}

fn role(slot: &SlotState, trial_boots: u8) -> Option<String> {
    let role = match slot.role {
        Role::Unrecorded => return None,
        Role::Confirmed => format!("{GOOD}confirmed{GOOD:#}"),
        Role::Trial { .. } if trial_boots == 0 => format!("{GOOD}new{GOOD:#}, it runs without a trial"),
        Role::Trial { eighths } if eighths % CHARGE == 0 => {
            format!("on trial, {} of {trial_boots} boots used", boots(eighths))
        }
        Role::Trial { eighths } => format!(
            "on trial, {} of {trial_boots} boots used (one after power was off counts as 1/{CHARGE})",
            boots(eighths)
        ),
        Role::Rejected => {
            format!("{BAD}rejected{BAD:#}: it did not confirm itself and is not started again")
        }
        Role::Copy => "copy of the confirmed image".into(),
        Role::Spare => "spare".into(),
    };
    Some(if slot.open { format!("{role}; an update goes here") } else { role })
}

/// As in "2 1/8": a boot after a loss of the supply counts for an eighth.
fn boots(eighths: u8) -> String {
    match (eighths / CHARGE, eighths % CHARGE) {
        (boots, 0) => boots.to_string(),
        (0, rest) => format!("{rest}/{CHARGE}"),
        (boots, rest) => format!("{boots} {rest}/{CHARGE}"),
    }
}

/// The option bytes for machines.
pub fn protection_json(p: Protection) -> Value {
    json!({
        "options": p.0,
        "bootloader_write_protected": p.guards_bootloader(),
        "write_protected_sectors": p.sectors(),
        "read_protection_level": p.level() as u8,
        "brown_out_level": p.brown_out().level(),
        "warnings": warnings(p),
    })
}

/// What leaves the board open.
pub fn warnings(p: Protection) -> Vec<&'static str> {
    let table = [(!p.guards_bootloader(), UNGUARDED), (p.level() == Level::Open, UNREAD)];
    table.into_iter().filter(|(open, _)| *open).map(|(_, text)| text).collect()
}

/// The option bytes in rows.
pub fn protection_rows(table: &mut Table, p: Protection) {
    let sectors: Vec<_> = p.sectors().iter().map(u8::to_string).collect();
    let writing = match &sectors[..] {
        [] => format!("{BAD}none{BAD:#}"),
        [one] => format!("sector {one}"),
        many => format!("sectors {}", many.join(", ")),
    };
    let reading = match p.level() {
        Level::Open => format!("{BAD}level 0{BAD:#}, none"),
        Level::Protected => "level 1: no access with a probe; back to 0 only by erasing everything".into(),
        Level::Locked => "level 2: no probe and no ST bootloader, permanently".into(),
    };
    let brown_out = match p.brown_out().level() {
        0 => "off".to_owned(),
        level => format!("level {level}"),
    };
    table.row("write protection", writing).row("read protection", reading).row("brown-out reset", brown_out);
    for text in warnings(p) {
        table.row("warning", format!("{BAD}{text}{BAD:#}"));
    }
}
