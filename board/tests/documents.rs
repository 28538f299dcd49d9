//! docs/board-file.md against the parser: each key that it knows is on the page, and each key on the page
//! is known, has the default that the page tells, and takes the example.
//!
//! The keys come from the parser's own answer to an unknown one, so a new key is missed by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use surefoot_board::{Board, BoardError, Fault};

const PAGE: &str = include_str!("../../docs/board-file.md");

/// Section, empty for the top level, and key.
type Key = (String, String);
/// A board file, its values as they are written.
type File = BTreeMap<Key, String>;

/// One row of the page.
struct Row {
    key: Key,
    left_out: String,
    example: Option<String>,
}

fn key(section: &str, key: &str) -> Key {
    (section.into(), key.into())
}

/// The page's rows. A cell that is code is a value.
fn rows() -> Vec<Row> {
    let mut section = None;
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("##") {
            let heading = heading.trim_start_matches(' ');
            let name = heading.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            section = name.or((heading == "Top level").then_some(""));
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (Some(section), [name, _, left_out, example]) = (section, cells.as_slice()) else { continue };
        if let Some(name) = code(name) {
            let example = code(example).map(str::to_owned);
            rows.push(Row { key: key(section, name), left_out: (*left_out).to_owned(), example });
        }
    }
    rows
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|inner| !inner.contains('`'))
}

/// Board files without a mistake; between them every key can be used.
fn good_files() -> Vec<File> {
    let plain: File = [
        ("", "name", "\"probe\""),
        ("", "chip", "\"STM32F407VG\""),
        ("", "voltage", "\"2.7V-3.6V\""),
        ("layout", "bootloader", "\"16K\""),
        ("layout", "application", "\"0x0800C000 + 80K\""),
        ("clock", "hse", "\"8 MHz\""),
        ("clock", "sysclk", "\"168 MHz\""),
        ("led", "pin", "\"PD13\""),
        ("led", "active", "\"high\""),
        ("button", "pin", "\"PC1\""),
        ("button", "active", "\"low\""),
        ("validation", "policy", "\"signature\""),
        ("validation", "keys", "[\"keys/example.pub.pem\"]"),
    ]
    .map(|(section, name, value)| (key(section, name), value.to_owned()))
    .into();
    let with = |file: &File, more: &[(&str, &str)]| {
        let mut file = file.clone();
        file.extend(more.iter().map(|(name, value)| (key("layout", name), (*value).to_owned())));
        file
    };
    let journal = with(&plain, &[("journal", "\"0x08004000\"")]);
    let two = ("application", "\"0x0800C000 + 464K\"");
    let slots = with(&journal, &[("strategy", "\"ab\""), two, ("application-b", "\"0x08080000 + 384K\"")]);
    let mut backup = with(&slots, &[("strategy", "\"backup\""), ("backup", "\"0x08080000\"")]);
    backup.remove(&key("layout", "application-b"));
    let mut banks = plain.clone();
    banks.insert(key("", "chip"), "\"STM32F429VG\"".into());
    banks.insert(key("validation", "policy"), "\"crc\"".into());
    vec![plain, journal, slots, backup, banks]
}

fn text(file: &File) -> String {
    let mut text = String::new();
    for section in file.keys().map(|(section, _)| section).collect::<BTreeSet<_>>() {
        if !section.is_empty() {
            let _ = writeln!(text, "[{section}]");
        }
        for ((_, name), value) in file.iter().filter(|((of, _), _)| of == section) {
            let _ = writeln!(text, "{name} = {value}");
        }
    }
    text
}

fn parse(file: &File) -> Result<Board, BoardError> {
    Board::parse(&text(file), &Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards"))
}

/// The keys that the parser asks for in `section`, by its answer to one that it cannot know.
fn known(section: &str) -> BTreeSet<String> {
    let mut file = good_files().remove(0);
    file.insert(key(section, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), "0".into());
    match *parse(&file).expect_err("an unknown key").fault {
        Fault::UnknownKey { nearest: None, known } => known.into_iter().map(str::to_owned).collect(),
        other => panic!("[{section}]: {other}"),
    }
}

#[test]
fn the_good_files_are_good() {
    for file in good_files() {
        parse(&file).unwrap_or_else(|e| panic!("{e}\n{}", text(&file)));
    }
}

#[test]
fn the_page_has_every_key_that_the_parser_knows_and_no_other() {
    let mut page: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows() {
        let (section, name) = row.key;
        assert!(page.entry(section.clone()).or_default().insert(name.clone()), "[{section}] {name} twice");
    }
    let sections: BTreeSet<String> = page.keys().filter(|s| !s.is_empty()).cloned().collect();
    assert!(sections.is_subset(&page[""]), "a section that is missing in the table of the top level");
    for (section, on_page) in page {
        assert_eq!(on_page, known(&section), "keys of [{section}]: the page, and the parser");
    }
}

#[test]
fn a_key_that_the_page_calls_required_is_missed_and_any_other_has_the_default_of_the_page() {
    let (mut required, mut defaults) = (0, 0);
    for Row { key, left_out, .. } in rows() {
        let mut may_be_left_out = false;
        for mut file in good_files() {
            let written = file.remove(&key);
            if left_out == "required" {
                let section = key.0.is_empty() && written.is_none();
                if section {
                    file.retain(|(of, _), _| *of != key.1);
                }
                let fault = parse(&file).expect_err(&key.1).fault;
                // Beside `application-b` a missing `application` looks like a slip of the pen.
                let missed = match &*fault {
                    Fault::Missing { .. } => true,
                    Fault::UnknownKey { nearest, .. } => nearest.as_ref() == Some(&key.1),
                    _ => false,
                };
                assert!(missed, "{key:?}: {fault}");
                required += 1;
            } else if let Ok(without) = parse(&file) {
                may_be_left_out = true;
                let Some(default) = code(&left_out) else { continue };
                file.insert(key.clone(), default.to_owned());
                let with = parse(&file).unwrap_or_else(|e| panic!("{key:?} = {default}: {e}"));
                assert_eq!(format!("{with:?}"), format!("{without:?}"), "{key:?} left out, and {default}");
                defaults += 1;
            }
        }
        assert_eq!(may_be_left_out, left_out != "required", "{key:?}");
    }
    assert!(required > 30 && defaults > 30, "{required} and {defaults}: the page was not read");
}

#[test]
fn every_example_of_the_page_is_taken() {
    for Row { key, example, .. } in rows() {
        let Some(example) = example else {
            assert!(key.0.is_empty(), "{key:?} has no example");
            continue;
        };
        let errors: Vec<String> = good_files()
            .into_iter()
            .filter_map(|mut file| {
                file.insert(key.clone(), example.clone());
                parse(&file).err().map(|e| e.to_string())
            })
            .collect();
        assert!(errors.len() < good_files().len(), "{key:?} = {example}: {errors:#?}");
    }
}
