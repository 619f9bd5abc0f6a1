//! Which events are shown: those that would have been live.

use std::net::IpAddr;

use crate::cli::{Options, Segments};
use tcptrace_core::{
    event::{Direction, Endpoint, Event},
    filter::{Ends, Filter},
};

/// The loopback device, in every namespace.
const LOOPBACK: &str = "lo";

/// Whether an event that passed this interface is to be shown.
pub(super) fn is_chosen(event: &Event, interface: Option<&str>, options: &Options) -> bool {
    // Without segments there is nothing to see on interfaces but what ICMP says.
    let wanted = options.segments != Segments::None || !matches!(event, Event::Segment(_));
    wanted && matches(&options.filter, event, interface)
}

fn matches(filter: &Filter, event: &Event, interface: Option<&str>) -> bool {
    let end = |end: Endpoint| -> (IpAddr, u16) { (end.addr, end.port) };
    // What comes in is for a socket here, what goes out is from one; an ICMP error is about what went the other way.
    let (src, dst, direction) = match event {
        Event::Segment(segment) => (end(segment.src), end(segment.dst), segment.direction),
        Event::Icmp(error) => (end(error.dst), end(error.src), error.direction),
        // A socket knows which end it is, but not by which interface.
        Event::State(change) => return filter.matches(end(change.local), end(change.remote), Ends::LocalIsFirst),
        Event::Hint(hint) => return filter.matches(end(hint.local), end(hint.remote), Ends::LocalIsFirst),
        Event::Owner(owner) => return filter.matches(end(owner.local), end(owner.remote), Ends::LocalIsFirst),
        // Connections that match come to any of them.
        Event::Listener(_) | Event::Loss(_) => return true,
    };
    let named = |name| filter.interfaces.iter().any(|wanted| wanted == name);
    let holds = match direction {
        _ if interface == Some(LOOPBACK) => filter.matches(src, dst, Ends::Either),
        Some(Direction::Out) => filter.matches(src, dst, Ends::LocalIsFirst),
        Some(Direction::In) => filter.matches(dst, src, Ends::LocalIsFirst),
        None => filter.matches(src, dst, Ends::Either),
    };
    (filter.interfaces.is_empty() || interface.is_some_and(named)) && holds
}
