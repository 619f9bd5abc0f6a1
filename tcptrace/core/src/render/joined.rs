//! The views that several hosts have of a connection, in words.

use super::ladder::heading::endpoint;
use crate::{
    output_record::{Joined, JoinedView, Passage},
    text::{Escaped, HumanDuration},
};

/// Returns the text for a segment's passage between hosts, unless there is nothing to report.
pub(super) fn passage(passage: &Passage) -> Option<String> {
    match (passage.sightings.as_slice(), passage.delay_ns) {
        _ if passage.lost => Some("lost on the way".to_owned()),
        ([only], _) => Some(format!("only at {}", Escaped(only.host.as_bytes()))),
        (_, Some(delay)) => Some(format!("arrives after {}", HumanDuration(delay))),
        (_, None) => None,
    }
}

/// Returns the lines below the heading: the hosts that saw the connection, the round-trip time, the offsets between their
/// clocks, and the addresses by which other hosts know it.
pub(super) fn lines(joined: &Joined) -> Vec<String> {
    if let Some(host) = &joined.only_at {
        return vec![format!("only {} saw it", Escaped(host.as_bytes()))];
    }
    let hosts: Vec<_> = joined.views.iter().map(|view| Escaped(view.host.as_bytes()).to_string()).collect();
    let mut text = format!("seen by {}", hosts.join(", then "));
    if let Some(round_trip) = joined.round_trip_ns {
        text += &format!(": {} there and back", HumanDuration(round_trip));
    }
    let clocks = joined.views.iter().zip(&hosts).filter_map(|(view, host)| clock(view, host));
    let mut lines = vec![[text].into_iter().chain(clocks).collect::<Vec<_>>().join("; ")];
    let Some(first) = joined.views.first() else { return lines };
    for (view, host) in joined.views.iter().zip(&hosts) {
        if (view.client, view.server) != (first.client, first.server) {
            lines.push(format!("at {host} it is {} to {}", endpoint(&view.client), endpoint(&view.server)));
        }
    }
    lines
}

/// Returns the offset of a clock in words; `None` for the reference clock.
fn clock(view: &JoinedView, host: &str) -> Option<String> {
    match (view.clock_offset_ns, view.clock_error_ns) {
        (Some(0), Some(0)) => None,
        (Some(offset), Some(error)) if offset.unsigned_abs() <= error => {
            Some(format!("{host}'s clock agrees, give or take {}", HumanDuration(error)))
        }
        (Some(offset), Some(error)) => {
            let word = if offset < 0 { "behind" } else { "ahead" };
            let (offset, error) = (HumanDuration(offset.unsigned_abs()), HumanDuration(error));
            Some(format!("{host}'s clock is {offset} {word}, give or take {error}"))
        }
        _ => Some(format!("how far {host}'s clock is off is unknown")),
    }
}
