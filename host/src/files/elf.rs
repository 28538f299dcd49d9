//! ELF: the loadable bytes at their physical addresses (crate `object`).
//!
//! The same bytes as `objcopy -O binary` takes: each allocated section with bytes, at the physical address
//! that its program segment gives it, or at its own address when it lies in none (`objcopy --add-section`
//! makes such). Linkers load the ELF's own headers too: GNU ld in the first segment, in front of the vector
//! table, LLD in a segment of their own at the start of the page. So a whole segment is taken only when no
//! section lies in it and it does not begin with the headers.

use super::FileError;
use super::segments::{Part, Place, Segments};
use object::LittleEndian;
use object::elf::{EM_ARM, FileHeader32, PT_LOAD, ProgramHeader32, SHF_ALLOC, SHT_NOBITS};
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
    /// A section's or segment's bytes lie outside the file.
    #[error("{place} says that its bytes are at {offset}..{end}, past the end of the file ({file})")]
    Truncated {
        /// The section or program segment.
        place: Place,
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
    let segments = header.program_headers(LE, bytes).map_err(damaged)?;
    let loads: Vec<Load> = segments.iter().enumerate().filter_map(|(i, s)| Load::of(i, s)).collect();
    let loads = without_physical(loads);
    for load in &loads {
        in_file(bytes, Place::Segment(load.index), load.offset, load.file_size)?;
    }
    let mut covered = vec![false; loads.len()];
    let mut parts = Parts { taken: Vec::new(), bytes: 0 };
    for (index, section) in sections.iter().enumerate() {
        let (offset, size) = (u64::from(section.sh_offset(LE)), u64::from(section.sh_size(LE)));
        let allocated = section.sh_flags(LE).0 & SHF_ALLOC.0 != 0;
        if !allocated || section.sh_type(LE) == SHT_NOBITS || size == 0 {
            continue;
        }
        let at = u64::from(section.sh_addr(LE));
        let address = match loads.iter().position(|load| load.holds(offset, at, size)) {
            Some(number) => {
                covered[number] = true;
                loads[number].physical(offset)
            }
            // In no segment: what was added to the file after it was linked. Its one address counts.
            None => section.sh_addr(LE),
        };
        parts.take(bytes, Place::Section(index), address, offset, size)?;
    }
    // Where the program is in sections, a segment of none that begins with the file holds the headers alone.
    let has_sections = !parts.taken.is_empty();
    for (load, covered) in loads.iter().zip(covered) {
        if covered || (has_sections && load.offset == 0) {
            continue;
        }
        parts.take(
            bytes,
            Place::Segment(load.index),
            load.physical(load.offset),
            load.offset,
            load.file_size,
        )?;
    }
    Ok(Segments::new(parts.taken)?)
}

/// True when the program keeps something in these bytes of memory: an allocated section, with bytes in the file or
/// without. False for what is no ELF.
pub fn uses(bytes: &[u8], start: u32, length: u32) -> bool {
    let Ok(header) = Header::parse(bytes) else { return false };
    let Ok(sections) = header.section_headers(LE, bytes) else { return false };
    let (start, end) = (u64::from(start), u64::from(start) + u64::from(length));
    sections.iter().any(|section| {
        let (at, size) = (u64::from(section.sh_addr(LE)), u64::from(section.sh_size(LE)));
        section.sh_flags(LE).0 & SHF_ALLOC.0 != 0 && size != 0 && at < end && start < at + size
    })
}

/// What is taken out of a file: never more bytes than it has, however often its tables name them.
struct Parts {
    taken: Vec<Part>,
    bytes: usize,
}

impl Parts {
    fn take(
        &mut self,
        file: &[u8],
        place: Place,
        address: u32,
        offset: u64,
        size: u64,
    ) -> Result<(), ElfError> {
        let bytes = in_file(file, place, offset, size)?;
        self.bytes += bytes.len();
        if self.bytes > file.len() {
            return Err(ElfError::Damaged(format!("{place} shares its bytes with another")));
        }
        self.taken.push(Part { address, bytes: bytes.to_vec(), place });
        Ok(())
    }
}

/// Some linkers leave every physical address zero. With more than one segment they would all go to one
/// place, so the virtual addresses count then, as for objcopy.
fn without_physical(mut loads: Vec<Load>) -> Vec<Load> {
    let filled = loads.iter().filter(|load| load.memory_size > 0).count();
    if filled > 1 && loads.iter().all(|load| load.physical_address == 0) {
        loads.iter_mut().for_each(|load| load.physical_address = load.virtual_address as u32);
    }
    loads
}

/// The bytes at `offset`.
fn in_file(bytes: &[u8], place: Place, offset: u64, size: u64) -> Result<&[u8], ElfError> {
    let end = offset + size;
    let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
    let found = range.and_then(|(offset, end)| bytes.get(offset..end));
    found.ok_or(ElfError::Truncated { place, offset, end, file: bytes.len() })
}

/// A program segment that is loaded.
struct Load {
    index: usize,
    offset: u64,
    file_size: u64,
    virtual_address: u64,
    memory_size: u64,
    physical_address: u32,
}

impl Load {
    fn of(index: usize, header: &ProgramHeader32<LittleEndian>) -> Option<Self> {
        (header.p_type(LE) == PT_LOAD).then(|| Self {
            index,
            offset: header.p_offset(LE).into(),
            file_size: header.p_filesz(LE).into(),
            virtual_address: header.p_vaddr(LE).into(),
            memory_size: header.p_memsz(LE).into(),
            physical_address: header.p_paddr(LE),
        })
    }

    /// True when a section lies in it with its bytes and with its addresses: BFD's rule for objcopy
    /// (binutils, include/elf/internal.h, ELF_SECTION_IN_SEGMENT). A section whose bytes lie in it by
    /// chance is not its.
    fn holds(&self, offset: u64, address: u64, size: u64) -> bool {
        let inside = |at: u64, start: u64, length: u64| at >= start && at + size <= start + length;
        inside(offset, self.offset, self.file_size) && inside(address, self.virtual_address, self.memory_size)
    }

    /// Where the byte at `offset` of the file goes.
    fn physical(&self, offset: u64) -> u32 {
        self.physical_address.wrapping_add((offset - self.offset) as u32)
    }
}
