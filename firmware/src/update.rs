//! Update mode: USB DFU until the host leaves, or falls silent and a valid image can boot.
//!
//! The loop carries packets between the port and [`Control`], flash jobs to the driver, and sleeps
//! in between. The watchdog is fed here, once a turn: a turn ends only when its work is over.

use crate::family::f4::{chip, clock, flash, gpio::Led, memory, time, usb, usb::Event, watchdog};
use crate::{prove, sealed};
use surefoot_core::config::{Config, ConfigFault};
use surefoot_core::decide::Reason;
use surefoot_core::dfu::device::{Job, PADDING};
use surefoot_core::image::{Manifest, VerifiedImage, manifest};
use surefoot_core::info::{self, FLAG_HSE_FAILED, FLAG_WRONG_CHIP, Info};
use surefoot_core::port::{FlashFault, Memory};
use surefoot_core::usb::{Control, Step};

/// The largest transfer size with the padding to whole program units.
pub const BLOCK_LEN: usize = 4096 + PADDING;
/// The block buffer.
pub type Block = [u8; BLOCK_LEN];

/// Half a period of the LED's 5 Hz, and of the six toggles with which update mode begins.
const BLINK_MS: u32 = 100;
/// Between the status stage of a leave and the detach: the host has its answer by then.
const LEAVE_MS: u32 = 15;

/// Stays in update mode until an image is proved; returns it with the reason of the stay.
pub fn run(
    config: Result<Config<'static>, ConfigFault>,
    reason: Reason,
    reset_cause: u8,
    block: &mut Block,
) -> (VerifiedImage, u8) {
    let setup = config.map_or(clock::Setup::FALLBACK, |c| clock::Setup::new(&c));
    clock::start(&setup);
    let led = Led::new(config.ok().and_then(|c| c.led()));
    let mut status = Status { config, setup, reason, reset_cause, last_fault: None };
    loop {
        let mut port = usb::Usb::start(setup.hclk_hz);
        let end = serve(&mut port, &mut status, &led, block);
        if let End::Left = end {
            time::wait(LEAVE_MS);
        }
        port.detach();
        if let Ok(config) = &config {
            match (prove(config), end) {
                (Ok(image), _) => {
                    led.set(false);
                    return (image, status.reason as u8);
                }
                (Err(_), End::Left) => status.reason = Reason::Refused,
                (Err(_), End::Silence) => {}
            }
        }
    }
}

/// What the host can ask about.
struct Status {
    config: Result<Config<'static>, ConfigFault>,
    setup: clock::Setup,
    reason: Reason,
    reset_cause: u8,
    last_fault: Option<FlashFault>,
}

/// Why [`serve`] came to its end.
#[derive(Clone, Copy)]
enum End {
    /// The host ended the update.
    Left,
    /// Nothing came from the host for the board's time-out.
    Silence,
}

fn serve(port: &mut usb::Usb, status: &mut Status, led: &Led, block: &mut Block) -> End {
    let unique_id = chip::unique_id();
    let mut control = Control::new(status.config, &unique_id);
    let limit = status.config.map_or(0, |c| c.update_timeout_ms());
    let mut heard = time::now();
    loop {
        watchdog::feed();
        let now = time::now();
        led.set(now / BLINK_MS % 2 == 0);
        if let Some(event) = port.poll() {
            if let Event::Setup(request) = event {
                heard = now;
                if request[..2] == [0xC0, info::REQUEST] {
                    control.set_info(status.info().encode());
                }
            }
            carry_out(event, port, &mut control, block);
            continue;
        }
        match control.take_job() {
            Some(Job::Leave) => return End::Left,
            Some(job) => {
                let result = work(status.config, job, block);
                status.last_fault = result.err().or(status.last_fault);
                control.job_done(result);
                heard = time::now();
            }
            None if limit != 0 && now.wrapping_sub(heard) >= limit => return End::Silence,
            None => time::sleep(),
        }
    }
}

/// One event of the bus, and what the engine wants of the port then.
fn carry_out(event: Event, port: &mut usb::Usb, control: &mut Control, block: &mut Block) {
    let step = match event {
        Event::Reset => return control.bus_reset(),
        Event::Setup(bytes) => control.setup(&bytes, &memory::Flash),
        Event::Received(length) => control.out_packet(&port.packet()[..length], block, &memory::Flash),
        Event::Sent => control.in_done(&memory::Flash),
    };
    match step {
        Step::Send(length) => port.send(&control.packet()[..usize::from(length)]),
        Step::Address(address) => {
            port.set_address(address);
            port.send(&[]);
        }
        Step::Receive => port.receive(),
        Step::Stall => port.stall(),
        Step::Done => {}
    }
}

/// A flash job. Without a configuration the engine gives out none.
fn work(config: Result<Config, ConfigFault>, job: Job, block: &Block) -> Result<(), FlashFault> {
    let Ok(config) = &config else {
        return Err(FlashFault::WriteProtected);
    };
    match job {
        Job::Erase(sector) => flash::erase(config, &sector),
        Job::Program { address, length } => match block.get(..length as usize) {
            Some(data) => flash::program(config, address, data),
            None => Err(FlashFault::Alignment),
        },
        Job::ReadUnprotect => flash::read_unprotect(),
        Job::Leave => Ok(()),
    }
}

impl Status {
    /// The answer to the info request. The image is proved anew, since the slot may have changed.
    fn info(&self) -> Info {
        let mut info = Info {
            version: sealed::VERSION,
            family: sealed::HEADER.family,
            features: sealed::HEADER.features,
            config_fault: self.config.err().map_or(0, |fault| fault as u8),
            reason: self.reason as u8,
            reset_cause: self.reset_cause,
            last_fault: self.last_fault.map_or(0, |fault| fault as u8),
            device_id: chip::device_id(),
            flash_kib: chip::flash_kib(),
            ..Info::default()
        };
        if clock::hse_failed(&self.setup) {
            info.flags |= FLAG_HSE_FAILED;
        }
        if let Err(ConfigFault::Chip) = self.config {
            info.flags |= FLAG_WRONG_CHIP;
        }
        if let Ok(config) = &self.config {
            let slot = config.slots().next().unwrap_or_default();
            info.policy = config.policy() as u8;
            info.board_id = config.board_id();
            info.slot_base = slot.base;
            info.slot_length = slot.length;
            info.image_fault = prove(config).err().map_or(0, |fault| fault as u8);
            let image = memory::Flash.bytes(slot.base, slot.length).unwrap_or(&[]);
            let behind = manifest::offset(image).and_then(|at| image.get(at as usize..));
            if let Some(Ok(manifest)) = behind.map(Manifest::decode) {
                let v = manifest.version;
                info.image_version = [v.major, v.minor, v.patch];
                info.security_counter = manifest.security_counter;
                info.image_length = manifest.image_length;
            }
        }
        info
    }
}
