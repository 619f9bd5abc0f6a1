//! Records of the ring buffer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::record::check(bytes));
