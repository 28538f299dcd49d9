//! Confirmation: the application says that it works, and stays.
//!
//! Ends a trial: without it the bootloader goes back to the image before. What is written, and in
//! which order, is [`surefoot_core::slot::confirm`]'s, the bootloader's own code.

use surefoot_core::journal::Journal;
use surefoot_core::slot;

use crate::board::Board;
use crate::error::Error;
use crate::home::{self, Home};

/// Confirms the running image. Call it once the application knows that it works, and that the next
/// update can reach it.
///
/// True: it is confirmed, now or already. False: there is nothing to confirm, since the board has no
/// journal, or no bootloader, or the image is not on trial. May be called at every start: it writes
/// only what is not on record.
///
/// Interrupts are off while a record is written, 32 bytes: 0.13 ms, or 0.5 ms where the supply allows only
/// bytes. There are two, or four when a cut had left a state half recorded. On a chip with one flash
/// bank the core stands still meanwhile, and also for the erase of a journal sector when the one in use
/// is full: 250 ms for 16K (DS8626, "Flash memory programming"), once in some hundred confirmations.
///
/// # Errors
/// [`Error::VectorTable`]: the vector table in force (VTOR) is neither in the running slot nor in RAM. The image
/// would answer interrupts with another image's code, and stop when that is replaced; it is not confirmed.
/// [`Error::Flash`]: the journal could not be written. In either case the image is still on trial.
pub fn confirm(board: &Board) -> Result<bool, Error> {
    let mut copy = home::NONE;
    let Some(mut home) = Home::find(board, &mut copy) else { return Ok(false) };
    if home.config.has_journal() && !home.has_vector_table() {
        return Err(Error::VectorTable);
    }
    let mut journal = Journal::load(home.config, &home.flash);
    Ok(slot::confirm(&mut journal, &mut home.flash, home.slot)?)
}
