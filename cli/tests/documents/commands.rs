//! Every command of the pages is run, in the order of its page, in a folder of its own.
//!
//! A block that a reader types is fenced as `sh`. Its lines are run as they stand, with the built `surefoot`
//! on the path, and must succeed. What a line needs beyond that it says in a comment:
//!
//! - `# needs a board`: run on a virtual board, with its link and the answer to its question added.
//! - `# needs ...` anything else, a probe or another system: not run; `surefoot` has to know its options.
//!
//! More words may follow behind a colon. A comment `# shows ...` names what its output has to hold. Such a comment alone on the first line of a block holds for all of it. Commands for a developer of this
//! repository (`cargo xtask`, `cargo demo`) are run by CI itself; here their names and options are looked up.
//! The reader's own program, `app.elf` or `app-b.elf`, is a small one from tests/trial, built when a
//! command first names it; it confirms itself, unless its name says that it hangs.

use crate::pages::{self, Page};
use std::path::{Path, PathBuf};
use std::process::Command;
use surefoot_tests::fixtures::{self, Trial};
use surefoot_tests::needs;

/// Verbs that talk to a board.
const LINKED: [&str; 8] = ["info", "flash", "verify", "read", "erase", "boot", "protect", "run"];
/// Languages of blocks that nobody types into a shell.
const NOT_TYPED: [&str; 8] = ["text", "toml", "rust", "c", "json", "make", "ld", "gdb"];

/// The folder of the clone.
const CLONE: &str = "surefoot";

/// One command of a page.
struct Line {
    /// "page:line".
    at: String,
    command: String,
    needs: Option<String>,
    shows: Option<String>,
}

/// The commands of a page: continued lines are one, comments are taken off.
fn lines(page: &Page) -> Vec<Line> {
    let mut lines = Vec::new();
    for block in page.blocks().into_iter().filter(|block| block.language == "sh") {
        let mut for_all = None;
        let mut begun: Option<(String, String)> = None;
        for (number, text) in block.lines.iter().enumerate() {
            let (command, comment) = split_comment(text);
            let needs = comment
                .and_then(|c| c.strip_prefix("needs "))
                .map(|what| what.split([':', ';', ',']).next().expect("a piece").trim().to_owned());
            let shows = comment.and_then(|c| c.strip_prefix("shows ")).map(str::to_owned);
            if command.is_empty() {
                for_all = for_all.or(needs);
                continue;
            }
            let (at, mut whole) = begun
                .take()
                .unwrap_or_else(|| (format!("{}:{}", page.name, block.first + number), String::new()));
            whole.push_str(command.strip_suffix('\\').unwrap_or(command));
            if command.ends_with('\\') {
                begun = Some((at, whole));
            } else {
                lines.push(Line { at, command: whole, needs: needs.or_else(|| for_all.clone()), shows });
            }
        }
    }
    lines
}

/// A line's command, and the comment behind it.
fn split_comment(line: &str) -> (&str, Option<&str>) {
    let line = line.trim();
    match line.strip_prefix('#').map(|comment| ("", comment)).or_else(|| line.split_once(" #")) {
        Some((command, comment)) => (command.trim_end(), Some(comment.trim())),
        None => (line, None),
    }
}

#[test]
fn every_block_says_what_it_is_and_no_command_hides_from_the_tests() {
    let mut wrong = Vec::new();
    for page in pages::all() {
        for block in page.blocks() {
            let at = format!("{}:{}", page.name, block.first - 1);
            match block.language.as_str() {
                "sh" => {}
                language if NOT_TYPED.contains(&language) => {
                    let typed = |l: &&String| l.starts_with("surefoot ") || l.starts_with("$ ");
                    wrong
                        .extend(block.lines.iter().find(typed).map(|l| format!("{at}: {l}: a block for sh")));
                }
                other => wrong.push(format!("{at}: a block of \"{other}\"; commands are fenced as sh")),
            }
        }
        for (number, line) in page.prose() {
            let command = line.strip_prefix("    ").map(str::trim_start);
            if command.is_some_and(|c| ["surefoot ", "cargo ", "$ "].iter().any(|word| c.starts_with(word))) {
                wrong.push(format!("{}:{number}: {line}: a command outside of a block", page.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_command_of_the_pages_works() {
    let mut failures = Vec::new();
    let (mut run, mut on_a_board, mut looked_up) = (0, 0, 0);
    for page in pages::all() {
        let mut reader = Reader::new(&page);
        for line in lines(&page) {
            let Line { at, command, needs, shows } = &line;
            let done = match (needs.as_deref(), developers(command)) {
                (_, Some(known)) => {
                    looked_up += 1;
                    known
                }
                (None, None) => {
                    run += 1;
                    reader.types(command).and_then(|said| match shows {
                        Some(text) if !said.contains(text.as_str()) => {
                            Err(format!("not shown: {text}\n{said}"))
                        }
                        _ => Ok(()),
                    })
                }
                (Some("a board"), None) if with_link(command).is_some() => {
                    on_a_board += 1;
                    reader.types(&with_link(command).expect("a verb with a link")).map(drop)
                }
                (Some(_), None) => {
                    looked_up += 1;
                    reader.looks_up(command)
                }
            };
            if let Err(why) = done {
                failures.push(format!("{at}: {command}\n{why}"));
                // What comes next on the page builds on it.
                break;
            }
        }
    }
    println!("{run} commands run, {on_a_board} on a virtual board, {looked_up} looked up");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(run > 20 && on_a_board > 5, "{run} and {on_a_board}: the pages were not read");
}

/// Without it an update counts after the board's time-out only.
#[test]
fn a_dfu_util_that_installs_an_image_leaves_dfu_mode() {
    let mut installs = 0;
    for page in pages::all() {
        let prose: Vec<&str> = page.prose().into_iter().map(|(_, line)| line.trim()).collect();
        let prose = prose.join(" ");
        let typed = lines(&page).into_iter().map(|line| line.command);
        for command in typed.chain(pages::code_spans(&prose).into_iter().map(str::to_owned)) {
            let file = command.strip_prefix("dfu-util ").and_then(|rest| rest.split_once("-D ")).map(|p| p.1);
            // ST's ROM bootloader gets the bootloader, and no update.
            if let Some(file) = file.filter(|file| !file.starts_with("bootloader.")) {
                installs += 1;
                let addressed = file.ends_with(".dfu") && !command.contains(" -s :leave ");
                assert!(command.contains(":leave ") && !addressed, "{}: {command}", page.name);
            }
        }
    }
    assert!(installs > 1, "{installs}: the pages were not read");
}

/// The command on a virtual board whose button is held, without questions.
fn with_link(command: &str) -> Option<String> {
    let verb = command.strip_prefix("surefoot ")?.split(' ').next()?;
    let linked = LINKED.contains(&verb) && !command.contains("--link");
    let yes = if command.contains("--yes") { "" } else { " --yes" };
    linked.then(|| format!("{command}{yes} --link sim:board.state,button"))
}

/// A command for those who work on this repository: whether its names are right. Nothing for any other.
fn developers(command: &str) -> Option<Result<(), String>> {
    const TOOLS: [&str; 2] = ["cargo", "rustup"];
    let parts: Vec<Vec<&str>> = command.split("&&").map(|part| part.split_whitespace().collect()).collect();
    if !parts.iter().all(|words| words.first().is_some_and(|word| TOOLS.contains(word))) {
        return None;
    }
    let known = parts.iter().try_for_each(|words| match words.as_slice() {
        ["rustup", "toolchain", "install"] | ["cargo", "demo"] => Ok(()),
        ["cargo", "xtask", verb, options @ ..] => xtask(verb, options),
        ["cargo", "install", "--path", folder, rest @ ..] if pages::root().join(folder).is_dir() => {
            let locked = rest.contains(&"--locked");
            if locked { Ok(()) } else { Err("without --locked the lock file is ignored".into()) }
        }
        ["cargo", "build" | "run" | "add" | "test" | "package" | "install", ..] => Ok(()),
        _ => Err("a command that is not known here".into()),
    });
    Some(known)
}

/// Whether `cargo xtask` has this verb, and the verb these options.
fn xtask(verb: &str, options: &[&str]) -> Result<(), String> {
    let sources = pages::root().join("xtask/src");
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let mut variant = verb.to_owned();
    variant[..1].make_ascii_uppercase();
    let main = read(sources.join("main.rs"));
    if !main
        .lines()
        .any(|l| [format!("{variant},"), format!("{variant}(")].iter().any(|v| l.trim().starts_with(v)))
    {
        return Err(format!("cargo xtask has no {verb}"));
    }
    let of_verb = read(sources.join(format!("{verb}.rs"))) + &read(sources.join(format!("{verb}/mod.rs")));
    for option in options.iter().filter_map(|word| word.strip_prefix("--")) {
        let field = format!("{}:", option.replace('-', "_"));
        if !of_verb.lines().any(|line| line.trim().trim_start_matches("pub ").starts_with(&field)) {
            return Err(format!("cargo xtask {verb} has no --{option}"));
        }
    }
    Ok(())
}

/// Somebody who works through a page.
struct Reader {
    home: tempfile::TempDir,
    /// Where `cd` has led.
    folder: PathBuf,
}

impl Reader {
    /// Pages for a beginner begin with nothing; the others are read by somebody who has a board.
    fn new(page: &Page) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let mut folder = home.path().to_path_buf();
        // Whoever builds the command begins in the clone.
        if page.text.contains("cargo install --path") {
            folder.push(CLONE);
            std::fs::create_dir(&folder).expect("a folder");
        }
        let mut reader = Self { home, folder };
        if page.name != "README.md" && !page.name.contains("getting-started") {
            for command in ["surefoot new my-product --folder .", "surefoot layout --out link"] {
                reader.types(command).expect("a board to begin with");
            }
        }
        reader
    }

    /// Runs a command: what it said, or why it failed.
    fn types(&mut self, command: &str) -> Result<String, String> {
        if command.starts_with("surefoot new ") && self.folder.ends_with(CLONE) {
            return Err("a project in the clone: `cargo init` would add it to the workspace".into());
        }
        if command.starts_with("openssl ") && !needs::part(needs::OPENSSL) {
            return Ok(String::new());
        }
        self.build_what_it_names(command)?;
        let at = self.home.path().join(".folder");
        let out = self.shell(&format!("set -e\n{command}\npwd > '{}'", at.display()));
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        if out.status.success() {
            let folder = std::fs::read_to_string(&at).expect("where the shell was last");
            self.folder = PathBuf::from(folder.trim_end());
            return Ok(said);
        }
        Err(format!("{}: {said}", out.status))
    }

    /// Whether `surefoot` understands the command; other programs are not asked.
    fn looks_up(&self, command: &str) -> Result<(), String> {
        if !command.starts_with("surefoot ") || command.contains(['|', '>', '<']) {
            return Ok(());
        }
        let out = self.shell(&format!("{command} --help"));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        if out.status.success() { Ok(()) } else { Err(said) }
    }

    fn shell(&self, script: &str) -> std::process::Output {
        let binary = Path::new(env!("CARGO_BIN_EXE_surefoot")).parent().expect("a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(binary.to_path_buf()).chain(std::env::split_paths(&path));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).current_dir(&self.folder);
        shell.env("PATH", std::env::join_paths(folders).expect("a path")).env("NO_COLOR", "1");
        shell.env_remove("SUREFOOT_KEY_PASSWORD").stdin(std::process::Stdio::null());
        shell.output().expect("a shell")
    }

    /// Builds the reader's program for each ELF file that is not there yet.
    fn build_what_it_names(&self, command: &str) -> Result<(), String> {
        for word in command.split_whitespace().filter(|word| word.ends_with(".elf")) {
            let path = self.folder.join(word);
            if path.exists() {
                continue;
            }
            let script = ["memory-b.x", "memory-a.x", "memory.x"].into_iter().find(|name| {
                self.folder.join("link").join(name).exists() && (*name != "memory-b.x" || word.contains("-b"))
            });
            let script =
                script.ok_or_else(|| format!("nothing to link {word} with: no memory.x in link/"))?;
            let base = origin(&self.folder.join("link").join(script))?;
            let what = if word.contains("hangs") { Trial::Hangs } else { Trial::Confirms };
            let built = fixtures::trial(what, 500, base).map_err(|e| format!("{e:#}"))?;
            std::fs::create_dir_all(path.parent().expect("a folder")).map_err(|e| e.to_string())?;
            std::fs::copy(built, path).map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

/// Where the flash begins in a memory.x.
fn origin(script: &Path) -> Result<u32, String> {
    let text = std::fs::read_to_string(script).map_err(|e| e.to_string())?;
    let flash = text.lines().find(|line| line.trim_start().starts_with("FLASH"));
    let after = flash.and_then(|line| line.split_once("0x")).map(|(_, rest)| rest);
    let digits: String = after.unwrap_or_default().chars().take_while(char::is_ascii_hexdigit).collect();
    u32::from_str_radix(&digits, 16).map_err(|e| format!("{}: {e}", script.display()))
}

#[test]
fn commands_in_the_text_have_verbs_and_options_that_there_are() {
    let mut looked_up = 0;
    let mut wrong = Vec::new();
    for page in pages::all() {
        let prose: Vec<&str> = page.prose().into_iter().map(|(_, line)| line.trim()).collect();
        let reader = Reader { home: tempfile::tempdir().expect("a folder"), folder: std::env::temp_dir() };
        for span in pages::code_spans(&prose.join(" ")) {
            let known = match span.split_whitespace().collect::<Vec<_>>().as_slice() {
                // "VERB" is the reader's to fill in.
                ["cargo", "xtask", ..] => developers(span).expect("a developer's"),
                ["surefoot", verb, ..] if verb.chars().any(char::is_lowercase) => reader.looks_up(span),
                _ => continue,
            };
            looked_up += 1;
            // An option without its value names the option.
            if let Err(why) = known.or_else(|why| if left_to_the_reader(&why) { Ok(()) } else { Err(why) }) {
                wrong.push(format!("{}: {span}: {}", page.name, why.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(looked_up > 60, "{looked_up} commands: the pages were not read");
}

/// What clap says of a value that is missing, or in capitals: "SIZE".
fn left_to_the_reader(why: &str) -> bool {
    let value = why.split_once("invalid value '").and_then(|(_, rest)| rest.split('\'').next());
    why.contains("a value is required") || value.is_some_and(|v| v.chars().all(|c| c.is_ascii_uppercase()))
}

#[test]
fn a_comment_tells_what_a_command_needs_and_continued_lines_are_one() {
    let text = "```sh\nsurefoot info   # needs a board: the slots\nsurefoot layout \\\n  --out link\n```\n\n\
                ```sh\n# needs a debug probe\nst-flash write x 0x08000000\n```\n";
    let page = Page { name: "page.md".into(), text: text.into() };
    let seen: Vec<_> = lines(&page).into_iter().map(|l| (l.at, l.command, l.needs)).collect();
    let line = |at: &str, command: &str, needs: Option<&str>| {
        (at.to_owned(), command.to_owned(), needs.map(str::to_owned))
    };
    assert_eq!(
        seen,
        [
            line("page.md:2", "surefoot info", Some("a board")),
            line("page.md:3", "surefoot layout --out link", None),
            line("page.md:9", "st-flash write x 0x08000000", Some("a debug probe")),
        ]
    );
    for (command, known) in [
        ("cargo xtask sweep --full", true),
        ("cargo xtask sweep --fuller", false),
        ("cargo xtask swoop", false),
        ("cargo install --path cli --locked", true),
        ("cargo install --path cli", false),
    ] {
        assert_eq!(developers(command).expect("a developer's").is_ok(), known, "{command}");
    }
}
