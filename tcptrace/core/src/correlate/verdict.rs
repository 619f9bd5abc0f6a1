//! Verdicts: decided from what the table knows of a connection, and nothing else.

pub(in crate::correlate) mod assemble;
pub(in crate::correlate) mod close;
pub(in crate::correlate) mod handshake;
mod inferred_states;
pub(in crate::correlate) mod progress;
mod reset;
pub(crate) mod sentence;
pub(in crate::correlate) mod stalled;
mod state_times;
