//! What the host tool finds and seals in the binary: header and configuration block.
//!
//! They stand where the vectors of interrupts would be, right behind the sixteen of the core:
//! every interrupt stays disabled. Unsealed, the block reads as erased flash.

use crate::family::f4::mem::apart;
#[cfg(feature = "signature")]
use surefoot_core::config;
use surefoot_core::config::{
    BLOCK_LEN, BinaryHeader, FAMILY_F4, FEATURE_FAILSAFE, FEATURE_SIGNATURE, HEADER_LEN,
};

/// Version of the bootloader, from Cargo.toml.
pub const VERSION: [u8; 3] = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

/// What this binary is.
pub const HEADER: BinaryHeader = BinaryHeader {
    version: VERSION,
    family: FAMILY_F4,
    features: feature(cfg!(feature = "signature"), FEATURE_SIGNATURE)
        | feature(cfg!(feature = "failsafe"), FEATURE_FAILSAFE),
};

const fn feature(built_in: bool, bit: u16) -> u16 {
    if built_in { bit } else { 0 }
}

/// A configuration block.
pub type Block = [u8; BLOCK_LEN];

/// Header and unsealed block.
#[repr(C, align(4))]
pub struct Sealed([u8; HEADER_LEN], Block);

// SAFETY: cortex-m-rt's name and section for what follows the core's vectors; none of it is ever
// fetched as a vector, since no interrupt is enabled.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".vector_table.interrupts")]
static __INTERRUPTS: Sealed = Sealed(HEADER.encode(), [0xFF; BLOCK_LEN]);

// SAFETY: build.rs gives the symbol the address of the block in the sealed binary.
unsafe extern "C" {
    safe static surefoot_block: Block;
}

static mut COPY: Block = [0; BLOCK_LEN];

/// Where the copy starts, which is checked and obeyed; at a whole word.
pub fn obeyed() -> *const u8 {
    (&raw const COPY).cast()
}

/// The block in flash, of whose bytes the compiler knows nothing, those of an earlier read included.
#[inline(always)]
pub fn sealed() -> *const u8 {
    apart(&raw const surefoot_block).cast()
}

/// The copy, of zeros before the first one.
pub fn block() -> &'static Block {
    // SAFETY: one thread; to be called when `copy` is called no more.
    unsafe { (&raw const COPY).as_ref_unchecked() }
}

/// The keys' places in the copy: a flags word, then the key.
#[cfg(feature = "signature")]
pub fn keys() -> &'static [[u8; 36]] {
    block()[config::at::KEYS..config::at::STRINGS].as_chunks().0
}

/// The block as it is in flash now (not the constant above, which the compiler would fold into the code), in
/// RAM: what is checked there is what is obeyed, and flash may read otherwise the next time.
///
/// # Safety
/// Nothing refers to what an earlier call gave out.
pub unsafe fn copy() -> &'static Block {
    // SAFETY: one thread, and no interrupts; the rest is the caller's.
    unsafe {
        let copy = &raw mut COPY;
        copy.copy_from_nonoverlapping(sealed().cast(), 1);
        &*copy
    }
}

const fn number(text: &str) -> u8 {
    let mut value = 0;
    let mut i = 0;
    while i < text.len() {
        value = value * 10 + (text.as_bytes()[i] - b'0');
        i += 1;
    }
    value
}
