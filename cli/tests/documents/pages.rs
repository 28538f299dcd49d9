//! The pages: which there are, and what is in them.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One Markdown file.
pub struct Page {
    /// Relative to the repository, with `/`.
    pub name: String,
    pub text: String,
}

/// A fenced block.
pub struct Block {
    /// What stands behind the fence.
    pub language: String,
    /// The number of the first line in it, and the lines.
    pub first: usize,
    pub lines: Vec<String>,
}

/// Where pages lie; folders of other people's text are not among them.
const FOLDERS: [&str; 4] = ["", "docs", "examples", "boards"];

/// All pages, by their names.
pub fn all() -> Vec<Page> {
    let mut pages = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "md") {
                let file = path.file_name().expect("a name").to_string_lossy().into_owned();
                let name = if folder.is_empty() { file } else { format!("{folder}/{file}") };
                let text = std::fs::read_to_string(&path).expect("UTF-8");
                pages.push(Page { name, text });
            }
        }
    }
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(pages.len() >= 10, "the folders of the pages have moved");
    pages
}

/// The page with this name.
pub fn page(name: &str) -> Page {
    all().into_iter().find(|p| p.name == name).unwrap_or_else(|| panic!("{name} is not there"))
}

impl Page {
    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        root().join(&self.name).parent().expect("a folder").to_path_buf()
    }

    /// Its fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut inside = false;
        for (number, line) in self.text.lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                inside = !inside;
                if inside {
                    let language = language.trim().to_owned();
                    blocks.push(Block { language, first: number + 2, lines: Vec::new() });
                }
            } else if inside {
                blocks.last_mut().expect("a block").lines.push(line.to_owned());
            }
        }
        assert!(!inside, "{}: a block without an end", self.name);
        blocks
    }

    /// Its lines outside of blocks, with their numbers.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let lines = self.text.lines().enumerate().filter(|(_, line)| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        });
        lines.map(|(number, line)| (number + 1, line)).collect()
    }

    /// The rows of the tables under the heading with this text, its head row first. Cells are trimmed.
    pub fn rows(&self, heading: &str) -> Vec<Vec<String>> {
        let section = self.section(heading);
        let rows = section.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
        rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
            .collect()
    }

    /// The text under the heading with this text, up to the next heading.
    pub fn section(&self, heading: &str) -> &str {
        let mut range = None;
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let end = at + line.len();
            match (&range, line.starts_with('#')) {
                (None, true) if line.trim_start_matches('#').trim() == heading => range = Some(end),
                (Some(start), true) => return &self.text[*start..at],
                _ => {}
            }
            at = end;
        }
        range.map_or_else(|| panic!("{}: no heading \"{heading}\"", self.name), |start| &self.text[start..])
    }
}

/// What is in backticks.
pub fn code_spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
