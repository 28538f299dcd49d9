//! Skipped instructions: no single one may boot an image that the policy refuses.
//!
//! The shipped binary runs on the virtual board up to each kind of refusal ([`refusals`]), and again for each
//! instruction that it executes on its way ([`engine`]): with that address as a no-operation for good, with a
//! single execution of it skipped, and with a bit of a register flipped right before a conditional branch of
//! the verification. What is not tried: two faults in one run, faults of the memories, of the clock and of the
//! supply (the sweep has those), and faults on silicon, which do more than skip.

mod crafted;
pub mod engine;
pub mod refusals;
mod scene;
mod session;
mod thumb;

use anyhow::{Context, Result};
use engine::{EACH, Engine, Glitch, Outcome};
use object::{Object, ObjectSymbol};
use refusals::{Refusal, Wrong};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use surefoot_images::Image;
use surefoot_sim::random::Random;

/// Executions of an address in a session that are tried one by one.
const SESSIONS: u64 = 4;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Everything.
    Full,
    /// About so many glitches in each refusal.
    Sample(usize),
}

/// What to try.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides all that is random.
    pub seed: u64,
    /// How much.
    pub effort: Effort,
    /// Only refusals whose name contains this.
    pub only: Option<String>,
    /// One in so many of those, drawn by the seed.
    pub share: usize,
    /// Only skips for the whole run.
    pub always: bool,
    /// Only instructions at these addresses.
    pub addresses: Option<Range<u32>>,
    /// Only functions whose names contain one of these.
    pub functions: Vec<String>,
    /// Another build than the shipped one: the full one, and the one without signatures.
    pub firmware: Option<Image>,
    /// Stop at the first that boots.
    pub until_failure: bool,
    /// So many executions of each instruction one by one.
    pub each: usize,
    /// A state that allows more afterwards counts as a failure, too, and what is about nothing else is tried: some of
    /// these skips are known and open.
    pub floor: bool,
}

impl Options {
    /// A sample of so many glitches in each refusal whose name contains `only`.
    pub fn sample(count: usize, only: &str) -> Self {
        Self {
            seed: 1,
            effort: Effort::Sample(count),
            only: Some(only.to_owned()),
            share: 1,
            always: false,
            addresses: None,
            functions: Vec::new(),
            firmware: None,
            until_failure: false,
            each: EACH,
            floor: true,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Instructions skipped.
    pub skips: u64,
    /// Bits flipped.
    pub flips: u64,
    /// How many of both booted what is refused, or made the state allow it where that is asked for.
    pub booted: u64,
    /// How many made the state allow more, where that is not asked for.
    pub lowered: u64,
    /// Those, in words that say how to do it again.
    pub failures: Vec<String>,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.skips += other.skips;
        self.flips += other.flips;
        self.booted += other.booted;
        self.lowered += other.lowered;
        self.failures.extend(other.failures);
    }
}

/// One refusal's.
#[derive(Clone, Debug)]
pub struct Part {
    /// The refusal's name.
    pub name: String,
    /// Addresses that the clean run executes.
    pub addresses: usize,
    /// Instructions of the clean run.
    pub instructions: u64,
    /// What came of it.
    pub figures: Figures,
    /// How long it took.
    pub seconds: f64,
}

/// The refusals that are asked for.
pub fn chosen(options: &Options) -> Vec<Refusal> {
    let named = |refusal: &Refusal| options.only.as_ref().is_none_or(|only| refusal.name().contains(only));
    // A build from outside is the full one or the other, as its name says.
    let built = |refusal: &Refusal| options.firmware.is_none_or(|image| image.name == refusal.build().name);
    let wanted = |refusal: &Refusal| options.floor || !refusal.way.is_about_the_state();
    let mut all: Vec<Refusal> =
        refusals::all().into_iter().filter(named).filter(built).filter(wanted).collect();
    let count = all.len().div_ceil(options.share);
    draw(&mut all, count, &mut Random::new(options.seed));
    all
}

/// What is told while it runs.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// One more was tried.
    Tried,
    /// It has booted what is refused.
    Booted(&'a str),
    /// A refusal is done.
    Done(&'a Part),
}

/// Tries them, one refusal after the other on each of `threads`. `each` hears of it.
pub fn run(options: &Options, threads: usize, each: &(dyn Fn(News) + Sync)) -> Result<Vec<Part>> {
    let refusals = chosen(options);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| -> Result<Vec<(usize, Part)>> {
                    let mut parts = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(&refusal) = refusals.get(number) else { return Ok(parts) };
                        let part = one(refusal, options, each).with_context(|| refusal.name())?;
                        each(News::Done(&part));
                        if options.until_failure && part.figures.booted > 0 {
                            next.fetch_add(refusals.len(), Ordering::Relaxed);
                        }
                        parts.push((number, part));
                    }
                })
            })
            .collect();
        let mut parts = Vec::new();
        for worker in workers {
            parts.extend(worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??);
        }
        parts.sort_by_key(|(number, _)| *number);
        Ok(parts.into_iter().map(|(_, part)| part).collect())
    })
}

/// All of the glitches together.
pub fn sum(parts: &[Part]) -> Figures {
    let mut all = Figures::default();
    parts.iter().for_each(|part| all.add(part.figures.clone()));
    all
}

fn one(refusal: Refusal, options: &Options, each: &(dyn Fn(News) + Sync)) -> Result<Part> {
    let start = std::time::Instant::now();
    let mut engine = Engine::new(refusal, options.firmware, options.seed, options.each)?;
    let (always, once) = glitches(&engine, options)?;
    let mut figures = Figures::default();
    let mut tell = |glitch: Glitch, outcome: Outcome| {
        let lowered = outcome == Outcome::Lowered;
        let fails = outcome == Outcome::Booted || lowered && options.floor;
        figures.lowered += u64::from(lowered && !options.floor);
        match glitch {
            Glitch::Flip(..) => figures.flips += 1,
            _ => figures.skips += 1,
        }
        if fails {
            figures.booted += 1;
            let lowered = if lowered { ", which lowers the floor" } else { "" };
            let failure = format!("{}: {glitch}{lowered}", refusal.name());
            each(News::Booted(&failure));
            figures.failures.push(failure);
        }
        each(News::Tried);
        !(options.until_failure && fails)
    };
    for glitch in always {
        let outcome = engine.boots(glitch)?;
        if !tell(glitch, outcome) {
            break;
        }
    }
    engine.all_once(&once, &mut tell)?;
    let instructions = engine.executed.values().map(|one| one.count).sum();
    let seconds = start.elapsed().as_secs_f64();
    Ok(Part { name: refusal.name(), addresses: engine.executed.len(), instructions, figures, seconds })
}

/// Those that are tried: for good, and once each in the order of the run.
fn glitches(engine: &Engine, options: &Options) -> Result<(Vec<Glitch>, Vec<Glitch>)> {
    let mut random = Random::new(options.seed ^ 0x5EED);
    let verification = verification(options.firmware.unwrap_or(engine.refusal.build()))?;
    let (mut always, mut once) = (Vec::new(), Vec::new());
    let named = |name: &str| options.functions.iter().any(|part| name.contains(part));
    let code = functions(options.firmware.unwrap_or(engine.refusal.build()), named)?;
    let here = |pc: &u32| {
        options.addresses.as_ref().is_none_or(|only| only.contains(pc))
            && (options.functions.is_empty() || code.iter().any(|range| range.contains(pc)))
    };
    // Copies are where some bits of an address lead to them.
    let bits: Range<u8> =
        if matches!(engine.refusal.wrong, Wrong::Copies | Wrong::CopyAtId) { 10..14 } else { 0..32 };
    for (&pc, executed) in engine.executed.iter().filter(|(pc, _)| here(pc)) {
        always.push(Glitch::Always(pc));
        once.extend(executed.at.iter().map(|&number| Glitch::Once(number, pc)));
        if executed.instruction.conditional && verification.iter().any(|range| range.contains(&pc)) {
            let drawn = executed.at[random.below(executed.at.len() as u64) as usize];
            for (register, number) in (0..13).flat_map(|r| [(r, executed.at[0]), (r, drawn)]) {
                let bit = bits.start + random.below((bits.end - bits.start).into()) as u8;
                once.push(Glitch::Flip(number, pc, register, bit));
            }
        }
    }
    let mut sessions = Vec::new();
    for (&pc, &(_, count)) in engine.in_session.iter().filter(|(pc, _)| here(pc)) {
        if !engine.executed.contains_key(&pc) {
            always.push(Glitch::Always(pc));
        }
        sessions.extend((0..count.min(SESSIONS)).map(|number| Glitch::Session(number, pc)));
    }
    if options.always {
        once.clear();
        sessions.clear();
    }
    if let Effort::Sample(count) = options.effort {
        let count = count.div_ceil(engine.images());
        draw(&mut always, count * 2 / 3, &mut random);
        let count = if sessions.is_empty() { count / 3 } else { count / 6 };
        draw(&mut once, count, &mut random);
        draw(&mut sessions, count, &mut random);
    }
    once.sort_by_key(|glitch| match *glitch {
        Glitch::Once(number, _) | Glitch::Flip(number, ..) => number,
        Glitch::Always(_) | Glitch::Session(..) => 0,
    });
    // They are no part of the clean run.
    always.extend(sessions);
    Ok((always, once))
}

/// Leaves `count` of them.
fn draw<T>(all: &mut Vec<T>, count: usize, random: &mut Random) {
    if count >= all.len() {
        return;
    }
    for place in 0..count {
        let other = place + random.below((all.len() - place) as u64) as usize;
        all.swap(place, other);
    }
    all.truncate(count);
}

/// Where the functions are that decide about an image, by their names.
fn verification(image: Image) -> Result<Vec<Range<u32>>> {
    const NAMES: [&str; 9] =
        ["prove", "verify", "manifest", "ed25519", "sha256", "bcmp", "slot4boot", "rt_main", "crc"];
    functions(image, |name| NAMES.iter().any(|part| name.contains(part)))
}

/// Where the functions are whose names are `wanted`.
pub fn functions(image: Image, wanted: impl Fn(&str) -> bool) -> Result<Vec<Range<u32>>> {
    let file = object::File::parse(image.elf)?;
    let mut starts = BTreeMap::new();
    for symbol in file.symbols().filter(|s| s.kind() == object::SymbolKind::Text) {
        starts.insert(symbol.address() as u32 & !1, wanted(symbol.name().unwrap_or("")));
    }
    let ends: Vec<u32> = starts.keys().copied().skip(1).chain([u32::MAX]).collect();
    let ranges = starts.into_iter().zip(ends).filter(|((_, wanted), _)| *wanted);
    Ok(ranges.map(|((at, _), end)| at..end).collect())
}

/// Where the variable is in RAM whose name contains this.
pub fn variable(image: Image, name: &str) -> Result<u32> {
    let file = object::File::parse(image.elf)?;
    let mut found = file.symbols().filter(|symbol| symbol.name().is_ok_and(|own| own.contains(name)));
    Ok(found.next().with_context(|| format!("{name} is not there"))?.address() as u32)
}
