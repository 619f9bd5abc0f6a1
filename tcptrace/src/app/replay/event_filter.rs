//! Selection of the events of a file that a live trace with the same options would have shown.

use std::collections::HashSet;

use crate::cli::{Options, Segments};
use tcptrace_core::{
    event::{Direction, Endpoint, Event},
    filter::{Ends, Filter},
};

/// The name of the loopback device in every network namespace.
const LOOPBACK: &str = "lo";

/// Connections between two namespaces of the recorded host, as far as they are known. Both ends are local, but a recording
/// has each segment once, as it was seen first: on its way out.
#[derive(Debug, Default)]
pub(super) struct Between(HashSet<[Endpoint; 2]>);

impl Between {
    /// Returns true if an event is a segment of such a connection, and remembers those that it reveals: its segments and states
    /// belong to a connection of another namespace than theirs.
    pub(super) fn has(&mut self, event: &Event, filter: &Filter) -> bool {
        let (mut ends, elsewhere) = match event {
            // Only these depend on which end is local.
            _ if filter.local_ports.is_none() && filter.remote_ports.is_none() => return false,
            Event::Segment(segment) => ([segment.src, segment.dst], segment.conn_netns),
            Event::State(change) => ([change.local, change.remote], change.conn_netns),
            _ => return false,
        };
        ends.sort_unstable();
        // Of others, no segment is shown in any case.
        if elsewhere.is_some() && filter.matches(ends[0], ends[1], Ends::Either) {
            self.0.insert(ends);
        }
        matches!(event, Event::Segment(_)) && self.0.contains(&ends)
    }
}

/// Returns true if an event is to be shown. `interface` is the one that its segment passed, if known; `between` is true if
/// either end of the segment may be the local one.
pub(super) fn is_chosen(event: &Event, interface: Option<&str>, between: bool, options: &Options) -> bool {
    // `--segments none` does not apply to ICMP errors.
    let wanted = options.segments != Segments::None || !matches!(event, Event::Segment(_) | Event::Drop(_));
    wanted && matches(&options.filter, event, interface, between)
}

/// Returns true if an event matches a filter.
pub(super) fn matches(filter: &Filter, event: &Event, interface: Option<&str>, between: bool) -> bool {
    // An incoming segment is for a local socket, an outgoing one is from it. An ICMP error quotes a segment of the opposite
    // direction.
    let (src, dst, direction) = match event {
        Event::Segment(segment) => (segment.src, segment.dst, segment.direction),
        Event::Icmp(error) => (error.dst, error.src, error.direction),
        Event::Drop(dropped) => (dropped.src, dropped.dst, None),
        // A socket's local end is known, but not its interface.
        Event::State(change) => return filter.matches(change.local, change.remote, Ends::LocalIsFirst),
        Event::Hint(hint) => return filter.matches(hint.local, hint.remote, Ends::LocalIsFirst),
        Event::Owner(owner) => return filter.matches(owner.local, owner.remote, Ends::LocalIsFirst),
        Event::Report(report) => return filter.matches(report.local, report.remote, Ends::LocalIsFirst),
        // Connections that match may belong to any listener.
        Event::Listener(_) | Event::Loss(_) => return true,
    };
    let named = |name| filter.interfaces.iter().any(|wanted| wanted == name);
    let holds = match direction {
        _ if between || interface == Some(LOOPBACK) => filter.matches(src, dst, Ends::Either),
        Some(Direction::Out) => filter.matches(src, dst, Ends::LocalIsFirst),
        Some(Direction::In) => filter.matches(dst, src, Ends::LocalIsFirst),
        None => filter.matches(src, dst, Ends::Either),
    };
    (filter.interfaces.is_empty() || interface.is_some_and(named)) && holds
}
