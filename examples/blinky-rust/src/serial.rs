//! An update over a serial line, received while the application runs: 115200 baud 8N1 on USART2, PA2
//! (TX) and PA3 (RX). For boards of strategy `ab`. The protocol is in
//! ../../README.md.

use core::sync::atomic::{AtomicU32, Ordering};

use stm32_metapac::gpio::vals::Moder;
use stm32_metapac::{GPIOA, IWDG, RCC, USART2};
use surefoot_app::{Board, Error, Updater};

const TX: usize = 2;
const RX: usize = 3;
/// RM0090 Rev 19, 30.3.4: 16 MHz / 115200, in sixteenths.
const BRR: u32 = 139;
/// DS8626, table 9: AF7 is USART2.
const AF: u8 = 7;
const SILENCE_MS: u32 = 1000;
/// Reads in which the line has sent two frames of 87 us each, and more.
const PATIENCE: u32 = 10_000;

/// Sets the line up.
pub fn init() {
    RCC.apb1enr().modify(|w| w.set_usart2en(true));
    // A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13).
    RCC.apb1enr().read();
    for pin in [TX, RX] {
        GPIOA.afr(0).modify(|w| w.set_afr(pin, AF));
        GPIOA.moder().modify(|w| w.set_moder(pin, Moder::ALTERNATE));
    }
    USART2.brr().write(|w| w.0 = BRR);
    USART2.cr1().write(|w| {
        w.set_te(true);
        w.set_re(true);
        w.set_ue(true);
    });
}

/// Receives an update if somebody asks for one; else returns at once. `clock` counts milliseconds.
pub fn serve(clock: &AtomicU32) {
    if !USART2.sr().read().rxne() || USART2.dr().read().0 != u32::from(b'U') {
        return;
    }
    match update(clock) {
        // The answer has to be out before the reset.
        Ok(()) => {
            send(b"k");
            let _ = (0..PATIENCE).any(|_| USART2.sr().read().tc());
            cortex_m::peripheral::SCB::sys_reset()
        }
        Err(Some(error)) => {
            send(b"e");
            send(&error.number().to_le_bytes());
        }
        Err(None) => {}
    }
}

/// `Err(None)`: the line fell silent.
fn update(clock: &AtomicU32) -> Result<(), Option<Error>> {
    let mut updater = Updater::begin(&Board::F4).map_err(Some)?;
    send(b"k");
    send(&updater.slot().base.to_le_bytes());
    let mut offset = 0;
    loop {
        let mut piece = [0; 255];
        let length = receive(clock).ok_or(None)?;
        if length == 0 {
            return updater.finish().map_err(Some);
        }
        let piece = &mut piece[..usize::from(length)];
        for byte in &mut *piece {
            *byte = receive(clock).ok_or(None)?;
        }
        updater.write(offset, piece).map_err(Some)?;
        offset += u32::from(length);
        send(b"k");
    }
}

fn receive(clock: &AtomicU32) -> Option<u8> {
    let since = clock.load(Ordering::Relaxed);
    while clock.load(Ordering::Relaxed).wrapping_sub(since) < SILENCE_MS {
        IWDG.kr().write(|w| w.0 = 0xAAAA);
        if USART2.sr().read().rxne() {
            return Some(USART2.dr().read().0 as u8);
        }
    }
    None
}

fn send(bytes: &[u8]) {
    for byte in bytes {
        let _ = (0..PATIENCE).any(|_| USART2.sr().read().txe());
        USART2.dr().write(|w| w.0 = u32::from(*byte));
    }
}
