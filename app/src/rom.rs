//! The jump to ST's ROM bootloader: by chip, by the address of its vector table, or by stack and entry.
//!
//! Ends the application: afterwards the ROM listens on the chip's USB, UART and other ports. It does
//! not come back by itself; the ROM's GO command or a reset starts the flash again.
//! Cortex-M0 parts are left out: they have no VTOR, and their ROM needs the remap of SYSCFG_CFGR1.

use crate::registers::{read, write};

/// A ROM bootloader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rom {
    entry: Entry,
    quiet: Quiet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Table(u32),
    Direct { stack_pointer: u32, program_counter: u32 },
}

/// Who brings clocks and peripherals back to their reset state before the jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// [`jump_to_rom`] does: the registers of an STM32F4 are known to it.
    F4,
    /// The application does, caches and MPU included; most simply by jumping straight after a reset.
    Application,
}

/// One line of [`KNOWN`]: chips whose name begins with the pattern (`?` is any one character) have
/// their ROM's vector table at the address.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Begin of the chip's name.
    pub pattern: &'static str,
    /// Address of the vector table.
    pub table: u32,
    /// What is done before the jump.
    pub quiet: Quiet,
}

const fn known(pattern: &'static str, table: u32, quiet: Quiet) -> Known {
    Known { pattern, table, quiet }
}

/// ROM bootloaders by chip; the first line that fits counts (AN2606, "Bootloader device-dependent
/// parameters" and the memory maps of the reference manuals).
pub const KNOWN: &[Known] = &[
    known("STM32F4", 0x1FFF_0000, Quiet::F4),
    known("STM32F2", 0x1FFF_0000, Quiet::Application),
    known("STM32F7", 0x1FF0_0000, Quiet::Application),
    known("STM32F105", 0x1FFF_B000, Quiet::Application),
    known("STM32F107", 0x1FFF_B000, Quiet::Application),
    known("STM32F101?F", 0x1FFF_E000, Quiet::Application),
    known("STM32F101?G", 0x1FFF_E000, Quiet::Application),
    known("STM32F103?F", 0x1FFF_E000, Quiet::Application),
    known("STM32F103?G", 0x1FFF_E000, Quiet::Application),
    known("STM32F10", 0x1FFF_F000, Quiet::Application),
    known("STM32H72", 0x1FF0_9800, Quiet::Application),
    known("STM32H73", 0x1FF0_9800, Quiet::Application),
    known("STM32H74", 0x1FF0_9800, Quiet::Application),
    known("STM32H75", 0x1FF0_9800, Quiet::Application),
    known("STM32L4", 0x1FFF_0000, Quiet::Application),
    known("STM32G0", 0x1FFF_0000, Quiet::Application),
    known("STM32G4", 0x1FFF_0000, Quiet::Application),
    known("STM32L5", 0x0BF9_0000, Quiet::Application),
    known("STM32U5", 0x0BF9_0000, Quiet::Application),
    known("STM32H503", 0x0BF8_7000, Quiet::Application),
    known("STM32H5", 0x0BF9_7000, Quiet::Application),
];

impl Rom {
    /// The ROM of `chip`, by its name as printed on it ("STM32F407VG"), in capitals.
    ///
    /// In a `const` an unknown name is found when the program is built:
    /// `const ROM: Rom = Rom::of("STM32F407VG").expect("a known chip");`
    pub const fn of(chip: &str) -> Option<Self> {
        let mut line = 0;
        while line < KNOWN.len() {
            if fits(KNOWN[line].pattern.as_bytes(), chip.as_bytes()) {
                return Some(Self { entry: Entry::Table(KNOWN[line].table), quiet: KNOWN[line].quiet });
            }
            line += 1;
        }
        None
    }

    /// A ROM whose vector table is at `address`.
    ///
    /// # Safety
    /// A vector table of executable code stands there.
    pub const unsafe fn at(address: u32, quiet: Quiet) -> Self {
        Self { entry: Entry::Table(address), quiet }
    }

    /// A ROM entered at `program_counter` with the main stack at `stack_pointer`.
    ///
    /// # Safety
    /// Executable code stands there and the stack pointer is in RAM.
    pub const unsafe fn entered_at(stack_pointer: u32, program_counter: u32, quiet: Quiet) -> Self {
        Self { entry: Entry::Direct { stack_pointer, program_counter }, quiet }
    }

    /// Address of the vector table, where it is known.
    pub const fn table(&self) -> Option<u32> {
        match self.entry {
            Entry::Table(address) => Some(address),
            Entry::Direct { .. } => None,
        }
    }
}

const fn fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.len() < pattern.len() {
        return false;
    }
    let mut i = 0;
    while i < pattern.len() {
        if pattern[i] != b'?' && pattern[i] != name[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Starts the ROM bootloader. Never returns.
///
/// Call it from thread mode, privileged: from an exception handler the ROM would inherit the
/// exception's priority. A watchdog that runs keeps running; the ROM does not feed it.
pub fn jump_to_rom(rom: Rom) -> ! {
    cortex_m::interrupt::disable();
    quiet_core();
    if rom.quiet == Quiet::F4 {
        crate::quiet::f4();
    }
    let (stack_pointer, program_counter) = match rom.entry {
        Entry::Table(table) => {
            write(VTOR, table);
            (read(table), read(table + 4))
        }
        Entry::Direct { stack_pointer, program_counter } => (stack_pointer, program_counter),
    };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
    // SAFETY: every source of interrupts is off and nothing is pending.
    unsafe { cortex_m::interrupt::enable() };
    // SAFETY: the ROM's own stack pointer and entry, by the table above or by the promise that
    // `Rom::at` and `Rom::entered_at` ask for.
    unsafe { cortex_m::asm::bootstrap(address(stack_pointer), address(program_counter)) }
}

fn address(value: u32) -> *const u32 {
    core::ptr::without_provenance(value as usize)
}

// PM0214 Rev 10: 4.2 NVIC, 4.4 system control block, 4.5 SysTick; ICTR: ARM DDI 0403E, B3.2.
const ICTR: u32 = 0xE000_E004;
const SYSTICK_CTRL: u32 = 0xE000_E010;
const SYSTICK_LOAD: u32 = 0xE000_E014;
const SYSTICK_VAL: u32 = 0xE000_E018;
const NVIC_ICER: u32 = 0xE000_E180;
const NVIC_ICPR: u32 = 0xE000_E280;
const ICSR: u32 = 0xE000_ED04;
pub(crate) const VTOR: u32 = 0xE000_ED08;
const ICSR_PENDSVCLR: u32 = 1 << 27;
const ICSR_PENDSTCLR: u32 = 1 << 25;

/// SysTick off, every interrupt disabled, nothing pending.
fn quiet_core() {
    for register in [SYSTICK_CTRL, SYSTICK_LOAD, SYSTICK_VAL] {
        write(register, 0);
    }
    // INTLINESNUM: how many words of 32 interrupts there are, less one.
    for word in 0..=(read(ICTR) & 0xF) {
        write(NVIC_ICER + 4 * word, u32::MAX);
        write(NVIC_ICPR + 4 * word, u32::MAX);
    }
    // Zeros have no effect in ICSR; writing back a pending bit that was read as one would set it again.
    write(ICSR, ICSR_PENDSVCLR | ICSR_PENDSTCLR);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_is_found_by_the_first_line_that_fits() {
        let table = |chip| Rom::of(chip).and_then(|rom| rom.table());
        assert_eq!(table("STM32F407VG"), Some(0x1FFF_0000));
        assert_eq!(table("STM32F103RC"), Some(0x1FFF_F000));
        assert_eq!(table("STM32F103RG"), Some(0x1FFF_E000));
        assert_eq!(table("STM32F107VC"), Some(0x1FFF_B000));
        assert_eq!(table("STM32H743ZI"), Some(0x1FF0_9800));
        assert_eq!(table("STM32H503CB"), Some(0x0BF8_7000));
        assert_eq!(table("STM32H563ZI"), Some(0x0BF9_7000));
    }

    #[test]
    fn a_name_that_is_too_short_or_unknown_has_no_rom() {
        for name in ["", "STM32", "STM32F", "STM32F0", "STM32F072RB", "GD32F407VG"] {
            assert_eq!(Rom::of(name), None, "{name}");
        }
    }

    #[test]
    fn every_line_of_the_table_can_be_reached() {
        for (at, line) in KNOWN.iter().enumerate() {
            let hidden = KNOWN[..at].iter().any(|b| fits(b.pattern.as_bytes(), line.pattern.as_bytes()));
            assert!(!hidden, "{} is hidden by a line before it", line.pattern);
        }
    }
}
