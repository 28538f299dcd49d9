//! What survives a reset: the RTC backup registers and the handoff words at the start of RAM.

use stm32_metapac::common::{RW, Reg};
use stm32_metapac::{PWR, RTC};
use surefoot_core::handoff::{self, RECORD_WORDS};

/// Where the handoff words are: memory.x leaves them free.
pub const HANDOFF: u32 = 0x2000_0000;

/// Backup registers of an F4 (RM0090, 26.6.20).
pub const REGISTERS: u8 = 20;

/// True when backup register `number`, below [`REGISTERS`], holds `magic`, which is cleared then.
pub fn take_register(number: u8, magic: u32) -> bool {
    // SAFETY: the registers follow each other, and there are REGISTERS of them.
    let register = unsafe { Reg::<u32, RW>::from_ptr(RTC.bkpr(0).as_ptr().cast::<u32>().add(number.into())) };
    if register.read() != magic {
        return false;
    }
    // Writes need DBP (RM0090, 5.1.2); read back, since it takes effect a few cycles later. The jump
    // takes it away again.
    PWR.cr1().modify(|w| w.set_dbp(true));
    let _ = PWR.cr1().read();
    register.write_value(0);
    true
}

/// True when the handoff words ask for update mode by `magic`; they are cleared in any case.
pub fn take_request(magic: u32) -> bool {
    let request = exchange(handoff::REQUEST, 0);
    let complement = exchange(handoff::REQUEST_COMPLEMENT, 0);
    request == magic && complement == !magic
}

/// Exchanges one of the handoff words.
pub fn exchange(offset: u32, value: u32) -> u32 {
    let word = (HANDOFF + offset) as *mut u32;
    // SAFETY: inside the 32 bytes which the linker leaves free for these words.
    unsafe {
        let old = word.read_volatile();
        word.write_volatile(value);
        old
    }
}

/// The record: of an earlier start, if RAM kept it, and then this one's for the application.
pub fn record() -> &'static mut [u32; RECORD_WORDS] {
    // SAFETY: as in `exchange`; one caller, and every value of the words is a u32.
    unsafe { &mut *((HANDOFF + handoff::RECORD) as *mut _) }
}
