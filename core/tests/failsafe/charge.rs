//! What the starts of a trial cost: by the cause of the reset before them.

use super::board::{Board, Kind, Started, TRIAL_BOOTS, cause};
use super::family::SMALLEST;
use super::image::recipe;
use super::scenario::{self, Act};
use surefoot_core::config::{Policy, Strategy};

/// How often an image on trial starts after resets with this cause, behind its first start with another.
fn starts(cause: u8) -> usize {
    let mut board = Board::new(Kind::new(&SMALLEST, Strategy::Ab, Policy::Crc));
    scenario::act(&mut board, &[Act::Update("old"), Act::Rest, Act::Update("new")]);
    assert!(board.broken.is_empty(), "{:?}", board.broken);
    let new = board.kind.images.iter().position(|image| (image.recipe, image.slot) == (recipe("new"), 1));
    let new = Started::Image(new.expect("built"));
    (0..100).take_while(|_| board.boot(cause) == new).count()
}

#[test]
fn a_start_after_a_loss_of_the_supply_costs_an_eighth_of_any_other() {
    // The end of the update was the first.
    let left = usize::from(TRIAL_BOOTS) - 1;
    for supply in [cause::BROWN_OUT, cause::BROWN_OUT | cause::PIN, cause::POWER_ON] {
        assert_eq!(starts(supply), 8 * left, "{supply:#b}");
    }
    for other in [cause::PIN, cause::SOFTWARE, cause::WATCHDOG, 0] {
        assert_eq!(starts(other), left, "{other:#b}");
    }
}
