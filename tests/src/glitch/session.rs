//! A host that tries to erase the journal, with the board's instructions counted or one of them skipped.
//!
//! The board has to refuse it. Skips of what it runs for that are tried from here, not from the start.

use super::thumb::{self, Instruction};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use surefoot_core::dfu::{State, command, request};
use surefoot_sim::device::Ctx;
use surefoot_sim::usb::Wire;
use surefoot_sim::usb::host::{Patience, Port, UsbHost};
use surefoot_sim::{Board, Nanos};

/// How long the host waits for an answer.
const ANSWER: Nanos = Nanos::secs(1);
/// So long it waits for a board that is in update mode.
const ATTACH: Nanos = Nanos::millis(100);
/// So often it asks what became of a sector.
const ASKED: usize = 8;

/// What is done to the board meanwhile.
pub enum Watch<'a> {
    /// Nothing.
    Nothing,
    /// Its instructions are counted.
    Count(&'a mut BTreeMap<u32, (Instruction, u64)>),
    /// The execution with this number, the first being 0, of the instruction at this address is skipped.
    Skip(u32, u64, Instruction),
}

struct Socket<'a, 'b> {
    board: &'a mut Board,
    watch: &'a mut Watch<'b>,
}

impl Port for Socket<'_, '_> {
    fn now(&self) -> Nanos {
        self.board.now()
    }

    fn run_to(&mut self, at: Nanos, watch: bool) {
        let before = self.board.usb_ref().changes();
        let goes = |board: &Board| board.now() < at && !(watch && board.usb_ref().changes() != before);
        match self.watch {
            Watch::Nothing => Port::run_to(self.board, at, watch),
            Watch::Count(seen) => {
                while goes(self.board) {
                    let (pc, retired) = (self.board.pc(), self.board.instructions());
                    self.board.run_instructions(1, at.since(self.board.now()));
                    if self.board.instructions() != retired {
                        let bytes = self.board.read_memory(pc, 4).unwrap_or_default();
                        seen.entry(pc).or_insert_with(|| (thumb::decode(bytes), 0)).1 += 1;
                    }
                }
            }
            Watch::Skip(pc, left, instruction) => {
                while goes(self.board) {
                    Port::run_to(self.board, at, watch);
                    if self.board.pc() != *pc || !goes(self.board) {
                        continue;
                    }
                    if *left == 0 {
                        skip(self.board, *pc, instruction.nop());
                        *self.watch = Watch::Nothing;
                        self.board.stop_at(&[]);
                        return self.run_to(at, watch);
                    }
                    *left -= 1;
                }
            }
        }
    }

    fn with_wire(&mut self, act: &mut dyn FnMut(&mut dyn Wire, &mut Ctx)) {
        self.board.with_wire(act);
    }
}

/// Runs one instruction as a no-operation.
pub fn skip(board: &mut Board, pc: u32, nop: &[u8]) {
    let kept = board.read_memory(pc, nop.len()).unwrap_or_default().to_vec();
    board.write_flash(pc, nop);
    board.run_instructions(1, Nanos::millis(5));
    board.write_flash(pc, &kept);
}

/// The host comes to a board in update mode.
pub fn attach(board: &mut Board) -> Result<UsbHost> {
    let mut host = UsbHost::new(Patience::default());
    host.plug(board);
    host.wait_attach(board, ATTACH).context("the board is not there")?;
    host.enumerate(board).context("the board does not answer")?;
    Ok(host)
}

/// It tries to erase each of these sectors, whatever the board says to it.
pub fn erase(board: &mut Board, host: &mut UsbHost, sectors: &[u32], mut watch: Watch) {
    let mut socket = Socket { board, watch: &mut watch };
    for sector in sectors {
        let mut data = vec![command::ERASE];
        data.extend(sector.to_le_bytes());
        let length = data.len() as u8;
        let setup = [request::OUT, request::DNLOAD, 0, 0, 0, 0, length, 0];
        let mut state =
            host.control_out(&mut socket, &setup, &data, ANSWER).map(|()| State::DownloadBusy as u8);
        for _ in 0..ASKED {
            if state != Ok(State::DownloadBusy as u8) {
                break;
            }
            let asked = [request::IN, request::GETSTATUS, 0, 0, 0, 0, 6, 0];
            let status = host.control_in(&mut socket, &asked, ANSWER);
            let wait = status.as_ref().map_or(0, |status| u64::from(status.get(1).copied().unwrap_or(0)));
            let end = socket.now() + Nanos::millis(wait);
            socket.run_to(end, false);
            state = status.map(|status| status.get(4).copied().unwrap_or(0));
        }
        let setup = [request::OUT, request::CLRSTATUS, 0, 0, 0, 0, 0, 0];
        let _ = host.control_out(&mut socket, &setup, &[], ANSWER);
    }
}
