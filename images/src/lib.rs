//! The bootloader binaries, prebuilt and embedded.
//!
//! They are committed in `prebuilt`, with their SHA-256 and a fingerprint of the firmware's sources, so that
//! a build needs no toolchain for the chip; CI builds them from the sources and compares every byte. What a
//! test runs, what `surefoot bootloader` seals and what a device carries are the same bytes. Nothing here
//! changes them; sealing is `surefoot-board`'s. Which there are is in [`table`], which one a board takes [`choose()`] says.

mod choose;
pub mod make;
pub mod table;

pub use choose::{Chosen, Lack, NoneServes, Unfit, choose};
pub use table::{BINARIES, Binary, Feature};

/// A bootloader binary for one family of chips, not yet sealed.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// What it is called in messages and file names.
    pub name: &'static str,
    /// The bytes from the start of flash.
    pub binary: &'static [u8],
    /// The ELF file it was taken from, for symbols and sections.
    pub elf: &'static [u8],
}

/// STM32F4 with Ed25519.
pub static F4_FULL: Image = Image {
    name: table::F4_FULL.name,
    binary: include_bytes!(concat!(env!("OUT_DIR"), "/f4-full.bin")),
    elf: include_bytes!(concat!(env!("OUT_DIR"), "/f4-full.elf")),
};

/// STM32F4 without signatures: the policies `none` and `crc`.
pub static F4_CRC: Image = Image {
    name: table::F4_CRC.name,
    binary: include_bytes!(concat!(env!("OUT_DIR"), "/f4-crc.bin")),
    elf: include_bytes!(concat!(env!("OUT_DIR"), "/f4-crc.elf")),
};

/// Every binary of the table.
pub static IMAGES: [(&Binary, &Image); BINARIES.len()] =
    [(&table::F4_FULL, &F4_FULL), (&table::F4_CRC, &F4_CRC)];

/// The application library for C, for the STM32F4: the parts of the static library that are ever linked.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// Its name in `prebuilt/c`, and where `surefoot layout` writes it.
    pub file: &'static str,
    /// rustc's name of the chip and its float ABI.
    pub target: &'static str,
    /// The archive.
    pub archive: &'static [u8],
}

/// The library for gcc's `-mfloat-abi=hard`, and for `soft` and `softfp`.
pub static LIBRARIES: [Library; 2] = [
    Library {
        file: "libsurefoot-hard.a",
        target: "thumbv7em-none-eabihf",
        archive: include_bytes!("../prebuilt/c/libsurefoot-hard.a"),
    },
    Library {
        file: "libsurefoot-soft.a",
        target: "thumbv7em-none-eabi",
        archive: include_bytes!("../prebuilt/c/libsurefoot-soft.a"),
    },
];

/// A number for the sources of [`LIBRARIES`], as [`make::fingerprint`].
///
/// # Errors
/// When a source cannot be read.
pub fn library_fingerprint(root: &std::path::Path) -> anyhow::Result<String> {
    make::fingerprint_of(root, &make::files_of(root, &["app/c", "app/src", "core/src"])?)
}

/// The header of [`LIBRARIES`], app/include/surefoot.h.
pub static HEADER: &str = include_str!("../prebuilt/c/surefoot.h");

/// An application of the demo: an ELF file of examples/blinky-rust, or of the one in tests/trial that hangs.
#[derive(Clone, Copy, Debug)]
pub struct Application {
    /// Half a period of its LED, in milliseconds; none hangs.
    pub period_ms: Option<u32>,
    /// The start of the slot that it is linked for.
    pub base: u32,
    /// Its name in `prebuilt/demo`.
    pub file: &'static str,
    /// The file.
    pub elf: &'static [u8],
}

macro_rules! application {
    ($period_ms:expr, $base:expr, $file:literal) => {
        Application {
            period_ms: $period_ms,
            base: $base,
            file: $file,
            elf: include_bytes!(concat!("../prebuilt/demo/", $file)),
        }
    };
}

/// The applications of the demo.
pub static APPLICATIONS: [Application; 6] = [
    application!(Some(500), 0x0801_0000, "blinky-500-08010000.elf"),
    application!(Some(250), 0x0801_0000, "blinky-250-08010000.elf"),
    application!(Some(500), 0x0800_0000, "blinky-500-08000000.elf"),
    application!(Some(500), 0x0800_C000, "blinky-500-0800c000.elf"),
    application!(Some(250), 0x0808_0000, "blinky-250-08080000.elf"),
    application!(None, 0x0808_0000, "hangs-08080000.elf"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::fs;
    use std::path::Path;

    fn own() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn the_prebuilt_files_have_the_sums_beside_them() {
        for (folder, files) in [
            ("prebuilt", 2 * BINARIES.len()),
            ("prebuilt/demo", APPLICATIONS.len()),
            ("prebuilt/c", LIBRARIES.len() + 1),
        ] {
            let folder = own().join(folder);
            let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("there are sums");
            assert_eq!(sums.lines().count(), files);
            for line in sums.lines() {
                let (sum, name) = line.split_once("  ").expect("as sha256sum writes them");
                let now = Sha256::digest(fs::read(folder.join(name)).expect(name));
                assert_eq!(hex::encode(now), sum, "{name}");
            }
        }
    }

    #[test]
    fn the_prebuilt_library_for_c_is_of_these_sources() {
        let root = own().join("..");
        let now = library_fingerprint(&root).expect("the sources");
        let then = fs::read_to_string(own().join("prebuilt/c/SOURCES")).expect("a fingerprint");
        assert_eq!(then, now, "the library has changed: run `cargo xtask images --write`");
        assert_eq!(fs::read_to_string(root.join("app/include/surefoot.h")).expect("the header"), HEADER);
    }

    #[test]
    fn a_binary_is_what_its_elf_file_loads() {
        for (_, image) in IMAGES {
            assert_eq!(make::flat(image.elf).expect("an ELF file"), image.binary, "{}", image.name);
        }
    }

    #[test]
    fn each_row_of_the_table_is_embedded_under_its_name_and_inside_its_limit() {
        for (row, (binary, image)) in BINARIES.iter().zip(IMAGES) {
            assert_eq!((row, row.name), (binary, image.name));
            assert!(image.binary.len() <= row.limit as usize, "{}: {} bytes", row.name, image.binary.len());
            let prebuilt = own().join("prebuilt").join(format!("{}.bin", row.file));
            assert!(prebuilt.is_file(), "{}", row.file);
        }
    }

    #[test]
    fn the_prebuilt_images_are_of_these_sources() {
        let root = own().join("..");
        let now = make::fingerprint(&root).expect("the sources");
        let then = fs::read_to_string(own().join("prebuilt/SOURCES")).expect("a fingerprint");
        assert_eq!(then, now, "the firmware has changed: run `cargo xtask images --write`");
    }

    #[test]
    fn the_fingerprint_tells_a_byte_a_name_and_no_line_end() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
            make::fingerprint(root.path()).expect("sources")
        };
        fs::create_dir_all(root.path().join("core/src")).expect("a folder");
        write("firmware/Cargo.toml", "[package]\n");
        let first = write("core/src/lib.rs", "a\nb\n");
        assert_eq!(first, write("core/src/lib.rs", "a\r\nb\r\n"));
        assert_eq!(first, write("firmware/target/built.rs", "x"));
        assert_eq!(first, write("firmware/notes.txt", "x"));
        assert_ne!(first, write("core/src/lib.rs", "a\nc\n"));
        write("core/src/lib.rs", "a\nb\n");
        assert_ne!(first, write("core/src/more.rs", ""));
    }

    #[test]
    fn another_folder_makes_the_same_bytes() {
        let (root, copy) = (own().join(".."), tempfile::tempdir().expect("a folder"));
        let there = copy.path().join("a folder with a longer name");
        for path in make::sources(&root).expect("sources") {
            let place = there.join(path.strip_prefix(&root).expect("in the root"));
            fs::create_dir_all(place.parent().expect("in a folder")).expect("a folder");
            fs::copy(path, place).expect("a copy");
        }
        let made = make::Made::new(&there.join("firmware"), &table::F4_FULL).expect("builds");
        assert!(made.elf == F4_FULL.elf, "the folder tells");
        assert_eq!(make::fingerprint(&there).expect("sources"), make::fingerprint(&root).expect("sources"));
    }

    #[test]
    fn the_firmwares_package_of_the_core_has_its_features() {
        let part = |path: &str| {
            let text = fs::read_to_string(own().join(path)).expect(path);
            let features =
                text.split_once("[features]").expect("features").1.split("\n[").next().unwrap_or("");
            let lines = features.lines().filter(|l| !l.starts_with('#') && !l.starts_with("default"));
            lines.filter(|l| !l.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(part("../core/Cargo.toml"), part("../firmware/core/Cargo.toml"));
    }
}
