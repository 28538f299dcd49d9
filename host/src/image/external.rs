//! A signature from a command of the user's own: a signing server, an HSM, another machine.
//!
//! The command gets the manifest's 96 signed bytes and gives back 64 bytes of signature; the
//! private key is never seen here. The words of its line are split as a POSIX shell splits them,
//! but no shell runs. What it says on standard error goes to ours, and its terminal is ours too, so
//! that it can ask for a PIN. Whatever it answers is proved with the public key before it is used.

use crate::explain::Explain;
use crate::files::FileError;
use base64ct::{Base64, Base64Unpadded, Encoding};
use ed25519_dalek::{Signature, VerifyingKey};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Stands in the command's words for a file that holds the message.
const MESSAGE_FILE: &str = "{message}";
/// Stands in the command's words for a file into which the command writes the signature.
const SIGNATURE_FILE: &str = "{signature}";
/// Most bytes of an answer that are read: a signature in any form has far fewer.
const MOST: u64 = 4096;

/// How the message is given to the command, on standard input and in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// 96 bytes.
    #[default]
    Raw,
    /// 192 hexadecimal digits and an end of line.
    Hex,
}

/// A command that signs.
#[derive(Clone, Debug)]
pub struct External {
    /// Its line.
    pub command: String,
    /// The key that it signs with.
    pub public: VerifyingKey,
    /// How it takes the message.
    pub input: Input,
    /// How long it may take.
    pub timeout: Duration,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// Its line holds no words, or a quotation mark is not closed.
    #[error("the signing command {0:?} cannot be split into words")]
    Words(String),
    /// It could not be started.
    #[error("the signing command {program} could not be started: {source}")]
    Start {
        /// Its first word.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("the signing command {program} failed: {status}")]
    Failed {
        /// Its first word.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It took too long, and was ended.
    #[error("the signing command {program} gave no answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// Its first word.
        program: String,
        /// The time it had.
        after: Duration,
    },
    /// It left no file where the signature was to be.
    #[error("the signing command {program} wrote no signature into its file")]
    NoFile {
        /// Its first word.
        program: String,
    },
    /// Its answer is no signature in any of the known forms.
    #[error("the signing command {program} answered with {}", answer(*.bytes))]
    Form {
        /// Its first word.
        program: String,
        /// Bytes of the answer, as far as they were read.
        bytes: usize,
    },
    /// Its answer is not the public key's signature of this message.
    #[error("the signature from {program} was not made by key {key_id} for this image")]
    Wrong {
        /// Its first word.
        program: String,
        /// Id of the public key that was named.
        key_id: String,
    },
    /// The files for it could not be made.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Explain for ExternalError {
    fn code(&self) -> String {
        let name = match self {
            Self::File(e) => return e.code(),
            Self::Words(_) => "words",
            Self::Start { .. } => "start",
            Self::Failed { .. } => "failed",
            Self::Timeout { .. } => "timeout",
            Self::NoFile { .. } => "no-file",
            Self::Form { .. } => "form",
            Self::Wrong { .. } => "wrong-signature",
        };
        format!("signer.{name}")
    }

    fn why(&self) -> String {
        match self {
            Self::File(e) => e.why(),
            Self::Words(_) => "It is empty, or a quotation mark in it is not closed.".into(),
            Self::Start { source, .. } => format!("The system says: {source}."),
            Self::Failed { .. } => "Its messages on standard error are above.".into(),
            Self::Timeout { .. } => "It may wait for a server, for a touch or for a PIN; it was ended.".into(),
            Self::NoFile { .. } => "It ended well, but the file named by {signature} is not there.".into(),
            Self::Form { .. } => {
                "A signature is 64 bytes, or the same as 128 hexadecimal digits or in base64.".into()
            }
            Self::Wrong { .. } => {
                "It used another key than --public-key names, or it signed something else: Ed25519 takes the 96 bytes themselves, not a digest of them."
                    .into()
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::File(e) => e.remedy(),
            Self::Words(_) => "Write it as on a POSIX shell's line, with words quoted where they hold blanks.".into(),
            Self::Start { .. } => {
                "Name a program, with its path or from PATH; for pipes and variables name a script or `sh -c '...'`."
                    .into()
            }
            Self::Failed { .. } => "Run it by hand with 96 bytes on standard input, and correct what it says.".into(),
            Self::Timeout { .. } => "Answer it sooner, or give it longer with --sign-timeout 5min.".into(),
            Self::NoFile { .. } => "Give {signature} to the option that names its output file, or let it write to standard output.".into(),
            Self::Form { .. } => "Let it write the signature to standard output and everything else to standard error.".into(),
            Self::Wrong { .. } => "Name the public key that goes with its private key; see \"Signing by a command\" in docs/command.md.".into(),
        }
    }
}

fn answer(bytes: usize) -> String {
    match bytes {
        0 => "nothing".into(),
        bytes if bytes as u64 > MOST => format!("more than {MOST} bytes"),
        bytes => format!("{bytes} bytes, which are no signature"),
    }
}

impl External {
    /// Asks for the signature of `message`, the signed part of the manifest of the image with
    /// `sha256`, and proves it.
    ///
    /// # Errors
    /// [`ExternalError`].
    pub fn sign(&self, message: &[u8], sha256: &[u8; 32]) -> Result<[u8; 64], ExternalError> {
        let words = shlex::split(&self.command).unwrap_or_default();
        let Some((program, arguments)) = words.split_first() else {
            return Err(ExternalError::Words(self.command.clone()));
        };
        let given = match self.input {
            Input::Raw => message.to_vec(),
            Input::Hex => format!("{}\n", hex::encode(message)).into_bytes(),
        };
        let files = Files::new(&self.command, &given)?;
        let key_id = hex::encode(super::keys::id(self.public.as_bytes()));
        let mut command = Command::new(program);
        command
            .args(arguments.iter().map(|word| files.put_into(word)))
            // The password of somebody's key file is none of its business, nor of what it starts.
            .env_remove(super::keys::PASSWORD_VARIABLE)
            .env("SUREFOOT_SIGN_MESSAGE", hex::encode(message))
            .env("SUREFOOT_SIGN_SHA256", hex::encode(sha256))
            .env("SUREFOOT_SIGN_KEY_ID", &key_id)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let started = command.spawn();
        let child = started.map_err(|source| ExternalError::Start { program: program.clone(), source })?;
        let said = self.outcome(program, child, &given)?;
        let said = match &files.signature {
            Some(file) => read_some(file).ok_or(ExternalError::NoFile { program: program.clone() })?,
            None => said,
        };
        let form = || ExternalError::Form { program: program.clone(), bytes: said.len() };
        let signature = decode(&said).ok_or_else(form)?;
        let good = self.public.verify_strict(message, &Signature::from_bytes(&signature)).is_ok();
        if good { Ok(signature) } else { Err(ExternalError::Wrong { program: program.clone(), key_id }) }
    }

    /// What `child` says on standard output, when it ends well and in time.
    fn outcome(&self, program: &str, mut child: Child, given: &[u8]) -> Result<Vec<u8>, ExternalError> {
        let end = Instant::now() + self.timeout;
        let (pipe, said) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let (mut bytes, mut stdout) = (Vec::new(), stdout.take(MOST + 1));
                // What was read before an error is judged by its length.
                let _ = stdout.read_to_end(&mut bytes);
                let _ = pipe.send(bytes);
                // Only now may a command that never ends feel its pipe close.
                drop(stdout);
            });
        }
        if let Some(mut stdin) = child.stdin.take() {
            // Few enough bytes for any pipe; a command that reads its file instead may not take them.
            let _ = stdin.write_all(given);
        }
        let in_time = loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => break true,
                Ok(Some(status)) => {
                    return match said.try_recv() {
                        // It failed because we stopped listening.
                        Ok(bytes) if bytes.len() as u64 > MOST => Ok(bytes),
                        _ => Err(ExternalError::Failed { program: program.into(), status }),
                    };
                }
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) | Err(_) => break false,
            }
        };
        // A program that it left behind may hold the pipe open.
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        match said.recv_timeout(left) {
            Ok(bytes) if in_time => Ok(bytes),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err(ExternalError::Timeout { program: program.into(), after: self.timeout })
            }
        }
    }
}

/// The files that stand for `{message}` and `{signature}`, in a folder that goes with them.
struct Files {
    folder: Option<tempfile::TempDir>,
    signature: Option<PathBuf>,
}

impl Files {
    fn new(command: &str, given: &[u8]) -> Result<Self, ExternalError> {
        let (message, signature) = (command.contains(MESSAGE_FILE), command.contains(SIGNATURE_FILE));
        if !message && !signature {
            return Ok(Self { folder: None, signature: None });
        }
        let failed = |source| FileError::Write { path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("surefoot-").tempdir().map_err(failed)?;
        std::fs::write(folder.path().join("message"), given).map_err(failed)?;
        let signature = signature.then(|| folder.path().join("signature"));
        Ok(Self { folder: Some(folder), signature })
    }

    fn put_into(&self, word: &str) -> String {
        let Some(folder) = &self.folder else { return word.to_owned() };
        let name = |name: &str| folder.path().join(name).display().to_string();
        word.replace(MESSAGE_FILE, &name("message")).replace(SIGNATURE_FILE, &name("signature"))
    }
}

/// A file's first bytes; `None` when there is no such file.
fn read_some(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MOST + 1).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A signature: 64 raw bytes, or hexadecimal digits or base64 with white space around them.
fn decode(said: &[u8]) -> Option<[u8; 64]> {
    if let Ok(raw) = said.try_into() {
        return Some(raw);
    }
    let text = std::str::from_utf8(said).ok()?.trim();
    let bytes = match text.len() {
        128 => hex::decode(text).ok()?,
        88 => Base64::decode_vec(text).ok()?,
        86 => Base64Unpadded::decode_vec(text).ok()?,
        _ => return None,
    };
    bytes.try_into().ok()
}
