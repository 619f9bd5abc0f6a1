//! Options of a TCP header.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::options::check(bytes));
