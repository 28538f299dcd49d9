//! `surefoot info`: what is at the other end, with its memory drawn, its slots and its boot log.

pub mod state;

use super::talk::with_session;
use crate::draw;
use crate::link::LinkOptions;
use crate::output::{BAD, GOOD, Report, Table, Ui};
use crate::problem::Problem;
use clap::Args;
use serde_json::{Value, json};
use state::{protection_json, protection_rows, state_json, state_rows};
use surefoot_board::MapRow;
use surefoot_board::layout::Use;
use surefoot_core::config::{Config, FEATURE_FAILSAFE, FEATURE_SIGNATURE, OWNER_JOURNAL, Strategy};
use surefoot_core::info::{FLAG_HSE_FAILED, FLAG_WRONG_CHIP, Info};
use surefoot_host::job::{Protection, SectorInfo, Target};
use surefoot_host::texts;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    link: LinkOptions,
    /// How many entries of the boot log to show, newest first
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    log: usize,
}

/// Asks; changes nothing.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<Report, Problem> {
    with_session(&arguments.link, ui, |session, board| {
        session.look()?;
        let target = session.target();
        let known = board.filter(|b| target.info().is_some_and(|i| i.board_id == b.board.id));
        let name = known.map(|b| b.board.name.as_str());
        Ok(Report::new(to_json(target, name, arguments.log), to_text(target, name, arguments.log)))
    })
}

fn to_json(target: &Target, name: Option<&str>, log: usize) -> Value {
    let usb = target.device.usb.as_ref();
    let rows: Vec<_> = map(target)
        .iter()
        .map(|r| json!({ "label": r.label, "base": r.base, "size": r.size, "access": r.access }))
        .collect();
    json!({
        "kind": if target.info().is_some() { "surefoot" } else { "rom" },
        "vid": usb.map(|d| d.vid),
        "pid": usb.map(|d| d.pid),
        "manufacturer": usb.map(|d| &d.manufacturer),
        "product": usb.map(|d| &d.product),
        "serial": target.device.serial,
        "memory_string": usb.map(|d| d.memory()),
        "transfer_size": target.device.block,
        "map": rows,
        "bootloader": target.info().map(|i| info_json(i, name)),
        "state": target.state.as_ref().map(|s| state_json(s, log)),
        "protection": target.info().and_then(Protection::told_by).map(protection_json),
    })
}

fn info_json(i: &Info, name: Option<&str>) -> Value {
    let [a, b, c] = i.version;
    json!({
        "version": format!("{a}.{b}.{c}"),
        "signatures": i.features & FEATURE_SIGNATURE != 0,
        "failsafe": i.features & FEATURE_FAILSAFE != 0,
        "config_fault": texts::config_fault_by_number(i.config_fault).map(|f| texts::config_fault(f).name),
        "reason": texts::reason_by_number(i.reason).map(|r| texts::reason(r).name),
        "image_fault": texts::image_fault_by_number(i.image_fault).map(|f| texts::image_fault(f).name),
        "policy": texts::policy_by_number(i.policy).map(texts::policy),
        "reset_cause": i.reset_cause,
        "hse_failed": i.flags & FLAG_HSE_FAILED != 0,
        "hse_measured_hz": i.hse_hz(),
        "wrong_chip": i.flags & FLAG_WRONG_CHIP != 0,
        "last_flash_fault": texts::flash_fault_by_number(i.last_fault).map(|f| texts::flash_fault(f).name),
        "device_id": i.device_id,
        "unique_id": told_unique_id(i),
        "flash_kib": i.flash_kib,
        "board_id": i.board_id,
        "board": name,
        "slot": { "base": i.slot_base, "length": i.slot_length },
    })
}

/// As `image sign --allow-downgrade-on` takes it; the smallest build does not tell it.
pub fn told_unique_id(i: &Info) -> Option<String> {
    (i.unique_id != [0; 12]).then(|| i.unique_id.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn to_text(target: &Target, name: Option<&str>, log: usize) -> String {
    let mut table = Table::default();
    if let Some(d) = &target.device.usb {
        table.row("device", format!("{:04x}:{:04x} {} {}", d.vid, d.pid, d.manufacturer, d.product));
    }
    table.row("serial", &target.device.serial);
    if let Some(d) = &target.device.usb {
        table.row("memory", d.memory());
    }
    table.row("block", format!("{} bytes", target.device.block));
    match target.info() {
        Some(info) => {
            let sealed_hz = target.config().map(|config| config.hse_hz());
            info_rows(&mut table, info, name, sealed_hz, target.state.is_some());
            if let Some(state) = &target.state {
                state_rows(&mut table, state, log);
            }
            if let Some(protection) = Protection::told_by(info) {
                protection_rows(&mut table, protection);
            }
        }
        None => {
            table.row("bootloader", "ST's ROM bootloader, or another DfuSe device (no info request)");
        }
    }
    format!("{}\n{}", draw::map(&map(target)), table.text())
}

/// "25.0 MHz".
fn megahertz(hz: u32) -> String {
    format!("{:.1} MHz", f64::from(hz) / 1e6)
}

/// `sealed_hz` is the crystal's frequency by the board's own configuration, where that could be read.
fn info_rows(table: &mut Table, i: &Info, name: Option<&str>, sealed_hz: Option<u32>, slots_follow: bool) {
    let [a, b, c] = i.version;
    let build = if i.features & FEATURE_SIGNATURE != 0 { "full build" } else { "CRC-only build" };
    let policy = texts::policy_by_number(i.policy).map_or("unknown", texts::policy);
    table
        .row("bootloader", format!("surefoot {a}.{b}.{c}, {build}, policy {policy}"))
        .row("board", format!("0x{:08X} {}", i.board_id, name.unwrap_or("")))
        .row("chip", format!("device id 0x{:03X}, {} KiB of flash", i.device_id, i.flash_kib));
    if let Some(id) = told_unique_id(i) {
        table.row("unique id", id);
    }
    if let Some(fault) = texts::config_fault_by_number(i.config_fault) {
        table.row("configuration", format!("{BAD}{}{BAD:#}", texts::config_fault(fault).what));
    }
    if let Some(reason) = texts::reason_by_number(i.reason) {
        table.row("update mode", texts::reason(reason).what);
    }
    table.row("reset by", texts::reset_cause(i.reset_cause));
    if i.slot_length != 0 {
        table.row(
            if slots_follow { "update goes to" } else { "slot" },
            format!("0x{:08X}, {} bytes", i.slot_base, i.slot_length),
        );
    }
    let image = match texts::image_fault_by_number(i.image_fault) {
        Some(fault) if slots_follow => format!("no bootable image: {}", texts::image_fault(fault).what),
        None if i.image_fault == 0 && slots_follow => format!("{GOOD}a valid image{GOOD:#}"),
        Some(fault) => format!("{BAD}not bootable{BAD:#}: {}", texts::image_fault(fault).what),
        None if i.image_fault != 0 => format!("{BAD}not bootable{BAD:#}: fault {}", i.image_fault),
        None => format!("{GOOD}bootable{GOOD:#}"),
    };
    table.row(if slots_follow { "in it" } else { "image" }, image);
    if i.flags & FLAG_HSE_FAILED != 0 {
        let why = match i.hse_hz() {
            None => "the crystal did not start".to_owned(),
            Some(hz) => format!(
                "the crystal has about {}, the board file says {}",
                megahertz(hz),
                sealed_hz.map_or("another frequency".to_owned(), megahertz)
            ),
        };
        table.row("clock", format!("{BAD}{why}{BAD:#}; it runs from the internal clock"));
    }
    if i.flags & FLAG_WRONG_CHIP != 0 {
        table.row("chip", format!("{BAD}not the one the bootloader was sealed for{BAD:#}"));
    }
    if let Some(fault) = texts::flash_fault_by_number(i.last_fault) {
        table.row("last fault", texts::flash_fault(fault).what);
    }
}

/// The sectors in runs alike: of one owner where the sealed block tells the owners, of the same access
/// elsewhere.
fn map(target: &Target) -> Vec<MapRow> {
    let kind = |s: &SectorInfo| kind_of(target, s);
    let writable = |s: &SectorInfo| s.changeable() && !target.is_closed(s);
    let alike = |a: &SectorInfo, b: &SectorInfo| {
        a.end() == b.base && writable(a) == writable(b) && kind(a) == kind(b)
    };
    let runs = target.device.sectors.chunk_by(|a, b| alike(a, b));
    runs.map(|run| {
        let (first, count) = (run[0], run.len());
        let (what, label) = kind(&first);
        let access = if writable(&first) { "read, erase, write" } else { "read" };
        MapRow {
            what: Some(what),
            label: label.to_owned(),
            base: first.base,
            size: run[count - 1].end() - first.base,
            sectors: format!("{count} sector{}", if count == 1 { "" } else { "s" }),
            access,
        }
    })
    .collect()
}

fn behind_journal(config: Config, s: &SectorInfo) -> bool {
    config.regions().any(|r| r.owner == OWNER_JOURNAL && r.base < s.base)
}

fn kind_of(target: &Target, s: &SectorInfo) -> (Use, &'static str) {
    let Some(config) = target.config() else {
        let in_slot = target.slot().is_some_and(|slot| slot.contains(s.base, s.size));
        return match (s.changeable(), in_slot) {
            (_, true) => (Use::Application, "application"),
            (true, false) => (Use::Free, "writable"),
            (false, false) => (Use::Bootloader, "read-only"),
        };
    };
    let of_journal = config.regions().any(|r| {
        r.owner == OWNER_JOURNAL
            && r.base <= s.base
            && u64::from(s.base) < u64::from(r.base) + u64::from(r.length())
    });
    let slot = config.slots().position(|slot| slot.contains(s.base, s.size));
    match (slot, config.strategy()) {
        (Some(0), Strategy::Ab) => (Use::Application, "slot A"),
        (Some(_), Strategy::Ab) => (Use::Second, "slot B"),
        (Some(1), Strategy::Backup) => (Use::Backup, "backup"),
        (Some(_), _) => (Use::Application, "application"),
        (None, _) if of_journal => (Use::Journal, "journal"),
        // It lies at the start of the flash, below everything that it knows of.
        (None, _) if config.slots().all(|slot| s.base < slot.base) && !behind_journal(config, s) => {
            (Use::Bootloader, "bootloader")
        }
        (None, _) => (Use::Bootloader, "read-only"),
    }
}
