//! A virtual board's life as it happens: bytes on its serial lines, resets, lock-ups.
//!
//! The verbs that run a board for a while (`surefoot run`, `surefoot sim run`) take a stretch of time at
//! once from here and show what it brought. Nothing is printed here, and no time of the wall is kept.

use surefoot_sim::{Board, Nanos, ResetCause, Stop};

/// The serial ports that are listened to.
pub const UARTS: std::ops::RangeInclusive<usize> = 1..=surefoot_sim::usart::COUNT;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A program sent a byte.
    Byte {
        /// Number of the USART.
        uart: usize,
        /// The byte.
        byte: u8,
    },
    /// The chip was reset.
    Reset {
        /// In the board's time.
        at: Nanos,
        /// By what.
        cause: ResetCause,
    },
    /// The core locked up; only a reset helps, which a watchdog may bring.
    Lockup {
        /// In the board's time.
        at: Nanos,
        /// Where.
        pc: u32,
    },
}

/// How far a board was watched.
#[derive(Clone, Debug)]
pub struct Watch {
    resets: u64,
}

impl Watch {
    /// Resets from now on. Bytes that were sent before and not taken come first.
    pub fn from_now(board: &Board) -> Self {
        Self { resets: board.resets() }
    }

    /// Forgets what was sent so far.
    pub fn forget(board: &mut Board) {
        for uart in UARTS {
            board.uart_tx(uart);
        }
    }

    /// Runs the board for `span` and tells what happens, in order.
    pub fn run_for(&mut self, board: &mut Board, span: Nanos, tell: &mut dyn FnMut(Seen)) -> Stop {
        let end = board.now() + span;
        loop {
            let stop = self.step(board, end.since(board.now()), tell);
            if board.now() >= end || matches!(stop, Stop::Off | Stop::PowerCut | Stop::Address) {
                return stop;
            }
        }
    }

    /// Runs the board until something happens, for at most `span`, and tells it.
    pub fn step(&mut self, board: &mut Board, span: Nanos, tell: &mut dyn FnMut(Seen)) -> Stop {
        let known = self.resets;
        let stop = board.run_until(|board| board.resets() != known || board.uart_spoke(), span);
        self.look(board, tell);
        if stop == Stop::Lockup {
            tell(Seen::Lockup { at: board.now(), pc: board.pc() });
        }
        stop
    }

    /// Tells what was sent, and that the chip was reset. No time passes.
    pub fn look(&mut self, board: &mut Board, tell: &mut dyn FnMut(Seen)) {
        if board.uart_spoke() {
            for uart in UARTS {
                for sent in board.uart_tx(uart) {
                    tell(Seen::Byte { uart, byte: sent.byte });
                }
            }
        }
        if board.resets() != self.resets {
            self.resets = board.resets();
            tell(Seen::Reset { at: board.now(), cause: board.reset_cause() });
        }
    }
}

/// A reset's cause in words, as in "reset by: ...".
pub fn reset_cause(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::PowerOn => "power-on",
        ResetCause::BrownOut => "brown-out",
        ResetCause::Pin => "reset pin",
        ResetCause::Software => "software",
        ResetCause::IndependentWatchdog => "independent watchdog",
        ResetCause::WindowWatchdog => "window watchdog",
    }
}
