//! Verdicts, decided only from the state that the table keeps of a connection.

pub(in crate::correlate) mod assemble;
pub(in crate::correlate) mod close;
pub(in crate::correlate) mod drops;
pub(in crate::correlate) mod handshake;
mod inferred_states;
pub(in crate::correlate) mod progress;
mod reset;
pub(in crate::correlate) mod stalled;
pub(in crate::correlate) mod state_times;
