//! Between a protocol and its link: each request suspends the operation until its answer is there.
//!
//! Protocols and jobs are written as `async` functions, because the compiler makes the state machines out
//! of them that would be written by hand otherwise. There is no executor and nothing blocks: [`Steps`] goes
//! on to the next request and gives it out as a [`Step`]; whoever carries it out comes back with an
//! [`Event`]. [`carry_out`] is the loop for a link that blocks; a page in a browser has a loop of its own.

use crate::link::{Departure, LinkError, Setup, Transfer};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A device answers each request within this time.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be done next. Then call [`Steps::step`] with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// Move this over the link.
    Transfer(Transfer),
    /// Let this much time pass.
    Wait(Duration),
    /// It is over. Do not call again.
    Done(T),
}

/// What came of a [`Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first call; the time is over; what was to be sent is sent.
    Continue,
    /// The device sent this.
    Received(Vec<u8>),
    /// What became of a device that was told to leave.
    Departed(Departure),
    /// The link failed.
    Failed(LinkError),
}

/// The near end of a link.
#[derive(Clone, Debug, Default)]
pub struct Wire(Rc<RefCell<Exchange>>);

#[derive(Debug, Default)]
struct Exchange {
    wanted: Option<Wanted>,
    event: Option<Event>,
}

#[derive(Debug)]
enum Wanted {
    Transfer(Transfer),
    Wait(Duration),
}

impl Wire {
    /// Lets `time` pass.
    pub async fn wait(&self, time: Duration) {
        self.ask(Wanted::Wait(time)).await;
    }

    /// A control transfer with at most `length` bytes from the device.
    ///
    /// # Errors
    /// [`LinkError`]; a stall is [`LinkError::Stall`].
    pub async fn control_in(&self, setup: Setup, length: u16) -> Result<Vec<u8>, LinkError> {
        match self.ask(Wanted::Transfer(Transfer::ControlIn { setup, length, timeout: TIMEOUT })).await {
            Event::Received(bytes) => Ok(bytes),
            other => Err(unfit(other)),
        }
    }

    /// A control transfer with `data` to the device, or with none.
    ///
    /// # Errors
    /// As [`Self::control_in`].
    pub async fn control_out(&self, setup: Setup, data: &[u8]) -> Result<(), LinkError> {
        let data = data.to_vec();
        match self.ask(Wanted::Transfer(Transfer::ControlOut { setup, data, timeout: TIMEOUT })).await {
            Event::Continue => Ok(()),
            other => Err(unfit(other)),
        }
    }

    /// Waits up to `limit` for a device that was told to leave to go, and to come back.
    ///
    /// # Errors
    /// [`LinkError`] when the link itself fails, or the device cannot be opened again.
    pub async fn departure(&self, limit: Duration) -> Result<Departure, LinkError> {
        match self.ask(Wanted::Transfer(Transfer::Departure { limit })).await {
            Event::Departed(departure) => Ok(departure),
            other => Err(unfit(other)),
        }
    }

    async fn ask(&self, wanted: Wanted) -> Event {
        *self.0.borrow_mut() = Exchange { wanted: Some(wanted), event: None };
        poll_fn(|_| self.0.borrow_mut().event.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

/// An answer that does not go with its request.
fn unfit(event: Event) -> LinkError {
    match event {
        Event::Failed(error) => error,
        _ => LinkError::Transfer("the link gave another answer than was asked for".into()),
    }
}

/// A job or an operation on its way, step by step.
pub struct Steps<'j, T> {
    wire: Wire,
    work: Pin<Box<dyn Future<Output = T> + 'j>>,
}

impl<'j, T> Steps<'j, T> {
    /// What `work` does over the wire that it gets.
    pub fn new<F: Future<Output = T> + 'j>(work: impl FnOnce(Wire) -> F) -> Self {
        let wire = Wire::default();
        Self { work: Box::pin(work(wire.clone())), wire }
    }

    /// Takes what came of the last step (at first [`Event::Continue`]) and gives the next.
    pub fn step(&mut self, event: Event) -> Step<T> {
        self.wire.0.borrow_mut().event = Some(event);
        if let Poll::Ready(done) = self.work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Step::Done(done);
        }
        match self.wire.0.borrow_mut().wanted.take() {
            Some(Wanted::Transfer(transfer)) => Step::Transfer(transfer),
            Some(Wanted::Wait(time)) => Step::Wait(time),
            // Only for work that waits for something else than its wire.
            None => Step::Wait(Duration::from_millis(1)),
        }
    }
}

/// Carries steps out, and blocks meanwhile.
pub trait Carry {
    /// Moves what a protocol asks for.
    fn carry(&mut self, transfer: Transfer) -> Event;

    /// Lets `time` pass.
    fn pause(&mut self, time: Duration);
}

/// Carries `work` out over `link`, to its end.
pub fn carry_out<'j, T, F>(link: &mut dyn Carry, work: impl FnOnce(Wire) -> F) -> T
where
    F: Future<Output = T> + 'j,
{
    let mut steps = Steps::new(work);
    let mut event = Event::Continue;
    loop {
        event = match steps.step(event) {
            Step::Transfer(transfer) => link.carry(transfer),
            Step::Wait(time) => {
                link.pause(time);
                Event::Continue
            }
            Step::Done(done) => return done,
        };
    }
}
