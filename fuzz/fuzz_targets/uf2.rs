//! UF2 images.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| surefoot_fuzz_harness::files::uf2(data));
