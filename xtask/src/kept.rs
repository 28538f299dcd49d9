//! Figures of a long run that `cargo xtask budgets` shows, too: kept in `target` with the SHA-256 of the program
//! that found them, which holds what runs and the bootloader. What another program has found is not told.

use crate::tools;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

fn place(name: &str) -> PathBuf {
    tools::root().join("target").join(name)
}

fn program() -> Result<String> {
    let path = std::env::current_exe()?;
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Keeps the figure of a run.
pub fn write(name: &str, figure: u64) -> Result<()> {
    fs::write(place(name), format!("{figure} {}\n", program()?)).with_context(|| format!("target/{name}"))
}

/// That of the last run, if this very program made it.
pub fn read(name: &str) -> Result<Option<u64>> {
    let Ok(text) = fs::read_to_string(place(name)) else { return Ok(None) };
    let (figure, program) = text.trim().split_once(' ').with_context(|| format!("target/{name}"))?;
    Ok(if program == self::program()? { Some(figure.parse()?) } else { None })
}
