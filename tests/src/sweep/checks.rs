//! What must hold after every cut: the promises of docs/INVARIANTS.md, as far as a board shows them.
//!
//! A [`Promise`] says what the state was when the supply failed: the floor, the keys that were
//! revoked, which image was confirmed. [`check`] holds a board that has started again against it.
//! The state is read from the flash with [`surefoot_core::journal`], as the host tool reads it.

use super::bench::{App, Bench, FLASH, Known, Seen};
use surefoot_core::config::{BLOCK_LEN, Config, OWNER_JOURNAL, Strategy};
use surefoot_core::image::manifest::Override;
use surefoot_core::journal::{self, BEGUN, Event, RECORD_LEN, Record};
use surefoot_sim::{Board, Remains, Started};

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The board is of no use, or lost what it must keep.
    Bricked(String),
    /// It runs something that it must not run.
    Unaccepted(String),
    /// Nothing was tried: a case's name has an operation that is not there.
    NoSuchPlace(String),
}

impl Failure {
    /// In words.
    pub fn why(&self) -> &str {
        match self {
            Self::Bricked(why) | Self::Unaccepted(why) | Self::NoSuchPlace(why) => why,
        }
    }
}

/// What the journal in a flash says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The newest record.
    pub newest: Option<Record>,
    /// The newest record whose state was written twice.
    pub solid: Option<Record>,
}

impl State {
    /// Of a board.
    pub fn of(board: &Board, journal: &[(u32, u32)]) -> Self {
        let flash = board.flash();
        Self::read(journal, |address| {
            flash.get((address - FLASH) as usize..).and_then(|rest| rest.get(..RECORD_LEN as usize))
        })
    }

    /// Of what a board's supply left.
    pub fn of_remains(remains: &Remains, journal: &[(u32, u32)]) -> Self {
        Self::read(journal, |address| remains.flash(address, RECORD_LEN as usize))
    }

    /// True when a newer record may come to light than the newest one that reads well: its unstable bits, read as
    /// they were programmed, make it one.
    pub fn may_be_outdone(remains: &Remains, journal: &[(u32, u32)]) -> bool {
        let newest = Self::of_remains(remains, journal).newest.map_or(0, |record| record.sequence());
        let mut places =
            journal.iter().flat_map(|&(base, length)| (base..base + length).step_by(RECORD_LEN as usize));
        places.any(|at| {
            let masks: [u8; RECORD_LEN as usize] =
                std::array::from_fn(|n| remains.unstable_mask(at + n as u32));
            if masks == [0; RECORD_LEN as usize] {
                return false;
            }
            let Some(bytes) = remains.flash(at, RECORD_LEN as usize) else { return false };
            let programmed: Vec<u8> = bytes.iter().zip(masks).map(|(byte, mask)| byte & !mask).collect();
            Record::check(&programmed).is_some_and(|record| record.sequence() > newest)
        })
    }

    /// As a board may read it as well whose cut has left bits of a record that read now so, now so: with all of
    /// them as before the operation that was cut, and as after it. None where all bits are stable.
    pub fn otherwise(board: &Board, journal: &[(u32, u32)]) -> Vec<Self> {
        if journal.iter().all(|&(base, length)| board.unstable_bits(base, length) == 0) {
            return Vec::new();
        }
        let read = |cell: u8| {
            let mut flash = board.flash().to_vec();
            for &(base, length) in journal {
                for address in base..base + length {
                    let (at, mask) = ((address - FLASH) as usize, board.unstable_mask(address));
                    flash[at] = flash[at] & !mask | cell & mask;
                }
            }
            Self::read(journal, |address| {
                flash.get((address - FLASH) as usize..).and_then(|rest| rest.get(..RECORD_LEN as usize))
            })
        };
        vec![read(0xFF), read(0)]
    }

    fn read<'a>(journal: &[(u32, u32)], bytes: impl Fn(u32) -> Option<&'a [u8]>) -> Self {
        let mut state = Self::default();
        let newer = |old: Option<Record>, new: &Record| old.is_none_or(|old| new.sequence() > old.sequence());
        for &(base, length) in journal {
            for address in (base..base + length).step_by(RECORD_LEN as usize) {
                let Some(place) = bytes(address).filter(|b| b[..4] != [0xFF; 4]) else { continue };
                let Some(record) = Record::check(place) else { continue };
                if newer(state.newest, &record) {
                    state.newest = Some(record);
                }
                if record.sequence().is_multiple_of(2) && newer(state.solid, &record) {
                    state.solid = Some(record);
                }
            }
        }
        state
    }

    fn each(&self) -> impl Iterator<Item = Record> + use<> {
        [self.solid, self.newest].into_iter().map(|record| record.unwrap_or(Record::EMPTY))
    }
}

fn in_journal(fork: &Remains, journal: &[(u32, u32)]) -> bool {
    let address = match fork.operation() {
        Some(Started::Program { address, .. } | Started::Erase { address, .. }) => address,
        Some(Started::Options { .. }) => return true,
        None => return false,
    };
    journal.iter().any(|(base, length)| (*base..base + length).contains(&address))
}

/// The journal's sectors of a board: base and length of each.
pub fn journal_sectors(config: Config) -> Vec<(u32, u32)> {
    let owned = config.regions().filter(|region| region.owner == OWNER_JOURNAL);
    owned
        .flat_map(|r| (0..u32::from(r.count)).map(move |n| (r.base + n * r.sector_size, r.sector_size)))
        .take(2)
        .collect()
}

/// What was so when the supply failed and must stay so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Promise {
    /// The security counter's floor: at least this.
    pub floor: u32,
    /// At least these keys are revoked.
    pub revoked: u8,
    /// The confirmed image is one of these; 0 stands for none.
    pub confirmed: Vec<u32>,
    /// This image was rejected: it does not run.
    pub rejected: Option<u32>,
    /// An update began and did not end well: until one does, this stays on record, and what it left does not run.
    pub begun: bool,
}

impl Promise {
    /// When any of these states may be the one that counts: the last that was written twice, one
    /// that is being written, one that would have come next. None that is older than the first.
    pub fn of(states: &[State]) -> Self {
        let oldest = states.first().and_then(|state| state.solid).map_or(0, |record| record.sequence());
        let mut each =
            states.iter().flat_map(State::each).filter(|record| record.sequence() >= oldest).peekable();
        let Some(first) = each.peek() else { return Self::default() };
        let rejected = rejected(first);
        let mut promise = Self {
            floor: first.floor(),
            revoked: first.revoked(),
            rejected,
            begun: true,
            confirmed: Vec::new(),
        };
        for record in each {
            promise.begun &= record.tries() == BEGUN;
            promise.rejected = promise.rejected.filter(|_| self::rejected(&record) == rejected);
            promise.floor = promise.floor.min(record.floor());
            promise.revoked &= record.revoked();
            if !promise.confirmed.contains(&record.confirmed()) {
                promise.confirmed.push(record.confirmed());
            }
        }
        promise
    }

    /// For each fork of a tape, and for its end.
    pub fn along(forks: &[Remains], end: State, journal: &[(u32, u32)]) -> Vec<Self> {
        let mut states: Vec<State> = Vec::with_capacity(forks.len() + 1);
        for (at, fork) in forks.iter().enumerate() {
            // Only an operation in the journal changes what it says.
            let same = at.checked_sub(1).filter(|&before| !in_journal(&forks[before], journal));
            states.push(same.map_or_else(|| State::of_remains(fork, journal), |before| states[before]));
        }
        states.push(end);
        let sequence = |state: &State| state.newest.map_or(0, |record| record.sequence());
        let next = |at: usize| {
            let now = sequence(&states[at]);
            states[at..].iter().find(|later| sequence(later) > now).copied().unwrap_or(states[at])
        };
        (0..states.len()).map(|at| Self::of(&[states[at], next(at)])).collect()
    }

    /// Only what that other one promises as well.
    pub fn relax(&mut self, other: &Self) {
        self.floor = self.floor.min(other.floor);
        self.revoked &= other.revoked;
        self.confirmed.extend(&other.confirmed);
        self.rejected = self.rejected.filter(|_| self.rejected == other.rejected);
        self.begun &= other.begun;
    }

    /// Of a board that has started and shows this state.
    pub fn after(state: &State) -> Self {
        let record = state.newest.unwrap_or(Record::EMPTY);
        let mut confirmed = vec![record.confirmed()];
        if record.on_trial() {
            confirmed.push(record.candidate());
        }
        let rejected = rejected(&record);
        let begun = state.each().all(|record| record.tries() == BEGUN);
        Self { floor: record.floor(), revoked: record.revoked(), confirmed, rejected, begun }
    }
}

/// The image that was given up, by this record.
fn rejected(record: &Record) -> Option<u32> {
    (record.candidate() != 0 && !record.on_trial()).then(|| record.candidate())
}

/// What a board does, in a few classes, for the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It waits in update mode.
    UpdateMode,
    /// The confirmed image runs.
    Confirmed,
    /// An image on trial runs.
    Trial,
    /// An image runs on a board without a journal.
    Plain,
    /// It waits in update mode, since it misread the image that is to run.
    Missed,
}

/// Holds a board that has just started, and shows `seen`, against what was promised.
///
/// # Errors
/// [`Failure`]
pub fn check(bench: &Bench, promise: &Promise, seen: Seen) -> Result<(Kind, State), Failure> {
    let board = &bench.rig.board;
    let result = check_as(bench, promise, seen, State::of(board, &bench.journal));
    if result.is_ok() || !bench.mute {
        return result;
    }
    let mut others = State::otherwise(board, &bench.journal).into_iter();
    others.find_map(|state| check_as(bench, promise, seen, state).ok()).map_or(result, Ok)
}

/// The same, of a board that has read this state.
fn check_as(bench: &Bench, promise: &Promise, seen: Seen, state: State) -> Result<(Kind, State), Failure> {
    let board = &bench.rig.board;
    let bricked = |why: String| Err(Failure::Bricked(why));
    if !stands(board, FLASH, &bench.rig.sealed) {
        return bricked("the bootloader has changed".into());
    }
    if let Some(broken) = board.violations().first() {
        return bricked(format!("a rule of the chip was broken: {broken}"));
    }
    let record = state.newest.unwrap_or(Record::EMPTY);
    if !bench.journal.is_empty() {
        if record.floor() < promise.floor {
            return bricked(format!("the floor went down from {} to {}", promise.floor, record.floor()));
        }
        if promise.revoked & !record.revoked() != 0 {
            return bricked("a revoked key came back".into());
        }
        if promise.begun && record.tries() != BEGUN && !ended_well(bench) {
            return bricked("what an update has left counts as an image".into());
        }
        if !promise.confirmed.contains(&record.confirmed()) {
            let (was, is) = (&promise.confirmed, record.confirmed());
            return bricked(format!("the confirmed image was one of {was:08x?}, now it is {is:08x}"));
        }
        if record.confirmed() != 0 && !confirms_itself(bench, record.confirmed()) {
            return bricked(format!(
                "image {:08x} is confirmed, which never confirms itself",
                record.confirmed()
            ));
        }
    }
    let kind = match seen {
        Seen::Nothing => return bricked(format!("it does nothing, pc {:#010x}", board.pc())),
        Seen::UpdateMode => match must_run(bench, promise, &record) {
            Some(why) if !is_weak(bench, &record) => return bricked(why.into()),
            Some(_) => Kind::Missed,
            None => Kind::UpdateMode,
        },
        Seen::Application(slot) => application(bench, promise, &record, slot)?,
    };
    Ok((kind, state))
}

/// True when the update that began last has ended well: a record that says so, and was cut, may read now so, now
/// so.
fn ended_well(bench: &Bench) -> bool {
    let newest = |event: Event| {
        let sectors = bench.journal.iter();
        let bytes = sectors.filter_map(|&(base, length)| bench.rig.board.read_memory(base, length as usize));
        let records = bytes.flat_map(journal::history).filter(|record| record.event() == event as u8);
        records.map(|record| record.sequence()).max()
    };
    newest(Event::Installed) > newest(Event::UpdateBegun)
}

/// True for an image that calls for its confirmation, or was confirmed from outside.
fn confirms_itself(bench: &Bench, id: u32) -> bool {
    let calls = |known: &Known| known.id == id && matches!(known.recipe.app, App::Confirms | App::Updates);
    bench.confirmed.contains(&id) || bench.images.iter().any(calls)
}

/// Why a board may not wait in update mode, if it may not.
fn must_run(bench: &Bench, promise: &Promise, record: &Record) -> Option<&'static str> {
    let one_slot = bench.strategy() == Strategy::Single;
    if !one_slot && !promise.confirmed.contains(&0) && !promise.confirmed.is_empty() {
        return Some("there was a confirmed image, and it does not run");
    }
    let known = image_in(bench, 0).map(|image| &bench.images[image]).filter(|_| one_slot)?;
    let unstable = bench.rig.board.unstable_bits(known.slot.base, known.bytes.len() as u32);
    (counts(bench, known, record) && (unstable == 0 || is_weak(bench, record)))
        .then_some("the only image is whole, and it does not run")
}

/// True for an image that is to run where it is whole: the confirmed one, or any good one on a board that
/// confirms none.
fn counts(bench: &Bench, known: &Known, record: &Record) -> bool {
    known.recipe.good && (bench.journal.is_empty() || known.id == record.confirmed())
}

/// True when a start may miss the image that is to run, for a word of it, or of the sealed block, that reads
/// now so, now so without any cut, or for a record that nothing settles.
fn is_weak(bench: &Bench, record: &Record) -> bool {
    if bench.mute && !State::otherwise(&bench.rig.board, &bench.journal).is_empty() {
        return true;
    }
    let Some(at) = bench.weak else { return false };
    if (bench.block..bench.block + BLOCK_LEN as u32).contains(&at) {
        return true;
    }
    let Some(slot) = bench.slots.iter().position(|slot| slot.contains(at, 1)) else { return false };
    let backup = slot == 1 && bench.strategy() == Strategy::Backup && record.backup() == record.confirmed();
    backup || image_in(bench, slot).is_some_and(|image| counts(bench, &bench.images[image], record))
}

/// An application runs: may it?
fn application(bench: &Bench, promise: &Promise, record: &Record, slot: usize) -> Result<Kind, Failure> {
    let bad = |why: String| Err(Failure::Unaccepted(why));
    let Some(image) = image_in(bench, slot) else {
        return bad(format!("what runs in slot {slot} is no image that anybody made"));
    };
    let known = &bench.images[image];
    let name = known.recipe.name;
    if !known.recipe.good {
        return bad(format!("{name} runs, which the board must not accept"));
    }
    if bench.journal.is_empty() {
        return Ok(Kind::Plain);
    }
    let leave = match known.recipe.overrides {
        Override::None => false,
        Override::Image => true,
        Override::Device(device) => device == unique_id(bench),
    };
    if known.recipe.counter < promise.floor && !leave {
        return bad(format!("{name} runs, counter {}, floor {}", known.recipe.counter, promise.floor));
    }
    if known.recipe.key.is_some_and(|key| promise.revoked >> key & 1 != 0) {
        return bad(format!("{name} runs, signed with a revoked key"));
    }
    if promise.rejected == Some(known.id) {
        return bad(format!("{name} runs, which was rejected"));
    }
    let on_trial = record.candidate() == known.id && record.on_trial();
    if record.confirmed() == known.id {
        // Nobody sends it a second time; what reads now so, now so may have been missed.
        if on_trial && bench.rig.board.unstable_bits(known.slot.base, known.bytes.len() as u32) == 0 {
            return Err(Failure::Bricked(format!("{name} is confirmed, and on trial")));
        }
        Ok(Kind::Confirmed)
    } else if on_trial {
        // It may confirm itself, and fail on the day after.
        let unstable = bench.rig.board.unstable_bits(known.slot.base, known.bytes.len() as u32);
        if unstable != 0 && !bench.fails {
            return bad(format!("{name} is on trial with {unstable} bits that a cut has left"));
        }
        Ok(Kind::Trial)
    } else {
        bad(format!("{name} runs, neither confirmed nor on trial"))
    }
}

/// Holds an application whose first instruction is next against its vector table: it starts where that says,
/// on the stack that it names.
///
/// # Errors
/// [`Failure::Unaccepted`]
pub fn entered(bench: &Bench, seen: Seen) -> Result<(), Failure> {
    let Seen::Application(slot) = seen else { return Ok(()) };
    let Some(known) = image_in(bench, slot).map(|image| &bench.images[image]) else { return Ok(()) };
    let [stack, entry] =
        [0, 4].map(|at| known.bytes[at..at + 4].iter().rev().fold(0, |word, &b| word << 8 | u32::from(b)));
    let board = &bench.rig.board;
    let (pc, sp) = (board.pc(), board.register(13));
    if (pc, sp) == (entry & !1, stack) {
        return Ok(());
    }
    let name = known.recipe.name;
    Err(Failure::Unaccepted(format!(
        "{name} starts at {pc:#010x} with stack {sp:#010x}, not at {entry:#010x} with {stack:#010x}"
    )))
}

/// The known image in a slot, unstable bits aside: they read otherwise when it was proved.
pub fn image_in(bench: &Bench, slot: usize) -> Option<usize> {
    if let Some(image) = bench.image_in(slot) {
        return Some(image);
    }
    let base = bench.slots[slot].base;
    bench
        .images
        .iter()
        .position(|known| known.slot.base == base && stands(&bench.rig.board, base, &known.bytes))
}

/// True when these bytes stand at this address of the flash, unstable bits aside.
fn stands(board: &Board, address: u32, bytes: &[u8]) -> bool {
    let Some(flash) = board.flash().get((address - FLASH) as usize..) else { return false };
    let mut pairs = bytes.iter().zip(flash).zip(address..);
    flash.starts_with(bytes) || pairs.all(|((a, b), at)| (a ^ b) & !board.unstable_mask(at) == 0)
}

/// The chip's unique id, as a manifest names it.
pub fn unique_id(bench: &Bench) -> [u8; 12] {
    let mut id = [0; 12];
    let words = bench.rig.board.chip().unique_id.map(u32::to_le_bytes);
    id.as_chunks_mut::<4>().0.copy_from_slice(&words);
    id
}
