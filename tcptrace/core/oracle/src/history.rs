//! The history of an exchange: its segments and their fates.

use crate::{
    effect::{Effect, Sender},
    endpoint::Accepted,
    plan::Plan,
    segment::Segment,
};

/// A segment as it was sent once, and its fate.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The segment.
    pub segment: Segment,
    /// Its sender; `None` if it is forged.
    pub sender: Option<Sender>,
    /// Generation of the four-tuple that it belongs to, from 0.
    pub generation: usize,
    /// True if it is a reset by which its sender ended its own connection.
    pub ends_own: bool,
    /// True if it reached an end of its own connection.
    pub met: bool,
    /// True if it answers a forged segment.
    pub answers_forged: bool,
    /// Number of arrivals.
    pub arrivals: u32,
    /// The parts of it that were accepted.
    pub accepted: Accepted,
}

/// An event that is visible from some vantage.
#[derive(Clone, Copy, Debug)]
pub enum Happening {
    /// A segment leaves its sender's host.
    Sent(usize),
    /// It passes the middle of the network.
    Passed(usize),
    /// It arrives at the other host and is handled there.
    Arrived(usize),
    /// A forged segment, visible everywhere on its path at the same time.
    Forged(usize),
    /// A change of state, or a hint.
    Kernel(Effect),
}

/// The history of an exchange.
#[derive(Clone, Debug)]
pub struct History {
    /// The plan.
    pub plan: Plan,
    /// All segments sent.
    pub sent: Vec<Sent>,
    /// Events with their times, in order.
    pub log: Vec<(u64, Happening)>,
    /// Time at which tracing stopped.
    pub end: u64,
    /// True for a side that has lost a socket without closing it.
    pub forgot: [bool; 2],
}
