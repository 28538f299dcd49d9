//! The guest: QEMU with Debian's kernel, its serial line as a shell, and the board on its xHCI over usbredir.
//!
//! Everything here waits by turning the board: simulated time follows the wall clock while the guest works.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use surefoot_sim::Board;
use surefoot_sim::usb::redir::Redirector;

/// Boot to the first command; a loaded machine takes 10 s.
const BOOT: Duration = Duration::from_secs(60);

/// A command's result.
#[derive(Debug)]
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// What it wrote, lines joined.
    pub text: String,
}

/// The running guest.
pub struct Guest {
    qemu: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// The board's end of the cable.
    pub cable: Redirector,
    /// The kernel's release.
    pub release: String,
}

impl Guest {
    /// Boots `kernel` with `initramfs` and the board on its USB.
    pub fn boot(board: &mut Board, kernel: &Path, initramfs: &[u8], work: &Path) -> Result<Self> {
        // Not in the work folder: a socket's path is at most 107 bytes long.
        let socket = std::env::temp_dir().join(format!("surefoot-{}.sock", std::process::id()));
        let archive = work.join("initramfs.cpio");
        fs::write(&archive, initramfs)?;
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).context("a socket for usbredir")?;
        let mut qemu = start(kernel, &archive, &socket)?;
        let connection = match accept(&listener, &mut qemu) {
            Ok(connection) => connection,
            Err(error) => {
                let _ = qemu.kill();
                return Err(error);
            }
        };
        fs::remove_file(&socket)?;
        let mut cable = Redirector::new(connection, 1.0)?;
        cable.plug(board);
        let (sender, lines) = channel();
        let output = qemu.stdout.take().context("QEMU's output")?;
        thread::spawn(move || forward(BufReader::new(output), &sender));
        let input = qemu.stdin.take().context("QEMU's input")?;
        let mut guest = Self { qemu, input, lines, cable, release: String::new() };
        let (before, release) = guest.wait_line(board, "@ready", BOOT)?;
        ensure!(!before.contains("failed"), "the guest's start: {before}");
        guest.release = release;
        Ok(guest)
    }

    /// Carries out a line of shell in the guest.
    pub fn run(&mut self, board: &mut Board, command: &str, limit: Duration) -> Result<Output> {
        self.start(command)?;
        self.finish(board, limit).with_context(|| format!("in the guest: {command}"))
    }

    /// Starts a line of shell; [`Guest::finish`] takes its result.
    pub fn start(&mut self, command: &str) -> Result<()> {
        writeln!(self.input, "{command}").context("the guest's serial line")
    }

    /// The result of what [`Guest::start`] started.
    pub fn finish(&mut self, board: &mut Board, limit: Duration) -> Result<Output> {
        let (text, code) = self.wait_line(board, "@done", limit)?;
        Ok(Output { code: code.parse().context("an exit code")?, text })
    }

    /// Lets the board and the guest go on while `condition` does not hold. False: it never did.
    pub fn turn_until(
        &mut self,
        board: &mut Board,
        limit: Duration,
        mut condition: impl FnMut(&mut Redirector, &mut Board) -> bool,
    ) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while !condition(&mut self.cable, board) {
            if Instant::now() > deadline {
                return Ok(false);
            }
            self.turn(board)?;
        }
        Ok(true)
    }

    fn turn(&mut self, board: &mut Board) -> Result<()> {
        ensure!(self.cable.poll(board, Duration::from_millis(1))?, "QEMU closed the usbredir connection");
        Ok(())
    }

    /// The lines before the one that starts with `mark`, and the rest of that.
    fn wait_line(&mut self, board: &mut Board, mark: &str, limit: Duration) -> Result<(String, String)> {
        let deadline = Instant::now() + limit;
        let mut text: Vec<String> = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::ZERO) {
                Ok(line) => match line.strip_prefix(mark) {
                    Some(rest) => return Ok((text.join("\n"), rest.trim().into())),
                    None => text.push(line),
                },
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => self.turn(board)?,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("nothing for {limit:?}; before that:\n{}", text.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => bail!("QEMU ended; before that:\n{}", text.join("\n")),
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Nothing in the guest is worth a shutdown.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn start(kernel: &Path, archive: &Path, socket: &Path) -> Result<Child> {
    let mut chardev = std::ffi::OsString::from("socket,id=board,path=");
    chardev.push(socket);
    Command::new("qemu-system-x86_64")
        .args(["-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "256", "-nodefaults"])
        .args(["-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-append"])
        .arg("console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable random.trust_cpu=on")
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(archive)
        .args(["-device", "qemu-xhci,id=xhci", "-chardev"])
        .arg(chardev)
        .args(["-device", "usb-redir,chardev=board,bus=xhci.0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("qemu-system-x86_64 cannot be started")
}

/// QEMU's connection. It comes before the guest runs, or QEMU ends with a message of its own.
fn accept(listener: &UnixListener, qemu: &mut Child) -> Result<std::os::unix::net::UnixStream> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + BOOT;
    loop {
        if let Ok((connection, _)) = listener.accept() {
            connection.set_nonblocking(false)?;
            return Ok(connection);
        }
        if let Some(status) = qemu.try_wait()? {
            bail!("QEMU ended at once: {status}");
        }
        ensure!(Instant::now() < deadline, "QEMU did not connect to the board");
        thread::sleep(Duration::from_millis(10));
    }
}

fn forward(mut output: impl BufRead, lines: &Sender<String>) {
    let mut bytes = Vec::new();
    while output.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_string();
        bytes.clear();
        if lines.send(line).is_err() {
            return;
        }
    }
}
