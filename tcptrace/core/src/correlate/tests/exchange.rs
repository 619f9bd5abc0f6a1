//! A builder of exchanges, one line per event.
//!
//! - `circumstances`: the circumstances of the next events;
//! - `events`: the events.

mod circumstances;
mod events;

use std::net::IpAddr;

use super::invariants::Invariants;
pub(in crate::correlate) use super::invariants::conn;
pub(in crate::correlate) use crate::tcp::TcpState as State;
use crate::{
    correlate::{
        Correlated, CorrelatedSegment, CorrelatedState, Correlator, NO_NAMESPACE, Totals,
        table::{connection::Key, endpoint::ResetHint},
    },
    event::{BootTime, Counters, Endpoint, Event, Proof, Task},
    verdict::{Close, Handshake},
};

/// The namespace whose segments are seen.
pub(in crate::correlate) const HERE: u32 = 1;

/// Events between ports of 127.0.0.1, a nanosecond apart. A socket is known by its own port.
pub(in crate::correlate) struct Exchange {
    connections: Correlator,
    invariants: Invariants,
    placed: Vec<Correlated>,
    now: u64,
    netns: u32,
    ifindex: u32,
    with_sockets: bool,
    btf: bool,
    error: u32,
    proof: Proof,
    task: Option<Task>,
    counters: Option<Counters>,
    uid: Option<u32>,
}

impl Exchange {
    pub(in crate::correlate) fn new() -> Self {
        Self {
            connections: Correlator::new(HERE),
            invariants: Invariants::default(),
            placed: Vec::new(),
            now: 1_000_000_000,
            netns: HERE,
            ifindex: 1,
            with_sockets: false,
            btf: true,
            error: 0,
            proof: Proof::default(),
            task: None,
            counters: None,
            uid: None,
        }
    }

    /// Creates an exchange whose events are those of a capture.
    pub(in crate::correlate) fn of_capture() -> Self {
        Self { connections: Correlator::new(NO_NAMESPACE), ..Self::new() }
    }

    /// From now on the capture may be paused.
    pub(in crate::correlate) fn may_pause(&mut self) {
        self.connections.expect_pauses();
    }

    pub(in crate::correlate) fn connections(&mut self) -> &mut Correlator {
        &mut self.connections
    }

    pub(in crate::correlate) fn pass(&mut self, nanoseconds: u64) {
        self.now += nanoseconds;
    }

    /// Handles a timeout at the current time.
    pub(in crate::correlate) fn timeout(&mut self) {
        let Self { connections, invariants, placed, .. } = self;
        connections.handle_timeout(BootTime(self.now), &mut |one| {
            invariants.came_out(&one);
            placed.push(one);
        });
    }

    pub(in crate::correlate) fn deadline(&self) -> Option<u64> {
        self.connections.poll_timeout().map(|BootTime(at)| at)
    }

    /// Returns true if the events are those of a capture.
    pub(in crate::correlate) fn is_capture(&self) -> bool {
        self.connections.watched.here == NO_NAMESPACE
    }

    pub(in crate::correlate) fn now(&self) -> u64 {
        self.now
    }

    pub(in crate::correlate) fn event(&mut self, event: &Event) {
        let Self { connections, invariants, placed, .. } = self;
        invariants.put_in(event);
        connections.handle_event(event, &mut |one| {
            invariants.came_out(&one);
            placed.push(one);
        });
        self.now += 1;
    }

    /// Returns every event that has been placed, after the last one.
    pub(in crate::correlate) fn finish(&mut self) -> Vec<Correlated> {
        events(self.finish_all())
    }

    /// Returns the whole output, including verdicts.
    pub(in crate::correlate) fn finish_all(&mut self) -> Vec<Correlated> {
        let Self { connections, invariants, placed, .. } = self;
        connections.finish(BootTime(self.now), &mut |one| {
            invariants.came_out(&one);
            placed.push(one);
        });
        invariants.finished(connections.totals());
        std::mem::take(&mut self.placed)
    }

    /// Returns the verdicts, after the last event.
    pub(in crate::correlate) fn records(&mut self) -> (Vec<Handshake>, Vec<Close>) {
        let (mut handshakes, mut closes) = (Vec::new(), Vec::new());
        for placed in self.finish_all() {
            match placed {
                Correlated::Handshake(mut record) => {
                    let told = record.summary.clone();
                    record.summarize();
                    assert_eq!(told, record.summary, "the record holds all that the sentence tells");
                    handshakes.push(*record);
                }
                Correlated::Close(mut record) => {
                    let told = record.summary.clone();
                    record.summarize();
                    assert_eq!(told, record.summary, "the record holds all that the sentence tells");
                    closes.push(*record);
                }
                _ => {}
            }
        }
        (handshakes, closes)
    }

    /// Returns the output so far.
    pub(in crate::correlate) fn placed(&self) -> &[Correlated] {
        &self.placed
    }

    /// Returns the kernel's reason for the reset that `from` sent.
    pub(in crate::correlate) fn reset_hint(&self, from: u16, to: u16) -> Option<ResetHint> {
        let (key, side) = Key::new(HERE, end(from), end(to));
        let table = &self.connections.table;
        table.get(table.find(&key)?)?.end(side).reset_hint()
    }

    pub(in crate::correlate) fn totals(&self) -> Totals {
        self.connections.totals()
    }
}

/// Keeps the events of an output, and drops the verdicts.
pub(in crate::correlate) fn events(mut placed: Vec<Correlated>) -> Vec<Correlated> {
    placed.retain(|placed| {
        !matches!(
            placed,
            Correlated::Handshake(_)
                | Correlated::Close(_)
                | Correlated::Stalled(_)
                | Correlated::Evicted(_)
                | Correlated::Owner(_)
                | Correlated::Listener(_)
        )
    });
    placed
}

pub(in crate::correlate) fn end(port: u16) -> Endpoint {
    Endpoint { addr: IpAddr::from([127, 0, 0, 1]), port }
}

pub(in crate::correlate) fn states(placed: &[Correlated]) -> Vec<CorrelatedState> {
    let state = |placed: &Correlated| if let Correlated::State(state) = placed { Some(state.clone()) } else { None };
    placed.iter().filter_map(state).collect()
}

pub(in crate::correlate) fn segments(placed: &[Correlated]) -> Vec<CorrelatedSegment> {
    let segment = |placed: &Correlated| if let Correlated::Segment(segment) = placed { Some(*segment) } else { None };
    placed.iter().filter_map(segment).collect()
}
