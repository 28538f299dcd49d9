//! Text from devices and files as a terminal may get it: what would steer the terminal is shown, not sent.
//!
//! [`crate::output`] puts all it prints through here. Our own colours pass (only those, letter by letter), ends
//! of lines where lines are meant. Control characters (C0, DEL, C1) and those that turn the direction of
//! writing round (Unicode TR 36, 3.4) do not: they come out as `\\u{1b}`. A device's own strings are cleaned
//! once more where they are read (`surefoot-host`), so that none can pass as our colours.

use crate::output::{BAD, BOLD, DIM, GOOD};
use std::fmt::Write as _;
use std::path::Path;

/// Lines of ours, with values from elsewhere in them.
pub fn in_lines(text: &str) -> String {
    clean(text, true)
}

/// One value of a line.
pub fn in_value(text: &str) -> String {
    clean(text, false)
}

/// A path in JSON, where each text is UTF-8: what of a name is not is replaced.
pub fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}

/// Several of them.
pub fn paths<P: AsRef<Path>>(all: impl IntoIterator<Item = P>) -> Vec<String> {
    all.into_iter().map(path).collect()
}

/// Printed JSON, in which serde leaves DEL, C1 and directions as they are: as JSON writes them.
pub fn in_json(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\n' => out.push(c),
            _ if steers(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
        out
    })
}

/// True for a character that a terminal obeys and does not show.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn clean(text: &str, lines: bool) -> String {
    let ours = colours();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = ours.iter().find(|colour| c == '\u{1b}' && rest.starts_with(colour.as_str()));
        let taken = match colour {
            Some(colour) => {
                out.push_str(colour);
                colour.len()
            }
            None => {
                match c {
                    '\n' if lines => out.push(c),
                    _ if steers(c) => {
                        // Writing to a string does not fail.
                        let _ = write!(out, "{}", c.escape_unicode());
                    }
                    _ => out.push(c),
                }
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

/// What our styles write, the longest first.
fn colours() -> Vec<String> {
    let mut all: Vec<String> = [GOOD, BAD, DIM, BOLD]
        .into_iter()
        .chain(crate::draw::STYLES)
        .flat_map(|style| [format!("{style}"), format!("{style:#}")])
        .filter(|text| !text.is_empty())
        .collect();
    all.sort_by_key(|text| std::cmp::Reverse(text.len()));
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_shown_and_our_colours_are_not_touched() {
        let table = [
            ("plain, \u{e4}\u{2587}", "plain, \u{e4}\u{2587}"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\rb\tc\u{7f}\u{9b}1m", "a\\u{d}b\\u{9}c\\u{7f}\\u{9b}1m"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
        ];
        for (text, wanted) in table {
            assert_eq!(in_lines(text), wanted);
            assert_eq!(in_value(text), wanted);
        }
        assert_eq!((in_lines("a\nb"), in_value("a\nb")), ("a\nb".into(), "a\\u{a}b".into()));
        let ours = format!("{GOOD}same{GOOD:#} {BAD}not{BAD:#} {DIM}label{DIM:#} {BOLD}x{BOLD:#}");
        assert_eq!(in_value(&ours), ours);
        assert_eq!(in_json("{\"a\": \"\u{9b}\"}\n"), "{\"a\": \"\\u009b\"}\n");
    }
}
