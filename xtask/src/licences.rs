//! `cargo xtask licences`: every dependency of every workspace has a licence that deny.toml allows.
//!
//! The same question as `cargo deny check licenses`, asked without building that tool first.

use crate::tools;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Every workspace of the repository.
const WORKSPACES: &[&str] = &[".", "firmware", "app/c", "examples", "tests/peers", "tests/trial", "fuzz"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// Licences that one package may have besides.
#[derive(Deserialize)]
struct Exception {
    allow: Vec<String>,
    #[serde(rename = "crate")]
    package: String,
}

impl Licenses {
    fn for_package(&self, name: &str) -> Vec<String> {
        let besides = self.exceptions.iter().filter(|e| e.package == name).flat_map(|e| &e.allow);
        self.allow.iter().chain(besides).cloned().collect()
    }
}

pub fn run() -> Result<()> {
    let root = tools::root();
    let deny: Deny =
        toml::from_str(&std::fs::read_to_string(root.join("deny.toml"))?).context("deny.toml")?;
    let mut seen = BTreeMap::new();
    for workspace in WORKSPACES {
        let output = tools::outside("cargo", &root.join(workspace))
            .args(["metadata", "--format-version", "1", "--locked"])
            .output()
            .context("cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata in {workspace}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
        seen.extend(metadata.packages.into_iter().map(|p| ((p.name, p.version), p.license)));
    }
    let refused: Vec<String> = seen
        .iter()
        .filter(|((name, _), licence)| {
            let allowed = deny.licenses.for_package(name);
            !licence.as_deref().is_some_and(|l| permits(l, &allowed))
        })
        .map(|((name, version), licence)| {
            format!("{name} {version}: {}", licence.as_deref().unwrap_or("none stated"))
        })
        .collect();
    println!("licences: {} packages, {} refused", seen.len(), refused.len());
    if !refused.is_empty() {
        bail!("not allowed by deny.toml:\n{}", refused.join("\n"));
    }
    Ok(())
}

/// True when `allowed` meets the SPDX expression `licence` (the old "A/B" form included).
fn permits(licence: &str, allowed: &[String]) -> bool {
    spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX)
        .is_ok_and(|e| e.evaluate(|req| allowed.contains(&req.to_string())))
}

#[cfg(test)]
mod tests {
    use super::permits;

    #[test]
    fn an_expression_is_met_by_what_is_allowed_and_by_nothing_else() {
        let allowed = ["MIT".to_string(), "Apache-2.0 WITH LLVM-exception".to_string()];
        assert!(permits("MIT OR GPL-3.0-only", &allowed));
        assert!(permits("MIT/Apache-2.0", &allowed));
        assert!(permits("Apache-2.0 WITH LLVM-exception", &allowed));
        assert!(!permits("MIT AND GPL-3.0-only", &allowed));
        assert!(!permits("Apache-2.0", &allowed));
        assert!(!permits("no licence at all", &allowed));
    }
}
