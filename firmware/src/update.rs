//! Update mode: USB DFU until the host leaves, or falls silent and a valid image can boot.
//!
//! The loop carries packets between the port and [`Control`], flash jobs to the driver, and sleeps
//! in between. The watchdog is fed here, once a turn: a turn ends only when its work is over.

use crate::family::f4::usb::{Event, Usb};
use crate::family::f4::{chip, clock, flash, gpio::Led, memory::Flash, time, watchdog};
use crate::sealed;
use crate::slots::{self, Slots};
use surefoot_core::config::ConfigFault;
use surefoot_core::decide::Reason;
use surefoot_core::dfu::device::{Job, PADDING};
use surefoot_core::image::VerifiedImage;
use surefoot_core::info::{self, Answer, FLAG_HSE_FAILED, FLAG_WRONG_CHIP, at};
use surefoot_core::port::FlashFault;
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
    slots: &mut Option<Slots>,
    config_fault: u8,
    reason: Reason,
    reset_cause: u8,
    block: &mut Block,
) -> (VerifiedImage, Reason) {
    let config = slots.as_ref().map(|slots| slots.config);
    let hclk_hz = clock::start(config);
    let led = Led::new(config.and_then(|c| c.led()));
    let mut status = Status { slots, config_fault, reason, reset_cause, last_fault: 0 };
    loop {
        if let Some(slots) = status.slots
            && let Err(fault) = slots.open()
        {
            status.last_fault = fault as u8;
        }
        let config = status.slots.as_ref().map(|slots| slots.config);
        let mut session = Session {
            status: &mut status,
            led: &led,
            heard: time::now(),
            port: Usb::start(hclk_hz),
            control: Control::new(config, chip::unique_id()),
            block,
        };
        loop {
            let Some(end) = session.turn() else { continue };
            let left = end == End::Left;
            if left {
                time::wait(LEAVE_MS);
                session.port.detach();
            }
            if let Some(slots) = session.status.slots {
                if let Ok(image) = slots.end() {
                    session.port.detach();
                    return (image, session.status.reason);
                }
                if left {
                    session.status.reason = Reason::Refused;
                }
            }
            // A new session after a leave; a host that is only silent keeps its old one.
            if left {
                break;
            }
        }
    }
}

/// Why the board may leave the bus.
#[derive(PartialEq, Eq)]
enum End {
    /// The host ended the update.
    Left,
    /// Nothing came from the host for the board's time-out.
    Silence,
}

/// What the host can ask about.
struct Status<'a> {
    /// None without a configuration.
    slots: &'a mut Option<Slots>,
    /// [`ConfigFault`] as a number, 0 with a configuration.
    config_fault: u8,
    reason: Reason,
    reset_cause: u8,
    /// [`FlashFault`] of the last operation that failed, or 0.
    last_fault: u8,
}

/// From attach to detach. The order of the fields is kept: the engine's small ones and these are in
/// reach of short instructions.
#[repr(C)]
struct Session<'a, 'b> {
    control: Control<'static>,
    /// When the host was last heard.
    heard: u32,
    status: &'a mut Status<'b>,
    led: &'a Led,
    block: &'a mut Block,
    port: Usb,
}

impl Session<'_, '_> {
    /// One turn of the loop: an event, or a job, or sleep.
    #[inline(never)]
    fn turn(&mut self) -> Option<End> {
        watchdog::feed();
        let now = time::now();
        self.led.set((now / BLINK_MS).is_multiple_of(2));
        if let Some(event) = self.port.poll() {
            self.carry_out(event);
            return None;
        }
        match self.control.take_job() {
            Some(Job::Leave) => return Some(End::Left),
            Some(job) => {
                let result = self.work(job);
                if let Err(fault) = result {
                    self.status.last_fault = fault as u8;
                }
                self.control.job_done(result);
                self.heard = time::now();
            }
            None => {
                // 0 is for ever, and nothing can boot without a configuration.
                let limit = self.status.slots.as_ref().map_or(0, |slots| slots.config.update_timeout_ms());
                if limit != 0 && now.wrapping_sub(self.heard) >= limit {
                    self.heard = now;
                    return Some(End::Silence);
                }
                time::sleep();
            }
        }
        None
    }

    /// One event of the bus, and what the engine wants of the port then.
    fn carry_out(&mut self, event: Event) {
        let step = match event {
            Event::Reset => return self.control.bus_reset(),
            Event::Setup => {
                self.heard = time::now();
                let request = self.port.request();
                if request.starts_with(&[0xC0, info::REQUEST]) {
                    self.status.tell(self.control.info());
                }
                self.control.setup(request, &Flash)
            }
            Event::Received => self.control.out_packet(self.port.packet(), self.block, &Flash),
            Event::Sent => self.control.in_done(),
        };
        match step {
            Step::Send(_) => self.port.send(self.control.packet(&Flash)),
            Step::Address(address) => {
                self.port.set_address(address);
                self.port.send(&[]);
            }
            Step::Receive => self.port.receive(),
            Step::Stall => self.port.stall(),
            Step::Done => {}
        }
    }

    /// A flash job. Without a configuration the engine gives out none.
    fn work(&mut self, job: Job) -> Result<(), FlashFault> {
        slots::forget();
        let slots = self.status.slots.as_mut().ok_or(FlashFault::WriteProtected)?;
        match job {
            Job::Erase(sector) => slots.erase(&sector),
            Job::Program { address, length } => {
                slots.program(address, self.block.get(..length as usize).unwrap_or(&[]))
            }
            Job::ReadUnprotect => flash::read_unprotect(),
            #[cfg(feature = "options")]
            Job::Options(value) => flash::set_options(slots.config, value),
            Job::Leave => Ok(()),
        }
    }
}

impl Status<'_> {
    /// The answer to the info request. The image is proved anew, since the slot may have changed.
    #[inline(never)]
    fn tell(&self, info: &mut Answer) {
        info.u32(at::MAGIC, info::MAGIC);
        info.version(sealed::VERSION);
        info.u16(at::FAMILY, sealed::HEADER.family);
        info.u16(at::FEATURES, sealed::HEADER.features);
        info.u8(at::REASON, self.reason as u8);
        info.u8(at::RESET_CAUSE, self.reset_cause);
        info.u8(at::LAST_FAULT, self.last_fault);
        info.u16(at::DEVICE_ID, chip::device_id());
        info.u16(at::FLASH_KIB, chip::flash_kib());
        info.u16(at::HSE_TICKS, clock::hse_ticks());
        #[cfg(feature = "options")]
        info.u32(at::OPTIONS, flash::optcr());
        #[cfg(feature = "options")]
        info.unique_id(chip::unique_id());
        info.u8(at::CONFIG_FAULT, self.config_fault);
        if self.config_fault == ConfigFault::Chip as u8 {
            info.u8(at::FLAGS, FLAG_WRONG_CHIP);
        }
        if let Some(slots) = &*self.slots {
            let config = slots.config;
            if clock::hse_failed(config) {
                info.u8(at::FLAGS, FLAG_HSE_FAILED);
            }
            let slot = config.target_slot();
            info.u8(at::POLICY, config.policy() as u8);
            info.u32(at::BOARD_ID, config.board_id());
            info.u32(at::SLOT_BASE, slot.base);
            info.u32(at::SLOT_LENGTH, slot.length);
            info.u8(at::IMAGE_FAULT, slots.fault());
        }
    }
}
