//! The fail-safe state machine on its own, with the flash rules of many families: the supply is cut
//! before, inside and after every operation, and again in the recovery.
//!
//! What the tests stand on: `flash` and `unstable` (the model), `family` (its parameters), `image`, `board` (the
//! core's slots on it, with an onlooker who checks the promises), `scenario` (the stories), `sweep`
//! (the cuts). `charge`, `faults`, `passing`, `turnover`, `untried` and `wear` look
//! at single things. The binary that ships is swept by `cargo xtask sweep`; here are the families that
//! have no firmware yet.

mod board;
mod charge;
mod family;
mod faults;
mod flash;
mod image;
mod passing;
mod scenario;
mod sweep;
mod turnover;
mod unstable;
mod untried;
mod wear;

use family::FAMILIES;
use surefoot_core::config::Strategy;
use sweep::Effort;

/// One test for each family and strategy, so that they share the machine's cores: the family, the
/// strategy, one cut in how many, and the number of second cuts for each first one.
macro_rules! swept {
    ($($name:ident: $number:literal $strategy:ident $one_in:literal $seconds:literal;)*) => {$(
        #[test]
        fn $name() {
            let cuts = sweep::all(&FAMILIES[$number], Strategy::$strategy, Effort::new($one_in, $seconds));
            assert!(cuts > 0 || sweep::has_failed(), "nothing was cut");
        }
    )*};
}

swept! {
    f4_with_two_slots_survives_cuts: 0 Ab 1 1;
    f4_with_a_backup_survives_cuts: 0 Backup 1 1;
    f4_with_one_slot_survives_cuts: 0 Single 1 1;
    f4_with_bytes_and_two_slots_survives_cuts: 1 Ab 32 1;
    f4_with_bytes_and_a_backup_survives_cuts: 1 Backup 64 1;
    f1_with_two_slots_survives_cuts: 2 Ab 16 1;
    f1_with_a_backup_survives_cuts: 2 Backup 32 1;
    f1_with_one_slot_survives_cuts: 2 Single 16 1;
    f1_with_large_pages_survives_cuts: 3 Ab 8 1;
    l4_with_two_slots_survives_cuts: 4 Ab 4 1;
    l4_with_a_backup_survives_cuts: 4 Backup 8 1;
    l4_with_one_slot_survives_cuts: 4 Single 4 1;
    u5_with_two_slots_survives_cuts: 5 Ab 4 1;
    u5_with_a_backup_survives_cuts: 5 Backup 4 1;
    h7_with_two_slots_survives_cuts: 6 Ab 2 1;
    h7_with_a_backup_survives_cuts: 6 Backup 4 1;
    f7_with_two_slots_survives_cuts: 7 Ab 16 1;
    f7_with_a_backup_survives_cuts: 7 Backup 16 1;
}
