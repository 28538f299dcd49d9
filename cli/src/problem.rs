//! A failed command: exit code, name for machines, and the three parts of the message.

use crate::exit::Exit;
use serde_json::{Value, json};
use surefoot_host::explain::Explain;
use surefoot_host::files::FileError;
use surefoot_host::image::keys::KeyError;
use surefoot_host::image::{ExternalError, ImageError, Refused};
use surefoot_host::link::LinkError;

/// What a verb returns when it cannot do its job.
#[derive(Clone, Debug)]
pub struct Problem {
    /// For the shell.
    pub exit: Exit,
    /// For machines.
    pub code: String,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub remedy: String,
    /// `what` names the file that it is about.
    pub named: bool,
}

impl Problem {
    /// From an error that explains itself.
    pub fn of(exit: Exit, error: &dyn Explain) -> Self {
        Self {
            exit,
            code: error.code(),
            what: error.to_string(),
            why: error.why(),
            remedy: error.remedy(),
            named: false,
        }
    }

    /// From its parts.
    pub fn new(exit: Exit, code: &str, what: impl Into<String>, why: &str, remedy: &str) -> Self {
        let (code, what) = (code.to_owned(), what.into());
        Self { exit, code, what, why: why.to_owned(), remedy: remedy.to_owned(), named: false }
    }

    /// Puts the name of the file in front, unless it is there already.
    pub fn about(mut self, file: &std::path::Path) -> Self {
        if !self.named {
            self.what = format!("{}: {}", file.display(), self.what);
        }
        Self { named: true, ..self }
    }

    /// The error object of `--json`.
    pub fn json(&self) -> Value {
        json!({ "error": {
            "code": self.code,
            "exit": self.exit as u8,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
        }})
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        Self { named: error.names_its_file(), ..Self::of(Exit::Input, &error) }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        Self::of(Exit::Input, &error)
    }
}

impl From<ExternalError> for Problem {
    fn from(error: ExternalError) -> Self {
        Self::of(Exit::Input, &error)
    }
}

impl From<ImageError> for Problem {
    fn from(error: ImageError) -> Self {
        Self::of(Exit::Image, &error)
    }
}

impl From<Refused> for Problem {
    fn from(error: Refused) -> Self {
        Self::of(Exit::Image, &error)
    }
}

/// A state file or a chip's name that cannot be used is bad input, and no broken link.
pub fn link_exit(error: &LinkError) -> Exit {
    match error {
        LinkError::State { .. } | LinkError::Unread { .. } | LinkError::Unkept(_) | LinkError::NoModel(_) => {
            Exit::Input
        }
        LinkError::Lockup { .. } => Exit::Device,
        _ => Exit::Link,
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        Self::of(link_exit(&error), &error)
    }
}
