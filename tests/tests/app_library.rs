//! The application library's tables and its C header, held against what they repeat.
//!
//! What the library does on a chip is seen in `app_blinky.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use surefoot_app::{Board, Error, Event, FlashFault, ImageFault, KNOWN, Reason, ResetCause, Rom, Standing};
use surefoot_core::{config, handoff};
use surefoot_tests::fixtures;
use surefoot_tests::needs;

#[test]
fn the_rom_of_every_chip_that_the_chip_data_knows_is_at_the_same_address() {
    let mut compared = 0;
    for chip in surefoot_chips::all() {
        let Some(rom) = chip.rom else { continue };
        let ours = Rom::of(chip.name).and_then(|rom| rom.table());
        if chip.core == Some("Cortex-M0") {
            // Left out on purpose: no VTOR, the ROM needs a remap first.
            assert_eq!(ours, None, "{}", chip.name);
            continue;
        }
        assert_eq!(ours, Some(rom), "{}", chip.name);
        compared += 1;
    }
    assert!(compared > 100, "only {compared} chips have a ROM address in the chip data");
}

#[test]
fn every_pattern_of_the_rom_table_names_real_chips() {
    let names: Vec<String> = surefoot_chips::all().map(|chip| chip.name.to_string()).collect();
    for known in KNOWN {
        let fits = |name: &String| {
            name.len() >= known.pattern.len()
                && known.pattern.bytes().zip(name.bytes()).all(|(p, n)| p == b'?' || p == n)
        };
        assert!(names.iter().any(fits), "no chip is called {}", known.pattern);
    }
}

/// Every constant of the header with the value that Rust has for it.
fn header_constants() -> BTreeMap<String, u32> {
    let mut all = BTreeMap::from([
        ("SUREFOOT_FAMILY_F4", u32::from(config::FAMILY_F4)),
        ("SUREFOOT_DEFAULT_MAGIC_WORD", handoff::DEFAULT_MAGIC_WORD),
        ("SUREFOOT_NO_BACKUP_REGISTER", u32::MAX),
        ("SUREFOOT_HANDOFF_LENGTH", handoff::LEN),
        ("SUREFOOT_RESET_BROWN_OUT", ResetCause::BROWN_OUT.0.into()),
        ("SUREFOOT_RESET_PIN", ResetCause::PIN.0.into()),
        ("SUREFOOT_RESET_POWER_ON", ResetCause::POWER_ON.0.into()),
        ("SUREFOOT_RESET_SOFTWARE", ResetCause::SOFTWARE.0.into()),
        ("SUREFOOT_RESET_INDEPENDENT_WATCHDOG", ResetCause::INDEPENDENT_WATCHDOG.0.into()),
        ("SUREFOOT_RESET_WINDOW_WATCHDOG", ResetCause::WINDOW_WATCHDOG.0.into()),
        ("SUREFOOT_RESET_LOW_POWER", ResetCause::LOW_POWER.0.into()),
        ("SUREFOOT_REASON_NONE", 0),
        ("SUREFOOT_REASON_MAGIC_WORD", Reason::MagicWord as u32),
        ("SUREFOOT_REASON_MAGIC_RAM", Reason::MagicRam as u32),
        ("SUREFOOT_REASON_BUTTON", Reason::Button as u32),
        ("SUREFOOT_REASON_DOUBLE_TAP", Reason::DoubleTap as u32),
        ("SUREFOOT_REASON_NO_VALID_IMAGE", Reason::NoValidImage as u32),
        ("SUREFOOT_REASON_CONFIGURATION", Reason::Configuration as u32),
        ("SUREFOOT_REASON_REFUSED", Reason::Refused as u32),
        ("SUREFOOT_OK", 0),
        ("SUREFOOT_NO_BOOTLOADER", Error::NoBootloader.number()),
        ("SUREFOOT_NO_JOURNAL", Error::NoJournal.number()),
        ("SUREFOOT_NOT_AB", Error::Strategy.number()),
        ("SUREFOOT_ON_TRIAL", Error::OnTrial.number()),
        ("SUREFOOT_NOT_OPEN", Error::NotOpen.number()),
        ("SUREFOOT_ORDER", Error::Order.number()),
        ("SUREFOOT_TOO_LONG", Error::TooLong.number()),
        // The C library's own.
        ("SUREFOOT_NOTHING_TO_CONFIRM", 8),
        ("SUREFOOT_VECTOR_TABLE", Error::VectorTable.number()),
        ("SUREFOOT_NOT_BEGUN", 9),
        ("SUREFOOT_UNKNOWN_FAMILY", 10),
        ("SUREFOOT_FLASH_FAULT", Error::Flash(FlashFault::Locked).number() - FlashFault::Locked as u32),
        ("SUREFOOT_IMAGE_FAULT", Error::Image(ImageFault::Erased).number() - ImageFault::Erased as u32),
        ("SUREFOOT_RUNNING_UNKNOWN", Standing::Unknown as u32),
        ("SUREFOOT_RUNNING_CONFIRMED", Standing::Confirmed as u32),
        ("SUREFOOT_RUNNING_ON_TRIAL", Standing::OnTrial as u32),
    ])
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect::<BTreeMap<_, _>>();
    // Enumerations with the numbers and, in capitals, the names of Rust's variants.
    let events = (1..=u8::MAX).filter_map(Event::from_number).map(|e| (format!("{e:?}"), e as u32));
    all.extend(events.map(|(name, value)| (format!("SUREFOOT_EVENT_{}", capitals(&name)), value)));
    for (kind, file, name) in [
        ("FLASH", "core/src/port.rs", "pub enum FlashFault {"),
        ("IMAGE", "core/src/image/verify.rs", "pub enum ImageFault {"),
    ] {
        let text = fs::read_to_string(fixtures::root().join(file)).unwrap();
        let (_, body) = text.split_once(name).unwrap();
        let (body, _) = body.split_once("\n}").unwrap();
        let before = all.len();
        all.extend(body.lines().filter_map(|line| {
            let (name, value) = line.trim().trim_end_matches(',').split_once(" = ")?;
            Some((format!("SUREFOOT_{kind}_{}", capitals(name)), value.parse().unwrap()))
        }));
        assert!(all.len() >= before + 10, "{file}");
    }
    all
}

/// A variant's name as a constant of C has it.
fn capitals(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

fn header() -> String {
    let path = fixtures::root().join("app/include/surefoot.h");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_header_has_every_constant_with_rusts_value_and_no_other() {
    let mut found = BTreeMap::new();
    let text = header();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["#define", name, value, ..] = words[..]
            && !value.starts_with('{')
        {
            let value = value.trim_end_matches('u');
            let number = match value.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => value.parse(),
            };
            found.insert(name.to_owned(), number.unwrap_or_else(|e| panic!("{line}: {e}")));
        }
    }
    assert_eq!(found, header_constants());
}

#[test]
fn the_headers_default_board_is_rusts() {
    let board = Board::F4;
    let register = board.backup_register.map_or("SUREFOOT_NO_BACKUP_REGISTER".into(), |n| format!("{n}u"));
    let define = format!(
        "#define SUREFOOT_BOARD_F4 {{SUREFOOT_FAMILY_F4, SUREFOOT_DEFAULT_MAGIC_WORD, {:#x}u, {register}}}",
        board.handoff
    );
    assert_eq!((board.family as u16, board.magic_word), (config::FAMILY_F4, handoff::DEFAULT_MAGIC_WORD));
    assert!(header().lines().any(|line| line == define), "{define}");
}

#[test]
fn every_reason_of_the_core_has_a_name_in_the_header() {
    let named: Vec<u32> = header_constants()
        .into_iter()
        .filter(|(name, _)| name.starts_with("SUREFOOT_REASON_"))
        .map(|(_, value)| value)
        .collect();
    for number in 1..=u8::MAX {
        assert_eq!(Reason::from_number(number).is_some(), named.contains(&number.into()), "{number}");
    }
}

#[test]
fn the_header_compiles_as_c_and_cpp_and_its_types_have_the_librarys_layout() {
    if !needs::whole(needs::C) {
        return;
    }
    let source = "#include \"surefoot.h\"\n#include <stddef.h>\n\
         #ifdef __cplusplus\n#define CHECK static_assert\n#else\n#define CHECK _Static_assert\n#endif\n\
         CHECK(sizeof(surefoot_board_t) == 16, \"board\");\n\
         CHECK(offsetof(surefoot_board_t, backup_register) == 12, \"board\");\n\
         CHECK(sizeof(surefoot_status_t) == 12, \"status\");\n\
         CHECK(offsetof(surefoot_status_t, reason) == 4, \"status\");\n\
         CHECK(offsetof(surefoot_status_t, slot) == 8, \"status\");\n\
         CHECK(sizeof(surefoot_state_t) == 24, \"state\");\n\
         CHECK(offsetof(surefoot_state_t, id) == 8, \"state\");\n\
         CHECK(offsetof(surefoot_state_t, floor) == 20, \"state\");\n\
         CHECK(sizeof(surefoot_event_t) == 16, \"event\");\n\
         CHECK(offsetof(surefoot_event_t, sequence) == 4, \"event\");\n\
         CHECK(sizeof(surefoot_updater_t) == 160, \"updater\");\n\
         extern const surefoot_board_t board;\nconst surefoot_board_t board = SUREFOOT_BOARD_F4;\n";
    let folder = tempfile::tempdir().unwrap();
    for (language, standard) in [("c", "c11"), ("c++", "c++17")] {
        let file = folder.path().join("check");
        fs::write(&file, source).unwrap();
        let object = folder.path().join("check.o");
        let output = Command::new("arm-none-eabi-gcc")
            .args([
                "-x",
                language,
                &format!("-std={standard}"),
                "-Wall",
                "-Wextra",
                "-Werror",
                "-ffreestanding",
            ])
            .args(["-mcpu=cortex-m4", "-mthumb", "-c", "-I"])
            .arg(fixtures::root().join("app/include"))
            .arg(&file)
            .arg("-o")
            .arg(&object)
            .output()
            .expect("arm-none-eabi-gcc (Debian: gcc-arm-none-eabi)");
        assert!(output.status.success(), "{language}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_static_library_defines_every_function_that_the_header_declares() {
    if !needs::whole(needs::C) {
        return;
    }
    let library = fixtures::static_library().unwrap();
    let output = Command::new("arm-none-eabi-nm")
        .args(["--defined-only", "--extern-only"])
        .arg(&library)
        .output()
        .expect("arm-none-eabi-nm (Debian: binutils-arm-none-eabi)");
    let symbols = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = header();
    let declared: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '(')
        .filter_map(|word| word.strip_suffix('(').or_else(|| word.split_once('(').map(|(name, _)| name)))
        .filter(|name| name.starts_with("surefoot_"))
        .collect();
    assert!(declared.len() >= 14, "{declared:?}");
    for name in declared {
        assert!(symbols.lines().any(|line| line.ends_with(&format!(" T {name}"))), "{name} is not defined");
    }
}

#[test]
fn every_workspace_for_the_chip_names_the_firmwares_toolchain() {
    let toolchain = |folder: &str| {
        let path = fixtures::root().join(folder).join("rust-toolchain.toml");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    };
    for folder in ["app/c", "examples", "tests/peers", "tests/trial"] {
        assert_eq!(toolchain(folder), toolchain("firmware"), "{folder}");
    }
}

/// What `surefoot layout` writes: a program in C is linked with either, with its own float ABI, and the scripts of a
/// board with two slots.
#[test]
fn a_program_in_c_links_the_library_that_the_command_brings() {
    if !needs::whole(needs::C) {
        return;
    }
    let board = surefoot_board::Board::load(&fixtures::root().join("boards/f4-discovery-ab.toml")).unwrap();
    for (library, abi) in surefoot_images::LIBRARIES.iter().zip(["hard", "soft"]) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write(library.file, library.archive);
        write("surefoot.h", surefoot_images::HEADER.as_bytes());
        for (name, text) in board.script_files() {
            write(&name, text.as_bytes());
        }
        write("own.c", OWN.as_bytes());
        let fpu = if abi == "hard" { " -mfpu=fpv4-sp-d16" } else { "" };
        for (slot, base) in [("a", 0x0800_C000_u32), ("b", 0x0808_0000)] {
            let made = std::process::Command::new("make")
                .current_dir(fixtures::root().join("examples/blinky-c"))
                .arg(format!(
                    "CORE=-mcpu=cortex-m4 -mthumb -mfloat-abi={abi}{fpu} -I{}",
                    folder.path().display()
                ))
                .arg(format!("PROGRAM={}", folder.path().join("own.c").display()))
                .arg(format!("MEMORY={}", folder.path().join(format!("surefoot-{slot}.ld")).display()))
                .arg(format!("LIBRARY={}", folder.path().join(library.file).display()))
                .arg(format!("OUT={}", folder.path().display()))
                .output()
                .unwrap();
            assert!(made.status.success(), "{abi}: {}", String::from_utf8_lossy(&made.stderr));
            let mut board = surefoot_sim::Board::new(surefoot_sim::ChipModel::stm32f407vg());
            board.load_elf(&fs::read(folder.path().join("blinky.elf")).unwrap()).unwrap();
            // Without a bootloader: the two words of its vector table at the start of flash start it.
            let table = board.read_memory(base, 8).unwrap().to_vec();
            assert!(board.write_flash(0x0800_0000, &table));
            board.power_on();
            board.run_for(surefoot_sim::Nanos::millis(10));
            let told = [0x2001_0000, 0x2001_0004, 0x2001_0008, 0x2001_000C].map(|at| board.read_word(at));
            let expected = [base - 0x0800_0000, base, 1, 0xDEAD_BEEF];
            assert_eq!(told, expected.map(Some), "{abi}, slot {slot}: no bootloader, said by the library");
        }
    }
}

/// Tells what the header and the linker script say, and what the library does.
const OWN: &str = r#"
#include "surefoot.h"
#include "surefoot_board.h"

#define TOLD ((volatile uint32_t *)0x20010000u)
static const surefoot_board_t board = SUREFOOT_BOARD;

void SysTick_Handler(void)
{
}

int main(void)
{
    uint16_t version[3];

    TOLD[0] = VECT_TAB_OFFSET;
    TOLD[1] = SUREFOOT_SLOT_BASE;
    TOLD[2] = surefoot_version(&board, version);
    TOLD[3] = board.magic_word;
    for (;;) {
        __asm volatile("wfi");
    }
}
"#;
