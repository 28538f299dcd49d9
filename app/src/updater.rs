//! An update that the application writes while it runs: into the other slot of strategy `ab`, from
//! whatever link the bytes come over.
//!
//! ```text
//! begin -> write ... write -> finish -> reset -> the bootloader proves the image and tries it
//! ```
//!
//! The running image and its slot are never touched, so whatever is cut, the board starts it again.
//! What is recorded is [`surefoot_core::slot`]'s, as with an update over USB. The signature is the
//! bootloader's to prove: here an image is only held against the board, the slot and its own CRC-32.

use surefoot_core::config::{Config, OWNER_SLOT0, OWNER_SLOT1, Slot, Strategy};
use surefoot_core::journal::Journal;
use surefoot_core::port::{Flash, FlashFault};
use surefoot_core::slot::{self, Erased};

use crate::board::Board;
use crate::error::Error;
use crate::flash::FlashF4;
use crate::home::Home;

/// Bytes that are programmed at once: a whole number of program units on every family.
const UNIT: u32 = 32;

/// An update under way. There is one at a time: while it lives nothing else begins one or confirms.
#[derive(Debug)]
pub struct Updater<'a, F = FlashF4> {
    flash: F,
    journal: Journal<'a>,
    /// With the slot open.
    config: Config<'a>,
    slot: Slot,
    device: [u8; 12],
    /// Where the next byte goes.
    next: u32,
    erased: Erased,
    /// What is not programmed yet of the unit at `next`.
    unit: [u8; UNIT as usize],
    failed: Option<FlashFault>,
}

impl Updater<'static> {
    /// Begins an update of the slot that is not running. The image has to be linked for it:
    /// [`Updater::slot`] says where that is.
    ///
    /// # Errors
    /// [`Error::NoBootloader`], [`Error::Strategy`], [`Error::OnTrial`], [`Error::NotOpen`];
    /// [`Error::Flash`]: the journal could not be written. Nothing was erased then.
    pub fn begin(board: &Board) -> Result<Self, Error> {
        let home = Home::keep(board).ok_or(Error::NoBootloader)?;
        let device = home.device();
        Self::begin_with(home.flash, home.config, home.owner, device)
    }
}

impl<'a, F: Flash> Updater<'a, F> {
    /// [`Updater::begin`] over another flash: `running` is the owner mask of the slot that runs
    /// ([`OWNER_SLOT0`] or [`OWNER_SLOT1`]), `device` the chip's unique id.
    ///
    /// # Errors
    /// As [`Updater::begin`].
    pub fn begin_with(
        mut flash: F,
        config: Config<'a>,
        running: u8,
        device: [u8; 12],
    ) -> Result<Self, Error> {
        if config.strategy() != Strategy::Ab {
            return Err(Error::Strategy);
        }
        let mut journal = Journal::load(config, &flash);
        journal.settle(&mut flash)?;
        let number = |owner| usize::from(owner != OWNER_SLOT0);
        let on_trial = journal.state.on_trial();
        if on_trial && slot::id(&flash, config.slot(number(running))) == journal.state.candidate() {
            return Err(Error::OnTrial);
        }
        let confirmed = journal.state.confirmed();
        let runs_confirmed = confirmed != 0 && slot::id(&flash, config.slot(number(running))) == confirmed;
        // What runs was proved. An image in the other slot with its id is none: an id can be forged.
        let spare = if runs_confirmed { OWNER_SLOT0 | OWNER_SLOT1 } else { slot::spare(&journal, &flash) };
        let open = spare & (OWNER_SLOT0 | OWNER_SLOT1) & !running;
        if open == 0 {
            return Err(Error::NotOpen);
        }
        slot::begin(&mut journal, &mut flash)?;
        let slot = config.slot(number(open));
        Ok(Self {
            flash,
            journal,
            config: config.with_open(open),
            slot,
            device,
            next: slot.base,
            erased: Erased::none(slot),
            unit: [0xFF; UNIT as usize],
            failed: None,
        })
    }

    /// The slot that is written: the image is linked for its base and has at most its length, the
    /// manifest included.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Writes `bytes` at `offset` from the slot's base. Pieces come in ascending order, of any length
    /// and alignment; what is left out stays erased.
    ///
    /// A piece that reaches a new sector waits for its erase, in which a chip with one flash bank
    /// stands still: 0.25 s for 16K, 1 s for 128K, at most 2 s, or 4 s where the supply is too low for
    /// words (DS8626, "Flash memory programming"). Feed the watchdog between pieces: it wants that
    /// every 20 s.
    ///
    /// # Errors
    /// [`Error::Order`] and [`Error::TooLong`]: nothing was done, go on with another piece.
    /// [`Error::Flash`]: the update is over.
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if offset > self.slot.length || length > self.slot.length - offset {
            return Err(Error::TooLong);
        }
        if self.slot.base + offset < self.next {
            return Err(Error::Order);
        }
        self.fill(self.slot.base + offset)?;
        bytes.iter().try_for_each(|byte| self.push(*byte))
    }

    /// Ends the update: the image is held against the board and its own CRC-32, and becomes the
    /// candidate. It is on trial from the next reset on, which is the caller's to make.
    ///
    /// Reads all of the image: about 2 s for 400K at 16 MHz.
    ///
    /// # Errors
    /// [`Error::Image`]: the bootloader would refuse it, so it is refused here already, and the running
    /// image stays; so is what stood there before and was not written by this update. [`Error::Flash`]:
    /// the end of the image could not be written.
    pub fn finish(mut self) -> Result<(), Error> {
        self.fill(self.next.next_multiple_of(UNIT))?;
        let Self { mut journal, mut flash, slot, erased, device, .. } = self;
        slot::propose(&mut journal, &mut flash, slot, erased, &device).map_err(Error::Image)
    }

    /// Gives the update up, as dropping it does: the slot then holds no image that anybody starts.
    pub fn abort(self) {}

    /// Leaves what is before `end` erased. After a fault of the flash there is nothing more to do.
    fn fill(&mut self, end: u32) -> Result<(), Error> {
        if let Some(fault) = self.failed {
            return Err(Error::Flash(fault));
        }
        while self.next < end {
            self.push(0xFF)?;
        }
        Ok(())
    }

    fn push(&mut self, byte: u8) -> Result<(), Error> {
        self.unit[(self.next % UNIT) as usize] = byte;
        self.next += 1;
        if self.next.is_multiple_of(UNIT)
            && let Err(fault) = self.program()
        {
            self.failed = Some(fault);
            slot::failed(&mut self.journal, &mut self.flash, fault);
            return Err(Error::Flash(fault));
        }
        Ok(())
    }

    /// Programs the unit that has just become full, after the erase of its sector.
    fn program(&mut self) -> Result<(), FlashFault> {
        let at = self.next - UNIT;
        if at >= self.erased.end() {
            let sector = self.config.sector_from(at).ok_or(FlashFault::WriteProtected)?;
            self.flash.erase(self.config, &sector)?;
            self.erased.add(&sector);
        }
        self.flash.program(self.config, at, &self.unit)
    }
}
