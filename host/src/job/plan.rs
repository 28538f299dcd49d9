//! The plan of an update: everything is decided and checked here, before the first erase.
//!
//! In order: the device itself, chip and board, the image against the slot and the board's policy,
//! floor and revoked keys of the journal where it was read, then each byte against the memory map. No
//! sector is passed over because it reads as it should: after an update that was cut short, bits may
//! read well now and badly later, so everything is erased and written anew. The result says which sectors are erased and which bytes
//! are written; carrying it out decides nothing any more.

use super::state::{State, override_fits};
use super::{JobError, Kind, Refusal, SectorInfo, Target};
use crate::files::{Segment, Segments};
use crate::image::{self, ImageError, Map, Refused, Sector, linked_for};
use crate::texts;
use surefoot_core::config::{Config, FAMILY_F4, Policy, Slot};
use surefoot_core::image::manifest;
use surefoot_core::image::manifest::Override;
use surefoot_core::image::{Demand, ImageFault};
use surefoot_core::info::Info;

/// Which sectors are erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Erase {
    /// Those that the image touches; all of the slot where a remainder could be taken for the
    /// image's end (policy `crc` without a manifest).
    #[default]
    Needed,
    /// All of the slot, or all that the memory string allows.
    All,
}

/// What the user wants otherwise than by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which sectors are erased.
    pub erase: Erase,
    /// Transfer an image although the board would refuse it.
    pub unchecked: bool,
    /// Take an image with whole erased sectors inside it; they are part of it, and erased.
    pub fill_gaps: bool,
}

/// What will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The sectors to erase, ascending.
    pub erase: Vec<SectorInfo>,
    /// What to write, ascending.
    pub write: Vec<Segment>,
    /// Where the application starts; leaving jumps there.
    pub start: u32,
    /// What could not be checked, and why.
    pub unproved: Vec<String>,
}

impl Plan {
    /// Bytes to write.
    pub fn bytes(&self) -> u64 {
        self.write.iter().map(|s| s.bytes.len() as u64).sum()
    }

    /// Bytes to erase.
    pub fn erased_bytes(&self) -> u64 {
        self.erase.iter().map(|s| u64::from(s.size)).sum()
    }
}

/// Plans to write `segments`. The image is proved by the block that the device's bootloader holds;
/// where that cannot be read by `config`, the board file's; and without either by what the device
/// tells of itself. A board file that is not this board's is refused in any case.
///
/// # Errors
/// [`JobError`], with the reason; nothing was changed.
pub fn plan(
    target: &Target,
    config: Option<Config>,
    segments: &Segments,
    options: Options,
) -> Result<Plan, JobError> {
    let mut unproved = Vec::new();
    let slot = match &target.device.kind {
        Kind::Surefoot(info) => {
            usable(info)?;
            if let Some(config) = config {
                same_board(info, config)?;
            }
            is_open(target, info)?;
            target.slot()
        }
        Kind::Rom => config.and_then(|c| c.slots().find(|s| s.contains(segments.start(), 1))),
    };
    // Over ST's ROM bootloader anything may be written, our own bootloader too.
    let image_slot = slot.filter(|s| target.info().is_some() || s.contains(segments.start(), 1));
    if let Some(slot) = image_slot {
        fits(target, config, segments, slot)?;
        match image::nothing_behind_manifest(segments) {
            Err(error) if !options.unchecked => return Err(JobError::Image(error)),
            Err(error) => unproved.push(error.to_string()),
            Ok(()) => {}
        }
        match without_holes(target, config, segments, slot) {
            Err(error) if !options.fill_gaps && !options.unchecked => return Err(JobError::Image(error)),
            Err(error) => unproved.push(error.to_string()),
            Ok(()) => {}
        }
        let sealed = target.config().filter(|c| c.slots().any(|s| s == slot));
        let proof = match (sealed.or(config), target.info()) {
            (Some(config), _) => prove(target, config, slot, segments, &mut unproved),
            (None, Some(info)) => prove_by_info(info, slot, segments, &mut unproved),
            (None, None) => Ok(()),
        };
        match proof {
            Err(refused) if !options.unchecked => return Err(refused.into()),
            Err(refused) => unproved.push(refused.to_string()),
            Ok(()) => {}
        }
    } else if !options.unchecked {
        vectors_point_into(segments)?;
    }
    writable(target, segments)?;
    let all = options.erase == Erase::All || needs_clean_slot(target, config, segments);
    let erase = sectors_to_erase(target, segments, slot, all);
    let start = slot.map_or(segments.start(), |s| s.base);
    Ok(Plan { erase, write: segments.iter().map(padded).collect(), start, unproved })
}

/// Whole words: what stands behind a segment's last byte in the same word is erased flash.
fn padded(segment: &Segment) -> Segment {
    let mut segment = segment.clone();
    segment.bytes.resize(segment.bytes.len().next_multiple_of(4), 0xFF);
    segment
}

/// A bootloader with a broken configuration takes nothing.
fn usable(info: &Info) -> Result<(), JobError> {
    match texts::config_fault_by_number(info.config_fault) {
        None if info.config_fault == 0 => Ok(()),
        fault => Err(Refusal::Configuration { fault, number: info.config_fault }.into()),
    }
}

/// A board that could not copy its image away before an update takes none.
fn is_open(target: &Target, info: &Info) -> Result<(), JobError> {
    // A fault since then, and an image that has to be kept: otherwise the board opens its slot after all.
    if info.last_fault != 0 && target.state.as_ref().is_some_and(State::lacks_backup) {
        return Err(Refusal::NoBackup { fault: texts::flash_fault_by_number(info.last_fault) }.into());
    }
    Ok(())
}

/// The board file must be this board's.
fn same_board(info: &Info, config: Config) -> Result<(), JobError> {
    if info.device_id != 0 && info.device_id != config.device_id() {
        return Err(Refusal::Chip { device: info.device_id, file: config.device_id() }.into());
    }
    if info.board_id != config.board_id() {
        return Err(Refusal::Board { device: info.board_id, file: config.board_id() }.into());
    }
    if info.policy != config.policy() as u8 {
        return Err(Refusal::Policy { device: info.policy, file: config.policy() }.into());
    }
    let sealed = Slot { base: info.slot_base, length: info.slot_length };
    match config.slots().find(|s| *s == sealed) {
        Some(_) => Ok(()),
        None => {
            let file = config.slots().next().unwrap_or_default();
            Err(Refusal::Layout { device: sealed, file }.into())
        }
    }
}

/// All of the image lies in the slot and begins there.
fn fits(target: &Target, config: Option<Config>, segments: &Segments, slot: Slot) -> Result<(), JobError> {
    let family = target.info().map_or(FAMILY_F4, |info| info.family);
    let map = target.config().or(config).map_or(Map::default(), |config| Map::of_config(config, family));
    image::flat_on(&map, segments, slot).map(|_| ()).map_err(JobError::Image)
}

/// No whole sector of the slot lies erased between two parts of the image.
fn without_holes(
    target: &Target,
    config: Option<Config>,
    segments: &Segments,
    slot: Slot,
) -> Result<(), ImageError> {
    let sectors = target.device.sectors.iter().enumerate().filter(|(_, s)| slot.contains(s.base, s.size));
    let sectors = sectors.map(|(number, s)| Sector { number, base: s.base, size: s.size });
    let lone_word = needs_clean_slot(target, config, segments);
    image::hole(segments, slot, lone_word, sectors).map_or(Ok(()), |hole| Err(ImageError::Hole(hole)))
}

fn prove(
    target: &Target,
    config: Config,
    slot: Slot,
    segments: &Segments,
    unproved: &mut Vec<String>,
) -> Result<(), Refused> {
    let mut demand = Demand::new(config, slot);
    if let Some(history) = target.state.as_ref().and_then(|state| state.journal.as_ref()) {
        (demand.floor, demand.revoked) = (history.state.floor(), history.state.revoked());
    } else if config.has_journal() {
        unproved.push("the security counter and revoked keys: the journal was not read".into());
    }
    // Where the bootloader does not tell its unique id, the serial number, which is made from it, tells most others.
    let own = target.info().map(|info| info.unique_id).filter(|id| *id != [0; 12]);
    let seen = image::inspect(segments).manifest.and_then(Result::ok);
    let mut device = own.unwrap_or_default();
    if own.is_none()
        && let Some(manifest) = seen.map(|view| view.manifest)
        && let Override::Device(id) = manifest.overrides
    {
        let fits = override_fits(&manifest, &target.device.serial);
        device = if fits { id } else { id.map(|byte| !byte) };
        if fits && manifest.security_counter < demand.floor {
            unproved.push("that the override is for this very chip: only its serial number fits".into());
        }
    }
    demand.device = &device;
    image::check_for(demand, segments).map(|_| ())
}

/// Without any configuration: the vector table, and the manifest as far as the device tells its ids.
fn prove_by_info(
    info: &Info,
    slot: Slot,
    segments: &Segments,
    unproved: &mut Vec<String>,
) -> Result<(), Refused> {
    let head = segments.flat(slot.base, slot.base + 8);
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (stack_pointer, reset_vector) = (word(0), word(4));
    let refused = |fault| {
        let linked_for = linked_for(reset_vector, slot);
        Refused { fault, slot, stack_pointer, reset_vector, counters: None, linked_for, convention: None }
    };
    if stack_pointer == u32::MAX && reset_vector == u32::MAX {
        return Err(refused(ImageFault::Erased));
    }
    // Every STM32's main RAM lies here; which part of it, only the board's configuration knows.
    if !(0x2000_0000..=0x2100_0000).contains(&stack_pointer) || !stack_pointer.is_multiple_of(8) {
        return Err(refused(ImageFault::StackPointer));
    }
    if !slot.contains(reset_vector & !1, 2) {
        return Err(refused(ImageFault::ResetOutside));
    }
    if reset_vector & 1 == 0 {
        return Err(refused(ImageFault::ResetThumb));
    }
    manifest_by_info(info, slot, segments, unproved).map_err(refused)
}

/// The manifest against the ids that the device tells; its keys it does not tell.
fn manifest_by_info(
    info: &Info,
    slot: Slot,
    segments: &Segments,
    unproved: &mut Vec<String>,
) -> Result<(), ImageFault> {
    let policy = texts::policy_by_number(info.policy).unwrap_or(Policy::None);
    let seen = image::inspect(segments);
    let view = match seen.manifest {
        _ if policy == Policy::None => return Ok(()),
        Some(Ok(view)) => view,
        Some(Err(manifest::ManifestFault::Checksum)) => return Err(ImageFault::ManifestChecksum),
        Some(Err(manifest::ManifestFault::Missing)) => return Err(ImageFault::NoManifest),
        Some(Err(_)) => return Err(ImageFault::ManifestFormat),
        None if policy == Policy::Signature => return Err(ImageFault::NoManifest),
        None if matches!(seen.last_word, image::LastWord::IsCrc(_)) => return Ok(()),
        None => return Err(ImageFault::Crc),
    };
    let m = &view.manifest;
    let table = [
        (!view.length_matches, ImageFault::Length),
        (m.load_address != slot.base, ImageFault::LoadAddress),
        (m.device_id != 0 && m.device_id != info.device_id, ImageFault::Chip),
        (m.board_id != 0 && m.board_id != info.board_id, ImageFault::Board),
        (!view.crc_matches, ImageFault::Crc),
        (!view.hash_matches, ImageFault::Hash),
        (policy == Policy::Signature && m.algorithm == manifest::Algorithm::None, ImageFault::NotSigned),
    ];
    if let Some((_, fault)) = table.into_iter().find(|(bad, _)| *bad) {
        return Err(fault);
    }
    if policy == Policy::Signature {
        unproved.push("the signature: the board's keys cannot be read, and no board file was given".into());
    }
    Ok(())
}

/// For a device that is not ours: an image that looks like a program must be linked for where it
/// goes. Anything else (data) is the user's business.
fn vectors_point_into(segments: &Segments) -> Result<(), JobError> {
    let slot = Slot { base: segments.start(), length: segments.end() - segments.start() };
    let seen = image::inspect(segments);
    let (Some(stack_pointer), Some(reset_vector)) = (seen.stack_pointer, seen.reset_vector) else {
        return Ok(());
    };
    let like_a_program = stack_pointer >> 24 == 0x20 && reset_vector & 1 == 1;
    match linked_for(reset_vector, slot) {
        Some(base) if like_a_program && base != slot.base => {
            let fault = ImageFault::ResetOutside;
            let (counters, linked_for, convention) = (None, Some(base), None);
            Err(Refused { fault, slot, stack_pointer, reset_vector, counters, linked_for, convention }.into())
        }
        _ => Ok(()),
    }
}

/// Every byte lies in a sector that the device lets a host erase and write.
fn writable(target: &Target, segments: &Segments) -> Result<(), JobError> {
    for segment in segments {
        let mut address = segment.address;
        while address < segment.end() {
            match target.sector(address) {
                Some(sector) if sector.changeable() => address = sector.end(),
                Some(sector) => return Err(Refusal::Protected { address, sector: *sector }.into()),
                None => return Err(Refusal::NoMemory { address }.into()),
            }
        }
    }
    Ok(())
}

/// A plain image under the policy `crc` ends at the last word that is not erased, so nothing of an
/// older, longer one may remain.
fn needs_clean_slot(target: &Target, config: Option<Config>, segments: &Segments) -> bool {
    let policy = match (config, target.info()) {
        (_, Some(info)) => texts::policy_by_number(info.policy),
        (config, None) => config.map(|c| c.policy()),
    };
    policy == Some(Policy::Crc) && image::inspect(segments).manifest.is_none()
}

fn sectors_to_erase(target: &Target, segments: &Segments, slot: Option<Slot>, all: bool) -> Vec<SectorInfo> {
    let in_slot = |s: &SectorInfo| slot.is_none_or(|slot| slot.contains(s.base, s.size));
    // What lies between two parts of an image is part of it, and reads erased.
    let between = |s: &SectorInfo| s.base < segments.end() && segments.start() < s.end();
    let in_image = |s: &SectorInfo| slot.is_some_and(|slot| slot.contains(s.base, s.size)) && between(s);
    let touched = |s: &SectorInfo| segments.touch(s.base, s.end()) || in_image(s);
    let wanted = |s: &&SectorInfo| s.changeable() && (touched(s) || (all && in_slot(s)));
    target.device.sectors.iter().filter(wanted).copied().collect()
}
