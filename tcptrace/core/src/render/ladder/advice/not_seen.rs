//! Advice on how to see the next connection completely.

use super::Advice;
use crate::verdict::{Close, Handshake, Missing, NoSegments};

/// Returns how to see the next connection completely.
pub(super) fn not_seen(missed: &Missed<'_>) -> Advice {
    let advice = |missing: &Missing| match missing {
        Missing::Lost => Some("a larger --ring-buffer, or filters: events were lost".into()),
        Missing::Interface => segments_elsewhere(missed),
        // It began before tracing, or a filter or an interface left it out.
        Missing::Syn | Missing::Synack | Missing::Ack | Missing::Fin | Missing::Data | Missing::States => None,
    };
    missed.missing.iter().rev().find_map(advice)
}

fn segments_elsewhere(missed: &Missed<'_>) -> Advice {
    match missed.no_segments? {
        NoSegments::OtherNamespace => {
            let pid = missed.pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
            Some(
                format!(
                    "`--netns all`, or `nsenter -t {pid} -n tcptrace`: its segments pass in another network namespace"
                )
                .into(),
            )
        }
        NoSegments::NotWatched | NoSegments::Translated => None,
    }
}

/// The parts that a record lacks, and why.
pub(super) struct Missed<'a> {
    missing: &'a [Missing],
    no_segments: Option<NoSegments>,
    /// A process in the namespace of the connection.
    pid: Option<u32>,
}

impl<'a> Missed<'a> {
    pub(super) fn of_handshake(record: &'a Handshake) -> Self {
        let pid = record.client.pid.or(record.server.pid);
        Self { missing: &record.missing, no_segments: record.no_segments, pid }
    }

    pub(super) fn of_close(record: &'a Close) -> Self {
        let pid = record.client.pid.or(record.server.pid);
        Self { missing: &record.missing, no_segments: record.no_segments, pid }
    }
}
