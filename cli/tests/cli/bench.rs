//! A folder for one test, and the command run in it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fresh folder, removed at the end.
pub struct Bench(PathBuf);

impl Bench {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("surefoot-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Runs the command with words that hold no blanks.
    pub fn raw(&self, words: &str) -> Output {
        self.command(words).output().expect("the command starts")
    }

    /// The command with words that hold no blanks, to add others or an environment to it.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(&self.0).env("NO_COLOR", "1").env_remove("SUREFOOT_KEY_PASSWORD");
        // Cargo sets it for tests as it does for a runner.
        command.env_remove("CARGO_PKG_VERSION");
        command.args(words.split_whitespace());
        command
    }

    /// The object of a command that must succeed.
    pub fn ok(&self, words: &str) -> Value {
        accepted(&mut self.command(words))
    }

    /// The error object of a command that must fail with `exit` and `code`.
    pub fn fails(&self, words: &str, exit: i32, code: &str) -> Value {
        refused(&mut self.command(words), exit, code)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// True when one of the warnings of a command says this.
pub fn warns(object: &Value, text: &str) -> bool {
    let warnings = object["warnings"].as_array().expect("a list of warnings");
    warnings.iter().any(|warning| warning.as_str().is_some_and(|warning| warning.contains(text)))
}

/// The object of a command that must succeed.
pub fn accepted(command: &mut Command) -> Value {
    answer(command, 0)
}

/// The error object of a command that must fail with `exit` and `code`.
pub fn refused(command: &mut Command, exit: i32, code: &str) -> Value {
    let error = answer(command, exit)["error"].clone();
    assert_eq!(error["code"], code, "{command:?}: {error:#}");
    assert_eq!(error["exit"], exit);
    for part in ["what", "why", "remedy"] {
        assert!(error[part].as_str().is_some_and(|s| !s.is_empty()), "{command:?}: no {part} in {error:#}");
    }
    error
}

fn answer(command: &mut Command, exit: i32) -> Value {
    let out = command.arg("--json").output().expect("the command starts");
    let text = String::from_utf8_lossy(&out.stdout);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(exit), "{command:?}: {text} {said}");
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command:?}: {e}: {text}"))
}

/// A plausible application of `length` bytes linked for `base`.
pub fn application(base: u32, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 256) as u8).collect();
    bytes[..0x40].fill(0);
    bytes[..4].copy_from_slice(&0x2002_0000u32.to_le_bytes());
    bytes[4..8].copy_from_slice(&(base + 0x41).to_le_bytes());
    // Where the reset vector points: `b .`, so that it runs for ever.
    bytes[0x40..0x42].copy_from_slice(&[0xFE, 0xE7]);
    bytes
}
