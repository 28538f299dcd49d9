//! The link into a virtual board, whose state lies in a file.
//!
//! Each command is one stretch of the board's life: it is plugged in and powered, the command
//! runs, the supply goes off. What survives that on a desk survives it here: flash, option bytes,
//! the backup domain (a battery is fitted) and the clock on the wall. Time is the board's, so
//! waiting costs nothing.

mod cable;
mod state;

pub use cable::Cable;
pub use state::{Fitting, PowerOn, StateLock, VirtualBoard};

use super::{Departure, LinkError, Setup, Usb};
use std::path::PathBuf;
use std::time::Duration;
use surefoot_sim::{Nanos, Violation};

/// Power-on to a device on the bus: the button's debounce, the LED's greeting and a double-tap
/// window are over by then.
const ATTACH: Nanos = Nanos::secs(5);
/// With a backup slot, update mode begins with the copy of the old image: seconds at the least.
const COPY: Nanos = Nanos::secs(30);

/// A virtual board on a USB cable, with its state file.
pub struct SimLink {
    virtual_board: VirtualBoard,
    cable: Cable,
    path: PathBuf,
    started: Nanos,
    saved: bool,
}

impl SimLink {
    /// Powers the board and waits for it on the bus.
    ///
    /// # Errors
    /// [`LinkError::Running`] when its application runs; [`LinkError::Virtual`].
    pub fn open(mut virtual_board: VirtualBoard, path: PathBuf, how: PowerOn) -> Result<Self, LinkError> {
        virtual_board.power_on(how);
        let started = virtual_board.board.now();
        let cable = Cable::plug(&mut virtual_board.board, &virtual_board.fitting.slots());
        let mut link = Self { virtual_board, cable, path, started, saved: false };
        let mut attached = link.cable.attach(&mut link.virtual_board.board, ATTACH);
        if attached.is_err() && !link.virtual_board.runs_application() {
            attached = link.cable.attach(&mut link.virtual_board.board, COPY);
        }
        match attached {
            Ok(()) => Ok(link),
            Err(_) if link.virtual_board.runs_application() => {
                let has_button = link.virtual_board.fitting.button.is_some();
                Err(LinkError::Running { file: link.path.display().to_string(), has_button })
            }
            Err(error) => Err(error),
        }
    }

    /// Switches the supply off and writes the state file.
    ///
    /// # Errors
    /// [`LinkError::Virtual`].
    fn save(&mut self) -> Result<(), LinkError> {
        if std::mem::replace(&mut self.saved, true) {
            return Ok(());
        }
        self.virtual_board.power_off();
        self.virtual_board.save(&self.path)
    }
}

impl Drop for SimLink {
    fn drop(&mut self) {
        // `close` reports; after an error the state is still worth keeping, but not after a panic,
        // which leaves a board that no board ends as.
        if !std::thread::panicking() {
            let _ = self.save();
        }
    }
}

/// Broken rules, the same one at the same instruction only once, with how often.
pub fn told_once(violations: &[Violation]) -> Vec<String> {
    let mut lines: Vec<(&Violation, usize)> = Vec::new();
    for v in violations {
        let same = |w: &Violation| (w.kind, w.pc, &w.what, w.section) == (v.kind, v.pc, &v.what, v.section);
        match lines.iter_mut().find(|(w, _)| same(w)) {
            Some((_, count)) => *count += 1,
            None => lines.push((v, 1)),
        }
    }
    let line = |(v, count)| if count == 1 { format!("{v}") } else { format!("{v} ({count} times)") };
    lines.into_iter().map(line).collect()
}

impl Usb for SimLink {
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError> {
        self.cable.control_in(&mut self.virtual_board.board, setup, buffer, timeout)
    }

    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError> {
        self.cable.control_out(&mut self.virtual_board.board, setup, data, timeout)
    }

    fn wait(&mut self, time: Duration) {
        self.cable.wait(&mut self.virtual_board.board, time);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.virtual_board.board.now().since(self.started).0)
    }

    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError> {
        self.cable.departure(&mut self.virtual_board.board, limit)
    }

    fn name(&self) -> String {
        format!("sim {} ({})", self.path.display(), self.virtual_board.fitting.board)
    }

    fn remarks(&self) -> Vec<String> {
        told_once(self.virtual_board.board.violations())
    }

    fn close(mut self: Box<Self>) -> Result<(), LinkError> {
        self.save()
    }
}
