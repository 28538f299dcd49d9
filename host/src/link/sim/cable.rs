//! The cable between a virtual board and the in-process USB host: transfers in the board's time.

use crate::link::{Departure, LinkError, Setup};
use std::time::Duration;
use surefoot_core::config::Slot;
use surefoot_sim::usb::host::{Error, Patience, UsbHost};
use surefoot_sim::{Board, Nanos, Stop};

/// A plugged-in cable. The board is an argument, so that its owner can take snapshots of both.
#[derive(Clone, Debug)]
pub struct Cable {
    host: UsbHost,
    slots: Vec<Slot>,
}

impl Cable {
    /// Plugs the cable in. `slots` is where applications run.
    pub fn plug(board: &mut Board, slots: &[Slot]) -> Self {
        let mut host = UsbHost::new(Patience::default());
        host.plug(board);
        Self { host, slots: slots.to_vec() }
    }

    /// Pulls the cable out.
    pub fn unplug(&mut self, board: &mut Board) {
        self.host.unplug(board);
    }

    /// Waits for a device and enumerates it.
    ///
    /// # Errors
    /// [`LinkError::NoDevice`] when none shows itself within `limit`.
    pub fn attach(&mut self, board: &mut Board, limit: Nanos) -> Result<(), LinkError> {
        self.host.wait_attach(board, limit).map_err(|e| match e {
            Error::Gone => LinkError::NoDevice(" on the virtual board".into()),
            other => failed(other),
        })?;
        self.host.enumerate(board).map_err(failed)?;
        Ok(())
    }

    /// As [`crate::link::Usb::control_in`].
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn control_in(
        &mut self,
        board: &mut Board,
        setup: Setup,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, LinkError> {
        let data = self.host.control_in(board, &setup, nanos(timeout)).map_err(failed)?;
        let length = data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&data[..length]);
        Ok(length)
    }

    /// As [`crate::link::Usb::control_out`].
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn control_out(
        &mut self,
        board: &mut Board,
        setup: Setup,
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), LinkError> {
        self.host.control_out(board, &setup, data, nanos(timeout)).map_err(failed)
    }

    /// Lets the board's time pass.
    pub fn wait(&mut self, board: &mut Board, time: Duration) {
        self.host.idle(board, nanos(time));
    }

    /// As [`crate::link::Usb::departure`].
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn departure(&mut self, board: &mut Board, limit: Duration) -> Result<Departure, LinkError> {
        let deadline = board.now() + nanos(limit);
        if !self.host.wait_departure(board, nanos(limit)) {
            return Ok(Departure::Stayed);
        }
        loop {
            if board.now() >= deadline {
                return Ok(Departure::Gone);
            }
            let stop = board.run_for(Nanos::millis(1));
            if UsbHost::is_pulled_up(board) {
                let left = deadline.since(board.now());
                return self.attach(board, left).map(|()| Departure::Back);
            }
            if board.is_powered() && self.slots.iter().any(|slot| slot.contains(board.pc(), 2)) {
                return Ok(Departure::Application);
            }
            if stop == Stop::Lockup {
                return Err(LinkError::Lockup { pc: board.pc() });
            }
        }
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
