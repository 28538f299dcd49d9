//! What `surefoot new` puts around the board file: keys, .gitignore, the cargo runner.
//!
//! Files that are there already are kept: a .gitignore gets the lines that it lacks, another
//! .cargo/config.toml is left alone and the lines for it are told.

use super::{Arguments, PolicyName};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::verbs::image::keygen::public_beside;
use std::path::{Path, PathBuf};
use surefoot_board::Board;
use surefoot_core::config::Strategy;
use surefoot_host::files::{self, FileError};
use surefoot_host::image::keys;

/// Most keys that a board's block holds.
const MOST_KEYS: usize = 4;

/// The keys of a new board.
#[derive(Default)]
pub struct Keys {
    /// The one that signs.
    pub private: Option<PathBuf>,
    /// The one for the time after it.
    pub spare: Option<PathBuf>,
    /// As the board file names them, relative to its folder.
    pub public_names: Vec<String>,
    /// What the user should know of them.
    pub notes: Vec<String>,
}

/// Whatever may be wrong with given keys is told before anything is made.
pub fn check_keys(arguments: &Arguments) -> Result<(), Problem> {
    if arguments.key.len() > MOST_KEYS {
        return Err(Problem::new(
            Exit::Usage,
            "new.keys",
            format!("{} keys were given", arguments.key.len()),
            "A bootloader holds four at most, revoked ones included.",
            "Give --key up to four times.",
        ));
    }
    let mut seen = Vec::new();
    for path in &arguments.key {
        let key = keys::read_public(path)?;
        if seen.contains(&key) {
            return Err(Problem::new(
                Exit::Usage,
                "new.keys",
                format!("{} was given twice", path.display()),
                "A second key is for the day the first one has to be revoked.",
                "Give another public key, or this one once.",
            ));
        }
        seen.push(key);
    }
    Ok(())
}

/// Makes the keys, or copies those that were given.
pub fn keys_for(arguments: &Arguments, name: &str, folder: &Path) -> Result<Keys, Problem> {
    if !arguments.key.is_empty() {
        return copied(arguments, name, folder);
    }
    if arguments.no_keys || arguments.policy != PolicyName::Signature {
        return Ok(Keys::default());
    }
    make_folder(&folder.join("keys"))?;
    let stems = [name.to_owned(), format!("{name}-next")];
    let privates = stems.clone().map(|stem| folder.join("keys").join(format!("{stem}.pem")));
    for private in &privates {
        keys::check_free(private, &public_beside(private))?;
    }
    for private in &privates {
        keys::write_pair(&keys::generate()?, private, &public_beside(private), None)?;
    }
    let [private, spare] = privates;
    let public_names = stems.map(|stem| format!("keys/{stem}.pub.pem")).to_vec();
    Ok(Keys { private: Some(private), spare: Some(spare), public_names, notes: Vec::new() })
}

fn copied(arguments: &Arguments, name: &str, folder: &Path) -> Result<Keys, Problem> {
    make_folder(&folder.join("keys"))?;
    let mut made = Keys::default();
    for (number, key) in arguments.key.iter().enumerate() {
        let stem = match number {
            0 => name.to_owned(),
            1 => format!("{name}-next"),
            _ => format!("{name}-{}", number + 1),
        };
        let public_name = format!("keys/{stem}.pub.pem");
        files::write_bytes(&folder.join(&public_name), &files::read_bytes(key)?)?;
        made.public_names.push(public_name);
    }
    if let [_] = arguments.key[..] {
        made.notes.push(
            "the board trusts one key only, which can then never be revoked; give --key a second time with \
             the key for the time after it"
                .into(),
        );
    }
    Ok(made)
}

/// Makes a folder and those above it.
pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(folder).map_err(|source| FileError::Write { path: folder.to_owned(), source })
}

/// What was put around the board file.
#[derive(Default)]
pub struct Around {
    /// The files.
    pub written: Vec<PathBuf>,
    /// What was left to the user.
    pub notes: Vec<String>,
}

/// Writes .gitignore and .cargo/config.toml.
pub fn surroundings(folder: &Path, board: &Board, keys: &Keys) -> Result<Around, Problem> {
    let mut around = Around::default();
    ignore(folder, &mut around)?;
    runner(folder, board, keys, &mut around)?;
    Ok(around)
}

const IGNORED: &str = "\
# Private keys (the public halves belong into the repository).
*.pem
!*.pub.pem
# Their passwords, where a script writes them.
*.password
# Virtual boards.
*.state
*.state.lock
";

/// Keeps private keys and virtual boards out of a repository.
fn ignore(folder: &Path, around: &mut Around) -> Result<(), Problem> {
    let path = folder.join(".gitignore");
    let old = match path.exists() {
        true => String::from_utf8_lossy(&files::read_bytes(&path)?).into_owned(),
        false => String::new(),
    };
    let has = |line: &str| old.lines().any(|l| l.trim() == line);
    // The exception comes behind its rule, so one without the other says nothing.
    if IGNORED.lines().filter(|line| !line.starts_with('#')).all(has) {
        return Ok(());
    }
    let end = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    files::write_bytes(&path, format!("{old}{end}{IGNORED}").as_bytes())?;
    around.written.push(path);
    Ok(())
}

/// `cargo run` in the folder runs the program with `surefoot run`.
fn runner(folder: &Path, board: &Board, keys: &Keys, around: &mut Around) -> Result<(), Problem> {
    const RUNNER: &str =
        "[target.'cfg(all(target_arch = \"arm\", target_os = \"none\"))']\nrunner = \"surefoot run\"\n";
    let path = folder.join(".cargo").join("config.toml");
    if path.exists() || folder.join(".cargo").join("config").exists() {
        around.notes.push(
            "there is a .cargo/config.toml already; for `cargo run` add runner = \"surefoot run\" to its target"
                .into(),
        );
        return Ok(());
    }
    make_folder(&folder.join(".cargo"))?;
    let signs = match &keys.private {
        Some(_) => {
            format!("signs the program with {} and ", keys.public_names[0].replace(".pub.pem", ".pem"))
        }
        None => String::new(),
    };
    let (memory, other) = match board.strategy {
        Strategy::Ab => ("memory-a.x", "; for slot B: SUREFOOT_MEMORY_X=$PWD/link/memory-b.x cargo build"),
        _ => ("memory.x", ""),
    };
    let text = format!(
        "# `cargo run` {signs}runs it on a virtual {}; for the board on USB: cargo run -- --link usb\n{RUNNER}\n\
         # Every STM32F4 is a Cortex-M4 with a floating-point unit.\n[build]\ntarget = \"thumbv7em-none-eabihf\"\n\n\
         # What `surefoot layout --out link` writes, for the application's build.rs{other}\n\
         [env]\nSUREFOOT_MEMORY_X = {{ value = \"link/{memory}\", relative = true }}\n",
        board.name
    );
    files::write_bytes(&path, text.as_bytes())?;
    around.written.push(path);
    Ok(())
}
