//! The board file: which keys there are, what they may say, what is taken when they are left out.
//!
//! | section | keys |
//! |---|---|
//! | | name, id, chip, voltage |
//! | layout | strategy, bootloader (size), application, application-b, backup, journal, data, staging (address, or "address + size"), dual-bank |
//! | clock | hse, hse-bypass, sysclk |
//! | usb | vid, pid, bcd-device, manufacturer, product, transfer-size, read-unprotect |
//! | led | pin, active |
//! | button | pin, active, pull |
//! | boot | magic, backup-register, double-tap, timeout, watchdog, option-bytes, trial-boots |
//! | validation | policy, keys, revoked |

use crate::board::{Board, Boot, OptionBytes, Usb};
use crate::clock;
use crate::disk::Files;
use crate::error::{BoardError, Fault};
use crate::keeps::{does_not_keep, untried};
use crate::layout::Use;
use crate::read::{Item, Section, Source};
use crate::{keys, pin, units};
use surefoot_chips::{Chip, Supply};
use surefoot_core::config::{Config, Key, MAX_KEYS, MAX_TRIAL_BOOTS, Pin, Policy};
use surefoot_core::handoff::DEFAULT_MAGIC_WORD;
use surefoot_core::image::crc32;

mod layout;

type Result<T> = std::result::Result<T, BoardError>;

pub fn parse(text: &str, files: &dyn Files) -> Result<Board> {
    let source = Source { text };
    let table = source.table()?;
    let mut file = Section::root(&source, &table);
    let (name, id) = identity(&mut file)?;
    let chip_item = file.need("chip", "chip = \"STM32F407VG\"")?;
    let (chip, binary_family) = chip(&chip_item)?;
    let supply = supply(&mut file, &chip)?;
    let mut warnings = Vec::new();
    let (layout, strategy) = layout::read(&mut file, &chip)?;
    let journal = layout.area(Use::Journal).is_some();
    let clocks = clocks(&mut file, &chip, supply, &mut warnings)?;
    let usb = usb(&mut file)?;
    let led = led(&mut file, &chip, clocks.hse.is_some())?;
    let button = button(&mut file, &chip, clocks.hse.is_some(), led)?;
    // SWDIO and SWCLK after reset (DS8626, alternate functions); wiring may share them, but seldom means to.
    for pin in [led, button].into_iter().flatten().filter(|p| p.port() == 0 && matches!(p.pin(), 13 | 14)) {
        let name = pin::name(pin);
        warnings.push(format!(
            "{name} is a pin of the debug port: while the bootloader uses it no probe connects"
        ));
    }
    let boot = boot(&mut file, journal)?;
    let (policy, keys) = validation(&mut file, files, journal)?;
    if keys.iter().any(|k| k.bytes == keys::EXAMPLE && !k.revoked) {
        warnings
            .push("the example key is in the list, whose private half is published: anybody can sign".into());
    }
    file.finish()?;
    let mut board = Board {
        name,
        id,
        chip,
        binary_family,
        supply,
        layout,
        strategy,
        clocks,
        usb,
        led,
        button,
        boot,
        policy,
        keys,
        warnings,
    };
    // The last check: what was read makes a block.
    match board.try_block() {
        Ok(block) => {
            let config = Config::parse(&block, board.binary_family).ok();
            board.warnings.extend(config.map(does_not_keep).unwrap_or_default());
            board.warnings.extend(config.and_then(untried));
            Ok(board)
        }
        // No single line is wrong here, so there is no place.
        Err((key, what, remedy)) => Err(BoardError {
            file: None,
            place: None,
            key: key.to_string(),
            fault: Box::new(Fault::Value { what, remedy }),
        }),
    }
}

fn identity(file: &mut Section) -> Result<(String, u32)> {
    let item = file.need("name", "name = \"my-board\"")?;
    let name = item.text("a name in quotes")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 32 || name.starts_with('.') || !name.chars().all(legal) {
        return Err(item.value_fault(
            format!("\"{name}\" is no board name"),
            "use 1-32 letters, digits, \"-\", \"_\" or \".\" (it names files too)",
        ));
    }
    let id = match file.get("id") {
        Some(item) => match item.number("a number like 0x12345678", units::address)? {
            0 => {
                return Err(item.value_fault("0 means any board", "use another number, or leave it out"));
            }
            id => id,
        },
        None => {
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            crc32(&bytes).max(1)
        }
    };
    Ok((name.to_string(), id))
}

fn chip(item: &Item) -> Result<(Chip, u16)> {
    let name = item.text("a chip's name in quotes")?;
    let chip = surefoot_chips::find(name).map_err(|e| item.error(Fault::Chip(e)))?;
    match chip.binary_family {
        Some(family) => Ok((chip, family)),
        None => Err(item.error(Fault::NotYet {
            what: format!("a bootloader for {}", chip.name),
            instead: "there is one for STM32F4 parts with USB".to_string(),
        })),
    }
}

fn supply(file: &mut Section, chip: &Chip) -> Result<&'static Supply> {
    let supplies = chip.supplies;
    let item = file.need("voltage", "voltage = \"2.7V-3.6V\"")?;
    let text = item.text("a range in quotes like \"2.7V-3.6V\"")?;
    let plain = text.replace(' ', "");
    supplies.iter().find(|s| s.range.eq_ignore_ascii_case(&plain)).ok_or_else(|| {
        let ranges: Vec<_> = supplies.iter().map(|s| format!("\"{}\"", s.range)).collect();
        item.value_fault(
            format!("\"{text}\" is no supply range of {}", chip.name),
            format!("use the one that the supply never leaves: {}", ranges.join(", ")),
        )
    })
}

fn clocks(
    file: &mut Section,
    chip: &Chip,
    supply: &Supply,
    warnings: &mut Vec<String>,
) -> Result<clock::Clocks> {
    let mut section =
        need_section(file, "clock", "[clock] with `hse = \"8 MHz\"` and `sysclk = \"168 MHz\"`")?;
    let hse_item = section.get("hse");
    let hse =
        hse_item.as_ref().map(|i| i.number("a frequency like \"8 MHz\"", units::frequency)).transpose()?;
    let bypass = flag(&mut section, "hse-bypass", false)?;
    let sysclk_item = section.need("sysclk", "sysclk = \"168 MHz\"")?;
    let sysclk = sysclk_item.number("a frequency like \"168 MHz\"", units::frequency)?;
    section.finish()?;
    if hse.is_none() {
        warnings.push(
            "no crystal ([clock] hse): HSI is not exact enough for USB over the whole temperature range"
                .into(),
        );
    }
    if supply.millivolts().0 < 2700 {
        warnings.push(format!(
            "the USB transceiver needs 3.0 V to 3.6 V; at {} it needs a supply pin of its own (VDDUSB)",
            supply.range
        ));
    }
    clock::solve(chip, supply, hse, bypass, sysclk).map_err(|e| {
        let item = match (&e, &hse_item) {
            (clock::ClockError::Hse { .. } | clock::ClockError::NoUsb { .. }, Some(item)) => item,
            _ => &sysclk_item,
        };
        item.error(Fault::Clock(e))
    })
}

fn usb(file: &mut Section) -> Result<Usb> {
    let mut usb = Usb {
        vid: 0x0483,
        pid: 0xDF11,
        bcd_device: 0x0100,
        manufacturer: "Surefoot".into(),
        product: "STM32 BOOTLOADER".into(),
        transfer_size: 2048,
        read_unprotect: false,
    };
    let Some(mut section) = file.section("usb")? else { return Ok(usb) };
    for (key, field) in [("vid", &mut usb.vid), ("pid", &mut usb.pid), ("bcd-device", &mut usb.bcd_device)] {
        if let Some(item) = section.get(key) {
            let number = item.number("a 16-bit number like 0x0483", units::address)?;
            let legal = u16::try_from(number).ok().filter(|n| *n != 0 || key == "bcd-device");
            *field = legal.ok_or_else(|| {
                item.value_fault(format!("{number:#X} is not between 1 and 0xFFFF"), "use 16 bits")
            })?;
        }
    }
    for (key, field) in [("manufacturer", &mut usb.manufacturer), ("product", &mut usb.product)] {
        if let Some(item) = section.get(key) {
            *field = usb_text(&item)?;
        }
    }
    if let Some(item) = section.get("transfer-size") {
        usb.transfer_size = transfer_size(&item)?;
    }
    usb.read_unprotect = flag(&mut section, "read-unprotect", false)?;
    section.finish()?;
    Ok(usb)
}

/// Both names and the memory string share 208 bytes of the block; 60 each leaves the string 85.
fn usb_text(item: &Item) -> Result<String> {
    let text = item.text("a text in quotes")?;
    let printable = text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if text.is_empty() || text.len() > 60 || !printable {
        return Err(item.value_fault(
            format!("\"{}\" does not fit a USB string here", text.escape_default()),
            "use 1-60 printable ASCII characters",
        ));
    }
    Ok(text.to_string())
}

fn transfer_size(item: &Item) -> Result<u16> {
    let size = item.number("a number of bytes like 2048", units::size)?;
    if (64..=4096).contains(&size) && size.is_multiple_of(64) {
        return Ok(size as u16);
    }
    let below = (size / 64 * 64).clamp(64, 4096);
    let above = size.saturating_add(63).saturating_div(64).saturating_mul(64).clamp(64, 4096);
    let remedy = if below == above { format!("use {below}") } else { format!("use {below} or {above}") };
    Err(item.value_fault(format!("{size} is not a multiple of 64 between 64 and 4096"), remedy))
}

fn led(file: &mut Section, chip: &Chip, crystal: bool) -> Result<Option<Pin>> {
    let Some(mut section) = file.section("led")? else { return Ok(None) };
    let (_, place) = pin_of(&mut section, chip, crystal)?;
    let active_high = active(&mut section)?;
    section.finish()?;
    Ok(Some(pin::encode(place, active_high, 0)))
}

fn button(file: &mut Section, chip: &Chip, crystal: bool, led: Option<Pin>) -> Result<Option<Pin>> {
    let Some(mut section) = file.section("button")? else { return Ok(None) };
    let (item, place) = pin_of(&mut section, chip, crystal)?;
    let active_high = active(&mut section)?;
    let pull = match section.get("pull") {
        Some(item) => item.choice(&[("none", 0), ("up", 1), ("down", 2)])?,
        None => 0,
    };
    section.finish()?;
    let button = pin::encode(place, active_high, pull);
    if led.is_some_and(|led| pin::name(led) == pin::name(button)) {
        return Err(item.error(Fault::Pin(pin::PinError::Twice(pin::name(button)))));
    }
    Ok(Some(button))
}

fn pin_of<'s>(section: &mut Section<'s>, chip: &Chip, crystal: bool) -> Result<(Item<'s>, (char, u8))> {
    let item = section.need("pin", "pin = \"PD12\"")?;
    let text = item.text("a pin in quotes like \"PD12\"")?;
    let place = pin::check(text, chip, crystal).map_err(|e| item.error(Fault::Pin(e)))?;
    Ok((item, place))
}

fn active(section: &mut Section) -> Result<bool> {
    section.need("active", "active = \"high\"")?.choice(&[("high", true), ("low", false)])
}

fn boot(file: &mut Section, journal: bool) -> Result<Boot> {
    let mut boot = Boot {
        magic: DEFAULT_MAGIC_WORD,
        backup_register: 0,
        double_tap_ms: 0,
        timeout_ms: 30_000,
        watchdog: true,
        option_bytes: OptionBytes::Host,
        trial_boots: if journal { TRIAL_BOOTS } else { 0 },
    };
    let Some(mut section) = file.section("boot")? else { return Ok(boot) };
    if let Some(item) = section.get("magic") {
        boot.magic = item.number("a number like 0xDEADBEEF", units::address)?;
        if matches!(boot.magic, 0 | u32::MAX) {
            return Err(item.value_fault(
                format!("{:#X} can be in a register that was never written", boot.magic),
                "use another word, 0xDEADBEEF for example",
            ));
        }
    }
    if let Some(item) = section.get("backup-register") {
        let number = item.number("a number from 0 to 19", units::address)?;
        if number > 19 {
            return Err(item.value_fault(
                format!("there is no backup register {number}"),
                "use 0 to 19 (RTC_BKP0R to RTC_BKP19R)",
            ));
        }
        boot.backup_register = number as u8;
    }
    if let Some(item) = section.get("double-tap") {
        boot.double_tap_ms = time(&item, 5_000, "\"500 ms\", or \"0 ms\" for none")?;
    }
    if let Some(item) = section.get("timeout") {
        boot.timeout_ms = match item.text("") {
            Ok("never") => 0,
            _ => time(&item, 86_400_000, "\"30 s\", or \"never\"")?,
        };
        // A host needs some seconds to find the device, and the board may never get another one.
        if boot.timeout_ms != 0 && boot.timeout_ms < SHORTEST_TIMEOUT_MS {
            return Err(item.value_fault(
                format!("in {} ms no host finds the board in update mode", boot.timeout_ms),
                "use \"5 s\" or more, or \"never\"",
            ));
        }
    }
    boot.watchdog = flag(&mut section, "watchdog", true)?;
    if let Some(item) = section.get("option-bytes") {
        boot.option_bytes = item.choice(&[
            ("host", OptionBytes::Host),
            ("application", OptionBytes::Application),
            ("locked", OptionBytes::Locked),
        ])?;
    }
    if let Some(item) = section.get("trial-boots") {
        boot.trial_boots = trial_boots(&item, journal)?;
    }
    section.finish()?;
    Ok(boot)
}

/// Boots in which a new image has to confirm itself, unless the board file says otherwise.
const TRIAL_BOOTS: u8 = 3;

fn trial_boots(item: &Item, journal: bool) -> Result<u8> {
    let number = item.number("a number of boots like 3", units::address)?;
    let legal = u8::try_from(number).ok().filter(|n| *n <= MAX_TRIAL_BOOTS).ok_or_else(|| {
        item.value_fault(format!("{number} boots are too many"), format!("use 0 (none) to {MAX_TRIAL_BOOTS}"))
    })?;
    if legal != 0 && !journal {
        return Err(item.value_fault(
            "trial boots are counted in the journal, and there is none",
            "add `journal = \"0x08004000\"` to [layout], or take this line out",
        ));
    }
    Ok(legal)
}

/// The shortest time-out of update mode.
const SHORTEST_TIMEOUT_MS: u32 = 5_000;

fn time(item: &Item, most: u32, example: &'static str) -> Result<u32> {
    let ms = item.number("a time like \"500 ms\" or \"30 s\"", units::duration)?;
    if ms > most {
        return Err(item.value_fault(format!("{ms} ms is more than {most} ms"), format!("use {example}")));
    }
    Ok(ms)
}

fn validation(file: &mut Section, files: &dyn Files, journal: bool) -> Result<(Policy, Vec<Key>)> {
    let mut section =
        need_section(file, "validation", "[validation] with `policy = \"signature\"` and `keys`")?;
    let item = section.need("policy", "policy = \"signature\"")?;
    let policy =
        item.choice(&[("none", Policy::None), ("crc", Policy::Crc), ("signature", Policy::Signature)])?;
    if policy == Policy::None && journal {
        return Err(item.value_fault(
            "the journal knows images by their manifest, for which the policy \"none\" does not ask",
            "use \"signature\" or \"crc\", or take `journal` out of [layout]",
        ));
    }
    let mut keys: Vec<Key> = Vec::new();
    for (name, revoked) in [("keys", false), ("revoked", true)] {
        let Some(list) = section.get(name) else { continue };
        for entry in list.list("a list of files or of 64 hex digits each")? {
            let text = entry.text("a file's name in quotes or 64 hex digits")?;
            let bytes = keys::read(text, files).map_err(|(what, remedy)| entry.value_fault(what, remedy))?;
            if keys.iter().any(|k| k.bytes == bytes) {
                return Err(entry.value_fault("this key is in the list already", "name each key once"));
            }
            // The chip looks for a key by the id in the manifest and takes the first that has it.
            if keys.iter().any(|k| keys::id(&k.bytes) == keys::id(&bytes)) {
                return Err(entry.value_fault(
                    "this key has the same id as one before it, though they differ: its signatures would never \
                     be accepted",
                    "make another one with `surefoot image keygen`",
                ));
            }
            if keys.len() == MAX_KEYS {
                return Err(entry.value_fault(
                    format!("there is room for {MAX_KEYS} keys, revoked ones included"),
                    "take one out",
                ));
            }
            keys.push(Key { bytes, revoked });
        }
    }
    if policy == Policy::Signature && keys.iter().all(|k| k.revoked) {
        return Err(item.value_fault(
            "the policy \"signature\" has no key that is not revoked, so nothing could ever boot",
            "add `keys = [\"keys/my-key.pub.pem\"]`; `surefoot image keygen` makes one",
        ));
    }
    section.finish()?;
    Ok((policy, keys))
}

fn flag(section: &mut Section, key: &'static str, default: bool) -> Result<bool> {
    section.get(key).map_or(Ok(default), |item| item.bool())
}

fn need_section<'s>(file: &mut Section<'s>, key: &'static str, example: &'static str) -> Result<Section<'s>> {
    match file.section(key)? {
        Some(section) => Ok(section),
        None => Err(file.missing(key, example)),
    }
}
