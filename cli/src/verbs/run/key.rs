//! The development key: the private half of a key that the board file trusts, in the files beside it.
//!
//! Keys under a password are passed over, since a runner has nobody to ask.

use std::path::{Path, PathBuf};
use surefoot_board::Board;
use surefoot_host::image::keys::{self, SigningKey};

/// The first of the board's trusted keys whose private half lies in `folder` or its folder `keys`.
pub fn development(board: &Board, folder: &Path) -> Option<(PathBuf, SigningKey)> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in [folder.join("keys"), folder.to_owned()] {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut here: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "pem"))
            .filter(|path| path.is_file())
            .collect();
        here.sort();
        files.extend(here);
    }
    let found: Vec<(PathBuf, SigningKey)> = files
        .into_iter()
        .filter_map(|path| Some((keys::read_private(&path).ok()?, path)))
        .map(|(k, p)| (p, k))
        .collect();
    let trusted = board.keys.iter().filter(|key| !key.revoked);
    let mut which = trusted
        .filter_map(|key| found.iter().find(|(_, private)| private.verifying_key().to_bytes() == key.bytes));
    which.next().cloned()
}
