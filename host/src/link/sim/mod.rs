//! The link into a virtual board, whose state lies in a file.
//!
//! Each command is one stretch of the board's life: it is plugged in and powered, the command
//! runs, the supply goes off. What survives that on a desk survives it here: flash, option bytes,
//! the backup domain (a battery is fitted) and the clock on the wall. Time is the board's, so
//! waiting costs nothing.

mod state;

pub use state::{Fitting, PowerOn, VirtualBoard};

use super::{Departure, LinkError, Setup, Usb};
use std::path::PathBuf;
use std::time::Duration;
use surefoot_sim::usb::host::{Error, Patience, UsbHost};
use surefoot_sim::{Nanos, Stop};

/// Power-on to a device on the bus: the button's debounce, the LED's greeting and a double-tap
/// window are over by then.
const ATTACH: Nanos = Nanos::secs(5);

/// A virtual board on a USB cable.
pub struct SimLink {
    virtual_board: VirtualBoard,
    host: UsbHost,
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
        let mut host = UsbHost::new(Patience::default());
        virtual_board.power_on(how);
        let started = virtual_board.board.now();
        host.plug(&mut virtual_board.board);
        let mut link = Self { virtual_board, host, path, started, saved: false };
        match link.attach(ATTACH) {
            Ok(()) => Ok(link),
            Err(_) if link.virtual_board.runs_application() => {
                Err(LinkError::Running(link.path.display().to_string()))
            }
            Err(error) => Err(error),
        }
    }

    fn attach(&mut self, limit: Nanos) -> Result<(), LinkError> {
        let board = &mut self.virtual_board.board;
        self.host.wait_attach(board, limit).map_err(|e| match e {
            Error::Gone => LinkError::NoDevice(" on the virtual board".into()),
            other => failed(other),
        })?;
        self.host.enumerate(board).map_err(failed)?;
        Ok(())
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
        // `close` reports; after an error the state is still worth keeping.
        let _ = self.save();
    }
}

fn failed(error: Error) -> LinkError {
    match error {
        Error::Stall => LinkError::Stall,
        Error::Timeout => LinkError::Timeout,
        Error::Gone => LinkError::Gone,
        Error::Silent => LinkError::Transfer("no handshake".into()),
        Error::Protocol(what) => LinkError::Transfer(what.into()),
    }
}

fn nanos(time: Duration) -> Nanos {
    Nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4))
}

impl Usb for SimLink {
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError> {
        let board = &mut self.virtual_board.board;
        let data = self.host.control_in(board, &setup, nanos(timeout)).map_err(failed)?;
        let length = data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&data[..length]);
        Ok(length)
    }

    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError> {
        self.host.control_out(&mut self.virtual_board.board, &setup, data, nanos(timeout)).map_err(failed)
    }

    fn wait(&mut self, time: Duration) {
        self.host.idle(&mut self.virtual_board.board, nanos(time));
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.virtual_board.board.now().since(self.started).0)
    }

    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError> {
        let deadline = self.virtual_board.board.now() + nanos(limit);
        if !self.host.wait_departure(&mut self.virtual_board.board, nanos(limit)) {
            return Ok(Departure::Back);
        }
        loop {
            let board = &mut self.virtual_board.board;
            if board.now() >= deadline {
                return Ok(Departure::Gone);
            }
            let stop = board.run_for(Nanos::millis(1));
            if UsbHost::is_pulled_up(board) {
                let left = deadline.since(board.now());
                return self.attach(left).map(|()| Departure::Back);
            }
            if self.virtual_board.runs_application() {
                return Ok(Departure::Application);
            }
            if stop == Stop::Lockup {
                return Err(LinkError::Virtual("the virtual board's core locked up".into()));
            }
        }
    }

    fn name(&self) -> String {
        format!("sim {} ({})", self.path.display(), self.virtual_board.fitting.board)
    }

    fn remarks(&self) -> Vec<String> {
        self.virtual_board.board.violations().iter().map(ToString::to_string).collect()
    }

    fn close(mut self: Box<Self>) -> Result<(), LinkError> {
        self.save()
    }
}
