//! The checks behind the fuzz targets: a module for each target, and shared code.
//!
//! - `record`, `options`, `capture`, `ttr`: arbitrary bytes; `correlator`: a [`program::Program`] of events;
//! - `run`: from events to every kind of output, with the invariants on the way.
//!
//! A target panics if something is wrong, so everything here does.

pub mod capture;
pub mod correlator;
#[path = "../../src/correlate/tests/invariants.rs"]
mod invariants;
pub mod options;
pub mod program;
pub mod record;
mod run;
pub mod ttr;

// The shared file expects these paths.
use tcptrace_core::{correlate, event, verdict};
