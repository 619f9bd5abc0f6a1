//! Properties of the correlator's output that hold for any input. The fuzz targets check them as well, so this file is compiled
//! into those too, and names only public items.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    correlate::{Correlated, Totals},
    event::{Event, Loss, LossSource, StateChange},
    verdict::{CloseKind, HandshakeKind, Outcome},
};

/// Compares the output with the input.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    /// Events that were put in and have not come out yet.
    awaited: VecDeque<Event>,
    /// The highest number given to a connection.
    numbered: u64,
    /// Connections without their close so far.
    open: BTreeSet<u64>,
    /// Connections whose last record was written.
    over: BTreeSet<u64>,
    /// The connection whose handshake was not seen, until its close, which must follow at once.
    unseen: Option<u64>,
}

impl Invariants {
    /// Notes the next input.
    pub(crate) fn put_in(&mut self, event: &Event) {
        // Owners are emitted only when they are of use.
        if !matches!(event, Event::Owner(_) | Event::Listener(_)) {
            self.awaited.push_back(*event);
        }
    }

    /// Checks the next output.
    pub(crate) fn came_out(&mut self, placed: &Correlated) {
        self.check_order(placed);
        self.check_number(placed);
        let unseen = self.unseen.take();
        match placed {
            Correlated::Handshake(record) => {
                let known = self.open.contains(&record.conn) || self.over.contains(&record.conn);
                assert!(!known, "a second handshake: {record:?}");
                assert_eq!(unseen, None, "between a handshake that was not seen and its close: {record:?}");
                let goes_on = record.outcome.is_none_or(|outcome| outcome == Outcome::Established);
                if goes_on { &mut self.open } else { &mut self.over }.insert(record.conn);
                assert_eq!(record.outcome.is_none(), record.kind == HandshakeKind::Unseen);
                assert_eq!(record.incomplete, !record.missing.is_empty());
                assert!(!record.summary.contains('\n'), "{record:?}");
                self.unseen = record.outcome.is_none().then_some(record.conn);
            }
            Correlated::Close(record) => {
                assert!(self.open.remove(&record.conn), "a close without its handshake: {record:?}");
                assert!(self.over.insert(record.conn), "a second close: {record:?}");
                assert!(
                    unseen.is_none_or(|conn| conn == record.conn),
                    "instead of the close of {unseen:?}: {record:?}"
                );
                assert_eq!(record.incomplete, !record.missing.is_empty());
                assert!(record.kind != CloseKind::Reset || record.reset.is_some(), "{record:?}");
                assert!(!record.summary.contains('\n'), "{record:?}");
            }
            Correlated::Stalled(record) => {
                assert!(!self.over.contains(&record.conn), "it is over: {record:?}");
                assert_eq!(unseen, None, "between a handshake that was not seen and its close: {record:?}");
                assert!(record.since <= record.at && !record.summary.contains('\n'), "{record:?}");
            }
            Correlated::Evicted(evicted) => {
                assert!(!self.over.contains(&evicted.conn), "it is over: {evicted:?}");
                self.open.remove(&evicted.conn);
            }
            _ => assert_eq!(unseen, None, "between a handshake that was not seen and its close: {placed:?}"),
        }
    }

    /// Checks the output as a whole, after the last event.
    pub(crate) fn finished(&self, totals: Totals) {
        let lost = self.awaited.iter().find(|event| !may_be_left_out(event));
        assert_eq!(lost, None, "it never came out");
        assert_eq!(self.unseen, None, "no close follows");
        assert_eq!(self.numbered, totals.numbered, "every number given is shown, none is shown besides");
        assert_eq!(self.over.len() as u64, totals.ended, "what ended has its last record");
        assert!(totals.ended + totals.evicted <= totals.numbered, "{totals:?}");
        assert!(self.open.len() as u64 <= totals.open() + totals.evicted, "{totals:?}");
    }

    /// Checks that events come out in the order in which they were put in; segments and ICMP errors may be left out.
    fn check_order(&mut self, placed: &Correlated) {
        if matches!(
            placed,
            Correlated::Owner(_)
                | Correlated::Listener(_)
                | Correlated::Handshake(_)
                | Correlated::Close(_)
                | Correlated::Stalled(_)
                | Correlated::Evicted(_)
                | Correlated::StateGap(..)
        ) {
            return;
        }
        while let Some(event) = self.awaited.pop_front() {
            if is(placed, &event) {
                return;
            }
            assert!(may_be_left_out(&event), "{event:?} is left out or comes too late, behind {placed:?}");
        }
        panic!("nobody put it in, or it was here before: {placed:?}");
    }

    /// Checks that numbers are given from 1 on, in order of appearance.
    fn check_number(&mut self, placed: &Correlated) {
        let Some(conn) = conn(placed) else { return };
        assert!((1..=self.numbered + 1).contains(&conn), "behind number {}: {placed:?}", self.numbered);
        self.numbered = self.numbered.max(conn);
    }
}

/// Returns true if an event may be left out, as a copy of one seen elsewhere.
fn may_be_left_out(event: &Event) -> bool {
    matches!(event, Event::Segment(_) | Event::Icmp(_) | Event::Report(_)) || is_of_states(event)
}

/// Returns true for a count of missing state changes, which may have been reported where they showed.
fn is_of_states(event: &Event) -> bool {
    matches!(event, Event::Loss(Loss { source: LossSource::State | LossSource::Recursion, .. }))
}

/// Returns true if this is the output of an event. The ends of a state change may have been learnt since.
fn is(placed: &Correlated, event: &Event) -> bool {
    match (placed, event) {
        (Correlated::State(placed), Event::State(change)) => {
            let filled_in = StateChange { local: placed.change.local, remote: placed.change.remote, ..*change };
            placed.change == filled_in
        }
        (Correlated::Segment(placed), Event::Segment(segment)) => placed.segment == *segment,
        (Correlated::Icmp(placed), Event::Icmp(error)) => placed.error == *error,
        (Correlated::Hint(placed), Event::Hint(hint)) => placed.hint == *hint,
        (Correlated::Drop(placed), Event::Drop(dropped)) => placed.segment == *dropped,
        (Correlated::Report(placed), Event::Report(report)) => placed.report == *report,
        (Correlated::Loss(placed), Event::Loss(loss)) if is_of_states(event) => {
            (placed.at, placed.source) == (loss.at, loss.source) && placed.count <= loss.count
        }
        (Correlated::Loss(placed), Event::Loss(loss)) => placed == loss,
        _ => false,
    }
}

/// Returns the connection, if it has any.
pub(crate) fn conn(placed: &Correlated) -> Option<u64> {
    match placed {
        Correlated::State(state) => state.conn,
        Correlated::Segment(segment) => Some(segment.conn),
        Correlated::Icmp(icmp) => Some(icmp.conn),
        Correlated::Hint(hint) => hint.conn,
        Correlated::Drop(dropped) => dropped.conn,
        Correlated::Report(report) => Some(report.conn),
        Correlated::Handshake(record) => Some(record.conn),
        Correlated::Close(record) => Some(record.conn),
        Correlated::Stalled(record) => Some(record.conn),
        Correlated::Evicted(evicted) => Some(evicted.conn),
        Correlated::Owner(owner) => Some(owner.conn),
        _ => None,
    }
}
