//! Words that readers stumble over: in no page, and in no message of the command.
//!
//! What is in backticks or quotation marks on a page is a name and may hold them.

use crate::errors::{files, literals};
use crate::pages;

/// Each with what to write instead.
const STUMBLED_OVER: [(&str, &str); 5] = [
    ("anew", "again"),
    ("so many", "that number of, too many"),
    ("given up", "rolled back, stopped, abandoned"),
    ("stands", "is"),
    ("nobody", "say who does what, or use the passive"),
];

/// What is wrong with `text`.
fn found(text: &str) -> Option<String> {
    let plain = text.to_lowercase();
    let words: Vec<&str> =
        plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let (bad, good) = STUMBLED_OVER.iter().find(|(bad, _)| {
        let bad: Vec<&str> = bad.split(' ').collect();
        words.windows(bad.len()).any(|window| window == bad)
    })?;
    Some(format!("\"{bad}\", write: {good}"))
}

/// `text` without what is between two of `mark`.
fn without(text: &str, mark: char) -> String {
    text.split(mark).step_by(2).collect()
}

#[test]
fn the_pages_are_written_in_plain_words() {
    let mut wrong = Vec::new();
    for page in pages::all() {
        let prose: Vec<&str> = page.prose().into_iter().map(|(_, line)| line).collect();
        // A name may be broken over lines, and a paragraph is the longest piece that it is in.
        for paragraph in prose.join("\n").split("\n\n") {
            if let Some(what) = found(&without(&without(paragraph, '`'), '"')) {
                let start: String = paragraph.chars().take(70).collect();
                wrong.push(format!("{}: {what}: {start}", page.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_messages_of_the_command_are_written_in_plain_words() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for folder in ["cli/src", "demo/src", "host/src", "board/src"] {
        files(&pages::root().join(folder), &mut |path, text| {
            let text = text.split("#[cfg(test)]\nmod tests").next().expect("a piece");
            for literal in literals(text) {
                tried += 1;
                // Names of options and codes have no blanks.
                if let Some(what) = found(literal).filter(|_| literal.contains(' ')) {
                    wrong.push(format!("{}: {what}: {literal}", path.display()));
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 1000, "{tried} literals: the sources were not read");
}
