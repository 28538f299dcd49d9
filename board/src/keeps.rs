//! What a board cannot keep, by its configuration block, and whether anything like it has run.
//!
//! A board file's warnings come from here, and so does what `surefoot flash` says of a board that is
//! connected without its file. Nothing is refused: all of it is legal.

use surefoot_core::config::{Config, Policy, Strategy};

/// What is said of a chip that the bootloader has not run on, without its full stop.
pub fn untried(config: Config) -> Option<String> {
    let id = config.device_id();
    (!surefoot_chips::has_model(id)).then(|| {
        format!(
            "the bootloader has not run on this chip (device id 0x{id:03X}): only STM32F405, F407, F411, F415, F417 \
             and F446 have a model on the virtual board; try it with a debug probe at hand"
        )
    })
}

/// One sentence for each thing that this board does not keep, without its full stop.
pub fn does_not_keep(config: Config) -> Vec<String> {
    let table = [
        (
            !config.has_journal() && config.policy() != Policy::None,
            "no journal: the board has no trial boots, no rollback and no boot log, and it records neither \
             the security counter nor revoked keys, so older images are accepted again",
        ),
        (
            !config.has_journal() && config.policy() == Policy::None,
            "no journal: the board has no trial boots, no rollback, no anti-rollback and no boot log",
        ),
        (
            config.has_journal() && config.trial_boots() == 0 && config.strategy() != Strategy::Single,
            "no trial boots ([boot] trial-boots = 0): a new image that does not work is never rolled back",
        ),
        (
            config.button().is_none() && config.double_tap_ms() == 0,
            "no way into update mode (no button, no double tap): an application that does not ask for update \
             mode itself can be replaced with a debug probe only",
        ),
    ];
    table.into_iter().filter(|(is, _)| *is).map(|(_, text)| text.to_owned()).collect()
}
