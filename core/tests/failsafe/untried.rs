//! Boards that count no trial boots: an image that is good runs, confirmed or not, without a watchdog.

use super::board::cause;
use super::family::{FAMILIES, Family};
use super::flash::Flash;
use super::image::{DEVICE, Image, StandIn, recipe};
use surefoot_core::config::{Config, Policy, Sector, Slot, Strategy};
use surefoot_core::image::verify::{Demand, Kept, verify};
use surefoot_core::image::{ImageFault, SoftCrc32, VerifiedImage};
use surefoot_core::journal::{Journal, Record};
use surefoot_core::port::{Flash as Port, FlashFault, Memory};
use surefoot_core::slot::{self, Machine};

static FAMILY: &Family = &FAMILIES[0];

/// A board that notes whether a watchdog was started.
struct Plain {
    flash: Flash,
    watched: bool,
    kept: Kept,
}

impl Memory for Plain {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.flash.bytes(address, length)
    }
}

impl Port for Plain {
    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        self.flash.erase(config, sector)
    }
    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        self.flash.program(config, address, data)
    }
}

impl Machine for Plain {
    fn prove(&mut self, config: Config, slot: Slot, state: &Record) -> Result<VerifiedImage, ImageFault> {
        let demand = Demand { floor: state.floor(), device: &DEVICE, ..Demand::new(config, slot) };
        verify(demand, &self.flash, &mut SoftCrc32::default(), &mut StandIn, &mut self.kept)
    }
    fn watch(&mut self) {
        self.watched = true;
    }
}

/// Ten starts of a board with an image in slot 0: the number of its flash operations.
fn starts(config: Config) -> usize {
    let mut board = Plain {
        flash: Flash::new(FAMILY.size(), FAMILY.unit, FAMILY.cells),
        watched: false,
        kept: Kept::new(),
    };
    let image = Image::build(FAMILY, recipe("old"), 0, config.policy());
    board.flash.put(image.base, &image.bytes);
    for start in 0..10 {
        let mut journal = Journal::load(config, &board.flash);
        let started = slot::boot(&mut journal, &mut board, cause::SOFTWARE);
        assert_eq!(started.map(|_| board.kept.base), Ok(image.base), "start {start}");
    }
    assert!(!board.watched, "a watchdog runs");
    board.flash.done.len()
}

#[test]
fn a_board_without_a_journal_starts_its_image_and_writes_nothing() {
    assert_eq!(starts(FAMILY.without_journal()), 0);
}

#[test]
fn a_board_without_trial_boots_starts_its_image_and_records_it_once() {
    // An erase, and three records of eight words, as with the first state since a reset.
    for strategy in [Strategy::Single, Strategy::Ab] {
        assert_eq!(starts(FAMILY.config(strategy, Policy::Crc, 0)), 1 + 3 * 8);
    }
}
