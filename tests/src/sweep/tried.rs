//! What second cuts were tried in already, so that each is tried once.
//!
//! Recoveries from many first cuts come to the same flash: of a copy that begins anew, say, after
//! whatever the cut had left. What a board does after a loss of the supply depends on what it keeps
//! ([`Remains::print`]) and what must hold then on the [`Promise`]. Where both are the same, so are
//! the cuts.

use super::checks::Promise;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, PoisonError};
use surefoot_sim::Remains;

/// The places of all scenarios, or the states of the flash that were started from, shared by those who work on
/// them.
#[derive(Clone, Debug, Default)]
pub struct Tried(Arc<Mutex<HashSet<u64>>>);

impl Tried {
    /// The number that stands for a place: for the board and its images ([`super::bench::Bench::world`]), for
    /// what `remains` says, and for what is promised.
    pub(super) fn place(world: u64, remains: &Remains, promise: &Promise) -> u64 {
        let place = (world, remains.print(), promise);
        BuildHasherDefault::<DefaultHasher>::default().hash_one(place)
    }

    /// True for a place the first time.
    pub(super) fn is_new(&self, place: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// True before the first.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
