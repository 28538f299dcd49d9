//! Confirmation and what the journal says.

use surefoot_app::{Record, Standing, Version};

use crate::{CBoard, result};

/// Most events that are read at once: they pass over the stack, 32 bytes each.
const MOST_EVENTS: usize = 16;

/// `surefoot_state_t`.
#[repr(C)]
pub struct CState {
    running: u8,
    rejected: u8,
    charged: u8,
    allowed: u8,
    revoked: u8,
    reserved: [u8; 3],
    id: u32,
    confirmed: u32,
    candidate: u32,
    floor: u32,
}

/// `surefoot_event_t`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CEvent {
    event: u8,
    detail: u8,
    reset_cause: u8,
    reserved: u8,
    sequence: u32,
    confirmed: u32,
    candidate: u32,
}

/// See `surefoot_confirm` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_confirm(board: &CBoard) -> u32 {
    let Some(board) = board.known() else { return result::FAMILY };
    match surefoot_app::confirm(&board) {
        Ok(true) => result::OK,
        Ok(false) => result::NOTHING_TO_CONFIRM,
        Err(error) => error.number(),
    }
}

/// See `surefoot_version` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_version(board: &CBoard, version: &mut [u16; 3]) -> u32 {
    let Some(board) = board.known() else { return result::FAMILY };
    match surefoot_app::version(&board) {
        Ok(Version { major, minor, patch }) => {
            *version = [major, minor, patch];
            result::OK
        }
        Err(error) => error.number(),
    }
}

/// See `surefoot_state` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn surefoot_state(board: &CBoard, state: &mut CState) -> u32 {
    let Some(board) = board.known() else { return result::FAMILY };
    match surefoot_app::state(&board) {
        Ok(found) => {
            *state = CState {
                running: match found.running {
                    Standing::Unknown => 0,
                    Standing::Confirmed => 1,
                    Standing::OnTrial => 2,
                },
                rejected: found.rejected.into(),
                charged: found.charged,
                allowed: found.allowed,
                revoked: found.revoked,
                reserved: [0; 3],
                id: found.id,
                confirmed: found.confirmed,
                candidate: found.candidate,
                floor: found.floor,
            };
            result::OK
        }
        Err(error) => error.number(),
    }
}

/// See `surefoot_events` in the header.
///
/// # Safety
/// `events` has room for `room` events.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surefoot_events(
    board: &CBoard,
    events: *mut CEvent,
    room: u32,
    count: &mut u32,
) -> u32 {
    *count = 0;
    let Some(board) = board.known() else { return result::FAMILY };
    let mut records = [Record::EMPTY; MOST_EVENTS];
    let room = MOST_EVENTS.min(room as usize);
    let found = match surefoot_app::events(&board, &mut records[..room]) {
        Ok(found) => found.min(room),
        Err(error) => return error.number(),
    };
    for (i, record) in records[..found].iter().enumerate() {
        let event = CEvent {
            event: record.event(),
            detail: record.detail(),
            reset_cause: record.cause(),
            reserved: 0,
            sequence: record.sequence(),
            confirmed: record.confirmed(),
            candidate: record.candidate(),
        };
        // SAFETY: the caller's promise, and `i` is below `room`.
        unsafe { events.add(i).write(event) };
    }
    *count = found as u32;
    result::OK
}
