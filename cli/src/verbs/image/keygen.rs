//! `surefoot image keygen`: an Ed25519 key pair.

use super::password::Source;
use crate::output::{Report, Table, Ui};
use crate::problem::Problem;
use crate::shown;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_host::image::keys;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// File for the private key; the public key goes beside it as .pub.pem
    #[arg(default_value = "surefoot.pem")]
    private: PathBuf,
    /// The same, as with other verbs
    #[arg(long, short, conflicts_with = "private")]
    out: Option<PathBuf>,
    /// Put the private key under a password, which signing asks for
    #[arg(long)]
    password: bool,
    #[command(flatten)]
    source: Source,
}

impl Arguments {
    fn file(&self) -> &Path {
        self.out.as_deref().unwrap_or(&self.private)
    }
}

/// Makes and writes the pair.
pub fn run(arguments: Arguments, ui: &Ui) -> Result<Report, Problem> {
    let public = public_beside(arguments.file());
    keys::check_free(arguments.file(), &public)?;
    let locked = arguments.password || arguments.source.is_named();
    let password = locked.then(|| arguments.source.for_new_key(arguments.file(), ui)).transpose()?;
    let key = keys::generate()?;
    keys::write_pair(&key, arguments.file(), &public, password.as_ref().map(|p| p.as_str()))?;
    let id = hex(&keys::id(key.verifying_key().as_bytes()));
    let mut table = Table::default();
    table
        .row(
            "private key",
            format!(
                "{} ({})",
                arguments.file().display(),
                match locked {
                    true => "under its password: keep a copy of both safe",
                    false => "keep it secret, and a copy of it safe",
                }
            ),
        )
        .row("public key", format!("{} (name it in the board file's [validation] keys)", public.display()))
        .row("key id", &id);
    let json = json!({ "private": shown::path(arguments.file()), "public": shown::path(&public), "key_id": id, "locked": locked });
    Ok(Report::new(json, table.text()))
}

/// `a.pem` -> `a.pub.pem`.
pub fn public_beside(private: &Path) -> PathBuf {
    private.with_extension("pub.pem")
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
