//! How many states of the flash the sweep for CI has started boards from: kept in `target` for `cargo xtask
//! budgets`, with the SHA-256 of the program that counted them, which holds the sweep and the bootloader. What
//! another program has counted is not told.

use crate::tools;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

fn place() -> PathBuf {
    tools::root().join("target/sweep-states")
}

fn program() -> Result<String> {
    let path = std::env::current_exe()?;
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Keeps the figure of a run.
pub fn write(states: usize) -> Result<()> {
    fs::write(place(), format!("{states} {}\n", program()?)).context("target/sweep-states")
}

/// That of the last run, if this very program made it.
pub fn read() -> Result<Option<usize>> {
    let Ok(text) = fs::read_to_string(place()) else { return Ok(None) };
    let (states, program) = text.trim().split_once(' ').context("target/sweep-states")?;
    Ok(if program == self::program()? { Some(states.parse()?) } else { None })
}
