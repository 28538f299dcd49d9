//! The application library for C: `surefoot-app` under the names of `app/include/surefoot.h`.
//!
//! One function for each of the header's; the work is done, and explained, in `surefoot-app`.
#![no_std]

use core::ffi::{CStr, c_char};

use surefoot_app::{Board, Family, Quiet, Rom};

mod slots;
mod updater;

/// Results that are the C interface's own; the others are [`surefoot_app::Error::number`].
mod result {
    pub const OK: u32 = 0;
    pub const NOTHING_TO_CONFIRM: u32 = 8;
    pub const NOT_BEGUN: u32 = 9;
    pub const FAMILY: u32 = 10;
}

/// `surefoot_board`.
#[repr(C)]
pub struct CBoard {
    family: u32,
    magic_word: u32,
    handoff: u32,
    backup_register: u32,
}

/// `surefoot_status_t`.
#[repr(C)]
pub struct CStatus {
    version: [u8; 3],
    reset_cause: u8,
    reason: u8,
    reserved: [u8; 3],
    slot: u32,
}

impl CBoard {
    /// The board, if this library knows its family.
    fn known(&self) -> Option<Board> {
        Some(Board {
            family: Family::from_code(u16::try_from(self.family).ok()?)?,
            magic_word: self.magic_word,
            handoff: self.handoff,
            backup_register: u8::try_from(self.backup_register).ok(),
        })
    }
}

/// See `surefoot_request_update` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_request_update(board: &CBoard) -> bool {
    match board.known() {
        Some(board) => surefoot_app::request_update(&board),
        None => false,
    }
}

/// See `surefoot_status` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_status(board: &CBoard, status: &mut CStatus) -> bool {
    let Some(found) = board.known().and_then(|board| surefoot_app::status(&board)) else {
        return false;
    };
    *status = CStatus {
        version: found.version,
        reset_cause: found.reset_cause.0,
        reason: found.reason.map_or(0, |reason| reason as u8),
        reserved: [0; 3],
        slot: found.slot,
    };
    true
}

/// See `surefoot_reset` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_reset() -> ! {
    surefoot_app::reset()
}

/// See `surefoot_jump_to_rom` in the header.
///
/// # Safety
/// `chip` is a string that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surefoot_jump_to_rom(chip: *const c_char) -> bool {
    // SAFETY: the caller's promise.
    let chip = unsafe { CStr::from_ptr(chip) };
    match chip.to_str().ok().and_then(Rom::of) {
        Some(rom) => surefoot_app::jump_to_rom(rom),
        None => false,
    }
}

/// See `surefoot_jump_to_rom_at` in the header.
///
/// # Safety
/// A vector table of executable code stands at `table`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surefoot_jump_to_rom_at(table: u32) -> ! {
    // SAFETY: the caller's promise.
    surefoot_app::jump_to_rom(unsafe { Rom::at(table, Quiet::Application) })
}

/// See `surefoot_jump_to_rom_entered_at` in the header.
///
/// # Safety
/// Executable code stands at `program_counter`, and `stack_pointer` is in RAM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surefoot_jump_to_rom_entered_at(stack_pointer: u32, program_counter: u32) -> ! {
    // SAFETY: the caller's promise.
    surefoot_app::jump_to_rom(unsafe { Rom::entered_at(stack_pointer, program_counter, Quiet::Application) })
}

/// See `surefoot_set_vector_table` in the header.
///
/// # Safety
/// As [`surefoot_app::set_vector_table`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surefoot_set_vector_table(table: *const u32) {
    // SAFETY: the caller's promise.
    unsafe { surefoot_app::set_vector_table(table) }
}

/// Nothing in the library panics on purpose; should it happen, a stop is what a watchdog can see.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
