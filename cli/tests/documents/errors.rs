//! docs/errors.md: exit codes, error codes and the numbers on the wire, against the program.
//!
//! The tables of numbers are the enums of `core` in the words of `surefoot_host::texts`. With UPDATE_DOCS=1 they
//! are written into the page, otherwise a table that differs is an error.

use crate::pages;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use surefoot_core::dfu::Status;
use surefoot_host::protocol::dfuse::status_name;
use surefoot_host::texts::{self, Text};

const PAGE: &str = "docs/errors.md";

/// One row: number, name for machines, name in the source, what it means, what to do.
type Row = (u8, &'static str, String, &'static str, &'static str);

fn row(number: u8, source: String, text: Text) -> Row {
    (number, text.name, source, text.what, text.remedy)
}

/// Each table of numbers by its heading.
fn tables() -> [(&'static str, Vec<Row>); 5] {
    [
        (
            "Image faults",
            texts::IMAGE_FAULTS.map(|f| row(f as u8, format!("{f:?}"), texts::image_fault(f))).into(),
        ),
        (
            "Reasons for update mode",
            texts::REASONS.map(|f| row(f as u8, format!("{f:?}"), texts::reason(f))).into(),
        ),
        (
            "Faults of the configuration block",
            texts::CONFIG_FAULTS.map(|f| row(f as u8, format!("{f:?}"), texts::config_fault(f))).into(),
        ),
        (
            "Flash faults",
            texts::FLASH_FAULTS.map(|f| row(f as u8, format!("{f:?}"), texts::flash_fault(f))).into(),
        ),
        (
            "Events of the boot log",
            texts::EVENTS.map(|f| row(f as u8, format!("{f:?}"), texts::event(f))).into(),
        ),
    ]
}

#[test]
fn the_numbers_on_the_wire_are_those_of_the_program() {
    for (heading, rows) in tables() {
        let mut table =
            String::from("| number | name | in core | meaning | what to do |\n|---|---|---|---|---|\n");
        for (number, name, source, what, remedy) in rows {
            let _ = writeln!(table, "| {number} | `{name}` | `{source}` | {what} | {remedy} |");
        }
        the_page_has(heading, &table);
    }
}

#[test]
fn the_results_of_the_library_are_those_of_its_header() {
    let header = std::fs::read_to_string(pages::root().join("app/include/surefoot.h")).expect("the header");
    let results = header.split("typedef uint32_t surefoot_result_t;").nth(1).expect("the results");
    let results = results.split("\n\n").next().expect("a piece");
    let mut table = String::from("| number | name | meaning |\n|---|---|---|\n");
    let mut comment = String::new();
    for line in results.lines().map(str::trim) {
        if let Some(define) = line.strip_prefix("#define ") {
            let (name, number) = define.split_once(' ').expect("a name and a number");
            let meaning = comment.trim_start_matches("/*").trim_end_matches("*/").trim();
            let meaning = if meaning.is_empty() { "done" } else { meaning };
            let _ = writeln!(table, "| {} | `{name}` | {meaning} |", number.trim().trim_end_matches('u'));
            comment.clear();
        } else {
            comment = format!("{comment} {}", line.trim_start_matches("* ")).trim().to_owned();
        }
    }
    assert!(table.lines().count() > 10, "the header has changed its form: {table}");
    the_page_has("Results of the application library", &table);
}

/// Holds the table or the block under the heading against `wanted`, or writes it there.
pub fn the_page_has(heading: &str, wanted: &str) {
    // Several tests write into one file.
    static WRITER: Mutex<()> = Mutex::new(());
    let guard = WRITER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let page = pages::page(PAGE);
    let section = page.section(heading);
    let at = section.as_ptr() as usize - page.text.as_ptr() as usize;
    let first = ["\n|", "\n```text"].iter().filter_map(|begin| section.find(begin)).min();
    let start = at + first.map_or(section.len(), |before| before + 1);
    let rest = &page.text[start..];
    let end = start
        + match rest.strip_prefix("```").and_then(|inside| inside.find("```\n")) {
            Some(inner) => inner + 7,
            None => rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum(),
        };
    let found = &page.text[start..end];
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_none() {
        drop(guard);
        panic!("\"{heading}\" differs; UPDATE_DOCS=1 writes it. The page:\n{found}\nthe program:\n{wanted}");
    }
    let text = [&page.text[..start], wanted, &page.text[end..]].concat();
    // The other tests read it meanwhile.
    let file = pages::root().join(PAGE);
    let new = file.with_extension("md.new");
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &file)).expect("the page is written");
}

#[test]
fn the_status_of_a_request_is_that_of_dfu_and_its_code_too() {
    let page = pages::page(PAGE);
    let told: Vec<(String, String)> = page.rows("Status of a DFU request")[1..]
        .iter()
        .map(|cells| (cells[0].clone(), cells[1].trim_matches('`').to_owned()))
        .collect();
    let all = (0..=u8::MAX).filter_map(Status::from_u8);
    let wanted: Vec<_> = all.map(|s| (format!("0x{:02X}", s as u8), status_name(s).to_owned())).collect();
    assert_eq!(told, wanted);
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let out = Command::new(env!("CARGO_BIN_EXE_surefoot")).arg("--help").output().expect("it starts");
    let help = String::from_utf8(out.stdout).expect("UTF-8");
    let table = help.lines().skip_while(|line| *line != "Exit codes:").skip(1).take_while(|l| !l.is_empty());
    let wanted: Vec<(String, String)> = table
        .map(|line| line.trim().split_once("  ").expect("number and meaning"))
        .map(|(number, meaning)| (number.to_owned(), meaning.to_owned()))
        .collect();
    assert!(wanted.len() > 8, "the help has changed its form: {wanted:?}");
    for (name, heading) in [(PAGE, "Exit codes"), ("docs/command.md", "For scripts")] {
        let page = pages::page(name);
        let rows = page.rows(heading);
        let told: Vec<_> = rows[1..].iter().map(|cells| (cells[0].clone(), cells[1].clone())).collect();
        assert_eq!(told, wanted, "{name}");
    }
}

/// Every code that the sources can make, each with the file that it is in.
///
/// A code is a literal "group.name", or the name is one arm of a `match` whose end is `format!("group.{name}")`.
fn codes_of_the_sources() -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for folder in ["cli/src", "host/src"] {
        files(&pages::root().join(folder), &mut |path, text| {
            let text = text.split("#[cfg(test)]\nmod tests").next().expect("a piece");
            let mut keep = |code: String| {
                codes.insert(code, path.display().to_string());
            };
            for literal in literals(text).into_iter().filter(|l| is_code(l)) {
                keep(literal.to_owned());
            }
            for (at, _) in text.match_indices("format!(\"") {
                let Some((group, _)) = text[at + 9..].split_once(".{name}\"") else { continue };
                if group.chars().all(|c| c.is_ascii_lowercase()) {
                    let names =
                        text[..at].rfind("let name = match").or_else(|| text[..at].rfind("let (name, "));
                    let arms = &text[names.unwrap_or_else(|| panic!("{}: no names", path.display()))..at];
                    // A name is the first literal of its arm.
                    for arm in arms.split("=>").skip(1) {
                        if let Some(name) = literals(arm).first().filter(|name| !name.contains(' ')) {
                            keep(if is_code(name) { (*name).to_owned() } else { format!("{group}.{name}") });
                        }
                    }
                }
            }
        });
    }
    let mut keep = |code: String| codes.insert(code, "host/src/texts.rs".into());
    for fault in texts::IMAGE_FAULTS {
        keep(format!("image.{}", texts::image_fault(fault).name));
    }
    for status in (1..=u8::MAX).filter_map(Status::from_u8) {
        keep(format!("device.{}", status_name(status)));
    }
    codes
}

pub fn files(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, each);
        } else if path.extension().is_some_and(|e| e == "rs") {
            each(&path, &std::fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}

/// Literals on one line, without those that hold a quotation mark.
pub fn literals(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

/// "group.name", and no file.
fn is_code(text: &str) -> bool {
    const FILES: [&str; 15] = [
        "pem", "toml", "state", "lock", "hex", "dfu", "bin", "elf", "part", "json", "srec", "h", "ld", "x",
        "a",
    ];
    const LONE: [&str; 2] = ["usage", "unconfirmed"];
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    match text.split_once('.') {
        Some((group, name)) => word(group) && word(name) && !FILES.contains(&name),
        None => LONE.contains(&text),
    }
}

#[test]
fn every_error_code_of_the_program_is_on_the_page_and_no_other() {
    let codes = codes_of_the_sources();
    assert!(codes.len() > 100, "{} codes: the sources were not read", codes.len());
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for code in codes.keys() {
        let group = code.split('.').next().expect("a piece");
        groups.entry(group).or_default().push(format!("`{code}`"));
    }
    // What a group is about is written by hand.
    let rows = pages::page(PAGE).rows("Codes");
    let mut table = String::from("| group | what cannot be used, or what failed | codes |\n|---|---|---|\n");
    for cells in &rows[1..] {
        if let Some(codes) = groups.remove(cells[0].trim_matches('`')) {
            let _ = writeln!(table, "| {} | {} | {} |", cells[0], cells[1], codes.join(", "));
        }
    }
    assert!(groups.is_empty(), "groups of codes without a row: {groups:#?}");
    the_page_has("Codes", &table);
}

#[test]
fn every_error_code_that_a_page_names_is_one() {
    let codes = codes_of_the_sources();
    let groups: BTreeSet<&str> =
        codes.keys().filter_map(|code| code.split_once('.')).map(|(group, _)| group).collect();
    let mut tried = 0;
    let mut unknown = Vec::new();
    for page in pages::all() {
        for (line, text) in page.prose() {
            for span in pages::code_spans(text).into_iter().filter(|span| is_code(span)) {
                let of_a_group = span.split_once('.').is_some_and(|(group, _)| groups.contains(group));
                tried += usize::from(of_a_group);
                if of_a_group && !codes.contains_key(span) {
                    unknown.push(format!("{}:{line}: {span}", page.name));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(tried > 150, "{tried} codes: the pages were not read");
}
