//! A served virtual board, and what ends it: whatever does, the board keeps what it went through.

use crate::bench::Bench;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A folder with a board's state in it.
fn ready(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.ok("sim run --state board.state --for 1ms");
    bench
}

/// The board's age in nanoseconds, from the first line of its state.
fn age(bench: &Bench) -> u64 {
    let state = std::fs::read(bench.path("board.state")).unwrap();
    let end = state.iter().position(|b| *b == b'\n').unwrap();
    serde_json::from_slice::<serde_json::Value>(&state[..end]).unwrap()["now"].as_u64().unwrap()
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !there() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `sim serve`, waiting for its guest.
fn served(bench: &Bench) -> Child {
    let mut command = bench.command("sim serve --state board.state --socket usb.sock --json");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a socket", || bench.path("usb.sock").exists());
    child
}

/// A guest whom the server has said hello to: the board is alive by then.
fn guest(bench: &Bench) -> UnixStream {
    // Its name is there a moment before anybody listens.
    let mut socket = None;
    wait_for("a listener", || {
        socket = UnixStream::connect(bench.path("usb.sock")).ok();
        socket.is_some()
    });
    let mut socket = socket.unwrap();
    socket.read_exact(&mut [0; 12]).unwrap();
    socket
}

fn signal(child: &Child, name: &str) {
    let line = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
}

/// Exit code, and the object on standard output.
fn end(mut child: Child) -> (Option<i32>, serde_json::Value) {
    wait_for("its end", || child.try_wait().unwrap().is_some());
    let out = child.wait_with_output().unwrap();
    (out.status.code(), serde_json::from_slice(&out.stdout).unwrap_or_default())
}

#[test]
fn a_signal_ends_a_served_board_as_its_guest_does_and_nothing_is_lost() {
    let bench = ready("signals");
    for name in ["TERM", "INT", "HUP", "guest"] {
        let before = age(&bench);
        let child = served(&bench);
        let guest = guest(&bench);
        std::thread::sleep(Duration::from_millis(300));
        match name {
            "guest" => drop(guest),
            _ => signal(&child, name),
        }
        let (code, said) = end(child);
        assert_eq!(code, Some(0), "{name}: {said}");
        assert_eq!(said["signal"], name != "guest", "{said}");
        assert!(age(&bench) > before, "{name}: {before}");
        assert!(!bench.path("usb.sock").exists(), "{name}");
    }
    bench.ok("info --link sim:board.state");
}

#[test]
fn a_signal_before_any_guest_ends_the_wait_and_takes_the_socket_away() {
    let bench = ready("no-guest");
    let before = age(&bench);
    let child = served(&bench);
    // The socket is there a moment before the wait begins.
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, "TERM");
    let (code, said) = end(child);
    assert_eq!((code, said["seconds"].as_f64()), (Some(0), Some(0.0)), "{said}");
    assert!(!bench.path("usb.sock").exists());
    assert_eq!(age(&bench), before);
}

#[test]
fn a_guest_that_breaks_the_protocol_costs_the_board_nothing() {
    let bench = ready("broken-guest");
    let before = age(&bench);
    let child = served(&bench);
    let mut guest = guest(&bench);
    std::thread::sleep(Duration::from_millis(300));
    guest.write_all(&[0xFF; 64]).unwrap();
    let (code, said) = end(child);
    assert_eq!((code, said["error"]["code"].as_str()), (Some(5), Some("sim.socket")), "{said}");
    assert!(age(&bench) > before);
}

#[test]
fn a_command_beside_a_served_board_says_that_it_waits_and_loses_nobodys_changes() {
    let bench = ready("beside");
    let before = age(&bench);
    let child = served(&bench);
    let guest = guest(&bench);
    let mut other =
        bench.command("sim run --state board.state --for 1s").stderr(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 65];
    other.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("another command has the virtual board in board.state"), "{said}");
    std::thread::sleep(Duration::from_millis(300));
    drop(guest);
    assert_eq!(end(child).0, Some(0));
    let between = age(&bench);
    assert!(between > before);
    assert!(other.wait().unwrap().success());
    assert!(age(&bench) >= between + 1_000_000_000);
}
