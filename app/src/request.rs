//! Asking for an update: the magic word where the bootloader looks for it, then a reset.
//!
//! First step of an update that an application starts; the bootloader clears the words at once.
//! It does not tidy up the application's peripherals: the reset does.

use surefoot_core::handoff;

use crate::board::{Backup, Board};
use crate::registers::{modify, read, write};

/// Resets into update mode. Never returns.
///
/// The request is written twice, so that either way alone is enough: into the handoff words at the
/// start of RAM (word and complement) and, if the board uses one, into the backup register. Eight
/// bytes at [`Board::handoff`] are overwritten even when the application was not linked to keep
/// them free, which is why interrupts are off from the first step.
pub fn request_update(board: &Board) -> ! {
    cortex_m::interrupt::disable();
    write(board.handoff + handoff::REQUEST, board.magic_word);
    write(board.handoff + handoff::REQUEST_COMPLEMENT, !board.magic_word);
    if let Some(register) = board.backup_register_address() {
        open_backup_domain(&board.family.backup());
        write(register, board.magic_word);
        // Reading it back holds the processor until the write has passed the APB bridge.
        read(register);
    }
    reset()
}

/// Resets the chip, as after [`crate::Updater::finish`]. Never returns.
pub fn reset() -> ! {
    // DSB, SYSRESETREQ, DSB (PM0214 Rev 10, 4.4.5).
    cortex_m::peripheral::SCB::sys_reset()
}

/// RM0090 Rev 21, 5.1.2: PWR clock on, then DBP.
fn open_backup_domain(backup: &Backup) {
    modify(backup.clock_enable, 0, backup.clock_bit);
    // A clock takes two bus cycles to arrive after its enable bit (ES0182 Rev 14, 2.1.13).
    read(backup.clock_enable);
    modify(backup.power_control, 0, backup.access_bit);
    read(backup.power_control);
}
