//! `cargo xtask budgets`: what the firmware costs, beside the committed limits.

use crate::tools;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use surefoot_images::{BINARIES, make};
use surefoot_tests::budgets::{self, Figure};

#[derive(clap::Args)]
pub struct Args {
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// Fail when a figure is over its limit, or an exact one is not what was committed
    #[arg(long)]
    check: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    #[serde(default)]
    limit: f64,
    /// The binary whose limit it is, by the name of its files.
    binary: Option<String>,
    /// The figure must be at least this, not at most.
    #[serde(default)]
    least: bool,
    /// The committed value of an exact figure.
    now: Option<f64>,
    /// How far it may be from that.
    within: Option<f64>,
    /// A figure of this machine and what else it does: `--check` fails only beyond this many times
    /// the limit.
    noise: Option<f64>,
}

impl Limit {
    fn kept(&self, value: f64) -> bool {
        if self.least { value >= self.limit } else { value <= self.limit }
    }

    /// As [`Self::kept`], with room for the machine's noise.
    fn tolerable(&self, value: f64) -> bool {
        let noise = self.noise.unwrap_or(1.0);
        self.kept(if self.least { value * noise } else { value / noise })
    }

    /// Exact figures are committed to a thousandth, where nothing else is said.
    fn as_committed(&self, value: f64) -> bool {
        self.now.is_none_or(|now| (now - value).abs() < self.within.unwrap_or(0.0015))
    }
}

pub fn run(args: &Args) -> Result<()> {
    let limits = limits()?;
    let mut figures = budgets::measure()?;
    figures.extend(costs()?);
    figures.push(Figure { name: "glitch_booted", value: crate::glitch::booted()? as f64, unit: "" });
    figures.push(Figure { name: "sweep_states", value: crate::sweep::states()? as f64, unit: "" });
    let mut broken = Vec::new();
    for figure in &figures {
        let limit = limits.get(figure.name).with_context(|| format!("no limit for {}", figure.name))?;
        if !limit.tolerable(figure.value) {
            broken.push(format!("{}: {} is beyond {}", figure.name, shown(figure), limit.limit));
        } else if !limit.as_committed(figure.value) {
            broken.push(format!(
                "{}: {} is not the committed {}; if that is meant, change xtask/budgets.toml and say why",
                figure.name,
                shown(figure),
                limit.now.unwrap_or_default()
            ));
        }
    }
    if args.json {
        let object: serde_json::Map<_, _> =
            figures.iter().map(|f| (f.name.to_owned(), serde_json::json!(rounded(f.value)))).collect();
        println!("{}", serde_json::Value::Object(object));
    } else {
        table(&figures, &limits);
        for line in &broken {
            println!("{line}");
        }
        println!("budgets: {} figures, {} over their limit", figures.len(), broken.len());
    }
    if args.check && !broken.is_empty() {
        bail!("{} of {} budgets are broken", broken.len(), figures.len());
    }
    Ok(())
}

/// The committed limits, with those of the binaries from their own table.
fn limits() -> Result<BTreeMap<String, Limit>> {
    let text = std::fs::read_to_string(tools::root().join("xtask/budgets.toml"))?;
    let mut limits: BTreeMap<String, Limit> = toml::from_str(&text).context("xtask/budgets.toml")?;
    for limit in limits.values_mut() {
        let Some(file) = &limit.binary else { continue };
        let binary = BINARIES.iter().find(|binary| binary.file == file);
        limit.limit = binary.with_context(|| format!("there is no binary {file}"))?.limit.into();
    }
    Ok(limits)
}

/// What each of the firmware's features costs: its bytes on top of the features before it.
fn costs() -> Result<Vec<Figure>> {
    const FEATURES: [(&str, &str); 4] = [
        ("signature", "f407_cost_signature_bytes"),
        ("failsafe", "f407_cost_failsafe_bytes"),
        ("backup", "f407_cost_backup_bytes"),
        ("options", "f407_cost_options_bytes"),
    ];
    let mut figures = Vec::new();
    let (mut features, mut before) = (String::new(), size_with("")?);
    for (feature, name) in FEATURES {
        features = format!("{features},{feature}");
        let size = size_with(&features)?;
        figures.push(Figure { name, value: size - before, unit: "bytes" });
        before = size;
    }
    Ok(figures)
}

/// Bytes of flash of the F4 firmware with these features.
fn size_with(features: &str) -> Result<f64> {
    let folder = tools::root().join("firmware");
    let features = ["--no-default-features", "--features", features];
    budgets::flash_bytes(&make::build(&folder, &folder.join("target/costs"), &features)?)
}

fn table(figures: &[Figure], limits: &BTreeMap<String, Limit>) {
    println!("{:<24} {:>14}   limit", "figure", "value");
    for figure in figures {
        let Some(limit) = limits.get(figure.name) else { continue };
        let sign = if limit.least { "at least" } else { "at most" };
        let mark = if limit.kept(figure.value) { "" } else { "  OVER" };
        println!("{:<24} {:>14}   {sign} {}{mark}", figure.name, shown(figure), limit.limit);
    }
}

fn shown(figure: &Figure) -> String {
    format!("{} {}", rounded(figure.value), figure.unit)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_limit_and_those_of_the_binaries_are_the_tables() {
        let limits = limits().expect("xtask/budgets.toml");
        assert!(limits.values().all(|limit| limit.limit > 0.0 || limit.now == Some(0.0)));
        for binary in BINARIES {
            let of_it = |limit: &&Limit| limit.binary.as_deref() == Some(binary.file);
            let all: Vec<_> = limits.values().filter(of_it).map(|limit| limit.limit).collect();
            assert!(!all.is_empty() && all.iter().all(|limit| *limit == f64::from(binary.limit)), "{all:?}");
        }
    }
}
