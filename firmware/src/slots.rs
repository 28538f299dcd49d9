//! The slots of this board: what starts, what the host may write, and what became of an update.
//!
//! The decisions are [`surefoot_core::slot`]'s; here they meet the flash driver, the verifier and the
//! watchdog. Without the feature `failsafe` there is one slot and no state.

use crate::family::f4::{boot, clock, crc, flash, mem, memory, watchdog};
#[cfg(feature = "failsafe")]
use crate::family::f4::{chip, second};
#[cfg(feature = "signature")]
use crate::family::f4::{crypto, sha256};
use surefoot_core::config::{Config, Policy, Sector, Slot};
use surefoot_core::image::verify::Kept;
use surefoot_core::image::{Demand, ImageFault, VerifiedImage, verify};
use surefoot_core::port::FlashFault;
#[cfg(feature = "failsafe")]
use surefoot_core::{
    image::manifest,
    journal::{Journal, Record},
    port::{Flash, Memory},
    slot::{self, Erased, Machine},
};

/// No static is above this address and no stack below: in the middle of the 16K.
const STACK: usize = 0x2000_2000;

/// What the last proof has read, for the second look.
pub static mut KEPT: Kept = Kept::new();

/// Nothing is proved any more: the flash is about to change.
pub fn forget() {
    // SAFETY: one thread, and nothing refers to it now.
    unsafe { (&raw mut KEPT.base).write_volatile(0) };
}

/// Where the image begins that was proved.
pub fn proved() -> u32 {
    // SAFETY: one thread, and nothing refers to it now.
    unsafe { (&raw const KEPT.base).read_volatile() }
}

/// Proves the image in `slot`, at full speed where there is something to compute.
#[cfg_attr(feature = "failsafe", inline(never))]
fn prove(
    config: Config,
    slot: Slot,
    #[cfg(feature = "failsafe")] state: &Record,
) -> Result<VerifiedImage, ImageFault> {
    watchdog::feed();
    // SAFETY: one thread, and nobody hashes now.
    #[cfg(feature = "signature")]
    unsafe {
        // Where a core skips what computes the hash, it is not an earlier one's that the second look finds.
        (&raw mut (*sha256::work()).state.walked).write_volatile(0);
    }
    let demand = Demand {
        #[cfg(feature = "failsafe")]
        floor: state.floor(),
        #[cfg(feature = "failsafe")]
        revoked: state.revoked(),
        #[cfg(feature = "failsafe")]
        device: chip::unique_id(),
        ..Demand::new(config, slot)
    };
    #[cfg(feature = "signature")]
    let mut crypto = crypto::Software;
    #[cfg(not(feature = "signature"))]
    let mut crypto = surefoot_core::image::verify::NoCrypto;
    // A stranger's bytes are copied there. Were the load of the address skipped, they would go to where its register
    // happens to point, and over return addresses if that is on the stack.
    let kept = mem::apart(&raw const KEPT);
    if kept.addr() >= STACK {
        boot::reset();
    }
    // SAFETY: one thread, and nothing refers to it now.
    let kept = unsafe { &mut *kept.cast_mut() };
    verify(demand, &memory::Flash, &mut crc::Unit, &mut crypto, kept)
}

/// The clock that proving wants: there is nothing to compute under the policy `none`.
fn full_speed(config: Config) {
    if config.policy() != Policy::None {
        clock::start(Some(config));
    }
}

/// The slots and their state.
#[cfg(feature = "failsafe")]
pub struct Slots {
    /// With what the host may write open.
    pub config: Config<'static>,
    journal: Journal<'static>,
    cause: u8,
    /// An update has begun, and nobody has looked at its image yet.
    begun: bool,
    erased: Erased,
    /// How often no image was found to start since the last update began.
    failures: u8,
}

/// So often a board without an image to start tries by itself again: a copy back from a backup slot that
/// never helps does not go on until the flash is worn out.
#[cfg(feature = "failsafe")]
const MOST_FAILURES: u8 = 4;

#[cfg(feature = "failsafe")]
impl Slots {
    /// Reads the state. `cause` is the reset cause; its flags are cleared where they count for trials,
    /// so that the next reset shows its own.
    pub fn load(config: Config<'static>, cause: u8) -> Self {
        full_speed(config);
        let (journal, erased) = (Journal::load(config, &memory::Flash), Erased::none(config.first_slot()));
        Self { config, journal, cause, begun: false, erased, failures: 0 }
    }

    /// Goes on only with the state that the second search finds, too, and where it is used from now on: a copy that
    /// was skipped leaves the one of an earlier start. A record that a cut left half written may read well once;
    /// the next time both are of one mind.
    #[inline(always)]
    pub fn check(&self) {
        if !second::is_newest(&self.journal.state) {
            boot::reset();
        }
        if self.config.has_journal() {
            chip::forget_reset_cause();
        }
    }

    /// The image to start.
    pub fn boot(&mut self) -> Result<VerifiedImage, ImageFault> {
        slot::boot(&mut self.journal, &mut Board, self.cause)
    }

    /// Opens to the host what it may write, for a session: nothing after a fault.
    pub fn open(&mut self) -> Result<(), FlashFault> {
        let open = slot::open(&mut self.journal, &mut Board);
        self.config = self.config.with_open(open.unwrap_or(0));
        self.erased = Erased::none(self.config.target_slot());
        open.map(drop)
    }

    /// What is wrong with the image in the slot that is open, as a number; 0: nothing.
    pub fn fault(&self) -> u8 {
        prove(self.config, self.config.target_slot(), &self.journal.state)
            .err()
            .map_or(0, |fault| fault as u8)
    }

    /// The host has left or fell silent: what it wrote becomes the candidate, and the image to start is
    /// chosen anew.
    pub fn end(&mut self) -> Result<VerifiedImage, ImageFault> {
        if core::mem::take(&mut self.begun) {
            slot::install(&mut self.journal, &mut Board, self.config.target_slot(), self.erased)?;
        }
        if self.failures >= MOST_FAILURES {
            return Err(ImageFault::Rejected);
        }
        let image = self.boot();
        self.failures += u8::from(image.is_err());
        image
    }

    /// Erases a sector of the open slot.
    pub fn erase(&mut self, sector: &Sector) -> Result<(), FlashFault> {
        self.begin(sector.base, sector.size)?;
        let result = flash::erase(self.config, sector);
        if result.is_ok() {
            self.erased.add(sector);
        }
        self.note(result)
    }

    /// Programs a block of the open slot.
    pub fn program(&mut self, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        self.begin(address, data.len() as u32)?;
        let result = flash::program(self.config, address, data);
        self.note(result)
    }

    /// The slot's bounds are looked at besides what is open in the flash map: what asks that is one function, for the
    /// engine and for the driver, and a core may skip one of its instructions each time.
    fn begin(&mut self, address: u32, length: u32) -> Result<(), FlashFault> {
        let slot = self.config.target_slot();
        if address.wrapping_sub(slot.base) > slot.length.saturating_sub(length) {
            return Err(FlashFault::WriteProtected);
        }
        if !self.begun {
            slot::begin(&mut self.journal, &mut Board)?;
            (self.begun, self.failures) = (true, 0);
        }
        Ok(())
    }

    fn note(&mut self, result: Result<(), FlashFault>) -> Result<(), FlashFault> {
        if let Err(fault) = result {
            slot::failed(&mut self.journal, &mut Board, fault);
        }
        result
    }
}

/// The board as the core's slots know it.
#[cfg(feature = "failsafe")]
struct Board;

#[cfg(feature = "failsafe")]
impl Memory for Board {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        memory::Flash::read(address, length)
    }

    fn copied<T>(&self, bytes: &[u8; manifest::LEN], see: impl FnOnce(&[u8; manifest::LEN]) -> T) -> T {
        memory::Flash.copied(bytes, see)
    }
}

#[cfg(feature = "failsafe")]
impl Flash for Board {
    fn takes_back(&self, record: &[u8]) -> bool {
        second::is_lower(record)
    }

    fn erase(&mut self, config: Config, sector: &Sector) -> Result<(), FlashFault> {
        watchdog::feed();
        flash::erase(config, sector)
    }

    fn program(&mut self, config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        flash::program(config, address, data)
    }
}

#[cfg(feature = "failsafe")]
impl Machine for Board {
    fn prove(&mut self, config: Config, slot: Slot, state: &Record) -> Result<VerifiedImage, ImageFault> {
        prove(config, slot, state)
    }

    fn watch(&mut self) {
        watchdog::init(true);
    }
}

/// One slot without state.
#[cfg(not(feature = "failsafe"))]
pub struct Slots {
    pub config: Config<'static>,
}

#[cfg(not(feature = "failsafe"))]
impl Slots {
    pub fn load(config: Config<'static>, _: u8) -> Self {
        Self { config }
    }

    pub fn check(&self) {}

    #[inline(never)]
    pub fn boot(&self) -> Result<VerifiedImage, ImageFault> {
        full_speed(self.config);
        prove(self.config, self.config.first_slot())
    }

    pub fn open(&mut self) -> Result<(), FlashFault> {
        Ok(())
    }

    pub fn fault(&self) -> u8 {
        self.boot().err().map_or(0, |fault| fault as u8)
    }

    pub fn end(&mut self) -> Result<VerifiedImage, ImageFault> {
        self.boot()
    }

    pub fn erase(&mut self, sector: &Sector) -> Result<(), FlashFault> {
        flash::erase(self.config, sector)
    }

    pub fn program(&mut self, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        flash::program(self.config, address, data)
    }
}
