//! `cargo xtask sweep`: cuts the supply at every flash operation of an update, on all cores.

use anyhow::{Result, bail, ensure};
use std::io::{IsTerminal, Write};
use std::sync::mpsc;
use std::time::Instant;
use surefoot_sim::When;
use surefoot_tests::sweep::{self, Options, Outcome};

#[derive(clap::Args)]
pub struct Args {
    /// Sweep an image that fills the slot (sampled with --stride) instead of the blinky
    #[arg(long)]
    full: bool,
    /// Only every n-th operation [default: 1; with --full: 20000]
    #[arg(long, value_name = "N")]
    stride: Option<u64>,
    /// What torn words and half erases leave
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only part I of N, as in 0/4
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(u64, u64)>,
    /// Only this case, as a failure names it: OPERATION:before, :inside or :after
    #[arg(long, value_name = "CASE", value_parser = case)]
    case: Option<(u64, When)>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn shard(text: &str) -> Result<(u64, u64)> {
    let (part, parts) = text.split_once('/').ok_or_else(|| anyhow::anyhow!("write it as 0/4"))?;
    let (part, parts): (u64, u64) = (part.parse()?, parts.parse()?);
    ensure!(part < parts, "parts of {parts} are numbered 0 to {}", parts.saturating_sub(1));
    Ok((part, parts))
}

fn case(text: &str) -> Result<(u64, When)> {
    let Some((operation, when)) = text.split_once(':') else { bail!("write it as 17:inside") };
    let when = match when {
        "before" => When::Before,
        "inside" => When::Inside,
        "after" => When::After,
        other => bail!("{other:?} is none of before, inside, after"),
    };
    Ok((operation.parse()?, when))
}

pub fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let threads = if args.case.is_some() { 1 } else { std::thread::available_parallelism()?.get() as u64 };
    let (part, parts) = args.shard.unwrap_or((0, 1));
    let stride = args.stride.unwrap_or(if args.full { 20_000 } else { 1 });
    let options = |thread: u64| Options {
        seed: args.seed,
        // Each thread takes its share of this shard's cases.
        shard: part + parts * thread,
        shards: parts * threads,
        full: args.full,
        stride,
        only: args.case,
    };
    let (send, receive) = mpsc::channel();
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (send, options) = (send.clone(), options(thread));
                scope.spawn(move || {
                    sweep::run(options, &mut |done, total| {
                        // Nobody listening any more is no reason to stop.
                        let _ = send.send((thread, done, total));
                    })
                })
            })
            .collect();
        drop(send);
        show(&receive, threads, args.json);
        for worker in workers {
            outcome.add(worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??);
        }
        Ok(())
    })?;
    report(args, stride, &outcome, start);
    ensure!(outcome.passed(), "{} of {} cases failed", outcome.bricked + outcome.unaccepted, outcome.cuts);
    Ok(())
}

/// A line that counts, on a terminal.
fn show(receive: &mpsc::Receiver<(u64, u64, u64)>, threads: u64, json: bool) {
    let draw = !json && std::io::stderr().is_terminal();
    let mut parts = vec![(0, 0); threads as usize];
    for (thread, done, total) in receive {
        parts[thread as usize] = (done, total);
        let (done, total) = parts.iter().fold((0, 0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        if draw && done % 16 == 0 {
            eprint!("\r  {done} of {total} cuts");
            let _ = std::io::stderr().flush();
        }
    }
    if draw {
        eprint!("\r\x1b[K");
    }
}

fn report(args: &Args, stride: u64, outcome: &Outcome, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let [update, old, new] = outcome.found;
    if args.json {
        let object = serde_json::json!({
            "cuts": outcome.cuts,
            "bricked": outcome.bricked,
            "unaccepted": outcome.unaccepted,
            "found_update_mode": update,
            "found_old_application": old,
            "found_new_application": new,
            "seed": args.seed,
            "stride": stride,
            "full": args.full,
            "seconds": seconds,
            "failures": outcome.failures,
        });
        println!("{object}");
        return;
    }
    println!(
        "seed {}, {seconds:.1} s; after the cut: update mode {update}, old application {old}, new {new}",
        args.seed
    );
    for failure in outcome.failures.iter().take(10) {
        println!("{failure}");
    }
    println!("{outcome}");
}
