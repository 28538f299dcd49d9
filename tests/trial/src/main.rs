//! The least that an application can be: it confirms itself, or stays silent, or hangs.
//!
//! Feature `confirm`: [`surefoot_app::confirm`], then as without a feature. `late`: the same after
//! `TRIAL_CONFIRM_MS`, in which it never feeds the watchdog. `own-watchdog`: sets the watchdog up itself first
//! of all, to 4.1 s, in the order of a manufacturer's library but without its wait. `unprotect`: takes the write
//! protection from the bootloader's sector and erases it. None: sleeps, and every
//! `TRIAL_PERIOD_MS` feeds the watchdog and changes the LED (PD12). `hang`: lights the LED and stops
//! for good, interrupts off.
//! Without cortex-m-rt, so that a start costs a few dozen instructions and not a cleared RAM.
#![no_std]
#![no_main]

use core::arch::asm;

// RM0090 Rev 21: table 1; 7.3.10 RCC_AHB1ENR, 8.4 GPIO, 21.4.1 IWDG_KR. PM0214 Rev 10: 4.5.
const RCC_AHB1ENR: *mut u32 = 0x4002_3830 as *mut u32;
const GPIOD_MODER: *mut u32 = 0x4002_0C00 as *mut u32;
const GPIOD_ODR: *mut u32 = 0x4002_0C14 as *mut u32;
const IWDG_KR: *mut u32 = 0x4000_3000 as *mut u32;
#[cfg(feature = "own-watchdog")]
const IWDG_PR: *mut u32 = 0x4000_3004 as *mut u32;
#[cfg(feature = "own-watchdog")]
const IWDG_RLR: *mut u32 = 0x4000_3008 as *mut u32;
// RM0090: 3.9, FLASH_OPTKEYR and the registers behind it.
#[cfg(feature = "unprotect")]
const FLASH_KEYR: *mut u32 = 0x4002_3C04 as *mut u32;
#[cfg(feature = "unprotect")]
const FLASH_OPTKEYR: *mut u32 = 0x4002_3C08 as *mut u32;
#[cfg(feature = "unprotect")]
const FLASH_SR: *mut u32 = 0x4002_3C0C as *mut u32;
#[cfg(feature = "unprotect")]
const FLASH_CR: *mut u32 = 0x4002_3C10 as *mut u32;
#[cfg(feature = "unprotect")]
const FLASH_OPTCR: *mut u32 = 0x4002_3C14 as *mut u32;
#[cfg(feature = "late")]
const ICSR: *mut u32 = 0xE000_ED04 as *mut u32;
const SYST_CSR: *mut u32 = 0xE000_E010 as *mut u32;
const SYST_RVR: *mut u32 = 0xE000_E014 as *mut u32;
const SYST_CVR: *mut u32 = 0xE000_E018 as *mut u32;
const LED: u32 = 12;
/// HSI, as the bootloader leaves it.
const TICKS_PER_MS: u32 = 16_000;
const PERIOD_MS: u32 = match option_env!("TRIAL_PERIOD_MS") {
    Some(text) => match u32::from_str_radix(text, 10) {
        // SysTick counts 24 bits.
        Ok(period @ 1..=1000) => period,
        _ => panic!("TRIAL_PERIOD_MS: 1 to 1000"),
    },
    None => 100,
};
/// How long `late` waits.
#[cfg(feature = "late")]
const CONFIRM_MS: u32 = match option_env!("TRIAL_CONFIRM_MS") {
    Some(text) => match u32::from_str_radix(text, 10) {
        Ok(time) => time,
        _ => panic!("TRIAL_CONFIRM_MS: a number"),
    },
    None => 2000,
};

/// A vector.
#[derive(Clone, Copy)]
#[repr(C)]
union Vector {
    handler: unsafe extern "C" fn() -> !,
    exception: extern "C" fn(),
    word: u32,
}

const STOP: Vector = Vector { handler: stop };
const NONE: Vector = Vector { word: 0 };

// SAFETY: the linker script puts it first; the core reads it, and `surefoot image` fills 8 to 10.
#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: [Vector; 16] = [
    Vector { word: 0x2002_0000 },
    Vector { handler: reset },
    STOP,
    STOP,
    STOP,
    STOP,
    STOP,
    NONE,
    NONE,
    NONE,
    NONE,
    STOP,
    STOP,
    NONE,
    STOP,
    Vector { exception: tick },
];

/// Entry.
// SAFETY: the linker script's entry; nothing else has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn reset() -> ! {
    #[cfg(feature = "own-watchdog")]
    // SAFETY: as below. /32 and 4,096 steps: 4.1 s at 32 kHz.
    unsafe {
        IWDG_KR.write_volatile(0xCCCC);
        IWDG_KR.write_volatile(0x5555);
        IWDG_PR.write_volatile(3);
        IWDG_RLR.write_volatile(0xFFF);
        IWDG_KR.write_volatile(0xAAAA);
    }
    #[cfg(feature = "unprotect")]
    erase_the_bootloader();
    #[cfg(feature = "late")]
    idle(CONFIRM_MS / PERIOD_MS);
    #[cfg(feature = "confirm")]
    let _ = surefoot_app::confirm(&surefoot_app::Board::F4);
    // SAFETY: registers of the chip, with nobody else to use them.
    unsafe {
        RCC_AHB1ENR.write_volatile(RCC_AHB1ENR.read_volatile() | 1 << 3);
        // A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13).
        RCC_AHB1ENR.read_volatile();
        GPIOD_MODER.write_volatile(1 << (2 * LED));
        GPIOD_ODR.write_volatile(1 << LED);
        if cfg!(feature = "hang") {
            asm!("cpsid i");
        } else {
            SYST_RVR.write_volatile(PERIOD_MS * TICKS_PER_MS - 1);
            SYST_CVR.write_volatile(0);
            SYST_CSR.write_volatile(0b111);
        }
        stop()
    }
}

/// Takes the write protection of sector 0 away and erases it (RM0090, 3.6.3 and 3.7.2).
#[cfg(feature = "unprotect")]
fn erase_the_bootloader() {
    const NWRP_0: u32 = 1 << 16;
    const OPTSTRT: u32 = 1 << 1;
    const BSY: u32 = 1 << 16;
    const SER: u32 = 1 << 1;
    const PSIZE_WORD: u32 = 2 << 8;
    const STRT: u32 = 1 << 16;
    // SAFETY: as in `reset`.
    unsafe {
        FLASH_OPTKEYR.write_volatile(0x0819_2A3B);
        FLASH_OPTKEYR.write_volatile(0x4C5D_6E7F);
        let options = FLASH_OPTCR.read_volatile() & !0b11 | NWRP_0;
        FLASH_OPTCR.write_volatile(options);
        FLASH_OPTCR.write_volatile(options | OPTSTRT);
        while FLASH_SR.read_volatile() & BSY != 0 {}
        FLASH_KEYR.write_volatile(0x4567_0123);
        FLASH_KEYR.write_volatile(0xCDEF_89AB);
        FLASH_CR.write_volatile(SER | PSIZE_WORD);
        FLASH_CR.write_volatile(SER | PSIZE_WORD | STRT);
        while FLASH_SR.read_volatile() & BSY != 0 {}
    }
}

/// Sleeps through so many ticks, which nothing handles.
#[cfg(feature = "late")]
fn idle(ticks: u32) {
    const PENDSTCLR: u32 = 1 << 25;
    // SAFETY: as in `reset`.
    unsafe {
        asm!("cpsid i");
        SYST_RVR.write_volatile(PERIOD_MS * TICKS_PER_MS - 1);
        SYST_CVR.write_volatile(0);
        SYST_CSR.write_volatile(0b111);
        for _ in 0..ticks {
            asm!("wfi");
            ICSR.write_volatile(PENDSTCLR);
        }
        asm!("cpsie i");
    }
}

extern "C" fn tick() {
    // SAFETY: as in `reset`.
    unsafe {
        IWDG_KR.write_volatile(0xAAAA);
        GPIOD_ODR.write_volatile(GPIOD_ODR.read_volatile() ^ 1 << LED);
    }
}

unsafe extern "C" fn stop() -> ! {
    loop {
        // SAFETY: a sleep.
        unsafe { asm!("wfi") }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: a sleep for good.
    unsafe { stop() }
}
