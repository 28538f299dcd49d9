//! What the fuzz targets do with their bytes: one function a target, which panics when a promise
//! is broken.
//!
//! The targets in `fuzz_targets` call these under libFuzzer; `tests/seeded.rs` runs them on stable
//! over thousands of inputs, which [`seeds`] and [`mutate`] make. [`TARGETS`] lists all.
#![forbid(unsafe_code)]

pub mod blocks;
pub mod device;
#[cfg(feature = "files")]
pub mod files;
pub mod host;
pub mod image;
pub mod memory;
mod mutation;

#[allow(missing_docs)]
#[path = "../../../core/tests/support/mod.rs"]
mod support;

pub use mutation::mutate;
pub use support::Random;

/// A target: its name, what it does, and inputs that get far.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As in `fuzz_targets`.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Good inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "dfu_device", run: device::run, seeds: device::seeds },
    Target { name: "dfu_host", run: host::run, seeds: host::seeds },
    Target { name: "image", run: image::run, seeds: image::seeds },
    Target { name: "memory_string", run: memory::run, seeds: memory::seeds },
    Target { name: "config_block", run: blocks::run, seeds: blocks::seeds },
    #[cfg(feature = "files")]
    Target { name: "board_file", run: files::board, seeds: files::board_seeds },
    #[cfg(feature = "files")]
    Target { name: "elf", run: files::elf, seeds: files::elf_seeds },
    #[cfg(feature = "files")]
    Target { name: "hex", run: files::hex, seeds: files::hex_seeds },
    #[cfg(feature = "files")]
    Target { name: "srec", run: files::srec, seeds: files::srec_seeds },
    #[cfg(feature = "files")]
    Target { name: "uf2", run: files::uf2, seeds: files::uf2_seeds },
    #[cfg(feature = "files")]
    Target { name: "bin", run: files::bin, seeds: files::bin_seeds },
    #[cfg(feature = "files")]
    Target { name: "dfu_file", run: files::dfu, seeds: files::dfu_seeds },
];

/// The bytes of an input, one after the other; zeros behind its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    fn u8(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes([self.u8(), self.u8(), self.u8(), self.u8()])
    }
    fn take(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        let mut bytes = taken.to_vec();
        bytes.resize(length, 0);
        bytes
    }
}
