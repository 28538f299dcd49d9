//! The DFU host engine against any device.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| surefoot_fuzz_harness::host::run(data));
