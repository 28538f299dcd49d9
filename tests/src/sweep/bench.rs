//! A board on which a scenario runs, with the images that it knows and a tape of its operations.
//!
//! The host's part is the real one: [`crate::rig`] with its cable. A tape that runs takes the
//! board's remains just before each flash and option byte operation, for [`super::engine`] to cut.

mod images;

pub use images::{App, Known, Recipe};

use super::checks::{State, journal_sectors};
use crate::rig::{self, Rig};
use crate::serial;
use anyhow::{Context, Result, ensure};
use ed25519_dalek::SigningKey;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surefoot_board::Board as BoardFile;
use surefoot_core::config::{BinaryHeader, Config, FAMILY_F4, OWNER_SLOT0, Sector, Slot, Strategy};
use surefoot_core::dfu::{command, request};
use surefoot_core::journal::{Event, Journal};
use surefoot_core::port::{Flash, FlashFault, Memory};
use surefoot_core::slot;
use surefoot_host::job::{Change, Finish, JobError, Session};
use surefoot_host::link::Usb;
use surefoot_images::Image;
use surefoot_sim::usb::Wire;
use surefoot_sim::{Board, BoardOptions, Nanos, Remains, Started};

/// Longest time from a reset to something to be seen: a copy between slots takes seconds.
pub const DECISION: Nanos = Nanos::secs(40);

/// What a run did.
#[derive(Clone, Default)]
pub struct Tape {
    /// The remains just before each operation.
    pub forks: Vec<Remains>,
    /// What happened outside, each with the number of operations before it.
    pub notes: Vec<(usize, String)>,
}

/// The board with its surroundings.
pub struct Bench {
    /// Board, cable, board file.
    pub rig: Rig,
    /// The slots by number.
    pub slots: Vec<Slot>,
    /// The journal's sectors, base and length.
    pub journal: Vec<(u32, u32)>,
    /// Where the sealed block stands.
    pub block: u32,
    /// The images made so far.
    pub images: Vec<Known>,
    /// The images that were confirmed from outside.
    pub confirmed: Vec<u32>,
    /// The addresses of their first instructions.
    entries: Vec<u32>,
    /// The private halves of the board's keys.
    pub keys: Vec<SigningKey>,
    /// Of the program operations in a slot only every so many-th is put on tape.
    pub every: u64,
    /// Images fill their slots.
    pub full: bool,
    /// The word in which bits read as 0 or as 1 without any cut. A start may miss what stands there, not
    /// every start.
    pub weak: Option<u32>,
    /// Flash fails or ages, which may leave unstable bits where no cut was.
    pub fails: bool,
    /// The journal takes no record for good: one that a cut has left in part reads now so, now so, and the board
    /// cannot settle which it is.
    pub mute: bool,
    tape: Arc<Mutex<Tape>>,
    programs: HashMap<(App, u32), Vec<u8>>,
}

impl Bench {
    /// A board with `firmware`, sealed for `file`, without supply.
    pub fn new(firmware: Image, file: BoardFile, keys: Vec<SigningKey>) -> Result<Self> {
        let slots = file.slots();
        let rig = Rig::on(parts(), firmware, file)?;
        let config = rig.config();
        let journal = journal_sectors(config);
        let (_, block) = BinaryHeader::find(&rig.sealed).context("no header")?;
        Ok(Self {
            block: FLASH + block as u32,
            rig,
            slots,
            journal,
            images: Vec::new(),
            confirmed: Vec::new(),
            entries: Vec::new(),
            keys,
            every: 1,
            full: false,
            weak: None,
            fails: false,
            mute: false,
            tape: Arc::default(),
            programs: HashMap::new(),
        })
    }

    /// What an update does with the slots.
    pub fn strategy(&self) -> Strategy {
        self.rig.file.strategy
    }

    /// True for an address in the journal.
    pub fn in_journal(&self, address: u32) -> bool {
        self.journal.iter().any(|(base, length)| (*base..base + length).contains(&address))
    }

    /// A number for the board and what it accepts: where it is the same, the same may run.
    pub fn world(&self) -> u64 {
        let images =
            self.images.iter().map(|known| (known.id, known.slot.base, known.recipe.app, known.recipe.good));
        let world = (&self.rig.sealed, images.collect::<Vec<_>>());
        BuildHasherDefault::<DefaultHasher>::default().hash_one(world)
    }

    // ---- the tape ----

    /// Starts the tape anew.
    pub fn record(&mut self) {
        *self.tape() = Tape::default();
        let (tape, slots, every) = (self.tape.clone(), self.slots.clone(), self.every);
        self.rig.board.watch_operations(Some(move |board: &mut Board, started: Started| {
            let in_slot = |address| slots.iter().any(|slot| slot.contains(address, 1));
            if every > 1
                && !board.operations().is_multiple_of(every)
                && matches!(started, Started::Program { address, .. } if in_slot(address))
            {
                return;
            }
            let fork = board.remains();
            tape.lock().unwrap_or_else(std::sync::PoisonError::into_inner).forks.push(fork);
        }));
    }

    /// Stops the tape and hands it over.
    pub fn stop(&mut self) -> Tape {
        self.rig.board.watch_operations(None::<fn(&mut Board, Started)>);
        std::mem::take(&mut self.tape())
    }

    fn tape(&self) -> std::sync::MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes what happens next.
    pub fn note(&self, what: impl Into<String>) {
        let mut tape = self.tape();
        let at = tape.forks.len();
        tape.notes.push((at, what.into()));
    }

    // ---- steps of a run ----

    /// Runs until the board waits on USB or an application runs, at most for `limit`.
    pub fn look(&mut self, limit: Nanos) -> Seen {
        // Right before its first instruction: what an application does costs time here, and it does
        // not matter yet.
        self.rig.board.stop_at(&self.entries);
        let seen = self.look_until(self.rig.board.now() + limit);
        self.rig.board.stop_at(&[]);
        seen
    }

    fn look_until(&mut self, end: Nanos) -> Seen {
        loop {
            let board = &mut self.rig.board;
            let slots = &self.slots;
            let left = end.since(board.now());
            if left == Nanos(0) || !board.is_powered() {
                return Seen::Nothing;
            }
            board.run_until(|b| seen(b, slots) != Seen::Nothing, left.min(Nanos::millis(5)));
            let seen = seen(board, slots);
            if seen != Seen::Nothing {
                return seen;
            }
        }
    }

    /// Supply on; what the board does then.
    pub fn power_on(&mut self) -> Seen {
        self.rig.board.power_on();
        self.look(DECISION)
    }

    /// Supply off and on; what the board does then.
    pub fn power_cycle(&mut self) -> Seen {
        self.rig.board.power_off();
        self.power_on()
    }

    /// A pulse on NRST; what the board does then.
    pub fn reset(&mut self) -> Seen {
        self.rig.board.reset_pin();
        self.look(DECISION)
    }

    /// Supply off and on with the button held, until the board is enumerated.
    pub fn into_update_mode(&mut self) -> Result<()> {
        self.note("the supply goes off and on with the button held");
        self.rig.board.power_off();
        self.rig.board.set_pin(rig::BUTTON, Some(true));
        let seen = self.power_on();
        self.rig.board.set_pin(rig::BUTTON, Some(false));
        ensure!(seen == Seen::UpdateMode, "no update mode with the button held: {seen:?}");
        self.rig.replug()
    }

    /// The host sends an image and leaves. Nothing is checked by the host beforehand.
    pub fn send(&mut self, image: usize) -> Result<Result<Finish, JobError>> {
        let known = &self.images[image];
        self.note(format!("the host sends {}", known.recipe.name));
        let segments = known.segments()?;
        let finish = self.rig.blind_plan(&segments).and_then(|plan| self.rig.update(&plan));
        self.note("the host has left");
        Ok(finish)
    }

    /// Update mode, then a new image that must run.
    pub fn update(&mut self, image: usize) -> Result<()> {
        self.into_update_mode()?;
        self.send_to_run(image)
    }

    /// A new image, which must run.
    pub fn send_to_run(&mut self, image: usize) -> Result<()> {
        let finish = self.send(image)??;
        ensure!(
            matches!(finish, Finish::Application | Finish::Left),
            "{}: {finish:?}",
            self.images[image].recipe.name
        );
        self.look(DECISION);
        ensure!(self.running() == Some(image), "another image runs than was sent");
        Ok(())
    }

    /// The application that runs takes an image, which must run then.
    pub fn update_in_application(&mut self, image: usize) -> Result<()> {
        let Known { recipe, slot, bytes, .. } = self.images[image].clone();
        self.note(format!("the application takes {} over its serial line", recipe.name));
        let resets = self.rig.board.resets();
        let wanted = serial::ask(&mut self.rig);
        ensure!(wanted == Ok(slot.base), "the application wants no such image: {wanted:x?}");
        let taken = serial::upload(&mut self.rig, &bytes);
        ensure!(taken == Ok(()), "the application does not take {}: {taken:x?}", recipe.name);
        self.rig.board.run_until(|board| board.resets() > resets, Nanos::secs(1));
        self.look(DECISION);
        ensure!(self.running() == Some(image), "another image runs than was sent");
        Ok(())
    }

    /// The host erases a slot as far as these bytes go, writes them there and leaves; right before it does, the
    /// flash ages.
    pub fn offer(&mut self, slot: usize, bytes: &[u8], ages: impl FnOnce(&mut Board)) -> Result<()> {
        self.note("the host writes what is there once more");
        let (base, config) = (self.slots[slot].base, self.rig.config().with_open(OWNER_SLOT0 << slot));
        let (mut sectors, mut end, size) = (Vec::new(), base, config.transfer_size().into());
        while end < base + bytes.len() as u32 {
            let sector = config.sector_from(end).context("no sector")?;
            sectors.push(sector.base);
            end = sector.end();
        }
        for sector in sectors {
            self.command(command::ERASE, sector)?;
        }
        self.command(command::SET_ADDRESS, base)?;
        for (number, data) in (2..).zip(bytes.chunks(size)) {
            self.takes(number, data)?;
        }
        ages(&mut self.rig.board);
        self.leave()
    }

    /// The host writes what stands at the start of a slot already and leaves, without an erase.
    pub fn offer_what_is_there(&mut self, slot: usize) -> Result<()> {
        self.note("the host offers what is there");
        let base = self.slots[slot].base;
        let bytes = self.rig.board.read_memory(base, 16).context("flash")?.to_vec();
        self.command(command::SET_ADDRESS, base)?;
        self.takes(2, &bytes)?;
        self.leave()
    }

    fn command(&mut self, command: u8, address: u32) -> Result<()> {
        let mut data = vec![command];
        data.extend(address.to_le_bytes());
        self.takes(0, &data)
    }

    fn takes(&mut self, block: u8, data: &[u8]) -> Result<()> {
        let status = self.rig.download(block, data)?;
        ensure!(status.0 == 0, "block {block} is refused: {status:?}");
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        let second = Duration::from_secs(1);
        self.rig.control_out([request::OUT, request::DNLOAD, 0, 0, 0, 0, 0, 0], &[], second)?;
        let asked = [request::IN, request::GETSTATUS, 0, 0, 0, 0, 6, 0];
        // It may be gone before it answers.
        let _ = self.rig.control_in(asked, &mut [0; 6], second);
        let _ = self.rig.departure(second);
        Ok(())
    }

    /// Lets the application run.
    pub fn run_for(&mut self, time: Nanos) {
        self.rig.board.run_for(time);
    }

    /// The running image confirms itself.
    pub fn confirms(&mut self, image: usize) -> Result<()> {
        self.note(format!("{} runs", self.images[image].recipe.name));
        self.run_for(Nanos::millis(300));
        let record = State::of(&self.rig.board, &self.journal).newest.context("no record")?;
        ensure!(record.confirmed() == self.images[image].id, "the image has not confirmed itself");
        Ok(())
    }

    /// The running image is confirmed as if it had called for it. The smallest program does not hold the
    /// code for that, and the fewer words there are, the more of the cuts can be tried.
    pub fn confirm_from_outside(&mut self, image: usize) -> Result<()> {
        let Known { id, slot, .. } = self.images[image];
        let block = self.rig.file.block();
        let config = Config::parse(&block, FAMILY_F4).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        let mut cells = Cells(&mut self.rig.board);
        let mut journal = Journal::load(config, &cells);
        let confirmed = slot::confirm(&mut journal, &mut cells, slot);
        ensure!(confirmed == Ok(true), "{} is not confirmed: {confirmed:?}", self.images[image].recipe.name);
        ensure!(journal.state.confirmed() == id, "another image is confirmed");
        self.confirmed.push(id);
        Ok(())
    }

    /// Records of starts until the sector of the newest one is full.
    pub fn fill_journal(&mut self) -> Result<()> {
        let block = self.rig.file.block();
        let config = Config::parse(&block, FAMILY_F4).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        let mut cells = Cells(&mut self.rig.board);
        let mut journal = Journal::load(config, &cells);
        while journal.has_room() {
            let more = journal.commit(&mut cells, Event::Boot, 0);
            ensure!(more.is_ok(), "the journal takes no record: {more:?}");
        }
        Ok(())
    }

    /// Brings the board into update mode and asks which slot an update goes to.
    pub fn target_slot(&mut self) -> Result<usize> {
        self.into_update_mode()?;
        let base = self.rig.info()?.slot_base;
        self.slots.iter().position(|slot| slot.base == base).context("an update goes to no slot")
    }

    /// The host changes the option bytes.
    pub fn protect(&mut self, change: Change) -> Result<()> {
        self.note("the host changes the option bytes");
        Session::open(&mut self.rig, false)?.protect(change)?;
        Ok(())
    }

    /// The known image that runs.
    pub fn running(&self) -> Option<usize> {
        let Seen::Application(slot) = seen(&self.rig.board, &self.slots) else { return None };
        self.image_in(slot)
    }

    /// The known image whose bytes stand in a slot.
    pub fn image_in(&self, slot: usize) -> Option<usize> {
        let base = self.slots[slot].base;
        let flash = &self.rig.board.flash()[(base - FLASH) as usize..];
        self.images.iter().position(|known| known.slot.base == base && flash.starts_with(&known.bytes))
    }
}

/// A board like the sweep's, with nothing in it.
pub fn bare_board() -> Board {
    Board::with(parts())
}

/// The parts of a board that starts thousands of times: those of [`Rig::options`] without a memory protection unit.
/// It only ever stops what goes on here without it.
pub fn parts() -> BoardOptions {
    BoardOptions { mpu: false, ..Rig::options() }
}

/// A board's flash for the core, without its interface.
pub struct Cells<'a>(pub &'a mut Board);

impl Memory for Cells<'_> {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.0.read_memory(address, length as usize)
    }
}

impl Flash for Cells<'_> {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        self.program(config, sector.base, &vec![0xFF; sector.size as usize])
    }

    fn program(&mut self, _: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        if self.0.write_flash(address, data) { Ok(()) } else { Err(FlashFault::Operation) }
    }
}

/// First address of the flash.
pub const FLASH: u32 = 0x0800_0000;

/// What a board shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It waits for an update on USB.
    UpdateMode,
    /// An application runs, in the slot of this number.
    Application(usize),
    /// Neither.
    Nothing,
}

fn seen(board: &Board, slots: &[Slot]) -> Seen {
    if board.usb_ref().pulled_up() {
        return Seen::UpdateMode;
    }
    let pc = board.pc();
    slots.iter().position(|slot| slot.contains(pc, 2)).map_or(Seen::Nothing, Seen::Application)
}
