//! A virtual board in a state file: found there, or made from the board file.
//!
//! For the link `sim:` and the verb `sim`. It does not switch the board on.

use crate::board::Loaded;
use crate::exit::Exit;
use crate::output::Ui;
use crate::problem::Problem;
use crate::verbs::bootloader::built_in;
use std::path::Path;
use std::time::Duration;
use surefoot_board::Board;
use surefoot_host::link::LinkError;
use surefoot_host::link::sim::{Fitting, StateLock, VirtualBoard};

/// How long a command waits for another one that has the same virtual board.
const PATIENCE: Duration = Duration::from_secs(20);

/// The board in `path`, or a new one from the board file.
pub fn virtual_board(path: &Path, board: Option<&Loaded>, ui: &Ui) -> Result<VirtualBoard, Problem> {
    if path.exists() {
        // Read once before the lock: nothing is written beside a file that is no board's state.
        VirtualBoard::load(path)?;
        return locked(path, ui, || Ok(VirtualBoard::load(path)?));
    }
    let Some(loaded) = board else {
        return Err(Problem::new(
            Exit::Input,
            "sim.no-board",
            format!(
                "there is no virtual board in {} yet, and no board file to make one from",
                path.display()
            ),
            "A virtual board is made from a board file, with the sealed bootloader in its flash.",
            "Add --board BOARD.toml.",
        ));
    };
    // Made before the lock: a board that there is no model of leaves no file behind.
    let new = new_virtual_board(&loaded.board)?;
    let mut made = false;
    let board = locked(path, ui, || match path.exists() {
        // Another command made it meanwhile.
        true => Ok(VirtualBoard::load(path)?),
        false => {
            new.save(path)?;
            made = true;
            Ok(new)
        }
    })?;
    if made {
        ui.note(&format!("a new virtual {} with its bootloader in {}", loaded.board.name, path.display()));
    }
    Ok(board)
}

/// The board that `get` makes, with the state file in `path` locked for as long as the board lives.
fn locked(
    path: &Path,
    ui: &Ui,
    get: impl FnOnce() -> Result<VirtualBoard, Problem>,
) -> Result<VirtualBoard, Problem> {
    let lock = match StateLock::take(path, Duration::ZERO) {
        Err(LinkError::Locked(_)) => {
            ui.note(&format!("another command has the virtual board in {}: waiting for it", path.display()));
            StateLock::take(path, PATIENCE)?
        }
        taken => taken?,
    };
    let mut board = get()?;
    board.keep(lock);
    Ok(board)
}

/// A new virtual board with the built-in bootloader, sealed.
pub fn new_virtual_board(board: &Board) -> Result<VirtualBoard, Problem> {
    let (sealed, _) = built_in(board)?;
    Ok(VirtualBoard::new(fitting(board), sealed.base, &sealed.image)?)
}

fn fitting(board: &Board) -> Fitting {
    let slot = board.slot();
    Fitting {
        board: board.name.clone(),
        chip: board.chip.name.to_owned(),
        hse_hz: board.clocks.hse.map_or(0, |pll| pll.input_hz),
        hse_bypass: board.clocks.bypass,
        button: board.button.map(|pin| pin.0),
        led: board.led.map(|pin| pin.0),
        slot_base: slot.base,
        slot_length: slot.length,
        second: board.running_slots().get(1).map(|slot| (slot.base, slot.length)),
        magic: board.boot.magic,
        backup_register: board.boot.backup_register,
    }
}
