//! The files of a board: [`Files`] is where a board file's keys come from, and [`Folder`] the one on a disk.
//!
//! Nothing else in this crate opens a file. Never more is read than such a file can have, and nothing
//! that waits for a writer or never ends. What a file says is others' business.

use crate::board::Board;
use crate::error::{BoardError, Fault};
use crate::file;
use std::io::Read as _;
use std::path::Path;

/// Where the files are that a board file names: a folder, a browser's page, a test's table.
pub trait Files {
    /// The text of the file `name`; the error is a sentence that says which file cannot be had, and why.
    fn text(&self, name: &str) -> Result<String, String>;
}

impl<F: Fn(&str) -> Result<String, String>> Files for F {
    fn text(&self, name: &str) -> Result<String, String> {
        self(name)
    }
}

/// A folder on a disk; names of files are relative to it.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'f>(pub &'f Path);

impl Files for Folder<'_> {
    fn text(&self, name: &str) -> Result<String, String> {
        let path = self.0.join(name);
        read(&path).map_err(|why| format!("{} cannot be read: {why}", path.display()))
    }
}

/// The board in the file at `path`; names of key files are relative to it.
pub fn load(path: &Path) -> Result<Board, BoardError> {
    let in_file = |e: BoardError| BoardError { file: Some(path.to_path_buf()), ..e };
    let text = read(path).map_err(|why| {
        let fault = Box::new(Fault::Unreadable(why));
        in_file(BoardError { file: None, place: None, key: String::new(), fault })
    })?;
    file::parse(&text, &Folder(path.parent().unwrap_or(Path::new("")))).map_err(in_file)
}

/// Most bytes of a board file or a key; real ones have a few kilobytes.
const MOST: u64 = 1 << 20;

/// The text in `path`; the error is why it cannot be had.
fn read(path: &Path) -> Result<String, String> {
    let failed = |e: std::io::Error| e.to_string();
    // Asked before it is opened: opening a pipe waits for somebody to write into it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err("it is a folder, a device or a pipe, not a regular file".to_string());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err("it has more than 1 MiB, so it is another file".to_string());
    }
    String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_string())
}
