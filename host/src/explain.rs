//! Errors in three parts: what happened, why, and what to do.
//!
//! `Display` of an error says what happened; the other two parts and the name for machines are
//! here for files, keys and images. Links, jobs and the user's own signing command explain themselves where they are.

use crate::files::{DfuError, ElfError, FileError, Format, HexError, SegmentError, SrecError, Uf2Error};
use crate::image::keys::KeyError;
use crate::image::{Convention, Distrust, ImageError, Refused, Region};
use crate::texts;
use std::io::ErrorKind::{NotFound, PermissionDenied};
use surefoot_core::image::ImageFault;

/// An error that can say more than its name. `Display` says what happened.
pub trait Explain: std::error::Error {
    /// A fixed name for machines, as in `file.truncated`.
    fn code(&self) -> String;
    /// Why it happened, as one sentence.
    fn why(&self) -> String;
    /// What to do now, as one sentence.
    fn remedy(&self) -> String;
}

const AGAIN: &str = "Take a fresh copy of the file, or build it again.";

impl Explain for FileError {
    fn code(&self) -> String {
        let name = match self {
            Self::Read { .. } => "read",
            Self::Write { .. } | Self::NoFolder { .. } => "write",
            Self::OverInput { .. } => "over-input",
            Self::NotRegular(_) => "not-regular",
            Self::Empty => "empty",
            Self::TooBig { .. } => "too-big",
            Self::UnknownFormat { .. } => "unknown-format",
            Self::Disguised { .. } => "disguised",
            Self::Foreign(_) => "foreign",
            Self::NoAddress(_) => "no-address",
            Self::AddressGiven(_) => "address-given",
            Self::Elf(_) => "elf",
            Self::Hex(_) => "hex",
            Self::Dfu(_) => "dfu",
            Self::Srec(_) => "srec",
            Self::Uf2(_) => "uf2",
            Self::Segments(SegmentError::Nothing) => "nothing",
            Self::Segments(SegmentError::Overlap { .. }) => "overlap",
            Self::Segments(SegmentError::Unaligned { .. }) => "unaligned",
            Self::Segments(SegmentError::PastTheEnd { .. }) => "past-the-end",
        };
        format!("file.{name}")
    }

    fn why(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() == NotFound => "There is no file of this name.".into(),
            Self::Read { source, .. } if source.kind() == PermissionDenied => {
                "It is not readable for the user who runs the command.".into()
            }
            Self::Write { source, .. } if source.kind() == PermissionDenied => {
                "The user who runs the command may not write there.".into()
            }
            Self::Read { .. } | Self::Write { .. } => "The system refused.".into(),
            Self::NoFolder { .. } => "Files are written into folders that are there.".into(),
            Self::OverInput { .. } => {
                "A result in the place of its own input could not be made a second time.".into()
            }
            Self::NotRegular(_) => "It is a folder, a device or a pipe.".into(),
            Self::Empty => "It has no bytes; a build or a copy may have failed.".into(),
            Self::TooBig { .. } => "The largest STM32 has 4 MiB of flash.".into(),
            Self::UnknownFormat { path } if Format::by_name(path).is_some_and(|f| !f.is_written()) => {
                "ELF, S-record and UF2 files are read, and never written.".into()
            }
            Self::UnknownFormat { .. } => {
                "Neither the ending of its name nor its first bytes tell its format.".into()
            }
            Self::Disguised { .. } => "Its first bytes do not go with its name.".into(),
            Self::Foreign(_) => "Its first bytes say so; no chip could run it.".into(),
            Self::NoAddress(_) => "It is raw bytes, which do not say where they go.".into(),
            Self::AddressGiven(_) => "An address on the command line would contradict them.".into(),
            Self::Elf(e) => e.why(),
            Self::Hex(e) => e.why(),
            Self::Dfu(e) => e.why(),
            Self::Srec(e) => e.why(),
            Self::Uf2(e) => e.why(),
            Self::Segments(e) => e.why(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() == NotFound => "Check the name and the folder.".into(),
            Self::Read { source, .. } | Self::Write { source, .. } if source.kind() == PermissionDenied => {
                "Change the permissions, or name another file.".into()
            }
            Self::Read { .. } => "Check that the file can be opened by other programs.".into(),
            Self::Write { .. } => "Check the folder, its permissions and the free space.".into(),
            Self::NoFolder { folder, .. } => {
                format!("Make it with `mkdir -p {}`, or name another.", folder.display())
            }
            Self::OverInput { .. } => "Name another file with --out.".into(),
            Self::NotRegular(_) => "Name a file.".into(),
            Self::Empty | Self::TooBig { .. } => "Check that this is the file you meant.".into(),
            Self::UnknownFormat { path } if Format::by_name(path).is_some() => {
                "Name the result .bin, .hex or .dfu.".into()
            }
            Self::UnknownFormat { .. } => {
                "Name it .elf, .hex, .bin, .dfu, .srec or .uf2; only .bin, .hex and .dfu are written.".into()
            }
            Self::Disguised { found, .. } => format!("Give its name the ending {}.", found.ending()),
            Self::Foreign(foreign) => foreign.remedy.into(),
            Self::NoAddress(_) => "Say where it goes with --address 0x08......".into(),
            Self::AddressGiven(_) => "Leave out --address.".into(),
            Self::Elf(e) => e.remedy(),
            Self::Hex(_) => AGAIN.into(),
            Self::Dfu(e) => e.remedy(),
            Self::Srec(_) => AGAIN.into(),
            Self::Uf2(e) => e.remedy(),
            Self::Segments(e) => e.remedy(),
        }
    }
}

impl SrecError {
    fn why(&self) -> String {
        match self {
            Self::Record { .. } => {
                "Each line is S, type, length, address, data and checksum in hexadecimal.".into()
            }
            Self::Checksum { .. } => "A byte of the line was changed.".into(),
            Self::Count { .. } => "Lines were lost or added.".into(),
            Self::AfterEnd { .. } => "Two files may have been joined without merging them.".into(),
        }
    }
}

impl Uf2Error {
    fn why(&self) -> String {
        match self {
            Self::Length(_) | Self::Number { .. } => "Blocks were lost, or two files were joined.".into(),
            Self::Magic { .. } | Self::Size { .. } => "The block was changed.".into(),
            Self::Families { .. } => "Which of them goes to this board cannot be known.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Families { .. } => "Take the file of one chip's build, or its ELF or HEX.".into(),
            _ => AGAIN.into(),
        }
    }
}

impl SegmentError {
    fn why(&self) -> String {
        match self {
            Self::Nothing => "No part of it is to be loaded.".into(),
            Self::Overlap { .. } => "Which of the two would be right cannot be known.".into(),
            Self::Unaligned { .. } => "Raw bytes begin with a vector table, which begins on a word.".into(),
            Self::PastTheEnd { .. } => "No chip has memory there; an address or a length is damaged.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Nothing => "Check that it is a linked program and not an object file.".into(),
            Self::Overlap { .. } => {
                "Look for two sections at one address in the linker script, or merge the files without overlap.".into()
            }
            Self::Unaligned { .. } => {
                "Give the address for which the image is linked.".into()
            }
            Self::PastTheEnd { .. } => AGAIN.into(),
        }
    }
}

impl ElfError {
    fn why(&self) -> String {
        match self {
            Self::Damaged(_) | Self::Truncated { .. } => {
                "Its headers point at bytes that are not there.".into()
            }
            Self::Class | Self::Machine(_) => "STM32 chips run 32-bit little-endian ARM code.".into(),
            Self::NotAProgram(_) => "Only a linked program has addresses for the flash.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Damaged(_) | Self::Truncated { .. } => AGAIN.into(),
            Self::Class | Self::Machine(_) => {
                "Build for the chip: for Rust --target thumbv7em-none-eabi(hf), for C arm-none-eabi-gcc."
                    .into()
            }
            Self::NotAProgram(_) => "Give the ELF that the linker wrote.".into(),
        }
    }
}

impl HexError {
    fn why(&self) -> String {
        match self {
            Self::NotText { .. } | Self::Record { .. } => {
                "Each line is `:`, length, address, type, data and checksum in hexadecimal.".into()
            }
            Self::Checksum { .. } => "A byte of the line was changed.".into(),
            Self::NoEnd { .. } => "The file was cut short: it must end with `:00000001FF`.".into(),
            Self::AfterEnd { .. } => "Two files may have been joined without merging them.".into(),
            Self::Wraps { .. } => "Where such bytes go is read differently by different tools.".into(),
        }
    }
}

impl DfuError {
    fn why(&self) -> String {
        match self {
            Self::Short(_) | Self::NoSuffix => "It was cut short, or it is not a DFU file at all.".into(),
            Self::Crc { .. } => "A byte of the file was changed or lost.".into(),
            Self::Version(_) => "It is of a newer or an unknown format.".into(),
            Self::EmptyElement { .. } => {
                "An element without bytes is a mistake of the tool that wrote it.".into()
            }
            Self::Alternate { .. } => {
                "Other alternate settings are option bytes, OTP or external memory.".into()
            }
            _ => "Its inner lengths contradict each other.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoSuffix => "If it is raw bytes, name it .bin and give --address.".into(),
            Self::Alternate { .. } => "Write a file that holds the internal flash only.".into(),
            _ => AGAIN.into(),
        }
    }
}

fn name_of(path: &std::path::Path) -> String {
    path.display().to_string()
}

impl Explain for KeyError {
    fn code(&self) -> String {
        let name = match self {
            Self::File(e) => return e.code(),
            Self::Exists(_) => "exists",
            Self::NotPrivate(_) | Self::OnlyPublic(_) => "not-private",
            Self::NotPublic(_) | Self::OnlyPrivate(_) => "not-public",
            Self::Locked(_) => "locked",
            Self::Password(_) => "password",
            Self::Cipher(_) => "cipher",
            Self::Cost(_) => "cost",
            Self::Random(_) => "random",
            Self::Encode(_) => "encode",
        };
        format!("key.{name}")
    }

    fn why(&self) -> String {
        match self {
            Self::File(e) => e.why(),
            Self::Exists(_) => {
                "A key that is written over is lost, and with it every board that trusts it.".into()
            }
            Self::NotPrivate(_) => {
                "A private key begins with -----BEGIN PRIVATE KEY-----, or with ENCRYPTED before the last two words."
                    .into()
            }
            Self::NotPublic(_) => "A public key begins with -----BEGIN PUBLIC KEY-----.".into(),
            Self::OnlyPublic(_) => "A public key verifies signatures and cannot make them.".into(),
            Self::OnlyPrivate(_) => "A private key signs, and is shown to nothing that only verifies.".into(),
            Self::Locked(_) => "Only the password opens it.".into(),
            Self::Password(_) => {
                "It is another password, or the file was damaged: the two cannot be told apart.".into()
            }
            Self::Cipher(_) => {
                "PBES2 is known, with scrypt or PBKDF2 (SHA-1 or SHA-2) and AES in CBC or GCM mode.".into()
            }
            Self::Cost(_) => {
                "The file may take at most 1 GiB of memory and about a minute; it is damaged, or made to do harm."
                    .into()
            }
            Self::Random(_) => "A key must not be guessable.".into(),
            Self::Encode(_) => "This should not happen.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::File(e) => e.remedy(),
            Self::Exists(_) => "Choose another name, or move the old key away.".into(),
            Self::NotPrivate(_) | Self::NotPublic(_) => {
                "Make a pair with `surefoot image keygen`, or `openssl genpkey -algorithm ed25519`.".into()
            }
            Self::OnlyPublic(path) => match name_of(path).strip_suffix(".pub.pem") {
                Some(stem) => {
                    format!("Give the private half of the pair: `surefoot image keygen` names it {stem}.pem.")
                }
                None => "Give the private half of the pair.".into(),
            },
            Self::OnlyPrivate(path) => {
                let name = name_of(path);
                let stem = name.strip_suffix(".pem").unwrap_or(&name);
                format!(
                    "Give its public half, {stem}.pub.pem; where it is lost, `openssl pkey -in {name} -pubout -out {stem}.pub.pem` makes it."
                )
            }
            Self::Locked(_) => {
                "Take a key that is not under a password, or sign with the surefoot command.".into()
            }
            Self::Password(_) => "Try again; a copied password may have lost or gained a blank.".into(),
            Self::Cipher(_) | Self::Cost(_) => {
                "Encrypt it again: `openssl pkcs8 -topk8 -scrypt -in OLD.pem -out NEW.pem`.".into()
            }
            Self::Random(_) | Self::Encode(_) => "Make the key on another machine, and report this.".into(),
        }
    }
}

impl Explain for ImageError {
    fn code(&self) -> String {
        let name = match self {
            Self::Start { .. } => "start",
            Self::Bootloader => "bootloader",
            Self::TooBig { .. } => "too-big",
            Self::Outside { .. } => "outside",
            Self::Hole(_) => "hole",
            Self::TooShort(_) => "too-short",
            Self::ReservedVectors(..) => "reserved-vectors",
            Self::HasManifest => "has-manifest",
            Self::CrcErased => "crc-erased",
            Self::LastWordUsed(_) => "last-word-used",
            Self::BehindManifest { .. } => "behind-manifest",
        };
        format!("image.{name}")
    }

    fn why(&self) -> String {
        match self {
            Self::Start { start, slot } if start < slot => format!(
                "It is linked for 0x{start:08X}; below 0x{slot:08X} is the bootloader and what belongs to it."
            ),
            Self::Start { .. } => "The bootloader looks for the vector table at the slot's first byte.".into(),
            Self::Bootloader => {
                "The bootloader is written once, with a debug probe or over ST's ROM bootloader; no update replaces it."
                    .into()
            }
            Self::TooBig { .. } => "The manifest or CRC follows the image, inside the slot.".into(),
            Self::Outside { .. } => "An image is what goes into one slot; nothing else would be written, checked or signed.".into(),
            Self::Hole(_) => {
                "An application that saves settings there changes its own image, which the board then refuses; and each update erases them."
                    .into()
            }
            Self::TooShort(_) => "The manifest is found by three reserved vectors.".into(),
            Self::ReservedVectors(..) => {
                "ARM reserves them; the place of the manifest is written there, and what is there now would be lost."
                    .into()
            }
            Self::HasManifest => "Signing it twice is rarely meant.".into(),
            Self::CrcErased => "The board could not tell it from a missing one.".into(),
            Self::LastWordUsed(_) => "The CRC-32 would have to be there.".into(),
            Self::BehindManifest { .. } => {
                "No signature and no CRC covers them; the manifest is an image's last part.".into()
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Start { slot, .. } => link_for(*slot),
            Self::Bootloader => {
                "Give the application's file; `surefoot merge` joins it with a bootloader for a programmer.".into()
            }
            Self::TooBig { .. } => {
                "Make the image smaller (optimise for size, strip tables), or give the slot more room.".into()
            }
            Self::Outside { stray, slot } if stray.region == Region::Alias => link_for(*slot),
            Self::Outside { stray, .. } => stray.region.remedy().into(),
            Self::Hole(_) => {
                "Give the settings a `data` region in the board file's [layout] and link the code behind it, or accept the gap as part of the image with --fill-gaps."
                    .into()
            }
            Self::TooShort(_) => AGAIN.into(),
            Self::ReservedVectors(..) => {
                "Set vectors 8-10 to zero in the start-up code, or to the default handler of the other unused ones."
                    .into()
            }
            Self::HasManifest => "Use --again to replace the manifest.".into(),
            Self::CrcErased => "Change any byte of the image, for example its version.".into(),
            Self::LastWordUsed(_) => "Leave one word free, or use --crc image.".into(),
            Self::BehindManifest { .. } => {
                "Put the data into the application before it is signed, and sign what the linker wrote."
                    .into()
            }
        }
    }
}

impl Convention {
    /// The command that makes the CRC-32 that a board accepts.
    pub fn remedy(self) -> String {
        format!(
            "Build the image without that word; `surefoot image sign APP.bin --crc {} --out APP.dfu` adds the right one.",
            self.place()
        )
    }
}

impl Explain for Distrust {
    fn code(&self) -> String {
        match self {
            Self::Fault(fault) => format!("image.{}", texts::image_fault(*fault).name),
            Self::NotSigned => "image.not-signed".into(),
            Self::OtherKey(_) => "image.unknown-key".into(),
            Self::Signature(_) => "image.signature".into(),
            Self::Image(error) => error.code(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Fault(_) => "The manifest must be true of every byte before it.".into(),
            Self::NotSigned => "Without a signature nothing shows who made it.".into(),
            Self::OtherKey(_) => "Whoever has that key made it, and nothing shows who that is.".into(),
            Self::Signature(_) => "The manifest was changed, or its signature belongs to another one.".into(),
            Self::Image(error) => error.why(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::OtherKey(_) => {
                "Give the public key that belongs to the signer with --key (`surefoot image keys FILE` tells its id), or do not use the image.".into()
            }
            Self::Image(error) => error.remedy(),
            Self::NotSigned | Self::Fault(ImageFault::NoManifest) => {
                "Take the signed file, which `surefoot image sign` wrote.".into()
            }
            _ => "Do not use it; take the image from where it was signed.".into(),
        }
    }
}

impl Explain for Refused {
    fn code(&self) -> String {
        format!("image.{}", texts::image_fault(self.fault).name)
    }

    fn why(&self) -> String {
        match self.fault {
            ImageFault::Crc if self.convention.is_some() => {
                "The board computes what the STM32's CRC unit does, over all words before it.".into()
            }
            ImageFault::ResetOutside => format!(
                "Its reset vector 0x{:08X} lies outside the slot 0x{:08X}..0x{:08X}; it would not run there.",
                self.reset_vector,
                self.slot.base,
                self.slot.end()
            ),
            _ => "The board runs the same check before each start and would refuse it.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self.fault {
            ImageFault::ResetOutside => link_for(self.slot.base),
            ImageFault::Erased => {
                "Give the whole image from the slot's first byte on; a dump may have been read from an erased board."
                    .into()
            }
            fault => match self.convention {
                Some(convention) => convention.remedy(),
                None => sentence(texts::image_fault(fault).remedy),
            },
        }
    }
}

/// How to link an application for `slot`.
fn link_for(slot: u32) -> String {
    let address = link_address(slot);
    format!("Link it for 0x{slot:08X}: {address} `surefoot layout` writes all three.")
}

/// Where the address of a slot goes.
pub(crate) fn link_address(slot: u32) -> String {
    format!(
        "ORIGIN = 0x{slot:08X} in memory.x or the .ld file, and VECT_TAB_OFFSET = 0x{:X};",
        slot & 0x00FF_FFFF
    )
}

/// `text` with a capital and a full stop.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}
