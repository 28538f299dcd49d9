//! Writes the memory map that cortex-m-rt's linker script includes.

use std::{env, fs, path::PathBuf};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // The budgets. Both builds fit the F4's first sector; the smaller one leaves half of it free.
    let with = |feature| env::var_os(feature).is_some();
    let flash = if with("CARGO_FEATURE_SIGNATURE") || with("CARGO_FEATURE_FAILSAFE") { "16K" } else { "8K" };
    // RAM: the handoff words stand before it. 16K is less than the smallest F4 has.
    let memory = format!(
        "MEMORY\n{{\n  FLASH : ORIGIN = 0x08000000, LENGTH = {flash}\n  RAM : ORIGIN = 0x20000020, LENGTH = 16K - 32\n}}\n\
         /* Behind the sixteen core vectors and the binary's header; see src/sealed.rs. */\n\
         surefoot_block = ORIGIN(FLASH) + 0x60;\n\
         ASSERT(SIZEOF(.data) == 0, \"initialised data would have to be copied at start-up\");\n"
    );
    fs::write(out.join("memory.x"), memory).expect("OUT_DIR is writable");
    // Every interrupt stays disabled, so there are no handlers to give aliases to.
    fs::write(out.join("device.x"), "").expect("OUT_DIR is writable");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed=build.rs");
}
