//! What survives a reset: the RTC backup registers and the handoff words at the start of RAM.

use stm32_metapac::{PWR, RCC, RTC, rtc};
use surefoot_core::handoff::{self, RECORD_WORDS, Record};

/// Where the handoff words are: memory.x leaves them free.
pub const HANDOFF: u32 = 0x2000_0000;

/// True when backup register `number` holds `magic`, which is cleared then.
pub fn take_register(number: u8, magic: u32) -> bool {
    let register = RTC.bkpr(usize::from(number));
    // The interface needs the PWR clock (RM0090, 5.1.2).
    RCC.apb1enr().modify(|w| w.set_pwren(true));
    if register.read().0 != magic {
        return false;
    }
    // Writes need DBP (RM0090, 5.1.2); read back, since it takes effect a few cycles later.
    PWR.cr1().modify(|w| w.set_dbp(true));
    let _ = PWR.cr1().read();
    register.write_value(rtc::regs::Bkpr(0));
    PWR.cr1().modify(|w| w.set_dbp(false));
    true
}

/// True when the handoff words ask for update mode by `magic`; they are cleared in any case.
pub fn take_request(magic: u32) -> bool {
    let asked = word(handoff::REQUEST) == magic && word(handoff::REQUEST_COMPLEMENT) == !magic;
    set_word(handoff::REQUEST, 0);
    set_word(handoff::REQUEST_COMPLEMENT, 0);
    asked
}

/// Exchanges the double-tap word.
pub fn exchange_tap(value: u32) -> u32 {
    let old = word(handoff::DOUBLE_TAP);
    set_word(handoff::DOUBLE_TAP, value);
    old
}

/// The record of an earlier start, if RAM kept it.
pub fn record() -> Option<Record> {
    let words: [u32; RECORD_WORDS] = core::array::from_fn(|i| word(handoff::RECORD + 4 * i as u32));
    Record::decode(&words)
}

/// Leaves a record for the application.
pub fn set_record(record: &Record) {
    for (i, word) in record.encode().into_iter().enumerate() {
        set_word(handoff::RECORD + 4 * i as u32, word);
    }
}

fn word(offset: u32) -> u32 {
    // SAFETY: inside the 32 bytes which the linker leaves free for these words.
    unsafe { ((HANDOFF + offset) as *const u32).read_volatile() }
}

fn set_word(offset: u32, value: u32) {
    // SAFETY: as in `word`.
    unsafe { ((HANDOFF + offset) as *mut u32).write_volatile(value) }
}
