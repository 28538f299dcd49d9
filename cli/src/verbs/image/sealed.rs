//! `surefoot image inspect` of a sealed bootloader: version, board, policy, layout, keys; in a factory file the
//! images behind it, too.

use super::keygen::hex;
use super::slots::{self, Found};
use crate::exit::Exit;
use crate::output::{BAD, Report, Table};
use serde_json::{Value, json};
use surefoot_board::{does_not_keep, untried};
use surefoot_core::config::{Config, FEATURE_FAILSAFE, FEATURE_SIGNATURE, Text};
use surefoot_host::files::Loaded;
use surefoot_host::image::{SealedBootloader, keys};
use surefoot_host::job::{History, slot_name};
use surefoot_host::texts;

fn version(sealed: &SealedBootloader) -> String {
    let [major, minor, patch] = sealed.header.version;
    format!("{major}.{minor}.{patch}")
}

fn text(config: Config, which: Text) -> String {
    String::from_utf8_lossy(config.text(which)).into_owned()
}

/// All of it. An image that the board would refuse, or that `key` did not sign, ends with an exit code of its own.
pub fn report(loaded: &Loaded, sealed: &SealedBootloader, key: Option<&[u8; 32]>) -> Report {
    let config = sealed.config().ok();
    let history = config.and_then(|config| History::in_dump(config, &loaded.segments));
    let history = history.as_ref();
    let found = config.map_or(Vec::new(), |config| slots::find(&loaded.segments, config, history, key));
    let mut table = Table::default();
    table.row("format", loaded.format.to_string());
    for s in &loaded.segments {
        table.row("bytes", format!("0x{:08X}..0x{:08X}", s.address, s.end()));
    }
    rows(&mut table, sealed, history, &found);
    let (base, end) = (loaded.segments.start(), loaded.segments.end());
    let segments: Vec<Value> =
        loaded.segments.iter().map(|s| json!({ "address": s.address, "length": s.bytes.len() })).collect();
    let json = json!({
        "format": loaded.format.to_string(),
        "segments": segments,
        "base": base,
        "length": end - base,
        "bootloader": to_json(sealed, history),
        "journal": history.map(|h| json!({ "floor": h.state.floor(), "revoked_keys": h.revoked() })),
        "images": found.iter().map(Found::json).collect::<Vec<_>>(),
    });
    let asked = key.is_none() || !found.is_empty();
    let good = asked && found.iter().all(Found::is_good);
    let report = Report::new(json, table.text());
    if good { report } else { report.ending(Exit::Untrusted) }
}

/// For machines.
fn to_json(sealed: &SealedBootloader, history: Option<&History>) -> Value {
    let has = |feature: u16| sealed.header.features & feature != 0;
    json!({
        "version": version(sealed),
        "signatures": has(FEATURE_SIGNATURE),
        "failsafe": has(FEATURE_FAILSAFE),
        "config_fault": sealed.config().err().map(|fault| texts::config_fault(fault).name),
        "sealed_for": sealed.config().ok().map(|config| {
            let slots: Vec<Value> =
                config.slots().map(|slot| json!({ "base": slot.base, "length": slot.length })).collect();
            let keys: Vec<Value> = config
                .keys()
                .enumerate()
                .map(|(number, (key, revoked))| {
                    json!({ "number": number, "id": hex(&keys::id(key)), "public": hex(key), "revoked": revoked || is_revoked(history, number) })
                })
                .collect();
            json!({
                "board_id": config.board_id(),
                "device_id": config.device_id(),
                "product": text(config, Text::Product),
                "policy": texts::policy(config.policy()),
                "strategy": texts::strategy(config.strategy()),
                "journal": config.has_journal(),
                "trial_boots": config.trial_boots(),
                "slots": slots,
                "keys": keys,
                "warnings": warnings(config),
            })
        }),
    })
}

/// In rows.
fn rows(table: &mut Table, sealed: &SealedBootloader, history: Option<&History>, found: &[Found]) {
    let full = sealed.header.features & FEATURE_SIGNATURE != 0;
    let build = if full { "full build" } else { "CRC-only build" };
    table.row("bootloader", format!("surefoot {}, {build}", version(sealed)));
    let config = match sealed.config() {
        Ok(config) => config,
        Err(fault) => {
            let text = texts::config_fault(fault);
            table.row("sealed for", format!("{BAD}no board{BAD:#}: {}", text.what));
            return;
        }
    };
    table
        .row(
            "sealed for",
            format!("board 0x{:08X}, device id 0x{:03X}", config.board_id(), config.device_id()),
        )
        .row("product", text(config, Text::Product))
        .row("policy", texts::policy(config.policy()))
        .row("strategy", texts::strategy(config.strategy()));
    for (number, slot) in config.slots().enumerate() {
        let name = slot_name(config.strategy(), number);
        table.row(name, format!("0x{:08X}, {} bytes", slot.base, slot.length));
        for found in found.iter().filter(|found| found.is_in(slot)) {
            found.rows(table);
        }
    }
    for (number, (key, revoked)) in config.keys().enumerate() {
        let state = match (revoked, is_revoked(history, number)) {
            (true, _) => "revoked",
            (_, true) => "revoked by a confirmed image",
            _ => "trusted",
        };
        table.row(&format!("key {number}"), format!("{}, {state}", hex(&keys::id(key))));
    }
    if config.has_journal() {
        let journal =
            history.map(|h| format!("images with a security counter below {} are refused", h.state.floor()));
        table
            .row("journal", journal.unwrap_or_else(|| "sealed keys; the journal is not in this file".into()));
    }
    table.warnings(warnings(config));
}

fn is_revoked(history: Option<&History>, number: usize) -> bool {
    history.is_some_and(|history| history.revoked().contains(&number))
}

fn warnings(config: Config) -> Vec<String> {
    does_not_keep(config).into_iter().chain(untried(config)).collect()
}
