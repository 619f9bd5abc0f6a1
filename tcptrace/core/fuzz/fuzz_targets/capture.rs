//! Files as read by `tcptrace -r`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::capture::check(bytes));
