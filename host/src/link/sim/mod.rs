//! The link into a virtual board, whose state lies in a file.
//!
//! Each command is one stretch of the board's life: it is plugged in and powered, the command
//! runs, the supply goes off. What survives that on a desk survives it here: flash, option bytes,
//! the backup domain (a battery is fitted) and the clock on the wall. Time is the board's, so
//! waiting costs nothing.

mod boots;
mod cable;
mod state;
mod watch;

pub use boots::Boots;
pub use cable::Cable;
pub use state::{Fitting, PowerOn, StateLock, VirtualBoard, is_in_use};
pub use watch::{Seen, UARTS, Watch, reset_cause};

use super::{Departure, LinkError, Setup, Usb};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use surefoot_sim::Nanos;

/// Power-on to a device on the bus: the button's debounce, the LED's greeting and a double-tap
/// window are over by then.
const ATTACH: Nanos = Nanos::secs(5);
/// With a backup slot, update mode begins with the copy of the old image: seconds at the least.
const COPY: Nanos = Nanos::secs(30);

/// A virtual board on a USB cable, with its state file.
pub struct SimLink {
    virtual_board: VirtualBoard,
    cable: Cable,
    /// None: the board is thrown away at the end.
    path: Option<PathBuf>,
    started: Nanos,
    saved: bool,
    /// Somebody asked for the end: the supply goes off at the next request.
    ended: Arc<AtomicBool>,
}

impl SimLink {
    /// Powers the board and waits for it on the bus.
    ///
    /// # Errors
    /// [`LinkError::Running`] when its application runs; [`LinkError::Virtual`].
    pub fn open(virtual_board: VirtualBoard, path: PathBuf, how: PowerOn) -> Result<Self, LinkError> {
        Self::plug(virtual_board, Some(path), how)
    }

    /// The same with a board that is not kept.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_unkept(virtual_board: VirtualBoard, how: PowerOn) -> Result<Self, LinkError> {
        Self::plug(virtual_board, None, how)
    }

    /// Once `ended` is set, the next request finds the supply off, as after pulling the plug, and the state written.
    pub fn ends_with(&mut self, ended: Arc<AtomicBool>) {
        self.ended = ended;
    }

    /// The board, for what a link does not do.
    pub fn board(&mut self) -> &mut VirtualBoard {
        &mut self.virtual_board
    }

    fn plug(mut virtual_board: VirtualBoard, path: Option<PathBuf>, how: PowerOn) -> Result<Self, LinkError> {
        virtual_board.power_on(how);
        let started = virtual_board.board.now();
        let cable = Cable::plug(&mut virtual_board.board, &virtual_board.fitting.slots());
        let mut link = Self { virtual_board, cable, path, started, saved: false, ended: Arc::default() };
        let mut attached = link.cable.attach(&mut link.virtual_board.board, ATTACH);
        if attached.is_err() && !link.virtual_board.runs_application() {
            attached = link.cable.attach(&mut link.virtual_board.board, COPY);
        }
        match attached {
            Ok(()) => Ok(link),
            Err(_) if link.virtual_board.runs_application() => {
                let has_button = link.virtual_board.fitting.button.is_some();
                Err(LinkError::Running { file: link.file(), has_button })
            }
            Err(error) => Err(error),
        }
    }

    /// Pulls the plug when somebody asked for the end.
    fn goes_on(&mut self) -> Result<(), LinkError> {
        if !self.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.save()?;
        Err(LinkError::Ended(self.file()))
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
        match &self.path {
            Some(path) => self.virtual_board.save(path),
            None => Ok(()),
        }
    }

    fn file(&self) -> String {
        self.path.as_ref().map_or("memory".to_owned(), |path| path.display().to_string())
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

impl Usb for SimLink {
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError> {
        self.goes_on()?;
        self.cable.control_in(&mut self.virtual_board.board, setup, buffer, timeout)
    }

    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError> {
        self.goes_on()?;
        self.cable.control_out(&mut self.virtual_board.board, setup, data, timeout)
    }

    fn wait(&mut self, time: Duration) {
        self.cable.wait(&mut self.virtual_board.board, time);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.virtual_board.board.now().since(self.started).0)
    }

    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError> {
        self.goes_on()?;
        self.cable.departure(&mut self.virtual_board.board, limit)
    }

    fn name(&self) -> String {
        format!("sim {} ({})", self.file(), self.virtual_board.fitting.board)
    }

    fn remarks(&self) -> Vec<String> {
        self.virtual_board.board.violations().iter().map(ToString::to_string).collect()
    }

    fn close(mut self: Box<Self>) -> Result<(), LinkError> {
        self.save()
    }
}
