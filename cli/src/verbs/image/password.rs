//! Where a key's password comes from: a file, the environment, or the terminal without an echo.
//!
//! Never the command line, which every process of the machine can read.

use crate::exit::Exit;
use crate::output::Ui;
use crate::problem::Problem;
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use surefoot_host::files;
use surefoot_host::image::keys::{KeyError, Locked, PASSWORD_VARIABLE, SigningKey};
use zeroize::Zeroizing;

/// The environment variable, for CI.
const VARIABLE: &str = PASSWORD_VARIABLE;
/// So often may a password be mistyped.
const TRIES: usize = 3;

/// The option.
#[derive(Debug, Args)]
pub struct Source {
    /// Take the key's password from the first line of this file
    /// [default: SUREFOOT_KEY_PASSWORD, or a question on the terminal]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

type Password = Zeroizing<String>;

impl Source {
    /// The file that was named.
    pub fn file(&self) -> Option<&PathBuf> {
        self.password_file.as_ref()
    }

    /// True when a file was named.
    pub fn is_named(&self) -> bool {
        self.password_file.is_some()
    }

    /// The password for a new key, asked for twice.
    pub fn for_new_key(&self, path: &Path, ui: &Ui) -> Result<Password, Problem> {
        if let Some(password) = self.without_asking()? {
            return Ok(password);
        }
        let password = ask(&format!("new password for {}: ", path.display()), path, ui)?;
        if password != ask("the same again: ", path, ui)? {
            return Err(Problem::new(
                Exit::Input,
                "password.differs",
                "the two passwords differ",
                "One of them was mistyped; the key could not be opened afterwards.",
                "Run the command again.",
            ));
        }
        Ok(password)
    }

    /// Opens `key`. On a terminal a mistyped password is asked for again.
    pub fn open(&self, key: &Locked, ui: &Ui) -> Result<SigningKey, Problem> {
        if let Some(password) = self.without_asking()? {
            return Ok(key.open(&password)?);
        }
        let mut tries = TRIES;
        loop {
            let password = ask(&format!("password of {}: ", key.path().display()), key.path(), ui)?;
            tries -= 1;
            match key.open(&password) {
                Err(KeyError::Password(_)) if tries > 0 => ui.note("this password does not open it"),
                done => return Ok(done?),
            }
        }
    }

    fn without_asking(&self) -> Result<Option<Password>, Problem> {
        if let Some(path) = &self.password_file {
            return from_file(path).map(Some);
        }
        match std::env::var(VARIABLE) {
            Ok(password) => checked(Zeroizing::new(password), VARIABLE).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(not_text(VARIABLE)),
        }
    }
}

/// The first line, without its end.
fn from_file(path: &Path) -> Result<Password, Problem> {
    let bytes = files::read_bytes(path).map_err(|e| Problem::from(e).about(path))?;
    let name = path.display().to_string();
    let text = Zeroizing::new(String::from_utf8(bytes).map_err(|_| not_text(&name))?);
    checked(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()), &name)
}

fn checked(password: Password, source: &str) -> Result<Password, Problem> {
    if !password.is_empty() {
        return Ok(password);
    }
    Err(Problem::new(
        Exit::Input,
        "password.empty",
        format!("the password from {source} is empty"),
        "A key under an empty password is a key without one.",
        "Put the password there, or leave the password out altogether.",
    ))
}

fn not_text(source: &str) -> Problem {
    Problem::new(
        Exit::Input,
        "password.not-text",
        format!("the password from {source} is not text in UTF-8"),
        "Which bytes such a text has depends on the system.",
        "Store it as UTF-8.",
    )
}

fn ask(question: &str, path: &Path, ui: &Ui) -> Result<Password, Problem> {
    let unasked = |why: &str| {
        let what = format!("the password of {} is missing", path.display());
        let remedy = "Set SUREFOOT_KEY_PASSWORD, or name a file with --password-file.";
        Problem::new(Exit::Input, "password.missing", what, why, remedy)
    };
    if ui.json || !std::io::stdin().is_terminal() {
        return Err(unasked("There is no terminal to ask on."));
    }
    let answer = rpassword::prompt_password(question);
    let answer = answer.map_err(|e| unasked(&format!("The terminal gave none: {e}.")))?;
    checked(Zeroizing::new(answer), "the terminal")
}
