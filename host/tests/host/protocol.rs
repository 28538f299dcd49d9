//! Jobs over a protocol that is not DfuSe, driven step by step without a link, as a page in a browser does it.

use crate::common::application;
use crate::fake::{Fake, info};
use std::time::Duration;
use surefoot_core::info::Info;
use surefoot_host::files::Segments;
use surefoot_host::job::{Finish, JobError, Kind, Options, Refusal, SectorInfo, Silent, Worker, plan};
use surefoot_host::link::{Departure, LinkError, Transfer, Usb as _};
use surefoot_host::protocol::dfuse::DfuSe;
use surefoot_host::protocol::{Advance, Device, Event, Fault, Programmer, Step, Steps, Wire, Work};

const BASE: u32 = 0x0800_0000;
const SECTOR: u32 = 0x4000;
/// What an erase takes.
const ERASE: Duration = Duration::from_millis(250);

/// A flash of four sectors in memory: no link, no descriptors, blocks of 256 bytes.
struct Bytes {
    flash: Vec<u8>,
    departure: Departure,
}

impl Bytes {
    fn new() -> Box<Self> {
        Box::new(Self { flash: vec![0xA5; 4 * SECTOR as usize], departure: Departure::Gone })
    }

    fn place(&mut self, address: u32, length: usize) -> Result<&mut [u8], Fault> {
        let start = address.wrapping_sub(BASE) as usize;
        self.flash.get_mut(start..start + length).ok_or(Fault::NotOffered(address))
    }
}

impl Programmer for Bytes {
    fn identify<'w>(&'w mut self, _wire: &'w Wire, _fast: bool) -> Work<'w, Device> {
        let sector = |n| SectorInfo {
            base: BASE + n * SECTOR,
            size: SECTOR,
            readable: true,
            erasable: true,
            writable: n != 0,
        };
        Box::pin(async move {
            Ok(Device {
                kind: Kind::Rom,
                sectors: (0..4).map(sector).collect(),
                serial: String::new(),
                can_read: true,
                block: 256,
                note: None,
                usb: None,
            })
        })
    }

    fn info<'w>(&'w mut self, _wire: &'w Wire) -> Work<'w, Option<Info>> {
        Box::pin(async { Ok(None) })
    }

    fn read<'w>(
        &'w mut self,
        _wire: &'w Wire,
        address: u32,
        buffer: &'w mut [u8],
        advance: Advance<'w>,
    ) -> Work<'w, ()> {
        Box::pin(async move {
            buffer.copy_from_slice(self.place(address, buffer.len())?);
            advance(buffer.len() as u64);
            Ok(())
        })
    }

    fn erase<'w>(
        &'w mut self,
        wire: &'w Wire,
        sectors: &'w [SectorInfo],
        advance: Advance<'w>,
    ) -> Work<'w, ()> {
        Box::pin(async move {
            for sector in sectors {
                wire.wait(ERASE).await;
                self.place(sector.base, SECTOR as usize)?.fill(0xFF);
                advance(SECTOR.into());
            }
            Ok(())
        })
    }

    fn write<'w>(
        &'w mut self,
        _wire: &'w Wire,
        address: u32,
        data: &'w [u8],
        advance: Advance<'w>,
    ) -> Work<'w, ()> {
        Box::pin(async move {
            self.place(address, data.len())?.copy_from_slice(data);
            advance(data.len() as u64);
            Ok(())
        })
    }

    fn options<'w>(&'w mut self, _wire: &'w Wire, _value: u32) -> Work<'w, ()> {
        Box::pin(async { Err(LinkError::Transfer("there are none".into()).into()) })
    }

    fn leave<'w>(&'w mut self, _wire: &'w Wire, _start: u32) -> Work<'w, Departure> {
        Box::pin(async { Ok(self.departure) })
    }
}

/// Goes on to the end; the waits that were asked for. Nothing is moved: there is no link.
fn to_the_end<T>(mut steps: Steps<T>) -> (T, Vec<Duration>) {
    let mut waits = Vec::new();
    loop {
        match steps.step(Event::Continue) {
            Step::Wait(time) => waits.push(time),
            Step::Done(done) => return (done, waits),
            Step::Transfer(transfer) => panic!("{transfer:?} without a link"),
        }
    }
}

fn open() -> Worker {
    to_the_end(Steps::new(|wire| async move { Worker::open(Bytes::new(), false, &wire).await })).0.unwrap()
}

#[test]
fn a_job_over_another_protocol_says_how_long_to_wait_and_waits_for_nothing() {
    let mut worker = open();
    let start = BASE + SECTOR;
    let image = Segments::one(start, application(start, 0x4100)).unwrap();
    let plan = plan(worker.target(), None, &image, Options::default()).unwrap();
    let (done, waits) = to_the_end(Steps::new(async |wire| {
        worker.flash(&plan, &mut Silent, &wire).await?;
        worker.verify(&plan.write, &mut Silent, &wire).await?;
        let held = worker.read(start, 0x4100, &mut Silent, &wire).await?;
        assert_eq!(held, image.flat(start, start + 0x4100));
        worker.leave(start, &wire).await
    }));
    assert_eq!((done, waits), (Ok(Finish::Left), vec![ERASE; 2]));
}

#[test]
fn a_plan_goes_by_the_map_of_any_protocol() {
    let worker = open();
    let locked = Segments::one(BASE, vec![1; 16]).unwrap();
    let planned = plan(worker.target(), None, &locked, Options::default());
    assert!(
        matches!(planned, Err(JobError::Refusal(Refusal::Protected { address: BASE, .. }))),
        "{planned:?}"
    );
    let end = BASE + 4 * SECTOR;
    assert_eq!(worker.readable(end - 8, 16), Err(Refusal::NoMemory { address: end }.into()));
}

#[test]
fn dfuse_too_stops_at_each_transfer_and_at_each_wait() {
    let mut fake = Fake::ours(info());
    let mut steps =
        Steps::new(|wire| async move { Worker::open(Box::new(DfuSe::default()), false, &wire).await });
    let (mut event, mut transfers, mut waits) = (Event::Continue, 0, 0);
    let worker = loop {
        event = match steps.step(event) {
            Step::Transfer(Transfer::ControlIn { setup, length, timeout }) => {
                transfers += 1;
                let mut bytes = vec![0; length.into()];
                match fake.control_in(setup, &mut bytes, timeout) {
                    Ok(read) => Event::Received(bytes[..read].to_vec()),
                    Err(error) => Event::Failed(error),
                }
            }
            Step::Transfer(Transfer::ControlOut { setup, data, timeout }) => {
                transfers += 1;
                fake.control_out(setup, &data, timeout).map_or_else(Event::Failed, |()| Event::Continue)
            }
            Step::Wait(_) => {
                waits += 1;
                Event::Continue
            }
            Step::Done(worker) => break worker.unwrap(),
            Step::Transfer(other) => panic!("{other:?}"),
        };
    };
    assert_eq!(worker.target().device.sectors.len(), 12);
    // Three descriptors, four strings, the info request; nine for the first bytes of the flash, of which
    // two poll the address that is set: the fake is busy once.
    assert_eq!((transfers, waits), (3 + 4 + 1 + 9, 1));
}
