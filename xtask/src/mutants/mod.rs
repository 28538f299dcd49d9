//! `cargo xtask mutants`: bugs that are put into a copy of the sources one by one; the fail-safe tests
//! have to see each of them.
//!
//! Two kinds of tests: those of the core alone, with the bugs of core/tests/failsafe/mutants.toml;
//! and the sweep on the binary that ships ([`binary`]), with those of them that name a scenario and
//! with the bugs of tests/src/sweep/mutants.toml, which only a binary shows. A bug that does
//! not compile, or whose place in the source is gone, is an error of the list and no catch.

mod binary;
mod copy;

use crate::tools;
use anyhow::{Context, Result, ensure};
use copy::Copy;
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The bugs of the core with the tests that have to catch them, and those that only a binary shows; each
/// list with the folder that its files are in.
const LISTS: [(&str, &str); 2] =
    [("core/tests/failsafe/mutants.toml", "core/src/"), ("tests/src/sweep/mutants.toml", "")];

#[derive(clap::Args)]
pub struct Args {
    /// Only the bugs whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Only by this: the core's tests, or the sweep on the binary
    #[arg(long)]
    by: Option<Judge>,
}

/// What has to see a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Judge {
    /// The fail-safe tests of the core alone.
    Core,
    /// The sweep on the binary.
    Sweep,
}

#[derive(Deserialize)]
struct List {
    mutant: Vec<Mutant>,
}

/// One bug.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    /// What is wrong.
    name: String,
    /// The file, in its list's folder ...
    file: String,
    /// ... in which this text, which stands there once ...
    old: String,
    /// ... becomes this one.
    new: String,
    /// Of the core's tests only those with this in their name are run.
    #[serde(default)]
    tests: String,
    /// The sweep's scenarios that have to see it, by a part of their names; none: it is not put into the
    /// binary.
    #[serde(default)]
    sweep: Option<String>,
    /// More places, for a bug that is none while one of several precautions is left.
    #[serde(default)]
    also: Vec<Edit>,
}

/// A text of a source that becomes another one, as in [`Mutant`].
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    old: String,
    new: String,
}

impl Edit {
    fn applied(&self, source: &str) -> Result<String> {
        let found = source.matches(&self.old).count();
        ensure!(found == 1, "{:?} is {found} times in {}, not once", self.old, self.file);
        Ok(source.replace(&self.old, &self.new))
    }
}

impl Mutant {
    /// All of its places, each in a file of its own.
    fn edits(&self) -> Vec<Edit> {
        let Self { file, old, new, also, .. } = self.clone();
        std::iter::once(Edit { file, old, new }).chain(also).collect()
    }
}

/// Both lists, the files by their paths from the root, each bug once for each who has to see it.
fn jobs(root: &Path) -> Result<Vec<(Judge, Mutant)>> {
    let mut jobs = Vec::new();
    for (list, folder) in LISTS {
        let text = fs::read_to_string(root.join(list)).with_context(|| list.to_owned())?;
        for mut mutant in toml::from_str::<List>(&text).with_context(|| list.to_owned())?.mutant {
            let files =
                std::iter::once(&mut mutant.file).chain(mutant.also.iter_mut().map(|edit| &mut edit.file));
            files.for_each(|file| *file = format!("{folder}{file}"));
            for edit in mutant.edits() {
                let source = fs::read_to_string(root.join(&edit.file))?;
                edit.applied(&source).with_context(|| format!("{:?}", mutant.name))?;
            }
            let in_core = !folder.is_empty();
            ensure!(in_core || mutant.sweep.is_some(), "{:?} names no scenario", mutant.name);
            let judges = [(in_core, Judge::Core), (mutant.sweep.is_some(), Judge::Sweep)];
            jobs.extend(judges.into_iter().filter(|(has, _)| *has).map(|(_, judge)| (judge, mutant.clone())));
        }
    }
    Ok(jobs)
}

pub fn run(args: &Args) -> Result<()> {
    let root = tools::root();
    let mut jobs = jobs(&root)?;
    jobs.retain(|(judge, mutant)| {
        args.only.as_ref().is_none_or(|only| mutant.name.contains(only))
            && args.by.is_none_or(|only| only == *judge)
    });
    ensure!(!jobs.is_empty(), "no bug has such a name");
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(());
    // Before the machine is busy with the others.
    let clean = {
        let copy = Copy::new(0)?;
        let has = |judge| jobs.iter().any(|(other, _)| *other == judge);
        if has(Judge::Sweep) {
            ensure!(!binary::sees(&copy, "ab-downgrade")?, "the sweep fails without a seeded bug");
        }
        if has(Judge::Core) { copy.clean()? } else { std::time::Duration::ZERO }
    };
    let workers = std::thread::available_parallelism()?.get().min(jobs.len());
    let caught = std::thread::scope(|scope| -> Result<usize> {
        let workers: Vec<_> = (0..workers)
            .map(|number| {
                let (jobs, next, lines) = (&jobs, &next, &lines);
                scope.spawn(move || -> Result<usize> {
                    let copy = Copy::new(number)?;
                    let mut caught = 0;
                    while let Some((judge, mutant)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let start = Instant::now();
                        let seen = copy.with(mutant, || match judge {
                            Judge::Core => Ok(!copy.passes(&copy.build()?, &mutant.tests, clean)?),
                            Judge::Sweep => binary::sees(&copy, mutant.sweep.as_deref().unwrap_or("")),
                        })?;
                        let seconds = start.elapsed().as_secs_f64();
                        let _line = lines.lock();
                        let verdict = if seen { "caught" } else { "SURVIVES" };
                        let by = if *judge == Judge::Core { "the core's tests" } else { "the sweep" };
                        println!("{verdict} by {by}: {} ({seconds:.0} s)", mutant.name);
                        caught += usize::from(seen);
                    }
                    Ok(caught)
                })
            })
            .collect();
        let results =
            workers.into_iter().map(|w| w.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?);
        results.sum()
    })?;
    let binary = jobs.iter().filter(|(judge, _)| *judge == Judge::Sweep).count();
    println!("mutants: {} seeded, {binary} of them in the binary, {caught} caught", jobs.len());
    ensure!(caught == jobs.len(), "{} survive", jobs.len() - caught);
    Ok(())
}
