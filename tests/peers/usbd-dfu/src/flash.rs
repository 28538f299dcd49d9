//! The memory behind usbd-dfu: sectors 4 to 11 through stm32f4xx-hal's flash driver.

use core::sync::atomic::{AtomicBool, Ordering};

use stm32f4xx_hal::flash::FlashExt;
use stm32f4xx_hal::pac::FLASH;
use usbd_dfu::{DFUManifestationError, DFUMemError, DFUMemIO};

/// Where the application begins.
pub const APPLICATION: u32 = 0x0801_0000;
/// End of the flash.
pub const FLASH_END: u32 = 0x0810_0000;
const FLASH_START: u32 = 0x0800_0000;
const BLOCK: usize = 256;

static OVER: AtomicBool = AtomicBool::new(false);

/// True once the host has ended an update.
pub fn update_is_over() -> bool {
    OVER.load(Ordering::Relaxed)
}

/// The flash and the block on its way there.
pub struct Memory {
    flash: FLASH,
    block: [u8; BLOCK],
}

impl Memory {
    /// Takes the flash registers.
    pub fn new(flash: FLASH) -> Self {
        Self { flash, block: [0; BLOCK] }
    }
}

fn writable(address: u32, length: usize) -> bool {
    let end = address.checked_add(length as u32);
    address >= APPLICATION && end.is_some_and(|end| end <= FLASH_END)
}

impl DFUMemIO for Memory {
    const INITIAL_ADDRESS_POINTER: u32 = APPLICATION;
    const MEM_INFO_STRING: &'static str = "@Internal Flash /0x08000000/04*016Ka,01*064Kg,07*128Kg";
    // The driver programs bytes: 16 us each (DS8626 Rev 9, table 47), and the processor stalls
    // meanwhile, so the next request is answered when the block is programmed.
    const PROGRAM_TIME_MS: u32 = 5;
    const ERASE_TIME_MS: u32 = 2000;
    const FULL_ERASE_TIME_MS: u32 = 15_000;
    const TRANSFER_SIZE: u16 = BLOCK as u16;

    fn store_write_buffer(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.block.get_mut(..bytes.len()).ok_or(())?.copy_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, address: u32, length: usize) -> Result<&[u8], DFUMemError> {
        let end = address.checked_add(length as u32);
        if address < FLASH_START || end.is_none_or(|end| end > FLASH_END) {
            return Err(DFUMemError::Address);
        }
        let from = (address - FLASH_START) as usize;
        Ok(&FlashExt::read(&self.flash)[from..from + length])
    }

    fn program(&mut self, address: u32, length: usize) -> Result<(), DFUMemError> {
        if !writable(address, length) {
            return Err(DFUMemError::Address);
        }
        let from = (address - FLASH_START) as usize;
        let mut unlocked = self.flash.unlocked();
        unlocked.program(from, self.block[..length].iter()).map_err(|_| DFUMemError::Prog)?;
        drop(unlocked);
        let same = FlashExt::read(&self.flash)[from..from + length] == self.block[..length];
        if same { Ok(()) } else { Err(DFUMemError::Verify) }
    }

    fn erase(&mut self, address: u32) -> Result<(), DFUMemError> {
        if !writable(address, 1) {
            return Err(DFUMemError::Address);
        }
        let sector = self.flash.sector((address - FLASH_START) as usize).ok_or(DFUMemError::Address)?;
        self.flash.unlocked().erase(sector.number).map_err(|_| DFUMemError::Erase)
    }

    fn erase_all(&mut self) -> Result<(), DFUMemError> {
        let mut unlocked = self.flash.unlocked();
        (4..12).try_for_each(|sector| unlocked.erase(sector)).map_err(|_| DFUMemError::Erase)
    }

    fn manifestation(&mut self) -> Result<(), DFUManifestationError> {
        OVER.store(true, Ordering::Relaxed);
        Ok(())
    }
}
