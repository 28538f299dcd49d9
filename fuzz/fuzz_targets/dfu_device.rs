//! The DFU device engine behind endpoint 0.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| surefoot_fuzz_harness::device::run(data));
