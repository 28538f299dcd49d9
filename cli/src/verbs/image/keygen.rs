//! `surefoot image keygen`: an Ed25519 key pair.

use crate::output::{Report, Table};
use crate::problem::Problem;
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
}

/// Makes and writes the pair.
pub fn run(arguments: Arguments) -> Result<Report, Problem> {
    let public = public_beside(&arguments.private);
    let key = keys::generate()?;
    keys::write_pair(&key, &arguments.private, &public)?;
    let id = hex(&keys::id(key.verifying_key().as_bytes()));
    let mut table = Table::default();
    table
        .row(
            "private key",
            format!("{} (keep it secret, and a copy of it safe)", arguments.private.display()),
        )
        .row("public key", format!("{} (name it in the board file's [validation] keys)", public.display()))
        .row("key id", &id);
    let json = json!({ "private": arguments.private, "public": public, "key_id": id });
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
