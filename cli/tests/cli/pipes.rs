//! A pipe that is closed at its other end (`| head`) ends each verb without a word, and after its job.

use crate::bench::{Bench, application};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const SIGPIPE: i32 = 13;

/// The command with a standard output that takes nothing from the start.
fn into_a_closed_pipe(command: &mut Command) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    command.stdout(writer).output().expect("it starts")
}

fn assert_quiet(words: &str, out: &Output) {
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.signal(), Some(SIGPIPE), "{words}: {} {said}", out.status);
    assert!(!said.contains("panicked") && !said.contains("error"), "{words}: {said}");
}

#[test]
fn reports_errors_as_json_and_scripts_end_as_other_commands_do() {
    let bench = Bench::new("pipe-reports");
    bench.ok("new mine --folder .");
    for words in [
        "layout",
        "layout --json",
        "layout --chip STM32F401CE --application 120K",
        "image inspect missing.hex --json",
        "unknown-verb --json",
        "info --link sim:board.state",
        "list --link sim:board.state",
        "completions bash",
    ] {
        let out = into_a_closed_pipe(&mut bench.command(words));
        assert_quiet(words, &out);
    }
    // clap's own.
    for words in ["--help", "flash --help", "--version"] {
        let out = into_a_closed_pipe(&mut bench.command(words));
        assert!(out.status.success() && out.stderr.is_empty(), "{words}: {out:?}");
    }
    // What is told to people on standard error is told.
    let out = into_a_closed_pipe(&mut bench.command("image inspect missing.hex"));
    assert_eq!(out.status.code(), Some(3));
}

#[test]
fn a_job_is_done_before_the_pipe_ends_the_command() {
    let bench = Bench::new("pipe-job");
    bench.ok("new mine --folder .");
    bench.write("app.bin", application(0x0800_C000, 3000));
    bench.ok("image sign app.bin --key keys/mine.pem --version 1.2.3 --out app.dfu");
    let words = "flash app.dfu --link sim:board.state";
    assert_quiet(words, &into_a_closed_pipe(&mut bench.command(words)));
    let info = bench.ok("info --link sim:board.state,button");
    assert_eq!(info["state"]["slots"][0]["image"]["version"], "1.2.3");
}

#[test]
fn what_shows_a_boards_life_ends_with_its_reader_and_keeps_the_board() {
    let bench = Bench::new("pipe-life");
    bench.ok("new mine --folder .");
    bench.write("app.bin", crate::running::hello(0x0800_C000));
    // Without an end of its own.
    let words = "run app.bin --link sim:board.state";
    assert_quiet(words, &into_a_closed_pipe(&mut bench.command(words)));
    assert_eq!(bench.ok("info --link sim:board.state,button")["state"]["slots"][0]["content"], "image");
    // A day of the board's time would take minutes.
    let words = "sim run --state board.state --for 1440min";
    let began = Instant::now();
    assert_quiet(words, &into_a_closed_pipe(&mut bench.command(words)));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn the_demo_ends_with_its_reader() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    let mut child =
        command.arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let three: Vec<String> = lines.by_ref().take(3).map(|line| line.expect("a line")).collect();
    assert_eq!(three[1], "A virtual STM32F407 without an application");
    drop(lines);
    assert_quiet("demo", &child.wait_with_output().expect("its end"));
}
