//! Every number that a board can send, in words: the one home of these texts.
//!
//! Each fault has a name for machines, a sentence for what it means and one for what to do.

use crate::image::Refused;
use surefoot_core::config::{ConfigFault, Policy, Strategy};
use surefoot_core::decide::Reason;
use surefoot_core::image::ImageFault;
use surefoot_core::journal::{Event, Record};
use surefoot_core::port::FlashFault;

/// One fault in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// For machines; never changes.
    pub name: &'static str,
    /// What it means, as the end of "the image was refused: ...".
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

const fn text(name: &'static str, what: &'static str, remedy: &'static str) -> Text {
    Text { name, what, remedy }
}

/// All image faults, in the order of their numbers.
pub const IMAGE_FAULTS: [ImageFault; 23] = {
    use ImageFault::*;
    [
        Erased,
        StackPointer,
        ResetOutside,
        ResetThumb,
        NoManifest,
        ManifestFormat,
        ManifestChecksum,
        Length,
        LoadAddress,
        Chip,
        Board,
        Crc,
        Hash,
        NotSigned,
        UnknownKey,
        RevokedKey,
        Signature,
        Unreadable,
        NoVerifier,
        Downgrade,
        Rejected,
        Journal,
        NotErased,
    ]
};

/// All reasons for update mode, in the order of their numbers.
pub const REASONS: [Reason; 7] = {
    use Reason::*;
    [MagicWord, MagicRam, Button, DoubleTap, NoValidImage, Configuration, Refused]
};

/// All faults of a configuration block, in the order of their numbers.
pub const CONFIG_FAULTS: [ConfigFault; 7] = {
    use ConfigFault::*;
    [Missing, Format, Checksum, Field, Family, Policy, Chip]
};

/// All flash faults, in the order of their numbers.
pub const FLASH_FAULTS: [FlashFault; 10] = {
    use FlashFault::*;
    [
        Locked,
        Timeout,
        WriteProtected,
        Alignment,
        Parallelism,
        Sequence,
        Operation,
        ReadBack,
        NotErased,
        ReadProtected,
    ]
};

/// All events of the journal, in the order of their numbers.
pub const EVENTS: [Event; 10] = {
    use Event::*;
    [Boot, Trial, Rejected, Confirmed, Installed, Restored, BackedUp, UpdateBegun, UpdateFault, Refused]
};

/// The fault with a number from the wire; `None` for 0 and for numbers of a newer bootloader.
pub fn image_fault_by_number(number: u8) -> Option<ImageFault> {
    IMAGE_FAULTS.into_iter().find(|f| *f as u8 == number)
}

/// As [`image_fault_by_number`].
pub fn reason_by_number(number: u8) -> Option<Reason> {
    REASONS.into_iter().find(|f| *f as u8 == number)
}

/// As [`image_fault_by_number`].
pub fn config_fault_by_number(number: u8) -> Option<ConfigFault> {
    CONFIG_FAULTS.into_iter().find(|f| *f as u8 == number)
}

/// As [`image_fault_by_number`].
pub fn flash_fault_by_number(number: u8) -> Option<FlashFault> {
    FLASH_FAULTS.into_iter().find(|f| *f as u8 == number)
}

/// The policy with a number from the wire.
pub fn policy_by_number(number: u8) -> Option<Policy> {
    [Policy::None, Policy::Crc, Policy::Signature].into_iter().find(|p| *p as u8 == number)
}

/// A policy's name, as in a board file.
pub fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::None => "none",
        Policy::Crc => "crc",
        Policy::Signature => "signature",
    }
}

/// A strategy's name, as in a board file.
pub fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Single => "single",
        Strategy::Backup => "backup",
        Strategy::Ab => "ab",
    }
}

/// An image fault in words.
pub fn image_fault(fault: ImageFault) -> Text {
    use ImageFault::*;
    match fault {
        Erased => text("erased", "the slot is erased", "flash an image"),
        StackPointer => text(
            "stack-pointer",
            "its first word is no stack pointer: it must lie in the chip's RAM and be a multiple of 8",
            "check that the vector table is the first thing in the image, and _estack in the linker script",
        ),
        ResetOutside => text(
            "reset-outside",
            "its reset vector points outside the slot: it is linked for another address",
            "link it with the memory.x or .ld that `surefoot layout` writes, and set VECT_TAB_OFFSET to match",
        ),
        ResetThumb => text(
            "reset-thumb",
            "its reset vector lacks the thumb bit",
            "check that the vector table holds the address of a function, not a plain label",
        ),
        NoManifest => text(
            "no-manifest",
            "it has no manifest and the board's policy requires one",
            "sign it with `surefoot image sign`",
        ),
        ManifestFormat => text(
            "manifest-format",
            "its manifest has a format or fields that are not known",
            "sign it again with this version of surefoot, or update the bootloader",
        ),
        ManifestChecksum => {
            text("manifest-checksum", "its manifest is damaged", "sign it again from the ELF file")
        }
        Length => text(
            "length",
            "the length in its manifest does not fit the place of the manifest",
            "sign it again from the ELF file; the file may have been cut or padded",
        ),
        LoadAddress => text(
            "load-address",
            "its manifest says that it is linked for another address than the slot's",
            "link and sign it for this board's slot",
        ),
        Chip => text(
            "chip",
            "it was signed for another chip",
            "build and sign it with this board's file, or connect the right board",
        ),
        Board => text(
            "board",
            "it was signed for another board",
            "build and sign it with this board's file, or connect the right board",
        ),
        Crc => text(
            "crc",
            "its CRC-32 does not match: bytes were changed or lost",
            "take a fresh copy of the file, or add the CRC again with `surefoot image sign`",
        ),
        Hash => text(
            "hash",
            "its SHA-256 does not match: bytes were changed or lost after signing",
            "take a fresh copy of the signed file, or sign it again",
        ),
        NotSigned => text(
            "not-signed",
            "its manifest carries no signature and the board's policy requires one",
            "sign it with `surefoot image sign --key`",
        ),
        UnknownKey => text(
            "unknown-key",
            "it is signed with a key that the board does not have",
            "sign it with a key of the board's [validation] keys; `surefoot image inspect` shows the key id",
        ),
        RevokedKey => {
            text("revoked-key", "it is signed with a revoked key", "sign it with a key that is not revoked")
        }
        Signature => text(
            "signature",
            "its signature is wrong: the manifest was changed after signing",
            "take a fresh copy of the signed file, or sign it again",
        ),
        Unreadable => text(
            "unreadable",
            "some of it cannot be read from the flash",
            "flash it again; if that does not help, the flash is damaged",
        ),
        NoVerifier => text(
            "no-verifier",
            "this build of the bootloader cannot verify signatures",
            "seal the full build instead of the CRC-only build",
        ),
        Downgrade => text(
            "downgrade",
            "its security counter is below the one that the board has recorded",
            "sign it with the board's counter or a higher one, or let whoever holds the key sign an override (--allow-downgrade)",
        ),
        Rejected => text(
            "rejected",
            "it was on trial and did not confirm itself",
            "correct the application so that it confirms itself, and sign it as a new image",
        ),
        Journal => text(
            "journal",
            "the journal cannot be written, so no image can be put on trial",
            "flash again; if it fails again, the flash of the journal's sectors is worn out or damaged",
        ),
        NotErased => text(
            "not-erased",
            "not all of its sectors were erased for it, so bits of an update that was cut may be left in it",
            "erase its sectors, one after the other, and write all of it, as `surefoot flash` and dfu-util do",
        ),
    }
}

/// A reason for update mode in words, as the end of "in update mode: ...".
pub fn reason(reason: Reason) -> Text {
    match reason {
        Reason::MagicWord => text("magic-word", "the magic word in the backup register asked for it", ""),
        Reason::MagicRam => text("magic-ram", "the application asked for it", ""),
        Reason::Button => text("button", "the button was held at reset", ""),
        Reason::DoubleTap => text("double-tap", "reset was pressed twice", ""),
        Reason::NoValidImage => text("no-valid-image", "there is no valid image", "flash an image"),
        Reason::Configuration => text(
            "configuration",
            "its configuration block cannot be used",
            "seal the bootloader with `surefoot bootloader` and write it with a debug probe or ST's ROM bootloader",
        ),
        Reason::Refused => text("refused", "the image of the last update was refused", "flash another image"),
    }
}

/// An event of the journal in words, as a sentence on its own; what to do where it calls for something.
pub fn event(event: Event) -> Text {
    match event {
        Event::Boot => text("boot", "the confirmed image was started", ""),
        Event::Trial => text("trial", "an image on trial was started", ""),
        Event::Rejected => text(
            "rejected",
            "the trial of the image has failed",
            "correct the application so that it confirms itself, and sign it as a new image",
        ),
        Event::Confirmed => text("confirmed", "the image on trial confirmed itself", ""),
        Event::Installed => text("installed", "a new image was verified and goes on trial", ""),
        Event::Restored => text("restored", "the confirmed image was copied back from the backup slot", ""),
        Event::BackedUp => text("backed-up", "the confirmed image was copied to the backup slot", ""),
        Event::UpdateBegun => text(
            "update-begun",
            "an update began",
            "when nothing follows, the update was interrupted: flash again",
        ),
        Event::UpdateFault => text(
            "update-fault",
            "a flash operation of an update failed",
            "flash again; everything is written again",
        ),
        Event::Refused => text("refused", "the image of an update was refused", "flash another image"),
    }
}

/// What belongs to an event, in words; nothing for 0 and for numbers of a newer bootloader.
pub fn event_detail(event: Event, detail: u8) -> Option<&'static str> {
    match event {
        Event::Rejected if [0, ImageFault::Rejected as u8].contains(&detail) => {
            Some("it did not confirm itself in time")
        }
        Event::Rejected | Event::Refused => image_fault_by_number(detail).map(|f| image_fault(f).what),
        Event::UpdateFault => flash_fault_by_number(detail).map(|f| flash_fault(f).what),
        Event::BackedUp if detail == 1 => Some("begun"),
        _ => None,
    }
}

/// The id of the image that an event is about: the candidate's, or that of the confirmed image; 0: none.
pub fn event_image(event: Event, record: &Record) -> u32 {
    match event {
        Event::Installed | Event::Trial | Event::Rejected => record.candidate(),
        Event::Confirmed | Event::Boot | Event::Restored | Event::BackedUp => record.confirmed(),
        Event::UpdateBegun | Event::UpdateFault | Event::Refused => 0,
    }
}

/// Reset flags in words. Bits as in [`surefoot_core::handoff::Record::reset_cause`].
///
/// Each reset pulls NRST, and a power-on sets the flag of the brown-out too (RM0090, 7.3.21 and 6.1.2),
/// so the pin alone is a pressed button, and a brown-out alone is one.
pub fn reset_cause(bits: u8) -> String {
    const NAMES: [&str; 7] = [
        "brown-out",
        "reset pin",
        "power-on",
        "software",
        "independent watchdog",
        "window watchdog",
        "low power",
    ];
    const BROWN_OUT: u8 = 1;
    const PIN: u8 = 1 << 1;
    const POWER_ON: u8 = 1 << 2;
    let mut told = bits & 0x7F;
    if told & POWER_ON != 0 {
        told &= !BROWN_OUT;
    }
    if told & !PIN != 0 {
        told &= !PIN;
    }
    let set: Vec<_> = (0..7).filter(|bit| told >> bit & 1 == 1).map(|bit| NAMES[bit]).collect();
    if set.is_empty() { "unknown".into() } else { set.join(", ") }
}

/// A fault of the configuration block in words.
pub fn config_fault(fault: ConfigFault) -> Text {
    const SEAL: &str = "seal the bootloader with `surefoot bootloader` and write it with a debug probe or ST's ROM bootloader";
    match fault {
        ConfigFault::Missing => text("missing", "the bootloader was never sealed", SEAL),
        ConfigFault::Format => text("format", "the block is of another version than the bootloader", SEAL),
        ConfigFault::Checksum => text("checksum", "the block is damaged", SEAL),
        ConfigFault::Field => text("field", "a field of the block has an unknown value", SEAL),
        ConfigFault::Family => text("family", "the block is for another family of chips", SEAL),
        ConfigFault::Policy => {
            text("policy", "the block asks for signatures, this build has none", "seal the full build")
        }
        ConfigFault::Chip => text("chip", "the block is for another chip of the family", SEAL),
    }
}

/// What to do about a copy to the backup slot that failed.
pub const NO_BACKUP: &str = "Reset the board into update mode, which tries it again; if it stays so, check the supply \
     voltage and look for a protected sector with `surefoot protect`, or the backup slot's flash is worn out.";

/// A flash fault in words.
pub fn flash_fault(fault: FlashFault) -> Text {
    const POWER: &str = "check the supply voltage and the board file's `voltage`, then flash again";
    match fault {
        FlashFault::Locked => {
            text("locked", "the flash controller did not unlock", "reset the board and try again")
        }
        FlashFault::Timeout => text("timeout", "a flash operation did not end in time", POWER),
        FlashFault::WriteProtected => text(
            "write-protected",
            "the sector is write-protected by its option bit, or the change would take protection away",
            "take the write protection off with a debug probe or ST's tools; `surefoot protect` shows it",
        ),
        FlashFault::Alignment => text("alignment", "the data crossed an alignment boundary", POWER),
        FlashFault::Parallelism => text("parallelism", "the width of the store did not match", POWER),
        FlashFault::Sequence => text("sequence", "the flash controller was not ready for the store", POWER),
        FlashFault::Operation => text("operation", "the flash controller reported an error", POWER),
        FlashFault::ReadBack => text(
            "read-back",
            "what was read back is not what was programmed",
            "flash again; if it happens at the same address, the flash is worn out",
        ),
        FlashFault::NotErased => text(
            "not-erased",
            "the sector is not erased after its erase",
            "flash again; if it happens at the same address, the flash is worn out",
        ),
        FlashFault::ReadProtected => text(
            "read-protected",
            "the sector is read-protected",
            "remove the protection with a debug probe or ST's tools",
        ),
    }
}

/// A downgrade with its two numbers.
pub fn downgrade(counter: u32, floor: u32) -> String {
    format!("the image's security counter is {counter}, and the board accepts {floor} and higher")
}

/// The head line of a refused image, with its numbers.
pub fn refused(r: &Refused) -> String {
    if let (ImageFault::Crc, Some(convention)) = (r.fault, r.convention) {
        let text = convention.text();
        return format!("the image was refused: its last word is a CRC-32, but {text}");
    }
    match (r.fault, r.linked_for) {
        (ImageFault::Erased, _) => "the image was refused: it begins with erased flash".into(),
        (ImageFault::ResetOutside, Some(base)) => {
            format!("the image is linked for 0x{base:08X}, the slot begins at 0x{:08X}", r.slot.base)
        }
        (ImageFault::StackPointer, _) => format!(
            "the image was refused: its first word, 0x{:08X}, is no stack pointer of this chip",
            r.stack_pointer
        ),
        (ImageFault::Downgrade, _) if r.counters.is_some() => {
            let (counter, floor) = r.counters.unwrap_or_default();
            downgrade(counter, floor)
        }
        (fault, _) => format!("the image was refused: {}", image_fault(fault).what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_its_detail_by_its_kind() {
        for detail in [0, ImageFault::Rejected as u8] {
            assert_eq!(event_detail(Event::Rejected, detail), Some("it did not confirm itself in time"));
        }
        assert_eq!(event_detail(Event::Rejected, 17), Some(image_fault(ImageFault::Signature).what));
        assert_eq!(event_detail(Event::UpdateFault, 8), Some(flash_fault(FlashFault::ReadBack).what));
        for (event, detail) in [(Event::Boot, 3), (Event::Refused, 0), (Event::UpdateFault, 99)] {
            assert_eq!(event_detail(event, detail), None, "{event:?} {detail}");
        }
        // What the chip shows after each kind of reset (RM0090, 7.3.21).
        for (bits, words) in [
            (0b000_0111, "power-on"),
            (0b000_0011, "brown-out"),
            (0b000_0010, "reset pin"),
            (0b000_1010, "software"),
            (0b001_0010, "independent watchdog"),
            (0b010_0010, "window watchdog"),
            (0b100_0010, "low power"),
            (0b000_1111, "power-on, software"),
        ] {
            assert_eq!(reset_cause(bits), words, "{bits:07b}");
        }
        assert_eq!(reset_cause(0), "unknown");
    }

    #[test]
    fn every_number_of_the_wire_has_its_words_and_none_twice() {
        for (i, f) in IMAGE_FAULTS.into_iter().enumerate() {
            assert_eq!(f as usize, i + 1);
            assert_eq!(image_fault_by_number(i as u8 + 1), Some(f));
        }
        for (i, f) in REASONS.into_iter().enumerate() {
            assert_eq!(f as usize, i + 1);
        }
        for (i, f) in CONFIG_FAULTS.into_iter().enumerate() {
            assert_eq!(f as usize, i + 1);
        }
        for (i, f) in FLASH_FAULTS.into_iter().enumerate() {
            assert_eq!(f as usize, i + 1);
        }
        for (i, e) in EVENTS.into_iter().enumerate() {
            assert_eq!(e as usize, i + 1);
            assert_eq!(Event::from_number(i as u8 + 1), Some(e));
            assert!(!event(e).what.is_empty());
        }
        assert_eq!(Event::from_number(EVENTS.len() as u8 + 1), None, "an event without words");
        let mut names: Vec<_> = EVENTS.map(|e| event(e).name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EVENTS.len());
        let mut names: Vec<_> = IMAGE_FAULTS.map(|f| image_fault(f).name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), IMAGE_FAULTS.len());
        assert_eq!(image_fault_by_number(0), None);
        assert_eq!(image_fault_by_number(20), Some(ImageFault::Downgrade));
        assert_eq!(image_fault_by_number(22), Some(ImageFault::Journal));
        assert_eq!(image_fault_by_number(23), Some(ImageFault::NotErased));
        assert_eq!(image_fault_by_number(24), None, "a fault without words");
        assert_eq!(image_fault_by_number(200), None);
    }
}
