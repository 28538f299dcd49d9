//! The updater that an application runs, in memory that the caller gives.

use core::mem::MaybeUninit;

use surefoot_app::{Error, Updater};

use crate::{CBoard, result};

/// Words of `surefoot_updater_t`, as the header has them.
const WORDS: usize = 40;
/// In the first word while an update is under way: "SFUP".
const BEGUN: u32 = u32::from_le_bytes(*b"SFUP");

/// `surefoot_updater_t`.
#[repr(C)]
pub struct CUpdater {
    begun: u32,
    updater: MaybeUninit<Updater<'static>>,
}

const _: () = assert!(
    cfg!(not(target_pointer_width = "32"))
        || size_of::<CUpdater>() <= 4 * WORDS && align_of::<CUpdater>() == 4
);

impl CUpdater {
    /// The update under way.
    fn open(&mut self) -> Option<&mut Updater<'static>> {
        // SAFETY: `begun` is written after the updater, and taken back before it is moved out.
        (self.begun == BEGUN).then(|| unsafe { self.updater.assume_init_mut() })
    }

    /// Takes the update out; there is none afterwards.
    fn take(&mut self) -> Option<Updater<'static>> {
        let begun = core::mem::take(&mut self.begun) == BEGUN;
        // SAFETY: as in `open`; nobody reads it a second time, since `begun` is gone.
        begun.then(|| unsafe { self.updater.assume_init_read() })
    }
}

fn number(done: Result<(), Error>) -> u32 {
    done.map_or_else(Error::number, |()| result::OK)
}

/// See `surefoot_update_begin` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_update_begin(
    updater: &mut CUpdater,
    board: &CBoard,
    base: Option<&mut u32>,
    length: Option<&mut u32>,
) -> u32 {
    updater.begun = 0;
    let Some(board) = board.known() else { return result::FAMILY };
    match Updater::begin(&board) {
        Ok(begun) => {
            let slot = begun.slot();
            if let Some(base) = base {
                *base = slot.base;
            }
            if let Some(length) = length {
                *length = slot.length;
            }
            updater.updater.write(begun);
            updater.begun = BEGUN;
            result::OK
        }
        Err(error) => error.number(),
    }
}

/// See `surefoot_update_write` in the header.
///
/// # Safety
/// `bytes` are `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surefoot_update_write(
    updater: &mut CUpdater,
    offset: u32,
    bytes: *const u8,
    length: u32,
) -> u32 {
    let Some(open) = updater.open() else { return result::NOT_BEGUN };
    if length == 0 {
        return number(open.write(offset, &[]));
    }
    // SAFETY: the caller's promise.
    number(open.write(offset, unsafe { core::slice::from_raw_parts(bytes, length as usize) }))
}

/// See `surefoot_update_finish` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_update_finish(updater: &mut CUpdater) -> u32 {
    updater.take().map_or(result::NOT_BEGUN, |open| number(open.finish()))
}

/// See `surefoot_update_abort` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_update_abort(updater: &mut CUpdater) {
    updater.begun = 0;
}
