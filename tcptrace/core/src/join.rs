//! Connections in the recordings of several hosts, joined to one timeline each.
//!
//! Each file is correlated on its own, with the knowledge of its host. A connection that is over there is a [`View`]. Views
//! with the same initial sequence numbers belong to the same connection, whatever its addresses: a translation on the way
//! changes those. A server that refuses a connection has no initial sequence number, and one that the SYN never reached has
//! no view.
//!
//! - `view`: the records of a connection in one file;
//! - `noted`: what is kept of its events;
//! - `clock`: offset between the clocks of two hosts; `offsets`: what a connection says about it;
//! - `passage`: segments that several hosts saw;
//! - `unsent`: resets that no host sent;
//! - `verdicts`: one handshake and one close from those of several hosts;
//! - `matching`: views that may be the same connection; `joiner`, `group`: groups of them; `timeline`: the records of a joined connection in order.

mod candidates;
mod clock;
mod group;
mod joiner;
mod matching;
mod noted;
mod offsets;
mod passage;
#[cfg(test)]
mod tests;
mod timeline;
mod unsent;
mod verdicts;
mod view;

pub use self::{
    clock::Clock,
    joiner::{Joiner, RecordedHost, Room},
    view::{View, Views},
};
