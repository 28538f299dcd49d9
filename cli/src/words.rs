//! What other tools call our verbs: some of their words are understood, the others get a hint.
//!
//! A word that could erase or lock something is never guessed: `reset` is not `erase`.

use crate::exit::Exit;
use crate::problem::Problem;
use std::ffi::OsString;

/// Words that mean one verb of ours and nothing else.
const SAME: [(&str, &[&str]); 15] = [
    ("sign", &["image", "sign"]),
    ("keygen", &["image", "keygen"]),
    ("keys", &["image", "keys"]),
    ("inspect", &["image", "inspect"]),
    ("init", &["new"]),
    ("log", &["info"]),
    ("status", &["info"]),
    ("slots", &["info"]),
    ("detach", &["boot"]),
    ("devices", &["list"]),
    ("download", &["flash"]),
    ("program", &["flash"]),
    ("write", &["flash"]),
    ("update", &["flash"]),
    ("seal", &["bootloader"]),
];

/// Words that need a decision, or have no verb.
const HINTS: [(&str, &str); 16] = [
    (
        "reset",
        "`surefoot boot` leaves update mode and boots the application; a running board is reset with its reset button, or by its application.",
    ),
    (
        "reboot",
        "`surefoot boot` leaves update mode and boots the application; a running board is reset with its reset button, or by its application.",
    ),
    (
        "start",
        "`surefoot boot` boots the application of a board in update mode; `surefoot run APP.elf` flashes a program first.",
    ),
    (
        "monitor",
        "`surefoot run APP.elf` and `surefoot sim run` show the serial output of a virtual board; for a board on the desk open its serial port with a terminal program.",
    ),
    (
        "attach",
        "`surefoot run APP.elf` and `surefoot sim run` show the serial output of a virtual board; for a board on the desk open its serial port with a terminal program.",
    ),
    (
        "upload",
        "In DFU, upload means reading: `surefoot read` reads the flash into a file, `surefoot flash` writes a file to the board.",
    ),
    ("dump", "`surefoot read FILE` reads the flash into a file."),
    ("chips", "`surefoot layout --chip STM32F407VG` answers for one chip; every STM32F4 with USB is known."),
    (
        "boards",
        "`surefoot new --help` lists the example boards; `surefoot list` lists the boards in update mode.",
    ),
    (
        "install",
        "`surefoot bootloader` seals the bootloader into a file, which a debug probe or ST's ROM bootloader writes once.",
    ),
    (
        "build",
        "`surefoot image sign` makes an image of an application that is built and linked; `surefoot layout --out` writes what it is linked with.",
    ),
    (
        "debug",
        "Surefoot has no debugger: probe-rs or OpenOCD with GDB debug the application; `surefoot sim run` shows what it does on a virtual board.",
    ),
    (
        "test",
        "`surefoot flash` puts an image on trial by itself: it runs, and the board goes back unless it confirms itself.",
    ),
    (
        "revert",
        "The board goes back by itself from an image that does not confirm itself; `surefoot info` shows the slots and what it goes back to.",
    ),
    ("unlock", "`surefoot protect` shows the protection and how it is undone; nothing is undone over USB."),
    (
        "confirm",
        "The application confirms itself with `confirm` of the application library; no host can do it.",
    ),
];

/// Options of other tools that are none of ours.
const OPTIONS: [(&str, &str); 1] = [(
    "--force",
    "--yes answers questions; --unchecked (`surefoot flash`, `surefoot image sign`) takes an image that the board \
     will refuse; --again (`surefoot image sign`) replaces a manifest.",
)];

/// What an option of other tools is called here.
pub fn option_hint(option: &str) -> Option<&'static str> {
    OPTIONS.iter().find(|(word, _)| *word == option).map(|(_, hint)| *hint)
}

/// The command line with another tool's word replaced by our verb.
pub fn translated(mut words: Vec<OsString>) -> Vec<OsString> {
    // The options before a verb have no values.
    let verb = words.iter().skip(1).position(|word| !word.to_string_lossy().starts_with('-'));
    let Some(place) = verb.map(|place| place + 1) else { return words };
    let same = SAME.iter().find(|(word, _)| words[place] == *word);
    if let Some((_, ours)) = same {
        words.splice(place..=place, ours.iter().map(OsString::from));
    }
    words
}

/// A verb that there is not. `similar` is what it resembles.
pub fn unknown(word: &str, similar: &[String]) -> Problem {
    let what = format!("there is no verb {word:?}");
    if let Some((_, hint)) = HINTS.iter().find(|(known, _)| *known == word) {
        return Problem::new(Exit::Usage, "usage", what, "Other tools have one.", hint);
    }
    let harmless = |verb: &&String| !matches!(verb.as_str(), "erase" | "protect");
    let nearest = similar.iter().find(|verb| begins_alike(word, verb));
    let remedy = match nearest.or_else(|| similar.iter().find(harmless)) {
        Some(verb) => format!("Did you mean `surefoot {verb}`? `surefoot --help` lists the verbs."),
        None => "`surefoot --help` lists the verbs.".to_owned(),
    };
    Problem::new(Exit::Usage, "usage", what, "Each job has one verb, which comes first.", &remedy)
}

/// A slip of the finger, and no other word.
fn begins_alike(word: &str, verb: &str) -> bool {
    word.len() >= 4 && word.get(..4) == verb.get(..4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn another_tools_word_takes_the_place_of_our_verb() {
        let line = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(translated(line("surefoot --json sign a.elf")), line("surefoot --json image sign a.elf"));
        assert_eq!(translated(line("surefoot status --link usb")), line("surefoot info --link usb"));
        // Only where the verb is.
        assert_eq!(translated(line("surefoot flash write")), line("surefoot flash write"));
        assert_eq!(translated(line("surefoot --json")), line("surefoot --json"));
    }

    #[test]
    fn no_word_of_others_hides_a_verb_of_ours_and_each_leads_to_one() {
        let cli = Cli::command();
        let ours: Vec<&str> = cli.get_subcommands().map(|verb| verb.get_name()).collect();
        for (word, verb) in SAME {
            assert!(!ours.contains(&word) && ours.contains(&verb[0]), "{word}");
            let words: Vec<&str> =
                ["surefoot"].into_iter().chain(verb.iter().copied()).chain(["--help"]).collect();
            let error = Cli::try_parse_from(words).expect_err("help");
            assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{word}");
        }
        for (word, hint) in HINTS.into_iter().chain(OPTIONS) {
            assert!(!ours.contains(&word), "{word}");
            for named in hint.split("`surefoot ").skip(1) {
                let verb = named.split([' ', '`']).next().unwrap_or_default();
                assert!(ours.contains(&verb), "{word}: {hint}");
            }
        }
    }
}
