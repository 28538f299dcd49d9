//! What an application is linked with: `memory.x` for Rust, the same for GNU ld, a C header.
//!
//! The slot's end stays free for the manifest ([`Board::reserved`]), the start of RAM for the
//! handoff words. Two slots that run have a script each: an image runs only where it is linked for.

use crate::board::Board;
use crate::units::show_size;
use surefoot_core::config::Slot;
use surefoot_core::handoff;

/// What the header says of its values.
const TABLE_WHAT: &str = "for system_stm32*.c: SCB->VTOR = FLASH_BASE | this";
const LENGTH_WHAT: &str = "bytes, manifest included";

/// The texts for one slot of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// `memory.x` for cortex-m-rt.
    pub memory_x: String,
    /// MEMORY snippet for GNU ld.
    pub ld: String,
    /// Header for C, with VECT_TAB_OFFSET; the same for both slots.
    pub header: String,
}

impl Board {
    /// The scripts for an application in the first slot.
    pub fn scripts(&self) -> Scripts {
        let slot = self.slot();
        Scripts { memory_x: self.memory_x(slot, ""), ld: self.ld(slot, ""), header: self.header() }
    }

    /// Names and texts of every file an application is linked with: one pair of scripts for each slot
    /// that it can be linked for, and the header.
    pub fn script_files(&self) -> Vec<(String, String)> {
        let slots = self.running_slots();
        let mut files = Vec::new();
        for (slot, letter) in slots.iter().zip(["a", "b"]) {
            let (letter, name) = match slots.len() {
                1 => (String::new(), String::new()),
                _ => (format!("-{letter}"), format!(" {}", letter.to_uppercase())),
            };
            files.push((format!("memory{letter}.x"), self.memory_x(*slot, &name)));
            files.push((format!("surefoot{letter}.ld"), self.ld(*slot, &name)));
        }
        files.push(("surefoot_board.h".to_string(), self.header()));
        files
    }

    /// ORIGIN and LENGTH of the application's flash in the first slot.
    pub fn application_flash(&self) -> (u32, u32) {
        self.flash_of(self.slot())
    }

    fn flash_of(&self, slot: Slot) -> (u32, u32) {
        (slot.base, slot.length - self.reserved())
    }

    /// ORIGIN and LENGTH of the application's RAM.
    pub fn application_ram(&self) -> (u32, u32) {
        let ram = self.chip.ram;
        (ram.base + handoff::LEN, ram.size - handoff::LEN)
    }

    fn memory_x(&self, slot: Slot, name: &str) -> String {
        let ((flash, flash_size), (ram, ram_size)) = (self.flash_of(slot), self.application_ram());
        let mut text = format!(
            "/* {} ({}): the application's memories, written by `surefoot layout`.\n   \
             Flash: the slot{name} of {} less {} bytes for the manifest. RAM: behind the {} handoff bytes. */\n\
             MEMORY\n{{\n  FLASH : ORIGIN = 0x{flash:08X}, LENGTH = {flash_size}\n  \
             RAM : ORIGIN = 0x{ram:08X}, LENGTH = {ram_size}\n",
            self.name,
            self.chip.name,
            show_size(slot.length),
            self.reserved(),
            handoff::LEN,
        );
        for memory in self.other_ram() {
            text.push_str(&format!(
                "  {} : ORIGIN = 0x{:08X}, LENGTH = {}\n",
                memory.name, memory.base, memory.size
            ));
        }
        text.push_str("}\n");
        text
    }

    fn ld(&self, slot: Slot, name: &str) -> String {
        let of = if name.is_empty() { String::new() } else { format!("For slot{name}. ") };
        let ((flash, flash_size), (ram, ram_size)) = (self.flash_of(slot), self.application_ram());
        let mut text = format!(
            "/* {} ({}): written by `surefoot layout`. Replaces MEMORY in the project's .ld file.\n   \
             {of}The vector table is at ORIGIN(FLASH): VECT_TAB_OFFSET = 0x{:X}. */\n\
             MEMORY\n{{\n  FLASH (rx)  : ORIGIN = 0x{flash:08X}, LENGTH = 0x{flash_size:X}\n  \
             RAM (xrw)   : ORIGIN = 0x{ram:08X}, LENGTH = 0x{ram_size:X}\n",
            self.name,
            self.chip.name,
            slot.base - self.layout.flash.base(),
        );
        for memory in self.other_ram() {
            text.push_str(&format!(
                "  {} (xrw) : ORIGIN = 0x{:08X}, LENGTH = 0x{:X}\n",
                memory.name, memory.base, memory.size
            ));
        }
        text.push_str("}\n");
        if self.running_slots().len() > 1 {
            text.push_str(&format!(
                "/* For surefoot_board.h. */\nsurefoot_slot_base = 0x{:08X};\nsurefoot_slot_length = 0x{:X};\n",
                slot.base, slot.length
            ));
        }
        text
    }

    fn header(&self) -> String {
        let slots = self.running_slots();
        let define =
            |name: &str, value: String, what: &str| format!("#define {name:<28} {value} /* {what} */\n");
        let hex = |value: u32| format!("0x{value:08X}UL");
        let mut text = format!(
            "/* {} ({}): written by `surefoot layout`. */\n#ifndef SUREFOOT_BOARD_H\n#define SUREFOOT_BOARD_H\n\n",
            self.name, self.chip.name
        );
        if let [slot] = slots[..] {
            let offset = slot.base - self.layout.flash.base();
            text.push_str(&define("VECT_TAB_OFFSET", hex(offset), TABLE_WHAT));
            text.push_str(&define("SUREFOOT_SLOT_BASE", hex(slot.base), "the application's vector table"));
            text.push_str(&define("SUREFOOT_SLOT_LENGTH", hex(slot.length), LENGTH_WHAT));
        } else {
            // One header for both: the linker script knows for which slot this image is.
            let base = self.layout.flash.base();
            text.push_str(
                "/* From surefoot-a.ld or surefoot-b.ld: the slot that this image is linked for. */\n\
                 extern const unsigned long surefoot_slot_base[], surefoot_slot_length[];\n",
            );
            let offset = format!("((unsigned long)surefoot_slot_base - 0x{base:08X}UL)");
            text.push_str(&define("VECT_TAB_OFFSET", offset, TABLE_WHAT));
            for (name, symbol, what) in [
                ("SUREFOOT_SLOT_BASE", "surefoot_slot_base", "the application's vector table"),
                ("SUREFOOT_SLOT_LENGTH", "surefoot_slot_length", LENGTH_WHAT),
            ] {
                text.push_str(&define(name, format!("((unsigned long){symbol})"), what));
            }
        }
        for (name, value, what) in [
            ("SUREFOOT_BOARD_ID", self.id, "images name it"),
            ("SUREFOOT_DEVICE_ID", self.device_id().into(), "DEV_ID of DBGMCU_IDCODE"),
            ("SUREFOOT_MAGIC_WORD", self.boot.magic, "asks for update mode"),
            ("SUREFOOT_BACKUP_REGISTER", self.boot.backup_register.into(), "RTC_BKPxR with the magic word"),
            ("SUREFOOT_HANDOFF", self.chip.ram.base, "the handoff words, first bytes of RAM"),
        ] {
            text.push_str(&define(name, hex(value), what));
        }
        if let Some(rom) = self.chip.rom {
            text.push_str(&define(
                "SUREFOOT_ROM_BOOTLOADER",
                hex(rom),
                "ST's ROM bootloader: its vector table",
            ));
        }
        let family = self.binary_family;
        text.push_str(&format!(
            "\n/* A surefoot_board_t of this board: static const surefoot_board_t board = SUREFOOT_BOARD; */\n\
             #define SUREFOOT_BOARD {{0x{family:04X}U, SUREFOOT_MAGIC_WORD, SUREFOOT_HANDOFF, SUREFOOT_BACKUP_REGISTER}}\n"
        ));
        text.push_str("\n#endif\n");
        text
    }

    /// Internal RAM beside the main run (CCM).
    pub(crate) fn other_ram(&self) -> impl Iterator<Item = surefoot_chips::Ram> + '_ {
        let main = self.chip.ram;
        self.chip
            .memories
            .iter()
            .filter(move |m| m.base < main.base || m.base >= main.base + main.size)
            .copied()
    }
}
