//! `surefoot info`: what is at the other end, with its memory drawn.

use super::talk::with_session;
use crate::draw;
use crate::link::LinkOptions;
use crate::output::{BAD, GOOD, Report, Table, Ui};
use crate::problem::Problem;
use clap::Args;
use serde_json::{Value, json};
use surefoot_board::MapRow;
use surefoot_board::layout::Use;
use surefoot_core::config::FEATURE_SIGNATURE;
use surefoot_core::info::{FLAG_HSE_FAILED, FLAG_WRONG_CHIP, Info};
use surefoot_host::job::{SectorInfo, Target};
use surefoot_host::texts;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    link: LinkOptions,
}

/// Asks; changes nothing.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    with_session(&arguments.link, ui, |session, board| {
        let target = session.target();
        let known = board.filter(|b| target.info().is_some_and(|i| i.board_id == b.board.id));
        let name = known.map(|b| b.board.name.as_str());
        Ok(Report::new(to_json(target, name), to_text(target, name)))
    })
}

fn to_json(target: &Target, name: Option<&str>) -> Value {
    let d = &target.descriptors;
    let rows: Vec<_> = map(target)
        .iter()
        .map(|r| json!({ "label": r.label, "base": r.base, "size": r.size, "access": r.access }))
        .collect();
    json!({
        "kind": if target.info().is_some() { "surefoot" } else { "rom" },
        "vid": d.vid,
        "pid": d.pid,
        "manufacturer": d.manufacturer,
        "product": d.product,
        "serial": d.serial,
        "memory_string": d.memory(),
        "transfer_size": d.transfer_size,
        "map": rows,
        "bootloader": target.info().map(|i| info_json(i, name)),
    })
}

fn info_json(i: &Info, name: Option<&str>) -> Value {
    let [a, b, c] = i.version;
    let [ia, ib, ic] = i.image_version;
    json!({
        "version": format!("{a}.{b}.{c}"),
        "signatures": i.features & FEATURE_SIGNATURE != 0,
        "config_fault": texts::config_fault_by_number(i.config_fault).map(|f| texts::config_fault(f).name),
        "reason": texts::reason_by_number(i.reason).map(|r| texts::reason(r).name),
        "image_fault": texts::image_fault_by_number(i.image_fault).map(|f| texts::image_fault(f).name),
        "policy": texts::policy_by_number(i.policy).map(texts::policy),
        "reset_cause": i.reset_cause,
        "hse_failed": i.flags & FLAG_HSE_FAILED != 0,
        "wrong_chip": i.flags & FLAG_WRONG_CHIP != 0,
        "last_flash_fault": texts::flash_fault_by_number(i.last_fault).map(|f| texts::flash_fault(f).name),
        "device_id": i.device_id,
        "flash_kib": i.flash_kib,
        "board_id": i.board_id,
        "board": name,
        "slot": { "base": i.slot_base, "length": i.slot_length },
        "image": { "version": format!("{ia}.{ib}.{ic}"), "security_counter": i.security_counter,
            "length": i.image_length },
    })
}

fn to_text(target: &Target, name: Option<&str>) -> String {
    let d = &target.descriptors;
    let mut table = Table::default();
    table
        .row("device", format!("{:04x}:{:04x} {} {}", d.vid, d.pid, d.manufacturer, d.product))
        .row("serial", &d.serial)
        .row("memory", d.memory())
        .row("block", format!("{} bytes", d.transfer_size));
    match target.info() {
        Some(info) => info_rows(&mut table, info, name),
        None => {
            table.row("bootloader", "ST's ROM bootloader, or another DfuSe device (no info request)");
        }
    }
    format!("{}\n{}", draw::map(&map(target)), table.text())
}

fn info_rows(table: &mut Table, i: &Info, name: Option<&str>) {
    let [a, b, c] = i.version;
    let build = if i.features & FEATURE_SIGNATURE != 0 { "full build" } else { "CRC-only build" };
    let policy = texts::policy_by_number(i.policy).map_or("unknown", texts::policy);
    table
        .row("bootloader", format!("surefoot {a}.{b}.{c}, {build}, policy {policy}"))
        .row("board", format!("0x{:08X} {}", i.board_id, name.unwrap_or("")))
        .row("chip", format!("device id 0x{:03X}, {} KiB of flash", i.device_id, i.flash_kib));
    if let Some(fault) = texts::config_fault_by_number(i.config_fault) {
        table.row("configuration", format!("{BAD}{}{BAD:#}", texts::config_fault(fault).what));
    }
    if let Some(reason) = texts::reason_by_number(i.reason) {
        table.row("update mode", texts::reason(reason).what);
    }
    table.row("reset by", reset_cause(i.reset_cause));
    if i.slot_length != 0 {
        table.row("slot", format!("0x{:08X}, {} bytes", i.slot_base, i.slot_length));
    }
    let [ia, ib, ic] = i.image_version;
    let image = match texts::image_fault_by_number(i.image_fault) {
        Some(fault) => format!("{BAD}not bootable{BAD:#}: {}", texts::image_fault(fault).what),
        None if i.image_fault != 0 => format!("{BAD}not bootable{BAD:#}: fault {}", i.image_fault),
        None => format!("{GOOD}bootable{GOOD:#}"),
    };
    table.row("image", image);
    if i.image_length != 0 {
        let counter = i.security_counter;
        table.row("", format!("version {ia}.{ib}.{ic}, counter {counter}, {} bytes", i.image_length));
    }
    if i.flags & FLAG_HSE_FAILED != 0 {
        table.row("clock", format!("{BAD}the crystal did not start{BAD:#}; it runs from the internal clock"));
    }
    if i.flags & FLAG_WRONG_CHIP != 0 {
        table.row("chip", format!("{BAD}not the one the bootloader was sealed for{BAD:#}"));
    }
    if let Some(fault) = texts::flash_fault_by_number(i.last_fault) {
        table.row("last fault", texts::flash_fault(fault).what);
    }
}

/// Bits as in `surefoot_core::handoff::Record::reset_cause`.
fn reset_cause(bits: u8) -> String {
    const NAMES: [&str; 7] = [
        "brown-out",
        "reset pin",
        "power-on",
        "software",
        "independent watchdog",
        "window watchdog",
        "low power",
    ];
    let set: Vec<_> = (0..7).filter(|bit| bits >> bit & 1 == 1).map(|bit| NAMES[bit]).collect();
    if set.is_empty() { "unknown".into() } else { set.join(", ") }
}

/// The sectors in runs alike.
fn map(target: &Target) -> Vec<MapRow> {
    let slot = target.slot();
    let in_slot = |s: &SectorInfo| slot.is_some_and(|slot| slot.contains(s.base, s.size));
    let alike = |a: &SectorInfo, b: &SectorInfo| {
        a.end() == b.base && a.changeable() == b.changeable() && in_slot(a) == in_slot(b)
    };
    let runs = target.sectors.chunk_by(|a, b| alike(a, b));
    runs.map(|run| {
        let (first, count) = (run[0], run.len());
        let (what, label) = match (first.changeable(), in_slot(&first)) {
            (_, true) => (Use::Application, "application"),
            (true, false) => (Use::Free, "writable"),
            (false, false) => (Use::Bootloader, "protected"),
        };
        let access = if first.changeable() { "read, erase, write" } else { "read" };
        MapRow {
            what: Some(what),
            label: label.to_owned(),
            base: first.base,
            size: run[count - 1].end() - first.base,
            sectors: format!("{count} sectors"),
            access,
        }
    })
    .collect()
}
