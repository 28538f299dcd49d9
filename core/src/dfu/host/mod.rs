//! The host end of DFU 1.1 with DfuSe, without a bus: tells its driver which control transfer to
//! make, and for how long to wait.
//!
//! A [`Task`] is cut into actions by `task`; [`Host`] carries each out, as the DFU state machine
//! wants it, one [`Step`] at a time. It holds to the device's poll time-outs, bounds how long it
//! puts up with a busy device, and leaves a device that refused something in dfuIDLE.
//! Not here: finding the device, its descriptors, and what to do next.
//!
//! What ST's ROM bootloaders do differently and is put up with:
//! - an F4 announces 100 ms for a mass erase of half a minute, and does not answer meanwhile;
//! - an H743 stays in dfuDNBUSY after the erase of a sector until CLRSTATUS came twice;
//! - most are gone before the status stage of the GETSTATUS of a leave.

mod task;

use super::{State, Status, command, request};
use crate::usb::Setup;
use task::{Action, Cursor};
pub use task::{Style, Task};

/// Longest single wait that a device may ask for, in milliseconds.
const MAX_POLL_MS: u32 = 600_000;
/// What a device may stay busy beyond twice the time it asked for, in milliseconds.
const PATIENCE_MS: u32 = 10_000;
/// How long the ROM of an F4 may take for a mass erase, in milliseconds; dfu-util waits as long.
const MASS_ERASE_MS: u32 = 35_000;
/// Between two tries of a GETSTATUS that got no answer, in milliseconds.
const RETRY_MS: u32 = 500;
/// Requests to bring a device to dfuIDLE before giving up.
const MAX_RECOVERY: u8 = 12;

/// What the driver has to do next. Then call [`Host::step`] with what came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'s> {
    /// A control transfer with these bytes to the device.
    Out {
        /// The SETUP packet.
        setup: [u8; 8],
        /// The data stage, as long as wLength says.
        data: &'s [u8],
    },
    /// A control transfer with data from the device.
    In {
        /// The SETUP packet.
        setup: [u8; 8],
        /// wLength again: most bytes that may come.
        length: u16,
    },
    /// Let this much time pass.
    Wait {
        /// Milliseconds.
        ms: u32,
    },
    /// Nothing: a part of the task is done.
    Progress {
        /// Bytes done.
        done: u32,
        /// Bytes in all.
        total: u32,
    },
    /// The task is done. Do not call again.
    Done,
    /// The task failed. Do not call again.
    Failed(Error),
}

/// What came of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'e> {
    /// The first call; the time is over; the progress was noted; an OUT transfer went well.
    Continue,
    /// An IN transfer went well and brought this.
    Received(&'e [u8]),
    /// The device stalled the transfer.
    Stalled,
    /// The device did not answer in time (5 s).
    TimedOut,
    /// The device is gone, or the transfer broke in another way.
    Disconnected,
}

/// What the host was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Bringing the device to dfuIDLE.
    Recovery,
    /// Setting the address pointer to this.
    SetAddress(u32),
    /// Erasing the sector at this address.
    Erase(u32),
    /// Erasing everything.
    EraseAll,
    /// Writing a block to this address.
    Write(u32),
    /// Reading a block from this address.
    Read(u32),
    /// Programming the option bytes.
    Options,
    /// Leaving DFU mode.
    Leave,
}

/// Why a task failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The device went to dfuERROR; it was brought back to dfuIDLE where it let itself.
    Refused {
        /// While doing this.
        during: Activity,
        /// What it says about it.
        status: Status,
    },
    /// The device stalled a request and gives no reason.
    Stalled {
        /// While doing this.
        during: Activity,
    },
    /// The device is in a state that does not belong here.
    State {
        /// While doing this.
        during: Activity,
        /// The state.
        state: State,
    },
    /// An answer is too short, too long, or has no meaning.
    Malformed {
        /// While doing this.
        during: Activity,
    },
    /// The device stays busy, or asks for more time than can be meant.
    Busy {
        /// While doing this.
        during: Activity,
    },
    /// No answer.
    TimedOut {
        /// While doing this.
        during: Activity,
    },
    /// The device is gone.
    Disconnected {
        /// While doing this.
        during: Activity,
    },
    /// It cannot be brought to dfuIDLE.
    NotIdle,
    /// Nothing was sent: by its memory string the device does not offer this address for that.
    NotOffered {
        /// The first such address.
        address: u32,
    },
    /// Nothing was sent: the task is empty, or leaves the address space.
    Range,
}

/// Where the engine stands: which answer it waits for, or what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before the first step.
    Start,
    /// GETSTATUS on the way to dfuIDLE; then the action that waits, if one does.
    RecoverStatus,
    /// CLRSTATUS, ABORT or a wait on the way to dfuIDLE.
    Recover,
    /// The next action is due.
    Next,
    /// DNLOAD.
    Download,
    /// GETSTATUS is due.
    PollNext,
    /// GETSTATUS after a DNLOAD.
    Poll,
    /// UPLOAD.
    Upload,
    /// ABORT between DNLOAD and UPLOAD.
    Abort,
    /// GETSTATUS to learn why a request was stalled.
    Diagnose,
    /// CLRSTATUS after a refusal.
    Clear(Error),
    /// It is over.
    Over,
}

/// What to do next, before it borrows.
#[derive(Clone, Copy, Debug)]
enum Do {
    Request(u8),
    Status,
    Download { block: u16 },
    Upload { block: u16, length: u16 },
    Wait(u32),
    Progress,
    Done,
    Failed(Error),
}

/// The engine: one task on one interface.
#[derive(Debug)]
pub struct Host<'a> {
    interface: u16,
    cursor: Cursor<'a>,
    phase: Phase,
    action: Action,
    /// DNLOAD data of the action, if it is a command.
    command: [u8; 5],
    command_length: usize,
    recovery: u8,
    /// GETSTATUS answers of this action so far.
    polls: u32,
    /// Milliseconds waited for this action, and the most that will be waited.
    waited_ms: u32,
    limit_ms: u32,
}

impl<'a> Host<'a> {
    /// For an interface (wIndex) with the transfer size of its functional descriptor.
    pub fn new(interface: u16, transfer_size: u16, task: Task<'a>) -> Self {
        Self {
            interface,
            cursor: Cursor::new(transfer_size.max(1), task),
            phase: Phase::Start,
            action: Action::None,
            command: [0; 5],
            command_length: 0,
            recovery: 0,
            polls: 0,
            waited_ms: 0,
            limit_ms: 0,
        }
    }

    /// Takes what came of the last step (at first [`Event::Continue`]) and gives the next.
    pub fn step(&mut self, event: Event) -> Step<'_> {
        let next = self.advance(event);
        if let Do::Done | Do::Failed(_) = next {
            self.phase = Phase::Over;
        }
        self.carry_out(next)
    }

    fn advance(&mut self, event: Event) -> Do {
        match self.phase {
            Phase::Start => match self.cursor.check() {
                Ok(()) => self.ask(Phase::RecoverStatus),
                Err(error) => Do::Failed(error),
            },
            Phase::RecoverStatus => self.recover(event),
            Phase::Recover => self.ask(Phase::RecoverStatus),
            Phase::Next => self.next_action(),
            Phase::Download => self.downloaded(event),
            Phase::PollNext => self.ask(Phase::Poll),
            Phase::Poll => self.polled(event),
            Phase::Upload => self.uploaded(event),
            Phase::Abort => match event {
                Event::Continue => self.ask(Phase::RecoverStatus),
                other => self.broken(other),
            },
            Phase::Diagnose => self.diagnosed(event),
            Phase::Clear(error) => Do::Failed(error),
            Phase::Over => Do::Failed(Error::Range),
        }
    }

    fn carry_out(&self, next: Do) -> Step<'_> {
        let setup = |request_type, request, value, length| {
            Setup { request_type, request, value, index: self.interface, length }.encode()
        };
        match next {
            Do::Request(code) => Step::Out { setup: setup(request::OUT, code, 0, 0), data: &[] },
            Do::Status => Step::In { setup: setup(request::IN, request::GETSTATUS, 0, 6), length: 6 },
            Do::Download { block } => {
                let data = match self.action {
                    Action::Write { .. } => self.cursor.chunk(),
                    _ => self.command.get(..self.command_length).unwrap_or(&[]),
                };
                Step::Out { setup: setup(request::OUT, request::DNLOAD, block, data.len() as u16), data }
            }
            Do::Upload { block, length } => {
                Step::In { setup: setup(request::IN, request::UPLOAD, block, length), length }
            }
            Do::Wait(ms) => Step::Wait { ms },
            Do::Progress => {
                let (done, total) = self.cursor.progress();
                Step::Progress { done, total }
            }
            Do::Done => Step::Done,
            Do::Failed(error) => Step::Failed(error),
        }
    }

    fn ask(&mut self, phase: Phase) -> Do {
        self.phase = phase;
        Do::Status
    }

    /// On the way to dfuIDLE: an answer to GETSTATUS.
    fn recover(&mut self, event: Event) -> Do {
        let during = Activity::Recovery;
        self.recovery += 1;
        let answer = match event {
            Event::Received(bytes) => Answer::decode(bytes),
            Event::Stalled => None,
            other => return self.broken(other),
        };
        if self.recovery > MAX_RECOVERY {
            return Do::Failed(Error::NotIdle);
        }
        self.phase = Phase::Recover;
        let Some(answer) = answer else {
            return Do::Request(request::CLRSTATUS);
        };
        match answer.state {
            State::Idle => {
                self.recovery = 0;
                self.cursor.recovered();
                self.next_action()
            }
            State::AppIdle | State::AppDetach => Do::Failed(Error::State { during, state: answer.state }),
            State::Error => Do::Request(request::CLRSTATUS),
            State::DownloadBusy | State::Manifest if self.recovery < MAX_RECOVERY / 2 => {
                if answer.poll_ms > MAX_POLL_MS {
                    return Do::Failed(Error::Busy { during });
                }
                Do::Wait(answer.poll_ms.max(1))
            }
            // Busy for long: what unsticks an H743.
            State::DownloadBusy => Do::Request(request::CLRSTATUS),
            _ => Do::Request(request::ABORT),
        }
    }

    fn next_action(&mut self) -> Do {
        self.action = self.cursor.next();
        self.polls = 0;
        self.waited_ms = 0;
        self.limit_ms = PATIENCE_MS;
        let block = match self.action {
            Action::None => return Do::Done,
            Action::SetAddress(address) => self.set_command(command::SET_ADDRESS, Some(address)),
            Action::Erase(sector) => self.set_command(command::ERASE, Some(sector.base)),
            Action::EraseAll => self.set_command(command::ERASE, None),
            Action::Options(value) => self.set_command(command::OPTIONS, Some(value)),
            Action::Leave => {
                self.command_length = 0;
                2
            }
            Action::Write { block, .. } => block,
            Action::Abort => {
                self.phase = Phase::Abort;
                return Do::Request(request::ABORT);
            }
            Action::Read { block, length, .. } => {
                self.phase = Phase::Upload;
                return Do::Upload { block, length };
            }
        };
        self.phase = Phase::Download;
        Do::Download { block }
    }

    /// Commands go to block 0.
    fn set_command(&mut self, code: u8, address: Option<u32>) -> u16 {
        self.command[0] = code;
        self.command[1..].copy_from_slice(&address.unwrap_or(0).to_le_bytes());
        self.command_length = if address.is_some() { 5 } else { 1 };
        0
    }

    fn downloaded(&mut self, event: Event) -> Do {
        match (event, self.action) {
            (Event::Continue, _) => self.ask(Phase::Poll),
            (Event::Disconnected | Event::TimedOut, Action::Leave) => Do::Done,
            (other, _) => self.broken(other),
        }
    }

    /// An answer to GETSTATUS after a DNLOAD.
    fn polled(&mut self, event: Event) -> Do {
        let during = self.action.activity();
        let leaving = self.action == Action::Leave;
        let answer = match event {
            Event::Received(bytes) => match Answer::decode(bytes) {
                Some(answer) => answer,
                None => return Do::Failed(Error::Malformed { during }),
            },
            // It has left, or will once it is reset.
            _ if leaving => return Do::Done,
            // A ROM does not answer while it erases.
            Event::TimedOut => return self.wait(RETRY_MS),
            other => return self.broken(other),
        };
        self.polls += 1;
        match answer.state {
            State::Error => self.refused(answer.status),
            State::DownloadSync | State::ManifestSync => self.wait(answer.poll_ms),
            _ if leaving => Do::Done,
            State::DownloadBusy => {
                if self.polls == 1 {
                    let lie = self.action == Action::EraseAll && answer.poll_ms == 100;
                    let ms = if lie { MASS_ERASE_MS } else { answer.poll_ms };
                    self.limit_ms = PATIENCE_MS.saturating_add(ms.saturating_mul(2));
                    return self.wait(ms);
                }
                self.wait(answer.poll_ms)
            }
            State::DownloadIdle | State::Idle => self.completed(),
            state => Do::Failed(Error::State { during, state }),
        }
    }

    /// Waits until the next GETSTATUS.
    fn wait(&mut self, ms: u32) -> Do {
        // A device that asks for no time is asked again at once, but only the first time.
        let ms = if self.polls > 1 { ms.max(1) } else { ms };
        self.waited_ms = self.waited_ms.saturating_add(ms);
        if ms > MAX_POLL_MS || self.waited_ms > self.limit_ms {
            if let Action::Erase(_) = self.action {
                // Take it for done; what was not erased shows when it is written or read back.
                self.cursor.advance(self.action);
                return self.ask(Phase::RecoverStatus);
            }
            return Do::Failed(Error::Busy { during: self.action.activity() });
        }
        if ms == 0 {
            return self.ask(Phase::Poll);
        }
        self.phase = Phase::PollNext;
        Do::Wait(ms)
    }

    /// The action is done.
    fn completed(&mut self) -> Do {
        self.phase = Phase::Next;
        if self.cursor.advance(self.action) { Do::Progress } else { self.next_action() }
    }

    fn uploaded(&mut self, event: Event) -> Do {
        let during = self.action.activity();
        match (event, self.action) {
            (Event::Received(bytes), Action::Read { length, .. }) if bytes.len() == length.into() => {
                self.cursor.store(bytes);
                self.completed()
            }
            (Event::Received(_), _) => Do::Failed(Error::Malformed { during }),
            (other, _) => self.broken(other),
        }
    }

    /// A transfer that brought nothing good.
    fn broken(&mut self, event: Event) -> Do {
        let during = match self.phase {
            Phase::RecoverStatus | Phase::Recover => Activity::Recovery,
            _ => self.action.activity(),
        };
        match event {
            Event::Stalled => self.ask(Phase::Diagnose),
            Event::TimedOut => Do::Failed(Error::TimedOut { during }),
            Event::Disconnected => Do::Failed(Error::Disconnected { during }),
            Event::Continue | Event::Received(_) => Do::Failed(Error::Malformed { during }),
        }
    }

    /// The answer to GETSTATUS after a stall.
    fn diagnosed(&mut self, event: Event) -> Do {
        let during = self.action.activity();
        match event {
            Event::Received(bytes) => match Answer::decode(bytes) {
                Some(answer) if answer.state == State::Error => self.refused(answer.status),
                _ => Do::Failed(Error::Stalled { during }),
            },
            _ => Do::Failed(Error::Stalled { during }),
        }
    }

    /// The device is in dfuERROR: bring it out, then fail.
    fn refused(&mut self, status: Status) -> Do {
        self.phase = Phase::Clear(Error::Refused { during: self.action.activity(), status });
        Do::Request(request::CLRSTATUS)
    }
}

/// An answer to GETSTATUS.
struct Answer {
    status: Status,
    poll_ms: u32,
    state: State,
}

impl Answer {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let [status, p0, p1, p2, state, _] = *bytes else {
            return None;
        };
        Some(Self {
            // A number that DFU 1.1 does not know tells as much as "unknown".
            status: Status::from_u8(status).unwrap_or(Status::Unknown),
            poll_ms: u32::from_le_bytes([p0, p1, p2, 0]),
            state: State::from_u8(state)?,
        })
    }
}
