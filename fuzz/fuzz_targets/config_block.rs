//! Configuration blocks, and a board that runs on them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| surefoot_fuzz_harness::blocks::run(data));
