//! Which connection an event belongs to.
//!
//! Sans-IO: events and time in, the same events in their place out; no clock, no sockets, no tokio.
//!
//! A connection is a network namespace, a four-tuple and a generation: the same four-tuple is used again, and a SYN with
//! a new ISN begins a new generation. Both sockets of a connection whose two ends are on this host, and both directions
//! of its segments, share one number. Events go through
//!
//! - `waiting`: state changes that do not know their port or peer yet wait, and everything behind them, for 50 ms at
//!   the most;
//! - `copies`: the same segment seen on another interface is dropped;
//! - `segments`, `states`: the connection is found or begun in the `table`, by socket where one is known;
//! - `connection`: what is remembered of it.

mod connection;
mod copies;
mod segments;
mod states;
mod table;
mod waiting;

use std::collections::HashMap;

pub use connection::Role;

use self::{copies::Copies, table::Table, waiting::Waiting};
use crate::event::{BootTime, Event, IcmpError, Loss, Segment, StateChange};

/// An event in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placed {
    /// A state change.
    State(PlacedState),
    /// A segment, the first of its copies.
    Segment(PlacedSegment),
    /// An ICMP error.
    Icmp(PlacedIcmp),
    /// A gap.
    Loss(Loss),
}

/// A state change in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedState {
    /// The change; a port that is still 0 was never learnt.
    pub change: StateChange,
    /// The connection; none for listeners.
    pub conn: Option<u64>,
    /// A number for the socket, from 1, as long as it lives.
    pub socket: u64,
    /// Which end of the connection it is, where something tells.
    pub role: Option<Role>,
    /// Nanoseconds spent in the old state, where its beginning was seen.
    pub old_state_ns: Option<u64>,
}

/// A segment in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedSegment {
    /// The segment.
    pub segment: Segment,
    /// The connection.
    pub conn: u64,
    /// Sequence number relative to the sender's ISN.
    pub rel_seq: u32,
    /// Acknowledgement number relative to the other end's ISN.
    pub rel_ack: Option<u32>,
}

/// An ICMP error in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedIcmp {
    /// The error.
    pub error: IcmpError,
    /// The connection of the segment it quotes.
    pub conn: u64,
}

/// Counts of connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Numbered so far.
    pub numbered: u64,
    /// Of these, ended.
    pub ended: u64,
    /// Of these, forgotten before they ended.
    pub evicted: u64,
}

impl Totals {
    /// Neither ended nor forgotten.
    pub fn open(&self) -> u64 {
        self.numbered - self.ended - self.evicted
    }
}

/// The connections of a host.
#[derive(Debug)]
pub struct Connections {
    /// The namespace whose segments are seen.
    netns: u32,
    waiting: Waiting,
    copies: Copies,
    table: Table,
    /// Sockets that listen, by namespace and port: how many.
    listeners: HashMap<(u32, u16), u32>,
}

impl Connections {
    /// Nothing seen yet. Segments, and sockets whose namespace is not known, belong to `netns`.
    pub fn new(netns: u32) -> Self {
        Self {
            netns,
            waiting: Waiting::default(),
            copies: Copies::default(),
            table: Table::default(),
            listeners: HashMap::new(),
        }
    }

    /// Takes an event; hands on whatever is complete now, in the order in which it came.
    pub fn handle_event(&mut self, event: &Event, emit: &mut dyn FnMut(Placed)) {
        let now = event.at();
        if self.waiting.take(event) {
            self.handle_timeout(now, emit);
        } else {
            self.place(event, emit);
        }
    }

    /// Lets go what has waited long enough by `now`, and forgets what ended long ago.
    pub fn handle_timeout(&mut self, now: BootTime, emit: &mut dyn FnMut(Placed)) {
        while let Some(event) = self.waiting.next(now) {
            self.place(&event, emit);
        }
        self.table.expire(now);
    }

    /// When [`Self::handle_timeout`] should be called at the latest.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        self.waiting.deadline()
    }

    /// Lets go everything that waits: no more events will come.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Placed)) {
        self.handle_timeout(BootTime(u64::MAX), emit);
    }

    /// How many connections there have been.
    pub fn totals(&self) -> Totals {
        self.table.totals()
    }

    fn place(&mut self, event: &Event, emit: &mut dyn FnMut(Placed)) {
        match event {
            Event::State(change) => emit(Placed::State(self.place_state(change))),
            Event::Segment(segment) => {
                if let Some(placed) = self.place_segment(segment) {
                    emit(Placed::Segment(placed));
                }
            }
            Event::Icmp(error) => {
                if !self.copies.icmp_is_copy(error) {
                    let conn = self.place_quoted(error);
                    emit(Placed::Icmp(PlacedIcmp { error: *error, conn }));
                }
            }
            Event::Loss(loss) => emit(Placed::Loss(*loss)),
        }
    }
}

#[cfg(test)]
mod tests;
