//! Manifest and verification of a slot's bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| surefoot_fuzz_harness::image::run(data));
