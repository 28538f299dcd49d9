//! Links between pages, to files and to headings; and the tests and files that pages name.

use crate::pages::{self, Page};
use std::collections::BTreeSet;
use std::path::Path;

/// `[text](target)`: the targets, with the number of their line.
fn targets(page: &Page) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in page.prose() {
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push((number, &rest[..end]));
            }
        }
    }
    found
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = page.prose().into_iter().filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let pages = pages::all();
    let mut tried = 0;
    let mut broken = Vec::new();
    for page in &pages {
        for (line, target) in targets(page) {
            if target.starts_with("https://") || target.starts_with("http://") {
                continue;
            }
            tried += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path =
                if file.is_empty() { pages::root().join(&page.name) } else { page.folder().join(file) };
            let at = format!("{}:{line}: {target}", page.name);
            if !path.exists() {
                broken.push(format!("{at}: no such file"));
            } else if !heading.is_empty() {
                let same = |p: &&Page| same(&pages::root().join(&p.name), &path);
                match pages.iter().find(same) {
                    Some(aim) if anchors(aim).contains(heading) => {}
                    Some(aim) => broken.push(format!("{at}: {} has no such heading", aim.name)),
                    None => broken.push(format!("{at}: a heading in a file that is no page")),
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(tried > 40, "{tried} links: the pages were not read");
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Files that a page may name though they are not in the repository.
fn made_by_the_reader(span: &str) -> bool {
    const MADE: [&str; 4] = ["target/", "link/", "keys/", "build/"];
    MADE.iter().any(|folder| span.starts_with(folder))
}

#[test]
fn every_path_in_the_repository_that_a_page_names_is_there() {
    let mut tried = 0;
    let mut broken = Vec::new();
    for page in pages::all() {
        for (line, text) in page.prose() {
            for span in pages::code_spans(text) {
                let path = span.split([':', ' ']).next().expect("a piece");
                let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
                let known = path.split_once('/').is_some_and(|(top, _)| pages::root().join(top).is_dir());
                if !plain || !known || path.starts_with(['.', '/']) || made_by_the_reader(path) {
                    continue;
                }
                tried += 1;
                let there = pages::root().join(path).exists() || page.folder().join(path).exists();
                // A folder's page, or a module of tests, is named without its ending.
                if !there && !pages::root().join(format!("{path}.rs")).exists() {
                    broken.push(format!("{}:{line}: {path}", page.name));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(tried > 40, "{tried} paths: the pages were not read");
}

/// Every Rust file of the repository's own, in one text.
fn sources() -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                read(&path, text);
            } else if name.ends_with(".rs") {
                text.push_str(&std::fs::read_to_string(&path).expect("UTF-8"));
            }
        }
    }
    let mut text = String::new();
    read(&pages::root(), &mut text);
    text
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let sources = sources();
    let mut tried = 0;
    let mut missing = Vec::new();
    for page in pages::all() {
        let prose: Vec<&str> = page.prose().into_iter().map(|(_, line)| line.trim()).collect();
        // Names of tests are long, and broken over lines behind "file: ".
        for span in pages::code_spans(&prose.join(" ")) {
            let name = span.rsplit(": ").next().expect("a piece");
            let of_words = name.matches('_').count() >= 3;
            if !of_words || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
                continue;
            }
            tried += 1;
            if !has_word(&sources, name) {
                missing.push(format!("{}: {name}", page.name));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(tried > 80, "{tried} names: the pages were not read");
}

/// True when `name` is there and not only the beginning or the end of a longer one.
fn has_word(text: &str, name: &str) -> bool {
    let part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = text.as_bytes();
    text.match_indices(name).any(|(at, _)| {
        !part(at.checked_sub(1).map(|before| &bytes[before])) && !part(bytes.get(at + name.len()))
    })
}

#[test]
fn a_piece_of_a_program_that_names_its_file_is_in_it_word_for_word() {
    let mut tried = 0;
    for page in pages::all() {
        for block in page.blocks().into_iter().filter(|b| ["rust", "c"].contains(&b.language.as_str())) {
            let first = block.lines.first().map(String::as_str).unwrap_or_default();
            let name = first.trim_start_matches(['/', '*', ' ']).trim_end_matches(['*', '/', ' ']);
            let file = pages::root().join(name);
            let at = format!("{}:{}", page.name, block.first);
            if !name.starts_with("examples/") {
                assert!(!name.contains("fn "), "{at}: a program of which no test knows whether it is right");
                continue;
            }
            let source = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{at}: {name}: {e}"));
            let piece = block.lines[1..].join("\n");
            assert!(source.contains(&piece), "{at}: {name} has no\n{piece}");
            tried += 1;
        }
    }
    assert!(tried > 4, "{tried} pieces: the pages were not read");
}
