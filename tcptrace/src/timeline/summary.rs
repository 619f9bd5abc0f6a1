//! One sentence for each record: what happened, who began it, and what to look at where it went wrong.

use std::fmt::Write as _;

use super::{Close, CloseKind, Handshake, HandshakeKind, Missing, Outcome, ResetCause, Role, TimeWait, WaitingFor};
use crate::text::HumanDuration;

/// What a handshake's sentence needs besides the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeFacts {
    /// No SYN was seen to leave.
    pub(crate) never_left: bool,
    /// SYNs that were.
    pub(crate) syns: u32,
    /// What an ICMP error said about the SYN.
    pub(crate) icmp: Option<&'static str>,
    /// Who sent a reset.
    pub(crate) reset_by: Option<Role>,
    /// From the first event to the last, in nanoseconds.
    pub(crate) lasted: u64,
    /// No segment was seen at all.
    pub(crate) no_segments: bool,
}

/// The sentence of a handshake.
pub(crate) fn handshake(record: &Handshake, facts: &HandshakeFacts) -> String {
    let mut text = match record.kind {
        HandshakeKind::ThreeWay => "three-way handshake",
        HandshakeKind::Simultaneous => "simultaneous open",
        HandshakeKind::FastOpen => "TCP Fast Open handshake",
        HandshakeKind::Unseen => "handshake not seen",
    }
    .to_owned();
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
    if facts.no_segments && record.outcome.is_some() {
        text.push_str("; no segments passed an interface that is watched: another network namespace?");
    }
    text + &missing_words(&record.missing)
}

fn outcome_words(record: &Handshake, outcome: Outcome, facts: &HandshakeFacts) -> String {
    let lasted = HumanDuration(facts.lasted);
    let tries = match facts.syns {
        0 => "without a SYN that was seen to leave".to_owned(),
        1 => "after one SYN".to_owned(),
        syns => format!("after {syns} SYNs"),
    };
    match outcome {
        Outcome::Established => {
            let round = record.syn_to_synack_ns.zip(record.synack_to_ack_ns).map(|(there, back)| there + back);
            match round.or(record.connect_ns) {
                Some(time) => format!("established in {}", HumanDuration(time)),
                None => "established".to_owned(),
            }
        }
        Outcome::Refused => match (record.by_icmp, facts.icmp) {
            (true, Some(said)) => format!("refused by ICMP: {said}"),
            _ => "refused: a reset answered the SYN, so nobody listens there or a firewall says so".to_owned(),
        },
        Outcome::Reset => match facts.reset_by {
            Some(Role::Client) => {
                "reset by the client before it was complete, as health checks and scans do".to_owned()
            }
            Some(Role::Server) => "reset by the server before it was complete".to_owned(),
            None => "reset before it was complete".to_owned(),
        },
        Outcome::Unreachable => match facts.icmp {
            Some(said) => format!("unreachable: {said}"),
            None => "unreachable: no way to the other end".to_owned(),
        },
        Outcome::TimedOut => format!("timed out {tries}, {lasted} without an answer"),
        Outcome::Cancelled => {
            format!("cancelled by the client's application after {lasted}, {tries} without an answer")
        }
        Outcome::Unanswered => {
            let waits = match record.waiting_for {
                Some(WaitingFor::Ack) => "the client's ACK",
                Some(WaitingFor::SynAck) | None => "the server's SYN,ACK",
            };
            if facts.never_left {
                format!("unanswered: waiting for {waits}, but no SYN was seen to leave this host")
            } else {
                format!("unanswered: waiting for {waits} {tries}")
            }
        }
    }
}

/// The sentence of a close.
pub(crate) fn close(record: &Close) -> String {
    let mut text = how(record);
    let arrows = [(record.bytes.client_to_server, "→"), (record.bytes.server_to_client, "←")];
    let bytes: Vec<String> =
        arrows.iter().filter_map(|(count, arrow)| count.map(|count| format!("{count} B {arrow}"))).collect();
    if !bytes.is_empty() {
        push(&mut text, format_args!("; {}", bytes.join(", ")));
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
    text + &missing_words(&record.missing)
}

fn how(record: &Close) -> String {
    let by = record.initiator.map_or_else(String::new, |role| format!(" by the {}", name(role)));
    match record.kind {
        CloseKind::Simultaneous => "closed by both ends at once".to_owned(),
        CloseKind::ThreeSegment => format!("closed{by}, three segments"),
        CloseKind::FourSegment => format!("closed{by}, four segments"),
        CloseKind::Orderly => format!("closed{by}, as the states show; the FINs were not seen"),
        CloseKind::TimedOut => match record.initiator {
            Some(role) => format!("timed out after the {} had closed", name(role)),
            None => "timed out: the other end did not answer any more".to_owned(),
        },
        CloseKind::Unfinished => match record.initiator {
            Some(role) => format!("unfinished: the {} has closed its side; tracing stopped first", name(role)),
            None => "unfinished: tracing stopped first".to_owned(),
        },
        CloseKind::Unseen => "ended; how was not seen".to_owned(),
        CloseKind::Reset => record.reset.map_or_else(
            || "reset".to_owned(),
            |reset| format!("reset by the {}{}", name(reset.by), cause_words(reset.cause)),
        ),
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
            Missing::Fin => "FIN",
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
