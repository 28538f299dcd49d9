//! `cargo xtask recording`: the demo as an animated picture for the README.
//!
//! The command runs in a terminal of util-linux's `script`, which notes when it wrote what. Those pieces go
//! through a terminal emulation, and each screen that results becomes a frame of the picture ([`svg`]).
//! The virtual board is quicker than a reader: the time is stretched, evenly but for a short pause for each
//! line. Nothing is left out and nothing is added.

mod svg;

use crate::tools;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::Command;
use svg::Frame;

#[derive(clap::Args)]
pub struct Args {
    /// Where the picture goes
    #[arg(long, default_value = "docs/demo.svg")]
    out: PathBuf,
    /// How long it takes, in seconds, the pause at its end included (5-120)
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(5..=120))]
    seconds: u16,
}

const COLUMNS: NonZeroU16 = NonZeroU16::new(112).unwrap();
const ROWS: NonZeroU16 = NonZeroU16::new(30).unwrap();
/// The last screen is shown for so long, in seconds.
const PAUSE: f64 = 3.0;
/// Added to each line, in seconds before the time is stretched: lines that come in one go are read one by one.
const LINE: f64 = 0.05;
/// What is recorded.
const COMMAND: &str = "surefoot demo";

pub fn run(args: &Args) -> Result<()> {
    let frames = stretched(frames(&record()?), f64::from(args.seconds));
    ensure!(frames.len() > 1, "`{COMMAND}` wrote nothing to its terminal");
    let picture = svg::draw(&frames, COMMAND, f64::from(args.seconds));
    let out = tools::root().join(&args.out);
    fs::write(&out, &picture).with_context(|| out.display().to_string())?;
    println!("recording: {} frames, {} s, {} bytes", frames.len(), args.seconds, picture.len());
    Ok(())
}

/// What the command wrote, in order: seconds since the piece before, and the piece.
fn record() -> Result<Vec<(f64, Vec<u8>)>> {
    let root = tools::root();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).current_dir(&root).args(["build", "--package", "surefoot"]).status()?;
    ensure!(built.success(), "the surefoot command does not build");
    let program =
        std::env::current_exe()?.with_file_name(format!("surefoot{}", std::env::consts::EXE_SUFFIX));
    let folder = tempfile::tempdir()?;
    let (times, output) = (folder.path().join("times"), folder.path().join("output"));
    let line = format!("stty cols {COLUMNS} rows {ROWS}; exec '{}' demo", program.display());
    let status = Command::new("script")
        .current_dir(folder.path())
        .env("TERM", "xterm-256color")
        .args(["--quiet", "--return", "--command", &line, "--log-timing"])
        .arg(&times)
        .arg("--log-out")
        .arg(&output)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .context("`script` of util-linux (Debian: bsdutils)")?;
    ensure!(status.success(), "`{COMMAND}` failed: {status}");
    read(&times, &output)
}

/// The two files of `script`, put together. The first line of the output is its own and in no time file.
fn read(times: &Path, output: &Path) -> Result<Vec<(f64, Vec<u8>)>> {
    let output = fs::read(output)?;
    let start = output.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut rest = &output[start..];
    let mut pieces = Vec::new();
    for line in fs::read_to_string(times)?.lines() {
        let (seconds, length) = line.split_once(' ').context("a line of the timing file")?;
        let (piece, behind) =
            rest.split_at_checked(length.trim().parse()?).context("the timing file tells of more bytes")?;
        pieces.push((seconds.parse()?, piece.to_vec()));
        rest = behind;
    }
    Ok(pieces)
}

/// The screens, with the seconds for which each is shown.
fn frames(pieces: &[(f64, Vec<u8>)]) -> Vec<(f64, Frame)> {
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    let mut frames: Vec<(f64, Frame)> = Vec::new();
    for (seconds, piece) in pieces {
        if let Some(last) = frames.last_mut() {
            last.0 += seconds;
        }
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            terminal.process(line);
            let frame = Frame::of(terminal.screen());
            match frames.last_mut() {
                Some((shown, last)) if *last == frame => *shown += LINE,
                _ => frames.push((LINE, frame)),
            }
        }
    }
    frames
}

/// The same, so that all of it with the pause at the end takes `seconds`.
fn stretched(mut frames: Vec<(f64, Frame)>, seconds: f64) -> Vec<(f64, Frame)> {
    let total: f64 = frames.iter().map(|frame| frame.0).sum();
    for frame in &mut frames {
        frame.0 *= (seconds - PAUSE) / total;
    }
    if let Some(last) = frames.last_mut() {
        last.0 += PAUSE;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &[(f64, &str)]) -> Vec<(f64, Vec<u8>)> {
        texts.iter().map(|(seconds, text)| (*seconds, text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_line_that_is_drawn_over_shows_both_and_takes_the_whole_time() {
        let frames = frames(&pieces(&[(0.0, "10 %"), (1.0, "\r\x1b[32m99 %\x1b[m"), (1.0, "\r\ndone <&>")]));
        let frames = stretched(frames, 20.0);
        assert!((frames.iter().map(|frame| frame.0).sum::<f64>() - 20.0).abs() < 1e-9);
        let picture = svg::draw(&frames, "tool", 20.0);
        for text in ["10 %", "99 %", "done &lt;&amp;&gt;", "animation:play 20s", "fill=\"#3fb950\""] {
            assert!(picture.contains(text), "{text} in {picture}");
        }
    }

    #[test]
    fn the_timing_file_cuts_the_output() {
        let folder = tempfile::tempdir().expect("a folder");
        let (times, output) = (folder.path().join("times"), folder.path().join("output"));
        fs::write(&times, "0.5 2\n1.5 3\n").expect("times");
        fs::write(&output, "Script started\nabcde\nScript done\n").expect("output");
        assert_eq!(read(&times, &output).expect("pieces"), pieces(&[(0.5, "ab"), (1.5, "cde")]));
        fs::write(&times, "0.5 200\n").expect("times");
        assert!(read(&times, &output).is_err());
    }

    #[test]
    fn the_picture_in_the_documents_is_of_this_demo() {
        let picture = fs::read_to_string(tools::root().join("docs/demo.svg")).expect("docs/demo.svg");
        assert!(picture.contains("animation:play 20s"), "20 seconds");
        assert!(picture.contains("demo: "), "the demo's last line: record it with `cargo xtask recording`");
        assert!(picture.len() < 400_000, "{} bytes", picture.len());
    }
}
