//! DfuSe over USB: our own bootloader's, ST's ROM's, and other people's.
//!
//! The core's engine says which control transfer comes next and how long to wait; here its tasks become
//! a [`Programmer`]'s operations. Not here: which board a link leads to, and what to do with it.

mod descriptors;
mod fault;
mod trace;

pub use descriptors::{Alternate, Descriptors};
pub use fault::{DfuseFault, status_name};
pub use surefoot_core::dfu::host::Style;
pub use trace::Trace;

use super::{Advance, COME_BACK, Carry, Connection, Device, Event, Fault, Kind, Programmer, SectorInfo};
use super::{Wire, Work};
use crate::link::{Departure, LinkError, Transfer, Usb};
use crate::texts;
use std::time::Duration;
use surefoot_core::dfu::host::{Activity, Error, Event as Answer, Host, Step, Task};
use surefoot_core::dfu::memory;
use surefoot_core::info::{self, Info};

/// DFU's "can upload" in bmAttributes (DFU 1.1, table 4.2).
const CAN_UPLOAD: u8 = 1 << 1;
/// No STM32 has as many; a string that says so is damaged.
const MOST_SECTORS: usize = 16_384;

/// A DfuSe device.
#[derive(Clone, Debug, Default)]
pub struct DfuSe {
    /// How blocks find their place; by default our own bootloader counts, which saves two round trips a
    /// block, and others get the address anew for each, as dfu-util does it.
    style: Option<Style>,
    /// What identifying it told.
    found: Option<Found>,
}

#[derive(Clone, Debug)]
struct Found {
    descriptors: Descriptors,
    style: Style,
    is_ours: bool,
}

impl DfuSe {
    /// With this style, whoever the device is.
    pub fn with_style(style: Style) -> Self {
        Self { style: Some(style), found: None }
    }

    fn found(&self) -> Result<&Found, Fault> {
        self.found.as_ref().ok_or(Fault::Link(LinkError::Descriptors("they were not read")))
    }

    /// Runs one task to its end.
    async fn run(&self, wire: &Wire, task: Task<'_>, advance: Advance<'_>) -> Result<(), Fault> {
        let Descriptors { interface, transfer_size, .. } = self.found()?.descriptors;
        let mut host = Host::new(interface.into(), transfer_size, task);
        let mut outcome: Result<Option<Vec<u8>>, LinkError> = Ok(None);
        let mut reported = 0;
        // The engine bounds how often and how long it tries.
        loop {
            let answer = match &outcome {
                Ok(None) => Answer::Continue,
                Ok(Some(bytes)) => Answer::Received(bytes),
                Err(LinkError::Stall) => Answer::Stalled,
                Err(LinkError::Timeout) => Answer::TimedOut,
                Err(_) => Answer::Disconnected,
            };
            outcome = match host.step(answer) {
                Step::Out { setup, data } => wire.control_out(setup, data).await.map(|()| None),
                Step::In { setup, length } => wire.control_in(setup, length).await.map(Some),
                Step::Wait { ms } => {
                    wire.wait(Duration::from_millis(ms.into())).await;
                    Ok(None)
                }
                Step::Progress { done, .. } => {
                    advance(u64::from(done.saturating_sub(reported)));
                    reported = done;
                    Ok(None)
                }
                Step::Done => return Ok(()),
                Step::Failed(error) => return Err(failed(wire, error, outcome.err()).await),
            };
        }
    }
}

impl Programmer for DfuSe {
    fn identify<'w>(&'w mut self, wire: &'w Wire, fast: bool) -> Work<'w, Device> {
        Box::pin(async move {
            let descriptors = Descriptors::read(wire).await?;
            let kind = read_info(wire).await?.map_or(Kind::Rom, Kind::Surefoot);
            // A bootloader with a broken configuration block has no memory to offer.
            let broken = matches!(kind, Kind::Surefoot(info) if info.config_fault != 0);
            let sectors = if broken { Vec::new() } else { sectors(descriptors.memory())? };
            let is_ours = kind != Kind::Rom;
            let usual = if fast || is_ours { Style::Counting } else { Style::AddressPerBlock };
            let style = self.style.unwrap_or(usual);
            self.found = Some(Found { descriptors: descriptors.clone(), style, is_ours });
            Ok(Device {
                kind,
                serial: descriptors.serial.clone(),
                can_read: descriptors.attributes & CAN_UPLOAD != 0,
                block: descriptors.transfer_size.into(),
                note: note(descriptors.memory()).filter(|_| !sectors.is_empty()),
                sectors,
                usb: Some(descriptors),
            })
        })
    }

    fn info<'w>(&'w mut self, wire: &'w Wire) -> Work<'w, Option<Info>> {
        Box::pin(async { Ok(read_info(wire).await?) })
    }

    fn read<'w>(
        &'w mut self,
        wire: &'w Wire,
        address: u32,
        buffer: &'w mut [u8],
        advance: Advance<'w>,
    ) -> Work<'w, ()> {
        Box::pin(async move { self.run(wire, Task::Upload { address, buffer }, advance).await })
    }

    fn erase<'w>(
        &'w mut self,
        wire: &'w Wire,
        sectors: &'w [SectorInfo],
        advance: Advance<'w>,
    ) -> Work<'w, ()> {
        Box::pin(async move {
            let (Some(first), Some(last)) = (sectors.first(), sectors.last()) else { return Ok(()) };
            let text = self.found()?.descriptors.memory();
            let (layout, _) = memory::parse_front(text).map_err(|_| unreadable(text))?;
            let (address, length) = (first.base, last.end() - first.base);
            self.run(wire, Task::Erase { layout, address, length }, advance).await
        })
    }

    fn write<'w>(
        &'w mut self,
        wire: &'w Wire,
        address: u32,
        data: &'w [u8],
        advance: Advance<'w>,
    ) -> Work<'w, ()> {
        Box::pin(async move {
            let style = self.found()?.style;
            self.run(wire, Task::Download { address, data, style }, advance).await
        })
    }

    fn options<'w>(&'w mut self, wire: &'w Wire, value: u32) -> Work<'w, ()> {
        Box::pin(async move { self.run(wire, Task::Options { value }, &mut |_| ()).await })
    }

    fn leave<'w>(&'w mut self, wire: &'w Wire, start: u32) -> Work<'w, Departure> {
        Box::pin(async move {
            // A device that is gone before it answered has left.
            let address = (!self.found()?.is_ours).then_some(start);
            self.run(wire, Task::Leave { address }, &mut |_| ()).await?;
            Ok(wire.departure(COME_BACK).await?)
        })
    }
}

/// Any USB link leads to a DfuSe device, as long as there is no other protocol over USB.
impl<'l, U: Usb> From<&'l mut U> for Connection<'l> {
    fn from(link: &'l mut U) -> Self {
        Self { link, programmer: Box::new(DfuSe::default()) }
    }
}

impl<U: Usb> Carry for U {
    fn carry(&mut self, transfer: Transfer) -> Event {
        let done = match transfer {
            Transfer::ControlIn { setup, length, timeout } => {
                let mut bytes = vec![0; length.into()];
                self.control_in(setup, &mut bytes, timeout).map(|read| {
                    bytes.truncate(read);
                    Event::Received(bytes)
                })
            }
            Transfer::ControlOut { setup, data, timeout } => {
                self.control_out(setup, &data, timeout).map(|()| Event::Continue)
            }
            Transfer::Departure { limit } => self.departure(limit).map(Event::Departed),
        };
        done.unwrap_or_else(Event::Failed)
    }

    fn pause(&mut self, time: Duration) {
        self.wait(time);
    }
}

/// The engine's error in our words; for a refusal our bootloader is asked for the flash's reason.
async fn failed(wire: &Wire, error: Error, transfer: Option<LinkError>) -> Fault {
    match error {
        Error::Refused { during, status } => {
            let info = read_info(wire).await.ok().flatten();
            let fault = info.and_then(|i| texts::flash_fault_by_number(i.last_fault));
            DfuseFault::Refused { status, doing: doing(during), fault }.into()
        }
        Error::Stalled { during } => broken(during, "it stalled the request and gives no reason"),
        Error::State { during, state } => broken(during, &format!("it went into state {state:?}")),
        Error::Malformed { during } => broken(during, "its answer cannot be understood"),
        Error::Busy { during } => broken(during, "it stays busy"),
        Error::NotIdle => broken(Activity::Recovery, "it cannot be brought to dfuIDLE"),
        Error::TimedOut { .. } => LinkError::Timeout.into(),
        Error::Disconnected { .. } => transfer.unwrap_or(LinkError::Gone).into(),
        Error::NotOffered { address } => Fault::NotOffered(address),
        Error::Range => broken(Activity::Recovery, "the range is empty or leaves the address space"),
    }
}

fn broken(during: Activity, what: &str) -> Fault {
    DfuseFault::Broken { doing: doing(during), what: what.to_owned() }.into()
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

/// The info request; `None` when the device stalls it or answers something else.
async fn read_info(wire: &Wire) -> Result<Option<Info>, LinkError> {
    let setup = [0xC0, info::REQUEST, 0, 0, 0, 0, info::LEN as u8, 0];
    match wire.control_in(setup, info::LEN as u16).await {
        Ok(bytes) => Ok(Info::decode(&bytes)),
        Err(LinkError::Stall) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unreadable(text: &str) -> DfuseFault {
    DfuseFault::Memory(text.to_owned())
}

/// What of the memory string was read over, when that was not all of it.
fn note(text: &str) -> Option<String> {
    let (_, fault) = memory::parse_front(text).ok()?;
    let behind = text.get(fault?.position..).unwrap_or_default();
    Some(format!(
        "the device's memory string is not whole: {behind:?} was read over, and what is before it counts"
    ))
}

/// The sectors of a memory string, one by one.
fn sectors(text: &str) -> Result<Vec<SectorInfo>, DfuseFault> {
    let (string, _) = memory::parse_front(text).map_err(|_| unreadable(text))?;
    let mut sectors = Vec::new();
    for group in string.groups() {
        for index in 0..group.count {
            sectors.push(SectorInfo {
                // The parser keeps a group inside the address space.
                base: group.base.wrapping_add(index.wrapping_mul(group.sector_size)),
                size: group.sector_size,
                readable: group.access.is_readable(),
                erasable: group.access.is_erasable(),
                writable: group.access.is_writable(),
            });
            if sectors.len() > MOST_SECTORS {
                return Err(unreadable(text));
            }
        }
    }
    sectors.sort_by_key(|s| s.base);
    Ok(sectors)
}
