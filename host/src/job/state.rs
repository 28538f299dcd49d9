//! What is in a board's slots, and what its journal says of them.
//!
//! The bootloader has no room to tell this, so the host reads it: the sealed block names slots and
//! journal, an image's reserved vectors its manifest, and `surefoot_core::journal` reads the records as
//! the board does. Nothing here is proof that an image runs; that is the board's to give.

use super::Target;
use crate::files::Segments;
use surefoot_core::config::{Config, OWNER_JOURNAL, Sector, Slot, Strategy};
use surefoot_core::image::manifest::{self, LEN, Manifest, Override, VECTOR_OFFSET, View};
use surefoot_core::journal::{self, Event, Journal, RECORD_LEN, Record};
use surefoot_core::port::Memory;

/// No STM32 has a larger one.
const LARGEST_SECTOR: u32 = 256 << 10;

/// Reads memory of the board.
pub(super) type Upload<'u, E> = &'u mut dyn FnMut(u32, usize) -> Result<Vec<u8>, E>;

/// Slots and journal of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What an update does with the slots.
    pub strategy: Strategy,
    /// Boots in which a new image has to confirm itself; 0: it need not.
    pub trial_boots: u8,
    /// The slots, in the block's order.
    pub slots: Vec<SlotState>,
    /// The board's keys by their numbers: id, and whether the sealed block itself revokes it.
    pub keys: Vec<([u8; 4], bool)>,
    /// On boards that have one.
    pub journal: Option<History>,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// Where it is.
    pub slot: Slot,
    /// An update goes here.
    pub open: bool,
    /// What is in it.
    pub content: Content,
    /// What the journal says of it.
    pub role: Role,
}

/// What a slot holds, by its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: its vector table is erased.
    Erased,
    /// An image without a readable manifest, or something else.
    Unknown,
    /// An image with a manifest whose own checksum is right.
    Image {
        /// The manifest.
        manifest: Manifest,
        /// Names the image.
        id: u32,
        /// Number of the board's key that it names, if the board has it.
        key: Option<usize>,
    },
}

/// What the journal says of a slot's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing: there is no journal.
    Unrecorded,
    /// It runs, and the board comes back to it.
    Confirmed,
    /// It is started until it has confirmed itself, or failed to.
    Trial {
        /// What its boots were charged so far, in eighths of a boot: a boot after a loss of the supply
        /// counts for one.
        eighths: u8,
    },
    /// It was tried and is not started any more.
    Rejected,
    /// The backup slot's copy of the confirmed image.
    Copy,
    /// Nothing of the kind.
    Spare,
}

/// The journal as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The newest state: what the board goes by.
    pub state: Record,
    /// Each state once, newest first.
    pub log: Vec<Record>,
}

impl State {
    /// Reads it; `None` without a sealed block.
    pub(super) fn read<E>(target: &Target, upload: Upload<E>) -> Result<Option<Self>, E> {
        let Some(config) = target.config().filter(|config| is_sound(target, *config)) else {
            return Ok(None);
        };
        Self::of(config, target.slot(), upload).map(Some)
    }

    /// What a virtual board's flash holds, by the block in its bootloader.
    #[cfg(feature = "sim")]
    pub(crate) fn in_flash(base: u32, flash: &[u8]) -> Option<Self> {
        let (header, block) = super::sealed_in(flash.get(..super::HEAD)?)?;
        let config = Config::parse(&block, header.family).ok()?;
        let read = |address: u32, length: usize| -> Result<Vec<u8>, ()> {
            let start = address.checked_sub(base).ok_or(())? as usize;
            flash.get(start..start.checked_add(length).ok_or(())?).map(<[u8]>::to_vec).ok_or(())
        };
        Self::of(config, None, &mut { read }).ok()
    }

    fn of<E>(config: Config, open: Option<Slot>, upload: Upload<E>) -> Result<Self, E> {
        let journal = match config.has_journal() {
            true => Some(History::read(config, upload)?),
            false => None,
        };
        let mut slots = Vec::new();
        for (number, slot) in config.slots().enumerate() {
            let content = Content::read(config, slot, upload)?;
            let role = journal.as_ref().map_or(Role::Unrecorded, |journal| {
                let backup = config.strategy() == Strategy::Backup && number == 1;
                role(&journal.state, content.id(), backup)
            });
            slots.push(SlotState { slot, open: open == Some(slot), content, role });
        }
        let keys = config.keys().map(|(key, revoked)| (crate::image::keys::id(key), revoked)).collect();
        Ok(Self { strategy: config.strategy(), trial_boots: config.trial_boots(), slots, keys, journal })
    }

    /// A slot's name: A and B where both run, and what it is for elsewhere.
    pub fn name(&self, number: usize) -> &'static str {
        slot_name(self.strategy, number)
    }

    /// The keys that the board does not accept any more, by number and id.
    pub fn revoked_keys(&self) -> Vec<(usize, [u8; 4])> {
        let recorded = self.journal.as_ref().map_or(0, |journal| journal.state.revoked());
        let all = self.keys.iter().enumerate();
        let revoked = all.filter(|(number, (_, sealed))| *sealed || recorded >> number & 1 == 1);
        revoked.map(|(number, (id, _))| (number, *id)).collect()
    }

    /// The manifest of the image with this id, as long as a slot holds it.
    pub fn image(&self, id: u32) -> Option<&Manifest> {
        let slot = self.slots.iter().filter(|_| id != 0).find(|slot| slot.content.id() == id)?;
        slot.manifest()
    }

    /// The slot around this address.
    pub fn slot_at(&self, address: u32) -> Option<(usize, &SlotState)> {
        self.slots.iter().enumerate().find(|(_, slot)| slot.slot.contains(address, 1))
    }

    /// The slot that would be started now, if an image in it is what the journal says.
    pub fn next(&self) -> Option<&SlotState> {
        let on_trial = |s: &&SlotState| matches!(s.role, Role::Trial { .. });
        let confirmed = |s: &&SlotState| s.role == Role::Confirmed;
        self.slots.iter().find(on_trial).or_else(|| self.slots.iter().find(confirmed))
    }

    /// The slot that keeps the confirmed image while an update is written and on trial. One slot alone
    /// keeps none.
    pub fn kept(&self) -> Option<&SlotState> {
        let kept = |s: &&SlotState| match self.strategy {
            Strategy::Single => false,
            Strategy::Backup => s.role == Role::Copy,
            Strategy::Ab => s.role == Role::Confirmed && !s.open,
        };
        self.slots.iter().find(kept)
    }

    /// The board is in update mode with a copy to the backup slot that was begun and not done: it opens
    /// nothing then.
    pub fn lacks_backup(&self) -> bool {
        let begun = |record: &Record| (record.event(), record.detail()) == (Event::BackedUp as u8, 1);
        self.journal.as_ref().is_some_and(|journal| begun(&journal.state))
    }

    /// The last update was cut short: what it wrote may read well now and badly later.
    pub fn was_cut(&self) -> bool {
        let event = self.journal.as_ref().and_then(|j| Event::from_number(j.state.event()));
        matches!(event, Some(Event::UpdateBegun | Event::UpdateFault))
    }
}

/// What `surefoot_core::config::encode` sees to; a block from a device may say anything.
fn is_sound(target: &Target, config: Config) -> bool {
    let sector_fits = |sector: &Sector| {
        let told = target.sector(sector.base).is_some_and(|s| (s.base, s.size) == (sector.base, sector.size));
        told && sector.size.is_multiple_of(RECORD_LEN) && sector.size <= LARGEST_SECTOR
    };
    let first = config.with_open(OWNER_JOURNAL).sector_from(0);
    let second = first.and_then(|sector| config.with_open(OWNER_JOURNAL).sector_from(sector.end()));
    let more = second.and_then(|sector| config.with_open(OWNER_JOURNAL).sector_from(sector.end()));
    let slot_fits = |slot: Slot| {
        let last = slot.base.checked_add(slot.length).and_then(|end| end.checked_sub(1));
        slot.length as usize > LEN + VECTOR_OFFSET
            && last.is_some_and(|last| target.sector(slot.base).is_some() && target.sector(last).is_some())
    };
    let journal_fits = match (first, second, more) {
        (None, ..) => true,
        (Some(a), Some(b), None) => sector_fits(&a) && sector_fits(&b),
        _ => false,
    };
    journal_fits && config.slots().all(slot_fits)
}

/// See [`State::name`].
pub fn slot_name(strategy: Strategy, number: usize) -> &'static str {
    match (strategy, number) {
        (Strategy::Ab, 0) => "slot A",
        (Strategy::Ab, _) => "slot B",
        (Strategy::Backup, 1) => "backup slot",
        _ => "slot",
    }
}

impl SlotState {
    /// The image's manifest.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.content {
            Content::Image { manifest, .. } => Some(manifest),
            _ => None,
        }
    }
}

impl Content {
    fn read<E>(config: Config, slot: Slot, upload: Upload<E>) -> Result<Self, E> {
        let head = upload(slot.base, VECTOR_OFFSET + 12)?;
        if head[..8].iter().all(|b| *b == 0xFF) {
            return Ok(Self::Erased);
        }
        let place = manifest::offset(&head).filter(|o| *o <= slot.length.saturating_sub(LEN as u32));
        let Some(offset) = place else { return Ok(Self::Unknown) };
        let bytes = upload(slot.base + offset, LEN)?;
        Ok(match (View::check(&bytes), Manifest::decode(&bytes)) {
            (Ok(view), Ok(manifest)) if manifest.image_length == offset => {
                let key = key_number(config, manifest.key_id);
                Self::Image { id: view.id(), key: key.filter(|_| is_signed(&manifest)), manifest }
            }
            _ => Self::Unknown,
        })
    }

    /// Names the image; 0 without one, as the board has it.
    pub fn id(&self) -> u32 {
        match self {
            Self::Image { id, .. } => *id,
            _ => 0,
        }
    }
}

/// True when it carries a signature.
pub fn is_signed(manifest: &Manifest) -> bool {
    manifest.algorithm == manifest::Algorithm::Ed25519
}

/// Number of the board's key with this id.
fn key_number(config: Config, id: [u8; 4]) -> Option<usize> {
    config.keys().position(|(key, _)| crate::image::keys::id(key) == id)
}

fn role(state: &Record, id: u32, backup: bool) -> Role {
    match id {
        0 => Role::Spare,
        // The copy is never started where it stands.
        id if backup => {
            if id == state.confirmed() && id == state.backup() {
                Role::Copy
            } else {
                Role::Spare
            }
        }
        id if id == state.candidate() && state.given_up() => Role::Rejected,
        id if id == state.candidate() => Role::Trial { eighths: state.tries() },
        id if id == state.confirmed() => Role::Confirmed,
        _ => Role::Spare,
    }
}

impl History {
    /// Of a dump of the flash; nothing where it does not hold all of the journal.
    pub fn in_dump(config: Config, dump: &Segments) -> Option<Self> {
        let mut sectors = 0;
        let mut upload = |base: u32, length: usize| {
            // A block from a file may say anything; a journal has two sectors, which records fill.
            sectors += 1;
            if sectors > 2 || !length.is_multiple_of(RECORD_LEN as usize) {
                return Err(());
            }
            let held = dump.iter().find_map(|s| {
                let start = base.checked_sub(s.address)? as usize;
                s.bytes.get(start..start.checked_add(length)?)
            });
            held.map(<[u8]>::to_vec).ok_or(())
        };
        Self::read(config, &mut upload).ok().filter(|_| config.has_journal())
    }

    fn read<E>(config: Config, upload: Upload<E>) -> Result<Self, E> {
        let config = config.with_open(OWNER_JOURNAL);
        let mut sectors = Vec::new();
        let mut end = 0;
        while let Some(sector) = config.sector_from(end) {
            sectors.push((sector.base, upload(sector.base, sector.size as usize)?));
            end = sector.end();
        }
        let sectors = Sectors(sectors);
        let mut log: Vec<Record> = sectors.0.iter().flat_map(|(_, bytes)| journal::history(bytes)).collect();
        log.sort_by_key(|record| std::cmp::Reverse(record.sequence()));
        // A state's records have an odd number, the first state's since a start twice, and the even one behind it.
        log.dedup_by_key(|record| record.sequence().div_ceil(2));
        // What happened stays where it happened, not where its state was written again.
        log.reverse();
        log.dedup_by(|newer, older| is_repeated(older, newer));
        log.reverse();
        Ok(Self { state: Journal::load(config, &sectors).state, log })
    }

    /// The numbers of the board's keys that a confirmed image has revoked.
    pub fn revoked(&self) -> Vec<usize> {
        (0..8).filter(|key| self.state.revoked() >> key & 1 == 1).collect()
    }
}

/// `newer`, the state after `older`, tells nothing new: a start writes a state again before a copy back, and one
/// whose second record is missing.
fn is_repeated(older: &Record, newer: &Record) -> bool {
    use Event::{Confirmed, Installed, Rejected, Trial};
    // These cannot happen twice to one image in one state, the others can.
    let once = matches!(Event::from_number(newer.event()), Some(Trial | Rejected | Confirmed | Installed));
    let is_cut = !older.sequence().is_multiple_of(2);
    let said = |r: &Record| {
        (r.event(), r.detail(), r.floor(), r.confirmed(), r.candidate(), r.tries(), r.revoked(), r.backup())
    };
    (once || is_cut) && said(older) == said(newer)
}

/// The journal's sectors, for the code that the board itself reads them with.
struct Sectors(Vec<(u32, Vec<u8>)>);

impl Memory for Sectors {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        self.0.iter().find_map(|(base, bytes)| {
            let start = address.checked_sub(*base)? as usize;
            bytes.get(start..start.checked_add(length as usize)?)
        })
    }
}

/// What can be known of the chip's unique id: the bootloader makes its serial number from it, so an id
/// that makes another one is another chip's.
pub fn may_be_chip(id: &[u8; 12], serial: &str) -> bool {
    serial_number(id) == serial
}

/// As the bootloader (and ST's) makes it: the last word with bytes 0 and 2 of the first added, then the
/// upper half of the middle one, in hexadecimal.
fn serial_number(id: &[u8; 12]) -> String {
    let word = |at: usize| u32::from_le_bytes([id[at], id[at + 1], id[at + 2], id[at + 3]]);
    const EVEN: u32 = 0x00FF_00FF;
    let folded = (word(8) & EVEN).wrapping_add(word(0) & EVEN) & EVEN | word(8) & !EVEN;
    format!("{folded:08X}{:04X}", word(4) >> 16)
}

/// True when the manifest's override may be for this board: it is for any, or for a chip with this
/// serial number.
pub fn override_fits(manifest: &Manifest, serial: &str) -> bool {
    match &manifest.overrides {
        Override::None => false,
        Override::Image => true,
        Override::Device(id) => may_be_chip(id, serial),
    }
}
