//! Reads a file of text that a person names: the board file, a key. Never more of it than such a file
//! can have, and nothing that waits for a writer or never ends. What it says is others' business.

use std::io::Read as _;
use std::path::Path;

/// Most bytes of a board file or a key; real ones have a few kilobytes.
const MOST: u64 = 1 << 20;

/// The text in `path`; the error is why it cannot be had.
pub fn read(path: &Path) -> Result<String, String> {
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
