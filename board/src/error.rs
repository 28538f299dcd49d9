//! What can be wrong with a board file: each fault says what, why and what to do instead.
//!
//! [`BoardError`] adds the file and the place in it.

use crate::clock::ClockError;
use crate::layout::LayoutError;
use crate::pin::PinError;
use std::fmt;
use std::path::PathBuf;

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

impl Place {
    /// The place of byte `offset` of `text`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self { line, column }
    }
}

/// A board file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BoardError {
    /// The file, when it came from one.
    pub file: Option<PathBuf>,
    /// Where in it.
    pub place: Option<Place>,
    /// The key as in "layout.application"; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub fault: Box<Fault>,
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if self.file.is_some() || self.place.is_some() {
            f.write_str(" ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.fault)
    }
}

/// What is wrong with a board file. The text names the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// A key that means nothing here.
    #[error("unknown key{}", did_you_mean(.nearest, .known))]
    UnknownKey {
        /// The known key that is most like it.
        nearest: Option<String>,
        /// All keys that are known here.
        known: Vec<&'static str>,
    },
    /// A key that must be there.
    #[error("is missing; add {example}")]
    Missing {
        /// A line that would do.
        example: &'static str,
    },
    /// Another kind of value.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What may stand here.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// The right kind of value, out of range or without meaning.
    #[error("{what}; {remedy}")]
    Value {
        /// What is wrong with it.
        what: String,
        /// What to write instead.
        remedy: String,
    },
    /// The chip's name.
    #[error("{0}")]
    Chip(surefoot_chips::NotFound),
    /// Not built yet.
    #[error("{what} is not available yet; {instead}")]
    NotYet {
        /// What was asked for.
        what: String,
        /// What there is.
        instead: String,
    },
    /// The flash layout.
    #[error("{0}")]
    Layout(LayoutError),
    /// The clocks.
    #[error("{0}")]
    Clock(ClockError),
    /// A pin.
    #[error("{0}")]
    Pin(PinError),
}

fn did_you_mean(nearest: &Option<String>, known: &[&str]) -> String {
    match nearest {
        Some(key) => format!("; did you mean \"{key}\"?"),
        None => format!("; known here: {}", known.join(", ")),
    }
}
