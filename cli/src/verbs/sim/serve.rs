//! `surefoot sim serve`: the board in a state file as a USB device of QEMU, over usbredir on a unix socket.
//!
//! It ends when the guest closes the connection, or with a signal; whatever ends it, the state is written first.

use crate::board::MaybeBoardFile;
use crate::exit::Exit;
use crate::output::{Report, Ui};
use crate::problem::Problem;
use clap::Args;
use std::path::PathBuf;

/// The arguments.
#[derive(Debug, Args)]
pub struct Serve {
    /// The board's state, which is kept; made from the board file when it is not there
    #[arg(long)]
    state: PathBuf,
    #[command(flatten)]
    board: MaybeBoardFile,
    /// The unix socket to listen on, for QEMU's `-chardev socket,path=...` and `-device usb-redir`
    #[arg(long)]
    socket: PathBuf,
    /// Hold the board's button while the supply goes on
    #[arg(long)]
    button: bool,
    /// The board's time per wall-clock time while nothing is asked of it
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
}

/// Serves.
#[cfg(unix)]
pub fn run(arguments: &Serve, ui: &Ui) -> Result<Report, Problem> {
    use crate::signal::Signal;
    use crate::virtual_board::virtual_board;
    use surefoot_host::link::sim::PowerOn;

    let failed = |e: std::io::Error| {
        Problem::new(
            Exit::Link,
            "sim.socket",
            format!("the socket {} failed: {e}", arguments.socket.display()),
            "QEMU connects to it.",
            "Choose another path with --socket, in a folder that you may write.",
        )
    };
    let board_file = arguments.board.load()?;
    let mut board = virtual_board(&arguments.state, board_file.as_ref(), ui)?;
    let signal = Signal::caught().map_err(failed)?;
    let door = unix::Door::open(&arguments.socket).map_err(failed)?;
    ui.note(&format!(
        "waiting on {} (it ends when the guest closes it, or with Ctrl-C)",
        arguments.socket.display()
    ));
    let guest = door.guest(&signal).map_err(failed)?;
    drop(door);
    let Some(socket) = guest else { return Ok(report(0.0, false, true)) };
    board.power_on(PowerOn { button: arguments.button, ..PowerOn::default() });
    let served = unix::serve(socket, &mut board.board, arguments.speed, &signal);
    let (seconds, running) = (board.board.now().as_secs_f64(), board.runs_application());
    // Kept before anything is said of the guest: what the board went through, it went through.
    board.power_off();
    board.save(&arguments.state)?;
    served.map_err(failed)?;
    Ok(report(seconds, running, signal.came()))
}

#[cfg(unix)]
fn report(seconds: f64, in_application: bool, by_signal: bool) -> Report {
    use crate::output::Table;
    let mut table = Table::default();
    table
        .row("served", format!("{seconds:.3} s of the board's time"))
        .row("board", if in_application { "the application runs" } else { "the bootloader runs" })
        .row("ended", if by_signal { "by a signal" } else { "by the guest" });
    let json =
        serde_json::json!({ "seconds": seconds, "in_application": in_application, "signal": by_signal });
    Report::new(json, table.text())
}

#[cfg(unix)]
mod unix {
    use crate::signal::Signal;
    use std::io::{ErrorKind, Result};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::time::Duration;
    use surefoot_sim::Board;
    use surefoot_sim::usb::redir::Redirector;

    /// The socket's name in the file system, which goes when it is dropped; connections stay.
    pub struct Door(PathBuf, UnixListener);

    impl Door {
        pub fn open(path: &Path) -> Result<Self> {
            let listener = UnixListener::bind(path)?;
            // A signal does not end a wait for a connection, so there is none.
            listener.set_nonblocking(true)?;
            Ok(Self(path.to_owned(), listener))
        }

        /// The first who connects; none when a signal comes first.
        pub fn guest(&self, signal: &Signal) -> Result<Option<UnixStream>> {
            while !signal.came() {
                match self.1.accept() {
                    Ok((socket, _)) => {
                        socket.set_nonblocking(false)?;
                        return Ok(Some(socket));
                    }
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    Err(e) => return Err(e),
                }
            }
            Ok(None)
        }
    }

    impl Drop for Door {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// Carries the guest's transfers to the board until one of them has enough.
    pub fn serve(socket: UnixStream, board: &mut Board, speed: f64, signal: &Signal) -> Result<()> {
        let mut server = Redirector::new(socket, speed)?;
        server.plug(board);
        while !signal.came() && server.poll(board, Duration::from_millis(2))? {}
        Ok(())
    }
}

/// Does not.
#[cfg(not(unix))]
pub fn run(_arguments: &Serve, _ui: &Ui) -> Result<Report, Problem> {
    Err(Problem::new(
        Exit::Usage,
        "sim.socket",
        "usbredir is served on unix sockets only",
        "This system has none.",
        "Use --link sim:FILE with the other verbs.",
    ))
}
