//! Who signs: a key file, one under a password, or a command of the user's own.

use super::password::Source;
use crate::output::Ui;
use crate::problem::Problem;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use surefoot_board::PUBLISHED_KEY;
use surefoot_host::image::keys::{self, PrivateKey, SigningKey};
use surefoot_host::image::{External, Input, Unsigned};

const PUBLISHED: &str =
    "this is the example key, whose private half is published with surefoot: anybody can sign with it";

/// The options.
#[derive(Debug, Args)]
pub struct Signer {
    /// Private key (PEM, PKCS#8), under a password or not; without a key the manifest carries no signature
    #[arg(long, short, conflicts_with = "sign_with")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: Source,
    /// Let this command sign: the manifest's 96 signed bytes on its standard input, the signature on
    /// its standard output; {message} and {signature} stand for files instead
    #[arg(long, value_name = "COMMAND", requires = "public_key")]
    sign_with: Option<String>,
    /// The public key (PEM) that goes with the command's private key
    #[arg(long, value_name = "FILE", requires = "sign_with")]
    public_key: Option<PathBuf>,
    /// How the command takes the 96 bytes
    #[arg(long, value_enum, default_value = "raw", requires = "sign_with")]
    sign_input: InputName,
    /// How long the command may take
    #[arg(long, value_name = "TIME", default_value = "2min", value_parser = crate::number::time, requires = "sign_with")]
    sign_timeout: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InputName {
    Raw,
    Hex,
}

/// A signer that is ready.
pub enum Opened {
    /// A key in memory.
    Key(Box<SigningKey>),
    /// A command.
    Command(Box<External>),
}

impl Signer {
    /// True when there will be a signature.
    pub fn is_named(&self) -> bool {
        self.key.is_some() || self.sign_with.is_some()
    }

    /// The files that it reads.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.key.iter().chain(&self.public_key).chain(self.password.file())
    }

    /// What is unsafe about the key that signs.
    pub fn warnings(&self, opened: Option<&Opened>) -> Vec<String> {
        let mut warnings = Vec::new();
        if opened.is_some_and(|opened| opened.public() == PUBLISHED_KEY) {
            warnings.push(PUBLISHED.to_owned());
        }
        // A command guards its key itself.
        if let Some(path) = self.key.as_ref().filter(|path| keys::is_readable_by_others(path)) {
            let path = path.display();
            warnings.push(format!(
                "other users of this machine can read the private key {path}: chmod 600 {path}"
            ));
        }
        warnings
    }

    /// Reads and opens the keys.
    pub fn open(&self, ui: &Ui) -> Result<Option<Opened>, Problem> {
        if let (Some(command), Some(public)) = (&self.sign_with, &self.public_key) {
            let input = match self.sign_input {
                InputName::Raw => Input::Raw,
                InputName::Hex => Input::Hex,
            };
            let (command, public) = (command.clone(), keys::read_public(public)?);
            let external = External { command, public, input, timeout: self.sign_timeout };
            return Ok(Some(Opened::Command(Box::new(external))));
        }
        let Some(path) = &self.key else { return Ok(None) };
        let key = match keys::open_private(path)? {
            PrivateKey::Open(key) => key,
            PrivateKey::Locked(locked) => Box::new(self.password.open(&locked, ui)?),
        };
        Ok(Some(Opened::Key(key)))
    }
}

impl Opened {
    /// Its public key.
    pub fn public(&self) -> [u8; 32] {
        match self {
            Self::Key(key) => key.verifying_key().to_bytes(),
            Self::Command(command) => command.public.to_bytes(),
        }
    }

    /// The signature of the image's manifest.
    pub fn sign(&self, unsigned: &Unsigned) -> Result<[u8; 64], Problem> {
        Ok(match self {
            Self::Key(key) => unsigned.sign(key),
            Self::Command(command) => command.sign(&unsigned.message(), &unsigned.image_sha256())?,
        })
    }
}
