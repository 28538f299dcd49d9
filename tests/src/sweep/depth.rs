//! How much is tried at each operation, and what of it is drawn.
//!
//! A second cut has a place: what the recovery finds in the flash, and the operation of it that the supply fails
//! at. Where every place is cut, it is so in a few of the ways in which it can be, drawn by a seed. The torn draws
//! of one first cut lead to recoveries that differ in little more than that word, so these share the operations:
//! each is cut behind some of them. Where images are signed, only some of the places are cut. Another seed draws
//! other ways and places, and deals otherwise.

use super::case::How;
use super::tried::Tried;
use surefoot_sim::random::Random;

/// So many times as many draws where it matters most what a cut leaves.
pub(super) const MORE: u8 = 4;
/// Behind one in so many torn draws an operation of a recovery is cut, by each of [`Every::draws`].
const TURNS: u64 = 2;
/// Before, and inside leaving solid, drifting or restless bits.
const WAYS: u64 = 4;

/// How much is tried at each operation.
#[derive(Clone, Debug, Default)]
pub struct Depth {
    /// Seeds for each kind of torn operation of flash.
    pub seeds: u8,
    /// The same for the last words of records.
    pub last_words: u8,
    /// Share of the first cuts, in 2^32 parts.
    pub first: u64,
    /// Share of the second cuts, in 2^32 parts.
    pub second: u64,
    /// Instead of shares: every first cut, and second ones at every operation of the recoveries.
    pub every: Option<Every>,
    /// So many failures end it.
    pub most_failures: u64,
}

/// Second cuts at every operation.
#[derive(Clone, Debug)]
pub struct Every {
    /// The places that were cut.
    pub tried: Tried,
    /// So many of the four ways in which the supply fails at a place are drawn.
    pub draws: u8,
    /// By this.
    pub seed: u64,
}

impl Every {
    /// True for a place that is not cut, and for a first cut after which the board is not reset as well, where images
    /// are signed: there a start takes as long as ten others, for the same decisions about the journal and the slots,
    /// which are tried everywhere where they are not.
    pub(super) fn leaves_out(&self, random: &mut Random) -> bool {
        random.below(WAYS) >= self.draws.into()
    }
}

impl Depth {
    /// Before, after, and inside in three ways, each by so many seeds.
    pub(super) fn first_kinds(seeds: u8) -> impl Iterator<Item = How> {
        let torn = std::iter::repeat_n([How::TORN, How::DRIFTING, How::RESTLESS], seeds.into());
        [How::BEFORE, How::AFTER].into_iter().chain(torn.flatten())
    }

    /// Before, after, and inside in one of three ways.
    pub(super) fn second_kinds(random: &mut Random) -> [How; 3] {
        let torn = [How::TORN, How::DRIFTING, How::RESTLESS][random.below(3) as usize];
        [How::BEFORE, torn, How::AFTER]
    }

    /// In which ways the supply fails a second time at a place. What stands after an operation that another one
    /// `follows` stands before that.
    pub(super) fn second_ways(&self, follows: bool, random: &mut Random) -> Vec<How> {
        let Some(Every { draws, .. }) = &self.every else {
            let kinds = Self::second_kinds(random).into_iter();
            return kinds.filter(|how| !follows || *how != How::AFTER).collect();
        };
        let mut ways = vec![How::BEFORE, How::TORN, How::DRIFTING, How::RESTLESS];
        while ways.len() > usize::from(*draws) {
            ways.swap_remove(random.below(ways.len() as u64) as usize);
        }
        ways.extend((!follows).then_some(How::AFTER));
        ways
    }

    /// First cuts at one operation, the last words of records and option bytes aside.
    pub fn first_cuts(&self) -> u64 {
        2 + 3 * u64::from(self.seeds)
    }

    /// Second cuts at one operation of a recovery, if none is left out.
    pub const SECOND_CUTS: u64 = 3;
}

/// Which operations of a recovery are cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Places {
    All,
    /// Those whose turn it is behind this draw, and erases in a slot.
    InTurn {
        first: u64,
        draws: u64,
    },
    /// Erases in a slot.
    Erases,
}

impl Places {
    /// Those of the recovery from a kind of first cut, numbered as [`Depth::first_kinds`] has them; `state`: of the
    /// word that makes the first record of a state whole. The seed is the operation's.
    pub(super) fn of(depth: &Depth, kind: u64, state: bool, seed: u64) -> Self {
        let Some(draw) = kind.checked_sub(2) else { return Self::All };
        if state && draw >= 3 * u64::from(depth.last_words) {
            // More draws of a record are for what is erased because it does not read.
            return Self::Erases;
        }
        let Some(every) = &depth.every else { return Self::All };
        let begins = Random::new(seed).bits() % TURNS;
        Self::InTurn { first: begins + draw, draws: every.draws.into() }
    }

    /// True for the operation of this number; `erases` says that it erases in a slot.
    pub(super) fn has(self, operation: usize, erases: bool) -> bool {
        match self {
            Self::All => true,
            Self::InTurn { first, draws } => (operation as u64 + first) % TURNS < draws || erases,
            Self::Erases => erases,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn depth(draws: u8) -> Depth {
        let every = Every { tried: Tried::default(), draws, seed: 1 };
        Depth { seeds: 1, last_words: 2, every: Some(every), ..Depth::default() }
    }

    /// The torn draws behind which an operation of the recovery is cut.
    fn behind(draws: u8, operation: usize, seed: u64) -> Vec<u64> {
        (0..3).filter(|draw| Places::of(&depth(draws), 2 + draw, false, seed).has(operation, false)).collect()
    }

    #[test]
    fn each_operation_of_a_recovery_is_cut_behind_some_torn_draw_and_by_another_seed_behind_each() {
        for operation in 1..300 {
            let mut all = BTreeSet::new();
            for seed in 0..64 {
                let some = behind(1, operation, seed);
                assert!((1..3).contains(&some.len()), "operation {operation}, seed {seed}: {some:?}");
                all.extend(some);
                assert_eq!(behind(2, operation, seed), [0, 1, 2], "more draws leave none out");
            }
            assert_eq!(all.len(), 3, "operation {operation}: {all:?}");
        }
    }

    #[test]
    fn with_signed_images_seeds_leave_out_other_places_and_four_draws_none() {
        let cut = |draws, place: u64, seed| {
            let every = Every { tried: Tried::default(), draws, seed };
            !every.leaves_out(&mut Random::new(place ^ seed))
        };
        for draws in 1..=4 {
            let some = (0..4_000).filter(|place| cut(draws, *place, 1)).count();
            assert!(some.abs_diff(1_000 * usize::from(draws)) < 100, "{draws}: {some}");
        }
        for place in 0..100 {
            let seeds = (0..64).map(|seed| Random::new(seed).bits());
            assert!(seeds.into_iter().any(|seed| cut(1, place, seed)), "place {place}");
        }
    }

    #[test]
    fn an_erase_in_a_slot_is_cut_behind_every_draw() {
        for kind in 0..26 {
            for operation in [1, 2] {
                assert!(Places::of(&depth(1), kind, true, 7).has(operation, true), "{kind}");
            }
        }
    }

    #[test]
    fn seeds_draw_every_way_of_a_second_cut_and_four_draws_are_all_of_them() {
        let ways = |draws, follows, seed| depth(draws).second_ways(follows, &mut Random::new(seed));
        let four = [How::BEFORE, How::TORN, How::DRIFTING, How::RESTLESS];
        let one: BTreeSet<How> = (0..64).flat_map(|seed| ways(1, true, seed)).collect();
        assert_eq!(one, BTreeSet::from(four));
        for draws in 1..=4 {
            for seed in 0..64 {
                let some: BTreeSet<How> = ways(draws, true, seed).into_iter().collect();
                assert_eq!(some.len(), usize::from(draws), "all different");
                assert!(
                    ways(draws, false, seed).ends_with(&[How::AFTER]),
                    "nothing follows that stands for it"
                );
            }
        }
        assert_eq!(ways(4, true, 1), four);
    }
}
