//! docs/errors.md: the objects that `--json` prints, against objects that the command did print.
//!
//! Each command is run in the situations that change its object; what they have in common is the shape on the
//! page. With UPDATE_DOCS=1 the shapes are written into the page. `sim serve` is not run: it needs a guest.

use crate::errors::the_page_has;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use surefoot_tests::fixtures::{self, Trial};

/// Paths of an object, with the types that were seen there, and how often.
#[derive(Default)]
struct Shape {
    seen: usize,
    paths: BTreeMap<String, (BTreeSet<&'static str>, usize)>,
}

impl Shape {
    fn add(&mut self, object: &Value) {
        let mut paths = BTreeMap::new();
        collect(object, String::new(), &mut paths);
        for (path, types) in paths {
            let known = self.paths.entry(path).or_default();
            known.0.extend(types);
            known.1 += 1;
        }
        self.seen += 1;
    }

    /// One line for each path that has no others below it.
    fn text(&self) -> String {
        let inner = |path: &str| {
            let below =
                |p: &String| p.starts_with(&format!("{path}.")) || p.starts_with(&format!("{path}[]"));
            self.paths.keys().any(below)
        };
        let mut text = String::new();
        for (path, (types, seen)) in self.paths.iter().filter(|(path, _)| !path.is_empty()) {
            let types: Vec<_> = types.iter().copied().filter(|t| !inner(path) || *t == "null").collect();
            if types.is_empty() {
                continue;
            }
            let types = if inner(path) { "null, or as follows".to_owned() } else { types.join(" or ") };
            // Below another path it may be missing because that one is.
            let sometimes =
                if *seen < self.seen && !path.contains(['.', '[']) { ", not always there" } else { "" };
            let _ = writeln!(text, "{path:<44} {types}{sometimes}");
        }
        text
    }
}

fn collect(value: &Value, path: String, paths: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let (kind, inner): (_, Vec<(String, &Value)>) = match value {
        Value::Null => ("null", Vec::new()),
        Value::Bool(_) => ("true or false", Vec::new()),
        Value::Number(_) => ("number", Vec::new()),
        Value::String(_) => ("text", Vec::new()),
        Value::Array(items) => ("list", items.iter().map(|item| (format!("{path}[]"), item)).collect()),
        Value::Object(map) => {
            let dot = if path.is_empty() { "" } else { "." };
            ("object", map.iter().map(|(key, value)| (format!("{path}{dot}{key}"), value)).collect())
        }
    };
    paths.entry(path).or_default().insert(kind);
    for (path, value) in inner {
        collect(value, path, paths);
    }
}

/// A folder, and what was printed in it.
struct Session {
    home: tempfile::TempDir,
    shapes: BTreeMap<String, Shape>,
}

impl Session {
    /// Runs a command whose words hold no blanks; its object goes to the shape of `verb`.
    fn run(&mut self, verb: &str, words: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(self.home.path()).args(words.split_whitespace()).args(["--json", "--yes"]);
        let out = command.env_remove("SUREFOOT_KEY_PASSWORD").output().expect("it starts");
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{words}: {text}");
        let object = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{words}: {e}: {text}"));
        self.shapes.entry(verb.to_owned()).or_default().add(&object);
    }

    /// A program that confirms itself, for the slot at `base`.
    fn program(&self, what: Trial, base: u32, name: &str) {
        let built = fixtures::trial(what, 500, base).expect("a program");
        std::fs::copy(built, self.home.path().join(name)).expect("a copy");
    }
}

/// Slots of the board files of the examples with two slots, and with one.
const A: u32 = 0x0800_C000;
const B: u32 = 0x0808_0000;
const LONE: u32 = 0x0801_0000;

fn on_a_board_with_two_slots(session: &mut Session) {
    let (link, held) = ("--link sim:two.state", "--link sim:two.state,button");
    session.run("new", "new two --folder . --strategy ab");
    session.run("layout", "layout --out link");
    session.run("bootloader", "bootloader --out bootloader.hex");
    session.program(Trial::Confirms, A, "a.elf");
    session.program(Trial::Confirms, B, "b.elf");
    for (name, version) in [("a", 1), ("b", 2), ("a", 3)] {
        let sign =
            format!("image sign {name}.elf --key keys/two.pem --version {version}.0.0 --counter {version}");
        session.run("image sign", &format!("{sign} --out {name}{version}.dfu"));
    }
    session.run("merge", "merge a1.dfu b2.dfu --out factory.hex");
    session.run("image inspect", "image inspect a1.dfu --key keys/two.pub.pem");
    session.run("image inspect, of a bootloader", "image inspect bootloader.hex");
    session.run("image inspect, of a bootloader", "image inspect factory.hex");
    session.run("image inspect, of a bootloader", "image inspect factory.hex --key keys/two.pub.pem");
    session.run("image verify", "image verify a1.dfu --key keys/two.pub.pem");
    session.run("image keygen", "image keygen more.pem");
    session.run("image keys", "image keys more.pub.pem");
    session.run("info", &format!("info {link}"));
    session.run("flash", &format!("flash a1.dfu {link} --dry-run"));
    session.run("flash", &format!("flash a1.dfu {link}"));
    session.run("sim run", "sim run --state two.state --for 3s");
    session.run("verify", &format!("verify a1.dfu {held}"));
    session.run("boot", &format!("boot {held}"));
    session.run("flash", &format!("flash b2.dfu {held}"));
    session.run("sim run", "sim run --state two.state --for 3s");
    session.run("info", &format!("info {held}"));
    session.run("flash", &format!("flash a3.dfu {held}"));
    session.run("info", &format!("info {held}"));
    session.run("read", &format!("read back.bin --length 1024 {held}"));
    session.run("read", &format!("read all.bin --address 0x08000000 --length 1M {held}"));
    session.run("image inspect, of a bootloader", "image inspect all.bin --address 0x08000000");
    session.run("list", &format!("list {held}"));
    session.run("protect", &format!("protect {held}"));
    session.run("protect", &format!("protect --bootloader --level 1 {held}"));
    session.run("erase", &format!("erase {held}"));
}

fn on_a_board_with_one(session: &mut Session) {
    let (link, held) =
        ("--link sim:one.state --board one.toml", "--link sim:one.state,button --board one.toml");
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards/f4-discovery.toml"));
    let text = text.expect("the example").replace("keys/example.pub.pem", "keys/two.pub.pem");
    std::fs::write(session.home.path().join("one.toml"), text).expect("a board file");
    session.run("layout", "layout --board one.toml");
    session.program(Trial::Confirms, LONE, "one.elf");
    session.run("image inspect", "image inspect one.elf");
    session.run(
        "image sign",
        "image sign one.elf --board one.toml --key keys/two.pem --version 1.0.0 --out one.dfu",
    );
    session.run("flash", &format!("flash one.dfu {link}"));
    session.run("info", &format!("info {held}"));
    session.run("erase", &format!("erase {held}"));
}

#[test]
fn the_objects_of_the_commands_are_those_of_the_page() {
    let mut session = Session { home: tempfile::tempdir().expect("a folder"), shapes: BTreeMap::new() };
    on_a_board_with_two_slots(&mut session);
    on_a_board_with_one(&mut session);
    session.run("layout --chip", "layout --chip STM32F401CE --application 120K --strategy ab");
    session.run("layout --chip, all strategies", "layout --chip STM32F401CE --application 120K");
    session.run("run", "run one.elf --board one.toml --for 4s");
    session.run("completions", "completions bash");
    let mut text = String::from("```text\n");
    for (verb, shape) in &session.shapes {
        let _ = writeln!(text, "[{verb}]\n\n{}", shape.text());
    }
    the_page_has("JSON objects", &(text.trim_end().to_owned() + "\n```\n"));
}
