//! Puts memory.x where the linker finds it: the one beside this file, or the one that
//! `SUREFOOT_MEMORY_X` names (an absolute path), for another slot.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SUREFOOT_MEMORY_X");
    let memory = env::var_os("SUREFOOT_MEMORY_X").map_or_else(|| PathBuf::from("memory.x"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", memory.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy(&memory, out.join("memory.x")).unwrap_or_else(|e| panic!("{}: {e}", memory.display()));
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // Sections start at their own alignment only: a smaller file, fewer words to flash.
    println!("cargo::rustc-link-arg-bins=--nmagic");
}
