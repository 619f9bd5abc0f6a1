//! Selection of the events of a file that a live trace with the same options would have shown.

use crate::cli::{Options, Segments};
use tcptrace_core::{
    event::{Direction, Event},
    filter::{Ends, Filter},
};

/// The name of the loopback device in every network namespace.
const LOOPBACK: &str = "lo";

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
