//! The history of an exchange: what was sent, and what became of it.

use crate::{
    effect::{Effect, Sender},
    endpoint::Accepted,
    plan::Plan,
    segment::Segment,
};

/// A segment that was sent once, and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The segment.
    pub segment: Segment,
    /// Who sent it; `None` for somebody else who used the end's name.
    pub sender: Option<Sender>,
    /// Which connection of the four-tuple it belongs to.
    pub generation: usize,
    /// With this reset its sender ended its own connection.
    pub ends_own: bool,
    /// It met an end of its own connection.
    pub met: bool,
    /// It answers a forged one.
    pub answers_forged: bool,
    /// How often it arrived.
    pub arrivals: u32,
    /// The part of it that was taken.
    pub accepted: Accepted,
}

/// Something that can be seen from somewhere.
#[derive(Clone, Copy, Debug)]
pub enum Happening {
    /// A segment leaves its sender's host.
    Sent(usize),
    /// It passes the middle of the network.
    Passed(usize),
    /// It comes to the other host, and is taken in there.
    Arrived(usize),
    /// A forged one comes out of nowhere, wherever one looks on its way.
    Forged(usize),
    /// A change of state, or a hint.
    Kernel(Effect),
}

/// The history of an exchange.
#[derive(Clone, Debug)]
pub struct History {
    /// The plan.
    pub plan: Plan,
    /// All segments that were sent.
    pub sent: Vec<Sent>,
    /// Events with their times, in order.
    pub log: Vec<(u64, Happening)>,
    /// When tracing stopped.
    pub end: u64,
    /// Sides that have forgotten a socket.
    pub forgot: [bool; 2],
}
