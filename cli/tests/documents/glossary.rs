//! docs/glossary.md: every term has one place, in order, and is one that readers meet.

use crate::pages;
use std::collections::BTreeSet;

#[test]
fn a_term_is_in_the_glossary_once_in_order_and_is_used() {
    let glossary = pages::page("docs/glossary.md");
    let texts: String =
        pages::all().into_iter().filter(|p| p.name != glossary.name).map(|p| p.text).collect();
    let texts = texts.replace('\n', " ").to_lowercase();
    let mut seen = BTreeSet::new();
    for heading in ["The field's words", "Our own words"] {
        let rows = glossary.rows(heading);
        let entries: Vec<String> = rows[1..].iter().map(|cells| cells[0].to_lowercase()).collect();
        assert!(entries.len() > 15, "{heading}: the table was not read");
        assert!(entries.is_sorted(), "{heading}: not in order: {entries:#?}");
        for entry in entries {
            for term in entry.split(", ") {
                assert!(seen.insert(term.to_owned()), "{term} is explained twice");
                assert!(texts.contains(term), "{term} is in no other page");
            }
        }
    }
}
