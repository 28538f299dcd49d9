//! The bootloader of the STM32F4 family. This file is the wiring; what follows is the flow.
//!
//! 1. Start-up: interrupts masked, ticks on, the watchdog given room ([`family::f4::watchdog`]).
//! 2. [`sealed`]: the configuration block in this binary is checked. Without a good one the board
//!    stays in update mode from the internal oscillator with a fixed identity, nothing writable.
//! 3. What asks for update mode, in order, then [`surefoot_core::decide`]; an image is verified
//!    (PLL on first) only when nothing else keeps the board.
//! 4. [`update`]: USB DFU until the host leaves or falls silent; or the jump ([`family::f4::boot`]),
//!    which only a `VerifiedImage` opens.
//!
//! What goes wrong beyond that (a fault, a panic) resets the chip.
//!
//! `cargo build --release` builds the whole of it, at most 16,384 bytes of flash; with
//! `--no-default-features` policy `signature` is left out, at most 8,192 bytes. RAM: from 0x20000020
//! (the handoff words stand before it) to 0x20004000, stack on top.
#![no_std]
#![no_main]

mod family;
mod sealed;
mod slots;
mod update;

use cortex_m_rt::{entry, exception};
#[cfg(feature = "signature")]
use family::f4::mpu;
use family::f4::{backup, boot, chip, clock, flash, gpio, time, watchdog};
use slots::Slots;
use surefoot_core::config::{Config, ConfigFault, Policy, Strategy};
use surefoot_core::decide::{Decision, Reason, decide};
use surefoot_core::handoff::{DOUBLE_TAP, Record, TAPPED};

/// Looks at the sealed block before it counts as no good.
const LOOKS: usize = 32;

#[entry]
fn main() -> ! {
    static mut BLOCK: update::Block = [0; update::BLOCK_LEN];
    #[cfg(feature = "signature")]
    mpu::init();
    time::init();
    clock::init();
    let reset_cause = chip::reset_cause();
    let mut found = Err(ConfigFault::Missing);
    // A misread is no reason to stay in update mode with nothing to end it.
    for _ in 0..LOOKS {
        if found.is_err() {
            found = configuration();
        }
    }
    let (config, fault) = match found {
        // Not what was handed on: where the call was skipped, that is what the stack or a register held.
        Ok(()) => (Some(Config::of(sealed::block())), 0),
        Err(fault) => (None, fault as u8),
    };
    watchdog::init(config.is_some_and(|c| c.watchdog()));
    let mut slots = config.map(|config| Slots::load(config, reset_cause));
    let decision = match &mut slots {
        Some(slots) => {
            slots.check();
            decide(asked(slots.config, reset_cause), || slots.boot())
        }
        None => Decision::Update(Reason::Configuration, None),
    };
    let record = backup::record();
    let (image, reason) = match decision {
        Decision::Boot(image) => (image, Record::decode(record).map_or(0, |earlier| earlier.reason)),
        Decision::Update(reason, _) => {
            let (image, reason) = update::run(&mut slots, fault, reason, reset_cause, BLOCK);
            (image, reason as u8)
        }
    };
    let slot = slots::proved();
    Record { version: sealed::VERSION, reset_cause, reason, slot }.write(record);
    if !config.is_some_and(|c| c.options_open()) {
        flash::lock_options();
    }
    boot::jump(image)
}

/// The sealed block, if it is good, for this chip, and within what this build can do.
#[inline(never)]
fn configuration() -> Result<(), ConfigFault> {
    // SAFETY: main calls this again only after an error, which refers to nothing.
    let config = Config::parse(unsafe { sealed::copy() }, sealed::HEADER.family)?;
    let lacks_signature = config.policy() == Policy::Signature && !cfg!(feature = "signature");
    let lacks_backup = config.strategy() == Strategy::Backup && !cfg!(feature = "backup");
    if lacks_signature || lacks_backup {
        return Err(ConfigFault::Policy);
    }
    if config.handoff() != backup::HANDOFF || config.backup_register() >= backup::REGISTERS {
        return Err(ConfigFault::Field);
    }
    // A map of another chip's flash is no map: nothing is written by it and nothing boots.
    if !chip::is(config.device_id()) {
        return Err(ConfigFault::Chip);
    }
    Ok(())
}

/// Magic words, button, double tap, in this order. Words that ask for update mode are cleared as they are read.
fn asked(config: Config, reset_cause: u8) -> Option<Reason> {
    let word = backup::take_register(config.backup_register(), config.magic_word());
    let ram = backup::take_request(config.magic_word());
    if word {
        return Some(Reason::MagicWord);
    }
    if ram {
        return Some(Reason::MagicRam);
    }
    if config.button().is_some_and(gpio::pressed) {
        return Some(Reason::Button);
    }
    let window_ms = config.double_tap_ms();
    (window_ms != 0 && double_tap(window_ms, reset_cause)).then_some(Reason::DoubleTap)
}

/// Waits for a second reset inside the window; true when this is it.
///
/// The word in RAM counts only after a reset by the pin alone: RAM can outlive a short loss of the
/// supply, and a watchdog or software reset is nobody's tap. To tell them apart from older resets
/// the flags are cleared here, so with a window the application finds them only in the record.
fn double_tap(window_ms: u32, reset_cause: u8) -> bool {
    const PIN_RESET: u8 = 1 << 1;
    chip::forget_reset_cause();
    let tapped = backup::exchange(DOUBLE_TAP, TAPPED) == TAPPED && reset_cause == PIN_RESET;
    if !tapped {
        time::wait(window_ms);
    }
    backup::exchange(DOUBLE_TAP, 0);
    tapped
}

/// A fault in the bootloader itself: start again. No other exception is enabled, so none has a handler
/// (NMI is the clock security system's).
#[exception(trampoline = false)]
unsafe fn HardFault() -> ! {
    boot::reset()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    boot::reset()
}
