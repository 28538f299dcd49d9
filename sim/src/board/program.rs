//! Putting programs into a board's flash: raw bytes, ELF and Intel HEX, as a programmer does.

use object::read::elf::{ElfFile32, ProgramHeader};

use super::Board;

/// Why a program cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Part of it lies outside of the chip's flash and RAM.
    #[error("{length} bytes at {address:#010x} are neither in this chip's flash nor in its RAM")]
    Outside {
        /// First address.
        address: u32,
        /// Bytes.
        length: usize,
    },
    /// Not an ELF file for a 32-bit little-endian machine.
    #[error("not a 32-bit little-endian ELF file: {0}")]
    Elf(#[from] object::Error),
    /// Not for ARM.
    #[error("an ELF file for another machine than ARM ({0:?})")]
    Machine(object::elf::Machine),
    /// Not an Intel HEX file.
    #[error("not an Intel HEX file: {0}")]
    Hex(String),
    /// A segment of the ELF file reaches beyond its end.
    #[error("the ELF file is cut short")]
    Truncated,
    /// Nothing to load in it.
    #[error("the file holds no bytes to load")]
    Empty,
}

impl Board {
    /// Puts bytes into flash as a programmer does, or into RAM as a debugger does.
    pub fn load(&mut self, address: u32, bytes: &[u8]) -> Result<(), LoadError> {
        if self.write_flash(address, bytes) || self.write_memory(address, bytes) {
            return Ok(());
        }
        Err(LoadError::Outside { address, length: bytes.len() })
    }

    /// Loads the segments of an ELF file at their physical addresses.
    pub fn load_elf(&mut self, file: &[u8]) -> Result<(), LoadError> {
        let elf = ElfFile32::<object::LittleEndian>::parse(file)?;
        let (header, endian) = (elf.elf_header(), object::LittleEndian);
        let machine = header.e_machine.get(endian);
        if machine != object::elf::EM_ARM {
            return Err(LoadError::Machine(machine));
        }
        let mut empty = true;
        for segment in elf.elf_program_headers() {
            if segment.p_type(endian) != object::elf::PT_LOAD || segment.p_filesz(endian) == 0 {
                continue;
            }
            let bytes = segment.data(endian, file).map_err(|()| LoadError::Truncated)?;
            self.load(segment.p_paddr(endian), bytes)?;
            empty = false;
        }
        if empty { Err(LoadError::Empty) } else { Ok(()) }
    }

    /// Loads an Intel HEX file.
    pub fn load_hex(&mut self, text: &str) -> Result<(), LoadError> {
        let (mut upper, mut empty) = (0, true);
        for record in ihex::Reader::new(text) {
            match record.map_err(|e| LoadError::Hex(e.to_string()))? {
                ihex::Record::Data { offset, value } => {
                    self.load(upper + u32::from(offset), &value)?;
                    empty = false;
                }
                ihex::Record::ExtendedLinearAddress(high) => upper = u32::from(high) << 16,
                ihex::Record::ExtendedSegmentAddress(high) => upper = u32::from(high) << 4,
                ihex::Record::EndOfFile => break,
                _ => {}
            }
        }
        if empty { Err(LoadError::Empty) } else { Ok(()) }
    }
}
