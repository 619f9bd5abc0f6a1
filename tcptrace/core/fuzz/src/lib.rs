//! The fuzz targets' use of their input: a module for each of them, and what they share.
//!
//! - `record`, `options`, `capture`, `ttr`: any bytes; `correlator`: a [`program::Program`] of events;
//! - `run`: from events to every kind of output, and what has to hold on the way.
//!
//! A target panics where something is wrong, so everything here does.

pub mod capture;
pub mod correlator;
#[path = "../../src/correlate/tests/invariants.rs"]
mod invariants;
pub mod options;
pub mod program;
pub mod record;
mod run;
pub mod ttr;

// Where the shared file looks for them.
use tcptrace_core::{correlate, event, verdict};
