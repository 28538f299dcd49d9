//! Rules that other people's drivers are known to break on the models, each with its reason.
//!
//! Such a driver works on silicon, so the model carries out what it does; it records it all the
//! same. A list names every rule a program breaks: [`check`] refuses a violation that is not on the
//! list, and an entry of the list that nothing breaks any more.

use surefoot_sim::{Board, Kind};

/// A rule that is broken, and why that is no fault of the model.
#[derive(Clone, Copy, Debug)]
pub struct Broken {
    /// The violation's kind.
    pub kind: Kind,
    /// Part of the violation's text.
    pub what: &'static str,
    /// What the driver does, and what the manual says.
    pub because: &'static str,
}

/// Holds the board's violations against the list.
///
/// # Panics
///
/// With every violation that no entry covers, and every entry that covers none.
pub fn check(board: &Board, known: &[Broken]) {
    let fits = |broken: &Broken, violation: &surefoot_sim::Violation| {
        violation.kind == broken.kind && violation.what.contains(broken.what)
    };
    let mut unknown: Vec<String> = Vec::new();
    for violation in board.violations().iter().filter(|v| !known.iter().any(|broken| fits(broken, v))) {
        // Each rule once, with the first place that broke it.
        if !unknown.iter().any(|line| line.contains(&violation.what)) {
            unknown.push(violation.to_string());
        }
    }
    assert!(unknown.is_empty(), "rules broken that are not on the list:\n{}", unknown.join("\n"));
    let unused: Vec<&str> = known
        .iter()
        .filter(|broken| !board.violations().iter().any(|violation| fits(broken, violation)))
        .map(|broken| broken.what)
        .collect();
    assert!(unused.is_empty(), "on the list, but not broken: {unused:?}");
}
