//! Looking into a board, as a debugger and a test do. Nothing here takes time.

use super::Board;
use crate::cpu::Order;
use crate::violation::Violation;

/// The fault registers of the core (ARM DDI 0403E sections B3.2.15 to B3.2.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Configurable fault status.
    pub cfsr: u32,
    /// HardFault status.
    pub hfsr: u32,
    /// Address of a bus fault.
    pub bfar: u32,
    /// Number of the exception being handled: 3 in a HardFault handler, 0 in none.
    pub exception: u16,
}

impl Board {
    /// Broken rules since the board was made or since [`Board::take_violations`].
    pub fn violations(&self) -> &[Violation] {
        self.bus.effects.violations.list()
    }

    /// Broken rules, which are then forgotten.
    pub fn take_violations(&mut self) -> Vec<Violation> {
        let list = self.bus.effects.violations.list().to_vec();
        self.bus.effects.violations.clear();
        list
    }

    /// Fails with the list of broken rules, if there are any that `expected` does not accept.
    ///
    /// # Panics
    ///
    /// With every unexpected violation in the message.
    pub fn assert_no_violations(&self, expected: impl Fn(&Violation) -> bool) {
        let bad: Vec<String> =
            self.violations().iter().filter(|v| !expected(v)).map(ToString::to_string).collect();
        assert!(bad.is_empty(), "{} violations of the manual:\n{}", bad.len(), bad.join("\n"));
    }

    /// Bytes of flash, RAM or system memory, as a debugger reads them; `None` outside.
    pub fn read_memory(&self, address: u32, length: usize) -> Option<&[u8]> {
        self.bus.memory.bytes(address, length)
    }

    /// A word of flash, RAM or system memory.
    pub fn read_word(&self, address: u32) -> Option<u32> {
        self.read_memory(address, 4).map(crate::memory::little)
    }

    /// Writes RAM as a debugger does. False outside of RAM.
    pub fn write_memory(&mut self, address: u32, bytes: &[u8]) -> bool {
        let Some(ram) = self.bus.memory.ram_mut(address) else { return false };
        let at = (address - ram.base) as usize;
        let Some(cells) = ram.bytes_mut().get_mut(at..at + bytes.len()) else { return false };
        cells.copy_from_slice(bytes);
        self.cpu.order(Order::Invalidate(address, address + bytes.len() as u32));
        true
    }

    /// Puts bytes into flash as a programmer does. False outside of flash.
    pub fn write_flash(&mut self, address: u32, bytes: &[u8]) -> bool {
        let Some(offset) = self.bus.memory.flash_offset(address) else { return false };
        let end = offset as usize + bytes.len();
        if end > self.bus.memory.flash.bytes().len() {
            return false;
        }
        self.bus.memory.flash.load(offset as usize, bytes);
        self.cpu.order(Order::Invalidate(address, address + bytes.len() as u32));
        true
    }

    /// All of the flash array.
    pub fn flash(&self) -> &[u8] {
        self.bus.memory.flash.bytes()
    }

    /// A core register: 0-15, or 16 for xPSR.
    pub fn register(&self, number: usize) -> u32 {
        self.cpu.register(number)
    }

    /// Sets a core register: 0-15, or 16 for xPSR.
    pub fn set_register(&mut self, number: usize, value: u32) {
        self.cpu.set_register(number, value);
    }

    /// The next instruction's address.
    pub fn pc(&self) -> u32 {
        self.cpu.pc()
    }

    /// True while the core sleeps.
    pub fn asleep(&self) -> bool {
        self.cpu.asleep()
    }

    /// True when the core is in the system memory: the application jumped into the ROM.
    pub fn in_rom(&self) -> bool {
        (crate::memory::SYSTEM_MEMORY..crate::memory::OTP).contains(&self.pc())
    }

    /// From now on every run ends right before an instruction at one of these addresses. A run that
    /// begins there goes on.
    pub fn stop_at(&mut self, addresses: &[u32]) {
        for address in std::mem::take(&mut self.stops) {
            self.cpu.stop_at(address, false);
        }
        addresses.iter().for_each(|&address| self.cpu.stop_at(address, true));
        self.stops = addresses.to_vec();
    }

    /// The core's fault registers.
    pub fn faults(&mut self) -> Faults {
        let cycles = self.cycles();
        let mut read = |address| self.cpu.debug_read(address, cycles).unwrap_or(0);
        let (cfsr, hfsr, bfar) = (read(0xE000_ED28), read(0xE000_ED2C), read(0xE000_ED38));
        Faults { cfsr, hfsr, bfar, exception: self.cpu.register(16) as u16 & 0x1FF }
    }

    /// A word of the system control space, as a debugger reads it.
    pub fn read_system(&mut self, address: u32) -> Option<u32> {
        let cycles = self.cycles();
        self.cpu.debug_read(address, cycles)
    }

    /// The vector table in force: the core's VTOR (ARM DDI 0403E section B3.2.5).
    pub fn vector_table(&mut self) -> u32 {
        self.read_system(0xE000_ED08).unwrap_or(0)
    }

    /// The exception being handled: 0 for none, 3 for a HardFault, 16 and up for interrupts.
    pub fn exception(&self) -> u16 {
        self.cpu.register(16) as u16 & 0x1FF
    }

    /// RTC_BKPxR.
    pub fn backup_register(&self, number: usize) -> u32 {
        self.bus.models.backup.register(number)
    }

    /// Sets RTC_BKPxR as a debugger would.
    pub fn set_backup_register(&mut self, number: usize, value: u32) {
        self.bus.models.backup.set_register(number, value);
    }

    /// The option bytes in the layout of FLASH_OPTCR.
    pub fn option_bytes(&self) -> u32 {
        self.bus.models.flash.options()
    }

    /// Sets the option bytes as a programmer does.
    pub fn set_option_bytes(&mut self, options: u32) {
        self.bus.models.flash.set_options(options);
    }

    /// True while the watchdog runs.
    pub fn watchdog_running(&self) -> bool {
        self.bus.models.iwdg.running()
    }

    /// Fills the RAM below `top` with a pattern, `length` bytes of it, to find the deepest stack
    /// later. Use before the program runs.
    pub fn paint_stack(&mut self, top: u32, length: u32) {
        self.write_memory(top - length, &[PAINT; 1].repeat(length as usize));
    }

    /// Bytes below `top` that something wrote since [`Board::paint_stack`].
    pub fn stack_depth(&self, top: u32, length: u32) -> u32 {
        let bytes = self.read_memory(top - length, length as usize).unwrap_or(&[]);
        length - bytes.iter().take_while(|&&b| b == PAINT).count() as u32
    }
}

/// What the stack is painted with.
const PAINT: u8 = 0xA5;
