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
    let hosts: Vec<_> = joined.views.iter().map(|view| Escaped(view.host.as_bytes()).to_string()).collect();
    let mut lines = vec![match &joined.only_at {
        Some(host) => format!("only {} saw it", Escaped(host.as_bytes())),
        None => seen_by(joined, &hosts),
    }];
    let Some(first) = joined.views.first() else { return lines };
    for (view, host) in joined.views.iter().zip(&hosts) {
        if (view.client, view.server) != (first.client, first.server) {
            lines.push(format!("at {host} it is {} to {}", endpoint(&view.client), endpoint(&view.server)));
        }
    }
    lines
}

fn seen_by(joined: &Joined, hosts: &[String]) -> String {
    // A host that translates addresses may have seen both sides.
    let mut names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    names.dedup();
    let mut text = format!("seen by {}", names.join(", then "));
    if let Some(round_trip) = joined.round_trip_ns {
        text += &format!(": {} there and back", HumanDuration(round_trip));
    }
    let mut clocks: Vec<String> = joined.views.iter().zip(hosts).filter_map(|(view, host)| clock(view, host)).collect();
    clocks.dedup();
    [text].into_iter().chain(clocks).collect::<Vec<_>>().join("; ")
}

/// Returns an offset in nanoseconds with as many digits as its error leaves: fewer would contradict the error, and more mean
/// nothing.
fn offset_within(offset: u64, error: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    // Down to a microsecond.
    let digits = (1..6).find(|&digits| error >= SECOND / 10_u64.pow(digits)).unwrap_or(6);
    let step = SECOND / 10_u64.pow(digits);
    let steps = offset.saturating_add(step / 2) / step;
    let (seconds, rest) = (steps / (SECOND / step), steps % (SECOND / step));
    match seconds {
        0 if digits > 3 => {
            let per_ms = SECOND / step / 1_000;
            format!("{}.{:0width$} ms", rest / per_ms, rest % per_ms, width = digits as usize - 3)
        }
        _ => format!("{seconds}.{rest:0width$} s", width = digits as usize),
    }
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
            let offset = offset_within(offset.unsigned_abs(), error);
            Some(format!("{host}'s clock is {offset} {word}, give or take {}", HumanDuration(error)))
        }
        _ => Some(format!("how far {host}'s clock is off is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_has_the_digits_that_its_error_leaves() {
        for (offset, error, text) in [
            (3_699_998_700, 4_000, "3.699999 s"),
            (3_699_998_700, 40_000, "3.70000 s"),
            (3_699_998_700, 2_000_000, "3.700 s"),
            (3_699_998_700, 2_000_000_000, "3.7 s"),
            (999_999_999, 500, "1.000000 s"),
            (12_449_600, 300, "12.450 ms"),
            (12_449_600, 300_000, "12.4 ms"),
            (31_000, 2_000, "0.031 ms"),
            (12_449_600, 3_000_000, "0.012 s"),
            (7_505_000_002_000, 2_000, "7505.000002 s"),
            (u64::MAX, u64::MAX, "18446744073.7 s"),
        ] {
            assert_eq!(offset_within(offset, error), text, "{offset} {error}");
        }
    }
}
