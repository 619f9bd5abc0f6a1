//! One sentence for each record: what happened, who began it, and what to look at where it went wrong.

use std::{borrow::Cow, fmt::Write as _};

use super::{Close, CloseKind, Handshake, HandshakeKind, Missing, Outcome, ResetCause, Role, TimeWait, WaitingFor};
use crate::{event::AcceptQueue, text::HumanDuration};

/// What a handshake's sentence needs besides the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeFacts {
    /// SYNs that were seen.
    pub(crate) syns: u32,
    /// What an ICMP error said about the SYN.
    pub(crate) icmp: Option<&'static str>,
    /// The accept queue of the server's listener, where it was full when the kernel was asked last and no SYN,ACK came.
    pub(crate) full_queue: Option<AcceptQueue>,
    /// From the first event to the last, in nanoseconds.
    pub(crate) lasted: u64,
    /// What both records' sentences need.
    pub(crate) common: CommonFacts,
}

/// What the sentences of both records need besides the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommonFacts {
    /// Why no segment was seen, where none was.
    pub(crate) no_segments: Option<NoSegments>,
    /// The connection that this one is on the other side of an address translation.
    pub(crate) translated: Option<u64>,
}

/// Why no segment of a connection was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoSegments {
    /// Its interfaces are in another network namespace.
    OtherNamespace,
    /// They passed no interface that is watched.
    NotWatched,
    /// There was nothing but a SYN to be sent, and it was not seen to leave.
    NeverLeft,
}

/// What a close's sentence needs besides the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseFacts {
    /// Payload that came for the end that sent the reset after it had closed.
    pub(crate) late_bytes: Option<u64>,
    /// The other end closed too.
    pub(crate) other_closed: bool,
    /// What both records' sentences need.
    pub(crate) common: CommonFacts,
}

/// Bytes of most sentences.
const USUAL: usize = 128;

/// The sentence of a handshake.
pub(crate) fn handshake(record: &Handshake, facts: &HandshakeFacts) -> String {
    let mut text = String::with_capacity(USUAL);
    text.push_str(match record.kind {
        HandshakeKind::ThreeWay => "three-way handshake",
        HandshakeKind::Simultaneous => "simultaneous open",
        HandshakeKind::FastOpen => "TCP Fast Open handshake",
        HandshakeKind::Unseen => "handshake not seen",
    });
    if let Some(outcome) = record.outcome {
        text.push_str(", ");
        text.push_str(&outcome_words(record, outcome, facts));
    }
    let again = record.retransmissions.syn.unwrap_or(0);
    if again > 0 && record.outcome == Some(Outcome::Established) {
        push(&mut text, format_args!("; the SYN was sent {} times", again + 1));
    }
    let again = record.retransmissions.synack.unwrap_or(0);
    if again > 0 {
        push(&mut text, format_args!("; the SYN,ACK was sent {} times", again + 1));
    }
    push_common(&mut text, &facts.common);
    text + &missing_words(&record.missing)
}

fn push_common(text: &mut String, facts: &CommonFacts) {
    text.push_str(match facts.no_segments {
        Some(NoSegments::OtherNamespace) => "; no segments: other network namespace",
        Some(NoSegments::NotWatched) => "; no segments: they passed no interface that is watched",
        Some(NoSegments::NeverLeft) => "; no SYN was seen to leave this host",
        None => "",
    });
    if let Some(number) = facts.translated {
        push(text, format_args!("; the same as #{number}, on the other side of an address translation"));
    }
}

fn outcome_words(record: &Handshake, outcome: Outcome, facts: &HandshakeFacts) -> Cow<'static, str> {
    let lasted = HumanDuration(facts.lasted);
    let joined = |word: &str| match facts.syns {
        0 => String::new(),
        1 => format!(" {word} one SYN"),
        syns => format!(" {word} {syns} SYNs"),
    };
    match outcome {
        Outcome::Established => {
            let round = record.syn_to_synack_ns.zip(record.synack_to_ack_ns).map(|(there, back)| there + back);
            match round.or(record.connect_ns) {
                Some(time) => format!("established in {}", HumanDuration(time)).into(),
                None => "established".into(),
            }
        }
        Outcome::Refused => match (record.by_icmp, facts.icmp) {
            (true, Some(said)) => format!("refused by ICMP: {said}").into(),
            _ => match record.reset.map(|reset| reset.cause) {
                Some(ResetCause::NoListener) => "refused: nobody listens there".into(),
                None => "refused: by a reset or an ICMP error, which was not seen".into(),
                _ => "refused: a reset answered the SYN, so nobody listens there or a firewall says so".into(),
            },
        },
        Outcome::Reset => match record.reset.map(|reset| reset.by) {
            Some(Role::Client) => "reset by the client before it was complete, as health checks and scans do".into(),
            Some(Role::Server) => {
                let cause = record.reset.map_or("", |reset| cause_words(reset.cause));
                format!("reset by the server before it was complete{cause}").into()
            }
            None => "reset before it was complete".into(),
        },
        Outcome::Unreachable => match facts.icmp {
            Some(said) => format!("unreachable: {said}").into(),
            None => "unreachable: no way to the other end".into(),
        },
        Outcome::TimedOut => {
            format!("timed out{}, {lasted} without an answer{}", joined("after"), queue_words(facts)).into()
        }
        Outcome::Cancelled => {
            let (and, why) = (joined("and"), queue_words(facts));
            format!("cancelled by the client's application after {lasted}{and} without an answer{why}").into()
        }
        Outcome::Unanswered => {
            let waits = match record.waiting_for {
                Some(WaitingFor::Ack) => "the client's ACK",
                Some(WaitingFor::SynAck) | None => "the server's SYN,ACK",
            };
            format!("unanswered: waiting for {waits}{}{}", joined("after"), queue_words(facts)).into()
        }
    }
}

/// Why the server does not answer.
fn queue_words(facts: &HandshakeFacts) -> String {
    let Some(AcceptQueue { length, limit }) = facts.full_queue else { return String::new() };
    format!("; the server's accept queue is full ({length} of {limit})")
}

/// The sentence of a close.
pub(crate) fn close(record: &Close, facts: &CloseFacts) -> String {
    let mut text = String::with_capacity(USUAL);
    text.push_str(&how(record, facts));
    let arrows = [(record.bytes.client_to_server, "→"), (record.bytes.server_to_client, "←")];
    let counts = arrows.iter().filter_map(|&(count, arrow)| Some((count?, arrow)));
    for ((count, arrow), separator) in counts.zip(["; ", ", "]) {
        push(&mut text, format_args!("{separator}{count} B {arrow}"));
    }
    if let Some(time) = record.duration_ns {
        push(&mut text, format_args!("; lasted {}", HumanDuration(time)));
    }
    match record.time_wait {
        Some(TimeWait::Client) => text.push_str("; the client holds TIME_WAIT for 60 s"),
        Some(TimeWait::Server) => text.push_str("; the server holds TIME_WAIT for 60 s"),
        Some(TimeWait::Both) => text.push_str("; both hold TIME_WAIT for 60 s"),
        None => {}
    }
    let late = record.reset.filter(|_| record.time_wait.is_some());
    if let Some(reset) = late {
        push(&mut text, format_args!(", into which the {} sent a reset", name(reset.by)));
    }
    push_common(&mut text, &facts.common);
    text + &missing_words(&record.missing)
}

fn how(record: &Close, facts: &CloseFacts) -> Cow<'static, str> {
    let by = match record.initiator {
        Some(Role::Client) => " by the client",
        Some(Role::Server) => " by the server",
        None => "",
    };
    match record.kind {
        CloseKind::Simultaneous => "closed by both ends at once".into(),
        CloseKind::ThreeSegment => format!("closed{by}, three segments").into(),
        CloseKind::FourSegment => format!("closed{by}, four segments").into(),
        CloseKind::Orderly => format!("closed{by}, as the states show; the FINs were not seen").into(),
        CloseKind::TimedOut => match (record.initiator, record.reset.map(|reset| reset.cause)) {
            (Some(role), _) => format!("timed out after the {} had closed", name(role)).into(),
            (None, Some(cause @ ResetCause::Keepalive)) => format!("timed out{}", cause_words(cause)).into(),
            (None, _) => "timed out: the other end did not answer any more".into(),
        },
        CloseKind::Unfinished => match record.initiator {
            Some(role) => format!("unfinished: the {} has closed its side; tracing stopped first", name(role)).into(),
            None => "unfinished: tracing stopped first".into(),
        },
        CloseKind::Unseen if by.is_empty() => "ended; how was not seen".into(),
        CloseKind::Unseen => format!("closed{by}; how it ended was not seen").into(),
        CloseKind::Reset => record.reset.map_or_else(
            || "reset".into(),
            |reset| {
                let cause = match reset.cause {
                    ResetCause::DataAfterClose => late_words(facts),
                    cause => cause_words(cause).into(),
                };
                format!("reset by the {}{cause}", name(reset.by)).into()
            },
        ),
    }
}

/// Lengths of a TLS close_notify: 1.3, and 1.2 with AES-GCM, ChaCha20 or CBC and SHA-1 (RFC 5246 §6.2.3, RFC 8446 §5.2).
const CLOSE_NOTIFY: [u64; 4] = [23, 24, 31, 53];

/// Why data for a closed socket need not be a failure.
fn late_words(facts: &CloseFacts) -> Cow<'static, str> {
    match facts.late_bytes {
        Some(bytes) if facts.other_closed && bytes <= 64 => {
            format!(": the other end still sent {bytes} B while it closed too, as TLS does with close_notify: harmless")
                .into()
        }
        Some(bytes) if CLOSE_NOTIFY.contains(&bytes) => format!(
            ": the other end sent {bytes} B to a socket that was closed already: harmless if that was TLS's close_notify, \
             whose length it is; further writes fail with EPIPE"
        )
        .into(),
        _ => cause_words(ResetCause::DataAfterClose).into(),
    }
}

fn cause_words(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Linger => ": it closed with SO_LINGER 0",
        ResetCause::UnreadData => ": it closed with data unread",
        ResetCause::DataAfterClose => {
            ": the other end wrote to a socket that was closed already, and further writes fail with EPIPE"
        }
        ResetCause::NoListener => ": nobody listens there",
        ResetCause::ListenerClosed => ": its listener closed before it was accepted",
        ResetCause::Overflow => ": the accept queue is full",
        ResetCause::NoConnection => ": it knows no such connection",
        ResetCause::Killed => ": its socket was destroyed from outside",
        ResetCause::Keepalive => ": keep-alive probes were not answered",
        ResetCause::Unknown => "",
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

fn missing_words(missing: &[Missing]) -> String {
    let words: Vec<&str> = missing
        .iter()
        .map(|missing| match missing {
            Missing::Syn => "SYN",
            Missing::Synack => "SYN,ACK",
            Missing::Ack => "ACK",
            Missing::Fin => "FIN or RST",
            Missing::States => "states",
            Missing::Interface => "segments",
            Missing::Lost => "lost events",
        })
        .collect();
    if words.is_empty() { String::new() } else { format!(" (incomplete, not seen: {})", words.join(", ")) }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}
