//! Writing a file: beside it first, under a name of its own, then renamed, so that no half file remains.
//!
//! A link is followed, and stays; a file that is replaced keeps its mode. What was read for a job is never
//! written over by it. Which bytes go into a file is not decided here.

use super::FileError;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Links to links that are followed; more are taken for a ring.
const MOST_LINKS: usize = 16;

/// Writes `bytes` to `path`.
///
/// # Errors
/// [`FileError::Write`], [`FileError::NoFolder`], [`FileError::NotRegular`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let goal = goal_of(path)?;
    let mut file = beside(path, &goal)?;
    file.write_all(bytes).map_err(failed)?;
    if let Ok(old) = std::fs::metadata(&goal) {
        file.as_file().set_permissions(old.permissions()).map_err(failed)?;
    }
    file.persist(&goal).map(|_| ()).map_err(|e| failed(e.error))
}

/// Finds out, before a job is begun, whether [`write_bytes`] can write `path`. Changes nothing.
///
/// # Errors
/// As [`write_bytes`].
pub fn check_writable(path: &Path) -> Result<(), FileError> {
    // Removed when it is dropped.
    beside(path, &goal_of(path)?).map(|_| ())
}

/// Refuses to write over a file that the job reads.
///
/// # Errors
/// [`FileError::OverInput`].
pub fn not_over<'a>(out: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), FileError> {
    let same = inputs.into_iter().find(|input| is_same(out, input));
    same.map_or(Ok(()), |input| Err(FileError::OverInput { out: out.to_owned(), input: input.to_owned() }))
}

/// The same file, under whatever names.
fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (std::fs::canonicalize(one), std::fs::canonicalize(other)) else {
        return false;
    };
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (std::fs::metadata(&one), std::fs::metadata(&other)) {
        use std::os::unix::fs::MetadataExt as _;
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    one == other
}

/// A new file in the folder of `goal`, which goes when it is dropped. Its name cannot be guessed, and what
/// stands under it already is never written to.
fn beside(path: &Path, goal: &Path) -> Result<NamedTempFile, FileError> {
    let folder = folder_of(path, goal)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".surefoot-").suffix(".part");
    #[cfg(unix)]
    let readable = {
        use std::os::unix::fs::PermissionsExt as _;
        // What the system's umask leaves of it, as for any new file.
        std::fs::Permissions::from_mode(0o666)
    };
    #[cfg(unix)]
    builder.permissions(readable);
    builder
        .tempfile_in(folder)
        .map_err(|source| FileError::Write { path: path.to_owned(), source: plain(source) })
}

/// Without the name of the temporary file, of which nobody has heard.
fn plain(source: io::Error) -> io::Error {
    match source.kind() {
        kind @ (ErrorKind::PermissionDenied
        | ErrorKind::NotFound
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::StorageFull) => kind.into(),
        _ => source,
    }
}

/// The folder of `goal`, which has to be there.
pub(crate) fn folder_of(path: &Path, goal: &Path) -> Result<PathBuf, FileError> {
    let folder = goal.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    Err(FileError::NoFolder { path: path.to_owned(), folder: folder.to_owned() })
}

/// The file that is written: where `path` leads, if it is a link. A folder or a device is not replaced.
fn goal_of(path: &Path) -> Result<PathBuf, FileError> {
    let mut goal = path.to_owned();
    for _ in 0..MOST_LINKS {
        let is_link = std::fs::symlink_metadata(&goal).is_ok_and(|m| m.is_symlink());
        if !is_link {
            let is_file = std::fs::metadata(&goal).map_or(true, |m| m.is_file());
            return match goal.file_name() {
                Some(_) if is_file => Ok(goal),
                _ => Err(FileError::NotRegular(path.to_owned())),
            };
        }
        let next = std::fs::read_link(&goal);
        let next = next.map_err(|source| FileError::Write { path: path.to_owned(), source })?;
        // A relative link counts from its own folder.
        goal = goal.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(FileError::NotRegular(path.to_owned()))
}
