//! Connections that the recordings of several hosts hold, joined to one timeline each.
//!
//! Each file is correlated by itself, with what its host knows. A connection that is over there is a [`View`]. Views with the
//! same initial sequence numbers are the same connection, whatever addresses it has: a translation on the way changes those. A
//! server that refuses a connection has no initial sequence number, and one that the SYN never reached has no view.
//!
//! - `view`: what one file tells of a connection;
//! - `clock`: how far the clock of one host is ahead of another's;
//! - `passage`: which of the segments that two hosts saw are the same;
//! - `verdicts`: one handshake and one close from those of several hosts;
//! - `joiner`: which views belong together; `telling`: the records of a joined connection in order.

mod clock;
mod joiner;
mod passage;
mod telling;
#[cfg(test)]
mod tests;
mod verdicts;
mod view;

pub use self::{
    clock::Clock,
    joiner::{Joiner, RecordedHost},
    view::{View, Views},
};
