//! `cargo xtask glitch`: skips single instructions of the shipped binaries while they refuse an image.

use crate::kept;
use anyhow::{Context, Result, ensure};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use surefoot_images::{F4_CRC, F4_FULL, Image, make};
use surefoot_tests::glitch::engine::EACH;
use surefoot_tests::glitch::{self, Effort, Figures, News, Options, Part};

/// The run for CI: glitches of each refusal, and one in so many refusals.
const SAMPLE: usize = 128;
const SHARE: usize = 2;
const SEED: u64 = 1;
/// The name under which what boots in it is kept.
const BOOTED: &str = "glitch-booted";
const HEAD: &str = "refusal                          addresses instructions    skips  flips booted       s";

#[derive(clap::Args)]
pub struct Args {
    /// Every executed instruction: for the whole run, at each of its first 1,000 executions, and at some later ones
    #[arg(long)]
    full: bool,
    /// About so many glitches in each refusal [default: 128, in half of the refusals]
    #[arg(long, value_name = "N", conflicts_with = "full")]
    sample: Option<usize>,
    /// Decides all that is random
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Only refusals whose name contains this
    #[arg(long, value_name = "NAME")]
    refusal: Option<String>,
    /// Only what is skipped for the whole run
    #[arg(long)]
    always: bool,
    /// Only the instruction at this address
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    address: Option<u32>,
    /// Only functions whose names contain this; may be given several times
    #[arg(long, value_name = "NAME")]
    function: Vec<String>,
    /// The refusals
    #[arg(long)]
    list: bool,
    /// Another build of the bootloader, an ELF file, instead of those that ship
    #[arg(long, value_name = "FILE")]
    firmware: Option<PathBuf>,
    /// With --firmware: it is the build without signatures
    #[arg(long, requires = "firmware")]
    crc: bool,
    /// Stop at the first that boots
    #[arg(long)]
    until_failure: bool,
    /// What makes the state allow more counts, too: a lower floor, a key that is not revoked any more. Some skips
    /// that do are known and open
    #[arg(long)]
    floor: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn address(text: &str) -> Result<u32> {
    let digits = text.strip_prefix("0x").context("write it as 0x08001234")?;
    Ok(u32::from_str_radix(digits, 16)?)
}

impl Args {
    /// The run for CI.
    fn for_ci() -> Self {
        Self {
            full: false,
            sample: None,
            seed: SEED,
            refusal: None,
            always: false,
            address: None,
            function: Vec::new(),
            list: false,
            firmware: None,
            crc: false,
            until_failure: false,
            floor: false,
            json: true,
        }
    }

    /// True where that, or what it is a part of, is asked for: one in so many refusals.
    fn is_sample(&self) -> bool {
        !self.full && self.sample.is_none() && self.refusal.is_none() && self.firmware.is_none()
    }

    fn options(&self) -> Result<Options> {
        Ok(Options {
            seed: self.seed,
            effort: if self.full { Effort::Full } else { Effort::Sample(self.sample.unwrap_or(SAMPLE)) },
            only: self.refusal.clone(),
            share: if self.is_sample() && !self.list { SHARE } else { 1 },
            always: self.always,
            addresses: self.address.map(|at| at..at + 1),
            functions: self.function.clone(),
            firmware: firmware(self)?,
            until_failure: self.until_failure,
            each: EACH,
            floor: self.floor,
        })
    }
}

pub fn run(args: &Args) -> Result<()> {
    let options = args.options()?;
    let refusals = glitch::chosen(&options);
    ensure!(!refusals.is_empty(), "no refusal has such a name; --list shows them");
    if args.list {
        refusals.iter().for_each(|refusal| println!("{}", refusal.name()));
        return Ok(());
    }
    let start = Instant::now();
    if !args.json {
        println!("{HEAD}");
    }
    let parts = tried(args, &options)?;
    let all = glitch::sum(&parts);
    if args.is_sample()
        && !args.always
        && args.address.is_none()
        && args.function.is_empty()
        && args.seed == SEED
    {
        kept::write(BOOTED, all.booted)?;
    }
    report(args, &parts, &all, start);
    ensure!(all.booted == 0, "{} of {} glitches boot a refused image", all.booted, all.skips + all.flips);
    Ok(())
}

/// How many of the glitches in the run for CI boot: those of the last one, if it was of this program, or those of
/// one that is made now.
pub fn booted() -> Result<u64> {
    if let Some(booted) = kept::read(BOOTED)? {
        return Ok(booted);
    }
    let args = Args::for_ci();
    let booted = glitch::sum(&tried(&args, &args.options()?)?).booted;
    kept::write(BOOTED, booted)?;
    Ok(booted)
}

fn tried(args: &Args, options: &Options) -> Result<Vec<Part>> {
    let draw = !args.json && std::io::stderr().is_terminal();
    let done = AtomicU64::new(0);
    let threads = std::thread::available_parallelism()?.get();
    let parts = glitch::run(options, threads, &|news| match news {
        News::Tried => {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if draw && done.is_multiple_of(64) {
                eprint!("\r  {done} glitches ");
                let _ = std::io::stderr().flush();
            }
        }
        _ if args.json => {}
        News::Booted(failure) => println!("BOOTED {failure}"),
        News::Done(part) => row(part),
    })?;
    if draw {
        eprint!("\r\x1b[K");
    }
    Ok(parts)
}

/// Another build, which is kept until the end.
fn firmware(args: &Args) -> Result<Option<Image>> {
    let Some(path) = &args.firmware else { return Ok(None) };
    let elf = std::fs::read(path).with_context(|| path.display().to_string())?;
    let binary = make::flat(&elf).with_context(|| format!("{} is no bootloader", path.display()))?;
    let name = if args.crc { F4_CRC.name } else { F4_FULL.name };
    Ok(Some(Image { name, binary: binary.leak(), elf: elf.leak() }))
}

fn row(part: &Part) {
    let Part { name, addresses, instructions, figures: f, seconds } = part;
    println!(
        "{name:<32} {addresses:>9} {instructions:>12} {:>8} {:>6} {:>6} {seconds:>7.1}",
        f.skips, f.flips, f.booted
    );
}

fn report(args: &Args, parts: &[Part], all: &Figures, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        let refusal = |part: &Part| {
            let Figures { skips, flips, booted, .. } = part.figures;
            let figures = serde_json::json!({
                "addresses": part.addresses, "instructions": part.instructions,
                "skips": skips, "flips": flips, "booted": booted,
            });
            (part.name.clone(), figures)
        };
        let refusals: serde_json::Map<_, _> = parts.iter().map(refusal).collect();
        let object = serde_json::json!({
            "seed": args.seed, "seconds": seconds, "skips": all.skips, "flips": all.flips,
            "booted": all.booted, "lowered": all.lowered, "failures": all.failures, "refusals": refusals,
        });
        println!("{object}");
        return;
    }
    println!("seed {}, {seconds:.1} s, {} flipped bits", args.seed, all.flips);
    if all.lowered > 0 {
        println!("{} more lower the floor, which counts with --floor only: see SECURITY.md", all.lowered);
    }
    println!("glitch: {} skips, {} booted", all.skips, all.booted);
}
