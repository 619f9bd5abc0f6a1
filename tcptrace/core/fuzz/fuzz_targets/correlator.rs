//! Events in any order.
#![no_main]

use tcptrace_fuzz::{correlator, program::Program};

libfuzzer_sys::fuzz_target!(|program: Program| correlator::check(&program));
