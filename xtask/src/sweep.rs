//! `cargo xtask sweep`: cuts the supply at every flash and option byte operation of real runs.

use crate::kept;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;
use surefoot_images::{F4_FULL, Image, make};
use surefoot_tests::sweep::case::Case;
use surefoot_tests::sweep::{self, Effort, Figures, Options, Part, Progress, Tried, scenarios};

/// The name under which the states of the run for CI are kept.
const STATES: &str = "sweep-states";

/// Cuts that the run for CI aims at, and the full one in the scenarios that are sampled.
const CUTS: u64 = 130_000;
const SEED: u64 = 1;
const SAMPLED_CUTS: u64 = 16_000;
/// Ways of a second cut at each place in the full one.
const DRAWS: u8 = 1;
/// Failures after which a thread of a sweep stops: there is something to mend, and a bootloader that hangs takes
/// half a minute for each.
const MOST_FAILURES: u64 = 10;

#[derive(clap::Args)]
pub struct Args {
    /// Over a million cuts: every first one and, at every operation of the recoveries from it, a second one, in a
    /// way that the seed draws; at one of four operations where images are signed, and a sample of all cuts where
    /// images are large and in some scenarios with signed ones
    #[arg(long)]
    full: bool,
    /// With --full: so many of the four ways of a second cut at each place (before, and inside leaving solid,
    /// drifting or restless bits), and from 2 on behind every torn first cut. 4 leaves nothing out and takes
    /// several times as long; another --seed draws others
    #[arg(long, value_name = "N", requires = "full", default_value_t = DRAWS, value_parser = clap::value_parser!(u8).range(1..=4))]
    draws: u8,
    /// Cuts to aim at; with --full: in the scenarios that are sampled
    #[arg(long, value_name = "N")]
    cuts: Option<u64>,
    /// Decides all that is random
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Only part I of N, as in 1/4
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// The scenarios
    #[arg(long)]
    list: bool,
    /// Only this case, as a failure names it
    #[arg(long, value_name = "CASE")]
    case: Option<Case>,
    /// With --case: what happens, as a timeline
    #[arg(long, requires = "case")]
    trace: bool,
    /// Another build of the bootloader, an ELF file, instead of the one that ships
    #[arg(long, value_name = "FILE")]
    firmware: Option<PathBuf>,
    /// Stop at the first failure
    #[arg(long)]
    until_failure: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn shard(text: &str) -> Result<(usize, usize)> {
    let (part, parts) = text.split_once('/').context("write it as 1/4")?;
    let (part, parts): (usize, usize) = (part.parse()?, parts.parse()?);
    ensure!(parts > 0, "there is at least one part");
    ensure!((1..=parts).contains(&part), "parts of {parts} are numbered 1 to {parts}");
    Ok((part - 1, parts))
}

pub fn run(args: &Args) -> Result<()> {
    if args.list {
        for scenario in scenarios::all() {
            println!("{:<28} {}", scenario.name, scenario.about);
        }
        return Ok(());
    }
    let start = Instant::now();
    let (parts, states) = match &args.case {
        Some(case) => {
            let (figures, trace) = sweep::replay(case, firmware(args)?, args.trace)?;
            trace.lines().iter().for_each(|line| println!("{line}"));
            (vec![Part { scenario: "case".into(), operations: 0, figures, seconds: 0.0 }], 0)
        }
        None => sweep_all(args)?,
    };
    if args.is_for_ci() {
        kept::write(STATES, states as u64)?;
    }
    let mut all = Figures::default();
    parts.iter().for_each(|part| all.add(part.figures.clone()));
    report(args, &parts, &all, states, start);
    ensure!(all.passed(), "{} of {} cuts failed", all.bricked + all.unaccepted, all.cuts);
    Ok(())
}

/// The bootloader that ships, or the one that was asked for, which is kept until the end.
fn firmware(args: &Args) -> Result<Image> {
    let Some(path) = &args.firmware else { return Ok(F4_FULL) };
    let elf = fs::read(path).with_context(|| path.display().to_string())?;
    let binary = make::flat(&elf).with_context(|| format!("{} is no bootloader", path.display()))?;
    Ok(Image { name: F4_FULL.name, binary: binary.leak(), elf: elf.leak() })
}

impl Args {
    fn for_ci() -> Self {
        Self {
            full: false,
            draws: DRAWS,
            cuts: None,
            seed: SEED,
            shard: None,
            scenario: None,
            list: false,
            case: None,
            trace: false,
            firmware: None,
            until_failure: false,
            json: false,
        }
    }

    /// True for the run that CI makes.
    fn is_for_ci(&self) -> bool {
        let Self { full, cuts, seed, shard, scenario, case, firmware, until_failure, .. } = self;
        !full
            && !until_failure
            && *seed == SEED
            && (cuts, shard, scenario, case, firmware) == (&None, &None, &None, &None, &None)
    }
}

/// Distinct states of the flash in the run that CI makes: those of the last one, if it was of this program, or
/// those of one that is made now.
pub fn states() -> Result<u64> {
    if let Some(states) = kept::read(STATES)? {
        return Ok(states);
    }
    let (parts, states) = sweep_all(&Args::for_ci())?;
    ensure!(parts.iter().all(|part| part.figures.failed() == 0), "the sweep fails");
    kept::write(STATES, states as u64)?;
    Ok(states as u64)
}

fn sweep_all(args: &Args) -> Result<(Vec<Part>, usize)> {
    let threads = std::thread::available_parallelism()?.get();
    let (shard, shards) = args.shard.unwrap_or((0, 1));
    let (tried, states, firmware) = (Tried::default(), Tried::default(), firmware(args)?);
    let options = |thread: usize| Options {
        seed: args.seed,
        shard,
        shards,
        thread: (thread, threads),
        seeds: 1,
        last_words: if args.full { 3 } else { 2 },
        effort: match args.full {
            true => Effort::Every(args.cuts.unwrap_or(SAMPLED_CUTS)),
            false => Effort::Spread(args.cuts.unwrap_or(CUTS)),
        },
        draws: args.draws,
        tried: tried.clone(),
        states: states.clone(),
        faults: if args.full { 24 } else { 2 },
        only: args.scenario.clone(),
        firmware,
        most_failures: if args.until_failure { 1 } else { MOST_FAILURES },
    };
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (send, options) = (send.clone(), options(thread));
                scope.spawn(move || {
                    sweep::run(&options, &mut |done| {
                        // Nobody listening any more is no reason to stop.
                        let _ = send.send((thread, done));
                    })
                })
            })
            .collect();
        drop(send);
        show(&receive, threads, args.json);
        let mut parts: Vec<Part> = Vec::new();
        for worker in workers {
            let done = worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
            for part in done {
                match parts.iter_mut().find(|p| p.scenario == part.scenario) {
                    Some(same) => {
                        same.figures.add(part.figures);
                        same.seconds += part.seconds;
                    }
                    None => parts.push(part),
                }
            }
        }
        Ok((parts, states.len()))
    })
}

/// A bar, on a terminal.
fn show(receive: &mpsc::Receiver<(usize, Progress)>, threads: usize, json: bool) {
    const WIDTH: usize = 40;
    let draw = !json && std::io::stderr().is_terminal();
    let mut parts = vec![Progress::default(); threads];
    for (thread, progress) in receive {
        parts[thread] = progress;
        if draw {
            let cuts: u64 = parts.iter().map(|part| part.cuts).sum();
            let share = parts.iter().map(|part| part.share).sum::<f64>() / threads as f64;
            let full = (share * WIDTH as f64) as usize;
            let bar: String = (0..WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
            eprint!("\r  [{bar}] {:>3.0} % {cuts} cuts", 100.0 * share);
            let _ = std::io::stderr().flush();
        }
    }
    if draw {
        eprint!("\r\x1b[K");
    }
}

fn report(args: &Args, parts: &[Part], all: &Figures, states: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let figures = |f: &Figures| {
        let [update, confirmed, trial, plain, missed] = f.found;
        serde_json::json!({
            "cuts": f.cuts, "second_cuts": f.second_cuts, "same_second_cuts": f.same, "starts": f.starts, "updates": f.updates, "faults": f.faults,
            "bricked": f.bricked, "unaccepted": f.unaccepted,
            "found_update_mode": update, "found_confirmed": confirmed, "found_trial": trial,
            "found_without_journal": plain, "found_missed": missed,
        })
    };
    if args.json {
        let mut object = figures(all);
        object["states"] = states.into();
        object["seed"] = args.seed.into();
        object["seconds"] = seconds.into();
        object["failures"] = all.failures.clone().into();
        object["scenarios"] = parts.iter().map(|p| (p.scenario.clone(), figures(&p.figures))).collect();
        println!("{object}");
        return;
    }
    println!(
        "scenario                      operations     cuts   second   starts     s  update/confirmed/trial/plain/missed"
    );
    for Part { scenario, operations, figures: f, seconds } in parts {
        let [update, confirmed, trial, plain, missed] = f.found;
        let (cuts, second, starts) = (f.cuts, f.second_cuts, f.starts);
        println!(
            "{scenario:<28} {operations:>11} {cuts:>8} {second:>8} {starts:>8} {seconds:>5.1}  {update}/{confirmed}/{trial}/{plain}/{missed}"
        );
    }
    let Figures { starts, updates, faults, same, .. } = all;
    println!(
        "seed {}, {seconds:.1} s, {starts} starts from {states} states of the flash, {updates} updates afterwards, \
         {faults} faults of the flash",
        args.seed
    );
    if *same > 0 {
        println!("{same} more second cuts would have been the same as those: same flash, same promise");
    }
    for failure in all.failures.iter().take(20) {
        // A case of another bootloader is replayed with it.
        let with = args.firmware.as_ref().map(|f| format!("cargo xtask sweep --firmware {} ", f.display()));
        println!("{}", with.map_or(failure.clone(), |with| failure.replace("cargo xtask sweep ", &with)));
    }
    if all.failed() >= MOST_FAILURES {
        println!("it stopped after {} failures, and the rest was not tried", all.failed());
    }
    println!("{all}");
}
