//! ELF: the loadable bytes at their physical addresses (crate `object`).
//!
//! GNU ld often puts the ELF's own headers into the first program segment, in front of the vector
//! table; so the sections inside each segment are taken, as objcopy does, and a whole segment only
//! when the file has no sections.

use super::FileError;
use super::segments::{Part, Place, Segments};
use object::LittleEndian;
use object::elf::{EM_ARM, FileHeader32, PT_LOAD, SHF_ALLOC, SHT_NOBITS};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

/// Why bytes are not a usable ELF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The headers do not hold together.
    #[error("the ELF is damaged or cut short: {0}")]
    Damaged(String),
    /// 64 bits or big-endian.
    #[error("the ELF is not one of 32 bits, little-endian")]
    Class,
    /// Another processor than ARM.
    #[error("the ELF is for another processor (e_machine {0}), not for ARM")]
    Machine(u16),
    /// An object file or a shared library.
    #[error("the ELF is not a linked program (e_type {0})")]
    NotAProgram(u16),
    /// A segment's bytes lie outside the file.
    #[error(
        "program segment {index} says its bytes are at {offset}..{end}, past the end of the file ({file})"
    )]
    Truncated {
        /// Of the program header.
        index: usize,
        /// Its offset in the file.
        offset: u64,
        /// The end of its bytes.
        end: u64,
        /// Bytes of the file.
        file: usize,
    },
}

type Header = FileHeader32<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// Reads the loadable parts.
pub(super) fn read(bytes: &[u8]) -> Result<Segments, FileError> {
    let damaged = |e: object::read::Error| ElfError::Damaged(e.to_string());
    // e_ident: class 1 is 32 bits, data 1 is little-endian (System V ABI, ELF header).
    if !bytes.starts_with(b"\x7FELF") || bytes.len() < 52 {
        return Err(ElfError::Damaged("the header is not there".into()).into());
    }
    if bytes[4] != 1 || bytes[5] != 1 {
        return Err(ElfError::Class.into());
    }
    let header = Header::parse(bytes).map_err(damaged)?;
    if header.e_machine(LE) != EM_ARM {
        return Err(ElfError::Machine(header.e_machine(LE).0).into());
    }
    if header.e_type(LE) != object::elf::ET_EXEC {
        return Err(ElfError::NotAProgram(header.e_type(LE).0).into());
    }
    let sections = header.section_headers(LE, bytes).map_err(damaged)?;
    let mut parts = Vec::new();
    for (index, segment) in header.program_headers(LE, bytes).map_err(damaged)?.iter().enumerate() {
        if segment.p_type(LE) != PT_LOAD || segment.p_filesz(LE) == 0 {
            continue;
        }
        let offset = u64::from(segment.p_offset(LE));
        let end = offset + u64::from(segment.p_filesz(LE));
        let file = bytes.len();
        let data = segment.data(LE, bytes).map_err(|()| ElfError::Truncated { index, offset, end, file })?;
        let before = parts.len();
        let mut covered = false;
        for (number, section) in sections.iter().enumerate() {
            if section.sh_flags(LE).0 & SHF_ALLOC.0 == 0 || section.sh_type(LE) == SHT_NOBITS {
                continue;
            }
            let (at, size) = (u64::from(section.sh_offset(LE)), u64::from(section.sh_size(LE)));
            if at < offset || at + size > end {
                continue;
            }
            covered = true;
            let skip = (at - offset) as usize;
            let address = segment.p_paddr(LE).wrapping_add(skip as u32);
            let bytes = data[skip..skip + size as usize].to_vec();
            parts.push(Part { address, bytes, place: Place::Section(number) });
        }
        if !covered {
            parts.truncate(before);
            let place = Place::Section(index);
            parts.push(Part { address: segment.p_paddr(LE), bytes: data.to_vec(), place });
        }
    }
    Ok(Segments::new(parts)?)
}
