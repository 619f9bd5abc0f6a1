//! Binary recordings, and entries of their blocks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::ttr::check(bytes));
