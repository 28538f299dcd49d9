//! Things that are named as a board file or a key and are none: each is refused at once, whatever it would give.

use std::path::{Path, PathBuf};
use surefoot_board::{Board, Fault};

/// A fresh folder for one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("surefoot-board-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is said of `path` as a board file.
fn refused(path: &Path) -> String {
    let error = Board::load(path).expect_err("no board file");
    assert!(matches!(*error.fault, Fault::Unreadable(_)), "{error}");
    error.to_string()
}

/// A board file of hundreds of megabytes that takes no room on the disk.
fn huge(path: &Path) {
    let file = std::fs::File::create(path).expect("a file");
    file.set_len(600 << 20).expect("a long file");
}

#[test]
fn a_huge_file_is_no_board_file_and_no_key() {
    let folder = Folder::new("huge");
    huge(&folder.path("board.toml"));
    let said = refused(&folder.path("board.toml"));
    assert!(
        said.ends_with("board.toml: cannot be read: it has more than 1 MiB, so it is another file"),
        "{said}"
    );
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let text = std::fs::read_to_string(boards.join("f4-discovery.toml")).expect("an example");
    let said =
        Board::parse(&text.replace("keys/example.pub.pem", "board.toml"), &folder.0).expect_err("no key");
    assert!(said.to_string().contains("board.toml cannot be read: it has more than 1 MiB"), "{said}");
}

#[test]
fn a_folder_and_bytes_that_are_no_text_are_told_as_what_they_are() {
    let folder = Folder::new("folder");
    let said = refused(&folder.0);
    assert!(
        said.ends_with("cannot be read: it is a folder, a device or a pipe, not a regular file"),
        "{said}"
    );
    std::fs::write(folder.path("noise.toml"), [0xFF, 0xFE, 0x00]).expect("a file");
    assert!(refused(&folder.path("noise.toml")).ends_with("it is not text in UTF-8"));
}

/// Without the check this test never ends: nobody writes into the pipe.
#[test]
#[cfg(unix)]
fn a_pipe_and_a_device_that_never_end_are_not_opened() {
    let folder = Folder::new("pipe");
    let made = std::process::Command::new("mkfifo").arg(folder.path("pipe.toml")).status();
    let pipe = made.is_ok_and(|status| status.success()).then(|| folder.path("pipe.toml"));
    for path in [Some(PathBuf::from("/dev/zero")), pipe].into_iter().flatten() {
        let said = refused(&path);
        assert!(said.ends_with("it is a folder, a device or a pipe, not a regular file"), "{said}");
    }
}

#[test]
fn a_board_file_and_its_keys_need_no_disk() {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let read = |name: &str| std::fs::read_to_string(boards.join(name)).expect(name);
    let (text, key) = (read("f4-discovery.toml"), read("keys/example.pub.pem"));
    let files = |name: &str| match name {
        "keys/example.pub.pem" => Ok(key.clone()),
        other => Err(format!("{other} cannot be read: it was not given")),
    };
    let board = Board::parse_with(&text, &files).expect("a good board");
    assert_eq!(board.block(), Board::load(&boards.join("f4-discovery.toml")).expect("the same").block());
    let other = text.replace("keys/example.pub.pem", "mine.pem");
    let said = Board::parse_with(&other, &files).expect_err("no key").to_string();
    assert!(said.contains("mine.pem cannot be read: it was not given; name a file relative to"), "{said}");
}
