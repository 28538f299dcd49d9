//! Carries the core's DFU engine out over a link: its steps become transfers and waits.

use super::{JobError, Refusal};
use crate::link::{LinkError, Usb};
use crate::texts;
use std::time::Duration;
use surefoot_core::dfu::host::{Activity, Error, Event, Host, Step, Task};

/// A device answers each request within this time.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Runs one task to its end. `advance` hears of the bytes done, as a difference.
///
/// # Errors
/// [`JobError`], with what was being done.
pub(super) fn run(
    link: &mut dyn Usb,
    interface: u8,
    transfer_size: u16,
    task: Task,
    advance: &mut dyn FnMut(u64),
) -> Result<(), JobError> {
    let mut host = Host::new(interface.into(), transfer_size, task);
    let mut buffer = vec![0; usize::from(transfer_size).max(64)];
    let mut outcome: Result<Option<usize>, LinkError> = Ok(None);
    let mut reported = 0;
    // The engine bounds how often and how long it tries.
    loop {
        let event = match &outcome {
            Ok(None) => Event::Continue,
            Ok(Some(length)) => Event::Received(&buffer[..*length]),
            Err(LinkError::Stall) => Event::Stalled,
            Err(LinkError::Timeout) => Event::TimedOut,
            Err(_) => Event::Disconnected,
        };
        outcome = match host.step(event) {
            Step::Out { setup, data } => link.control_out(setup, data, TIMEOUT).map(|()| None),
            Step::In { setup, length } => {
                let length = usize::from(length).min(buffer.len());
                link.control_in(setup, &mut buffer[..length], TIMEOUT).map(Some)
            }
            Step::Wait { ms } => {
                link.wait(Duration::from_millis(ms.into()));
                Ok(None)
            }
            Step::Progress { done, .. } => {
                advance(u64::from(done.saturating_sub(reported)));
                reported = done;
                Ok(None)
            }
            Step::Done => return Ok(()),
            Step::Failed(error) => return Err(failed(link, error, outcome.err())),
        };
    }
}

/// The engine's error in our words; for a refusal our bootloader is asked for the flash's reason.
fn failed(link: &mut dyn Usb, error: Error, transfer: Option<LinkError>) -> JobError {
    match error {
        Error::Refused { during, status } => {
            let info = super::target::read_info(link).ok().flatten();
            let fault = info.and_then(|i| texts::flash_fault_by_number(i.last_fault));
            JobError::Device { status, doing: doing(during), fault }
        }
        Error::Stalled { during } => protocol(during, "it stalled the request and gives no reason"),
        Error::State { during, state } => protocol(during, &format!("it went into state {state:?}")),
        Error::Malformed { during } => protocol(during, "its answer cannot be understood"),
        Error::Busy { during } => protocol(during, "it stays busy"),
        Error::NotIdle => protocol(Activity::Recovery, "it cannot be brought to dfuIDLE"),
        Error::TimedOut { .. } => JobError::Link(LinkError::Timeout),
        Error::Disconnected { .. } => JobError::Link(transfer.unwrap_or(LinkError::Gone)),
        Error::NotOffered { address } => Refusal::NoMemory { address }.into(),
        Error::Range => protocol(Activity::Recovery, "the range is empty or leaves the address space"),
    }
}

fn protocol(during: Activity, what: &str) -> JobError {
    JobError::Protocol { doing: doing(during), what: what.to_owned() }
}

fn doing(activity: Activity) -> String {
    match activity {
        Activity::Recovery => "bringing it to dfuIDLE".to_owned(),
        Activity::SetAddress(address) => format!("setting the address 0x{address:08X}"),
        Activity::Erase(address) => format!("erasing the sector at 0x{address:08X}"),
        Activity::EraseAll => "erasing everything".to_owned(),
        Activity::Write(address) => format!("writing to 0x{address:08X}"),
        Activity::Read(address) => format!("reading from 0x{address:08X}"),
        Activity::Options => "programming the option bytes".to_owned(),
        Activity::Leave => "leaving update mode".to_owned(),
    }
}
