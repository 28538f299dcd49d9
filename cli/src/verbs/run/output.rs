//! What a program on a virtual board says, while it says it: its serial lines on standard output, resets
//! and the end of its trial on standard error.
//!
//! Without an end the board's time goes with the clock on the wall, so that a second is one.

use crate::output::{Ui, say};
use crate::signal::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use surefoot_core::image::Version;
use surefoot_host::job::{Role, State};
use surefoot_host::link::sim::{Seen, VirtualBoard, Watch, reset_cause};
use surefoot_sim::Nanos;

/// Between two looks at the clock and at the journal.
const SLICE: Nanos = Nanos::millis(20);
/// A board in update mode after a rollback has nothing more to say.
const SETTLED: Nanos = Nanos::millis(500);

/// Longer than any watchdog takes to end a lock-up (RM0090, table 107).
const SILENT: Nanos = Nanos::secs(33);

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The time was over.
    Time,
    /// Somebody had enough.
    Signal,
    /// The trial failed; the version that runs now, if one does.
    RolledBack(Option<Version>),
    /// The core locked up, and no watchdog came.
    LockedUp(u32),
}

/// What was seen.
pub struct Ran {
    pub ended: Ended,
    pub seconds: f64,
    pub resets: u64,
    /// Seconds from its first instruction to the confirmation.
    pub confirmed: Option<f64>,
    pub uarts: BTreeMap<usize, String>,
}

/// Watches the image with this id until it is over.
pub fn watch(board: &mut VirtualBoard, id: u32, span: Option<Duration>, signal: &Signal, ui: &Ui) -> Ran {
    let start = board.board.now();
    let (wall, resets) = (Instant::now(), board.board.resets());
    let end = span.map(|span| start + Nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4)));
    let mut watch = Watch::from_now(&board.board);
    let mut screen = Screen { ui: *ui, last: None, at_line_start: true, lines: BTreeMap::new() };
    let (mut confirmed, mut locked, mut rejected) = (None, None::<(Nanos, u32)>, None);
    let since = |now: Nanos| now.since(start).as_secs_f64();
    let ended = loop {
        let now = board.board.now();
        if signal.came() {
            break Ended::Signal;
        }
        if end.is_some_and(|end| now >= end) {
            break match (rejected, locked) {
                (Some((_, to)), _) => Ended::RolledBack(to),
                (None, Some((_, pc))) => Ended::LockedUp(pc),
                (None, None) => Ended::Time,
            };
        }
        let slice = end.map_or(SLICE, |end| SLICE.min(end.since(now)));
        watch.run_for(&mut board.board, slice, &mut |seen| match seen {
            Seen::Byte { uart, byte } => screen.byte(uart, byte),
            Seen::Reset { at, cause } => {
                locked = None;
                screen.note(&format!("[{:9.3} s] reset by: {}", since(at), reset_cause(cause)));
            }
            Seen::Lockup { at, pc } => {
                locked = Some((at, pc));
                screen.note(&format!("[{:9.3} s] the core locked up at 0x{pc:08X}", since(at)));
            }
        });
        let now = board.board.now();
        if confirmed.is_none() && rejected.is_none() {
            match board.state().as_ref().map(|state| fate(state, id)) {
                Some(Fate::Confirmed) => {
                    confirmed = Some(since(now));
                    screen.note(&format!("[{:9.3} s] the image confirmed itself", since(now)));
                }
                Some(Fate::Rejected(to)) => rejected = Some((now, to)),
                _ => {}
            }
        }
        match rejected {
            Some((at, to)) if now.since(at) >= SETTLED => break Ended::RolledBack(to),
            _ => {}
        }
        match locked {
            Some((at, pc)) if now.since(at) >= SILENT => break Ended::LockedUp(pc),
            _ => {}
        }
        if end.is_none() {
            let ahead = Duration::from_nanos(now.since(start).0).saturating_sub(wall.elapsed());
            std::thread::sleep(ahead.min(Duration::from_millis(200)));
        }
    };
    screen.finish();
    let seconds = since(board.board.now());
    let resets = board.board.resets() - resets;
    let uarts = screen.lines.into_iter().map(|(n, bytes)| (n, String::from_utf8_lossy(&bytes).into_owned()));
    Ran { ended, seconds, resets, confirmed, uarts: uarts.collect() }
}

enum Fate {
    Open,
    Confirmed,
    Rejected(Option<Version>),
}

/// What the journal says of the image.
fn fate(state: &State, id: u32) -> Fate {
    let Some(journal) = state.journal.as_ref().filter(|_| id != 0) else { return Fate::Open };
    let record = &journal.state;
    match () {
        () if record.confirmed() == id => Fate::Confirmed,
        () if record.candidate() == id && record.given_up() => {
            let kept = |role| matches!(role, Role::Confirmed | Role::Copy);
            let now = state.slots.iter().find(|slot| kept(slot.role));
            Fate::Rejected(now.and_then(|slot| slot.manifest()).map(|m| m.version))
        }
        () => Fate::Open,
    }
}

/// Standard output with the programs' bytes; a note begins on a line of its own.
struct Screen {
    ui: Ui,
    last: Option<usize>,
    at_line_start: bool,
    lines: BTreeMap<usize, Vec<u8>>,
}

impl Screen {
    fn byte(&mut self, uart: usize, byte: u8) {
        self.lines.entry(uart).or_default().push(byte);
        if self.ui.json {
            return;
        }
        if self.last.is_some_and(|last| last != uart) {
            self.finish();
            say(format!("USART{uart}: ").as_bytes());
        }
        self.last = Some(uart);
        self.at_line_start = byte == b'\n';
        say(&[byte]);
    }

    fn note(&mut self, text: &str) {
        if !self.ui.json && !self.ui.quiet {
            self.finish();
        }
        self.ui.note(text);
    }

    fn finish(&mut self) {
        if !self.ui.json && !self.at_line_start {
            say(b"\n");
            self.at_line_start = true;
        }
    }
}
