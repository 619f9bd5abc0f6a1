//! Assignment of each kind of event to its connection, and the updates that follow.

pub(in crate::correlate) mod accept_queue;
mod accurate_ecn;
mod behind_reset;
pub(in crate::correlate) mod claims;
mod doubted_resets;
mod dropped;
mod encapsulation;
pub(super) mod filtered;
mod gaps;
mod generation;
pub(super) mod hint;
mod icmp;
pub(in crate::correlate) mod keep_alive;
mod late_port;
mod learn;
pub(in crate::correlate) mod nat;
pub(in crate::correlate) mod owner;
mod predicted;
mod report;
mod segment;
mod state_change;
